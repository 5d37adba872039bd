//! One stage: a regression, boosted trees, or one answer for all.
//!
//! Does not know the other stage. Invariant: an amount is never beyond those that were learned.

use std::sync::Arc;

use lode_numeric::glm::GlmParams;
use lode_numeric::glm::Loss;
use lode_numeric::glm::sigmoid;
use lode_numeric::trees::Objective;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Schema;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use super::TwoStageParams;
use crate::frame::Plan;
use crate::frame::Rows;
use crate::learner::Additive;
use crate::learner::Training;
use crate::learner::learning;
use crate::learners::boosting::BoostParams;
use crate::learners::boosting::boost;
use crate::learners::forest::Grown;
use crate::learners::regression;
use crate::learners::regression::Link;
use crate::learners::regression::Regression;

/// How a stage is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
#[schemars(crate = "lode_plugin::schemars")]
pub enum Kind {
    /// Gradient boosting of trees.
    Boosting,
    /// Logistic regression, or linear regression of the logarithm.
    Regression,
}

/// Which stage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The probability of an amount above 0.
    Buys,
    /// The amount when it is above 0.
    Amount,
}

/// A stage's model.
#[derive(Debug)]
pub(super) struct Core {
    stage: Stage,
    how: How,
    bounds: Bounds,
}

/// The margins that count; what is beyond counts as the nearer end. Contributions are dealt
/// their share of what is left, so that they still add up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bounds {
    low: f64,
    high: f64,
}

impl Bounds {
    const NONE: Self = Self {
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };

    fn new(low: f64, high: f64) -> Option<Self> {
        (low <= high).then_some(Self { low, high })
    }

    /// The ends of some numbers; none of none.
    fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        Self::new(low, high)
    }

    /// What is within both; this one where nothing is.
    fn cut(self, other: Self) -> Self {
        let cut = Self::new(self.low.max(other.low), self.high.min(other.high));
        cut.unwrap_or(self)
    }

    fn keep(self, margin: f64) -> f64 {
        margin.max(self.low).min(self.high)
    }
}

#[derive(Debug)]
enum How {
    Boosting(Grown),
    Regression(Regression),
    /// The same margin for every row: there was nothing to tell apart.
    Same {
        margin: f64,
        n_features: usize,
    },
}

/// A stage as it was learned.
pub(super) struct Trained {
    pub(super) core: Core,
    pub(super) rounds: f64,
    /// By column; none where no trees were grown.
    gains: Option<Vec<f64>>,
}

/// Before the letter of a stage whose margins are bounded.
const BOUNDED: u8 = b'c';

/// A probability of 1 to the last bit.
const CERTAIN: f64 = 40.0;

/// Learns whether the target is 1.
pub(super) fn classifier(
    params: &TwoStageParams,
    boosting: &BoostParams,
    rows: &Training<'_>,
    cx: &Context<'_>,
) -> Result<Trained> {
    let mut counted = rows.targets.iter().enumerate();
    if !counted.any(|(row, target)| *target < 0.5 && rows.weight(row) > 0.0) {
        cx.warn("every amount is above 0: the probability of buying is 1 for all");
        return Ok(Trained::same(Stage::Buys, CERTAIN, rows));
    }
    match params.classifier {
        Kind::Boosting => boosted(Stage::Buys, boosting, rows, cx),
        Kind::Regression => {
            let (model, _) = regression::fit(Loss::Logistic, &penalty(params), rows, cx)?;
            Ok(Trained::regression(Stage::Buys, model))
        }
    }
}

