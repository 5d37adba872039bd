//! Packed sums at their limits, and what rounding loses.

use super::{Bounds, Scale, Sum};
use crate::Rng;
use crate::parallel::with_crew;

#[test]
fn as_many_rows_as_allowed_add_up_without_overflow() {
    for n in [2, 128, 129, 60_000, 70_000, 1 << 20, 1 << 27] {
        for mean_slope in [0.0, 1e-6] {
            let bounds = Bounds {
                slope: 3.0,
                curve: 7.0,
                mean_slope,
            };
            let scale = Scale::new(n, &bounds, 9);
            for slope in [3.0, -3.0] {
                let rows = scale.fields.rows();
                let mut packed = vec![0; rows];
                scale.pack(0, &vec![[slope, 7.0]; rows], &mut packed);
                let one = scale.fields.unpack(packed[0]);
                assert!((scale.slope(one) / slope - 1.0).abs() < 1e-3);
                assert!((scale.curve(one) / 7.0 - 1.0).abs() < 0.3);
                let expected = packed.iter().fold(Sum::default(), |sum, word| {
                    sum.plus(scale.fields.unpack(*word))
                });
                let word = packed
                    .iter()
                    .fold(0_u64, |sum, word| sum.wrapping_add(*word));
                assert_eq!(scale.fields.unpack(word), expected);
                assert_eq!(expected.n() as usize, rows);
                // And all rows of the table in the cells proper.
                assert!((expected.rest >> 32) as f64 * (n as f64 / rows as f64) < 4.3e9);
            }
        }
    }
}

#[test]
fn drawn_rounding_is_right_in_the_mean() {
    let n = 200_000;
    let mut rng = Rng::new(6);
    let bounds = Bounds {
        slope: 1.0,
        curve: 0.25,
        mean_slope: 0.0,
    };
    // Far below one unit of 1 / 4096: to the nearest they would all be 0.
    let slopes: Vec<[f64; 2]> = (0..n).map(|_| [rng.uniform() * 1e-4, 1e-5]).collect();
    let mut packed = vec![0; n];
    let scale = Scale::new(n, &bounds, 1);
    scale.pack(0, &slopes, &mut packed);
    let sum = packed.iter().fold(Sum::default(), |sum, word| {
        sum.plus(scale.fields.unpack(*word))
    });
    let slope: f64 = slopes.iter().map(|slope| slope[0]).sum();
    let curve: f64 = slopes.iter().map(|slope| slope[1]).sum();
    assert!((scale.slope(sum) / slope - 1.0).abs() < 0.02);
    assert!((scale.curve(sum) / curve - 1.0).abs() < 0.05);
    // In pieces as in one.
    let mut pieces = vec![0; n];
    for (index, (slopes, packed)) in slopes.chunks(777).zip(pieces.chunks_mut(777)).enumerate() {
        scale.pack(index * 777, slopes, packed);
    }
    assert_eq!(pieces, packed);
}

#[test]
fn few_rows_are_as_good_as_exact() {
    let mut rng = Rng::new(7);
    let slopes: Vec<[f64; 2]> = (0..5000).map(|_| [rng.normal(), rng.uniform()]).collect();
    let rows: Vec<u32> = (0..5000).collect();
    let mut packed = Vec::new();
    let scale = with_crew(2, |crew| {
        super::packed(&slopes, &rows, 1, crew, &mut packed)
    });
    for ([slope, curve], word) in slopes.iter().zip(&packed) {
        let own = scale.fields.unpack(*word);
        assert!((scale.slope(own) - slope).abs() < 2e-5);
        assert!((scale.curve(own) - curve).abs() < 1e-4);
    }
}
