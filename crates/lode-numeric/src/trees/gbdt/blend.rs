//! Puts the members of all shapes together into one model.
//!
//! Does not grow trees. Invariant: the shares of the shapes are chosen by held-out margins and
//! add up to 1.

use super::super::Forest;
use super::super::bins::Binning;
use super::super::bins::Derived;
use super::super::forest;
use super::super::grow::LEAF;
use super::GbdtFit;
use super::Group;
use super::ShapeFit;
use super::Shapes;
use super::Sources;

/// Held-out margins, inside, of each row of the table; NaN for a row that no fold has.
type HeldOut = Vec<f64>;

/// The model, and how it came about.
pub(super) fn blended(
    sources: &Sources<'_>,
    groups: &[Group<'_>],
    shapes: &Shapes,
    threads: usize,
) -> GbdtFit {
    let held: Vec<Option<HeldOut>> = groups
        .iter()
        .map(|group| held_out(sources, group))
        .collect();
    let (shares, inside) = match (&held[..], groups.len()) {
        ([Some(first), Some(second)], 2) => share(sources, first, second),
        ([first, ..], _) => (vec![1.0], first.clone()),
        ([], _) => (Vec::new(), None),
    };
    let (model, gains) = assemble(sources, groups, &shares);
    let outside = inside.map(|inside| {
        let data = sources.data;
        let margins = inside
            .iter()
            .map(|margin| data.offset + data.scale * margin);
        let mut margins: Vec<f64> = margins.collect();
        fill_gaps(sources, &model, threads, &mut margins);
        margins
    });
    let fits = groups.iter().zip(&shapes.all).zip(&shares);
    GbdtFit {
        model,
        shapes: fits
            .map(|((group, shape), share)| ShapeFit {
                max_depth: shape.max_depth,
                members: group.members.len(),
                rounds: group.rounds,
                losses: group.losses.clone(),
                share: *share,
            })
            .collect(),
        held_out: outside,
        gains,
    }
}

fn held_out(sources: &Sources<'_>, group: &Group<'_>) -> Option<HeldOut> {
    let mut sums = vec![0.0; sources.data.targets.len()];
    let mut counts = vec![0.0; sums.len()];
    for member in &group.members {
        for (row, margin) in member.held_margins(group.rounds) {
            sums[row as usize] += margin;
            counts[row as usize] += 1.0;
        }
    }
    if counts.iter().all(|count| *count < 0.5) {
        return None;
    }
    // 0 / 0 is NaN: a gap.
    Some(
        sums.iter()
            .zip(&counts)
            .map(|(sum, count)| sum / count)
            .collect(),
    )
}

/// The shares of two shapes, in tenths, of least held-out loss; the first share that has it.
/// A single tenth is not given: it would make the model twice as large for nothing.
fn share(sources: &Sources<'_>, first: &HeldOut, second: &HeldOut) -> (Vec<f64>, Option<HeldOut>) {
    let data = sources.data;
    let mix = |tenths: u32, row: usize| {
        let share = f64::from(tenths) / 10.0;
        share * first[row] + (1.0 - share) * second[row]
    };
    let mut best = (f64::INFINITY, 0);
    for tenths in [0, 2, 3, 4, 5, 6, 7, 8, 10] {
        let rows = data.rows.iter().map(|row| *row as usize);
        let loss: f64 = rows
            .map(|row| data.weights[row] * data.objective.loss(mix(tenths, row), data.targets[row]))
            .sum();
        if loss < best.0 {
            best = (loss, tenths);
        }
    }
    let share = f64::from(best.1) / 10.0;
    let mixed = (0..first.len()).map(|row| mix(best.1, row)).collect();
    (vec![share, 1.0 - share], Some(mixed))
}

fn assemble(sources: &Sources<'_>, groups: &[Group<'_>], shares: &[f64]) -> (Forest, Vec<f64>) {
    let data = sources.data;
    let n_cols = sources.table.n_cols();
    let mut derived: Vec<Derived> = Vec::new();
    // Where each member finds each column among the binnings.
    let mut numbers_at = vec![0; n_cols];
    for (source, number) in sources.numbers.iter().enumerate() {
        if let Some((cuts, bytes)) = number {
            numbers_at[source] = derived.len() as u32;
            derived.push(Derived {
                // At most 65,535 columns.
                source: source as u32,
                missing: data.rows.iter().any(|row| bytes[*row as usize] == 0),
                binning: Binning::Number(cuts.clone()),
            });
        }
    }
    let mut members_at = vec![numbers_at; sources.plans.len()];
    for (at, levels) in members_at.iter_mut().zip(sources.levels) {
        for (source, own) in levels.iter().enumerate() {
            if let Some(own) = own {
                at[source] = derived.len() as u32;
                derived.push(Derived {
                    source: source as u32,
                    missing: own.missing,
                    binning: Binning::Category(own.bins.clone()),
                });
            }
        }
    }
    let mut trees = Vec::new();
    let mut gains = vec![0.0; n_cols];
    for (group, share) in groups.iter().zip(shares).filter(|(_, share)| **share > 0.0) {
        let scale = data.scale * share / group.members.len() as f64;
        for (member, at) in group.members.iter().zip(&members_at) {
            for (tree, tree_gains) in member.trees.iter().zip(&member.gains).take(group.rounds) {
                let mut nodes = tree.clone();
                for (node, gain) in nodes.iter_mut().zip(tree_gains) {
                    if node.column == LEAF {
                        node.value *= scale;
                    } else {
                        gains[node.column as usize] += share * gain;
                        node.column = at[node.column as usize];
                    }
                }
                trees.push(nodes);
            }
        }
    }
    let mut model = Forest {
        objective: data.objective,
        kinds: forest::kinds(sources.table),
        derived,
        trees,
        start: data.offset + data.scale * data.start,
        compiled: Default::default(),
    };
    model.compact();
    (model, gains)
}

/// Rows of weight 0 are in no fold, and no member learned from them: they get the model's own.
fn fill_gaps(sources: &Sources<'_>, model: &Forest, threads: usize, margins: &mut [f64]) {
    if !margins.iter().any(|margin| margin.is_nan()) {
        return;
    }
    // The table is the one the model was made for.
    if let Ok(own) = model.margins(sources.table, threads) {
        for (margin, own) in margins.iter_mut().zip(own) {
            if margin.is_nan() {
                *margin = own;
            }
        }
    }
}
