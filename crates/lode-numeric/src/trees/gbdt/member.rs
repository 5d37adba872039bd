//! One model of the ensemble: its rows, its margins, its trees.
//!
//! Does not decide when to stop. Invariant: what it holds out never reaches a tree, a level's
//! place or a row draw.

use super::super::bins;
use super::super::bins::LevelBins;
use super::super::grow;
use super::super::grow::Node;
use super::super::grow::Sample;
use super::super::grow::Scratch;
use super::super::grow::Shape;
use super::super::histogram::Bins;
use super::super::objective::Targets;
use super::Plan;
use crate::Rng;

/// What all members of a shape share.
pub(super) struct Settings {
    pub(super) shape: Shape,
    pub(super) learning_rate: f64,
    pub(super) row_share: f64,
    pub(super) column_share: f64,
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
    seed: u64,
    threads: usize,
    pub(super) trees: Vec<Vec<Node>>,
    /// Gain of each node of each tree.
    pub(super) gains: Vec<Vec<f64>>,
    /// Sum of weighted losses of the held-out rows after 0, 1, 2 .. rounds.
    pub(super) losses: Vec<f64>,
    pub(super) held_weight: f64,
}

impl<'a> Member<'a> {
    pub(super) fn new(
        data: &'a Targets,
        plan: &'a Plan,
        numbers: &'a [Option<(Vec<f64>, Vec<u8>)>],
        levels: &'a [Option<LevelBins>],
        seed: u64,
        threads: usize,
    ) -> Self {
        let bins = bins::assemble(numbers, levels);
        let useful = bins::useful(&bins, &plan.learn);
        let held_out = plan.held_out.iter().map(|row| data.weights[*row as usize]);
        let n_rows = data.targets.len();
        let mut member = Self {
            data,
            plan,
            bins,
            useful,
            margins: vec![data.start; n_rows],
            slopes: vec![[0.0; 2]; n_rows],
            scratch: Scratch::default(),
            seed,
            threads,
            trees: Vec::new(),
            gains: Vec::new(),
            losses: Vec::new(),
            held_weight: held_out.sum(),
        };
        member.judge();
        member
    }

    /// Adds trees.
    pub(super) fn boost(&mut self, rounds: usize, settings: &Settings) {
        for _ in 0..rounds {
            let mut rng = Rng::stream(self.seed, self.trees.len() as u64);
            for row in &self.plan.learn {
                let row = *row as usize;
                let weight = self.data.weights[row];
                let slope = self
                    .data
                    .objective
                    .slope(self.margins[row], self.data.targets[row]);
                self.slopes[row] = [slope[0] * weight, slope[1] * weight];
            }
            let columns = draw_columns(&self.useful, settings.column_share, &mut rng);
            let (rows, others) = draw_rows(&self.plan.learn, settings.row_share, &mut rng);
            let sample = Sample {
                bins: &self.bins,
                columns,
                rows,
                slopes: &self.slopes,
                weights: &self.data.weights,
                threads: self.threads,
            };
            let mut grown = grow::grow(sample, &settings.shape, &mut self.scratch);
            for node in &mut grown.nodes {
                node.value *= settings.learning_rate;
            }
            for (leaf, range) in &grown.leaves {
                for row in &grown.rows[range.clone()] {
                    self.margins[*row as usize] += grown.nodes[*leaf].value;
                }
            }
            for row in others.iter().chain(&self.plan.held_out) {
                let row = *row as usize;
                self.margins[row] += value(&grown.nodes, &self.bins, row);
            }
            self.trees.push(grown.nodes);
            self.gains.push(grown.gains);
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

/// The rows drawn and the others, both rising.
fn draw_rows(rows: &[u32], share: f64, rng: &mut Rng) -> (Vec<u32>, Vec<u32>) {
    if share >= 1.0 {
        return (rows.to_vec(), Vec::new());
    }
    let (drawn, others): (Vec<u32>, Vec<u32>) = rows.iter().partition(|_| rng.chance(share));
    // Of a handful of rows none may have been drawn.
    if drawn.is_empty() {
        return (others, drawn);
    }
    (drawn, others)
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
