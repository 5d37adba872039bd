//! Checks against scipy.

use super::*;
use crate::survival::golden::figures;

#[test]
fn tails_are_relatively_exact() {
    for (z, p) in figures("normal z").iter().zip(figures("normal p")) {
        let found = Estimate::new(*z, 1.0, 0.95).unwrap().p;
        assert!((found - p).abs() <= 4e-15 * p, "{z}: {found:e} and {p:e}");
    }
}

#[test]
fn quantiles_are_those_of_the_normal_distribution() {
    for (level, z) in figures("quantile level").iter().zip(figures("quantile z")) {
        assert!((two_sided(*level) - z).abs() < 1e-13);
    }
    let estimate = Estimate::new(-1.0, 0.25, 0.95).unwrap();
    assert_eq!((estimate.standard_error, estimate.z), (0.5, -2.0));
    assert!((estimate.low + 1.979_981_992_270_027).abs() < 1e-13);
    assert!(Estimate::new(1.0, 1.0, f64::NAN).is_err());
}
