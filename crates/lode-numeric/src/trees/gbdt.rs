//! Gradient boosting of trees, with the number of rounds found by held-out rows.
//!
//! Does not tune and does not calibrate. Invariant: whatever is chosen is chosen by rows that
//! the trees in question did not learn from.

mod blend;
pub mod classes;
mod member;
mod params;
mod plan;
mod rounds;
mod warm;

use std::sync::Arc;

use super::Forest;
use super::Table;
use super::bins::Levels;
use super::bins::Numbers;
use super::constraints::Rules;
use super::objective::Targets;
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
/// [`crate::Error::Length`], [`crate::Error::NotFinite`], [`crate::Error::OutOfRange`] for the
/// arguments; [`crate::Error::TooFewRows`] below 2 rows of weight; [`crate::Error::OneClass`] when
/// all labels agree; [`crate::Error::Cancelled`].
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
    learned(table, &data.grouped(table)?, None, params, progress)
}

/// Learns more trees behind those of `base`, whose margins they start from.
///
/// Use it when a model is to follow new rows without starting over. As [`fit`], and: `table`
/// has the columns of `base`, of the same kinds, levels and meaning, and `params.objective` is
/// that of `base`. The model is `base` with the new trees behind its own; the number of rounds
/// is chosen by held-out rows as ever, 0 where the new rows teach nothing. Where `base` has
/// seen those rows they look better than they are, and fewer trees are added. Constraints
/// bind the new trees alone.
///
/// # Errors
/// As [`fit`]; [`crate::Error::Length`] and [`crate::Error::Columns`] for other columns,
/// [`crate::Error::Objective`] for another objective than that of `base`.
pub fn fit_from(
    base: &Forest,
    table: &Table<'_>,
    targets: &[f64],
    weights: Option<&[f64]>,
    params: &GbdtParams,
    progress: Progress<'_>,
) -> Result<GbdtFit> {
    params.check()?;
    warm::check(base, table)?;
    let data = Targets::new(table.n_rows(), params.objective, targets, weights)?;
    let data = data.grouped(table)?.going_on(table, base, params.threads)?;
    learned(table, &data, Some(base), params, progress)
}

fn learned(
    table: &Table<'_>,
    data: &Targets,
    base: Option<&Forest>,
    params: &GbdtParams,
    progress: Progress<'_>,
) -> Result<GbdtFit> {
    let rules = params.constraints.rules(table)?.map(Arc::new);
    let numbers = Numbers::new(table, &data.rows, params.max_bins, params.threads);
    let mut plans = plan::plans(table, data, params);
    let levels: Vec<_> = parallel::map_mut(&mut plans, params.threads, |_, plan| {
        Levels::new(table, data, &plan.learn, &params.level_rules(plan.index))
    });
    let crossed = plans.len() > 1;
    let shapes = Shapes::of(params, data.rows.len(), crossed);
    let sources = Sources {
        table,
        data,
        base,
        rules,
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
    Ok(blend::blended(&sources, groups, &shapes, params.threads))
}

/// What all members learn from.
struct Sources<'a> {
    table: &'a Table<'a>,
    data: &'a Targets,
    /// The model that is gone on with.
    base: Option<&'a Forest>,
    rules: Option<Arc<Rules>>,
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
    let mut members = sources.members(index, 0, params);
    let settings = params.settings(&shapes.all[index], sources.rules.as_ref());
    let grown = rounds::grow(&mut members, &settings, params, progress)?;
    Ok(Group {
        members,
        rounds: grown.rounds,
        losses: grown.losses,
    })
}

impl<'a> Sources<'a> {
    /// Members of a shape, before the first round; `output` tells apart those of several
    /// outputs.
    fn members(&self, shape: usize, output: u64, params: &GbdtParams) -> Vec<Member<'a>> {
        let inner = (params.threads / self.plans.len()).max(1);
        let plans = self.plans.iter().zip(self.levels);
        plans
            .map(|(plan, levels)| {
                let seed =
                    params.seed ^ (plan.index << 40) ^ ((shape as u64) << 32) ^ (output << 48);
                Member::new(self.data, plan, self.numbers, levels, seed, inner)
            })
            .collect()
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
