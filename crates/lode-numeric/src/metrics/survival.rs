//! Measures of the predicted chance of an event by a horizon, when some were watched for less.
//!
//! Does not extrapolate beyond the longest time. Invariant: events at a time come before
//! censorings at it.

use super::rank::Ranking;
use super::rank::check_length;
use super::rank::check_numbers;
use super::rank::check_weights;
use super::rank::weight;
use crate::Error;
use crate::Result;

/// The Kaplan-Meier estimate of lasting beyond a time.
///
/// E. Kaplan, P. Meier, JASA 53(282), 1958, doi:10.1080/01621459.1958.10501452.
#[derive(Clone, Debug, PartialEq)]
pub struct KaplanMeier {
    /// Times at which the curve falls, rising, and its value from there on.
    steps: Vec<(f64, f64)>,
}

/// Rows whose predictions are near each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SurvivalBin {
    /// Weight of its rows.
    pub rows: f64,
    /// Mean predicted chance of the event by the horizon.
    pub predicted: f64,
    /// One minus the Kaplan-Meier estimate of its rows at the horizon.
    pub observed: f64,
}

impl KaplanMeier {
    /// Of the time to the event.
    ///
    /// # Errors
    /// [`Error::TooFewRows`] without rows; [`Error::Length`], [`Error::NotFinite`],
    /// [`Error::OutOfRange`] for a weight below 0.
    pub fn of_events(times: &[f64], events: &[bool], weights: Option<&[f64]>) -> Result<Self> {
        Self::fit(times, events, weights, true)
    }

    /// Of the time to censoring: who had the event at a time is no longer at risk of being
    /// censored at it.
    ///
    /// # Errors
    /// As [`KaplanMeier::of_events`].
    pub fn of_censoring(times: &[f64], events: &[bool], weights: Option<&[f64]>) -> Result<Self> {
        Self::fit(times, events, weights, false)
    }

    /// The chance of lasting beyond `time`.
    pub fn at(&self, time: f64) -> f64 {
        let after = self.steps.partition_point(|step| step.0 <= time);
        after.checked_sub(1).map_or(1.0, |last| self.steps[last].1)
    }

    /// The chance of lasting to `time` at least.
    pub fn before(&self, time: f64) -> f64 {
        let after = self.steps.partition_point(|step| step.0 < time);
        after.checked_sub(1).map_or(1.0, |last| self.steps[last].1)
    }

    fn fit(
        times: &[f64],
        events: &[bool],
        weights: Option<&[f64]>,
        of_events: bool,
    ) -> Result<Self> {
        check_length("events, one a time", times.len(), events.len())?;
        check_weights(times.len(), weights)?;
        let mut at_risk: f64 = (0..times.len()).map(|row| weight(weights, row)).sum();
        let mut lasting = 1.0;
        let mut steps = Vec::new();
        for rows in Ranking::new(times)?.groups().rev() {
            let mut ended = [0.0; 2];
            for &row in rows {
                ended[usize::from(events[row as usize])] += weight(weights, row as usize);
            }
            let (falls, exposed) = match of_events {
                true => (ended[1], at_risk),
                false => (ended[0], at_risk - ended[1]),
            };
            if falls > 0.0 {
                // The last ones leave exactly nobody.
                let left = if falls >= exposed {
                    0.0
                } else {
                    1.0 - falls / exposed
                };
                lasting *= left;
                steps.push((times[rows[0] as usize], lasting));
            }
            at_risk -= ended[0] + ended[1];
        }
        Ok(Self { steps })
    }
}

