//! Where a customer stands: what is expected of him against what he spends now.
//!
//! Does not predict. Invariant: no value now, no stage.

use std::sync::Arc;

use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;
use lode_plugin::serde_json;

use super::TwoStageParams;
use crate::frame::Kind;
use crate::frame::Plan;
use crate::frame::Rows;
use crate::frame::View;

/// What a stage is told by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub(super) struct Lifecycle {
    /// Place of the current value among the features.
    current: Option<usize>,
    /// What it is multiplied with.
    #[serde(default = "whole")]
    scale: f64,
    rising: f64,
    losing: f64,
}

fn whole() -> f64 {
    1.0
}

impl Lifecycle {
    pub(super) fn new(params: &TwoStageParams, plan: &Plan) -> Result<Self> {
        let find = |name: &String| {
            let place = plan
                .features
                .iter()
                .position(|planned| planned.name == *name && matches!(planned.kind, Kind::Number));
            place.ok_or_else(|| {
                Error::invalid(
                    "params.current",
                    format!("expected a number column that is a feature, found {name:?}"),
                )
            })
        };
        Ok(Self {
            current: params.current.as_ref().map(find).transpose()?,
            scale: params.current_scale,
            rising: params.rising,
            losing: params.losing,
        })
    }

    /// The stage of a customer who spends `current` and is expected to spend `score`, when
    /// `mean` is expected on the whole.
    fn stage(&self, current: f64, score: f64, mean: f64) -> Option<&'static str> {
        if current.is_nan() {
            return None;
        }
        let gap = current.max(mean);
        Some(if score > current + self.rising * gap {
            "rising"
        } else if score < current - self.losing * gap {
            "losing"
        } else {
            "stable"
        })
    }

    pub(super) fn write(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::numeric(format!("the model cannot be written: {error}")))
    }

    pub(super) fn read(bytes: &[u8], plan: &Plan) -> Result<Self> {
        let bad = |what: String| Error::model(format!("expected a lifecycle, found {what}"));
        let lifecycle: Self =
            serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
        let is_number = |at: usize| {
            let planned = plan.features.get(at);
            planned.is_some_and(|planned| matches!(planned.kind, Kind::Number))
        };
        match lifecycle.current.is_none_or(is_number) {
            true => Ok(lifecycle),
            false => Err(bad("one of another column".to_owned())),
        }
    }
}

/// The columns probability, amount and stage.
pub(super) fn columns(
    lifecycle: &Lifecycle,
    mean: f64,
    rows: &Rows<'_>,
    products: &[(f64, f64)],
) -> Result<Vec<(Field, ArrayRef)>> {
    let current = match lifecycle.current.map(|at| rows.feature(at)) {
        Some(View::Number(values)) => Some(values),
        _ => None,
    };
    let stages = products.iter().enumerate().map(|(row, (p, a))| {
        let current = current?[row] * lifecycle.scale;
        lifecycle.stage(current, p * a, mean)
    });
    let stages: StringArray = stages.collect();
    let probability = products.iter().map(|(p, _)| *p);
    let amount = products.iter().map(|(_, a)| *a);
    Ok(vec![
        (
            Field::new("probability", DataType::Float64, false),
            Arc::new(Float64Array::from_iter_values(probability)),
        ),
        (
            Field::new("amount", DataType::Float64, false),
            Arc::new(Float64Array::from_iter_values(amount)),
        ),
        (Field::new("stage", DataType::Utf8, true), Arc::new(stages)),
    ])
}
