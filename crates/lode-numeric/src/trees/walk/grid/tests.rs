//! Ranks against a count over the cuts.

use super::Grid;
use super::MAX_CUTS;
use crate::Rng;
use crate::trees::walk::planes::ROWS;

fn check(cuts: &[f64], values: &[f64]) {
    let grid = Grid::new(cuts);
    for values in values.chunks(ROWS) {
        let mut ranks = [0_i8; ROWS];
        grid.ranks(values, &mut ranks);
        for (value, rank) in values.iter().zip(ranks) {
            let expected = match value.is_nan() {
                true => 0,
                false => 1 + cuts.iter().filter(|cut| *cut < value).count(),
            };
            assert_eq!(
                (i16::from(rank) + 128) as usize,
                expected,
                "{value} among {cuts:?} by {:?}",
                grid.map
            );
        }
    }
}

/// The cuts themselves, their neighbors, the ends of the numbers, and draws.
fn probes(cuts: &[f64], rng: &mut Rng) -> Vec<f64> {
    let mut probes = vec![
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        0.0,
        -0.0,
        f64::MIN_POSITIVE,
        -f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
    ];
    for cut in cuts {
        probes.extend([*cut, cut.next_up(), cut.next_down(), -cut]);
    }
    for _ in 0..200 {
        probes.push(rng.normal() * 10.0_f64.powi(rng.index(40) as i32 - 20));
    }
    probes
}

#[test]
fn the_rank_is_the_number_of_cuts_below() {
    let mut rng = Rng::new(1);
    for round in 0..300 {
        let n = 1 + rng.index(MAX_CUTS);
        let mut cuts: Vec<f64> = (0..n)
            .map(|_| match round % 6 {
                0 => rng.normal(),
                1 => (3.0 * rng.normal()).exp(),
                2 => rng.normal() * 10.0_f64.powi(rng.index(600) as i32 - 300),
                3 => rng.index(40) as f64 - 20.0,
                4 => 1e6 + 1e-6 * rng.normal(),
                _ => f64::from_bits(rng.next_u64()),
            })
            .filter(|cut| !cut.is_nan())
            .collect();
        if round % 7 == 0 {
            cuts.extend([-0.0, f64::NEG_INFINITY, f64::INFINITY, f64::MAX, f64::MIN]);
            cuts.truncate(MAX_CUTS);
        }
        cuts.sort_by(f64::total_cmp);
        cuts.dedup_by(|a, b| *a >= *b && *b >= *a);
        check(&cuts, &probes(&cuts, &mut rng));
    }
}

#[test]
fn no_cuts_and_one_cut() {
    let mut rng = Rng::new(2);
    check(&[], &probes(&[], &mut rng));
    for cut in [
        0.0,
        -0.0,
        1.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        5e-324,
        f64::MAX,
    ] {
        check(&[cut], &probes(&[cut], &mut rng));
    }
}

#[test]
fn evenly_spread_cuts_are_compared_once() {
    let even: Vec<f64> = (0..250).map(f64::from).collect();
    assert_eq!(Grid::new(&even).step, 1);
    // Amounts over many powers of ten, by their bits.
    let amounts: Vec<f64> = (0..200).map(|i| 1.1_f64.powi(i - 20)).collect();
    assert_eq!(Grid::new(&amounts).step, 1);
}
