//! What a fit may be told.
//!
//! Does not fit. Invariant: checked parameters give equations that have one answer.

use crate::Error;
use crate::Result;

/// Up to this width Cholesky's factor costs no more than conjugate gradients.
const WIDTH_DIRECT: usize = 8;
/// Steps of conjugate gradients: a third gains nothing that a round more would not gain for less.
const STEPS: usize = 2;

/// How the equations of a row are solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Solver {
    /// What is fastest for the shape.
    Auto,
    /// To rounding, by Cholesky's factor of the equations: `O(entries * width^2 + width^3)` a row.
    Cholesky,
    /// So many steps of conjugate gradients from where the row was: `O(entries * width)` a step.
    Gradient {
        /// Steps a row and round; at least 1.
        steps: usize,
    },
}

impl Solver {
    /// Steps of conjugate gradients; none for Cholesky's factor.
    pub(super) fn steps(self, width: usize) -> Option<usize> {
        match self {
            Self::Cholesky => None,
            Self::Gradient { steps } => Some(steps),
            Self::Auto if width <= WIDTH_DIRECT => None,
            Self::Auto => Some(STEPS),
        }
    }
}

/// Where a pair that was not seen weighs `unobserved`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// On all pairs, the seen ones too, beside their own weight (Rendle et al. 2021).
    Everywhere,
    /// On pairs that were not seen; a seen one weighs `unobserved + confidence * weight` (Hu et
    /// al. 2008, `c = 1 + alpha r`).
    Elsewhere,
}

/// What [`als`](super::als()) may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlsParams {
    /// Factors of a person and of an item; at least 1.
    pub width: usize,
    /// Rounds: in each first the people are solved, then the items.
    pub rounds: usize,
    /// Pull of the factors towards 0: lambda. Above 0.
    pub regularization: f64,
    /// How the pull grows with the entries of a row: the exponent nu. 0 pulls all alike, 1 pulls
    /// in proportion.
    pub frequency: f64,
    /// Weight of a pair that was not seen: alpha_0. Above 0.
    pub unobserved: f64,
    /// What weights of pairs are multiplied by. Above 0.
    pub confidence: f64,
    /// Where `unobserved` weighs.
    pub form: Form,
    /// How rows are solved.
    pub solver: Solver,
    /// Seed of the random start.
    pub seed: u64,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

impl Default for AlsParams {
    /// What did well on purchases and visits of customers.
    fn default() -> Self {
        Self {
            width: 64,
            rounds: 15,
            regularization: 0.05,
            frequency: 0.8,
            unobserved: 0.2,
            confidence: 1.0,
            form: Form::Everywhere,
            solver: Solver::Auto,
            seed: 0,
            threads: 1,
        }
    }
}

impl AlsParams {
    /// The pull on a row of `n_entries` where the other side has `n_other` rows.
    pub(super) fn ridge(&self, n_entries: usize, n_other: usize) -> f64 {
        let size = n_entries as f64 + self.unobserved * n_other as f64;
        self.regularization * size.powf(self.frequency)
    }

    /// How often the products of an entry's row count, and the row itself on the right side.
    #[inline(always)]
    pub(super) fn weigh(&self, weight: f32) -> (f64, f64) {
        let count = self.confidence * f64::from(weight);
        let more = match self.form {
            Form::Everywhere => 0.0,
            Form::Elsewhere => self.unobserved,
        };
        (count.abs(), if count < 0.0 { 0.0 } else { count + more })
    }

    pub(super) fn check(&self) -> Result<()> {
        let range = |what, expected, found: f64, good: bool| match good {
            true => Ok(()),
            false => Err(Error::OutOfRange {
                what,
                expected,
                found,
            }),
        };
        let above_zero = |what, value: f64| {
            let good = value > 0.0 && value <= 1e12;
            range(what, "above 0 and at most 1e12", value, good)
        };
        let width = self.width as f64;
        range(
            "width",
            "from 1 to 4096",
            width,
            (1..=4096).contains(&self.width),
        )?;
        range(
            "rounds",
            "of at least 1",
            self.rounds as f64,
            self.rounds > 0,
        )?;
        above_zero("regularization", self.regularization)?;
        let frequency = (0.0..=2.0).contains(&self.frequency);
        range("frequency", "from 0 to 2", self.frequency, frequency)?;
        above_zero("unobserved", self.unobserved)?;
        above_zero("confidence", self.confidence)?;
        if let Solver::Gradient { steps } = self.solver {
            range("steps", "of at least 1", steps as f64, steps > 0)?;
        }
        Ok(())
    }
}
