//! Boosting for one answer of several: a sum of trees a class, grown together.
//!
//! Does not know what a class is called. Invariant: the probabilities of a row add up to 1, and
//! base + contributions of a class is its margin.

mod bytes;

use super::GbdtFit;
use super::GbdtParams;
use super::Group;
use super::ShapeFit;
use super::Shapes;
use super::Sources;
use super::blend;
use super::blend::HeldOut;
use super::blend::Output;
use super::member::Member;
use super::member::Settings;
use super::plan;
use super::rounds;
use super::rounds::Grows;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::parallel;
use crate::trees::Contributions;
use crate::trees::Forest;
use crate::trees::Interactions;
use crate::trees::Objective;
use crate::trees::Pair;
use crate::trees::Table;
use crate::trees::bins::Levels;
use crate::trees::bins::Numbers;
use crate::trees::objective::Targets;
use crate::trees::objective::softmax;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most classes.
pub const MAX_CLASSES: usize = 1000;

/// A model of several classes: a forest each.
///
/// Tables and errors as of [`Forest`]. Margins are logarithms of odds against an answer common
/// to all classes; only their differences mean anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Classes {
    forests: Vec<Forest>,
}

impl Classes {
    /// How many classes.
    pub fn n_classes(&self) -> usize {
        self.forests.len()
    }

    /// Columns it needs.
    pub fn n_cols(&self) -> usize {
        self.forests[0].n_cols()
    }

    /// Trees of all classes.
    pub fn n_trees(&self) -> usize {
        self.forests.iter().map(Forest::n_trees).sum()
    }

    /// Margin of one class before any column is known, which its contributions come on top of.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for no class of the model.
    pub fn base(&self, class: usize) -> Result<f64> {
        self.forest(class).map(Forest::base)
    }

    /// Whether a table with these numbers of levels (none: of numbers) is of its columns.
    pub fn fits(&self, levels: &[Option<u32>]) -> bool {
        self.forests[0].kinds == levels
    }

    /// Margins of shape `(n_rows, n_classes)`, row by row.
    ///
    /// # Errors
    /// As [`Forest::margins`].
    pub fn margins(&self, table: &Table<'_>, threads: usize) -> Result<Vec<f64>> {
        let n_classes = self.n_classes();
        let mut all = vec![0.0; table.n_rows() * n_classes];
        for (class, forest) in self.forests.iter().enumerate() {
            let own = forest.margins(table, threads)?;
            for (row, margin) in own.into_iter().enumerate() {
                all[row * n_classes + class] = margin;
            }
        }
        Ok(all)
    }

    /// Probabilities of shape `(n_rows, n_classes)`, row by row: `exp(margin)` over the sum of
    /// those of the row.
    ///
    /// # Errors
    /// As [`Forest::margins`].
    pub fn probabilities(&self, table: &Table<'_>, threads: usize) -> Result<Vec<f64>> {
        let all = self.margins(table, threads)?;
        Ok(shares(&all, self.n_classes()))
    }

    /// What each column adds to the margin of one class.
    ///
    /// # Errors
    /// As [`Forest::contributions`]; [`Error::OutOfRange`] for no class of the model.
    pub fn contributions(
        &self,
        class: usize,
        table: &Table<'_>,
        threads: usize,
    ) -> Result<Contributions> {
        self.forest(class)?.contributions(table, threads)
    }

    /// How strongly columns act alone and in pairs on the margins of all classes: the sums of
    /// those of each.
    ///
    /// # Errors
    /// As [`Forest::interactions`].
    pub fn interactions(&self, table: &Table<'_>, threads: usize) -> Result<Interactions> {
        let mut own = vec![0.0; self.n_cols()];
        let mut pairs: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for forest in &self.forests {
            let found = forest.interactions(table, threads)?;
            for (sum, more) in own.iter_mut().zip(&found.own) {
                *sum += more;
            }
            for pair in &found.pairs {
                *pairs.entry((pair.first, pair.second)).or_default() += pair.strength;
            }
        }
        let mut pairs: Vec<Pair> = pairs
            .into_iter()
            .map(|((first, second), strength)| Pair {
                first,
                second,
                strength,
            })
            .collect();
        pairs.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        Ok(Interactions { own, pairs })
    }

    fn forest(&self, class: usize) -> Result<&Forest> {
        self.forests.get(class).ok_or(Error::OutOfRange {
            what: "class",
            expected: "below the number of classes",
            found: class as f64,
        })
    }
}

/// The probabilities that belong to margins of shape `(n_rows, n_classes)`, row by row.
pub fn shares(margins: &[f64], n_classes: usize) -> Vec<f64> {
    let mut all = margins.to_vec();
    let rows = all.chunks_mut(n_classes.max(1));
    rows.for_each(softmax::probabilities);
    all
}

/// What [`fit`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassesFit {
    /// The model.
    pub model: Classes,
    /// What was learned for each shape of tree that was tried; losses are mean `-log p`.
    pub shapes: Vec<ShapeFit>,
    /// Margins of shape `(n_rows, n_classes)` by the members that did not learn from the row;
    /// none for a single member.
    pub held_out: Option<Vec<f64>>,
    /// Total gain of the splits of each column, all classes together.
    pub gains: Vec<f64>,
}

