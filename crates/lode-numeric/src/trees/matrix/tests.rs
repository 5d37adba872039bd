//! What goes in comes out.

use super::{Binned, Matrix, Spot};
use crate::Rng;

#[test]
fn every_bin_can_be_had_again() {
    let mut rng = Rng::new(3);
    for n in [1, 100, 5000, 40_000] {
        let columns: Vec<Vec<u8>> = (0..23)
            .map(|column: usize| {
                let n_bins = [256, 3, 2, 9, 1, 17, 255][column % 7];
                let seldom = column % 5 == 4;
                (0..n)
                    .map(|_| {
                        let own = rng.index(n_bins) as u8;
                        if seldom && rng.chance(0.97) { 1 } else { own }
                    })
                    .collect()
            })
            .collect();
        let binned: Vec<Binned<'_>> = columns
            .iter()
            .map(|bytes| Binned { bytes, n_bins: 256 })
            .collect();
        let matrix = Matrix::new(&binned, n, 2);
        let (words, stride) = matrix.words();
        for (column, spot) in columns.iter().zip(&matrix.spots) {
            for (row, expected) in column.iter().enumerate() {
                let byte = |at: usize| words[row * stride + at / 8].to_le_bytes()[at % 8];
                let found = match spot {
                    Spot::Byte(at) => byte(*at),
                    Spot::Shared(at, bins) => bins[usize::from(byte(*at))],
                    Spot::Listed(index) => matrix
                        .sparse
                        .row(row)
                        .iter()
                        .find(|entry| (**entry >> 8) as usize == *index)
                        .map_or(matrix.sparse.usual[*index], |entry| *entry as u8),
                };
                assert_eq!(found, *expected);
            }
        }
        if n == 40_000 {
            let shared = matrix.spots.iter();
            assert!(
                shared
                    .filter(|spot| matches!(spot, Spot::Shared(..)))
                    .count()
                    > 8
            );
        }
    }
}
