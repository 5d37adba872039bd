//! Isotonic regression against scikit-learn's, Platt's curve against scipy's root of its own
//! equations (`golden/measures.py`), tolerance 1e-12 and 1e-9; and what must hold for any data.

use super::Isotonic;
use super::Platt;
use crate::Error;
use crate::Rng;
use crate::golden;

#[test]
fn both_match_the_figures() {
    let rows = golden::columns(include_str!("../golden/binary.csv"));
    let labels: Vec<bool> = rows["label"].iter().map(|label| *label > 0.5).collect();
    let margins: Vec<f64> = rows["b"].iter().map(|p| (p / (1.0 - p)).ln()).collect();
    let figures = golden::measures();
    for (kind, weights) in [("plain", None), ("weighted", Some(&*rows["weight"]))] {
        let isotonic = Isotonic::fit(&margins, &labels, weights).unwrap();
        for x in ["-5.0", "-1.3", "-0.2", "0.0", "0.61", "1.7", "9.0"] {
            let found = isotonic.apply(x.parse().unwrap());
            let expected = figures[&format!("{kind}.isotonic.{x}")];
            assert!(
                (found - expected).abs() < 1e-12,
                "{kind} {x}: {found} is not {expected}"
            );
        }
        let platt = Platt::fit(&margins, &labels, weights).unwrap();
        for (name, found) in [("slope", platt.slope), ("intercept", platt.intercept)] {
            let expected = figures[&format!("{kind}.platt.{name}")];
            assert!(
                (found - expected).abs() < 1e-9,
                "{kind} {name}: {found} is not {expected}"
            );
        }
    }
}

/// Margins twice as sure as they may be: the chance is that of half the margin.
fn too_sure(n: usize) -> (Vec<f64>, Vec<bool>) {
    let mut rng = Rng::new(11);
    let mut margins = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..n {
        let margin = 2.0 * rng.normal() - 1.0;
        margins.push(2.0 * margin);
        labels.push(rng.chance(1.0 / (1.0 + (-margin).exp())));
    }
    (margins, labels)
}

#[test]
fn a_score_that_is_too_sure_is_tamed() {
    let (margins, labels) = too_sure(20_000);
    let platt = Platt::fit(&margins, &labels, None).unwrap();
    assert!(
        (platt.slope - 0.5).abs() < 0.02 && platt.intercept.abs() < 0.05,
        "{platt:?}"
    );
    let smooth = Isotonic::fit_smooth(&margins, &labels, None, 50).unwrap();
    assert!(smooth.knots().len() <= 100);
    for margin in [-6.0_f64, -3.0, 0.0, 3.0] {
        let chance = 1.0 / (1.0 + (-margin / 2.0).exp());
        assert!(
            (smooth.apply(margin) - chance).abs() < 0.03,
            "{margin}: {}",
            smooth.apply(margin)
        );
    }
    let ends = [smooth.apply(-1e9), smooth.apply(1e9)];
    assert!(ends[0] > 0.0 && ends[1] < 1.0, "{ends:?}");
}

#[test]
fn isotonic_rises_and_its_knots_make_it_again() {
    let (margins, labels) = too_sure(500);
    for most in [usize::MAX, 30, 5, 1] {
        let fitted = Isotonic::fit_smooth(&margins, &labels, None, most).unwrap();
        let again = Isotonic::from_knots(fitted.knots().to_vec()).unwrap();
        assert_eq!(again, fitted);
    }
    assert!(Isotonic::from_knots(vec![]).is_none());
    assert!(Isotonic::from_knots(vec![(0.0, 0.4), (1.0, 0.3)]).is_none());
    assert!(Isotonic::from_knots(vec![(0.0, f64::NAN)]).is_none());
}

#[test]
fn a_score_that_ranks_the_wrong_way_is_not_turned_round() {
    let margins = [3.0, 2.0, 1.0, 0.0];
    let labels = [false, false, true, true];
    let platt = Platt::fit(&margins, &labels, None).unwrap();
    assert!(
        platt.slope.abs() < 1e-12 && (platt.apply(7.0) - 0.5).abs() < 1e-9,
        "{platt:?}"
    );
    let isotonic = Isotonic::fit(&margins, &labels, None).unwrap();
    assert!((isotonic.apply(0.0) - isotonic.apply(3.0)).abs() < 1e-15);
}

#[test]
fn separated_margins_and_constant_ones_are_no_trouble() {
    let labels = [false, false, true, true];
    let platt = Platt::fit(&[-900.0, -800.0, 700.0, 1e4], &labels, None).unwrap();
    assert!(
        platt.apply(-900.0) < 0.4 && platt.apply(1e4) > 0.7,
        "{platt:?}"
    );
    let flat = Platt::fit(&[2.0; 4], &labels, None).unwrap();
    assert!((flat.apply(2.0) - 0.5).abs() < 1e-9);
    assert_eq!(
        Platt::fit(&[1.0, 2.0], &[true, true], None),
        Err(Error::OneClass { class: true })
    );
    assert!(Isotonic::fit(&[1.0, f64::NAN], &[true, false], None).is_err());
}
