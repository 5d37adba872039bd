//! Models of `churn.logistic` in format 1: plan and weights in one JSON object.
//!
//! Only read, never written.

use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde_json;

use crate::frame::Kind;
use crate::frame::Plan;
use crate::frame::Planned;
use crate::learners::regression::Link;
use crate::learners::regression::Regression;
use crate::learners::regression::Weighed;
use crate::learners::regression::Weights;

#[derive(Deserialize)]
#[serde(crate = "lode_plugin::serde")]
struct Old {
    intercept: f64,
    base: f64,
    features: Vec<OldFeature>,
}

#[derive(Deserialize)]
#[serde(crate = "lode_plugin::serde")]
struct OldFeature {
    name: String,
    center: f64,
    kind: OldKind,
}

#[derive(Deserialize)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
enum OldKind {
    Number {
        mean: f64,
        std: f64,
        weight: f64,
        missing: Option<f64>,
    },
    Category {
        levels: Vec<String>,
        weights: Vec<f64>,
        missing: Option<f64>,
    },
}

pub(super) fn read(bytes: &[u8]) -> Result<(Plan, Regression)> {
    let old: Old = serde_json::from_slice(bytes)
        .map_err(|error| Error::model(format!("expected a churn.logistic model, found {error}")))?;
    let mut plan = Plan::default();
    let mut features = Vec::with_capacity(old.features.len());
    for feature in old.features {
        let (kind, weights) = match feature.kind {
            OldKind::Number {
                mean,
                std,
                weight,
                missing,
            } => {
                let weights = Weights::Number {
                    mean,
                    std,
                    weight,
                    missing,
                };
                (Kind::Number, weights)
            }
            OldKind::Category {
                levels,
                weights,
                missing,
            } => {
                let weights = Weights::Category {
                    levels: weights,
                    missing,
                };
                (Kind::Category { levels }, weights)
            }
        };
        plan.features.push(Planned {
            name: feature.name,
            kind,
        });
        features.push(Weighed {
            center: feature.center,
            weights,
        });
    }
    let model = Regression {
        link: Link::LogOdds,
        intercept: old.intercept,
        base: old.base,
        features,
    };
    let model = model.fits(&plan, Link::LogOdds)?;
    Ok((plan, model))
}
