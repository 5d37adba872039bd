//! The linear model behind the regressions: features to a design, the fit, and what each
//! feature then says of a row.
//!
//! Does not choose the loss. Invariant: means, deviations and levels come from the learned
//! rows alone, in row order; the base is the intercept plus the mean contributions, so that
//! contributions are centered.

mod coefficients;
pub(super) mod design;

use lode_numeric::glm;
use lode_numeric::glm::GlmParams;
use lode_numeric::glm::Loss;
use lode_numeric::glm::Outcome;
use lode_numeric::glm::sigmoid;
use lode_plugin::Chart;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;
use lode_plugin::serde_json;

use crate::frame::MISSING;
use crate::frame::Plan;
use crate::frame::Rows;
use crate::frame::View;
use crate::learner::Additive;
use crate::learner::Learned;
use crate::learner::Training;
use crate::learner::learning;
use crate::learner::numeric;

pub(super) use coefficients::coefficients;
use design::Prepared;

/// A fitted regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub struct Regression {
    pub(super) link: Link,
    pub(super) intercept: f64,
    pub(super) base: f64,
    /// One a feature of the plan.
    pub(super) features: Vec<Weighed>,
}

/// What a margin means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
pub(super) enum Link {
    /// The log odds of yes.
    LogOdds,
    /// The amount itself.
    Identity,
    /// The log of the hazard against that of the average customer.
    LogHazard,
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub(super) struct Weighed {
    /// Mean over the learned rows of what the weights make of the feature.
    pub(super) center: f64,
    pub(super) weights: Weights,
}

/// What a feature weighs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
pub(super) enum Weights {
    /// `weight * (value - mean) / std`, or `missing` for a null; std 0 means constant.
    Number {
        mean: f64,
        std: f64,
        weight: f64,
        /// Weight of "missing"; none when no learned row lacked a value.
        missing: Option<f64>,
    },
    /// The weight of the level; 0 for a level that is not in the plan.
    Category {
        levels: Vec<f64>,
        /// Weight of "missing"; none when no learned row lacked a value.
        missing: Option<f64>,
    },
}

impl Weights {
    /// What the weights make of a number; NaN is "missing".
    fn of_number(&self, value: f64) -> f64 {
        match self {
            Self::Number { missing, .. } if value.is_nan() => missing.unwrap_or(0.0),
            Self::Number {
                mean, std, weight, ..
            } if *std > 0.0 => weight * (value - mean) / std,
            _ => 0.0,
        }
    }

