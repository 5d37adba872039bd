//! Cells against sums made row by row, for all ways to keep a column.

use super::{Bins, Layout, Packed, Rows, fill};
use crate::Rng;
use crate::parallel::with_crew;
use crate::trees::matrix::{Binned, Matrix};
use crate::trees::quantize::{Bounds, Scale, Sum};

#[test]
fn cells_are_the_sums_of_rows() {
    let mut rng = Rng::new(4);
    for n in [3, 300, 5000, 70_000] {
        let columns: Vec<Vec<u8>> = (0..29)
            .map(|column: usize| {
                let n_bins = [256, 3, 2, 9, 40, 17, 255][column % 7];
                let usual = if column % 5 == 4 { 0.98 } else { 0.0 };
                (0..n)
                    .map(|_| {
                        if rng.chance(usual) {
                            1
                        } else {
                            rng.index(n_bins) as u8
                        }
                    })
                    .collect()
            })
            .collect();
        let bytes: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
        let binned: Vec<Binned<'_>> = bytes
            .iter()
            .map(|bytes| Binned { bytes, n_bins: 256 })
            .collect();
        // In two parts, as numbers and categories are.
        let parts = [
            Matrix::new(&binned[..20], n, 1),
            Matrix::new(&binned[20..], n, 1),
        ];
        let bins = Bins {
            columns: bytes,
            n_bins: vec![256; 29],
            parts: parts.iter().collect(),
            places: (0..29)
                .map(|at| if at < 20 { (0, at) } else { (1, at - 20) })
                .collect(),
        };
        let bounds = Bounds {
            slope: 1.0,
            curve: 0.25,
            mean_slope: 0.0,
        };
        let scale = Scale::new(n, &bounds, 5);
        let slopes: Vec<[f64; 2]> = (0..n)
            .map(|_| [rng.uniform() * 2.0 - 1.0, rng.uniform() * 0.25])
            .collect();
        let mut packed = vec![0; n];
        scale.pack(0, &slopes, &mut packed);
        let all: Vec<u32> = (0..n as u32).collect();
        let some: Vec<u32> = all.iter().copied().filter(|_| rng.chance(0.3)).collect();
        let used: Vec<u32> = (0..29).filter(|column| column % 4 != 1).collect();
        let layout = Layout::new(used.clone(), &bins);
        for (rows, seen) in [(&all, Rows::All(0, n)), (&some, Rows::Some(&some))] {
            for threads in [1, 2, 5] {
                let mut cells = vec![Sum { slope: 7, rest: 7 }];
                let fields = scale.fields;
                let table = Packed {
                    bins: &bins,
                    rows: &packed,
                    fields,
                };
                with_crew(threads, |crew| {
                    fill(&table, &layout, seen, crew, &mut Vec::new(), &mut cells);
                });
                for (slot, column) in used.iter().enumerate() {
                    let mut expected = vec![Sum::default(); 256];
                    for row in rows {
                        let cell =
                            &mut expected[usize::from(columns[*column as usize][*row as usize])];
                        *cell = cell.plus(fields.unpack(packed[*row as usize]));
                    }
                    assert!(
                        cells[layout.range(slot)] == expected,
                        "column {column} of {n} rows"
                    );
                }
            }
        }
    }
}
