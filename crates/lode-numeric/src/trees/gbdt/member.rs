//! One model of the ensemble: its rows, its margins, its trees.
//!
//! Does not decide when to stop. Invariant: what it holds out never reaches a tree, a level's
//! place or a row draw.

use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;

use super::super::bins;
use super::super::bins::Levels;
use super::super::bins::Numbers;
use super::super::constraints::Rules;
use super::super::grow;
use super::super::grow::Grown;
use super::super::grow::Node;
use super::super::grow::Sample;
use super::super::grow::Scratch;
use super::super::grow::Shape;
use super::super::histogram::Bins;
use super::super::objective::Targets;
use super::super::quantize;
use super::super::quantize::Scale;
use super::Plan;
use super::rounds::Grows;
use crate::Rng;
use crate::parallel::Crew;
use crate::parallel::with_crew;
use crate::wide::wide;

/// What all members of a shape share.
pub(super) struct Settings {
    pub(super) shape: Shape,
    pub(super) learning_rate: f64,
    /// Rounds without a better held-out loss before growing stops.
    pub(super) patience: usize,
    pub(super) row_share: f64,
    pub(super) column_share: f64,
    /// What all trees keep to.
    pub(super) rules: Option<Arc<Rules>>,
}

/// Rows whose margins move at a time.
const BLOCK: usize = 1 << 12;

/// A model in the making.
pub(super) struct Member<'a> {
    pub(super) data: &'a Targets,
    pub(super) plan: &'a Plan,
    bins: Bins<'a>,
    /// Columns that can be cut at all.
    useful: Vec<u32>,
    pub(super) margins: Vec<f64>,
    /// Slopes and curvatures of all rows at these margins, where they are looked at again.
    pub(super) slopes: Vec<[f64; 2]>,
    packed: Vec<u64>,
    /// How the slopes were packed; none when they were not yet.
    scale: Option<Scale>,
    /// The leaf of the last tree where each row ended.
    leaf_of: Vec<AtomicU16>,
    /// Rows of the last tree, and those that it did not see.
    dealt: (Vec<u32>, Vec<u32>),
    scratch: Scratch,
    seed: u64,
    threads: usize,
    /// Whether leaves have the sums of slopes before they were made whole.
    exact: bool,
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
        numbers: &'a Numbers,
        levels: &'a Levels,
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
            slopes: Vec::new(),
            packed: vec![0; n_rows],
            scale: None,
            leaf_of: (0..n_rows).map(|_| AtomicU16::new(0)).collect(),
            dealt: Default::default(),
            scratch: Scratch::default(),
            seed,
            threads,
            exact: plan.learn.len() < quantize::MANY_ROWS,
            trees: Vec::new(),
            gains: Vec::new(),
            losses: Vec::new(),
            held_weight: data.weight_of(&plan.held_out),
        };
        let loss = data.loss_of(&plan.held_out, &member.margins);
        member.losses.push(loss);
        member
    }

    /// Adds a tree for the slopes that were put in.
    pub(super) fn add_tree(&mut self, settings: &Settings) {
        with_crew(self.threads, |crew| {
            let values = self.round(settings, crew);
            self.move_margins(&values, crew);
        });
    }

    /// Grows a tree, and gives the values of its leaves.
    fn round(&mut self, settings: &Settings, crew: &Crew<'_>) -> Vec<f64> {
        let mut rng = Rng::stream(self.seed, self.trees.len() as u64);
        let columns = draw_columns(&self.useful, settings.column_share, &mut rng);
        let (mut rows, mut others) = std::mem::take(&mut self.dealt);
        draw_rows(
            &self.plan.learn,
            settings.row_share,
            &mut rng,
            &mut rows,
            &mut others,
        );
        merge(&mut others, &self.plan.held_out);
        let scale = match self.scale {
            Some(scale) => scale,
            None => {
                let (draws, packed) = (self.draws(), &mut self.packed);
                quantize::packed(&self.slopes, &rows, draws, crew, packed)
            }
        };
        let rules = settings.rules.as_deref();
        let sample = Sample {
            bins: &self.bins,
            columns,
            rows,
            others,
            packed: &self.packed,
            slopes: self.exact.then_some(self.slopes.as_slice()),
            scale,
            weights: self.data.uneven_weights(),
            rules,
            crew,
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
        self.mark(&grown, crew);
        let leaves = grown.leaves.iter();
        let values = leaves.map(|leaf| grown.nodes[leaf.node_idx].value);
        let values = values.collect();
        self.trees.push(grown.nodes);
        self.gains.push(grown.gains);
        self.dealt = (grown.rows, grown.others);
        values
    }

    /// Seed of what is drawn to round the slopes of the next tree.
    fn draws(&self) -> u64 {
        let round = self.trees.len() as u64;
        self.seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Writes down the leaf of each row.
    fn mark(&self, grown: &Grown, crew: &Crew<'_>) {
        let mut chunks: Vec<(u16, &[u32])> = Vec::new();
        // At most 65,536 leaves.
        for (leaf, number) in grown.leaves.iter().zip(0..=u16::MAX) {
            let (rows, others) = (leaf.rows.clone(), leaf.others.clone());
            for rows in [&grown.rows[rows], &grown.others[others]] {
                chunks.extend(rows.chunks(BLOCK * 4).map(|rows| (number, rows)));
            }
        }
        let crew = crew.for_rows(self.margins.len());
        crew.map_mut(&mut chunks, |_, (number, rows)| {
            for row in rows.iter() {
                // Each row is in one leaf.
                self.leaf_of[*row as usize].store(*number, Ordering::Relaxed);
            }
        });
    }

    /// Moves the margins by the values of leaves.
    fn move_margins(&mut self, values: &[f64], crew: &Crew<'_>) {
        let leaf_of = self.leaf_of.chunks(BLOCK);
        let mut blocks: Vec<_> = leaf_of.zip(self.margins.chunks_mut(BLOCK)).collect();
        let crew = crew.for_rows(self.leaf_of.len());
        crew.map_mut(&mut blocks, |_, (leaf_of, margins)| {
            add(values, leaf_of, margins);
        });
    }

    /// Moves the margins, the slopes with them, and packs these where that can be done at once.
    fn step(&mut self, values: &[f64], crew: &Crew<'_>) {
        let most = self.data.most();
        self.scale = most.map(|most| Scale::new(self.plan.learn.len(), &most, self.draws()));
        if self.exact || self.scale.is_none() {
            self.slopes.resize(self.margins.len(), [0.0; 2]);
        }
        let (data, scale) = (self.data, &self.scale);
        let n_blocks = self.margins.len().div_ceil(BLOCK);
        let mut slopes: Vec<&mut [[f64; 2]]> = self.slopes.chunks_mut(BLOCK).collect();
        slopes.resize_with(n_blocks, Default::default);
        let leaf_of = self.leaf_of.chunks(BLOCK);
        let margins = self.margins.chunks_mut(BLOCK);
        let packed = self.packed.chunks_mut(BLOCK);
        let mut blocks: Vec<_> = leaf_of.zip(margins).zip(packed.zip(slopes)).collect();
        let own_crew = crew.for_rows(self.leaf_of.len());
        own_crew.map_mut(&mut blocks, |index, block| {
            let ((leaf_of, margins), (packed, slopes)) = block;
            let first = index * BLOCK;
            let mut own = [[0.0; 2]; BLOCK];
            let slopes = if slopes.is_empty() {
                &mut own[..margins.len()]
            } else {
                slopes
            };
            add(values, leaf_of, margins);
            wide(|| {
                data.slopes(first, margins, slopes);
                if let Some(scale) = scale {
                    scale.pack(first, slopes, packed);
                }
            });
        });
        data.group_slopes(&self.margins, self.threads, &mut self.slopes);
    }

    /// Inside margins of the held-out rows after some rounds.
    pub(super) fn held_margins(&self, rounds: usize) -> impl Iterator<Item = (u32, f64)> {
        // The margins are there after all rounds: what came later is taken away again.
        let later = &self.trees[rounds.min(self.trees.len())..];
        self.plan.held_out.iter().map(move |row| {
            let values = later.iter().rev();
            let values = values.map(|tree| value(tree, &self.bins, *row as usize));
            let margin = values.fold(self.margins[*row as usize], |margin, own| margin - own);
            (*row, margin)
        })
    }
}

impl Grows for Member<'_> {
    fn boost(&mut self, rounds: usize, settings: &Settings) {
        with_crew(self.threads, |crew| {
            if self.trees.is_empty() {
                self.step(&[0.0], crew);
            }
            for _ in 0..rounds {
                let values = self.round(settings, crew);
                self.step(&values, crew);
                let loss = self.data.loss_of(&self.plan.held_out, &self.margins);
                self.losses.push(loss);
            }
        });
    }

    fn losses(&self) -> (&[f64], f64) {
        (&self.losses, self.held_weight)
    }
}

