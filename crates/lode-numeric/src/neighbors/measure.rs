//! What "alike" means: weights of entries before the sums over people, factors after them.
//!
//! Does not sum over people. Invariant: a similarity is made of the same numbers in the same
//! order wherever it is asked for.

use super::Sparse;
use crate::Error;
use crate::Result;

/// How alike two items are, from the people who have both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// `sum_u(w_ua w_ub) / (|a| |b|)`, for weights of any sign.
    Cosine,
    /// Cosine of weights `sqrt(w) idf(u)`, with `idf(u) = ln(items) - ln(1 + items of u)`: people
    /// with few items say more. Entries of weight 0 or less are left out.
    TfIdf,
    /// Product of weights `idf(u) w (k1 + 1) / (w + k1 (1 - b + b n_a / mean n))`, with `n_a` the
    /// sum of the item's weights: large weights and popular items saturate. Entries of weight 0
    /// or less are left out.
    Bm25 {
        /// How late a weight saturates, above 0; 1.2 is usual.
        k1: f64,
        /// How much popular items are held down, 0 to 1; 0.75 is usual.
        b: f64,
    },
    /// People with both over people with either. Weights above 0 count as 1, others not at all.
    Jaccard,
    /// People with both over those to be expected if the items had nothing to do with each
    /// other. Weights above 0 count as 1, others not at all. Rare pairs have wild values: use it
    /// with a shrinkage.
    Lift,
    /// `sum_u(w_ua w_ub) / (|a|^2alpha |b|^2(1 - alpha))` of an item `b` in the list of `a`. For
    /// weights of 1: the share of those with `a` who have `b`, to the power of alpha, times the
    /// share of those with `b` who have `a`, to the power of 1 - alpha. Alpha above 0.5 favors
    /// popular neighbors, 0.5 is the cosine.
    Conditional {
        /// 0 to 1.
        alpha: f64,
    },
}

impl Measure {
    pub(super) fn check(self) -> Result<()> {
        let ranges = match self {
            Self::Bm25 { k1, b } => [
                ("k1", "above 0 and at most 1000", k1, 1e-9, 1e3),
                ("b", "of 0 to 1", b, 0.0, 1.0),
            ],
            Self::Conditional { alpha } => [("alpha", "of 0 to 1", alpha, 0.0, 1.0); 2],
            _ => return Ok(()),
        };
        for (what, expected, found, least, most) in ranges {
            if !(least..=most).contains(&found) {
                return Err(Error::OutOfRange {
                    what,
                    expected,
                    found,
                });
            }
        }
        Ok(())
    }

    /// Whether an entry of this weight counts at all.
    pub(super) fn takes(self, weight: f64) -> bool {
        match self {
            Self::Cosine | Self::Conditional { .. } => weight.to_bits() << 1 != 0,
            _ => weight > 0.0,
        }
    }

    /// What turns weights into those that are multiplied.
    pub(super) fn weighing(self, people: &Sparse) -> Weighing {
        let mut weighing = Weighing {
            measure: self,
            idf: Vec::new(),
            length: Vec::new(),
        };
        if matches!(self, Self::TfIdf | Self::Bm25 { .. }) {
            let n_items = people.n_cols() as f64;
            weighing.idf = (0..people.n_rows())
                .map(|person| {
                    let weights = people.row(person).1.iter();
                    let n_own = weights.filter(|w| self.takes(**w)).count();
                    n_items.ln() - (n_own as f64).ln_1p()
                })
                .collect();
        }
        if let Self::Bm25 { k1, b } = self {
            let mut totals = vec![0.0; people.n_cols()];
            for person in 0..people.n_rows() {
                let (items, weights) = people.row(person);
                for (item, weight) in items.iter().zip(weights) {
                    totals[*item as usize] += weight.max(0.0);
                }
            }
            let mean = totals.iter().sum::<f64>() / totals.len().max(1) as f64;
            let length = |total: f64| k1 * (1.0 - b + b * total / mean);
            weighing.length = totals.into_iter().map(length).collect();
        }
        weighing
    }
}

/// Turns weights of entries into those that are multiplied.
#[derive(Debug)]
pub(super) struct Weighing {
    measure: Measure,
    /// Of each person; empty where nothing depends on it.
    idf: Vec<f64>,
    /// `k1` times the norm of each item's length; for BM25 alone.
    length: Vec<f64>,
}

impl Weighing {
    pub(super) fn of(&self, person: usize, item: usize, weight: f64) -> f64 {
        match self.measure {
            Measure::Cosine | Measure::Conditional { .. } => weight,
            Measure::Jaccard | Measure::Lift => 1.0,
            Measure::TfIdf => weight.sqrt() * self.idf[person],
            Measure::Bm25 { k1, .. } => {
                weight * (k1 + 1.0) / (self.length[item] + weight) * self.idf[person]
            }
        }
    }
}

