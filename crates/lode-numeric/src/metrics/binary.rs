//! Measures of a score for a yes/no outcome that look at its order alone.
//!
//! Does not turn scores into probabilities. Invariant: every function refuses NaN, infinity
//! and labels of another length; rows of weight 0 do not count.

use super::rank::Ranking;
use super::rank::check_length;
use super::rank::check_weights;
use super::rank::weight;
use crate::Error;
use crate::Result;

/// Outcomes along the falling score, summed up by score: all that the ranking measures need.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    groups: Vec<Group>,
    /// Running totals at the end of each group, from an empty start; straight lines between.
    ends: Vec<Point>,
}

/// Rows of one score.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Group {
    score: f64,
    rows: f64,
    yes: f64,
}

/// What the best rows hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) rows: f64,
    pub(super) yes: f64,
    pub(super) score: f64,
    /// Of the yes rows.
    pub(super) value: f64,
}

/// A tenth of the rows, by falling score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decile {
    /// 1 has the highest scores.
    pub decile: u32,
    /// Rows in it: a tenth of all, not rounded.
    pub rows: f64,
    /// Yes rows in it.
    pub positives: f64,
    /// Share of yes among its rows.
    pub rate: f64,
    /// That share against the share among all rows.
    pub lift: f64,
    /// Mean score of its rows.
    pub mean_score: f64,
    /// Share of all yes rows that lie in this decile or a better one.
    pub cumulative_gain: f64,
}

/// One point of the cumulative gains curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GainsPoint {
    /// Share of all rows contacted, best scores first.
    pub contacted: f64,
    /// Share of all yes rows reached by that.
    pub reached: f64,
}

impl Binary {
    /// Sums up scored rows; a weight counts a row so often.
    ///
    /// # Errors
    /// [`Error::OneClass`] without both classes among rows with weight; [`Error::Length`],
    /// [`Error::NotFinite`], [`Error::OutOfRange`] for a weight below 0.
    pub fn new(scores: &[f64], labels: &[bool], weights: Option<&[f64]>) -> Result<Self> {
        Self::ranked(&Ranking::new(scores)?, scores, labels, weights, None)
    }

    /// The same along a ranking that is there already, of these scores or of what they rise with.
    /// With `values` each yes row
    /// is worth its own instead of 1, for [`Binary::best_profit`](super::Binary::best_profit).
    ///
    /// # Errors
    /// As [`Binary::new`].
    pub fn ranked(
        ranking: &Ranking,
        scores: &[f64],
        labels: &[bool],
        weights: Option<&[f64]>,
        values: Option<&[f64]>,
    ) -> Result<Self> {
        let n_rows = ranking.n_rows();
        check_length("scores, one a row", n_rows, scores.len())?;
        check_length("labels, one a score", n_rows, labels.len())?;
        check_weights(n_rows, weights)?;
        if let Some(values) = values {
            check_length("values, one a row", n_rows, values.len())?;
            super::rank::check_numbers("values", values)?;
        }
        let mut groups = Vec::new();
        let mut ends = vec![Point::default()];
        let mut total = Point::default();
        for rows in ranking.groups() {
            let mut group = Group {
                score: scores[rows[0] as usize] + 0.0,
                rows: 0.0,
                yes: 0.0,
            };
            for &row in rows {
                let row = row as usize;
                let weight = weight(weights, row);
                group.rows += weight;
                total.score += weight * scores[row];
                if labels[row] {
                    group.yes += weight;
                    total.value += weight * values.map_or(1.0, |values| values[row]);
                }
            }
            if group.rows <= 0.0 {
                continue;
            }
            total.rows += group.rows;
            total.yes += group.yes;
            groups.push(group);
            ends.push(total);
        }
        let found = Self { groups, ends };
        if found.positives() <= 0.0 || found.negatives() <= 0.0 {
            return Err(Error::OneClass {
                class: found.positives() > 0.0,
            });
        }
        Ok(found)
    }

    /// Weight of all rows.
    pub fn rows(&self) -> f64 {
        self.end().rows
    }

    /// Weight of the yes rows.
    pub fn positives(&self) -> f64 {
        self.end().yes
    }

    /// The area under the ROC curve: the chance that a random yes scores above a random no, ties
    /// counting half.
    ///
    /// `AUC = sum_g yes_g (no_below_g + no_g / 2) / (yes no)` over the groups of one score: J.
    /// Hanley, B. McNeil, Radiology 143(1), 1982, doi:10.1148/radiology.143.1.7063747.
    pub fn auc(&self) -> f64 {
        let mut area = 0.0;
        let mut below = 0.0;
        for group in self.groups.iter().rev() {
            let no = group.rows - group.yes;
            area += group.yes * (below + no / 2.0);
            below += no;
        }
        area / (self.positives() * self.negatives())
    }

    /// `2 AUC - 1`.
    pub fn gini(&self) -> f64 {
        2.0 * self.auc() - 1.0
    }

    /// The area under the precision-recall curve as average precision:
    /// `sum((recall_i - recall_{i-1}) * precision_i)` over the distinct scores, highest first.
    pub fn average_precision(&self) -> f64 {
        let mut area = 0.0;
        for (group, end) in self.groups.iter().zip(&self.ends[1..]) {
            area += group.yes / self.positives() * (end.yes / end.rows);
        }
        area
    }

    /// The Kolmogorov-Smirnov distance of the scores of yes and of no:
    /// `max |F_yes - F_no|` over the distinct scores.
    pub fn ks(&self) -> f64 {
        let (yes, no) = (self.positives(), self.negatives());
        let distance = |end: &Point| (end.yes / yes - (end.rows - end.yes) / no).abs();
        self.ends.iter().map(distance).fold(0.0, f64::max)
    }

