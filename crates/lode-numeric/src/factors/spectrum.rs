//! Finds the axes of a symmetric matrix: its eigenvectors, by Jacobi's rotations.
//!
//! Does not use wide code: matrices are of some dozens of rows. Invariant: the same bits on any
//! machine; axes by falling eigenvalue.

/// Sweeps after which even the worst matrix is diagonal to rounding.
const SWEEPS: usize = 30;

/// Eigenvalues, falling, and the eigenvectors: column `k` of the matrix, which is row by row,
/// belongs to eigenvalue `k`.
///
/// # Source
/// G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th edition, 2013, section 8.5.
pub(super) fn axes(matrix: &[f64], size: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    // Row by row the transposed vectors, so that a rotation turns two rows.
    let mut vectors = vec![0.0; size * size];
    for k in 0..size {
        vectors[k * size + k] = 1.0;
    }
    let scale: f64 = (0..size).map(|k| a[k * size + k].abs()).fold(0.0, f64::max);
    for _ in 0..SWEEPS {
        let mut turned = false;
        for p in 0..size {
            for q in p + 1..size {
                let off = a[p * size + q];
                let (first, second) = (a[p * size + p], a[q * size + q]);
                // What is left is lost in the rounding of the entries beside it.
                let small = f64::EPSILON * (first.abs() * second.abs()).sqrt();
                if off.abs() <= small.max(scale * 1e-30) {
                    continue;
                }
                turned = true;
                let (c, s) = rotation(first, off, second);
                turn_rows(&mut a, size, p, q, c, s);
                turn_columns(&mut a, size, p, q, c, s);
                turn_rows(&mut vectors, size, p, q, c, s);
            }
        }
        if !turned {
            break;
        }
    }
    let mut order: Vec<usize> = (0..size).collect();
    let value = |k: usize| a[k * size + k];
    order.sort_by(|i, j| value(*j).total_cmp(&value(*i)));
    let mut columns = vec![0.0; size * size];
    for (to, from) in order.iter().enumerate() {
        // A vector and its opposite are the same axis: the largest entry is made positive.
        let own = &vectors[from * size..(from + 1) * size];
        let largest = own
            .iter()
            .fold(0.0_f64, |a, b| if b.abs() > a.abs() { *b } else { a });
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        for (row, entry) in own.iter().enumerate() {
            columns[row * size + to] = sign * entry;
        }
    }
    (order.iter().map(|k| value(*k)).collect(), columns)
}

/// Cosine and sine that make the off-diagonal entry vanish.
fn rotation(first: f64, off: f64, second: f64) -> (f64, f64) {
    let tau = (second - first) / (2.0 * off);
    let root = (1.0 + tau * tau).sqrt();
    let t = if tau >= 0.0 {
        1.0 / (tau + root)
    } else {
        1.0 / (tau - root)
    };
    let c = 1.0 / (1.0 + t * t).sqrt();
    (c, t * c)
}

fn turn_rows(a: &mut [f64], size: usize, p: usize, q: usize, c: f64, s: f64) {
    let (above, below) = a.split_at_mut(q * size);
    let first = &mut above[p * size..(p + 1) * size];
    for (x, y) in first.iter_mut().zip(&mut below[..size]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

fn turn_columns(a: &mut [f64], size: usize, p: usize, q: usize, c: f64, s: f64) {
    for row in a.chunks_exact_mut(size) {
        (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
    }
}
