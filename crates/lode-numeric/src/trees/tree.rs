//! A decision tree that people can read: cut by impurity, pruned by what its cuts cost.
//!
//! Does not boost. Invariant: a leaf's mean is never 0 or 1 for yes-or-no targets, so that its
//! log odds are finite.

mod prune;

use super::Forest;
use super::Objective;
use super::Table;
use super::bins;
use super::bins::Binning;
use super::bins::Derived;
use super::bins::LevelRules;
use super::bins::Levels;
use super::bins::Numbers;
use super::forest;
use super::grow;
use super::grow::Grown;
use super::grow::LEAF;
use super::grow::Sample;
use super::grow::Scratch;
use super::grow::Shape;
use super::histogram::Bins;
use super::objective::Targets;
use super::quantize;
use super::split::Limits;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::Rng;
use crate::folds;
use crate::parallel::with_crew;

/// Parameters of [`fit`].
#[derive(Clone, Debug, PartialEq)]
pub struct TreeParams {
    /// [`Objective::Logistic`] or [`Objective::Squared`].
    pub objective: Objective,
    /// Cuts between root and leaf, at most (1 to 32).
    pub max_depth: usize,
    /// Rows in a leaf, at least; 0: a two-hundredth of the rows, from 5 to 1,000.
    pub min_rows: usize,
    /// Share of the root's impurity that a cut must save to stay (0 keeps all); none: chosen
    /// by an inner cross-validation.
    pub complexity: Option<f64>,
    /// Rows of the parent's mean that are mixed into a leaf's.
    pub smoothing: f64,
    /// Bins of a number column (2 to 255).
    pub max_bins: usize,
    /// Rows of the overall mean that are mixed into a level's statistic.
    pub category_smoothing: f64,
    /// Seed of the inner cross-validation.
    pub seed: u64,
    /// Threads; the result does not depend on them.
    pub threads: usize,
}

impl Default for TreeParams {
    fn default() -> Self {
        Self {
            objective: Objective::Logistic,
            max_depth: 5,
            min_rows: 0,
            complexity: None,
            smoothing: 5.0,
            max_bins: 255,
            category_smoothing: 10.0,
            seed: 1,
            threads: 1,
        }
    }
}

/// What [`fit`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeFit {
    /// The model, of one tree.
    pub model: Forest,
    /// The complexity it was pruned by.
    pub complexity: f64,
    /// Total impurity that the cuts of each column save.
    pub gains: Vec<f64>,
}

/// Parts of the inner cross-validation.
const FOLDS: usize = 5;

/// Rows from which a level's own rows are trusted to place it among levels.
const LARGE_LEVEL: f64 = 100.0;

