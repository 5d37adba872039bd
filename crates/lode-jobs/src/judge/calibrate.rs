//! Fits what makes margins probabilities, and picks it by rows that it was not fitted on.
//!
//! Invariant: a row's calibrated score rests on other rows alone: those of the other folds, or of
//! the other dates; where one date judges, those of other customers.

use lode_numeric::calibration::Isotonic;
use lode_numeric::calibration::Platt;
use lode_numeric::folds;

use super::calibration::Calibration;
use super::calibration::Curve;
use super::plan::Plan;
use super::predict::Held;
use super::rows::Sample;
use super::rows::Truth;
use crate::Error;
use crate::JobSpec;
use crate::Result;
use crate::spec::CalibrationMethod;

/// Steps of an isotonic curve that is kept.
const MAX_STEPS: usize = 50;
/// Parts of the rows when one date judges.
const PARTS: usize = 5;

/// Sets the calibrated scores of `held`, and gives the curve of all its rows that the model will
/// be served with; none when the plugin's own score is as good.
pub(super) fn calibrate(
    held: &mut Held,
    sample: &Sample,
    plan: &Plan,
    spec: &JobSpec,
) -> Result<Option<Calibration>> {
    let Truth::Binary(truth) = &sample.truth else {
        return Ok(None);
    };
    let methods: &[CalibrationMethod] = match spec.evaluation.calibration {
        CalibrationMethod::None => return Ok(None),
        CalibrationMethod::Platt => &[CalibrationMethod::Platt],
        CalibrationMethod::Isotonic => &[CalibrationMethod::Isotonic],
        CalibrationMethod::Auto => &[CalibrationMethod::Platt, CalibrationMethod::Isotonic],
    };
    let rows = Rows {
        margins: &held.margin,
        labels: held.rows.iter().map(|row| truth[*row]).collect(),
        weights: sample
            .weights
            .as_ref()
            .map(|w| held.rows.iter().map(|row| w[*row]).collect()),
        parts: match plan.splits.len() {
            1 => parts_of_one(held, sample, spec.seed)?,
            _ => held.split.clone(),
        },
    };
    let mut best: Option<(CalibrationMethod, Vec<f64>)> = None;
    for &method in methods {
        let Some(scores) = rows.cross_fitted(method)? else {
            continue;
        };
        let better = match (&best, spec.evaluation.calibration) {
            (None, CalibrationMethod::Auto) => rows.gains(&held.raw, &scores),
            (None, _) => true,
            (Some((_, other)), _) => rows.gains(other, &scores),
        };
        if better {
            best = Some((method, scores));
        }
    }
    let Some((method, scores)) = best else {
        return Ok(None);
    };
    let all: Vec<usize> = (0..held.rows.len()).collect();
    let curve = rows.fit(method, &all)?;
    let curve = curve.ok_or_else(|| Error::bug("a curve of parts has none of the whole"))?;
    held.score = scores;
    Ok(Some(Calibration {
        input: held.margin_is,
        curve,
        rows: all.len() as u64,
    }))
}

/// Held-out rows in parts, each measured by a curve of the others.
struct Rows<'a> {
    margins: &'a [f64],
    labels: Vec<bool>,
    weights: Option<Vec<f64>>,
    parts: Vec<u32>,
}

impl Rows<'_> {
    /// Scores by curves of the other parts; none when these lack an outcome.
    fn cross_fitted(&self, method: CalibrationMethod) -> Result<Option<Vec<f64>>> {
        let n_parts = self.parts.iter().max().map_or(0, |last| *last + 1);
        let mut scores = vec![0.0; self.margins.len()];
        for part in 0..n_parts {
            let others = (0..self.parts.len()).filter(|row| self.parts[*row] != part);
            let Some(curve) = self.fit(method, &others.collect::<Vec<_>>())? else {
                return Ok(None);
            };
            for row in (0..self.parts.len()).filter(|row| self.parts[*row] == part) {
                scores[row] = curve.apply(self.margins[row]);
            }
        }
        Ok(Some(scores))
    }

    fn fit(&self, method: CalibrationMethod, rows: &[usize]) -> Result<Option<Curve>> {
        let margins: Vec<f64> = rows.iter().map(|row| self.margins[*row]).collect();
        let labels: Vec<bool> = rows.iter().map(|row| self.labels[*row]).collect();
        let weights = self.weights.as_ref();
        let weights: Option<Vec<f64>> = weights.map(|w| rows.iter().map(|row| w[*row]).collect());
        let weights = weights.as_deref();
        let fitted = match method {
            CalibrationMethod::Isotonic => {
                Isotonic::fit_smooth(&margins, &labels, weights, MAX_STEPS).map(|fitted| {
                    Curve::Isotonic {
                        knots: fitted.knots().to_vec(),
                    }
                })
            }
            _ => Platt::fit(&margins, &labels, weights).map(|fitted| Curve::Platt {
                slope: fitted.slope,
                intercept: fitted.intercept,
            }),
        };
        match fitted {
            Ok(curve) => Ok(Some(curve)),
            Err(
                lode_numeric::Error::OneClass { .. } | lode_numeric::Error::NotConverged { .. },
            ) => Ok(None),
            Err(error) => Err(Error::bug(error.to_string())),
        }
    }

    /// Whether `new` has a lower log loss than `old`, by more than one standard error of the
    /// difference: what does not plainly help is left alone.
    fn gains(&self, old: &[f64], new: &[f64]) -> bool {
        let loss = |p: f64, label: bool| {
            let p = p.clamp(1e-15, 1.0 - 1e-15);
            if label { -p.ln() } else { -(1.0 - p).ln() }
        };
        let weight = |row: usize| self.weights.as_ref().map_or(1.0, |weights| weights[row]);
        let gain = |row: usize| loss(old[row], self.labels[row]) - loss(new[row], self.labels[row]);
        let rows = 0..self.labels.len();
        let total: f64 = rows.clone().map(weight).sum();
        let mean = rows.clone().map(|row| weight(row) * gain(row)).sum::<f64>() / total;
        let spread: f64 = rows
            .map(|row| (weight(row) * (gain(row) - mean)).powi(2))
            .sum();
        mean > spread.sqrt() / total
    }
}

/// Seeded parts that share no customer.
fn parts_of_one(held: &Held, sample: &Sample, seed: u64) -> Result<Vec<u32>> {
    let clusters = sample.clusters(&held.rows);
    let clusters = clusters.unwrap_or_else(|| (0..held.rows.len() as u32).collect());
    let n_clusters = clusters.iter().max().map_or(0, |last| *last as usize + 1);
    let parts = PARTS.min(n_clusters).max(2);
    if n_clusters < 2 {
        return Ok(vec![0; clusters.len()]);
    }
    let of_cluster = folds::shuffled(n_clusters, parts, seed);
    let of_cluster = of_cluster.map_err(|error| Error::bug(error.to_string()))?;
    Ok(clusters
        .iter()
        .map(|cluster| of_cluster[*cluster as usize])
        .collect())
}
