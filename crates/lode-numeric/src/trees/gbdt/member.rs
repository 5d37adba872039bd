//! One model of the ensemble: its rows, its margins, its trees.
//!
//! Does not decide when to stop. Invariant: what it holds out never reaches a tree, a level's
//! place or a row draw.

use super::super::bins::Binning;
use super::super::grow;
use super::super::grow::Node;
use super::super::grow::Sample;
use super::super::grow::Scratch;
use super::super::grow::Shape;
use super::super::histogram::Bins;
use super::super::levels;
use super::super::levels::Levels;
use super::super::objective::Targets;
use super::super::split::Limits;
use super::super::{Column, Table};
use super::GbdtParams;
use super::Plan;
use crate::Rng;
use crate::rng::SplitMix64;

/// What all members share.
pub(super) struct Settings {
    shape: Shape,
    learning_rate: f64,
    row_share: f64,
    column_share: f64,
    max_bins: usize,
    category_smoothing: f64,
    category_rows: f64,
    seed: u64,
}

impl Settings {
    pub(super) fn new(params: &GbdtParams) -> Self {
        Self {
            shape: Shape {
                max_depth: params.max_depth,
                max_leaves: params.max_leaves,
                limits: Limits {
                    min_rows: u32::try_from(params.min_rows).unwrap_or(u32::MAX),
                    min_curve: params.min_child_weight,
                    l1: params.l1,
                    l2: params.l2,
                    min_gain: params.min_gain,
                },
                smoothing: params.leaf_smoothing,
            },
            learning_rate: params.learning_rate,
            row_share: params.row_share,
            column_share: params.column_share,
            max_bins: params.max_bins,
            category_smoothing: params.category_smoothing,
            category_rows: params.category_rows,
            seed: params.seed,
        }
    }
}

/// A category column as one member sees it.
pub(super) struct LevelBins {
    pub(super) bins: Vec<u8>,
    row_bins: Vec<u8>,
    n_bins: usize,
}

/// Bins of the category columns, by the rows that the member learns from.
pub(super) fn levels(
    table: &Table<'_>,
    data: &Targets,
    plan: &Plan,
    settings: &Settings,
) -> Vec<Option<LevelBins>> {
    let columns = table.columns().iter().enumerate();
    columns
        .map(|(index, column)| {
            let Column::Category { codes, n_levels } = column else {
                return None;
            };
            let leveled = levels::level_bins(&Levels {
                codes,
                n_levels: *n_levels,
                targets: &data.targets,
                weights: &data.weights,
                rows: &plan.learn,
                smoothing: settings.category_smoothing,
                large: settings.category_rows,
                max_bins: settings.max_bins,
                seed: SplitMix64::new(settings.seed ^ (plan.index << 20) ^ index as u64).next(),
            });
            let binning = Binning::Category(leveled.bins);
            let n_bins = binning.n_bins();
            let Binning::Category(bins) = binning else {
                return None;
            };
            Some(LevelBins {
                bins,
                row_bins: leveled.row_bins,
                n_bins,
            })
        })
        .collect()
}

/// A model in the making.
pub(super) struct Member<'a> {
    data: &'a Targets,
    plan: &'a Plan,
    bins: Bins<'a>,
    /// Columns that can be cut at all.
    useful: Vec<u32>,
    margins: Vec<f64>,
    slopes: Vec<[f64; 2]>,
    scratch: Scratch,
    threads: usize,
    pub(super) trees: Vec<Vec<Node>>,
    /// Sum of weighted losses of the held-out rows after 0, 1, 2 .. rounds.
    pub(super) losses: Vec<f64>,
    pub(super) held_weight: f64,
    pub(super) gains: Vec<f64>,
}

