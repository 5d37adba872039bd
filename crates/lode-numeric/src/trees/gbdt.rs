//! Gradient boosting of trees, with the number of rounds found by held-out rows.
//!
//! Does not tune and does not calibrate. Invariant: whatever is chosen is chosen by rows that
//! the trees in question did not learn from.

mod blend;
mod member;
mod params;
mod plan;

use super::Forest;
use super::Table;
use super::bins::Levels;
use super::bins::Numbers;
use super::objective::Targets;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::parallel;
use member::Member;
use plan::Plan;

pub use params::GbdtParams;
use params::Shapes;

/// What [`fit`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct GbdtFit {
    /// The model.
    pub model: Forest,
    /// What was learned for each shape of tree that was tried.
    pub shapes: Vec<ShapeFit>,
    /// Margin of each row by the members that did not learn from it, blended as in the model;
    /// none for a single member. Rows of weight 0 have the model's margin.
    pub held_out: Option<Vec<f64>>,
    /// Total gain of the splits of each column.
    pub gains: Vec<f64>,
}

/// How trees of one shape did.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeFit {
    /// Cuts between root and leaf, at most.
    pub max_depth: usize,
    /// Members of this shape.
    pub members: usize,
    /// Trees a member that were kept.
    pub rounds: usize,
    /// Mean held-out loss after 0, 1, 2 .. rounds, on the inside scale of the targets; empty
    /// for a single member.
    pub losses: Vec<f64>,
    /// Share of this shape in the model, 0 to 1.
    pub share: f64,
}

/// Rounds between two looks at the held-out loss.
const BLOCK: usize = 10;

/// Rounds of a single member where there are too few rows to hold some out.
const BLIND_ROUNDS: usize = 30;

/// Learns a sum of boosted trees.
///
/// Use it to predict; where the model itself must be read take [`super::tree`]. The defaults
/// are meant to be left alone on customers' data of hundreds to hundreds of thousands of rows.
///
/// # Input
/// `table`: number and category columns of shape `(n_rows)`, missing values legal, infinities
/// the lowest and highest numbers; columns that never change are never used. `targets`: one a
/// row, of the objective's range. `weights`: 0 or more; only their proportions matter; a row
/// of weight 0 is as if absent.
///
/// # Output
/// [`GbdtFit`].
///
/// # Parameters
/// [`GbdtParams`].
///
/// # Method
/// Margins start at the best constant. Each round draws rows and columns and grows a tree,
/// best leaf first, on slopes g and curvatures h of the loss: a leaf has the value
/// `-S(sum g) / (sum h + l2)`, a split the gain
/// `(S(g_l)^2 / (h_l + l2) + S(g_r)^2 / (h_r + l2) - S(g)^2 / (h + l2)) / 2`, with S shrinking
/// by l1; values are scaled by the learning rate. Missing values go to the side of more gain.
/// Numbers are cut into at most `max_bins` bins of like size, levels are ordered by their
/// smoothed mean target (small levels without the row's own part of the rows).
///
/// With `members` above 1 the rows are dealt (stratified) to that many parts; each member
/// learns without its part, and its loss there, summed over members, chooses the rounds. The
/// model is the mean of the members, not one more fit: it needs no guess at how many rounds
/// all rows would take, and averaging is the strongest cure of the noise in trees. With
/// `max_depth` 0 this is done for shallow and for deep trees, and the two are blended by the
/// share, in tenths, of the least held-out loss.
///
/// # Determinism and cost
/// Draws come from the seed, by member and round; bits do not depend on threads. Time
/// O(members rounds rows columns depth) in bytes read, memory O(rows (columns + members)).
/// 41,188 rows of 19 columns take a few seconds on two threads.
///
/// # Errors
/// [`Error::Length`], [`Error::NotFinite`], [`Error::OutOfRange`] for the arguments;
/// [`Error::TooFewRows`] below 2 rows of weight; [`Error::OneClass`] when all labels agree;
/// [`Error::Cancelled`].
///
/// # Source
/// J. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of
/// Statistics 29(5), 2001, doi:10.1214/aos/1013203451, and "Stochastic Gradient Boosting",
/// 2002, doi:10.1016/S0167-9473(01)00065-2; T. Chen, C. Guestrin, "XGBoost", KDD 2016,
/// doi:10.1145/2939672.2939785, equations 5 to 7 and algorithm 3 (missing values); G. Ke et
/// al., "LightGBM", NeurIPS 2017 (bins, best leaf first). Deviations: the mean of
/// cross-validation members as the model, and the order of levels by means of other rows.
///
/// # Example
/// ```
/// use lode_numeric::trees::{Column, Table};
/// use lode_numeric::trees::gbdt::{self, GbdtParams};
/// let months: Vec<f64> = (0..200).map(|i| f64::from(i % 50)).collect();
/// let left: Vec<f64> = months.iter().map(|m| if *m < 12.0 { 1.0 } else { 0.0 }).collect();
/// let table = Table::new(200, vec![Column::Number(&months)])?;
/// let fit = gbdt::fit(&table, &left, None, &GbdtParams::default(), &lode_numeric::go_on)?;
/// let p = fit.model.means(&table, 1)?;
/// assert!(p[0] > 0.8 && p[49] < 0.1);
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn fit(
    table: &Table<'_>,
    targets: &[f64],
    weights: Option<&[f64]>,
    params: &GbdtParams,
    progress: Progress<'_>,
) -> Result<GbdtFit> {
    params.check()?;
    let data = Targets::new(table.n_rows(), params.objective, targets, weights)?;
    let numbers = Numbers::new(table, &data.rows, params.max_bins, params.threads);
    let mut plans = plan::plans(table, &data, params);
    let levels: Vec<_> = parallel::map_mut(&mut plans, params.threads, |_, plan| {
        Levels::new(table, &data, &plan.learn, &params.level_rules(plan.index))
    });
    let crossed = plans.len() > 1;
    let shapes = Shapes::of(params, data.rows.len(), crossed);
    let sources = Sources {
        table,
        data: &data,
        numbers: &numbers,
        plans: &plans,
        levels: &levels,
    };
    let mut groups = Vec::with_capacity(shapes.all.len());
    for index in 0..shapes.all.len() {
        let share = 1.0 / shapes.all.len() as f64;
        let told = |own: f64| progress(share * (index as f64 + own));
        groups.push(group(&sources, &shapes, index, params, &told)?);
    }
    Ok(blend::blended(&sources, &groups, &shapes, params.threads))
}

