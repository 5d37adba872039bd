//! Deals a product of two factors to the features of both.
//!
//! Does not know what the factors are, only their margins and means.

use super::core::Core;

/// One factor in one row.
pub(super) struct Factor {
    /// At the base of its margin.
    base: f64,
    /// At the row's margin.
    pub(super) value: f64,
    /// The value's change for each unit of the margin, on the way from the base.
    slope: f64,
}

impl Factor {
    pub(super) fn new(core: &Core, margin: f64) -> Self {
        let from = core.base();
        let (base, value) = (core.mean(from), core.mean(margin));
        let way = margin - from;
        let slope = if way.abs() > 1e-6 {
            (value - base) / way
        } else {
            core.slope(from)
        };
        Self { base, value, slope }
    }
}

/// Turns contributions to the first factor's margin, with those to the second's, into
/// contributions to the product.
pub(super) fn deal(first: &Factor, second: &Factor, parts: &mut [f64], others: &[f64]) {
    let of_first = first.slope * (second.base + second.value) / 2.0;
    let of_second = second.slope * (first.base + first.value) / 2.0;
    for (part, other) in parts.iter_mut().zip(others) {
        *part = *part * of_first + other * of_second;
    }
}
