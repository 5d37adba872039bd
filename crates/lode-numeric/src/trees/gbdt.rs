//! Gradient boosting of trees, with the number of rounds found by held-out rows.
//!
//! Does not tune and does not calibrate. Invariant: whatever is chosen is chosen by rows that
//! the trees in question did not learn from.

mod member;

use super::Column;
use super::Forest;
use super::Objective;
use super::Table;
use super::bins;
use super::bins::Binning;
use super::bins::Derived;
use super::forest;
use super::objective::Targets;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::Rng;
use crate::folds;
use crate::parallel;
use member::Member;
use member::Settings;

/// Parameters of [`fit`].
#[derive(Clone, Debug, PartialEq)]
pub struct GbdtParams {
    /// Kind of target.
    pub objective: Objective,
    /// Share of each tree's step that is taken, above 0 and at most 1.
    pub learning_rate: f64,
    /// Trees a member, at most (1 to 100,000).
    pub max_rounds: usize,
    /// Models of an inner cross-validation; 1 for a single model of `max_rounds` trees.
    pub members: usize,
    /// Inner cross-validations, each with another cut; 0: by the number of rows.
    pub repeats: usize,
    /// Rounds without a better held-out loss before growing stops.
    pub patience: usize,
    /// Cuts between root and leaf, at most (1 to 64).
    pub max_depth: usize,
    /// Leaves a tree, at most (2 to 65,536).
    pub max_leaves: usize,
    /// Rows in a leaf, at least.
    pub min_rows: usize,
    /// Sum of curvatures in a leaf, at least.
    pub min_child_weight: f64,
    /// Penalty on the magnitude of a leaf's value.
    pub l1: f64,
    /// Penalty on the square of a leaf's value.
    pub l2: f64,
    /// Gain that a split must pass.
    pub min_gain: f64,
    /// Rows of the parent's value that are mixed into a leaf's.
    pub leaf_smoothing: f64,
    /// Share of rows drawn for a tree, above 0 and at most 1.
    pub row_share: f64,
    /// Share of columns drawn for a tree, above 0 and at most 1.
    pub column_share: f64,
    /// Bins of a number column (2 to 255).
    pub max_bins: usize,
    /// Rows of the overall mean that are mixed into a level's statistic.
    pub category_smoothing: f64,
    /// Rows from which a level's own rows are trusted to place it among levels.
    pub category_rows: f64,
    /// Seed of all draws.
    pub seed: u64,
    /// Threads; the result does not depend on them.
    pub threads: usize,
}

impl Default for GbdtParams {
    fn default() -> Self {
        Self {
            objective: Objective::Logistic,
            learning_rate: 0.05,
            max_rounds: 2000,
            members: 5,
            repeats: 0,
            patience: 50,
            max_depth: 4,
            max_leaves: 16,
            min_rows: 20,
            min_child_weight: 1.0,
            l1: 0.0,
            l2: 5.0,
            min_gain: 0.0,
            leaf_smoothing: 0.0,
            row_share: 0.7,
            column_share: 0.5,
            max_bins: 255,
            category_smoothing: 10.0,
            category_rows: 100.0,
            seed: 1,
            threads: 1,
        }
    }
}

/// What [`fit`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct GbdtFit {
    /// The model.
    pub model: Forest,
    /// Trees a member that were kept.
    pub rounds: usize,
    /// Mean held-out loss after 0, 1, 2 .. rounds; empty for a single member.
    pub losses: Vec<f64>,
    /// Margin of each row by the members that did not learn from it; none for a single member.
    pub held_out: Option<Vec<f64>>,
    /// Total gain of the splits of each column.
    pub gains: Vec<f64>,
}

/// Rounds between two looks at the held-out loss.
const BLOCK: usize = 10;

