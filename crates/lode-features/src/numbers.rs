//! The formulas, each as a plain loop in the order of the events.

use crate::plan::DAY;

const HOUR: i64 = DAY / 24;

/// Microseconds as days.
pub(crate) fn days(micros: i64) -> f64 {
    micros as f64 / DAY as f64
}

pub(crate) fn float(n: usize) -> f64 {
    n as f64
}

/// The smallest or largest value.
pub(crate) fn extreme(values: &[f64], is_min: bool) -> Option<f64> {
    let mut values = values.iter().copied();
    let mut found = values.next()?;
    for value in values {
        if (is_min && value < found) || (!is_min && value > found) {
            found = value;
        }
    }
    Some(found)
}

/// Sample standard deviation: sqrt(sum((v - mean)^2) / (n - 1)), in two passes.
pub(crate) fn std(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mut sum = 0.0;
    for value in values {
        sum += value;
    }
    let mean = sum / float(values.len());
    Some(spread(values, mean))
}

/// Sample standard deviation of values around a mean that is known.
pub(crate) fn std_around(values: &[f64], mean: f64) -> Option<f64> {
    (values.len() > 1).then(|| spread(values, mean))
}

fn spread(values: &[f64], mean: f64) -> f64 {
    let mut sum = 0.0;
    for value in values {
        sum += (value - mean) * (value - mean);
    }
    (sum / float(values.len() - 1)).sqrt()
}

/// Least-squares slope per day: with x the days since the range's first event,
/// sum((x - mean x)(v - mean v)) / sum((x - mean x)^2). None where less than a day lies between
/// the first and the last: a line through minutes says nothing of days. `x` is room for the days.
pub(crate) fn slope(times: &[i64], values: &[f64], x: &mut Vec<f64>) -> Option<f64> {
    let (first, last) = (*times.first()?, *times.last()?);
    if last - first < DAY {
        return None;
    }
    x.clear();
    x.extend(times.iter().map(|time| days(time - first)));
    let n = float(times.len());
    let (mut x_sum, mut v_sum) = (0.0, 0.0);
    for (x, value) in x.iter().zip(values) {
        x_sum += x;
        v_sum += value;
    }
    let (x_mean, v_mean) = (x_sum / n, v_sum / n);
    let (mut together, mut alone) = (0.0, 0.0);
    for (x, value) in x.iter().zip(values) {
        let x = x - x_mean;
        together += x * (value - v_mean);
        alone += x * x;
    }
    Some(together / alone)
}

/// Hour of the day, UTC.
pub(crate) fn hour(time: i64) -> usize {
    usize::try_from(time.rem_euclid(DAY) / HOUR).unwrap_or(0)
}

/// Day of the week, UTC; Monday is 0.
pub(crate) fn weekday(time: i64) -> usize {
    // 1970-01-01 was a Thursday.
    usize::try_from((time.div_euclid(DAY) + 3).rem_euclid(7)).unwrap_or(0)
}