/// Learns which of `n_classes` classes a row is of.
///
/// As [`super::fit`]: the same input, members, shapes and draws. Each round grows a tree for
/// each class on slopes `p - y` and curvatures `K / (K - 1) p (1 - p)` of the log loss of
/// all, p by the margins before the round; margins start at the logarithms of the classes'
/// shares. Levels of category columns are ordered for each class by its share in them. Rounds
/// and shares of shapes are chosen by the mean held-out `-log p`, for all classes together.
///
/// # Input
/// `classes`: a number below `n_classes` for each row. `params.objective` is not looked at.
///
/// # Errors
/// As [`super::fit`]; [`Error::OutOfRange`] for fewer than 2 or more than [`MAX_CLASSES`]
/// classes, a class of another number, and a trend of a column (the margin of one class says
/// nothing of its probability); [`Error::Entry`] for a class without rows of weight.
///
/// # Source
/// J. Friedman, "Greedy Function Approximation", 2001, section 4.6 (algorithm 6, with its
/// factor (K - 1) / K); second order as in LightGBM.
pub fn fit(
    table: &Table<'_>,
    (classes, n_classes): (&[u32], usize),
    weights: Option<&[f64]>,
    params: &GbdtParams,
    progress: Progress<'_>,
) -> Result<ClassesFit> {
    params.check()?;
    check(table, classes, n_classes)?;
    let rules = params.constraints.rules(table)?.map(Arc::new);
    if rules.as_ref().is_some_and(|rules| rules.has_trends()) {
        return Err(Error::OutOfRange {
            what: "trends with several classes",
            expected: "0 in number: a margin that rises says nothing of a probability",
            found: params.constraints.n_trends() as f64,
        });
    }
    let data = all_targets(table.n_rows(), classes, n_classes, weights)?;
    let rows = &data[0].rows;
    let numbers = Numbers::new(table, rows, params.max_bins, params.threads);
    let plans = plan::class_plans(table, rows, classes, params);
    let mut jobs: Vec<(&Targets, &plan::Plan)> = Vec::new();
    for own in &data {
        jobs.extend(plans.iter().map(|plan| (own, plan)));
    }
    let mut levels = parallel::map_mut(&mut jobs, params.threads, |_, (data, plan)| {
        Levels::new(table, data, &plan.learn, &params.level_rules(plan.index))
    })
    .into_iter();
    let levels: Vec<Vec<_>> = data
        .iter()
        .map(|_| levels.by_ref().take(plans.len()).collect())
        .collect();
    let sources: Vec<Sources<'_>> = data
        .iter()
        .zip(&levels)
        .map(|(data, levels)| Sources {
            table,
            data,
            base: None,
            rules: rules.clone(),
            numbers: &numbers,
            plans: &plans,
            levels,
        })
        .collect();
    let shapes = Shapes::of(params, rows.len(), plans.len() > 1);
    let mut groups: Vec<Vec<Group<'_>>> = (0..n_classes).map(|_| Vec::new()).collect();
    for index in 0..shapes.all.len() {
        let share = 1.0 / shapes.all.len() as f64;
        let told = |own: f64| progress(share * (index as f64 + own));
        let settings = params.settings(&shapes.all[index], rules.as_ref());
        let mut teams = teams(&sources, index, classes, params);
        let grown = rounds::grow(&mut teams, &settings, params, &told)?;
        for team in teams.iter_mut().rev() {
            team.members.reverse();
        }
        for groups in &mut groups {
            let members = teams.iter_mut().filter_map(|team| team.members.pop());
            groups.push(Group {
                members: members.collect(),
                rounds: grown.rounds,
                losses: grown.losses.clone(),
            });
        }
    }
    let outputs: Vec<Output<'_, '_>> = sources
        .iter()
        .zip(groups)
        .map(|(sources, groups)| Output::new(sources, groups))
        .collect();
    let loss = |margins: &[HeldOut]| {
        let loss = |row: &u32| {
            let own: Vec<f64> = margins.iter().map(|own| own[*row as usize]).collect();
            data[0].weight(*row as usize) * softmax::loss(&own, classes[*row as usize] as usize)
        };
        rows.iter().map(loss).sum()
    };
    let share = blend::share(&outputs, &loss);
    let fits = outputs
        .into_iter()
        .map(|output| output.finish(share, &shapes, params.threads));
    Ok(together(fits.collect(), table))
}

fn check(table: &Table<'_>, classes: &[u32], n_classes: usize) -> Result<()> {
    if !(2..=MAX_CLASSES).contains(&n_classes) {
        return Err(Error::OutOfRange {
            what: "classes",
            expected: "from 2 to 1000 in number",
            found: n_classes as f64,
        });
    }
    if classes.len() != table.n_rows() {
        return Err(Error::Length {
            what: "classes, one a row",
            expected: table.n_rows(),
            found: classes.len(),
        });
    }
    let other = classes.iter().find(|class| **class as usize >= n_classes);
    match other {
        None => Ok(()),
        Some(class) => Err(Error::OutOfRange {
            what: "class",
            expected: "below the number of classes",
            found: f64::from(*class),
        }),
    }
}