/// Learns.
///
/// # Errors
/// [`Error`].
pub fn fit(
    table: &Table<'_>,
    targets: &[f64],
    weights: Option<&[f64]>,
    params: &GbdtParams,
    progress: Progress<'_>,
) -> Result<GbdtFit> {
    let data = Targets::new(table.n_rows(), params.objective, targets, weights)?;
    let numbers = bins::number_bins(table, &data.rows, params.max_bins, params.threads);
    let plans = plan(table.n_rows(), &data, params);
    let settings = Settings::new(params);
    let mut levels = plans.clone();
    let levels: Vec<_> = parallel::map_mut(&mut levels, params.threads, |_, plan| {
        member::levels(table, &data, plan, &settings)
    });
    let inner = (params.threads / plans.len()).max(1);
    let mut members: Vec<Member<'_>> = plans
        .iter()
        .zip(&levels)
        .map(|(plan, levels)| Member::new(&data, plan, &numbers, levels, inner))
        .collect();
    let cross = plans.len() > 1;
    let mut losses: Vec<f64> = Vec::new();
    let mut rounds = params.max_rounds;
    let mut grown = 0;
    while grown < params.max_rounds {
        if !progress(grown as f64 / params.max_rounds as f64) {
            return Err(Error::Cancelled);
        }
        let more = BLOCK.min(params.max_rounds - grown);
        parallel::map_mut(&mut members, params.threads, |_, member| {
            member.boost(more, &settings);
        });
        grown += more;
        if cross {
            losses = mean_losses(&members);
            rounds = lowest(&losses);
            if grown - rounds.min(grown) >= params.patience {
                break;
            }
        }
    }
    losses.truncate(grown + 1);
    Ok(assemble(
        table,
        &data,
        &numbers,
        &levels,
        &members,
        rounds,
        losses,
        params.threads,
    ))
}

/// Which rows a member learns from and which judge it.
#[derive(Clone, Debug)]
struct Plan {
    index: u64,
    learn: Vec<u32>,
    held_out: Vec<u32>,
}

fn plan(n_rows: usize, data: &Targets, params: &GbdtParams) -> Vec<Plan> {
    let n = data.rows.len();
    let repeats = match params.repeats {
        0 => (20_000 / n.max(1)).clamp(1, 4),
        repeats => repeats,
    };
    let mut plans = Vec::new();
    for repeat in 0..repeats as u64 {
        let mut rng = Rng::stream(params.seed, 0x0f01d ^ repeat);
        let Some((folds, k)) = fold_of(data, params.members, rng.next_u64()) else {
            break;
        };
        for fold in 0..k {
            let mut plan = Plan {
                index: plans.len() as u64,
                learn: Vec::new(),
                held_out: Vec::new(),
            };
            for (row, own) in data.rows.iter().zip(&folds) {
                let side = if *own == fold {
                    &mut plan.held_out
                } else {
                    &mut plan.learn
                };
                side.push(*row);
            }
            plans.push(plan);
        }
    }
    if plans.is_empty() {
        plans.push(Plan {
            index: 0,
            learn: data.rows.clone(),
            held_out: Vec::new(),
        });
    }
    debug_assert!(
        plans.iter().all(|plan| plan.learn.len() <= n_rows),
        "rows of the table"
    );
    plans
}

/// Folds of the rows in use; none when there are too few rows to hold some out.
fn fold_of(data: &Targets, members: usize, seed: u64) -> Option<(Vec<u32>, u32)> {
    let labels: Vec<bool> = match data.objective {
        Objective::Logistic => data
            .rows
            .iter()
            .map(|row| data.targets[*row as usize] > 0.5)
            .collect(),
        _ => Vec::new(),
    };
    if labels.is_empty() {
        let k = members.min(data.rows.len() / 2);
        if k < 2 {
            return None;
        }
        let mut order: Vec<u32> = (0..data.rows.len() as u32).collect();
        Rng::new(seed).shuffle(&mut order);
        let mut folds = vec![0; order.len()];
        for (index, row) in order.iter().enumerate() {
            folds[*row as usize] = (index % k) as u32;
        }
        return Some((folds, k as u32));
    }
    let n_yes = labels.iter().filter(|label| **label).count();
    let k = members.min(n_yes).min(labels.len() - n_yes);
    let folds = folds::stratified(&labels, k, seed).ok()?;
    Some((folds, k as u32))
}