/// What all members learn from.
struct Sources<'a> {
    table: &'a Table<'a>,
    data: &'a Targets,
    numbers: &'a Numbers,
    plans: &'a [Plan],
    levels: &'a [Levels],
}

/// The members of one shape, grown as far as their held-out rows say.
struct Group<'a> {
    members: Vec<Member<'a>>,
    rounds: usize,
    losses: Vec<f64>,
}

fn group<'a>(
    sources: &Sources<'a>,
    shapes: &Shapes,
    index: usize,
    params: &GbdtParams,
    progress: Progress<'_>,
) -> Result<Group<'a>> {
    let inner = (params.threads / sources.plans.len()).max(1);
    let plans = sources.plans.iter().zip(sources.levels);
    let mut members: Vec<Member<'a>> = plans
        .map(|(plan, levels)| {
            let seed = params.seed ^ (plan.index << 40) ^ ((index as u64) << 32);
            Member::new(sources.data, plan, sources.numbers, levels, seed, inner)
        })
        .collect();
    let crossed = members.len() > 1;
    let mut max_rounds = params.max_rounds;
    if !crossed && params.members > 1 {
        max_rounds = max_rounds.min(BLIND_ROUNDS);
    }
    let settings = params.settings(&shapes.all[index]);
    let mut losses = Vec::new();
    let mut rounds = max_rounds;
    let mut grown = 0;
    while grown < max_rounds {
        if !progress(grown as f64 / max_rounds as f64) {
            return Err(Error::Cancelled);
        }
        let more = BLOCK.min(max_rounds - grown);
        parallel::map_mut(&mut members, params.threads, |_, member| {
            member.boost(more, &settings);
        });
        grown += more;
        if crossed {
            losses = mean_losses(&members);
            rounds = lowest(&losses);
            if grown - rounds >= params.patience {
                break;
            }
        }
    }
    Ok(Group {
        members,
        rounds,
        losses,
    })
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

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
