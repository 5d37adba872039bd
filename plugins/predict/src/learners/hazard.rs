//! `churn.hazard`: when a customer leaves, period by period, from all columns of a table and
//! the end of his contract.
//!
//! Does not handle dates, times or free text. Invariant: `score = 1 - exp(-H exp(margin))`
//! with H the baseline's hazard over the horizon from the row's duration on.

mod timeline;

use lode_numeric::survival::hazard;
use lode_numeric::survival::hazard::Link as Risk;
use lode_numeric::survival::hazard::NO_END;
use lode_numeric::survival::hazard::Spells;
use lode_numeric::survival::hazard::period_of;
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
use crate::frame::Kind;
use crate::frame::Plan;
use crate::frame::Rows;
use crate::frame::View;
use crate::learner::Additive;
use crate::learner::Learned;
use crate::learner::Learner;
use crate::learner::Training;
use crate::learner::learning;
use crate::params::Part;
use crate::params::within;
use crate::params::within_count;
use timeline::Timeline;

/// The most periods that a duration may hold.
const MAX_PERIODS: f64 = 1e6;

/// Discrete-time hazard over numbers and categories, whose risk follows the end of a contract.
///
/// Use it for subscriptions: time in months or weeks, a risk that changes with tenure, and
/// contracts at whose end customers leave. Without a contract it says much the same as
/// [`super::Cox`], in less time on large tables.
///
/// # Input
/// `customers` as of [`super::Cox`]. The column that `contract_end` names is a number: after
/// how long the contract ends, in the unit of the duration, counted from the end of the
/// duration (`contract_clock` "now": a snapshot of customers, 0 = ends now, below 0 = has
/// ended) or from its beginning ("start": rows of an as-of date, watched from then on); null =
/// no contract.
///
/// # Output
/// `scores` as there; `margin` is the log of the hazard over the horizon against that of the
/// baseline: base plus contributions. The contribution of the contract's column is what its
/// end does to that hazard. `hazard_ratios` as there, and for the contract the rows "(runs)",
/// "(ends)", "(has ended)" and, if there are customers without one, "(none)". `hazards`:
/// `first`, `last` (from and to which duration a group of periods goes), `at_risk` (periods
/// times customers), `left`, `hazard`: the chance to leave in one period, of a customer all of
/// whose contributions are 0; `survival`: the chance that he is there after the group.
///
/// # Parameters
/// [`HazardParams`], [`crate::Common`].
///
/// # Method
/// Durations are counted in periods of `period`. Numbers are standardized, text becomes one
/// weight a level, as in [`super::Logistic`]. The chance to leave in a period is
/// `1 - exp(-exp(level of the period + phase of the contract + weights of the row))`, the
/// complementary log-log form of the regression over customers and periods: its weights are
/// log hazard ratios, and the hazards of several periods add up, so that the margin of a
/// horizon splits exactly into columns. See `lode_numeric::survival::hazard` for the fit and
/// the grouping of periods. Over a horizon of which a period is a part, that part counts. With
/// A the sum over the periods of the horizon of exp(level) and B that of exp(level + phase),
/// the contract contributes `ln(B / A)`, centered over the learned rows, and
/// `score = 1 - exp(-A exp(margin))`. After the last group its level goes on.
///
/// The engine judges from the beginning on, with a duration of 0 in every row: contracts on
/// the clock "now" are then taken to end that long after the beginning.
///
/// # Determinism and cost
/// No randomness. With c columns, p weights, n rows and g groups O(n (c^2 + g c) + p^3) a
/// step, 5 to 9 steps; at most 2,000 weights. Periods are counted, never written out.
///
/// # Errors
/// As [`super::Cox`]; a `contract_end` that is no number column among the features; a `period`
/// so short that a duration holds more than a million; customers who all left in the first
/// period.
///
/// # Source
/// J. Singer, J. Willett, J. Educ. Stat. 18, 1993; R. Prentice, L. Gloeckler, Biometrics 34,
/// 1978 (complementary log-log). Checked against statsmodels on written-out periods.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Float64Array, StringArray, cast::AsArray, types::Float64Type};
/// use lode_plugin::{Inputs, Role, testing};
/// use predict::{Predict, families::Churn, learners::Hazard};
///
/// let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d", "e", "f"]));
/// let months: ArrayRef = Arc::new(Float64Array::from(vec![12.0, 12.0, 24.0, 11.0, 12.0, 24.0]));
/// let ends: ArrayRef = Arc::new(Float64Array::from(vec![0.0, 0.0, 0.0, 1.0, 12.0, 9.0]));
/// let left: ArrayRef = Arc::new(StringArray::from(vec!["yes", "yes", "yes", "no", "no", "no"]));
/// let customers = testing::batch(&[
///     ("id", Some(Role::CustomerId), ids),
///     ("months_to_end", None, ends),
///     ("months", Some(Role::Duration), months),
///     ("left", Some(Role::Label), left),
/// ]);
/// let inputs = Inputs::new().with("customers", customers.into());
/// let params = r#"{"contract_end": "months_to_end"}"#;
/// let fit = testing::fit::<Predict<Churn, Hazard>>(params, inputs, 1, 1)?;
/// let scores = fit.table("scores")["score"].as_primitive::<Float64Type>().values();
/// // The contract of d ends in the month to come, that of e does not.
/// assert!(scores[3] > 2.0 * scores[4]);
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Hazard;

