//! Bins of levels.

use super::{Levels, level_bins};
use crate::Rng;
use crate::trees::test_data::auc;

fn input<'a>(
    codes: &'a [u32],
    targets: &'a [f64],
    weights: &'a [f64],
    rows: &'a [u32],
) -> Levels<'a> {
    Levels {
        codes,
        n_levels: 5,
        targets,
        weights: Some(weights),
        rows,
        smoothing: 1.0,
        large: 0.0,
        max_bins: 255,
        seed: 1,
    }
}

#[test]
fn levels_are_ordered_by_their_mean_target() {
    // Level 3 is never seen, code 9 is none.
    let codes = [0, 0, 1, 1, 2, 2, 4, 9];
    let targets = [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0];
    let rows: Vec<u32> = (0..8).collect();
    let found = level_bins(&input(&codes, &targets, &[1.0; 8], &rows));
    // Mean 4 / 7; with one row of it: .857, .190, .524, -, .786.
    assert_eq!(found.bins, [4, 1, 2, 0, 3]);
    assert_eq!(found.row_bins, [4, 4, 1, 1, 2, 2, 3, 0]);
}

#[test]
fn rows_that_are_not_learned_from_have_no_say() {
    let codes = [0, 0, 1, 1, 2];
    let mut targets = [1.0, 1.0, 0.0, 0.0, 1.0];
    let rows = [0, 1, 2, 3];
    let before = level_bins(&input(&codes, &targets, &[1.0; 5], &rows));
    targets[4] = -50.0;
    let after = level_bins(&input(&codes, &targets, &[1.0; 5], &rows));
    assert_eq!(before.bins, after.bins);
    assert_eq!(before.bins, [2, 1, 0, 0, 0]);
    assert_eq!(before.row_bins[4], 0);
}

#[test]
fn a_small_level_does_not_tell_its_rows_their_target() {
    // Each level has two rows and the target is a coin: by heart a bin would tell it.
    let mut rng = Rng::new(2);
    let n = 4000;
    let codes: Vec<u32> = (0..n).map(|row| row / 2).collect();
    let targets: Vec<f64> = (0..n)
        .map(|_| f64::from(u8::from(rng.chance(0.5))))
        .collect();
    let weights = vec![1.0; n as usize];
    let rows: Vec<u32> = (0..n).collect();
    let tells = |large: f64| {
        let mut levels = input(&codes, &targets, &weights, &rows);
        levels.n_levels = n / 2;
        levels.large = large;
        let bins = level_bins(&levels).row_bins;
        let scores: Vec<f64> = bins.iter().map(|bin| f64::from(*bin)).collect();
        auc(&targets, &scores)
    };
    assert!(tells(0.0) > 0.8, "by heart: {}", tells(0.0));
    assert!(
        (tells(100.0) - 0.5).abs() < 0.04,
        "by the others: {}",
        tells(100.0)
    );
}
