//! How sure an AUC is, and whether two scores of the same rows differ in it.
//!
//! Does not assume a distribution of the scores. Invariant: O(n log n); equal for rows in any
//! order up to rounding.

use super::rank::Ranking;
use super::rank::check_length;
use super::rank::check_weights;
use super::rank::weight;
use crate::Error;
use crate::Result;
use crate::normal;

/// An AUC with its variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AucEstimate {
    /// The AUC.
    pub auc: f64,
    /// Its variance.
    pub variance: f64,
}

/// The AUCs of two scores of the same rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AucPair {
    /// Of the first.
    pub a: AucEstimate,
    /// Of the second.
    pub b: AucEstimate,
    /// Covariance of the two.
    pub covariance: f64,
}

impl AucEstimate {
    /// The interval `auc -+ 1.96 sd`, cut at 0 and 1.
    pub fn interval(&self) -> (f64, f64) {
        let reach = normal::Z_95 * self.variance.max(0.0).sqrt();
        ((self.auc - reach).max(0.0), (self.auc + reach).min(1.0))
    }
}

impl AucPair {
    /// `a - b`.
    pub fn difference(&self) -> f64 {
        self.a.auc - self.b.auc
    }

    /// Standard deviation of the difference.
    pub fn sd(&self) -> f64 {
        let variance = self.a.variance + self.b.variance - 2.0 * self.covariance;
        variance.max(0.0).sqrt()
    }

    /// The interval of the difference, `-+ 1.96 sd`.
    pub fn interval(&self) -> (f64, f64) {
        let reach = normal::Z_95 * self.sd();
        (self.difference() - reach, self.difference() + reach)
    }

    /// Two-sided p-value of "the two have the same AUC". 1 when they do not differ at all, 0 when
    /// they differ without any spread.
    pub fn p_value(&self) -> f64 {
        let (difference, sd) = (self.difference().abs(), self.sd());
        if difference <= 0.0 {
            1.0
        } else if sd <= 0.0 {
            0.0
        } else {
            normal::erfc(difference / sd / std::f64::consts::SQRT_2)
        }
    }
}

/// The AUC and its variance by DeLong's method.
///
/// With `V_i` the share of no weight that a yes row scores above (ties half), and `V_j` the share
/// of yes weight above a no row, the AUC is the weighted mean of either and
/// `var = m/(m-1) sum(w_i^2 (V_i - AUC)^2) / (sum w_i)^2` plus the same of the n no rows. Without
/// weights that is S10/m + S01/n of the paper; weights are taken as sampling weights.
///
/// E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44(3), 1988, doi:10.2307/2531595; the
/// ranks as in X. Sun, W. Xu, IEEE Signal Processing Letters 21(11), 2014,
/// doi:10.1109/LSP.2014.2337313. Deviation: weights.
///
/// # Errors
/// [`Error::TooFewRows`] with fewer than 2 rows of a class; [`Error::Length`],
/// [`Error::NotFinite`], [`Error::OutOfRange`] for a weight below 0.
pub fn delong(scores: &[f64], labels: &[bool], weights: Option<&[f64]>) -> Result<AucEstimate> {
    Ok(delong_pair(scores, scores, labels, weights)?.a)
}

/// [`delong`] of two scores of the same rows, with their covariance.
///
/// # Errors
/// As [`delong`].
pub fn delong_pair(
    a: &[f64],
    b: &[f64],
    labels: &[bool],
    weights: Option<&[f64]>,
) -> Result<AucPair> {
    check_length("scores of the second, one a row", a.len(), b.len())?;
    check_length("labels, one a score", a.len(), labels.len())?;
    check_weights(a.len(), weights)?;
    let counts = Counts::of(labels, weights)?;
    let (placed_a, auc_a) = placements(a, labels, weights, &counts)?;
    let (placed_b, auc_b) = placements(b, labels, weights, &counts)?;
    // Sums of products of deviations: aa, bb, ab; of yes and of no rows.
    let mut sums = [[0.0; 3]; 2];
    for (row, label) in labels.iter().enumerate() {
        let weight = weight(weights, row);
        let (da, db) = (placed_a[row] - auc_a, placed_b[row] - auc_b);
        let of_class = &mut sums[usize::from(*label)];
        for (sum, product) in of_class.iter_mut().zip([da * da, db * db, da * db]) {
            *sum += weight * weight * product;
        }
    }
    let part = |index: usize| {
        let one = |class: usize| {
            let n = counts.rows[class];
            n / (n - 1.0) * sums[class][index] / counts.weight[class].powi(2)
        };
        one(1) + one(0)
    };
    Ok(AucPair {
        a: AucEstimate {
            auc: auc_a,
            variance: part(0),
        },
        b: AucEstimate {
            auc: auc_b,
            variance: part(1),
        },
        covariance: part(2),
    })
}

/// Rows with weight, and their weight, of no and of yes.
struct Counts {
    rows: [f64; 2],
    weight: [f64; 2],
}

impl Counts {
    fn of(labels: &[bool], weights: Option<&[f64]>) -> Result<Self> {
        let mut counts = Self {
            rows: [0.0; 2],
            weight: [0.0; 2],
        };
        for (row, label) in labels.iter().enumerate() {
            let weight = weight(weights, row);
            if weight > 0.0 {
                counts.rows[usize::from(*label)] += 1.0;
                counts.weight[usize::from(*label)] += weight;
            }
        }
        let least = counts.rows[0].min(counts.rows[1]);
        if least < 2.0 {
            return Err(Error::TooFewRows {
                needed: 2,
                found: least as usize,
            });
        }
        Ok(counts)
    }
}

/// The share of the other class that each row is on the right side of, and the AUC.
fn placements(
    scores: &[f64],
    labels: &[bool],
    weights: Option<&[f64]>,
    counts: &Counts,
) -> Result<(Vec<f64>, f64)> {
    let mut placed = vec![0.0; scores.len()];
    let mut below = [0.0; 2];
    let mut area = 0.0;
    for rows in Ranking::new(scores)?.groups().rev() {
        let mut here = [0.0; 2];
        for &row in rows {
            here[usize::from(labels[row as usize])] += weight(weights, row as usize);
        }
        let of_yes = (below[0] + here[0] / 2.0) / counts.weight[0];
        let of_no = 1.0 - (below[1] + here[1] / 2.0) / counts.weight[1];
        for &row in rows {
            placed[row as usize] = if labels[row as usize] { of_yes } else { of_no };
        }
        area += here[1] * of_yes;
        below[0] += here[0];
        below[1] += here[1];
    }
    Ok((placed, area / counts.weight[1]))
}