/// Parameters of the discrete-time hazard.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct HazardParams {
    /// For how long ahead the score is the chance to leave, in the unit of the duration.
    #[schemars(range(min = 1e-6, max = 1e9))]
    pub horizon: f64,
    /// Length of a period, in the unit of the duration.
    #[schemars(range(min = 1e-6, max = 1e9))]
    pub period: f64,
    /// The number column that says after how long the customer's contract ends, in the unit of
    /// the duration; contracts do not count when not given.
    pub contract_end: Option<String>,
    /// From when on `contract_end` counts.
    pub contract_clock: Clock,
    /// Strength of the L2 penalty on the weights; larger pulls all weights to 0.
    #[schemars(range(min = 1e-6, max = 1e9), extend("x-tune" = {"low": 0.01, "high": 1000.0, "scale": "log"}))]
    pub l2: f64,
    /// Strength of the penalty on differences between the levels of neighbor periods; larger
    /// makes the baseline flat.
    #[schemars(range(min = 0.0, max = 1e9), extend("x-tune" = {"values": [0.0, 1.0, 10.0, 100.0]}))]
    pub smooth: f64,
    /// Groups of neighbor periods that have a level of their own, at most.
    #[schemars(range(min = 1, max = 200))]
    pub max_groups: usize,
    /// Confidence of the intervals in `hazard_ratios`.
    #[schemars(range(min = 0.5, max = 0.9999))]
    pub confidence: f64,
}

/// From when on the end of a contract counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
#[schemars(crate = "lode_plugin::schemars")]
pub enum Clock {
    /// From the end of the duration: the table is a picture of now, or of when the customer
    /// left.
    #[default]
    Now,
    /// From the beginning of the duration: the table is of a date from which on the customers
    /// were watched.
    Start,
}

impl Default for HazardParams {
    fn default() -> Self {
        Self {
            horizon: 1.0,
            period: 1.0,
            contract_end: None,
            contract_clock: Clock::Now,
            l2: 1.0,
            smooth: 1.0,
            max_groups: 24,
            confidence: 0.95,
        }
    }
}

impl Part for HazardParams {
    fn check(&self) -> Result<()> {
        within("horizon", self.horizon, 1e-6, 1e9)?;
        within("period", self.period, 1e-6, 1e9)?;
        within("l2", self.l2, 1e-6, 1e9)?;
        within("smooth", self.smooth, 0.0, 1e9)?;
        within_count("max_groups", self.max_groups, 1, 200)?;
        within("confidence", self.confidence, 0.5, 0.9999)
    }
}

/// A fitted discrete-time hazard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub struct HazardModel {
    regression: Regression,
    timeline: Timeline,
    contract: Option<Contract>,
}

/// Where the end of the contract stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
struct Contract {
    /// Which feature it is.
    feature: usize,
    clock: Clock,
    /// The mean over the learned rows of what it contributes.
    center: f64,
}

