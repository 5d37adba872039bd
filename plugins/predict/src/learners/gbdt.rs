//! `*.gbdt`: gradient boosting of trees, for a yes/no outcome or an amount.
//!
//! Does not tune: the defaults are meant for customers' data as they come.

use lode_numeric::trees::Objective;
use lode_plugin::Context;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use super::amounts;
use super::boosting::BoostParams;
use super::boosting::boost;
use super::forest;
use super::forest::Grown;
use super::pairs;
use super::pairs::PairParams;
use crate::frame::Plan;
use crate::learner::Learned;
use crate::learner::Learner;
use crate::learner::Training;
use crate::learner::learning;
use crate::params::Both;
use crate::params::Part;
use crate::params::within;

/// Gradient boosting of trees for a yes/no outcome.
///
/// Use it when the score must be as good as it gets, also where the outcome hangs on columns
/// in combination; a regression or a tree is easier to explain.
///
/// # Input
/// `customers` as of [`super::Logistic`]. Missing values and values that were never seen go
/// the way that fits best where a tree splits on their column.
///
/// # Output
/// `scores` as of [`super::Logistic`]. `importance`: `feature`, `share` and `gain` of all
/// splits on it, the largest first. `interactions`: pairs of columns and how strongly they act
/// together, where [`PairParams`] ask for it.
///
/// # Parameters
/// [`BoostParams`], [`PairParams`], [`crate::YesNoParams`], [`crate::Common`].
///
/// # Method
/// `lode_numeric::trees::gbdt` with the log loss: an inner cross-validation finds the number
/// of rounds, and the mean of its members is the model. Contributions are exact SHAP values of
/// the trees; margins and contributions are rounded to 2^-44 of the largest margin, so that
/// they add up to the bit. `score = 1 / (1 + exp(-margin))`.
///
/// # Determinism and cost
/// The seed draws folds, rows and columns. The same bytes with any number of threads. O(rows
/// columns rounds members) time, about 2 bytes a value of memory beside the features.
///
/// # Errors
/// As [`super::Logistic`]; fewer than two rows with a weight.
///
/// # Source
/// See `lode_numeric::trees`.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, BooleanArray, Float64Array, StringArray};
/// use arrow_array::{cast::AsArray, types::Float64Type};
/// use lode_plugin::{Inputs, Role, testing};
/// use predict::{Predict, families::Churn, learners::Gbdt};
///
/// let n = 200;
/// let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..n).map(|n| format!("c{n}"))));
/// let months: ArrayRef = Arc::new(Float64Array::from_iter_values((0..n).map(f64::from)));
/// let left: ArrayRef = Arc::new(BooleanArray::from_iter((0..n).map(|n| Some(n < 60))));
/// let customers = testing::batch(&[
///     ("id", Some(Role::CustomerId), ids),
///     ("months", None, months),
///     ("left", Some(Role::Label), left),
/// ]);
/// let inputs = Inputs::new().with("customers", customers.into());
/// let fit = testing::fit::<Predict<Churn, Gbdt>>("{}", inputs, 1, 1)?;
/// let scores = fit.table("scores")["score"].as_primitive::<Float64Type>().values();
/// assert!(scores[0] > 0.8 && scores[199] < 0.2);
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Gbdt;

impl Learner for Gbdt {
    const NAME: &'static str = "gbdt";
    const TITLE: &'static str = "gradient boosting";
    const ABOUT: &'static str = "Many small trees, each mending what those before have missed; \
        numbers, text and missing values are taken as they come.";
    const MEMORY: (u64, u64) = super::FOREST_MEMORY;
    const WARM_START: bool = true;
    type Params = Both<BoostParams, PairParams>;
    type Model = Grown;

    fn outputs() -> Vec<Output> {
        vec![forest::importance_output(), pairs::output()]
    }

