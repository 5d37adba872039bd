//! `credit.scorecard`: points for each customer from a card that fits on a sheet of paper.
//!
//! Does not handle dates, times or free text. Invariant: `points` of a row are the base's and
//! those of its bins in the output `scorecard`, added.

mod card;

use std::sync::Arc;

use lode_numeric::glm::sigmoid;
use lode_numeric::scorecard;
use lode_numeric::scorecard::BinParams;
use lode_numeric::scorecard::PointsParams;
use lode_numeric::scorecard::ScoreColumn;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;
use lode_plugin::serde_json;

use crate::frame::MISSING;
use crate::frame::OTHER;
use crate::frame::Plan;
use crate::frame::Rows;
use crate::frame::View;
use crate::learner::Additive;
use crate::learner::Learned;
use crate::learner::Learner;
use crate::learner::Training;
use crate::learner::learning;
use crate::learner::numeric;
use crate::params::Part;
use crate::params::within;
use crate::params::within_count;
use card::Line;

/// Credit scorecard: columns in bins, weights of evidence, a regression on them, points.
///
/// Use it where a decision must be explained bin by bin, as in credit. Not for effects of
/// columns in combination.
///
/// # Input
/// `customers` as of [`super::Logistic`]; missing values are a bin of their own.
///
/// # Output
/// `scores` as there, and `points`: more points, less risk. `scorecard`: one row a bin, the
/// base first: `feature`, `bin` (from 0 on), `low` (not included) and `high` (included) or
/// `levels` (texts, "(missing)", and "(other)" for values beyond `max_levels`), `rows` (their
/// weight), `share`, `positives_rate`, `woe`, `iv`, `points`, `left_out`: "weak" or "reversed"
/// for the bins of a column that is not in the card, whose points are 0.
///
/// # Parameters
/// [`ScorecardParams`], [`crate::Common`].
///
/// # Method
/// See `lode_numeric::scorecard`: bins are the best of all partitions that keep the rules;
/// WOE, IV; columns with an IV below `min_iv` are left out, then those whose weight would be
/// below 0 beside the others. A feature contributes weight times WOE, less the mean of that
/// over the learned rows; `score = 1 / (1 + exp(-margin))`. With
/// `factor = points_to_double / ln 2`, a bin has `-factor * weight * WOE` points and the base
/// `base_points - factor * (ln(base_odds) + intercept)`, each rounded to a whole number unless
/// `whole_points` is false: a row's points then differ from those of its margin by at most
/// half a point for the base and each column in the card. A value that was never seen goes
/// where the rare levels are, or has no points.
///
/// # Determinism and cost
/// No randomness. O(n log n) a column, and a regression for each column left out for its sign.
///
/// # Errors
/// As [`super::Logistic`]. A column that gives the answer away has finite points: WOE is
/// smoothed and the weight penalized.
///
/// # Source
/// N. Siddiqi, "Credit Risk Scorecards", 2006, chapters 5 and 6 (WOE there is of good over bad);
/// G. Navas-Palencia, arXiv:2001.08025, 2020. Checked against an independent program that
/// tries every partition.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Float64Array, StringArray, cast::AsArray, types::Float64Type};
/// use lode_plugin::{Inputs, Role, testing};
/// use predict::{Predict, families::Credit, learners::Scorecard};
///
/// let rows = 0..200;
/// let ids: ArrayRef = Arc::new(StringArray::from_iter_values(rows.clone().map(|r| r.to_string())));
/// let age = rows.clone().map(|row| f64::from(20 + row % 50));
/// let age: ArrayRef = Arc::new(Float64Array::from_iter_values(age));
/// let bad = rows.map(|row| if row % 50 < 10 + row % 3 { "yes" } else { "no" });
/// let bad: ArrayRef = Arc::new(StringArray::from_iter_values(bad));
/// let customers = testing::batch(&[
///     ("id", Some(Role::CustomerId), ids),
///     ("age", None, age),
///     ("defaulted", Some(Role::Label), bad),
/// ]);
/// let inputs = Inputs::new().with("customers", customers.into());
/// let fit = testing::fit::<Predict<Credit, Scorecard>>("{}", inputs, 1, 1)?;
/// let points = fit.table("scores")["points"].as_primitive::<Float64Type>().values();
/// assert!(points[45] > points[5] && points[45] == points[45].round());
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Scorecard;

