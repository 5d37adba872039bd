//! Measures of a score for a yes/no outcome.
//!
//! Does not turn scores into probabilities. Invariant: every function refuses NaN, infinity
//! and labels of another length.

use crate::Error;
use crate::Result;

/// The area under the ROC curve: the chance that a random yes scores above a random no, ties
/// counting half (midranks).
///
/// `AUC = (R - y (y + 1) / 2) / (y n)` with R the sum of the midranks of the y yes rows
/// against n no rows: J. Hanley, B. McNeil, Radiology 143(1), 1982,
/// doi:10.1148/radiology.143.1.7063747.
///
/// # Errors
/// [`Error::OneClass`] without both classes; [`Error::Length`], [`Error::NotFinite`].
pub fn auc(scores: &[f64], labels: &[bool]) -> Result<f64> {
    let (yes, no) = both_classes(scores, labels)?;
    let mut rank_sum = 0.0;
    let mut passed = 0.0;
    for group in tied_groups(scores, labels).iter().rev() {
        rank_sum += group.yes * (passed + (group.rows + 1.0) / 2.0);
        passed += group.rows;
    }
    Ok((rank_sum - yes * (yes + 1.0) / 2.0) / (yes * no))
}

/// The mean of `-ln(probability of what happened)`, probabilities clipped to
/// `1e-15 ..= 1 - 1e-15`.
///
/// # Errors
/// [`Error::TooFewRows`] without rows; [`Error::OutOfRange`] for a probability outside 0 to 1;
/// [`Error::Length`], [`Error::NotFinite`].
pub fn log_loss(probabilities: &[f64], labels: &[bool]) -> Result<f64> {
    check_probabilities(probabilities, labels)?;
    let total: f64 = probabilities
        .iter()
        .zip(labels)
        .map(|(p, label)| {
            let p = p.clamp(1e-15, 1.0 - 1e-15);
            if *label { -p.ln() } else { -(1.0 - p).ln() }
        })
        .sum();
    Ok(total / labels.len() as f64)
}

/// The mean squared distance of probability and outcome (Brier score).
///
/// # Errors
/// As [`log_loss`].
pub fn brier(probabilities: &[f64], labels: &[bool]) -> Result<f64> {
    check_probabilities(probabilities, labels)?;
    let total: f64 = probabilities
        .iter()
        .zip(labels)
        .map(|(p, label)| (p - f64::from(u8::from(*label))).powi(2))
        .sum();
    Ok(total / labels.len() as f64)
}

/// The area under the precision-recall curve as average precision:
/// `sum((recall_i - recall_{i-1}) * precision_i)` over the distinct scores, highest first.
///
/// # Errors
/// As [`auc`].
pub fn average_precision(scores: &[f64], labels: &[bool]) -> Result<f64> {
    let (yes, _) = both_classes(scores, labels)?;
    let mut area = 0.0;
    let mut rows = 0.0;
    let mut hits = 0.0;
    for group in tied_groups(scores, labels) {
        rows += group.rows;
        hits += group.yes;
        area += group.yes / yes * (hits / rows);
    }
    Ok(area)
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

/// Lift by decile.
///
/// A decile is exactly n/10 rows; where a border cuts through a row, or through rows of one
/// score, each side gets its part of their yes rows.
///
/// # Errors
/// As [`auc`].
pub fn deciles(scores: &[f64], labels: &[bool]) -> Result<Vec<Decile>> {
    let (yes, no) = both_classes(scores, labels)?;
    let curve = Curve::new(scores, labels);
    let n = yes + no;
    let mut found = Vec::with_capacity(10);
    let mut before = Point::default();
    for decile in 1..=10_u32 {
        let here = curve.at(f64::from(decile) / 10.0 * n);
        let rows = n / 10.0;
        let positives = here.yes - before.yes;
        found.push(Decile {
            decile,
            rows,
            positives,
            rate: positives / rows,
            lift: positives / rows * n / yes,
            mean_score: (here.score - before.score) / rows,
            cumulative_gain: here.yes / yes,
        });
        before = here;
    }
    Ok(found)
}

/// The lift of the best `share` (0 to 1, 0 left out) of the rows: their yes rate against all.
///
/// # Errors
/// As [`auc`]; [`Error::OutOfRange`] for the share.
pub fn top_lift(scores: &[f64], labels: &[bool], share: f64) -> Result<f64> {
    if !(share > 0.0 && share <= 1.0) {
        return Err(Error::OutOfRange {
            what: "share",
            expected: "above 0 and at most 1",
            found: share,
        });
    }
    let (yes, no) = both_classes(scores, labels)?;
    let n = yes + no;
    Ok(Curve::new(scores, labels).at(share * n).yes / yes / share)
}

/// One point of the cumulative gains curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GainsPoint {
    /// Share of all rows contacted, best scores first.
    pub contacted: f64,
    /// Share of all yes rows reached by that.
    pub reached: f64,
}

