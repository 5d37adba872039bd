//! `churn.cox`: when a customer leaves, from all columns of a table and how long each was
//! watched.
//!
//! Does not handle dates, times or free text. Invariant: margins do not depend on the
//! duration, scores do.

mod curve;

use lode_numeric::survival::Subjects;
use lode_numeric::survival::cox;
use lode_plugin::Chart;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;
use lode_plugin::serde_json;

use super::regression;
use super::regression::Link;
use super::regression::Regression;
use super::survival;
use super::survival::Ratios;
use crate::frame::Plan;
use crate::frame::Rows;
use crate::learner::Additive;
use crate::learner::Learned;
use crate::learner::Learner;
use crate::learner::Training;
use crate::learner::learning;
use crate::params::Part;
use crate::params::within;
use curve::Curve;

/// Cox regression over numbers and categories, with reasons.
///
/// Use it for who leaves first when most have not left yet: customers who are still there
/// count for as long as they were watched. Each column makes the risk larger or smaller by one
/// factor at all times; for the end of a contract see [`super::Hazard`].
///
/// # Input
/// `customers` as of [`super::Logistic`], where the label says whether the customer left when
/// he was last watched, and
///
/// | column | type | range | null |
/// |---|---|---|---|
/// | role `duration` | number | 0 or more, any unit | row is scored, as one who has just begun, but not learned from |
///
/// Columns should say what was known while the customer was still there.
///
/// # Output
/// `scores` (every row, in input order): `score` is the chance to leave within `horizon` from
/// the row's duration on, given that the customer was there until then; without a duration,
/// from the beginning. `margin` is the log partial hazard: base plus contributions; it does not
/// depend on the duration. `hazard_ratios`: `feature`, `level`, `coefficient`,
/// `hazard_ratio`, `standard_error`, `z`, `p`, `low`, `high`: a number's ratio is for one unit
/// more, a level's against the most frequent one (whose row has no uncertainty); `low` and
/// `high` bound the ratio. `survival`: `time`, `survival`, `hazard`, `at_risk`: the curve of a
/// customer all of whose contributions are 0, by the times at which somebody left.
///
/// # Parameters
/// [`CoxParams`], [`crate::Common`].
///
/// # Method
/// Numbers are standardized, text becomes one weight a level, as in [`super::Logistic`]; see
/// `lode_numeric::survival::cox` for the fit (Efron's ties, L2 penalty) and Breslow's baseline
/// H0. `score = 1 - exp(-(H0(d + horizon) - H0(d)) exp(margin))` with d the duration. For
/// scores H0 is drawn as straight lines between the times at which somebody left (of more than
/// 1,000 such times every so many are kept), and after the last it goes on at the rate of the
/// last tenth of the events.
///
/// # Determinism and cost
/// No randomness. With c columns, p weights, n rows and k times O(n c^2 + k p^2 + p^3) a step,
/// 4 to 8 steps; at most 2,000 weights.
///
/// # Errors
/// As [`super::Logistic`]; a duration below 0; nobody who left among the rows with a duration.
/// A column that foretells who leaves first without a mistake has a large weight, kept finite
/// by the penalty.
///
/// # Source
/// D. R. Cox, J. R. Stat. Soc. B 34, 1972; B. Efron, JASA 72, 1977; N. Breslow, Biometrics 30,
/// 1974. Checked against lifelines.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Float64Array, StringArray, cast::AsArray, types::Float64Type};
/// use lode_plugin::{Inputs, Role, testing};
/// use predict::{Predict, families::Churn, learners::Cox};
///
/// let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
/// let calls: ArrayRef = Arc::new(Float64Array::from(vec![9.0, 8.0, 1.0, 0.0]));
/// let months: ArrayRef = Arc::new(Float64Array::from(vec![2.0, 5.0, 24.0, 30.0]));
/// let left: ArrayRef = Arc::new(StringArray::from(vec!["yes", "yes", "no", "no"]));
/// let customers = testing::batch(&[
///     ("id", Some(Role::CustomerId), ids),
///     ("calls", None, calls),
///     ("months", Some(Role::Duration), months),
///     ("left", Some(Role::Label), left),
/// ]);
/// let inputs = Inputs::new().with("customers", customers.into());
/// let fit = testing::fit::<Predict<Churn, Cox>>(r#"{"horizon": 6}"#, inputs, 1, 1)?;
/// let margins = fit.table("scores")["margin"].as_primitive::<Float64Type>().values();
/// assert!(margins[0] > margins[3] + 1.0);
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Cox;

