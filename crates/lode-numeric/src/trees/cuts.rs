//! Cuts numbers into at most 255 bins with about as many rows each.
//!
//! Does not look at targets. Invariant: cuts rise; a value belongs to the first bin whose cut
//! is not below it, and bin 0 is kept for missing values.

/// Cuts between the values with these weights, for at most `max_bins` bins.
///
/// `sorted` holds `(value, weight)` in rising order of value without NaN, equal values
/// together or apart. With no more different values than bins each value has a bin of its own;
/// else a bin closes as soon as it has its share of what is left, and a value as heavy as a
/// whole bin is not merged with the ones below it.
pub(super) fn cuts(sorted: &[(f64, f64)], max_bins: usize) -> Vec<f64> {
    let mut distinct: Vec<(f64, f64)> = Vec::new();
    for (value, weight) in sorted {
        match distinct.last_mut() {
            Some(last) if last.0 >= *value => last.1 += weight,
            _ => distinct.push((*value, *weight)),
        }
    }
    if distinct.len() <= max_bins {
        return distinct
            .windows(2)
            .map(|pair| between(pair[0].0, pair[1].0))
            .collect();
    }
    let mut left: f64 = distinct.iter().map(|entry| entry.1).sum();
    let mut cuts = Vec::with_capacity(max_bins - 1);
    let mut filled = 0.0;
    for pair in distinct.windows(2) {
        let bins_left = max_bins - cuts.len();
        if bins_left == 1 {
            break;
        }
        filled += pair[0].1;
        let share = left / bins_left as f64;
        if filled >= share || (filled >= share * 0.5 && pair[1].1 >= share) {
            cuts.push(between(pair[0].0, pair[1].0));
            left -= filled;
            filled = 0.0;
        }
    }
    cuts
}

/// The bin of a value: 0 for NaN, else 1 more than the number of cuts below it.
pub(super) fn bin_of(cuts: &[f64], value: f64) -> u8 {
    if value.is_nan() {
        return 0;
    }
    // At most 254 cuts.
    1 + cuts.partition_point(|cut| *cut < value) as u8
}

/// A number in `[low, high)`: the one of fewest decimals nearest to the middle, since people
/// read it in rules.
fn between(low: f64, high: f64) -> f64 {
    let middle = low * 0.5 + high * 0.5;
    let inside = |value: f64| value.is_finite() && value >= low && value < high;
    let mut scale = 1.0;
    for _ in 0..9 {
        let short = (middle * scale).round() / scale;
        if inside(short) {
            return short;
        }
        scale *= 10.0;
    }
    if inside(middle) { middle } else { low }
}

#[cfg(test)]
mod tests;