/// The Brier score at a horizon, those censored before it made up for by weights of the inverse
/// chance of censoring (IPCW).
///
/// With F the predicted chance of the event by the horizon h, G the chance of not being censored:
/// `sum w (1[T <= h, event] (1 - F)^2 / G(T-) + 1[T > h] F^2 / G(h)) / sum w`. E. Graf, C. Schmoor,
/// W. Sauerbrei, M. Schumacher, Statistics in Medicine 18, 1999, pages 2529 to 2545.
///
/// # Errors
/// [`Error::OutOfRange`] for a prediction outside 0 to 1; [`Error::TooFewRows`] when nobody was
/// watched up to the horizon and nobody had the event before; [`Error::Length`],
/// [`Error::NotFinite`].
pub fn brier_at(
    horizon: f64,
    times: &[f64],
    events: &[bool],
    predicted: &[f64],
    weights: Option<&[f64]>,
) -> Result<f64> {
    check(horizon, times, events, predicted, weights)?;
    let censoring = KaplanMeier::of_censoring(times, events, weights)?;
    let beyond = censoring.at(horizon);
    let mut sum = 0.0;
    let mut total = 0.0;
    let mut known = 0;
    for (row, (&time, &p)) in times.iter().zip(predicted).enumerate() {
        let weight = weight(weights, row);
        total += weight;
        let of_row = if time > horizon {
            p * p / beyond
        } else if events[row] {
            (1.0 - p).powi(2) / censoring.before(time)
        } else {
            continue;
        };
        known += 1;
        sum += weight * of_row;
    }
    if known == 0 {
        return Err(Error::TooFewRows {
            needed: 1,
            found: 0,
        });
    }
    Ok(sum / total)
}

/// Predicted against observed chance of the event by the horizon, in `n_bins` bins of equal weight
/// by rising prediction; rows of one prediction stay together, in the bin of their middle.
///
/// # Errors
/// As [`brier_at`]; [`Error::OutOfRange`] for 0 bins.
pub fn calibration_at(
    horizon: f64,
    times: &[f64],
    events: &[bool],
    predicted: &[f64],
    weights: Option<&[f64]>,
    n_bins: usize,
) -> Result<Vec<SurvivalBin>> {
    check(horizon, times, events, predicted, weights)?;
    if n_bins == 0 {
        return Err(Error::OutOfRange {
            what: "bins",
            expected: "of at least 1",
            found: 0.0,
        });
    }
    let total: f64 = (0..times.len()).map(|row| weight(weights, row)).sum();
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); n_bins];
    let mut passed = 0.0;
    for rows in Ranking::new(predicted)?.groups().rev() {
        let here: f64 = rows.iter().map(|row| weight(weights, *row as usize)).sum();
        let bin = ((passed + here / 2.0) / total * n_bins as f64).floor() as usize;
        members[bin.min(n_bins - 1)].extend(rows.iter().map(|row| *row as usize));
        passed += here;
    }
    let mut bins = Vec::new();
    for rows in members {
        let weights: Vec<f64> = rows.iter().map(|row| weight(weights, *row)).collect();
        let weight: f64 = weights.iter().sum();
        if weight <= 0.0 {
            continue;
        }
        let times: Vec<f64> = rows.iter().map(|row| times[*row]).collect();
        let events: Vec<bool> = rows.iter().map(|row| events[*row]).collect();
        let lasting = KaplanMeier::of_events(&times, &events, Some(&weights))?;
        let sum: f64 = rows
            .iter()
            .zip(&weights)
            .map(|(row, w)| w * predicted[*row])
            .sum();
        bins.push(SurvivalBin {
            rows: weight,
            predicted: sum / weight,
            observed: 1.0 - lasting.at(horizon),
        });
    }
    Ok(bins)
}

fn check(
    horizon: f64,
    times: &[f64],
    events: &[bool],
    predicted: &[f64],
    weights: Option<&[f64]>,
) -> Result<()> {
    check_length("events, one a time", times.len(), events.len())?;
    check_length("predictions, one a time", times.len(), predicted.len())?;
    check_numbers("horizon", &[horizon])?;
    check_numbers("times", times)?;
    check_numbers("predictions", predicted)?;
    check_weights(times.len(), weights)?;
    match predicted.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        Some(found) => Err(Error::OutOfRange {
            what: "predictions",
            expected: "from 0 to 1",
            found: *found,
        }),
        None => Ok(()),
    }
}
