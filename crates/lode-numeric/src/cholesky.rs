//! Cholesky's factor of a small symmetric matrix, and what is solved by it.
//!
//! Matrices are row by row, of which the lower triangle is read. Does not pivot: who calls says
//! what counts as rounding. Invariant: the same bytes on any machine.

use crate::glm::dot;

/// Turns the lower triangle into its factor in place, or names the first row whose pivot is not
/// above `rounding` times its diagonal entry: the rows above it determine it, or the matrix is not
/// positive definite.
pub(crate) fn factor(matrix: &mut [f64], size: usize, rounding: f64) -> Result<(), usize> {
    for row in 0..size {
        let (above, this) = matrix.split_at_mut(row * size);
        for column in 0..row {
            let other = &above[column * size..column * size + size];
            let sum = this[column] - dot(&this[..column], &other[..column]);
            this[column] = sum / other[column];
        }
        let square = this[row] - dot(&this[..row], &this[..row]);
        let least = rounding * this[row].max(0.0);
        if !(square > least && square.is_finite()) {
            return Err(row);
        }
        this[row] = square.sqrt();
    }
    Ok(())
}

/// Solves `L L^T x = rhs`.
pub(crate) fn solve(factor: &[f64], mut rhs: Vec<f64>) -> Vec<f64> {
    let size = rhs.len();
    for row in 0..size {
        let line = &factor[row * size..row * size + row];
        let sum = rhs[row] - dot(line, &rhs[..row]);
        rhs[row] = sum / factor[row * size + row];
    }
    for row in (0..size).rev() {
        let value = rhs[row] / factor[row * size + row];
        rhs[row] = value;
        for (x, l) in rhs[..row].iter_mut().zip(&factor[row * size..]) {
            *x -= value * l;
        }
    }
    rhs
}

/// The inverse of `L L^T`, row by row, exactly symmetric.
pub(crate) fn inverse(factor: &[f64], size: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; size * size];
    for column in 0..size {
        let mut unit = vec![0.0; size];
        unit[column] = 1.0;
        let solved = solve(factor, unit);
        for row in column..size {
            inverse[row * size + column] = solved[row];
            inverse[column * size + row] = solved[row];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::factor;
    use super::inverse;
    use super::solve;

    #[test]
    fn a_matrix_is_factored_solved_and_inverted() {
        // The example of Wikipedia's "Cholesky decomposition": L = 2 | 6 1 | -8 5 3.
        let matrix = [4.0, 0.0, 0.0, 12.0, 37.0, 0.0, -16.0, -43.0, 98.0];
        let mut found = matrix;
        factor(&mut found, 3, 1e-14).unwrap();
        let lower = [found[0], found[3], found[4], found[6], found[7], found[8]];
        for (found, expected) in lower.iter().zip([2.0, 6.0, 1.0, -8.0, 5.0, 3.0]) {
            assert!((found - expected).abs() < 1e-12, "{lower:?}");
        }
        // A (1, 2, 3) by hand.
        let solved = solve(&found, vec![-20.0, -43.0, 192.0]);
        for (found, expected) in solved.iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-9, "{solved:?}");
        }
        let inverse = inverse(&found, 3);
        assert!((inverse[8] - 1.0 / 9.0).abs() < 1e-12);
        assert_eq!(inverse[1].to_bits(), inverse[3].to_bits());
    }

    #[test]
    fn a_row_that_others_determine_is_named() {
        let mut twice = [1.0, 0.0, 2.0, 4.0];
        assert_eq!(factor(&mut twice, 2, 1e-14), Err(1));
        let mut negative = [-1.0];
        assert_eq!(factor(&mut negative, 1, 0.0), Err(0));
        let mut endless = [f64::NAN];
        assert_eq!(factor(&mut endless, 1, 0.0), Err(0));
    }
}
