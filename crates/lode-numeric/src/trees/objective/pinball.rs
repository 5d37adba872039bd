//! The pinball loss, whose best constant is a quantile, and weighted quantiles.
//!
//! Does not grow. Invariant: a weight counts like that many equal entries.

/// Slope of the loss of margin `m`, and 1 for its curvature: the loss is made of straight
/// lines, so that leaves get their values from [`quantile`] and not from a Newton step.
pub(super) fn slope(alpha: f64, m: f64, y: f64) -> [f64; 2] {
    [if m >= y { 1.0 - alpha } else { -alpha }, 1.0]
}

/// `alpha (y - m)` below the target, `(1 - alpha) (m - y)` above.
pub(super) fn loss(alpha: f64, m: f64, y: f64) -> f64 {
    let short = y - m;
    if short > 0.0 {
        alpha * short
    } else {
        (alpha - 1.0) * short
    }
}

/// The weighted quantile: the least entry with at least a share `alpha` of the weight at or
/// below it; half way to the next entry where the share is met exactly. Any constant of least
/// pinball loss is between those two. Entries are (value, weight above 0); 0 for none.
///
/// Reorders `entries`. O(entries), expected.
pub(super) fn quantile(entries: &mut [(f64, f64)], alpha: f64) -> f64 {
    let total: f64 = entries.iter().map(|(_, weight)| weight).sum();
    // A share that is met but for rounding is met.
    let slack = 1e-12 * total;
    let target = alpha * total - slack;
    let mut below = 0.0;
    let mut open = entries;
    let mut above = f64::INFINITY;
    while open.len() > 1 {
        let middle = open.len() / 2;
        open.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0));
        let lower: f64 = open[..middle].iter().map(|(_, weight)| weight).sum();
        if below + lower >= target {
            above = open[middle].0;
            open = &mut open[..middle];
        } else {
            below += lower;
            open = &mut open[middle..];
        }
    }
    let Some((value, weight)) = open.first().copied() else {
        return 0.0;
    };
    let is_met = below + weight <= target + 2.0 * slack;
    if is_met && above.is_finite() {
        0.5 * value + 0.5 * above
    } else {
        value
    }
}
