//! The Huber loss: squared near the target, straight far from it.
//!
//! Does not grow. Invariant: slopes stay of the size of 1 however small `delta` is, on targets
//! whose spread is 1; so penalties mean the same for every `delta`.

use super::pinball;

/// Steps in which the best constant is found.
const STEPS: usize = 100;

/// Nearest distance from the target, in spreads, at which curvatures still grow: a few rows that
/// are met would outweigh all others.
const NEAR: f64 = 0.1;

/// What the loss is divided by: all of it is beyond a small `delta`, where it is `delta` times
/// the distance, and its slopes and curvatures would vanish beside the penalties.
fn unit(delta: f64) -> f64 {
    delta.min(1.0)
}

/// Slope of the loss, and the curvature of the parabola that touches it at the margin and lies
/// on or above it elsewhere: 1 up to `delta` from the target, `delta / |m - y|` beyond. So no
/// step raises the loss, and none is as short as the true curvature of 0 would ask for. Nearer
/// than [`NEAR`] it is that of [`NEAR`].
pub(super) fn slope(delta: f64, m: f64, y: f64) -> [f64; 2] {
    let off = (m - y).abs();
    let curve = (delta / off.max(delta).max(NEAR)) / unit(delta);
    [(m - y).clamp(-delta, delta) / unit(delta), curve]
}

/// `(m - y)^2 / 2` up to `delta` from the target, `delta (|m - y| - delta / 2)` beyond, both
/// divided by a `delta` below 1.
pub(super) fn loss(delta: f64, m: f64, y: f64) -> f64 {
    let off = (m - y).abs();
    let loss = if off <= delta {
        0.5 * off * off
    } else {
        delta * (off - 0.5 * delta)
    };
    loss / unit(delta)
}

/// The constant of least loss, from the median on by steps that each lower the loss. Entries
/// are (value, weight above 0).
pub(super) fn center(entries: &mut [(f64, f64)], delta: f64) -> f64 {
    let mut center = pinball::quantile(entries, 0.5);
    for _ in 0..STEPS {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (value, own) in entries.iter() {
            let off = (value - center).abs();
            let own = own * if off > delta { delta / off } else { 1.0 };
            sum += own * (value - center);
            weight += own;
        }
        let step = sum / weight;
        if step.abs() <= 1e-12 * delta {
            break;
        }
        center += step;
    }
    center
}
