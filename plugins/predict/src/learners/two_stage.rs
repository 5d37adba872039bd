//! `value.two-stage`: will the customer buy, and if so for how much?
//!
//! Does not learn itself: each stage is a core that other learners have too. Invariant: the
//! score is the probability times the amount, and base plus contributions, all in money.

mod core;
mod lifecycle;
mod product;

use lode_plugin::Chart;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::TagKind;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_schema::Field;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;

use self::core::Core;
use self::core::Kind;
use super::amounts;
use super::boosting::BoostParams;
use super::forest::Grain;
use crate::frame::Frame;
use crate::frame::Plan;
use crate::frame::Rows;
use crate::learner::Additive;
use crate::learner::Learned;
use crate::learner::Learner;
use crate::learner::Training;
use crate::params::Both;
use crate::params::Part;
use crate::params::within;
use lifecycle::Lifecycle;

/// A probability and an amount, multiplied.
///
/// Use it for what customers spend when many spend nothing: what makes them buy is not what
/// makes them spend much. It also says where each customer stands: rising, stable or losing.
///
/// # Input
/// `customers` as of [`super::Logistic`], but the label is an amount of 0 or more; a row
/// without one is scored but not learned from.
///
/// # Output
/// `scores` as there, `score` being the expected amount, and after the contributions
/// `probability` (of an amount above 0), `amount` (expected when it is above 0) and `stage`
/// (`rising`, `stable` or `losing`; null without the parameter `current` or a value in its
/// column). `importance`: `stage`, `feature`, `share`; empty where no trees were boosted.
///
/// # Parameters
/// [`TwoStageParams`]; [`BoostParams`] for the stages that boost; [`crate::Common`].
///
/// # Method
/// A classifier learns from all rows whether the label is above 0, a regression from the rows
/// where it is how large it is, both in one of the ways of the other learners: boosting
/// (for amounts with the Gamma loss), or a regression (for amounts on their logarithm, brought
/// back by the factor that makes the sum of the learned amounts right).
/// `score = probability * amount`.
///
/// An expected amount is a mean of amounts: it is kept within the smallest and the largest
/// amount that was learned from, and within what is expected of the rows that were learned
/// from. So a row unlike all of them, whose logarithm a line would carry to any size, gets no
/// more than the largest of these; the allowance beyond is none.
///
/// With P(m) and A(m) of the two margins m1 and m2, and P0, A0 those of the bases,
/// `P A = P0 A0 + (P - P0) (A + A0) / 2 + (A - A0) (P + P0) / 2`: each factor's share is its
/// Shapley value in the product. Within a factor the share is dealt to the features in
/// proportion to their contributions to its margin. So base and contributions are in money:
/// `base = P0 A0`, `margin = score`.
///
/// With a current value c (`current` times `current_scale`), `gap = max(c, P0 A0)`: rising when `score > c + rising * gap`,
/// losing when `score < c - losing * gap`, stable in between.
///
/// # Determinism and cost
/// Those of the two stages.
///
/// # Errors
/// As [`super::GbdtAmount`]; `PARAMS_INVALID` when `current` is no number column that is a
/// feature.
///
/// # Source
/// J. Cragg, "Some Statistical Models for Limited Dependent Variables", Econometrica 39(5),
/// 1971 (two parts); N. Duan, "Smearing Estimate", JASA 78(383), 1983 (back from logarithms;
/// here by the ratio of sums in place of the mean ratio, which one row can carry away);
/// S. Lundberg, S. Lee, NIPS 2017, section 4.2 (contributions through a function of margins).
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Float64Array, StringArray, cast::AsArray, types::Float64Type};
/// use lode_plugin::{Inputs, Role, testing};
/// use predict::{Predict, families::Value, learners::TwoStage};
///
/// let n = 100;
/// let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..n).map(|n| format!("c{n}"))));
/// let visits = (0..n).map(|n| f64::from(n % 10));
/// let spent = visits.clone().map(|v| if v < 5.0 { 0.0 } else { 10.0 * v });
/// let visits: ArrayRef = Arc::new(Float64Array::from_iter_values(visits));
/// let spent: ArrayRef = Arc::new(Float64Array::from_iter_values(spent));
/// let customers = testing::batch(&[
///     ("id", Some(Role::CustomerId), ids),
///     ("visits", None, visits),
///     ("spent", Some(Role::Label), spent),
/// ]);
/// let inputs = Inputs::new().with("customers", customers.into());
/// let params = r#"{"classifier": "regression", "amount": "regression"}"#;
/// let fit = testing::fit::<Predict<Value, TwoStage>>(params, inputs, 1, 1)?;
/// let scores = fit.table("scores")["score"].as_primitive::<Float64Type>().values();
/// assert!(scores[0] < 5.0 && (60.0..120.0).contains(&scores[9]));
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct TwoStage;

