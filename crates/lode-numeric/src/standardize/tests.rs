//! Checks means and scales against worked figures, and constant columns.

use super::Standardizer;
use crate::Rows;

#[test]
fn a_worked_example() {
    // Population standard deviation of 2, 4, 4, 4, 5, 5, 7, 9 is 2, the mean 5.
    let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
    let found = Standardizer::fit(Rows::new(&values, 1).unwrap(), 1).unwrap();
    assert_eq!(found.mean, [5.0]);
    assert_eq!(found.scale, [2.0]);
    let mut scores = values.to_vec();
    found.apply(&mut scores);
    assert_eq!(scores, vec![-1.5, -0.5, -0.5, -0.5, 0.0, 0.0, 1.0, 2.0]);
    assert!((found.undo_one(scores[7], 0) - 9.0).abs() < 1e-12);
}

#[test]
fn constant_columns_become_zero() {
    // 0.1 has no exact mean over 1,000 rows; 1e9 + 0.1 neither.
    let values: Vec<f64> = (0..1_000)
        .flat_map(|row| [0.1, 1e9 + 0.1, f64::from(row)])
        .collect();
    let found = Standardizer::fit(Rows::new(&values, 3).unwrap(), 1).unwrap();
    assert_eq!(found.scale[..2], [0.0, 0.0]);
    assert!((found.scale[2] - 288.674_990_256).abs() < 1e-6);
    let mut row = vec![0.1, 7.0, 499.5];
    found.apply(&mut row);
    assert_eq!(row, vec![0.0; 3]);
}

#[test]
fn bits_do_not_depend_on_threads() {
    let values: Vec<f64> = (0..30_000).map(|i| f64::from(i).sin()).collect();
    let rows = Rows::new(&values, 3).unwrap();
    let one = Standardizer::fit(rows, 1).unwrap();
    assert_eq!(Standardizer::fit(rows, 2).unwrap(), one);
    assert_eq!(Standardizer::fit(rows, 8).unwrap(), one);
    assert!(Standardizer::fit(Rows::new(&[], 3).unwrap(), 1).is_err());
}