/// "Contact x% to reach y%": `n_steps + 1` points from 0 to 1, evenly spaced.
///
/// # Errors
/// As [`auc`]; [`Error::OutOfRange`] for 0 steps.
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
    let (yes, no) = both_classes(scores, labels)?;
    let curve = Curve::new(scores, labels);
    let points = (0..=n_steps).map(|step| {
        let contacted = step as f64 / n_steps as f64;
        GainsPoint {
            contacted,
            reached: curve.at(contacted * (yes + no)).yes / yes,
        }
    });
    Ok(points.collect())
}

/// Rows of one score.
#[derive(Clone, Copy, Debug)]
struct Group {
    score: f64,
    rows: f64,
    yes: f64,
}

/// Highest score first. -0 and 0 are one score.
fn tied_groups(scores: &[f64], labels: &[bool]) -> Vec<Group> {
    let mut order: Vec<(f64, bool)> = scores
        .iter()
        .map(|score| score + 0.0)
        .zip(labels.iter().copied())
        .collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let mut groups: Vec<Group> = Vec::new();
    for (score, label) in order {
        match groups.last_mut() {
            Some(last) if last.score.total_cmp(&score).is_eq() => {
                last.rows += 1.0;
                last.yes += f64::from(u8::from(label));
            }
            _ => groups.push(Group {
                score,
                rows: 1.0,
                yes: f64::from(u8::from(label)),
            }),
        }
    }
    groups
}

/// What the best rows hold together.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    rows: f64,
    yes: f64,
    score: f64,
}

/// Running totals at the end of each group, straight lines between.
struct Curve {
    ends: Vec<Point>,
}

impl Curve {
    fn new(scores: &[f64], labels: &[bool]) -> Self {
        let mut ends = vec![Point::default()];
        let mut total = Point::default();
        for group in tied_groups(scores, labels) {
            total.rows += group.rows;
            total.yes += group.yes;
            total.score += group.score * group.rows;
            ends.push(total);
        }
        Self { ends }
    }

    /// Totals of the best `rows` rows.
    fn at(&self, rows: f64) -> Point {
        let after = self.ends.partition_point(|end| end.rows < rows);
        let Some(end) = self.ends.get(after) else {
            return self.ends.last().copied().unwrap_or_default();
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
        }
    }
}

fn check_probabilities(probabilities: &[f64], labels: &[bool]) -> Result<()> {
    check(probabilities, labels)?;
    match probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        Some(p) => Err(Error::OutOfRange {
            what: "probabilities",
            expected: "from 0 to 1",
            found: *p,
        }),
        None => Ok(()),
    }
}

fn check(scores: &[f64], labels: &[bool]) -> Result<()> {
    if scores.len() != labels.len() {
        return Err(Error::Length {
            what: "labels, one a score",
            expected: scores.len(),
            found: labels.len(),
        });
    }
    if scores.is_empty() {
        return Err(Error::TooFewRows {
            needed: 1,
            found: 0,
        });
    }
    match scores.iter().position(|score| !score.is_finite()) {
        Some(index) => Err(Error::NotFinite {
            what: "scores",
            index,
        }),
        None => Ok(()),
    }
}

/// Rows of yes and of no, both above 0.
fn both_classes(scores: &[f64], labels: &[bool]) -> Result<(f64, f64)> {
    check(scores, labels)?;
    let yes = labels.iter().filter(|label| **label).count();
    let no = labels.len() - yes;
    if yes == 0 || no == 0 {
        return Err(Error::OneClass { class: no == 0 });
    }
    Ok((yes as f64, no as f64))
}