/// Parameters of the two stages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct TwoStageParams {
    /// How it is learned whether a customer buys.
    #[schemars(extend("x-tune" = {"values": ["boosting", "regression"]}))]
    pub classifier: Kind,
    /// How it is learned how much a customer spends who buys.
    #[schemars(extend("x-tune" = {"values": ["boosting", "regression"]}))]
    pub amount: Kind,
    /// Strength of the L2 penalty of the stages that are regressions.
    #[schemars(range(min = 1e-6, max = 1e9))]
    pub regression_l2: f64,
    /// The number column that holds what the customer spent in the last period as long as the
    /// one that the label covers; without it there is no stage.
    pub current: Option<String>,
    /// What the current value is multiplied with where its period is another than the label's,
    /// e.g. 2 for a column of 30 days and a label of 60.
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub current_scale: f64,
    /// How far above the current value a score is that makes a customer rising, as a share of
    /// the current value or of the base (what is expected on the whole), whichever is larger.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub rising: f64,
    /// How far below the current value a score is that makes a customer losing, as a share of
    /// the current value or of the base (what is expected on the whole), whichever is larger.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub losing: f64,
}

impl Default for TwoStageParams {
    fn default() -> Self {
        Self {
            classifier: Kind::Boosting,
            amount: Kind::Boosting,
            regression_l2: 1.0,
            current: None,
            current_scale: 1.0,
            rising: 0.25,
            losing: 0.25,
        }
    }
}

impl Part for TwoStageParams {
    fn check(&self) -> Result<()> {
        within("regression_l2", self.regression_l2, 1e-6, 1e9)?;
        within("current_scale", self.current_scale, 1e-6, 1e6)?;
        within("rising", self.rising, 0.0, 1e6)?;
        within("losing", self.losing, 0.0, 1.0)
    }
}

/// The two stages, learned.
#[derive(Debug)]
pub struct Stages {
    buys: Core,
    amount: Core,
    grain: Grain,
    base: f64,
    lifecycle: Lifecycle,
}

impl Learner for TwoStage {
    const NAME: &'static str = "two-stage";
    const TITLE: &'static str = "two stages";
    const ABOUT: &'static str = "First whether the customer buys at all, then for how much; the \
        score is the product. With the column of the current value it says whether the \
        customer is rising, stable or losing.";
    const MEMORY: (u64, u64) = super::FOREST_MEMORY;
    type Params = Both<TwoStageParams, BoostParams>;
    type Model = Stages;

    fn outputs() -> Vec<Output> {
        let about = "How much the splits on each column gained, for each stage";
        vec![Output::new("importance", about).chart(Chart::Table)]
    }

