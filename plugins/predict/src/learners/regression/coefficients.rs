//! The output `coefficients`: what each column and level weighs.

use std::sync::Arc;

use lode_plugin::Result;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::builder::Float64Builder;
use lode_plugin::arrow_array::builder::StringBuilder;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Schema;

use super::Link;
use super::Regression;
use super::Weights;
use crate::frame::Plan;

/// One row a number column, level or missing indicator, the intercept first. Log odds have an
/// odds ratio too.
pub(in crate::learners) fn coefficients(model: &Regression, plan: &Plan) -> Result<RecordBatch> {
    let mut rows = Coefficients::default();
    rows.push("(intercept)", None, model.intercept, None);
    for (planned, weighed) in plan.features.iter().zip(&model.features) {
        let name = planned.name.as_str();
        let missing = match &weighed.weights {
            Weights::Number {
                mean,
                std,
                weight,
                missing,
            } => {
                rows.push(name, None, *weight, Some((*mean, *std)));
                missing
            }
            Weights::Category { levels, missing } => {
                let names = planned.kind.levels().unwrap_or_default();
                for (level, weight) in names.iter().zip(levels) {
                    rows.push(name, Some(level), *weight, None);
                }
                missing
            }
        };
        if let Some(weight) = missing {
            rows.push(name, Some("(missing)"), *weight, None);
        }
    }
    rows.finish(model.link)
}

#[derive(Default)]
struct Coefficients {
    features: StringBuilder,
    levels: StringBuilder,
    weights: Float64Builder,
    means: Float64Builder,
    stds: Float64Builder,
    odds: Float64Builder,
}

impl Coefficients {
    fn push(&mut self, feature: &str, level: Option<&str>, weight: f64, scale: Option<(f64, f64)>) {
        self.features.append_value(feature);
        self.levels.append_option(level);
        self.weights.append_value(weight);
        self.means.append_option(scale.map(|(mean, _)| mean));
        self.stds.append_option(scale.map(|(_, std)| std));
        self.odds.append_value(weight.exp());
    }

    fn finish(mut self, link: Link) -> Result<RecordBatch> {
        let mut fields = vec![
            Field::new("feature", DataType::Utf8, false),
            Field::new("level", DataType::Utf8, true),
            Field::new("coefficient", DataType::Float64, false),
            Field::new("mean", DataType::Float64, true),
            Field::new("std", DataType::Float64, true),
        ];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.features.finish()),
            Arc::new(self.levels.finish()),
            Arc::new(self.weights.finish()),
            Arc::new(self.means.finish()),
            Arc::new(self.stds.finish()),
        ];
        if link == Link::LogOdds {
            fields.push(Field::new("odds_ratio", DataType::Float64, false));
            columns.push(Arc::new(self.odds.finish()));
        }
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns,
        )?)
    }
}