/// Learns a decision tree.
///
/// Use it where the model itself must be read or drawn; [`super::gbdt`] predicts better.
///
/// # Input
/// `table`: columns of shape `(n_rows)`, missing values legal: each cut sends them to the side
/// that it fits best, or with the heavier side where training had none. `targets`: 0 or 1
/// ([`Objective::Logistic`]), or any number up to [`super::TARGET_LIMIT`] in magnitude
/// ([`Objective::Squared`]); `weights`: 0 or more, a row of weight 0 is as if absent.
///
/// # Output
/// [`TreeFit`]; the leaves in words by [`super::rules`].
///
/// # Parameters
/// [`TreeParams`].
///
/// # Method
/// Best-first cuts by the fall of the weighted squared error of the targets, which for 0 and 1
/// is half the Gini impurity. The mean of a leaf with n rows is
/// `(n own + smoothing parent) / (n + smoothing)`, the parent's mixed likewise; the margin is
/// its log odds, or the mean itself. Pruning keeps the smallest subtree of least
/// `error + complexity * root error * leaves`; without `complexity` the value is that of least
/// held-out loss over 5 folds, of the geometric means between the values where the tree
/// changes.
///
/// # Determinism and cost
/// The seed deals the folds; bits do not depend on threads. O(rows columns depth) for each of
/// 6 trees, and O(rows columns log rows) to bin.
///
/// # Errors
/// [`Error::Length`], [`Error::NotFinite`], [`Error::OutOfRange`] for the arguments;
/// [`Error::TooFewRows`] below 2 rows of weight; [`Error::OneClass`]; [`Error::Cancelled`].
///
/// # Source
/// L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and Regression Trees", 1984,
/// sections 3.3 and 3.4 (pruning), 8.5.1 (choice of the complexity; the least loss is taken,
/// not the one-standard-error rule, and it is the objective's loss). Deviations: binned
/// columns, smoothed leaves, missing values by side, not by surrogate.
///
/// # Example
/// ```
/// use lode_numeric::trees::{Column, Table, rules, ColumnName};
/// use lode_numeric::trees::tree::{self, TreeParams};
/// let months: Vec<f64> = (0..100).map(f64::from).collect();
/// let left: Vec<f64> = months.iter().map(|m| if *m < 12.0 { 1.0 } else { 0.0 }).collect();
/// let table = Table::new(100, vec![Column::Number(&months)])?;
/// let fit = tree::fit(&table, &left, None, &TreeParams::default(), &lode_numeric::go_on)?;
/// let names = [ColumnName { name: "months", levels: &[] }];
/// let rules = rules(&fit.model, 0, &names)?;
/// assert_eq!(rules[0].conditions, ["months <= 11.5"]);
/// assert!(rules[0].mean > 0.7 && rules[1].mean < 0.1);
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn fit(
    table: &Table<'_>,
    targets: &[f64],
    weights: Option<&[f64]>,
    params: &TreeParams,
    progress: Progress<'_>,
) -> Result<TreeFit> {
    check(params)?;
    let data = Targets::new(table.n_rows(), params.objective, targets, weights)?;
    let numbers = Numbers::new(table, &data.rows, params.max_bins, params.threads);
    let learner = Learner {
        table,
        data: &data,
        numbers: &numbers,
        params,
        min_rows: match params.min_rows {
            0 => (data.rows.len() / 200).clamp(5, 1000),
            min_rows => min_rows,
        },
    };
    let whole = learner.learn(&data.rows);
    let error = whole.error;
    if !progress(0.2) {
        return Err(Error::Cancelled);
    }
    let complexity = match params.complexity {
        Some(complexity) => complexity,
        None => learner.choose(&whole, progress)?,
    };
    let grown = prune::pruned(&whole.grown, complexity * error);
    let mut gains = vec![0.0; table.n_cols()];
    for (node, gain) in grown.nodes.iter().zip(&grown.gains) {
        if node.column != LEAF {
            gains[node.column as usize] += gain;
        }
    }
    let mut nodes = grown.nodes;
    for node in &mut nodes {
        node.value = learner.margin(node.value, whole.n_rows);
    }
    let sources = numbers
        .columns
        .into_iter()
        .zip(&whole.levels.columns)
        .enumerate();
    let derived = sources.map(|(source, (number, levels))| {
        let (binning, missing) = match (number, levels) {
            (Some((cuts, bytes)), _) => {
                let missing = data.rows.iter().any(|row| bytes[*row as usize] == 0);
                (Binning::Number(cuts), missing)
            }
            (None, Some(levels)) => (Binning::Category(levels.bins.clone()), levels.missing),
            (None, None) => (Binning::Category(Vec::new()), false),
        };
        Derived {
            // At most 65,535 columns.
            source: source as u32,
            missing,
            binning,
        }
    });
    let mut model = Forest {
        objective: data.objective,
        kinds: forest::kinds(table),
        derived: derived.collect(),
        trees: vec![nodes],
        start: 0.0,
        compiled: Default::default(),
    };
    model.compact();
    Ok(TreeFit {
        model,
        complexity,
        gains,
    })
}

fn check(params: &TreeParams) -> Result<()> {
    let complexity = params.complexity.unwrap_or(0.0);
    let ranges = [
        (
            "max_depth",
            params.max_depth as f64,
            1.0,
            32.0,
            "from 1 to 32",
        ),
        (
            "max_bins",
            params.max_bins as f64,
            2.0,
            255.0,
            "from 2 to 255",
        ),
        ("complexity", complexity, 0.0, 1.0, "from 0 to 1"),
        ("smoothing", params.smoothing, 0.0, 1e9, "from 0 to 1e9"),
        (
            "category_smoothing",
            params.category_smoothing,
            0.0,
            1e9,
            "from 0 to 1e9",
        ),
    ];
    for (what, found, low, high, expected) in ranges {
        if !(found >= low && found <= high) {
            return Err(Error::OutOfRange {
                what,
                expected,
                found,
            });
        }
    }
    if matches!(params.objective, Objective::Logistic | Objective::Squared) {
        Ok(())
    } else {
        Err(Error::OutOfRange {
            what: "objective of a decision tree",
            expected: "logistic or squared",
            found: f64::NAN,
        })
    }
}

struct Learner<'a> {
    table: &'a Table<'a>,
    data: &'a Targets,
    numbers: &'a Numbers,
    params: &'a TreeParams,
    min_rows: usize,
}

struct Learned {
    grown: Grown,
    levels: Levels,
    /// Weighted squared error of the root.
    error: f64,
    n_rows: usize,
}