    fn write_back() -> &'static [(&'static str, TagKind)] {
        &[
            ("probability", TagKind::Score),
            ("amount", TagKind::Score),
            ("stage", TagKind::Label),
        ]
    }

    fn learn(
        params: &Self::Params,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<Stages>> {
        amounts::check(rows)?;
        let Both {
            one: params,
            other: boost,
        } = params;
        let lifecycle = Lifecycle::new(params, rows.plan)?;
        let bought: Vec<f64> = rows
            .targets
            .iter()
            .map(|amount| f64::from(u8::from(*amount > 0.0)))
            .collect();
        let whole = Training {
            classes: &[],
            rows: rows.rows.clone(),
            targets: &bought,
            plan: rows.plan,
            weights: rows.weights,
            label: rows.label.clone(),
        };
        let buys = core::classifier(params, boost, &whole, cx)?;
        let buyers: Vec<usize> = (0..bought.len()).filter(|row| bought[*row] > 0.5).collect();
        let frame: Frame = rows.rows.taken(&buyers);
        let amounts: Vec<f64> = buyers.iter().map(|row| rows.targets[*row]).collect();
        let weights = rows
            .weights
            .map(|all| -> Vec<f64> { buyers.iter().map(|row| all[*row]).collect() });
        let part = Training {
            classes: &[],
            rows: frame.rows(),
            targets: &amounts,
            plan: rows.plan,
            weights: weights.as_deref(),
            label: rows.label.clone(),
        };
        let amount = core::regressor(params, boost, &part, cx)?;
        let importance = core::importance(rows.plan, &[("buys", &buys), ("amount", &amount)])?;
        let metrics = vec![
            ("buyers", buyers.len() as f64),
            ("rounds_buys", buys.rounds),
            ("rounds_amount", amount.rounds),
        ];
        let model = Stages::new(buys.core, amount.core, lifecycle, &rows.rows, cx.threads())?;
        Ok(Learned {
            model,
            tables: vec![("importance", importance)],
            metrics,
        })
    }

    fn write(model: &Stages) -> Result<Vec<u8>> {
        let mut bytes = model.grain.value().to_le_bytes().to_vec();
        for part in [
            model.lifecycle.write()?,
            model.buys.write()?,
            model.amount.write()?,
        ] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }

    fn read(_: &Self::Params, bytes: &[u8], plan: &Plan) -> Result<Stages> {
        let bad = || Error::model("expected two stages, found other bytes");
        let (grain, mut rest) = bytes.split_first_chunk::<8>().ok_or_else(bad)?;
        let grain = Grain::from_value(f64::from_le_bytes(*grain)).ok_or_else(bad)?;
        let mut part = || -> Result<&[u8]> {
            let (length, more) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
            let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| bad())?;
            let (part, more) = more.split_at_checked(length).ok_or_else(bad)?;
            rest = more;
            Ok(part)
        };
        let lifecycle = Lifecycle::read(part()?, plan)?;
        let buys = Core::read(part()?, plan, core::Stage::Buys)?;
        let amount = Core::read(part()?, plan, core::Stage::Amount)?;
        Ok(Stages::of(buys, amount, lifecycle, grain))
    }
}

impl Stages {
    fn new(
        buys: Core,
        amount: Core,
        lifecycle: Lifecycle,
        rows: &Rows<'_>,
        threads: usize,
    ) -> Result<Self> {
        // The grain of the largest score that was learned.
        let raw = Self::of(buys, amount, lifecycle, Grain::of(1.0));
        let base = raw.mean_of_bases();
        let products = raw.products(rows, threads)?;
        let largest = products.iter().fold(base, |most, (p, a)| most.max(p * a));
        Ok(Self::of(
            raw.buys,
            raw.amount,
            raw.lifecycle,
            Grain::of(largest),
        ))
    }

    fn of(buys: Core, amount: Core, lifecycle: Lifecycle, grain: Grain) -> Self {
        let mut stages = Self {
            buys,
            amount,
            grain,
            base: 0.0,
            lifecycle,
        };
        stages.base = grain.round(stages.mean_of_bases());
        stages
    }

    fn mean_of_bases(&self) -> f64 {
        self.buys.mean(self.buys.base()) * self.amount.mean(self.amount.base())
    }

    /// Probability and amount of each row.
    fn products(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<(f64, f64)>> {
        let buys = self.buys.margins(rows, threads)?;
        let amount = self.amount.margins(rows, threads)?;
        let margins = buys.iter().zip(&amount);
        Ok(margins
            .map(|(m1, m2)| (self.buys.mean(*m1), self.amount.mean(*m2)))
            .collect())
    }
}

impl Additive for Stages {
    fn base(&self) -> f64 {
        self.base
    }

    fn contributions(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        let width = rows.n_features();
        let mut parts = self.buys.contributions(rows, threads)?;
        let of_amount = self.amount.contributions(rows, threads)?;
        let margins1 = self.buys.margins(rows, threads)?;
        let margins2 = self.amount.margins(rows, threads)?;
        for row in 0..rows.len() {
            let here = row * width..(row + 1) * width;
            let buys = product::Factor::new(&self.buys, margins1[row]);
            let amount = product::Factor::new(&self.amount, margins2[row]);
            let parts = &mut parts[here.clone()];
            product::deal(&buys, &amount, parts, &of_amount[here]);
            self.grain
                .settle(self.base, parts, buys.value * amount.value);
        }
        Ok(parts)
    }

    fn margins(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        let products = self.products(rows, threads)?;
        Ok(products
            .iter()
            .map(|(p, a)| self.grain.round(p * a))
            .collect())
    }

    fn scores(&self, _rows: &Rows<'_>, margins: &[f64]) -> Result<Vec<f64>> {
        Ok(margins.to_vec())
    }

    fn columns(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<(Field, ArrayRef)>> {
        let products = self.products(rows, threads)?;
        lifecycle::columns(&self.lifecycle, self.base, rows, &products)
    }
}

#[cfg(test)]
mod tests;