    fn learn(
        params: &Self::Params,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<Grown>> {
        learned(
            &params.one,
            params.other,
            Objective::Logistic,
            rows,
            None,
            cx,
        )
    }

    fn learn_from(
        params: &Self::Params,
        base: &Grown,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<Grown>> {
        learned(
            &params.one,
            params.other,
            Objective::Logistic,
            rows,
            Some(base),
            cx,
        )
    }

    fn write(model: &Grown) -> Result<Vec<u8>> {
        Ok(model.write())
    }

    fn read(_: &Self::Params, bytes: &[u8], plan: &Plan) -> Result<Grown> {
        Grown::read(bytes, plan)
    }
}

/// Gradient boosting of trees for an amount of 0 or more.
///
/// As [`Gbdt`]; the score is the expected amount, or the quantile of it that was asked for.
///
/// # Input
/// The label is a number of 0 or more; a row without one is scored but not learned from.
///
/// # Parameters
/// [`BoostParams`], [`AmountLoss`], [`PairParams`], [`crate::Common`].
///
/// # Method
/// With the losses `squared`, `quantile` and `huber` the margin is the amount; with the others
/// `score = exp(margin)`, and contributions count in the logarithm of the amount.
///
/// # Errors
/// As [`super::Linear`]; an amount below 0; no amount above 0; an amount of 0 with the loss
/// `gamma`.
///
/// # Source
/// See `lode_numeric::trees`. Tweedie: B. Jorgensen, "The Theory of Dispersion Models", 1997.
#[derive(Debug)]
pub struct GbdtAmount;

/// What is minimized over amounts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
#[schemars(crate = "lode_plugin::schemars")]
pub enum Loss {
    /// For amounts that are often 0 and otherwise skewed, as what customers spend.
    Tweedie,
    /// The squared error: for amounts whose large values must not count less.
    Squared,
    /// For counts.
    Poisson,
    /// For amounts that are never 0 and skewed.
    Gamma,
    /// The quantile `alpha` in place of the expected amount: what a share `alpha` of such
    /// customers stays below.
    Quantile,
    /// The squared error up to `huber_delta` from the amount, straight beyond: for amounts of
    /// which some are wildly wrong.
    Huber,
}

/// Parameters of gradient boosting for an amount.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct AmountLoss {
    /// What is minimized.
    pub loss: Loss,
    /// Power of the variance with the loss tweedie: near 1 like counts, near 2 like amounts
    /// that are never 0.
    #[schemars(range(min = 1.01, max = 1.99), extend("x-tune" = {"low": 1.1, "high": 1.9, "scale": "linear"}))]
    pub tweedie_power: f64,
    /// The share that the score is above, with the loss quantile; 0.5 is the median.
    #[schemars(range(min = 0.001, max = 0.999))]
    pub alpha: f64,
    /// Where the loss huber turns straight, in the unit of the amount. 0: by the amounts, twice
    /// their usual distance from the median.
    #[schemars(range(min = 0.0, max = 1e15))]
    pub huber_delta: f64,
}

impl Default for AmountLoss {
    fn default() -> Self {
        Self {
            loss: Loss::Tweedie,
            tweedie_power: 1.5,
            alpha: 0.5,
            huber_delta: 0.0,
        }
    }
}

impl Part for AmountLoss {
    fn check(&self) -> Result<()> {
        within("tweedie_power", self.tweedie_power, 1.01, 1.99)?;
        within("alpha", self.alpha, 0.001, 0.999)?;
        within("huber_delta", self.huber_delta, 0.0, 1e15)
    }
}

impl AmountLoss {
    /// The objective, if the amounts are such as it takes. What is left to the amounts is that
    /// of the model that is gone on with.
    fn objective(&self, rows: &Training<'_>, base: Option<&Grown>) -> Result<Objective> {
        amounts::check(rows)?;
        Ok(match self.loss {
            Loss::Squared => Objective::Squared,
            Loss::Poisson => Objective::Poisson,
            Loss::Gamma => {
                amounts::check_above_0(rows, "the loss gamma")?;
                Objective::Gamma
            }
            Loss::Tweedie => Objective::Tweedie {
                power: self.tweedie_power,
            },
            Loss::Quantile => Objective::Quantile { alpha: self.alpha },
            Loss::Huber => match base.map(|base| base.forest().objective()) {
                Some(known @ Objective::Huber { .. }) if self.huber_delta <= 0.0 => known,
                _ if self.huber_delta > 0.0 => Objective::Huber {
                    delta: self.huber_delta,
                },
                _ => Objective::Huber {
                    delta: amounts::huber_delta(rows),
                },
            },
        })
    }
}

impl Learner for GbdtAmount {
    const NAME: &'static str = Gbdt::NAME;
    const TITLE: &'static str = Gbdt::TITLE;
    const ABOUT: &'static str = Gbdt::ABOUT;
    const MEMORY: (u64, u64) = Gbdt::MEMORY;
    const WARM_START: bool = true;
    type Params = Both<BoostParams, Both<AmountLoss, PairParams>>;
    type Model = Grown;

    fn outputs() -> Vec<Output> {
        Gbdt::outputs()
    }

    fn learn(
        params: &Self::Params,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<Grown>> {
        let objective = params.other.one.objective(rows, None)?;
        learned(&params.one, params.other.other, objective, rows, None, cx)
    }

    fn learn_from(
        params: &Self::Params,
        base: &Grown,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<Grown>> {
        let objective = params.other.one.objective(rows, Some(base))?;
        learned(
            &params.one,
            params.other.other,
            objective,
            rows,
            Some(base),
            cx,
        )
    }

    fn write(model: &Grown) -> Result<Vec<u8>> {
        Ok(model.write())
    }

    fn read(_: &Self::Params, bytes: &[u8], plan: &Plan) -> Result<Grown> {
        Grown::read(bytes, plan)
    }
}

fn learned(
    params: &BoostParams,
    told: PairParams,
    objective: Objective,
    rows: &Training<'_>,
    base: Option<&Grown>,
    cx: &Context<'_>,
) -> Result<Learned<Grown>> {
    let go_on = learning(cx, "boosting trees");
    let boosted = boost(params, objective, rows, base, cx, &go_on)?;
    let together = pairs::table(told, rows, |table| {
        boosted.model.forest().interactions(table, cx.threads())
    })?;
    Ok(Learned {
        tables: vec![
            (
                "importance",
                forest::importance(rows.plan, &boosted.fit.gains)?,
            ),
            ("interactions", together),
        ],
        metrics: boosted.metrics(),
        model: boosted.model,
    })
}

#[cfg(test)]
mod tests;
