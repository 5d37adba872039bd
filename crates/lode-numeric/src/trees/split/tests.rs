//! The best split against trying them all.

use super::super::histogram::{Bins, Layout, Packed, Rows, fill};
use super::super::matrix::{Binned, Matrix};
use super::super::quantize::{self, Sum};
use super::{Limits, best};
use crate::Rng;
use crate::parallel::with_crew;

#[test]
fn the_best_of_all_splits_is_found() {
    let mut rng = Rng::new(1);
    for case in 0..60 {
        let n = 4 + rng.index(40);
        let n_bins = 2 + rng.index(6);
        let missing = if case % 2 == 0 { 0 } else { 1 };
        let columns: Vec<Vec<u8>> = (0..3)
            .map(|_| {
                (0..n)
                    .map(|_| (1 - missing + rng.index(n_bins - 1 + missing)) as u8)
                    .collect()
            })
            .collect();
        let bytes: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
        let binned: Vec<Binned<'_>> = bytes.iter().map(|bytes| Binned { bytes, n_bins }).collect();
        let matrix = Matrix::new(&binned, n, 1);
        let bins = Bins {
            columns: bytes,
            n_bins: vec![n_bins; 3],
            parts: vec![&matrix],
            places: vec![(0, 0), (0, 1), (0, 2)],
        };
        let slopes: Vec<[f64; 2]> = (0..n)
            .map(|_| [rng.normal(), 0.1 + rng.uniform()])
            .collect();
        let rows: Vec<u32> = (0..n as u32).collect();
        let layout = Layout::new(vec![0, 1, 2], &bins);
        let (mut cells, mut packed) = (Vec::new(), Vec::new());
        let scale = with_crew(1, |crew| {
            quantize::packed(&slopes, &rows, 1, crew, &mut packed)
        });
        let seen = if case % 3 == 0 {
            Rows::All(0, n)
        } else {
            Rows::Some(&rows)
        };
        let table = Packed {
            bins: &bins,
            rows: &packed,
            fields: scale.fields,
        };
        with_crew(1, |crew| {
            fill(&table, &layout, seen, crew, &mut Vec::new(), &mut cells);
        });
        let total = cells[..n_bins]
            .iter()
            .fold(Sum::default(), |sum, cell| sum.plus(*cell));
        let limits = Limits {
            min_rows: 2,
            min_curve: 0.3,
            l1: 0.2,
            l2: 0.7,
            min_gain: 0.01,
        };
        let found = best(&layout, &cells, total, &scale, &limits);
        // Every cut and side of missing values, by adding up rows.
        let saved = |side: &[usize]| {
            let g: f64 = side.iter().map(|row| slopes[*row][0]).sum();
            let h: f64 = side.iter().map(|row| slopes[*row][1]).sum();
            let shrunk = (g.abs() - 0.2).max(0.0);
            (shrunk * shrunk / (h + 0.7), h)
        };
        let everyone: Vec<usize> = (0..n).collect();
        let mut expected = 0.01;
        for column in &columns {
            for bin in 1..n_bins as u8 {
                for missing_left in [false, true] {
                    let left = |row: &usize| match column[*row] {
                        0 => missing_left,
                        own => own <= bin,
                    };
                    let (l, r): (Vec<usize>, Vec<usize>) =
                        everyone.iter().partition(|row| left(row));
                    let ((sl, hl), (sr, hr)) = (saved(&l), saved(&r));
                    if l.len() >= 2 && r.len() >= 2 && hl >= 0.3 && hr >= 0.3 {
                        expected = f64::max(expected, 0.5 * (sl + sr - saved(&everyone).0));
                    }
                }
            }
        }
        match found {
            Some(split) => {
                assert!((split.gain - expected).abs() < 1e-4, "case {case}");
                let column = &columns[split.column as usize];
                let n_left = column.iter().filter(|bin| split.goes_left(**bin)).count();
                assert_eq!(n_left, split.left.n() as usize);
            }
            None => assert!(
                (expected - 0.01).abs() < 1e-4,
                "case {case}: missed {expected}"
            ),
        }
    }
}