impl Learner<'_> {
    /// A tree before pruning; its nodes' values are means of the scaled targets.
    fn learn(&self, rows: &[u32]) -> Learned {
        let rules = LevelRules {
            smoothing: self.params.category_smoothing,
            large: LARGE_LEVEL,
            max_bins: self.params.max_bins,
            seed: self.params.seed,
        };
        let levels = Levels::new(self.table, self.data, rows, &rules);
        let bins = bins::assemble(self.numbers, &levels);
        let weight: f64 = rows.iter().map(|row| self.data.weight(*row as usize)).sum();
        let mean = self.mean_of(rows, weight);
        let mut slopes = vec![[0.0; 2]; self.data.targets.len()];
        let mut error = 0.0;
        for row in rows {
            let row = *row as usize;
            let (w, off) = (self.data.weight(row), self.data.targets[row] - mean);
            slopes[row] = [-w * off, w];
            error += w * off * off;
        }
        let shape = Shape {
            max_depth: self.params.max_depth,
            max_leaves: rows.len().max(2),
            limits: Limits {
                min_rows: u32::try_from(self.min_rows).unwrap_or(u32::MAX),
                min_curve: 0.0,
                l1: 0.0,
                l2: 0.0,
                min_gain: error * 1e-9,
            },
            smoothing: self.params.smoothing,
        };
        let mut grown = with_crew(self.params.threads, |crew| {
            let mut packed = Vec::new();
            let scale = quantize::packed(&slopes, rows, self.params.seed, crew, &mut packed);
            let sample = Sample {
                columns: bins::useful(&bins, rows),
                bins: &bins,
                rows: rows.to_vec(),
                others: Vec::new(),
                slopes: Some(&slopes),
                packed: &packed,
                scale,
                weights: self.data.uneven_weights(),
                rules: None,
                crew,
            };
            grow::grow(sample, &shape, &mut Scratch::default())
        });
        for node in &mut grown.nodes {
            node.value += mean;
        }
        // The gain is half of the error that is saved.
        grown.gains.iter_mut().for_each(|gain| *gain *= 2.0);
        Learned {
            grown,
            levels,
            error,
            n_rows: rows.len(),
        }
    }

    fn mean_of(&self, rows: &[u32], weight: f64) -> f64 {
        let rows = rows.iter().map(|row| *row as usize);
        rows.map(|row| self.data.weight(row) * self.data.targets[row])
            .sum::<f64>()
            / weight
    }

    /// The margin of a scaled mean, in the target's unit.
    fn margin(&self, mean: f64, n_rows: usize) -> f64 {
        match self.data.objective {
            Objective::Logistic => {
                let edge = 0.5 / (n_rows as f64 + 1.0);
                let mean = mean.clamp(edge, 1.0 - edge);
                (mean / (1.0 - mean)).ln()
            }
            _ => self.data.offset + self.data.scale * mean,
        }
    }

    /// The complexity of least held-out loss.
    fn choose(&self, whole: &Learned, progress: Progress<'_>) -> Result<f64> {
        let candidates = prune::candidates(&whole.grown, whole.error);
        let mut order: Vec<usize> = (0..self.data.rows.len()).collect();
        Rng::new(self.params.seed).shuffle(&mut order);
        if let Objective::Logistic = self.data.objective {
            order.sort_by_key(|index| self.data.targets[self.data.rows[*index] as usize] > 0.5);
        }
        let folds = FOLDS.min(order.len());
        let mut fold_of = vec![0; order.len()];
        for (place, index) in order.iter().enumerate() {
            fold_of[*index] = place % folds;
        }
        if let Some(groups) = self.table.groups_of(&self.data.rows)
            && let Ok(grouped) = folds::grouped(None, &groups, folds, self.params.seed)
        {
            fold_of = grouped.into_iter().map(|fold| fold as usize).collect();
        }
        let mut losses = vec![0.0; candidates.len()];
        for fold in 0..folds {
            if !progress(0.2 + 0.8 * fold as f64 / folds as f64) {
                return Err(Error::Cancelled);
            }
            let side = |held: bool| -> Vec<u32> {
                let rows = self.data.rows.iter().zip(&fold_of);
                rows.filter(|(_, own)| (**own == fold) == held)
                    .map(|(row, _)| *row)
                    .collect()
            };
            let learned = self.learn(&side(false));
            let bins = bins::assemble(self.numbers, &learned.levels);
            let held = side(true);
            for (loss, complexity) in losses.iter_mut().zip(&candidates) {
                let grown = prune::pruned(&learned.grown, complexity * learned.error);
                *loss += self.held_out_loss(&grown, &bins, &held, learned.n_rows);
            }
        }
        let mut best = 0;
        for (index, loss) in losses.iter().enumerate() {
            // Candidates rise: of equal losses the smaller tree.
            if *loss <= losses[best] {
                best = index;
            }
        }
        Ok(candidates[best])
    }

    fn held_out_loss(&self, grown: &Grown, bins: &Bins<'_>, rows: &[u32], n_rows: usize) -> f64 {
        let loss = |row: &u32| {
            let row = *row as usize;
            let leaf = grow::leaf(&grown.nodes, |column| bins.columns[column as usize][row]);
            let mean = grown.nodes[leaf].value;
            let margin = match self.data.objective {
                Objective::Logistic => self.margin(mean, n_rows),
                _ => mean,
            };
            self.data.weight(row) * self.data.objective.loss(margin, self.data.targets[row])
        };
        rows.iter().map(loss).sum()
    }
}

#[cfg(test)]
mod tests;
