//! What a choice of rows by their score is worth: at a threshold, at a budget, under costs.
//!
//! Does not choose the threshold for the user; [`Binary::best_profit`] says what costs and values
//! imply. Invariant: a budget that cuts through rows of one score takes its part of each.

use super::Binary;
use super::binary::Point;
use crate::Error;
use crate::Result;

/// How many rows can be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// So many rows, by weight; more than there are means all.
    Rows(f64),
    /// A share of all, 0 to 1.
    Share(f64),
}

/// What was chosen, by weight, and what it held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// Yes rows chosen.
    pub true_positives: f64,
    /// No rows chosen.
    pub false_positives: f64,
    /// Yes rows left.
    pub false_negatives: f64,
    /// No rows left.
    pub true_negatives: f64,
}

/// What a contact costs and what a yes is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Economics {
    /// Of each row contacted.
    pub cost_per_contact: f64,
    /// Of each yes row contacted, or what a unit of its own value is worth.
    pub value_per_positive: f64,
}

/// The choice that earns most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// Share of rows contacted; 0 when no contact pays.
    pub share: f64,
    /// Its profit.
    pub profit: f64,
    /// Its lowest score; infinite when nobody is contacted.
    pub threshold: f64,
}

impl Chosen {
    /// Share of yes among the chosen; 0 when none is chosen.
    pub fn precision(&self) -> f64 {
        ratio(
            self.true_positives,
            self.true_positives + self.false_positives,
        )
    }

    /// Share of the yes rows that are chosen.
    pub fn recall(&self) -> f64 {
        ratio(
            self.true_positives,
            self.true_positives + self.false_negatives,
        )
    }

    /// `2 precision recall / (precision + recall)`; 0 when no yes row is chosen.
    pub fn f1(&self) -> f64 {
        let wrong = self.false_positives + self.false_negatives;
        ratio(2.0 * self.true_positives, 2.0 * self.true_positives + wrong)
    }

    /// Share of rows that are chosen and yes, or left and no.
    pub fn accuracy(&self) -> f64 {
        let right = self.true_positives + self.true_negatives;
        ratio(right, right + self.false_positives + self.false_negatives)
    }

    /// Share of all rows that are chosen.
    pub fn share(&self) -> f64 {
        let chosen = self.true_positives + self.false_positives;
        ratio(chosen, chosen + self.false_negatives + self.true_negatives)
    }
}

impl Binary {
    /// Chooses the rows with a score of at least `threshold`.
    pub fn at_threshold(&self, threshold: f64) -> Chosen {
        let chosen = self.steps().take_while(|(score, _)| *score >= threshold);
        self.chosen(chosen.last().map_or(Point::default(), |(_, end)| end))
    }

    /// Chooses the best rows within a budget.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a share outside 0 to 1, or rows below 0.
    pub fn at_budget(&self, budget: Budget) -> Result<Chosen> {
        let rows = match budget {
            Budget::Rows(rows) if rows >= 0.0 => rows,
            Budget::Share(share) if (0.0..=1.0).contains(&share) => share * self.rows(),
            Budget::Rows(found) | Budget::Share(found) => {
                return Err(Error::OutOfRange {
                    what: "budget",
                    expected: "a share from 0 to 1, or rows of at least 0",
                    found,
                });
            }
        };
        Ok(self.chosen(self.at(rows)))
    }

    /// The profit of contacting the best `contacted` (0 to 1) of the rows:
    /// `value_per_positive * (values of the yes rows) - cost_per_contact * rows`.
    pub fn profit_at(&self, contacted: f64, economics: Economics) -> f64 {
        economics.profit(self.at(contacted * self.rows()))
    }

    /// The share of rows that earns most; of equal profits the smaller share.
    pub fn best_profit(&self, economics: Economics) -> Best {
        let mut best = Best {
            share: 0.0,
            profit: 0.0,
            threshold: f64::INFINITY,
        };
        for (threshold, end) in self.steps() {
            let profit = economics.profit(end);
            if profit > best.profit {
                best = Best {
                    share: end.rows / self.rows(),
                    profit,
                    threshold,
                };
            }
        }
        best
    }

    fn chosen(&self, chosen: Point) -> Chosen {
        let false_positives = chosen.rows - chosen.yes;
        Chosen {
            true_positives: chosen.yes,
            false_positives,
            false_negatives: self.positives() - chosen.yes,
            true_negatives: self.negatives() - false_positives,
        }
    }
}

impl Economics {
    fn profit(self, chosen: Point) -> f64 {
        self.value_per_positive * chosen.value - self.cost_per_contact * chosen.rows
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
