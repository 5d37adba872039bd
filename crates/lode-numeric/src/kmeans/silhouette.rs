//! How well groups are apart: the mean silhouette.
//!
//! Does not sample; the caller passes as many rows as it can afford (time grows with their
//! square).

use super::assign::squared_distance;
use crate::Rows;
use crate::parallel;

/// The mean over rows of `(b - a) / max(a, b)`, where a is a row's mean distance to the rest
/// of its group and b the least mean distance to another group; -1 to 1, larger is better.
///
/// A row alone in its group counts 0, as in P. Rousseeuw, "Silhouettes", Journal of
/// Computational and Applied Mathematics 20, 1987, doi:10.1016/0377-0427(87)90125-7. None
/// when fewer than two groups hold rows or there is not one label for each row.
pub fn silhouette(rows: Rows<'_>, labels: &[u32], threads: usize) -> Option<f64> {
    if labels.len() != rows.n_rows() {
        return None;
    }
    let k = labels.iter().max().map_or(0, |label| *label as usize + 1);
    let mut sizes = vec![0_usize; k];
    for label in labels {
        sizes[*label as usize] += 1;
    }
    if sizes.iter().filter(|size| **size > 0).count() < 2 {
        return None;
    }
    let partials = parallel::map_chunks(rows.n_rows(), 64, threads, |range| {
        let mut total = 0.0;
        for row_idx in range {
            total += of_row(rows, labels, &sizes, row_idx);
        }
        total
    });
    Some(partials.into_iter().sum::<f64>() / rows.n_rows() as f64)
}

fn of_row(rows: Rows<'_>, labels: &[u32], sizes: &[usize], row_idx: usize) -> f64 {
    let own = labels[row_idx] as usize;
    if sizes[own] < 2 {
        return 0.0;
    }
    let mut sums = vec![0.0; sizes.len()];
    for (other, label) in labels.iter().enumerate() {
        sums[*label as usize] += squared_distance(rows.row(row_idx), rows.row(other)).sqrt();
    }
    let a = sums[own] / (sizes[own] - 1) as f64;
    let b = (0..sizes.len())
        .filter(|group| *group != own && sizes[*group] > 0)
        .map(|group| sums[group] / sizes[group] as f64)
        .fold(f64::INFINITY, f64::min);
    if a.max(b) > 0.0 {
        (b - a) / a.max(b)
    } else {
        0.0
    }
}