fn mean_losses(members: &[Member<'_>]) -> Vec<f64> {
    let weight: f64 = members.iter().map(|member| member.held_weight).sum();
    let n = members.first().map_or(0, |member| member.losses.len());
    (0..n)
        .map(|round| {
            members
                .iter()
                .map(|member| member.losses[round])
                .sum::<f64>()
                / weight
        })
        .collect()
}

fn lowest(losses: &[f64]) -> usize {
    let mut best = 0;
    for (round, loss) in losses.iter().enumerate() {
        if *loss < losses[best] {
            best = round;
        }
    }
    best
}

#[expect(
    clippy::too_many_arguments,
    reason = "one place puts the parts together"
)]
fn assemble(
    table: &Table<'_>,
    data: &Targets,
    numbers: &[Option<(Vec<f64>, Vec<u8>)>],
    levels: &[Vec<Option<member::LevelBins>>],
    members: &[Member<'_>],
    rounds: usize,
    losses: Vec<f64>,
    threads: usize,
) -> GbdtFit {
    let mut held_out = vec![0.0; table.n_rows()];
    let mut n_held = vec![0.0_f64; table.n_rows()];
    for member in members {
        for (row, margin) in member.held_margins(rounds) {
            held_out[row as usize] += margin;
            n_held[row as usize] += 1.0;
        }
    }
    let cross = n_held.iter().any(|n| *n > 0.0);
    let outside = |inside: f64| data.offset + data.scale * inside;
    for (margin, n) in held_out.iter_mut().zip(&n_held) {
        *margin = outside(*margin / n.max(1.0));
    }
    let mut derived: Vec<Derived> = Vec::new();
    let mut number_at = vec![0_u32; table.n_cols()];
    for (source, number) in numbers.iter().enumerate() {
        if let Some((cuts, _)) = number {
            number_at[source] = derived.len() as u32;
            derived.push(Derived {
                source: source as u32,
                binning: Binning::Number(cuts.clone()),
            });
        }
    }
    let share = data.scale / members.len() as f64;
    let mut trees = Vec::new();
    let mut gains = vec![0.0; table.n_cols()];
    for (member, levels) in members.iter().zip(levels) {
        let mut at = number_at.clone();
        for (source, own) in levels.iter().enumerate() {
            if let Some(own) = own {
                at[source] = derived.len() as u32;
                derived.push(Derived {
                    source: source as u32,
                    binning: Binning::Category(own.bins.clone()),
                });
            }
        }
        for tree in member.trees.iter().take(rounds) {
            let mut nodes = tree.clone();
            for node in &mut nodes {
                node.value *= share;
                if let Some(column) = at.get(node.column as usize) {
                    node.column = *column;
                }
            }
            trees.push(nodes);
        }
        for (total, gain) in gains.iter_mut().zip(&member.gains) {
            *total += gain;
        }
    }
    let mut model = Forest {
        objective: data.objective,
        kinds: forest::kinds(table),
        derived,
        trees,
        start: outside(data.start),
    };
    model.compact();
    if cross && n_held.contains(&0.0) {
        // Rows of weight 0 belong to no fold: no member learned from them.
        if let Ok(margins) = model.margins(table, threads) {
            for ((own, n), margin) in held_out.iter_mut().zip(&n_held).zip(margins) {
                if *n < 0.5 {
                    *own = margin;
                }
            }
        }
    }
    GbdtFit {
        model,
        rounds,
        losses,
        held_out: cross.then_some(held_out),
        gains,
    }
}

/// Number columns are binned once for all members.
fn is_category(column: &Column<'_>) -> bool {
    matches!(column, Column::Category { .. })
}
