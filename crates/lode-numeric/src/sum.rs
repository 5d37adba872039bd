//! Adds numbers exactly, so that the order and the grouping of the terms make no difference.
//!
//! Does not take numbers beyond [`LIMIT`]. Invariant: the components rise in size and do not
//! overlap; what they add up to is the sum without any rounding.

/// Largest magnitude of a term: 2^64 of them cannot overflow.
pub const LIMIT: f64 = 1e288;

/// A sum of floats without rounding: equal for the same terms in any order, also when it was
/// put together from sums of parts.
///
/// # Input
/// Terms of at most [`LIMIT`] in magnitude.
///
/// # Output
/// [`ExactSum::value`]: the float nearest to the sum, ties to even.
///
/// # Method
/// The sum is a list of floats that do not overlap; a new term goes through the list by
/// error-free additions. Money needs one or two components, any floats at most 40.
///
/// # Determinism and cost
/// Exact. Time of a term and memory are that of the components.
///
/// # Source
/// J. Shewchuk, "Adaptive precision floating-point arithmetic and fast robust geometric
/// predicates", Discrete and Computational Geometry 18, 1997, doi:10.1007/PL00009321; the
/// rounding of the result as in Python's `math.fsum`.
///
/// # Example
/// ```
/// use lode_numeric::sum::ExactSum;
/// let mut sum = ExactSum::default();
/// for term in [0.1; 10] {
///     sum.add(term);
/// }
/// assert_eq!(sum.value(), 1.0);
/// assert_ne!([0.1; 10].iter().sum::<f64>(), 1.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExactSum {
    components: Vec<f64>,
}

impl ExactSum {
    /// Adds a term.
    pub fn add(&mut self, term: f64) {
        debug_assert!(term.abs() <= LIMIT, "a term beyond the limit");
        self.push(term);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        for component in &other.components {
            self.push(*component);
        }
    }

    /// Whether it is exactly 0.
    pub fn is_zero(&self) -> bool {
        self.components.is_empty()
    }

    /// The floats that add up to it, small ones first; [`Self::from_components`] takes them.
    pub fn components(&self) -> &[f64] {
        &self.components
    }

    /// The sum of these floats; none when one is not finite or their sum is not.
    pub fn from_components(components: &[f64]) -> Option<Self> {
        let mut sum = Self::default();
        for component in components {
            sum.push(*component);
        }
        let finite = |component: &f64| component.is_finite();
        (components.iter().all(finite) && sum.components.iter().all(finite)).then_some(sum)
    }

    /// The float nearest to the sum.
    pub fn value(&self) -> f64 {
        let mut rest = self.components.iter().rev().copied();
        let mut high = rest.next().unwrap_or(0.0);
        while let Some(next) = rest.next() {
            let before = high;
            high = before + next;
            let low = next - (high - before);
            if low != 0.0 {
                // Half way between two floats, what is left decides.
                let decides = rest.next().is_some_and(|left| (left > 0.0) == (low > 0.0));
                let other = high + 2.0 * low;
                if decides && (other - high).to_bits() == (2.0 * low).to_bits() {
                    high = other;
                }
                break;
            }
        }
        high
    }

    fn push(&mut self, term: f64) {
        let mut carried = term;
        let mut n_kept = 0;
        for index in 0..self.components.len() {
            let mut other = self.components[index];
            if carried.abs() < other.abs() {
                std::mem::swap(&mut carried, &mut other);
            }
            let sum = carried + other;
            let lost = other - (sum - carried);
            if lost != 0.0 {
                self.components[n_kept] = lost;
                n_kept += 1;
            }
            carried = sum;
        }
        self.components.truncate(n_kept);
        if carried != 0.0 {
            self.components.push(carried);
        }
    }
}

#[cfg(test)]
mod tests;
