//! The numbers of lists: each customer's, their means by group, intervals, and what is shown.
//!
//! Invariant: the same customers are measured for the algorithm, for popularity and for the order
//! that the user gives, so that differences are paired.

use lode_numeric::metrics;
use lode_numeric::metrics::Bootstrap;
use lode_numeric::metrics::Exposure;
use lode_numeric::metrics::Interval;
use lode_numeric::metrics::MeanRows;
use lode_numeric::metrics::RankedList;

use super::ask::List;
use super::names::NONE;
use super::plan::Plan;
use super::rank::Popularity;
use crate::Result;

/// Where lists are cut.
pub(super) const CUTS: [usize; 3] = [5, 10, 20];
/// Measures of each customer, in the order of their numbers; cut ones in that of [`CUTS`].
const CUT: [&str; 5] = ["ndcg", "hit_rate", "recall", "capped_recall", "precision"];
const WHOLE: [&str; 2] = ["map", "mrr"];
/// How many these are.
pub(super) const WIDTH: usize = CUT.len() * CUTS.len() + WHOLE.len();
/// The cut of what lists show.
pub(super) const SHOWN: usize = 10;
/// The most popular items, one in so many, are the head.
const HEAD: usize = 10;
/// Draws of the bootstrap, and customers of all draws together.
const DRAWS: usize = 400;
const DRAWN_ROWS: usize = 20_000_000;

/// The names of the measures of a customer.
pub(super) fn names() -> Vec<String> {
    let cut = CUT
        .iter()
        .flat_map(|name| CUTS.map(|k| format!("{name}_{k}")));
    cut.chain(WHOLE.map(str::to_owned)).collect()
}

/// The measures of one list, as [`names`] are.
pub(super) fn of_list(items: &[u32], relevant: &[u32], depth: usize) -> [f64; WIDTH] {
    let found = (1..)
        .zip(items)
        .filter(|(_, item)| relevant.binary_search(item).is_ok());
    let ranks: Vec<usize> = found.map(|(rank, _)| rank).collect();
    let list = RankedList {
        ranks: &ranks,
        n_relevant: relevant.len(),
    };
    let mut values = [0.0; WIDTH];
    let cut: [&dyn Fn(usize) -> f64; 5] = [
        &|k| list.ndcg(k),
        &|k| list.hit_rate(k),
        &|k| list.recall(k),
        &|k| list.capped_recall(k),
        &|k| list.precision(k),
    ];
    let cut = cut.into_iter().flat_map(|of| CUTS.map(of));
    let whole = [list.average_precision(depth), list.reciprocal_rank(depth)];
    for (value, found) in values.iter_mut().zip(cut.chain(whole)) {
        *value = found;
    }
    values
}

/// The lists of all customers asked, from whoever made them.
pub(super) struct Lists {
    /// By split, then by customer.
    pub(super) items: Vec<Vec<Vec<u32>>>,
}

/// Everything that was asked and answered.
pub(super) struct Answers {
    /// Of the algorithm.
    pub(super) own: Lists,
    /// Its probabilities, as its items stand; none when it gives none.
    pub(super) probabilities: Option<Vec<Vec<Vec<f64>>>>,
    pub(super) popularity: Lists,
    pub(super) order: Option<Lists>,
    /// Of each split.
    pub(super) known: Vec<Popularity>,
    /// Places of items that the algorithm should have left out.
    pub(super) n_owned: usize,
}

impl Answers {
    pub(super) fn new(with_order: bool) -> Self {
        let none = || Lists { items: Vec::new() };
        Self {
            own: none(),
            probabilities: Some(Vec::new()),
            popularity: none(),
            order: with_order.then(none),
            known: Vec::new(),
            n_owned: 0,
        }
    }

    /// Adds the answers of a split.
    pub(super) fn push(&mut self, lists: Vec<List>) {
        let filled = |list: &List| list.probabilities.len() == list.items.len();
        match &mut self.probabilities {
            Some(all) if lists.iter().all(filled) => {
                all.push(
                    lists
                        .iter()
                        .map(|list| list.probabilities.clone())
                        .collect(),
                );
            }
            none => *none = None,
        }
        self.n_owned += lists.iter().map(|list| list.n_owned).sum::<usize>();
        let items = lists.into_iter().map(|list| list.items);
        self.own.items.push(items.collect());
    }
}