/// Adds to each margin the value of its leaf.
fn add(values: &[f64], leaf_of: &[AtomicU16], margins: &mut [f64]) {
    for (margin, leaf) in margins.iter_mut().zip(leaf_of) {
        *margin += values[usize::from(leaf.load(Ordering::Relaxed))];
    }
}

fn value(tree: &[Node], bins: &Bins<'_>, row: usize) -> f64 {
    tree[grow::leaf(tree, |column| bins.columns[column as usize][row])].value
}

/// Puts two rising lists together.
fn merge(all: &mut Vec<u32>, more: &[u32]) {
    let (mut at, mut other) = (all.len(), more.len());
    all.resize(at + other, 0);
    // From the back, where there is room.
    while other > 0 {
        let to = at + other - 1;
        if at > 0 && all[at - 1] > more[other - 1] {
            at -= 1;
            all[to] = all[at];
        } else {
            other -= 1;
            all[to] = more[other];
        }
    }
}

/// The rows drawn and the others, both rising.
fn draw_rows(learn: &[u32], share: f64, rng: &mut Rng, rows: &mut Vec<u32>, others: &mut Vec<u32>) {
    rows.clear();
    others.clear();
    if share >= 1.0 {
        rows.extend_from_slice(learn);
        return;
    }
    for row in learn {
        if rng.chance(share) {
            rows.push(*row);
        } else {
            others.push(*row);
        }
    }
    // Of a handful of rows none may have been drawn.
    if rows.is_empty() {
        std::mem::swap(rows, others);
    }
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