/// Learns targets that are all above 0.
pub(super) fn regressor(
    params: &TwoStageParams,
    boosting: &BoostParams,
    rows: &Training<'_>,
    cx: &Context<'_>,
) -> Result<Trained> {
    let counted = || (0..rows.targets.len()).filter(|row| rows.weight(*row) > 0.0);
    let total: f64 = counted().map(|row| rows.weight(row)).sum();
    let sum: f64 = counted()
        .map(|row| rows.weight(row) * rows.targets[row])
        .sum();
    let mean = sum / total;
    if !(mean > 0.0 && mean.is_finite()) {
        return Err(Error::invalid(
            rows.label.as_str(),
            "expected amounts that can be added, found larger ones",
        ));
    }
    if counted().count() < 2 {
        return Ok(Trained::same(Stage::Amount, mean.ln(), rows));
    }
    let mut trained = match params.amount {
        Kind::Boosting => boosted(Stage::Amount, boosting, rows, cx)?,
        Kind::Regression => {
            let logarithms: Vec<f64> = rows.targets.iter().map(|amount| amount.ln()).collect();
            let on_logarithms = Training {
                classes: &[],
                rows: rows.rows.clone(),
                targets: &logarithms,
                plan: rows.plan,
                weights: rows.weights,
                label: rows.label.clone(),
            };
            let (mut model, _) =
                regression::fit(Loss::Squared, &penalty(params), &on_logarithms, cx)?;
            let margins = model.margins(&rows.rows, cx.threads())?;
            let seen = Bounds::of(counted().map(|row| logarithms[row])).unwrap_or(Bounds::NONE);
            let told = counted().map(|row| rows.weight(row) * seen.keep(margins[row]).exp());
            model.shift((sum / told.sum::<f64>()).ln());
            Trained::regression(Stage::Amount, model)
        }
    };
    let margins = trained.core.margins(&rows.rows, cx.threads())?;
    let amounts = Bounds::of(counted().map(|row| rows.targets[row].ln()));
    let told = Bounds::of(counted().map(|row| margins[row]));
    if let (Some(amounts), Some(told)) = (amounts, told) {
        trained.core.bounds = amounts.cut(told);
    }
    Ok(trained)
}

fn penalty(params: &TwoStageParams) -> GlmParams {
    GlmParams {
        l2: params.regression_l2,
        ..GlmParams::default()
    }
}

fn boosted(
    stage: Stage,
    params: &BoostParams,
    rows: &Training<'_>,
    cx: &Context<'_>,
) -> Result<Trained> {
    let (objective, words, done) = match stage {
        Stage::Buys => (Objective::Logistic, "boosting trees for who buys", 0.0),
        Stage::Amount => (Objective::Gamma, "boosting trees for how much", 0.5),
    };
    let whole = learning(cx, words);
    let go_on = |fraction: f64| whole(done + 0.5 * fraction);
    let boosted = boost(params, objective, rows, None, cx, &go_on)?;
    Ok(Trained {
        rounds: boosted.rounds(),
        gains: Some(boosted.fit.gains),
        core: Core::new(stage, How::Boosting(boosted.model)),
    })
}

impl Trained {
    fn same(stage: Stage, margin: f64, rows: &Training<'_>) -> Self {
        let n_features = rows.rows.n_features();
        Self {
            core: Core::new(stage, How::Same { margin, n_features }),
            rounds: 0.0,
            gains: None,
        }
    }

    fn regression(stage: Stage, model: Regression) -> Self {
        Self {
            core: Core::new(stage, How::Regression(model)),
            rounds: 0.0,
            gains: None,
        }
    }
}

impl Core {
    fn new(stage: Stage, how: How) -> Self {
        Self {
            stage,
            how,
            bounds: Bounds::NONE,
        }
    }

    /// The probability or amount of a margin.
    pub(super) fn mean(&self, margin: f64) -> f64 {
        let margin = self.bounds.keep(margin);
        match self.stage {
            Stage::Buys => sigmoid(margin),
            Stage::Amount => Objective::Gamma.mean(margin),
        }
    }

    /// The derivative of [`Core::mean`].
    pub(super) fn slope(&self, margin: f64) -> f64 {
        let mean = self.mean(margin);
        match self.stage {
            Stage::Buys => mean * (1.0 - mean),
            Stage::Amount => mean,
        }
    }