/// A measure of a group of customers.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) interval: Option<Interval>,
    pub(super) popularity: Option<f64>,
    /// How far the value is above that of popularity.
    pub(super) over_popularity: Option<(f64, Option<Interval>)>,
    pub(super) order: Option<f64>,
    pub(super) over_order: Option<(f64, Option<Interval>)>,
}

impl Measure {
    fn plain(name: impl Into<String>, value: f64) -> Self {
        Self {
            name: name.into(),
            value,
            interval: None,
            popularity: None,
            over_popularity: None,
            order: None,
            over_order: None,
        }
    }
}

/// Customers that are measured together.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) n_customers: usize,
    pub(super) measures: Vec<Measure>,
}

/// The rows of all customers asked, in the order of splits.
pub(super) struct Measured {
    /// Of the algorithm, popularity, the difference, the order, the difference.
    pub(super) rows: MeanRows,
    pub(super) groups: Vec<Group>,
}

/// Measures all groups: all customers, each window, new and old ones.
pub(super) fn measured(
    plan: &Plan,
    answers: &Answers,
    (depth, seed, threads): (usize, u64, usize),
    check: &dyn Fn() -> Result<()>,
) -> Result<Measured> {
    let mut rows = MeanRows::new(5 * WIDTH);
    let mut customers = Vec::new();
    let mut is_new = Vec::new();
    let mut split_of = Vec::new();
    for (at, split) in plan.splits.iter().enumerate() {
        for (n, asked) in split.asked.iter().enumerate() {
            let of = |lists: &Lists| of_list(&lists.items[at][n], &asked.relevant, depth);
            let own = of(&answers.own);
            let popularity = of(&answers.popularity);
            let order = answers.order.as_ref().map(of).unwrap_or([0.0; WIDTH]);
            let less = |a: [f64; WIDTH], b: [f64; WIDTH]| (0..WIDTH).map(move |i| a[i] - b[i]);
            let row = own
                .into_iter()
                .chain(popularity)
                .chain(less(own, popularity));
            rows.push(row.chain(order).chain(less(own, order)));
            customers.push(asked.customer);
            is_new.push(asked.owned.is_empty());
            split_of.push(at);
        }
    }
    let all: Vec<usize> = (0..rows.n_rows()).collect();
    let some = |of: &dyn Fn(usize) -> bool| -> Vec<usize> {
        all.iter().copied().filter(|row| of(*row)).collect()
    };
    let mut wanted = vec![("all".to_owned(), all.clone())];
    if plan.splits.len() > 1 {
        for (at, split) in plan.splits.iter().enumerate() {
            wanted.push((split.name.clone(), some(&|row| split_of[row] == at)));
        }
    }
    if is_new.contains(&true) {
        wanted.push(("new".to_owned(), some(&|row| is_new[row])));
        wanted.push(("old".to_owned(), some(&|row| !is_new[row])));
    }
    wanted.retain(|(_, rows)| !rows.is_empty());
    let mut groups = Vec::new();
    for (name, group) in wanted {
        check()?;
        let clusters = clusters(group.iter().map(|row| customers[*row]));
        let bootstrap = Bootstrap {
            replicates: (DRAWN_ROWS / group.len()).clamp(100, DRAWS),
            seed,
            threads,
            clusters: Some(&clusters),
        };
        let has_order = answers.order.is_some();
        let mut measures = means(&rows, &group, &bootstrap, has_order);
        measures.extend(shown(plan, answers, &group, &split_of));
        measures.extend(chances(plan, answers, &group, &split_of));
        groups.push(Group {
            name,
            n_customers: group.len(),
            measures,
        });
    }
    Ok(Measured { rows, groups })
}