/// Parameters of Cox regression.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct CoxParams {
    /// For how long ahead the score is the chance to leave, in the unit of the duration.
    #[schemars(range(min = 1e-6, max = 1e9))]
    pub horizon: f64,
    /// Strength of the L2 penalty on the weights; larger pulls all weights to 0.
    #[schemars(range(min = 1e-6, max = 1e9), extend("x-tune" = {"low": 0.01, "high": 1000.0, "scale": "log"}))]
    pub l2: f64,
    /// Confidence of the intervals in `hazard_ratios`.
    #[schemars(range(min = 0.5, max = 0.9999))]
    pub confidence: f64,
}

impl Default for CoxParams {
    fn default() -> Self {
        Self {
            horizon: 1.0,
            l2: 1.0,
            confidence: 0.95,
        }
    }
}

impl Part for CoxParams {
    fn check(&self) -> Result<()> {
        within("horizon", self.horizon, 1e-6, 1e9)?;
        within("l2", self.l2, 1e-6, 1e9)?;
        within("confidence", self.confidence, 0.5, 0.9999)
    }
}

/// A fitted Cox regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub struct CoxModel {
    regression: Regression,
    curve: Curve,
    horizon: f64,
}

impl Learner for Cox {
    const NAME: &'static str = "cox";
    const TITLE: &'static str = "Cox regression";
    const ABOUT: &'static str = "Learns from how long each was watched, also from those who have \
        not left yet; the score is the chance to leave within a horizon. Each column changes the \
        risk by a factor.";
    const DURATION: Option<&'static str> = Some(survival::DURATION);
    const MEMORY: (u64, u64) = (128 << 20, 2 << 10);
    type Params = CoxParams;
    type Model = CoxModel;

    fn outputs() -> Vec<Output> {
        vec![
            Ratios::output(),
            Output::new(
                "survival",
                "The chance to be there after each time, for a customer without reasons",
            )
            .chart(Chart::Line),
        ]
    }

    fn learn(
        params: &CoxParams,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<CoxModel>> {
        let prepared = survival::prepare(rows, None, cx)?;
        let design = survival::design_of(&prepared, rows.rows.len())?;
        let events: Vec<bool> = rows.targets.iter().map(|target| *target > 0.5).collect();
        let subjects = Subjects {
            weights: rows.weights,
            ..Subjects::new(rows.rows.durations().unwrap_or_default(), &events)
        };
        let asked = cox::CoxParams {
            l2: params.l2,
            threads: cx.threads(),
            ..cox::CoxParams::default()
        };
        let fit = cox::fit(&design, &subjects, &asked, &learning(cx, "fitting weights"))
            .map_err(|error| survival::refused("the Cox regression", error, rows))?;
        let regression = regression::assemble(Link::LogHazard, 0.0, &fit.weights, &prepared, rows);
        let mut ratios = Ratios::default();
        ratios.features(rows, &prepared, None, |place, against| match against {
            None => fit.estimate(place, params.confidence),
            Some(other) => fit.contrast(place, other, params.confidence),
        })?;
        Ok(Learned {
            tables: vec![
                ("hazard_ratios", ratios.finish()?),
                ("survival", curve::table(&fit.baseline, regression.base())?),
            ],
            model: CoxModel {
                regression,
                curve: Curve::new(&fit.baseline),
                horizon: params.horizon,
            },
            metrics: vec![
                ("iterations", fit.steps as f64),
                ("weights", fit.weights.len() as f64),
                ("log_likelihood", fit.log_likelihood),
                ("null_log_likelihood", fit.null_log_likelihood),
            ],
        })
    }

    fn write(model: &CoxModel) -> Result<Vec<u8>> {
        serde_json::to_vec(model)
            .map_err(|error| Error::numeric(format!("the model cannot be written: {error}")))
    }

    fn read(_: &CoxParams, bytes: &[u8], plan: &Plan) -> Result<CoxModel> {
        let model: CoxModel = serde_json::from_slice(bytes)
            .map_err(|error| Error::model(format!("expected a Cox regression, found {error}")))?;
        model.curve.check()?;
        Ok(CoxModel {
            regression: model.regression.fits(plan, Link::LogHazard)?,
            ..model
        })
    }
}

impl Additive for CoxModel {
    fn base(&self) -> f64 {
        self.regression.base()
    }

    fn contributions(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        self.regression.contributions(rows, threads)
    }

    fn scores(&self, rows: &Rows<'_>, margins: &[f64]) -> Result<Vec<f64>> {
        let durations = rows.durations();
        let scores = margins.iter().enumerate().map(|(row, margin)| {
            let duration = durations.map_or(0.0, |durations| durations[row]);
            let begin = if duration.is_nan() { 0.0 } else { duration };
            survival::chance(self.curve.between(begin, self.horizon), *margin)
        });
        Ok(scores.collect())
    }
}

#[cfg(test)]
mod tests;
