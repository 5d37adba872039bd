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
use super::warm;

/// Held-out margins, inside, of each row of the table; NaN for a row that no fold has.
pub(super) type HeldOut = Vec<f64>;

/// The members of all shapes of one output, with what they say of the rows they held out.
pub(super) struct Output<'s, 'a> {
    sources: &'s Sources<'a>,
    groups: Vec<Group<'a>>,
    held: Vec<Option<HeldOut>>,
}

/// The model, and how it came about.
pub(super) fn blended(
    sources: &Sources<'_>,
    groups: Vec<Group<'_>>,
    shapes: &Shapes,
    threads: usize,
) -> GbdtFit {
    let output = Output::new(sources, groups);
    let data = sources.data;
    let loss = |margins: &[HeldOut]| data.loss_of(&data.rows, &margins[0]);
    let share = share(std::slice::from_ref(&output), &loss);
    output.finish(share, shapes, threads)
}

impl<'s, 'a> Output<'s, 'a> {
    pub(super) fn new(sources: &'s Sources<'a>, groups: Vec<Group<'a>>) -> Self {
        let held = groups.iter().map(|group| held_out(sources, group));
        Self {
            held: held.collect(),
            sources,
            groups,
        }
    }

    /// Held-out margins, inside, with this share of the first of two shapes.
    fn mixed(&self, share: f64) -> Option<HeldOut> {
        match &self.held[..] {
            [Some(first), Some(second)] => {
                let both = first.iter().zip(second);
                Some(both.map(|(a, b)| share * a + (1.0 - share) * b).collect())
            }
            [only, ..] => only.clone(),
            [] => None,
        }
    }

    /// The model that gives the first shape this share.
    pub(super) fn finish(self, share: f64, shapes: &Shapes, threads: usize) -> GbdtFit {
        let (sources, data) = (self.sources, self.sources.data);
        let shares = match self.groups.len() {
            2 => vec![share, 1.0 - share],
            n => vec![1.0; n],
        };
        let (mut model, gains) = assemble(sources, &self.groups, &shares);
        if let Some(base) = sources.base {
            model = warm::joined(base, model);
        }
        let outside = self.mixed(share).map(|inside| {
            let margins = inside.iter();
            let margins = margins.map(|margin| data.offset + data.scale * margin);
            let mut margins: Vec<f64> = margins.collect();
            fill_gaps(sources, &model, threads, &mut margins);
            margins
        });
        let fits = self.groups.iter().zip(&shapes.all).zip(&shares);
        GbdtFit {
            shapes: fits
                .map(|((group, shape), share)| ShapeFit {
                    max_depth: shape.max_depth,
                    members: group.members.len(),
                    rounds: group.rounds,
                    losses: group.losses.clone(),
                    share: *share,
                })
                .collect(),
            model,
            held_out: outside,
            gains,
        }
    }
}

fn held_out(sources: &Sources<'_>, group: &Group<'_>) -> Option<HeldOut> {
    if sources.plans.iter().all(|plan| plan.held_out.is_empty()) {
        return None;
    }
    let mut sums = vec![0.0; sources.data.targets.len()];
    let mut counts = vec![0.0; sums.len()];
    for member in &group.members {
        for (row, margin) in member.held_margins(group.rounds) {
            sums[row as usize] += margin;
            counts[row as usize] += 1.0;
        }
    }
    // 0 / 0 is NaN: a gap.
    Some(
        sums.iter()
            .zip(&counts)
            .map(|(sum, count)| sum / count)
            .collect(),
    )
}

/// The share of the first of two shapes, in tenths, of least held-out loss over all outputs;
/// the first that has it; 1 where there are not two. A single tenth is not given: it would
/// make the model twice as large for nothing.
pub(super) fn share(outputs: &[Output<'_, '_>], loss: &dyn Fn(&[HeldOut]) -> f64) -> f64 {
    let crossed = |output: &Output<'_, '_>| output.held.iter().flatten().count() == 2;
    if !outputs.iter().all(crossed) {
        return 1.0;
    }
    let mut best = (f64::INFINITY, 0);
    for tenths in [0, 2, 3, 4, 5, 6, 7, 8, 10] {
        let share = f64::from(tenths) / 10.0;
        let margins = outputs.iter().filter_map(|output| output.mixed(share));
        let loss = loss(&margins.collect::<Vec<_>>());
        if loss < best.0 {
            best = (loss, tenths);
        }
    }
    f64::from(best.1) / 10.0
}

fn assemble(sources: &Sources<'_>, groups: &[Group<'_>], shares: &[f64]) -> (Forest, Vec<f64>) {
    let data = sources.data;
    let n_cols = sources.table.n_cols();
    let mut derived: Vec<Derived> = Vec::new();
    // Where each member finds each column among the binnings.
    let mut numbers_at = vec![0; n_cols];
    for (source, number) in sources.numbers.columns.iter().enumerate() {
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
        for (source, own) in levels.columns.iter().enumerate() {
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