impl Learner for Hazard {
    const NAME: &'static str = "hazard";
    const TITLE: &'static str = "discrete-time hazard";
    const ABOUT: &'static str = "Learns from how many periods each was watched, also from those \
        who have not left yet; the score is the chance to leave within a horizon. The risk may \
        change with tenure and rise when a contract ends.";
    const DURATION: Option<&'static str> = Some(survival::DURATION);
    const MEMORY: (u64, u64) = (128 << 20, 2 << 10);
    type Params = HazardParams;
    type Model = HazardModel;

    fn outputs() -> Vec<Output> {
        vec![
            Ratios::output(),
            Output::new(
                "hazards",
                "The chance to leave in a period, for a customer without reasons",
            )
            .chart(Chart::Line),
        ]
    }

    fn learn(
        params: &HazardParams,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<HazardModel>> {
        let feature = contract_feature(params, rows.plan)?;
        let prepared = survival::prepare(rows, feature, cx)?;
        let design = survival::design_of(&prepared, rows.rows.len())?;
        let durations = rows.rows.durations().unwrap_or_default();
        let n_periods = periods(durations, params.period)?;
        let events: Vec<bool> = rows.targets.iter().map(|target| *target > 0.5).collect();
        let ends: Option<Vec<i64>> = feature.map(|index| {
            let columns = durations.iter().zip(numbers(&rows.rows, index));
            let end = |(duration, after): (&f64, &f64)| {
                timeline::end_period(params.contract_clock, params.period, *duration, *after)
            };
            columns.map(end).collect()
        });
        let spells = Spells {
            weights: rows.weights,
            ends: ends.as_deref(),
            ..Spells::new(&n_periods, &events)
        };
        let asked = hazard::HazardParams {
            link: Risk::LogLog,
            l2: params.l2,
            smooth: params.smooth,
            max_groups: params.max_groups,
            threads: cx.threads(),
            ..hazard::HazardParams::default()
        };
        let fit = hazard::fit(&design, &spells, &asked, &learning(cx, "fitting weights"))
            .map_err(|error| survival::refused("the hazard", error, rows))?;
        let mut model = HazardModel {
            regression: regression::assemble(Link::LogHazard, 0.0, &fit.weights, &prepared, rows),
            timeline: Timeline::new(&fit, params),
            contract: feature.map(|feature| Contract {
                feature,
                clock: params.contract_clock,
                center: 0.0,
            }),
        };
        model.center(rows);
        let mut ratios = Ratios::default();
        let estimate = |place: usize, against: Option<usize>| match against {
            None => fit.estimate(place, params.confidence),
            Some(other) => fit.contrast(place, other, params.confidence),
        };
        ratios.features(rows, &prepared, feature, estimate)?;
        if let Some(name) = &params.contract_end {
            ratios.reference(name, Some("(runs)"));
            let has_none = ends.iter().flatten().any(|end| *end == NO_END);
            let words = ["(ends)", "(has ended)", "(none)"].into_iter().enumerate();
            for (at, word) in words.filter(|(_, word)| has_none || *word != "(none)") {
                let found = estimate(fit.weights.len() + at, None)
                    .map_err(|error| Error::numeric(format!("a hazard ratio: {error}")))?;
                ratios.push(name, Some(word), &found);
            }
        }
        Ok(Learned {
            tables: vec![
                ("hazard_ratios", ratios.finish()?),
                ("hazards", timeline::table(&fit, params, model.base())?),
            ],
            model,
            metrics: vec![
                ("iterations", fit.steps as f64),
                ("weights", fit.weights.len() as f64),
                ("groups", fit.groups.len() as f64),
                ("log_likelihood", fit.log_likelihood),
            ],
        })
    }

    fn write(model: &HazardModel) -> Result<Vec<u8>> {
        serde_json::to_vec(model)
            .map_err(|error| Error::numeric(format!("the model cannot be written: {error}")))
    }

    fn read(_: &HazardParams, bytes: &[u8], plan: &Plan) -> Result<HazardModel> {
        let model: HazardModel = serde_json::from_slice(bytes).map_err(|error| {
            Error::model(format!("expected a discrete-time hazard, found {error}"))
        })?;
        model.timeline.check()?;
        if let Some(contract) = model.contract
            && plan.features.get(contract.feature).map(|f| &f.kind) != Some(&Kind::Number)
        {
            return Err(Error::model(format!(
                "expected a number column as feature {}, found another",
                contract.feature
            )));
        }
        Ok(HazardModel {
            regression: model.regression.fits(plan, Link::LogHazard)?,
            ..model
        })
    }
}

impl HazardModel {
    /// Puts what the contract contributes on average into the base.
    fn center(&mut self, rows: &Training<'_>) {
        let Some(contract) = self.contract else {
            return;
        };
        let parts = self.of_contract(&rows.rows, contract);
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, part) in parts.iter().enumerate() {
            sum += rows.weight(row) * part;
            total += rows.weight(row);
        }
        if total > 0.0 {
            self.contract = Some(Contract {
                center: sum / total,
                ..contract
            });
        }
    }

