//! Figures of scikit-learn 1.x (`accuracy_score`, `f1_score` macro, `log_loss`), and the corners.

use super::Classified;
use super::class_losses;
use crate::Error;
use crate::metrics::weighted_mean;

const ACTUAL: [u32; 10] = [0, 0, 1, 1, 2, 2, 2, 0, 1, 2];
const CHOSEN: [u32; 10] = [0, 1, 1, 0, 2, 3, 2, 0, 1, 0];
const WEIGHTS: [f64; 10] = [1.0, 2.0, 0.5, 1.0, 1.0, 3.0, 1.0, 1.0, 2.0, 1.0];
#[rustfmt::skip]
const PROBABILITIES: [f64; 40] = [
    0.7, 0.2, 0.1, 0.0,   0.1, 0.6, 0.3, 0.0,   0.2, 0.5, 0.2, 0.1,   0.4, 0.3, 0.2, 0.1,
    0.1, 0.1, 0.7, 0.1,   0.1, 0.1, 0.2, 0.6,   0.25, 0.25, 0.4, 0.1, 0.5, 0.3, 0.1, 0.1,
    0.05, 0.9, 0.05, 0.0, 0.6, 0.2, 0.2, 0.0,
];

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
}

#[test]
fn as_another_program_counts() {
    let plain = Classified::new(4, &ACTUAL, &CHOSEN, None).unwrap();
    near(plain.accuracy(), 0.6);
    near(plain.macro_f1(), 0.476_190_476_190_476_2);
    let weighed = Classified::new(4, &ACTUAL, &CHOSEN, Some(&WEIGHTS)).unwrap();
    near(weighed.accuracy(), 0.481_481_481_481_481_45);
    near(weighed.macro_f1(), 0.406_25);
    near(weighed.rows(), 13.5);
    let losses = class_losses(4, &PROBABILITIES, &ACTUAL).unwrap();
    near(
        weighted_mean(&losses, None).unwrap(),
        0.984_672_921_871_751_8,
    );
    near(
        weighted_mean(&losses, Some(&WEIGHTS)).unwrap(),
        1.120_516_819_404_267_8,
    );
}

#[test]
fn each_class_has_its_share() {
    let counted = Classified::new(4, &ACTUAL, &CHOSEN, None).unwrap();
    let two = counted.of_class(2);
    assert_eq!((two.rows, two.chosen, two.hits), (4.0, 2.0, 2.0));
    assert_eq!((two.precision(), two.recall()), (Some(1.0), Some(0.5)));
    near(counted.count(2, 3), 1.0);
    // Never right, but chosen once.
    let three = counted.of_class(3);
    assert_eq!((three.recall(), three.precision()), (None, Some(0.0)));
    assert_eq!(three.f1(), Some(0.0));
    // A class of nobody, chosen for nobody, changes no mean.
    let more = Classified::new(9, &ACTUAL, &CHOSEN, None).unwrap();
    near(more.macro_f1(), counted.macro_f1());
    assert_eq!(more.of_class(8).f1(), None);
}

#[test]
fn a_weight_counts_like_that_many_rows() {
    let (mut actual, mut chosen) = (Vec::new(), Vec::new());
    for row in 0..10 {
        for _ in 0..(2.0 * WEIGHTS[row]).round() as usize {
            actual.push(ACTUAL[row]);
            chosen.push(CHOSEN[row]);
        }
    }
    let many = Classified::new(4, &actual, &chosen, None).unwrap();
    let weighed = Classified::new(4, &ACTUAL, &CHOSEN, Some(&WEIGHTS)).unwrap();
    near(many.macro_f1(), weighed.macro_f1());
    near(many.accuracy(), weighed.accuracy());
}

#[test]
fn what_cannot_be_counted_is_refused() {
    assert!(matches!(
        Classified::new(3, &ACTUAL, &CHOSEN, None),
        Err(Error::OutOfRange { .. })
    ));
    assert!(Classified::new(4, &ACTUAL, &CHOSEN[1..], None).is_err());
    assert!(Classified::new(4, &ACTUAL, &CHOSEN, Some(&[0.0; 10])).is_err());
    assert!(class_losses(4, &PROBABILITIES[1..], &ACTUAL).is_err());
    // A class that was held impossible costs much, not everything.
    let losses = class_losses(2, &[1.0, 0.0], &[1]).unwrap();
    assert!((34.0..35.0).contains(&losses[0]), "{losses:?}");
}
