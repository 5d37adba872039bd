//! Gauss-Legendre points on 0..1, exact for polynomials of degree 2n - 1.
//!
//! Does not integrate. Invariant: points rise, lie inside (0, 1), and weights add up to 1.

/// Points and weights.
#[derive(Clone, Debug)]
pub(super) struct Quadrature {
    pub(super) points: Vec<(f64, f64)>,
}

impl Quadrature {
    /// The rule that is exact for products of `degree` linear factors.
    ///
    /// Newton's method on the Legendre polynomial by its three-term recurrence; W. Press et
    /// al., "Numerical Recipes", 3rd ed., 2007, section 4.6.1.
    pub(super) fn exact_for(degree: usize) -> Self {
        let n = degree / 2 + 1;
        let mut points = Vec::with_capacity(n);
        for k in 0..n {
            let mut x = -(std::f64::consts::PI * (k as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..64 {
                let (value, derivative) = legendre(n, x);
                slope = derivative;
                let step = value / derivative;
                x -= step;
                if step.abs() < 1e-16 {
                    break;
                }
            }
            points.push((0.5 + 0.5 * x, 1.0 / ((1.0 - x * x) * slope * slope)));
        }
        Self { points }
    }
}

/// Value and derivative of the Legendre polynomial of degree `n`.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        let next = ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k;
        before = value;
        value = next;
    }
    (value, n as f64 * (x * value - before) / (x * x - 1.0))
}
