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

/// Values that are looked up side by side.
const SEARCHES: usize = 8;

/// The bin of each value, as [`bin_of`] gives it.
pub(super) fn bins_of(cuts: &[f64], values: &[f64], bins: &mut [u8]) {
    // Padded by cuts that no value is above.
    let mut padded = [i64::MAX; 256];
    for (padded, cut) in padded.iter_mut().zip(cuts) {
        *padded = key(*cut);
    }
    // Steps of 2^bit that together reach each cut.
    let bits = usize::BITS - cuts.len().leading_zeros();
    let (eights, rest) = values.as_chunks::<SEARCHES>();
    let (out, out_rest) = bins.as_chunks_mut::<SEARCHES>();
    for (eight, out) in eights.iter().zip(out) {
        *out = search(&padded, bits, eight);
    }
    for (value, bin) in rest.iter().zip(out_rest) {
        *bin = bin_of(cuts, *value);
    }
}

/// All searches take the same steps side by side, and none of them branches.
#[inline(always)]
fn search(padded: &[i64; 256], bits: u32, values: &[f64; SEARCHES]) -> [u8; SEARCHES] {
    let keys = values.map(key);
    let mut at = [0_usize; SEARCHES];
    for bit in (0..bits).rev() {
        let step = 1_usize.wrapping_shl(bit);
        for (at, key) in at.iter_mut().zip(&keys) {
            let place = at.wrapping_add(step).wrapping_sub(1) & 255;
            *at |= usize::from(padded[place] < *key).wrapping_shl(bit);
        }
    }
    let mut bins = [0; SEARCHES];
    for ((bin, at), value) in bins.iter_mut().zip(at).zip(values) {
        // At most 254 cuts.
        *bin = if value.is_nan() { 0 } else { 1 + at as u8 };
    }
    bins
}

/// A whole number in the order of the floats, NaN apart.
#[inline(always)]
fn key(value: f64) -> i64 {
    // -0 + 0 is 0.
    let bits = (value + 0.0).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
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