/// Numbers from 0 on for the customers of rows.
fn clusters(customers: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut numbers = std::collections::HashMap::new();
    customers
        .map(|customer| {
            let next = numbers.len() as u32;
            *numbers.entry(customer).or_insert(next)
        })
        .collect()
}

fn means(
    rows: &MeanRows,
    group: &[usize],
    bootstrap: &Bootstrap<'_>,
    has_order: bool,
) -> Vec<Measure> {
    let Some(values) = rows.means(group) else {
        return Vec::new();
    };
    let intervals = rows.intervals(group, bootstrap);
    let both = |at: usize| (values[at], intervals.get(at).copied().flatten());
    names()
        .into_iter()
        .enumerate()
        .map(|(at, name)| Measure {
            name,
            value: values[at],
            interval: both(at).1,
            popularity: Some(values[WIDTH + at]),
            over_popularity: Some(both(2 * WIDTH + at)),
            order: has_order.then(|| values[3 * WIDTH + at]),
            over_order: has_order.then(|| both(4 * WIDTH + at)),
        })
        .collect()
}

/// What the lists show, of the catalogue that the fits could know.
fn shown(plan: &Plan, answers: &Answers, group: &[usize], split_of: &[usize]) -> Vec<Measure> {
    // The last fit knows most; its counts stand for all.
    let Some(known) = answers.known.last() else {
        return Vec::new();
    };
    let mut place = vec![usize::MAX; known.holders.len()];
    let mut holders = Vec::new();
    for (at, item) in known.order.iter().enumerate() {
        place[*item as usize] = at;
        holders.push(known.holders[*item as usize]);
    }
    let starts: Vec<usize> = starts(plan);
    let n_head = known.order.len().div_ceil(HEAD);
    let of = |lists: &Lists| -> [f64; 4] {
        let mut exposure = Exposure::new(holders.len());
        for row in group {
            let split = split_of[*row];
            let list = &lists.items[split][*row - starts[split]];
            for item in list.iter().take(SHOWN) {
                let at = place.get(*item as usize).copied().unwrap_or(usize::MAX);
                exposure.add(at);
            }
        }
        [
            exposure.coverage(),
            exposure.gini(),
            exposure.novelty(&holders, known.n_customers),
            exposure.share_of(0..n_head),
        ]
    };
    let (own, popularity) = (of(&answers.own), of(&answers.popularity));
    let order = answers.order.as_ref().map(of);
    let names = ["coverage", "gini", "novelty", "head_share"];
    (0..names.len())
        .map(|at| Measure {
            popularity: Some(popularity[at]),
            order: order.map(|order| order[at]),
            ..Measure::plain(format!("{}_{SHOWN}", names[at]), own[at])
        })
        .collect()
}

/// How good the probabilities of what was listed are, where there are any.
fn chances(plan: &Plan, answers: &Answers, group: &[usize], split_of: &[usize]) -> Vec<Measure> {
    let Some(all) = &answers.probabilities else {
        return Vec::new();
    };
    let starts = starts(plan);
    let (mut chances, mut labels) = (Vec::new(), Vec::new());
    for row in group {
        let split = split_of[*row];
        let at = *row - starts[split];
        let relevant = &plan.splits[split].asked[at].relevant;
        for (item, chance) in answers.own.items[split][at].iter().zip(&all[split][at]) {
            chances.push(*chance);
            labels.push(*item != NONE && relevant.binary_search(item).is_ok());
        }
    }
    let auc = metrics::auc(&chances, &labels);
    let loss = metrics::log_loss(&chances, &labels);
    let found = [("auc", auc), ("log_loss", loss)];
    found
        .into_iter()
        .filter_map(|(name, value)| Some(Measure::plain(name, value.ok()?)))
        .filter(|measure| measure.value.is_finite())
        .collect()
}

/// The row at which each split begins.
fn starts(plan: &Plan) -> Vec<usize> {
    let splits = plan.splits.iter();
    let lengths = splits.map(|split| split.asked.len());
    let starts = lengths.scan(0, |next, length| {
        let start = *next;
        *next += length;
        Some(start)
    });
    starts.collect()
}