/// For each class, whether a row is of it, starting at the logarithm of its share.
fn all_targets(
    n_rows: usize,
    classes: &[u32],
    n_classes: usize,
    weights: Option<&[f64]>,
) -> Result<Vec<Targets>> {
    let mut counts = vec![0_usize; n_classes];
    let weight = |row: usize| weights.and_then(|all| all.get(row)).map_or(1.0, |w| *w);
    for (row, class) in classes.iter().enumerate() {
        counts[*class as usize] += usize::from(weight(row) > 0.0);
    }
    if let Some(index) = counts.iter().position(|count| *count == 0) {
        return Err(Error::Entry {
            what: "rows of weight of each class",
            expected: "at least 1",
            index,
            found: 0.0,
        });
    }
    let of = |class: usize| {
        let own = classes
            .iter()
            .map(|own| f64::from(u8::from(*own as usize == class)));
        let own: Vec<f64> = own.collect();
        let mut data = Targets::new(n_rows, Objective::Logistic, &own, weights)?;
        // The start is the logarithm of odds: that of the share is -log(1 + exp(-start)).
        data.start = -(-data.start).exp().ln_1p();
        Ok(data)
    };
    (0..n_classes).map(of).collect()
}

/// The members of a plan, one a class, that share their probabilities.
struct Team<'a> {
    members: Vec<Member<'a>>,
    classes: &'a [u32],
    losses: Vec<f64>,
}

fn teams<'a>(
    sources: &[Sources<'a>],
    shape: usize,
    classes: &'a [u32],
    params: &GbdtParams,
) -> Vec<Team<'a>> {
    let mut teams: Vec<Team<'a>> = Vec::new();
    for (own, class) in sources.iter().zip(0..) {
        for (at, member) in own.members(shape, class, params).into_iter().enumerate() {
            if class == 0 {
                teams.push(Team {
                    members: Vec::with_capacity(sources.len()),
                    classes,
                    losses: Vec::new(),
                });
            }
            teams[at].members.push(member);
        }
    }
    teams.iter_mut().for_each(Team::judge);
    teams
}

impl Team<'_> {
    fn judge(&mut self) {
        let first = &self.members[0];
        let mut loss = 0.0;
        let mut margins = vec![0.0; self.members.len()];
        for row in &first.plan.held_out {
            let row = *row as usize;
            for (margin, member) in margins.iter_mut().zip(&self.members) {
                *margin = member.margins[row];
            }
            let class = self.classes[row] as usize;
            loss += first.data.weight(row) * softmax::loss(&margins, class);
        }
        self.losses.push(loss);
    }

    fn slopes(&mut self) {
        let n_classes = self.members.len();
        let (plan, data) = (self.members[0].plan, self.members[0].data);
        for member in &mut self.members {
            member.slopes.resize(member.margins.len(), [0.0; 2]);
        }
        let mut shares = vec![0.0; n_classes];
        for row in plan.learn.iter() {
            let row = *row as usize;
            for (share, member) in shares.iter_mut().zip(&self.members) {
                *share = member.margins[row];
            }
            softmax::probabilities(&mut shares);
            let weight = data.weight(row);
            for ((p, member), class) in shares.iter().zip(&mut self.members).zip(0_u32..) {
                let y = f64::from(u8::from(self.classes[row] == class));
                let [slope, curve] = softmax::slope(*p, y, n_classes);
                member.slopes[row] = [slope * weight, curve * weight];
            }
        }
    }
}

impl Grows for Team<'_> {
    fn boost(&mut self, rounds: usize, settings: &Settings) {
        for _ in 0..rounds {
            self.slopes();
            for member in &mut self.members {
                member.add_tree(settings);
            }
            self.judge();
        }
    }

    fn losses(&self) -> (&[f64], f64) {
        (&self.losses, self.members[0].losses().1)
    }
}

/// The fits of all classes as one.
fn together(fits: Vec<GbdtFit>, table: &Table<'_>) -> ClassesFit {
    let n_classes = fits.len();
    let mut gains = vec![0.0; table.n_cols()];
    let mut held_out = vec![0.0; table.n_rows() * n_classes];
    let crossed = fits.iter().all(|fit| fit.held_out.is_some());
    for (class, fit) in fits.iter().enumerate() {
        for (sum, own) in gains.iter_mut().zip(&fit.gains) {
            *sum += own;
        }
        for (row, margin) in fit.held_out.iter().flatten().enumerate() {
            held_out[row * n_classes + class] = *margin;
        }
    }
    ClassesFit {
        shapes: fits[0].shapes.clone(),
        model: Classes {
            forests: fits.into_iter().map(|fit| fit.model).collect(),
        },
        held_out: crossed.then_some(held_out),
        gains,
    }
}

#[cfg(test)]
mod tests;