/// Parameters of a scorecard.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct ScorecardParams {
    /// Bins of a column, at most, without that of missing values.
    #[schemars(range(min = 1, max = 50), extend("x-tune" = {"values": [3, 4, 6, 8, 12]}))]
    pub max_bins: usize,
    /// Share of all rows that a bin needs; rarer levels are joined.
    #[schemars(range(min = 0.0, max = 0.5), extend("x-tune" = {"values": [0.01, 0.02, 0.05, 0.1]}))]
    pub min_share: f64,
    /// Whether the risk of numbers has to rise or fall throughout.
    #[schemars(extend("x-tune" = {"values": ["monotone", "free"]}))]
    pub trend: Trend,
    /// What a bin has to add to be made, as a chi-square of one degree of freedom: 4 asks for
    /// a chance below 5 %.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub min_gain: f64,
    /// Rows of average risk that are added to each bin.
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub smoothing: f64,
    /// Information value below which a column is left out.
    #[schemars(range(min = 0.0, max = 10.0), extend("x-tune" = {"values": [0.0, 0.01, 0.02, 0.05]}))]
    pub min_iv: f64,
    /// Whether columns may count against their evidence, beside others that say more.
    pub keep_reversed: bool,
    /// Strength of the L2 penalty on the weights; larger pulls all weights to 0.
    #[schemars(range(min = 1e-6, max = 1e9), extend("x-tune" = {"low": 0.01, "high": 1000.0, "scale": "log"}))]
    pub l2: f64,
    /// Points that double the odds of no against yes.
    #[schemars(range(min = 1e-3, max = 1e6))]
    pub points_to_double: f64,
    /// Points of a customer whose odds of no against yes are `base_odds` to 1.
    #[schemars(range(min = -1e6, max = 1e6))]
    pub base_points: f64,
    /// Odds of no against yes that `base_points` stand for.
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub base_odds: f64,
    /// Whether points are rounded to whole numbers.
    pub whole_points: bool,
}

/// Whether the risk of numbers has to rise or fall throughout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
#[schemars(crate = "lode_plugin::schemars")]
pub enum Trend {
    /// It rises from bin to bin, or falls, whichever says more.
    #[default]
    Monotone,
    /// It may rise and fall.
    Free,
}

impl Default for ScorecardParams {
    fn default() -> Self {
        Self {
            max_bins: 6,
            min_share: 0.05,
            trend: Trend::Monotone,
            min_gain: 4.0,
            smoothing: 1.0,
            min_iv: 0.02,
            keep_reversed: false,
            l2: 1.0,
            points_to_double: 20.0,
            base_points: 600.0,
            base_odds: 50.0,
            whole_points: true,
        }
    }
}

impl Part for ScorecardParams {
    fn check(&self) -> Result<()> {
        within_count("max_bins", self.max_bins, 1, 50)?;
        within("min_share", self.min_share, 0.0, 0.5)?;
        within("min_gain", self.min_gain, 0.0, 1000.0)?;
        within("smoothing", self.smoothing, 1e-6, 1e6)?;
        within("min_iv", self.min_iv, 0.0, 10.0)?;
        within("l2", self.l2, 1e-6, 1e9)?;
        within("points_to_double", self.points_to_double, 1e-3, 1e6)?;
        within("base_points", self.base_points, -1e6, 1e6)?;
        within("base_odds", self.base_odds, 1e-6, 1e6)
    }
}

impl ScorecardParams {
    fn asked(&self, threads: usize) -> scorecard::ScorecardParams {
        scorecard::ScorecardParams {
            bins: BinParams {
                max_bins: self.max_bins,
                min_share: self.min_share,
                min_gain: self.min_gain,
                smoothing: self.smoothing,
                trend: match self.trend {
                    Trend::Monotone => scorecard::Trend::Monotone,
                    Trend::Free => scorecard::Trend::Free,
                },
                ..BinParams::default()
            },
            min_iv: self.min_iv,
            keep_reversed: self.keep_reversed,
            l2: self.l2,
            points: PointsParams {
                pdo: self.points_to_double,
                base_score: self.base_points,
                base_odds: self.base_odds,
                whole: self.whole_points,
            },
            threads,
        }
    }
}

/// A fitted scorecard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub struct ScorecardModel {
    /// The intercept and the mean contributions.
    base: f64,
    base_points: f64,
    /// One a feature of the plan.
    lines: Vec<Line>,
}

impl Learner for Scorecard {
    const NAME: &'static str = "scorecard";
    const TITLE: &'static str = "scorecard";
    const ABOUT: &'static str = "Columns are cut into bins, each bin has points: the card says \
        what is added for whom. More points, less risk.";
    type Params = ScorecardParams;
    type Model = ScorecardModel;