    /// What the contract contributes to each row, less its center.
    fn of_contract(&self, rows: &Rows<'_>, contract: Contract) -> Vec<f64> {
        let ends = numbers(rows, contract.feature);
        let parts = ends.iter().enumerate().map(|(row, after)| {
            let effect = self
                .timeline
                .contract(contract.clock, begin(rows, row), *after);
            effect - contract.center
        });
        parts.collect()
    }
}

impl Additive for HazardModel {
    fn base(&self) -> f64 {
        let center = self.contract.map_or(0.0, |contract| contract.center);
        self.regression.base() + center
    }

    fn contributions(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        let mut parts = self.regression.contributions(rows, threads)?;
        if let Some(contract) = self.contract {
            let width = rows.n_features();
            let places = parts.iter_mut().skip(contract.feature).step_by(width);
            for (place, part) in places.zip(self.of_contract(rows, contract)) {
                *place = part;
            }
        }
        Ok(parts)
    }

    fn scores(&self, rows: &Rows<'_>, margins: &[f64]) -> Result<Vec<f64>> {
        let scores = margins.iter().enumerate().map(|(row, margin)| {
            survival::chance(self.timeline.baseline(begin(rows, row)), *margin)
        });
        Ok(scores.collect())
    }
}

/// The duration from which on a row's chance counts; 0 when it is not known.
fn begin(rows: &Rows<'_>, row: usize) -> f64 {
    let duration = rows.durations().map_or(0.0, |durations| durations[row]);
    if duration.is_nan() { 0.0 } else { duration }
}

/// A number column; of another kind nothing, which the plan rules out.
fn numbers<'a>(rows: &Rows<'a>, feature: usize) -> &'a [f64] {
    match rows.feature(feature) {
        View::Number(values) => values,
        View::Category { .. } => &[],
    }
}

/// The place of the column that `contract_end` names.
fn contract_feature(params: &HazardParams, plan: &Plan) -> Result<Option<usize>> {
    let Some(name) = &params.contract_end else {
        return Ok(None);
    };
    let found = plan.features.iter().position(|f| f.name == *name);
    match found.map(|index| (index, &plan.features[index].kind)) {
        Some((index, Kind::Number)) => Ok(Some(index)),
        Some(_) => Err(Error::invalid(
            "params.contract_end",
            format!("expected a number column, found that {name:?} is text"),
        )),
        None => Err(Error::invalid(
            "params.contract_end",
            format!("expected a column without a role that is not excluded, found {name:?}"),
        )),
    }
}

/// Durations as numbers of periods.
fn periods(durations: &[f64], period: f64) -> Result<Vec<u32>> {
    let longest = durations.iter().copied().fold(0.0, f64::max);
    if longest / period > MAX_PERIODS {
        return Err(Error::invalid(
            "params.period",
            format!(
                "expected a period of which the longest duration, {longest}, holds at most a \
                 million, found {period}"
            ),
        ));
    }
    Ok(durations.iter().map(|d| period_of(*d, period)).collect())
}

#[cfg(test)]
mod tests;
