//! Checks sums against integers, and that order and grouping make no difference.

use super::ExactSum;
use super::LIMIT;
use crate::Rng;

fn sum(terms: &[f64]) -> ExactSum {
    let mut sum = ExactSum::default();
    for term in terms {
        sum.add(*term);
    }
    sum
}

#[test]
fn sums_are_those_of_integers() {
    let mut rng = Rng::new(5);
    for _ in 0..200 {
        // Multiples of 2^-40 below 2^60: an i128 adds them exactly.
        let terms: Vec<i64> = (0..50)
            .map(|_| {
                let bits = rng.below(53);
                let size = rng.below(1 << bits) as i64;
                let term = if rng.chance(0.4) { -size } else { size };
                term << rng.below(8)
            })
            .collect();
        let scale = f64::from(40).exp2();
        let floats: Vec<f64> = terms.iter().map(|term| *term as f64 / scale).collect();
        let exact: i128 = terms.iter().map(|term| i128::from(*term)).sum();
        assert_eq!(
            sum(&floats).value().to_bits(),
            (exact as f64 / scale).to_bits()
        );
    }
}

#[test]
fn order_and_grouping_make_no_difference() {
    let mut rng = Rng::new(6);
    let mut terms: Vec<f64> = (0..300)
        .map(|_| rng.normal() * (rng.below(120) as f64 - 60.0).exp2())
        .collect();
    let whole = sum(&terms).value();
    for cut in [0, 1, 7, 150, 299, 300] {
        rng.shuffle(&mut terms);
        let mut left = sum(&terms[..cut]);
        let right = sum(&terms[cut..]);
        left.merge(&right);
        assert_eq!(left.value().to_bits(), whole.to_bits());
        let again = ExactSum::from_components(left.components()).unwrap();
        assert_eq!(again.value().to_bits(), whole.to_bits());
    }
}

#[test]
fn halves_are_decided_by_what_is_left() {
    let ulp = f64::EPSILON;
    // 1 + half an ulp is a tie and goes to the even 1; a trace more goes up, less does not.
    assert_eq!(sum(&[1.0, ulp / 2.0]).value().to_bits(), 1.0_f64.to_bits());
    let up = sum(&[1e-40, ulp / 2.0, 1.0]).value();
    assert_eq!(up.to_bits(), (1.0 + ulp).to_bits());
    let down = sum(&[-1e-40, 1.0 + ulp, ulp / 2.0]).value();
    assert_eq!(down.to_bits(), (1.0 + ulp).to_bits());
}

#[test]
fn what_cancels_is_gone() {
    let all = sum(&[1e200, 1.0, -1e200, LIMIT, -LIMIT, -1.0]);
    assert!(all.is_zero() && all.components().is_empty());
    assert_eq!(all.value().to_bits(), 0.0_f64.to_bits());
    assert!(sum(&[-0.0, 0.0]).is_zero());
}

#[test]
fn components_that_are_not_finite_are_refused() {
    for bad in [
        &[f64::NAN][..],
        &[1.0, f64::INFINITY],
        &[f64::MAX, f64::MAX],
    ] {
        assert!(ExactSum::from_components(bad).is_none(), "{bad:?}");
    }
}