    pub(super) fn base(&self) -> f64 {
        match &self.how {
            How::Boosting(model) => model.base(),
            How::Regression(model) => model.base(),
            How::Same { margin, .. } => *margin,
        }
    }

    pub(super) fn margins(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        match &self.how {
            How::Boosting(model) => model.margins(rows, threads),
            How::Regression(model) => model.margins(rows, threads),
            How::Same { margin, .. } => Ok(vec![*margin; rows.len()]),
        }
    }

    pub(super) fn contributions(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        match &self.how {
            How::Boosting(model) => model.contributions(rows, threads),
            How::Regression(model) => model.contributions(rows, threads),
            How::Same { n_features, .. } => Ok(vec![0.0; rows.len() * n_features]),
        }
    }

    /// A letter for the kind, then the model; before it the bounds where there are some.
    pub(super) fn write(&self) -> Result<Vec<u8>> {
        let mut written = Vec::new();
        if self.bounds != Bounds::NONE {
            written.push(BOUNDED);
            written.extend_from_slice(&self.bounds.low.to_le_bytes());
            written.extend_from_slice(&self.bounds.high.to_le_bytes());
        }
        let (letter, bytes) = match &self.how {
            How::Boosting(model) => (b'b', model.write()),
            How::Regression(model) => (b'r', model.write()?),
            How::Same { margin, .. } => (b's', margin.to_le_bytes().to_vec()),
        };
        written.push(letter);
        written.extend_from_slice(&bytes);
        Ok(written)
    }

    pub(super) fn read(bytes: &[u8], plan: &Plan, stage: Stage) -> Result<Self> {
        let bad = || Error::model("expected a stage, found other bytes");
        let (bounds, bytes) = match bytes.split_first().ok_or_else(bad)? {
            (&BOUNDED, rest) => {
                let (low, rest) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
                let (high, rest) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
                let ends = (f64::from_le_bytes(*low), f64::from_le_bytes(*high));
                (Bounds::new(ends.0, ends.1).ok_or_else(bad)?, rest)
            }
            _ => (Bounds::NONE, bytes),
        };
        let (letter, bytes) = bytes.split_first().ok_or_else(bad)?;
        let how = match letter {
            b'b' => How::Boosting(Grown::read(bytes, plan)?),
            b'r' => How::Regression(Regression::read(
                bytes,
                plan,
                match stage {
                    Stage::Buys => Link::LogOdds,
                    Stage::Amount => Link::Identity,
                },
            )?),
            b's' => {
                let margin = f64::from_le_bytes(bytes.try_into().map_err(|_| bad())?);
                if !margin.is_finite() {
                    return Err(bad());
                }
                let n_features = plan.features.len();
                How::Same { margin, n_features }
            }
            _ => return Err(bad()),
        };
        Ok(Self { stage, how, bounds })
    }
}

/// The output `importance`: a row a stage that boosts and column.
pub(super) fn importance(plan: &Plan, stages: &[(&str, &Trained)]) -> Result<RecordBatch> {
    let (mut names, mut features, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for (name, stage) in stages {
        let Some(gains) = &stage.gains else { continue };
        let total: f64 = gains.iter().sum();
        let mut order: Vec<usize> = (0..gains.len()).collect();
        order.sort_by(|a, b| gains[*b].total_cmp(&gains[*a]).then(a.cmp(b)));
        for at in order {
            names.push(*name);
            features.push(plan.features[at].name.as_str());
            shares.push(if total > 0.0 { gains[at] / total } else { 0.0 });
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(names)),
        Arc::new(StringArray::from(features)),
        Arc::new(Float64Array::from(shares)),
    ];
    let schema = Schema::new(vec![
        Field::new("stage", DataType::Utf8, false),
        Field::new("feature", DataType::Utf8, false),
        Field::new("share", DataType::Float64, false),
    ]);
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}
