//! One model of the ensemble: its rows, its margins, its trees.
//!
//! Does not decide when to stop. Invariant: what it holds out never reaches a tree, a level's
//! place or a row draw.

use std::sync::Arc;

use super::super::bins;
use super::super::bins::LevelBins;
use super::super::constraints::Rules;
use super::super::grow;
use super::super::grow::Node;
use super::super::grow::Sample;
use super::super::grow::Scratch;
use super::super::grow::Shape;
use super::super::histogram::Bins;
use super::super::objective::Targets;
use super::Plan;
use super::rounds::Grows;
use crate::Rng;

/// What all members of a shape share.
pub(super) struct Settings {
    pub(super) shape: Shape,
    pub(super) learning_rate: f64,
    pub(super) row_share: f64,
    pub(super) column_share: f64,
    /// What all trees keep to.
    pub(super) rules: Option<Arc<Rules>>,
}

/// A model in the making.
pub(super) struct Member<'a> {
    pub(super) data: &'a Targets,
    pub(super) plan: &'a Plan,
    bins: Bins<'a>,
    /// Columns that can be cut at all.
    useful: Vec<u32>,
    pub(super) margins: Vec<f64>,
    pub(super) slopes: Vec<[f64; 2]>,
    scratch: Scratch,
    seed: u64,
    threads: usize,
    pub(super) trees: Vec<Vec<Node>>,
    /// Gain of each node of each tree.
    pub(super) gains: Vec<Vec<f64>>,
    /// Sum of weighted losses of the held-out rows after 0, 1, 2 .. rounds.
    losses: Vec<f64>,
    held_weight: f64,
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
        let n_rows = data.targets.len();
        let mut member = Self {
            data,
            plan,
            bins,
            useful,
            margins: data.start_margins(),
            slopes: vec![[0.0; 2]; n_rows],
            scratch: Scratch::default(),
            seed,
            threads,
            trees: Vec::new(),
            gains: Vec::new(),
            losses: Vec::new(),
            held_weight: data.weight_of(&plan.held_out),
        };
        let loss = data.loss_of(&plan.held_out, &member.margins);
        member.losses.push(loss);
        member
    }

    /// Adds a tree for the slopes.
    pub(super) fn round(&mut self, settings: &Settings) {
        let mut rng = Rng::stream(self.seed, self.trees.len() as u64);
        let columns = draw_columns(&self.useful, settings.column_share, &mut rng);
        let (rows, others) = draw_rows(&self.plan.learn, settings.row_share, &mut rng);
        let rules = settings.rules.as_deref();
        let sample = Sample {
            bins: &self.bins,
            columns,
            rows,
            slopes: &self.slopes,
            weights: &self.data.weights,
            rules,
            threads: self.threads,
        };
        let mut grown = grow::grow(sample, &settings.shape, &mut self.scratch);
        let trended = rules.filter(|rules| rules.has_trends());
        self.data
            .renew(&mut grown, &self.margins, trended.is_some());
        if let Some(rules) = trended {
            rules.settle(&mut grown.nodes);
        }
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
    }

    /// Inside margins of the held-out rows after some rounds.
    pub(super) fn held_margins(&self, rounds: usize) -> impl Iterator<Item = (u32, f64)> {
        let start = |row: u32| match &self.data.starts {
            Some(starts) => starts[row as usize],
            None => self.data.start,
        };
        self.plan.held_out.iter().map(move |row| {
            let trees = self.trees.iter().take(rounds);
            let sum: f64 = trees
                .map(|tree| value(tree, &self.bins, *row as usize))
                .sum();
            (*row, start(*row) + sum)
        })
    }
}

impl Grows for Member<'_> {
    fn boost(&mut self, rounds: usize, settings: &Settings) {
        for _ in 0..rounds {
            for row in &self.plan.learn {
                let row = *row as usize;
                self.slopes[row] = self.data.slope(row, self.margins[row]);
            }
            self.data
                .group_slopes(&self.margins, self.threads, &mut self.slopes);
            self.round(settings);
            let loss = self.data.loss_of(&self.plan.held_out, &self.margins);
            self.losses.push(loss);
        }
    }

    fn losses(&self) -> (&[f64], f64) {
        (&self.losses, self.held_weight)
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
