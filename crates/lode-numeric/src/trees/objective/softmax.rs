//! The loss of one class of several: margins to probabilities, slopes and curvatures.
//!
//! Does not grow. Invariant: probabilities of a row add up to 1, and adding a number to all
//! margins of a row changes none of them.

/// Turns the margins of a row into probabilities.
pub(in super::super) fn probabilities(margins: &mut [f64]) {
    let most = margins.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x));
    let mut sum = 0.0;
    for margin in margins.iter_mut() {
        *margin = (*margin - most).exp();
        sum += *margin;
    }
    margins.iter_mut().for_each(|share| *share /= sum);
}

/// Slope of the loss in the margin of a class with probability `p`, which is the row's (`y` 1)
/// or not (`y` 0), and its curvature times K / (K - 1) for K classes: each class takes its
/// step as if the others stood still, which this makes up for.
pub(in super::super) fn slope(p: f64, y: f64, n_classes: usize) -> [f64; 2] {
    let k = n_classes as f64;
    [p - y, k / (k - 1.0) * p * (1.0 - p)]
}

/// `-log p` of the row's own class.
pub(in super::super) fn loss(margins: &[f64], class: usize) -> f64 {
    let most = margins.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x));
    let sum: f64 = margins.iter().map(|margin| (margin - most).exp()).sum();
    sum.ln() + most - margins[class]
}