impl<'a> Member<'a> {
    pub(super) fn new(
        data: &'a Targets,
        plan: &'a Plan,
        numbers: &'a [Option<(Vec<f64>, Vec<u8>)>],
        levels: &'a [Option<LevelBins>],
        threads: usize,
    ) -> Self {
        let mut bins = Bins::default();
        for (number, level) in numbers.iter().zip(levels) {
            match (number, level) {
                (Some((cuts, bytes)), _) => {
                    bins.columns.push(bytes);
                    bins.n_bins.push(cuts.len() + 2);
                }
                (None, Some(level)) => {
                    bins.columns.push(&level.row_bins);
                    bins.n_bins.push(level.n_bins);
                }
                (None, None) => {
                    bins.columns.push(&[]);
                    bins.n_bins.push(2);
                }
            }
        }
        let varies = |column: &&u32| {
            let bytes = bins.columns[**column as usize];
            let mut rows = plan.learn.iter().map(|row| bytes.get(*row as usize));
            let first = rows.next().flatten();
            rows.any(|bin| bin != first)
        };
        let all: Vec<u32> = (0..bins.columns.len() as u32).collect();
        let useful = all.iter().filter(varies).copied().collect();
        let n_rows = data.targets.len();
        let mut member = Self {
            data,
            plan,
            useful,
            margins: vec![data.start; n_rows],
            slopes: vec![[0.0; 2]; n_rows],
            scratch: Scratch::default(),
            threads,
            trees: Vec::new(),
            losses: Vec::new(),
            held_weight: plan
                .held_out
                .iter()
                .map(|row| data.weights[*row as usize])
                .sum(),
            gains: vec![0.0; bins.columns.len()],
            bins,
        };
        member.judge();
        member
    }

    /// Adds trees.
    pub(super) fn boost(&mut self, rounds: usize, settings: &Settings) {
        for _ in 0..rounds {
            let round = self.trees.len() as u64;
            let mut rng = Rng::stream(settings.seed ^ (self.plan.index << 40), round);
            for row in &self.plan.learn {
                let row = *row as usize;
                let weight = self.data.weights[row];
                let slope = self
                    .data
                    .objective
                    .slope(self.margins[row], self.data.targets[row]);
                self.slopes[row] = [slope[0] * weight, slope[1] * weight];
            }
            let sample = Sample {
                bins: &self.bins,
                columns: draw_columns(&self.useful, settings.column_share, &mut rng),
                rows: draw_rows(&self.plan.learn, settings.row_share, &mut rng),
                slopes: &self.slopes,
                weights: &self.data.weights,
                threads: self.threads,
            };
            let mut tree = grow::grow(sample, &settings.shape, &mut self.scratch, &mut self.gains);
            for node in &mut tree {
                node.value *= settings.learning_rate;
            }
            for rows in [&self.plan.learn, &self.plan.held_out] {
                for row in rows {
                    let row = *row as usize;
                    self.margins[row] += value(&tree, &self.bins, row);
                }
            }
            self.trees.push(tree);
            self.judge();
        }
    }

    fn judge(&mut self) {
        let rows = self.plan.held_out.iter().map(|row| *row as usize);
        let loss = rows
            .map(|row| {
                let loss = self
                    .data
                    .objective
                    .loss(self.margins[row], self.data.targets[row]);
                self.data.weights[row] * loss
            })
            .sum();
        self.losses.push(loss);
    }

    /// Inside margins of the held-out rows after some rounds.
    pub(super) fn held_margins(&self, rounds: usize) -> impl Iterator<Item = (u32, f64)> {
        self.plan.held_out.iter().map(move |row| {
            let trees = self.trees.iter().take(rounds);
            let sum: f64 = trees
                .map(|tree| value(tree, &self.bins, *row as usize))
                .sum();
            (*row, self.data.start + sum)
        })
    }
}

fn value(tree: &[Node], bins: &Bins<'_>, row: usize) -> f64 {
    tree[grow::leaf(tree, |column| bins.columns[column as usize][row])].value
}

fn draw_rows(rows: &[u32], share: f64, rng: &mut Rng) -> Vec<u32> {
    if share >= 1.0 {
        return rows.to_vec();
    }
    rows.iter().copied().filter(|_| rng.chance(share)).collect()
}

fn draw_columns(columns: &[u32], share: f64, rng: &mut Rng) -> Vec<u32> {
    let n = (columns.len() as f64 * share).ceil() as usize;
    let mut drawn = columns.to_vec();
    if n < columns.len() {
        rng.shuffle(&mut drawn);
        drawn.truncate(n.max(1));
        drawn.sort_unstable();
    }
    drawn
}
