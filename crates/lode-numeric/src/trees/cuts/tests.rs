//! Bins of numbers.

use super::{bin_of, cuts};
use crate::Rng;

fn weighted(values: &[f64]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<(f64, f64)> = values.iter().map(|value| (*value, 1.0)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    sorted
}

#[test]
fn few_values_have_a_bin_each() {
    let found = cuts(&weighted(&[3.0, 1.0, 1.0, 2.0, 70.0, 70.1]), 255);
    assert_eq!(found, [1.5, 2.5, 37.0, 70.0]);
    assert_eq!(
        [1.0, 1.5, 1.6, 3.0, 1e300].map(|v| bin_of(&found, v)),
        [1, 1, 2, 3, 5]
    );
    assert_eq!(bin_of(&found, f64::NAN), 0);
    assert_eq!(bin_of(&found, f64::NEG_INFINITY), 1);
    assert_eq!(cuts(&weighted(&[]), 255), [0.0; 0]);
    assert_eq!(cuts(&weighted(&[-0.0, 0.0]), 255), [0.0; 0]);
}

#[test]
fn cuts_rise_and_part_every_two_values_at_the_edges_of_floats() {
    let edge = [
        f64::NEG_INFINITY,
        f64::MIN,
        -1e-320,
        0.0,
        5e-324,
        1.0,
        1.0 + f64::EPSILON,
        f64::MAX,
        f64::INFINITY,
    ];
    let found = cuts(&weighted(&edge), 255);
    assert_eq!(found.len(), edge.len() - 1);
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
    for (bin, value) in edge.iter().enumerate() {
        assert_eq!(usize::from(bin_of(&found, *value)), bin + 1, "{value}");
    }
}

#[test]
fn many_values_share_bins_evenly_and_heavy_ones_stay_alone() {
    let mut rng = Rng::new(1);
    let mut values: Vec<f64> = (0..20_000).map(|_| rng.normal()).collect();
    values.extend([0.5; 3000]);
    for max_bins in [2, 16, 255] {
        let found = cuts(&weighted(&values), max_bins);
        assert!(found.len() < max_bins);
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        let mut counts = vec![0_usize; found.len() + 2];
        values
            .iter()
            .for_each(|value| counts[usize::from(bin_of(&found, *value))] += 1);
        let share = values.len() / max_bins;
        assert!(counts[1..].iter().all(|n| *n > 0));
        assert!(
            counts[1..].iter().filter(|n| **n > 2 * share + 1).count() <= 1,
            "{counts:?}"
        );
        if max_bins == 255 {
            let heavy = counts[usize::from(bin_of(&found, 0.5))];
            assert!(heavy < 3000 + share, "{heavy} rows around the heavy value");
        }
    }
}

#[test]
fn many_values_at_once_are_binned_as_one() {
    let strange = [
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        1e308,
        -1e308,
        5e-324,
        -5e-324,
    ];
    let mut rng = Rng::new(8);
    for n_cuts in [0, 1, 2, 3, 7, 8, 100, 253, 254] {
        let mut cuts: Vec<f64> = (0..n_cuts).map(|_| rng.normal()).collect();
        if n_cuts > 5 {
            cuts[..4].copy_from_slice(&[0.0, -0.0, f64::MAX, f64::NEG_INFINITY]);
        }
        cuts.sort_by(f64::total_cmp);
        let mut values: Vec<f64> = (0..301).map(|_| rng.normal()).collect();
        values.extend(strange);
        values.extend(&cuts);
        let mut bins = vec![0; values.len()];
        super::bins_of(&cuts, &values, &mut bins);
        for (value, bin) in values.iter().zip(&bins) {
            assert_eq!(*bin, bin_of(&cuts, *value), "{value} of {n_cuts} cuts");
        }
    }
}