/// Turns sums over people into similarities.
///
/// Sums are of people where all weights are 1, else of weights divided by their item's norm, so
/// that they are cosines.
#[derive(Debug)]
pub(super) struct Rule {
    jaccard: bool,
    shrinkage: f64,
    /// Of the item whose list it is.
    own: Vec<f64>,
    /// Of the item in the list.
    other: Vec<f64>,
    counts: Vec<f64>,
    own_f32: Vec<f32>,
    other_f32: Vec<f32>,
    counts_f32: Vec<f32>,
}

impl Rule {
    /// `counts` and `norms` of the items, `norms` None where all weights are 1.
    pub(super) fn new(
        measure: Measure,
        shrinkage: f64,
        n_people: usize,
        counts: Vec<f64>,
        norms: Option<&[f64]>,
    ) -> Self {
        let factor = |index: usize| -> (f64, f64) {
            let count = counts[index].max(1.0);
            // What turns the sum over people of the products into the one that was made.
            let norm = norms.map_or(count.sqrt(), |norms| norms[index]);
            let made = if norms.is_some() { norm } else { 1.0 };
            match measure {
                Measure::Cosine | Measure::TfIdf => (made / norm, made / norm),
                Measure::Bm25 { .. } => (made, made),
                Measure::Jaccard => (1.0, 1.0),
                Measure::Lift => (n_people as f64 / count, 1.0 / count),
                Measure::Conditional { alpha } => (
                    made / norm.powf(2.0 * alpha),
                    made / norm.powf(2.0 * (1.0 - alpha)),
                ),
            }
        };
        let (own, other): (Vec<f64>, Vec<f64>) = (0..counts.len()).map(factor).unzip();
        let narrow = |list: &[f64]| list.iter().map(|x| *x as f32).collect::<Vec<f32>>();
        Self {
            jaccard: measure == Measure::Jaccard,
            shrinkage,
            own_f32: narrow(&own),
            other_f32: narrow(&other),
            counts_f32: narrow(&counts),
            own,
            other,
            counts,
        }
    }

    /// The similarity of `other` in the list of `own`.
    pub(super) fn exact(&self, own: usize, other: usize, sum: f64, both: f64) -> f64 {
        let bare = if self.jaccard {
            both / (self.counts[own] + self.counts[other] - both)
        } else {
            sum * self.own[own] * self.other[other]
        };
        bare * (both / (both + self.shrinkage))
    }

    /// Whether one of the cells can have a similarity above `least` in the list of `own`.
    #[inline(always)]
    pub(super) fn any_in_own(&self, own: usize, first: usize, cells: &[Sums], least: f32) -> bool {
        let len = cells.len();
        let factors = &self.other_f32[first..first + len];
        let counts = &self.counts_f32[first..first + len];
        let (scale, count) = (self.own_f32[own], self.counts_f32[own]);
        let leasts = [least; Sums::BLOCK];
        self.any(cells, scale, factors, count, counts, &leasts)
    }

    /// Whether in one of the lists of the cells `other` can have a similarity above the list's
    /// least.
    #[inline(always)]
    pub(super) fn any_in_others(
        &self,
        other: usize,
        first: usize,
        cells: &[Sums],
        leasts: &[f32],
    ) -> bool {
        let len = cells.len();
        let factors = &self.own_f32[first..first + len];
        let counts = &self.counts_f32[first..first + len];
        let (scale, count) = (self.other_f32[other], self.counts_f32[other]);
        self.any(cells, scale, factors, count, counts, leasts)
    }

    #[inline(always)]
    fn any(
        &self,
        cells: &[Sums],
        scale: f32,
        factors: &[f32],
        count: f32,
        counts: &[f32],
        leasts: &[f32],
    ) -> bool {
        let shrinkage = self.shrinkage as f32;
        let mut any = false;
        if self.jaccard {
            for ((cell, own), least) in cells.iter().zip(counts).zip(leasts) {
                any |= cell.both > least * (count + own - cell.both);
            }
        } else if shrinkage > 0.0 {
            for ((cell, factor), least) in cells.iter().zip(factors).zip(leasts) {
                let bare = cell.sum * scale * factor * cell.both;
                any |= bare > least * (cell.both + shrinkage);
            }
        } else {
            for ((cell, factor), least) in cells.iter().zip(factors).zip(leasts) {
                any |= cell.sum * scale * factor > *least;
            }
        }
        any
    }
}

/// Sums over the people who have both of two items.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) sum: f32,
    /// The people themselves; from 16,777,216 on they are not told apart.
    pub(super) both: f32,
}

impl Sums {
    /// Cells that are looked at together.
    pub(super) const BLOCK: usize = 32;
}