    fn outputs() -> Vec<Output> {
        vec![Output::new(
            "scorecard",
            "The bins of each column and their points",
        )]
    }

    fn learn(
        params: &ScorecardParams,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<ScorecardModel>> {
        let codes: Vec<Vec<u32>> = rows.rows.features().map(codes_of).collect();
        let columns: Vec<ScoreColumn<'_>> = rows
            .rows
            .features()
            .zip(&codes)
            .map(|(view, codes)| match view {
                View::Number(values) => ScoreColumn::Number(values),
                View::Category { n_levels, .. } => ScoreColumn::Category {
                    codes,
                    n_levels: n_levels + 1,
                },
            })
            .collect();
        let found = scorecard::fit(
            &columns,
            rows.targets,
            rows.weights,
            &params.asked(cx.threads()),
            &learning(cx, "cutting columns"),
        );
        let found = found.map_err(|error| match error {
            error @ lode_numeric::Error::OneClass { .. } => {
                Error::invalid(rows.label.as_str(), error.to_string())
            }
            error => numeric("the scorecard", error),
        })?;
        let total: f64 = (0..rows.rows.len()).map(|row| rows.weight(row)).sum();
        let mut base = found.intercept;
        let mut lines = Vec::with_capacity(columns.len());
        for column in &found.columns {
            let line = Line::new(column, &found.points, total);
            base += line.center();
            lines.push(line);
        }
        let in_card = found.columns.iter().filter(|c| c.left_out.is_none());
        let ivs = found.columns.iter().map(|column| column.binning.iv);
        Ok(Learned {
            tables: vec![("scorecard", card::table(rows.plan, &found, total)?)],
            model: ScorecardModel {
                base,
                base_points: found.points.base,
                lines,
            },
            metrics: vec![
                ("features_in_card", in_card.count() as f64),
                ("largest_iv", ivs.fold(0.0, f64::max)),
            ],
        })
    }

    fn write(model: &ScorecardModel) -> Result<Vec<u8>> {
        serde_json::to_vec(model)
            .map_err(|error| Error::numeric(format!("the model cannot be written: {error}")))
    }

    fn read(_: &ScorecardParams, bytes: &[u8], plan: &Plan) -> Result<ScorecardModel> {
        let model: ScorecardModel = serde_json::from_slice(bytes)
            .map_err(|error| Error::model(format!("expected a scorecard, found {error}")))?;
        if model.lines.len() != plan.features.len() {
            return Err(Error::model(format!(
                "expected a scorecard over {} features, found one over {}",
                plan.features.len(),
                model.lines.len()
            )));
        }
        for (planned, line) in plan.features.iter().zip(&model.lines) {
            line.check(planned)?;
        }
        Ok(model)
    }
}

impl Additive for ScorecardModel {
    fn base(&self) -> f64 {
        self.base
    }

    fn contributions(&self, rows: &Rows<'_>, _threads: usize) -> Result<Vec<f64>> {
        let width = self.lines.len();
        let mut parts = vec![0.0; rows.len() * width];
        for (at, (line, view)) in self.lines.iter().zip(rows.features()).enumerate() {
            let places = parts.iter_mut().skip(at).step_by(width);
            for (place, bin) in places.zip(line.bins_of(view)) {
                *place = line.contribution(bin);
            }
        }
        Ok(parts)
    }

    fn scores(&self, _rows: &Rows<'_>, margins: &[f64]) -> Result<Vec<f64>> {
        Ok(margins.iter().map(|margin| sigmoid(*margin)).collect())
    }

    fn columns(&self, rows: &Rows<'_>, _threads: usize) -> Result<Vec<(Field, ArrayRef)>> {
        let mut points = vec![self.base_points; rows.len()];
        for (line, view) in self.lines.iter().zip(rows.features()) {
            for (sum, bin) in points.iter_mut().zip(line.bins_of(view)) {
                *sum += line.points(bin);
            }
        }
        let column: ArrayRef = Arc::new(Float64Array::from(points));
        Ok(vec![(
            Field::new("points", DataType::Float64, false),
            column,
        )])
    }
}

/// Codes of a category with "other" as a level after those of the plan; empty for a number.
fn codes_of(view: View<'_>) -> Vec<u32> {
    match view {
        View::Number(_) => Vec::new(),
        View::Category { codes, n_levels } => {
            let place = |code: &u32| match *code {
                OTHER => n_levels,
                MISSING => MISSING,
                code => code,
            };
            codes.iter().map(place).collect()
        }
    }
}

#[cfg(test)]
mod tests;