    /// Lift by decile.
    ///
    /// A decile is exactly a tenth of the rows; where a border cuts through a row, or through rows
    /// of one score, each side gets its part of their yes rows.
    pub fn deciles(&self) -> Vec<Decile> {
        let mut found = Vec::with_capacity(10);
        let mut before = Point::default();
        let rows = self.rows() / 10.0;
        for decile in 1..=10_u32 {
            let here = self.at(f64::from(decile) / 10.0 * self.rows());
            let positives = here.yes - before.yes;
            found.push(Decile {
                decile,
                rows,
                positives,
                rate: positives / rows,
                lift: positives / rows * self.rows() / self.positives(),
                mean_score: (here.score - before.score) / rows,
                cumulative_gain: here.yes / self.positives(),
            });
            before = here;
        }
        found
    }

    /// The lift of the best `share` (0 to 1, 0 left out) of the rows: their yes rate against all.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for the share.
    pub fn lift(&self, share: f64) -> Result<f64> {
        if !(share > 0.0 && share <= 1.0) {
            return Err(Error::OutOfRange {
                what: "share",
                expected: "above 0 and at most 1",
                found: share,
            });
        }
        Ok(self.reached_by(share) / share)
    }

    /// The share of yes rows among the best `contacted` (0 to 1) of the rows.
    pub fn reached_by(&self, contacted: f64) -> f64 {
        self.at(contacted * self.rows()).yes / self.positives()
    }

    /// The least share of the rows, best first, that holds `reached` (0 to 1) of the yes rows.
    pub fn contact_to_reach(&self, reached: f64) -> f64 {
        let wanted = reached * self.positives();
        let after = self.ends.partition_point(|end| end.yes < wanted);
        let (Some(end), Some(before)) = (self.ends.get(after), after.checked_sub(1)) else {
            return if after == 0 { 0.0 } else { 1.0 };
        };
        let start = self.ends[before];
        let part = (wanted - start.yes) / (end.yes - start.yes);
        (start.rows + part * (end.rows - start.rows)) / self.rows()
    }

    /// The lowest score among the best `contacted` (0 to 1) of the rows.
    pub fn score_at(&self, contacted: f64) -> f64 {
        let wanted = contacted * self.rows();
        let after = self.ends[1..].partition_point(|end| end.rows < wanted);
        self.groups[after.min(self.groups.len() - 1)].score
    }

    pub(super) fn negatives(&self) -> f64 {
        self.rows() - self.positives()
    }

    pub(super) fn end(&self) -> Point {
        self.ends.last().copied().unwrap_or_default()
    }

    /// The end of each score, with the score.
    pub(super) fn steps(&self) -> impl Iterator<Item = (f64, Point)> {
        let scores = self.groups.iter().map(|group| group.score);
        scores.zip(self.ends[1..].iter().copied())
    }

    /// Totals of the best `rows` rows.
    pub(super) fn at(&self, rows: f64) -> Point {
        let after = self.ends.partition_point(|end| end.rows < rows);
        let Some(end) = self.ends.get(after) else {
            return self.end();
        };
        let Some(start) = after.checked_sub(1).map(|before| self.ends[before]) else {
            return *end;
        };
        let part = (rows - start.rows) / (end.rows - start.rows);
        if part >= 1.0 {
            return *end;
        }
        Point {
            rows,
            yes: start.yes + part * (end.yes - start.yes),
            score: start.score + part * (end.score - start.score),
            value: start.value + part * (end.value - start.value),
        }
    }
}

/// [`Binary::auc`] of rows of weight 1.
///
/// # Errors
/// As [`Binary::new`].
pub fn auc(scores: &[f64], labels: &[bool]) -> Result<f64> {
    Ok(Binary::new(scores, labels, None)?.auc())
}

/// [`Binary::average_precision`] of rows of weight 1.
///
/// # Errors
/// As [`Binary::new`].
pub fn average_precision(scores: &[f64], labels: &[bool]) -> Result<f64> {
    Ok(Binary::new(scores, labels, None)?.average_precision())
}

/// [`Binary::deciles`] of rows of weight 1.
///
/// # Errors
/// As [`Binary::new`].
pub fn deciles(scores: &[f64], labels: &[bool]) -> Result<Vec<Decile>> {
    Ok(Binary::new(scores, labels, None)?.deciles())
}

/// [`Binary::lift`] of rows of weight 1.
///
/// # Errors
/// As [`Binary::new`]; [`Error::OutOfRange`] for the share.
pub fn top_lift(scores: &[f64], labels: &[bool], share: f64) -> Result<f64> {
    Binary::new(scores, labels, None)?.lift(share)
}

/// "Contact x% to reach y%": `n_steps + 1` points from 0 to 1, evenly spaced.
///
/// # Errors
/// As [`Binary::new`]; [`Error::OutOfRange`] for 0 steps.
pub fn cumulative_gains(
    scores: &[f64],
    labels: &[bool],
    n_steps: usize,
) -> Result<Vec<GainsPoint>> {
    if n_steps == 0 {
        return Err(Error::OutOfRange {
            what: "steps",
            expected: "of at least 1",
            found: 0.0,
        });
    }
    let binary = Binary::new(scores, labels, None)?;
    let points = (0..=n_steps).map(|step| {
        let contacted = step as f64 / n_steps as f64;
        GainsPoint {
            contacted,
            reached: binary.reached_by(contacted),
        }
    });
    Ok(points.collect())
}
