//! The output `hazard_ratios`: how much each column and level changes the risk, how surely.
//!
//! Invariant: numbers count for one unit more, levels against the most frequent one.

use std::sync::Arc;

use lode_numeric::survival::Estimate;
use lode_plugin::Chart;
use lode_plugin::Error;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::builder::Float64Builder;
use lode_plugin::arrow_array::builder::StringBuilder;

use super::table;
use crate::learner::Training;
use crate::learners::regression::design::Prepared;

/// Rows of the table.
#[derive(Default)]
pub(in crate::learners) struct Ratios {
    features: StringBuilder,
    levels: StringBuilder,
    coefficients: Float64Builder,
    ratios: Float64Builder,
    errors: Float64Builder,
    z: Float64Builder,
    p: Float64Builder,
    low: Float64Builder,
    high: Float64Builder,
}

impl Ratios {
    pub(in crate::learners) fn output() -> Output {
        Output::new(
            "hazard_ratios",
            "By what factor a unit or level changes the risk, with its uncertainty",
        )
        .chart(Chart::Bar)
    }

    /// The rows of the plan's features but the one that was `skipped`. `estimate(place,
    /// against)` is the estimate of the weight at a place of the design, or of its difference
    /// from another.
    pub(in crate::learners) fn features(
        &mut self,
        rows: &Training<'_>,
        prepared: &[Prepared],
        skipped: Option<usize>,
        estimate: impl Fn(usize, Option<usize>) -> lode_numeric::Result<Estimate>,
    ) -> Result<()> {
        let estimate = |place, against| {
            estimate(place, against)
                .map_err(|error| Error::numeric(format!("a hazard ratio: {error}")))
        };
        let mut place = 0;
        for (index, (planned, prepared)) in rows.plan.features.iter().zip(prepared).enumerate() {
            if skipped == Some(index) {
                place += 1;
                continue;
            }
            let name = planned.name.as_str();
            match prepared {
                Prepared::Number { std, missing, .. } => {
                    if *std > 0.0 {
                        let found = estimate(place, None)?;
                        self.push(name, None, &by_unit(&found, *std));
                    } else {
                        self.reference(name, None);
                    }
                    place += 1;
                    if missing.is_some() {
                        self.push(name, Some("(missing)"), &estimate(place, None)?);
                        place += 1;
                    }
                }
                Prepared::Category {
                    n_levels,
                    has_missing,
                    codes,
                } => {
                    let n_places = n_levels + usize::from(*has_missing);
                    let names = planned.kind.levels().unwrap_or_default();
                    let reference = most_frequent(codes, n_places, rows);
                    for level in 0..n_places {
                        let word = names.get(level).map_or("(missing)", String::as_str);
                        if Some(level) == reference {
                            self.reference(name, Some(word));
                        } else {
                            let against = reference.map(|level| place + level);
                            self.push(name, Some(word), &estimate(place + level, against)?);
                        }
                    }
                    place += n_places;
                }
            }
        }
        Ok(())
    }

    pub(in crate::learners) fn push(
        &mut self,
        feature: &str,
        level: Option<&str>,
        found: &Estimate,
    ) {
        self.features.append_value(feature);
        self.levels.append_option(level);
        self.coefficients.append_value(found.value);
        self.ratios.append_value(ratio(found.value));
        self.errors.append_value(found.standard_error);
        self.z.append_value(found.z);
        self.p.append_value(found.p);
        self.low.append_value(ratio(found.low));
        self.high.append_value(ratio(found.high));
    }

    /// A row that the others are compared with, or of a column that does not vary.
    pub(in crate::learners) fn reference(&mut self, feature: &str, level: Option<&str>) {
        self.features.append_value(feature);
        self.levels.append_option(level);
        self.coefficients.append_value(0.0);
        self.ratios.append_value(1.0);
        for column in [
            &mut self.errors,
            &mut self.z,
            &mut self.p,
            &mut self.low,
            &mut self.high,
        ] {
            column.append_null();
        }
    }

    pub(in crate::learners) fn finish(mut self) -> Result<RecordBatch> {
        table(vec![
            ("feature", false, Arc::new(self.features.finish())),
            ("level", true, Arc::new(self.levels.finish())),
            ("coefficient", false, Arc::new(self.coefficients.finish())),
            ("hazard_ratio", false, Arc::new(self.ratios.finish())),
            ("standard_error", true, Arc::new(self.errors.finish())),
            ("z", true, Arc::new(self.z.finish())),
            ("p", true, Arc::new(self.p.finish())),
            ("low", true, Arc::new(self.low.finish())),
            ("high", true, Arc::new(self.high.finish())),
        ])
    }
}

/// A standardized number's estimate for one of its units.
fn by_unit(found: &Estimate, std: f64) -> Estimate {
    Estimate {
        value: found.value / std,
        standard_error: found.standard_error / std,
        low: found.low / std,
        high: found.high / std,
        ..*found
    }
}

/// `exp`, kept finite.
fn ratio(log: f64) -> f64 {
    log.exp().min(f64::MAX)
}

/// The level of the most weight, the first of those; none when no row has one.
fn most_frequent(codes: &[u32], n_places: usize, rows: &Training<'_>) -> Option<usize> {
    let mut weights = vec![0.0; n_places];
    for (row, code) in codes.iter().enumerate() {
        if let Some(weight) = weights.get_mut(*code as usize) {
            *weight += rows.weight(row);
        }
    }
    let mut found: Option<usize> = None;
    for (level, weight) in weights.iter().enumerate() {
        if *weight > found.map_or(0.0, |level| weights[level]) {
            found = Some(level);
        }
    }
    found
}