    /// What the weights make of a level, "missing", or a value that the plan does not have.
    fn of_code(&self, code: u32) -> f64 {
        match self {
            Self::Category { missing, .. } if code == MISSING => missing.unwrap_or(0.0),
            Self::Category { levels, .. } => levels.get(code as usize).copied().unwrap_or(0.0),
            Self::Number { .. } => 0.0,
        }
    }
}

/// The output `coefficients`.
pub(super) fn coefficients_output() -> Output {
    Output::new("coefficients", "What each column and level weighs").chart(Chart::Bar)
}

/// Fits `loss` under the penalties L1 and L2, and tells the coefficients.
pub(super) fn learned(
    loss: Loss,
    (l1, l2): (f64, f64),
    rows: &Training<'_>,
    cx: &Context<'_>,
) -> Result<Learned<Regression>> {
    let penalties = GlmParams {
        l1,
        l2,
        ..GlmParams::default()
    };
    let (model, metrics) = fit(loss, &penalties, rows, cx)?;
    Ok(Learned {
        tables: vec![("coefficients", coefficients(&model, rows.plan)?)],
        model,
        metrics,
    })
}

/// Fits `loss` to the rows. Gives the model and the numbers about the run.
pub(super) fn fit(
    loss: Loss,
    params: &GlmParams,
    rows: &Training<'_>,
    cx: &Context<'_>,
) -> Result<(Regression, Vec<(&'static str, f64)>)> {
    let mut prepared = Vec::with_capacity(rows.plan.features.len());
    for (feature, view) in rows.plan.features.iter().zip(rows.rows.features()) {
        cx.check_cancelled()?;
        prepared.push(Prepared::new(&feature.name, view, rows, cx)?);
    }
    // Penalties count in deviations of the target, so that they mean the same in any currency.
    let scale = match loss {
        Loss::Logistic => (0.0, 1.0),
        Loss::Squared => target_scale(rows)?,
    };
    let (mean, std) = scale;
    let targets: Vec<f64> = rows.targets.iter().map(|y| (y - mean) / std).collect();
    let outcome = Outcome {
        loss,
        targets: &targets,
        row_weights: rows.weights,
    };
    let design = design::design(&prepared, rows.rows.len())?;
    let params = GlmParams {
        threads: cx.threads(),
        ..*params
    };
    let go_on = learning(cx, "fitting weights");
    let fit = glm::fit(&design, &outcome, &params, &go_on);
    let mut fit = fit.map_err(|error| numeric("the regression", error))?;
    let kept = fit.weights.iter().filter(|weight| weight.abs() > 0.0);
    let metrics = vec![
        ("iterations", fit.steps as f64),
        ("weights", fit.weights.len() as f64),
        ("weights_not_zero", kept.count() as f64),
    ];
    if loss == Loss::Squared {
        for weight in &mut fit.weights {
            *weight *= std;
        }
        fit.intercept = mean + std * fit.intercept;
    }
    let link = match loss {
        Loss::Logistic => Link::LogOdds,
        Loss::Squared => Link::Identity,
    };
    let model = assemble(link, fit.intercept, &fit.weights, &prepared, rows);
    Ok((model, metrics))
}

/// Mean and deviation of the amounts; a deviation of 0 counts as 1.
fn target_scale(rows: &Training<'_>) -> Result<(f64, f64)> {
    let (mean, std) = design::moments(rows.targets.iter().copied().enumerate(), rows);
    if !(mean.is_finite() && std.is_finite()) {
        return Err(Error::invalid(
            rows.label.as_str(),
            "expected amounts whose squares can be added, found larger ones",
        ));
    }
    Ok((mean, if std > 0.0 { std } else { 1.0 }))
}

/// Cuts the answer into features and centers each over the learned rows.
pub(super) fn assemble(
    link: Link,
    intercept: f64,
    weights: &[f64],
    prepared: &[Prepared],
    rows: &Training<'_>,
) -> Regression {
    let mut weights = weights.iter().copied();
    let total: f64 = (0..rows.rows.len()).map(|row| rows.weight(row)).sum();
    let mut base = intercept;
    let mut features = Vec::with_capacity(prepared.len());
    for feature in prepared {
        let (weights, sum) = feature.weighed(&mut weights, rows);
        let center = sum / total;
        base += center;
        features.push(Weighed { center, weights });
    }
    Regression {
        link,
        intercept,
        base,
        features,
    }
}

impl Regression {
    /// # Errors
    /// For weights that are not finite, which JSON cannot say.
    pub(super) fn write(&self) -> Result<Vec<u8>> {
        let mut numbers = vec![self.intercept, self.base];
        for feature in &self.features {
            numbers.push(feature.center);
            let missing = match &feature.weights {
                Weights::Number {
                    mean,
                    std,
                    weight,
                    missing,
                } => {
                    numbers.extend([*mean, *std, *weight]);
                    missing
                }
                Weights::Category { levels, missing } => {
                    numbers.extend(levels);
                    missing
                }
            };
            numbers.extend(missing);
        }
        if let Some(found) = numbers.iter().find(|number| !number.is_finite()) {
            return Err(Error::numeric(format!(
                "the regression found {found} as a weight: some numbers are too large beside others"
            )));
        }
        serde_json::to_vec(self)
            .map_err(|error| Error::numeric(format!("the model cannot be written: {error}")))
    }

    pub(super) fn read(bytes: &[u8], plan: &Plan, link: Link) -> Result<Self> {
        let model: Self = serde_json::from_slice(bytes)
            .map_err(|error| Error::model(format!("expected a regression, found {error}")))?;
        model.fits(plan, link)
    }

    /// Adds to every margin.
    pub(super) fn shift(&mut self, by: f64) {
        self.intercept += by;
        self.base += by;
    }

    /// The model, if its weights are those of the plan's features.
    pub(super) fn fits(self, plan: &Plan, link: Link) -> Result<Self> {
        if self.link != link || self.features.len() != plan.features.len() {
            return Err(Error::model(format!(
                "expected a regression over {} features, found one over {}, or another kind",
                plan.features.len(),
                self.features.len()
            )));
        }
        for (planned, weighed) in plan.features.iter().zip(&self.features) {
            let found = match &weighed.weights {
                Weights::Number { .. } => None,
                Weights::Category { levels, .. } => Some(levels.len()),
            };
            let expected = planned.kind.levels().map(<[String]>::len);
            if found != expected {
                return Err(Error::model(format!(
                    "expected {expected:?} weights on column {:?}, found {found:?}",
                    planned.name
                )));
            }
        }
        Ok(self)
    }
}

impl Additive for Regression {
    fn base(&self) -> f64 {
        self.base
    }

    fn contributions(&self, rows: &Rows<'_>, _threads: usize) -> Result<Vec<f64>> {
        let width = self.features.len();
        let mut parts = vec![0.0; rows.len() * width];
        for (at, (feature, view)) in self.features.iter().zip(rows.features()).enumerate() {
            let places = parts.iter_mut().skip(at).step_by(width);
            match view {
                View::Number(values) => {
                    for (part, value) in places.zip(values) {
                        *part = feature.weights.of_number(*value) - feature.center;
                    }
                }
                View::Category { codes, .. } => {
                    for (part, code) in places.zip(codes) {
                        *part = feature.weights.of_code(*code) - feature.center;
                    }
                }
            }
        }
        Ok(parts)
    }

    fn scores(&self, _rows: &Rows<'_>, margins: &[f64]) -> Result<Vec<f64>> {
        Ok(match self.link {
            Link::LogOdds => margins.iter().map(|margin| sigmoid(*margin)).collect(),
            Link::Identity => margins.to_vec(),
            Link::LogHazard => margins.iter().map(|margin| margin.exp()).collect(),
        })
    }
}
