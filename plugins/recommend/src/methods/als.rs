//! `recommend.als`: few numbers for each customer and item, such that their product says how
//! much the customer wants the item.
//!
//! Does not keep factors of customers: they are those of their histories, found again within
//! microseconds. Invariant: a customer's scores are the same bits in the output, served alone, and
//! in the reasons.

use lode_numeric::factors;
use lode_numeric::factors::AlsParams;
use lode_numeric::factors::Excluded;
use lode_numeric::factors::Factors;
use lode_numeric::factors::FoldIn;
use lode_numeric::factors::Form;
use lode_numeric::factors::Pairs;
use lode_numeric::factors::Scored;
use lode_numeric::factors::Shelf;
use lode_numeric::factors::Solver;
use lode_plugin::Context;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;

use crate::events;
use crate::events::pairs::History;
use crate::method::Barred;
use crate::method::Cause;
use crate::method::Data;
use crate::method::Learned;
use crate::method::Method;
use crate::method::Offer;
use crate::method::Rates;
use crate::method::Reason;
use crate::method::Sums;
use crate::model::codec::Reader;
use crate::model::codec::Writer;
use crate::params::Part;
use crate::params::Weighting;
use crate::params::within;
use crate::params::within_count;
use crate::recommends::recommends;

/// Above so many items the scores of all are found faster than theirs one by one.
const ONE_BY_ONE: usize = 16;

/// Parameters of `recommend.als` beside those of all.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct AlsFitParams {
    /// Numbers that describe a customer and an item: more of them tell finer tastes apart, and
    /// need more events.
    #[schemars(range(min = 1, max = 1024), extend("x-tune" = {"values": [16, 32, 64, 128]}))]
    pub factors: usize,
    /// Times that customers and items are solved in turn.
    #[schemars(range(min = 1, max = 1000))]
    pub rounds: usize,
    /// How strongly factors are drawn to 0, for each event and each item not taken: more where
    /// data is little or noisy.
    #[schemars(range(min = 1e-6, max = 1e3), extend("x-tune" = {"low": 0.005, "high": 1.0, "scale": "log"}))]
    pub regularization: f64,
    /// How the draw to 0 grows with the events of a customer or item: 0 draws all alike, 1 in
    /// proportion to them.
    #[schemars(range(min = 0.0, max = 2.0), extend("x-tune" = {"values": [0.5, 0.8, 1.0]}))]
    pub frequency: f64,
    /// Weight of an item that a customer does not have beside one event: how surely not having
    /// it means not wanting it. More offers the popular, less the special.
    #[schemars(range(min = 1e-6, max = 1e3), extend("x-tune" = {"low": 0.01, "high": 1.0, "scale": "log"}))]
    pub unobserved: f64,
    /// How the equations are solved.
    pub solver: AlsSolver,
}

/// How the equations of a customer or item are solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
#[schemars(crate = "lode_plugin::schemars")]
pub enum AlsSolver {
    /// What is fastest for the number of factors.
    Auto,
    /// Exactly, by Cholesky's factor: several times as long.
    Cholesky,
    /// Two steps of conjugate gradients each round.
    Gradient,
}

impl Default for AlsFitParams {
    fn default() -> Self {
        Self {
            factors: 64,
            rounds: 15,
            regularization: 0.05,
            frequency: 0.8,
            unobserved: 0.2,
            solver: AlsSolver::Auto,
        }
    }
}

impl Part for AlsFitParams {
    fn check(&self) -> Result<()> {
        within_count("factors", self.factors, 1, 1024)?;
        within_count("rounds", self.rounds, 1, 1000)?;
        within("regularization", self.regularization, 1e-6, 1e3)?;
        within("frequency", self.frequency, 0.0, 2.0)?;
        within("unobserved", self.unobserved, 1e-6, 1e3)
    }
}

impl AlsFitParams {
    fn kernel(&self, seed: u64, threads: usize) -> AlsParams {
        AlsParams {
            width: self.factors,
            rounds: self.rounds,
            regularization: self.regularization,
            frequency: self.frequency,
            unobserved: self.unobserved,
            confidence: 1.0,
            form: Form::Everywhere,
            solver: match self.solver {
                AlsSolver::Auto => Solver::Auto,
                AlsSolver::Cholesky => Solver::Cholesky,
                AlsSolver::Gradient => Solver::Gradient { steps: 2 },
            },
            seed,
            threads,
        }
    }
}

/// Offers what customers of the same tastes take: matrix factorization.
///
/// Use it where customers have several items each and there are more customers than items:
/// tastes that no single pair of items shows. Not where most have one item (`recommend.popular`
/// does as well), nor for a few dozen items (`recommend.item-knn`). Untuned factors can lose to
/// popular items: judge it, or let `lode train recommend` choose.
///
/// # Input
/// `events`: roles `customer_id` and `item`; optionally `event_time`, `quantity`, `event_kind`,
/// `rating`. Events of a customer with an item add up to one weight as `weighting` says. An item
/// with a weight below 0 is owned and disliked: its score is drawn to 0 with that weight.
///
/// # Output
/// `recommendations`, up to `n` rows a customer: `customer_id`, `rank` from 1, `item`, `score`.
/// `similar_items`, the nearest of each item: `item`, `similar_item`, `score` (cosine of their
/// factors).
///
/// # Parameters
/// [`AlsFitParams`].
///
/// # Method
/// See `lode_numeric::factors::als`: with a weight `w` for each pair, `x_u y_i` is drawn to 1
/// with weight `w` where the customer has the item, and to 0 with weight `unobserved`
/// everywhere. In turn the customers and the items are solved while the others stand still. A
/// score is `x_u y_i`, usually 0 to 1. Customers are never kept: `x_u` is the answer of the same
/// equations for the history, the items of the session included, also for who was not in the
/// fit. The reasons are the parts of the history in the score: entry `h` adds
/// `w_h y_h^T A^-1 y_i`, `A` the customer's equations (Hu et al. 2008, section 5); the base is
/// what rounding leaves. The best items are found exactly: items lie by falling length, and the
/// search ends where no longer one can reach the best found.
///
/// # Determinism and cost
/// Factors start from small random numbers of the seed. The same bytes with any number of
/// threads. Time grows with pairs times factors times rounds: two steps of conjugate gradients
/// a row and round. The model keeps the pairs (8 bytes) and the factors of items (4 bytes each).
///
/// # Errors
/// `INPUT_INVALID`: no rows, or none with customer and item. `PARAMS_INVALID`: a range.
///
/// # Source
/// Y. Hu, Y. Koren, C. Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM
/// 2008, doi:10.1109/ICDM.2008.22; S. Rendle, W. Krichene, L. Zhang, Y. Koren, "Revisiting the
/// performance of iALS on item recommendation benchmarks", RecSys 2022, arXiv:2110.14037.
/// Deviation: weights of several events, decay and dislikes.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, StringArray, cast::AsArray};
/// use lode_plugin::{Inputs, Role, testing};
///
/// let who: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "b", "b", "c", "d"]));
/// let what: ArrayRef = Arc::new(StringArray::from(vec!["tea", "pot", "tea", "pot", "tea", "mug"]));
/// let events = testing::batch(&[
///     ("who", Some(Role::CustomerId), who),
///     ("what", Some(Role::Item), what),
/// ]);
/// let inputs = Inputs::new().with("events", events.into());
/// let fit = testing::fit::<recommend::Als>(r#"{"n": 1, "factors": 2}"#, inputs, 1, 1)?;
/// let offers = fit.table("recommendations");
/// // The third customer has tea, and pot goes with tea.
/// assert_eq!(offers["customer_id"].as_string::<i32>().value(2), "c");
/// assert_eq!(offers["item"].as_string::<i32>().value(2), "pot");
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Als;

/// The items, and the equations of customers.
#[derive(Debug)]
pub(crate) struct Tastes {
    params: AlsParams,
    items: Factors,
    fold: FoldIn,
    shelf: Shelf,
    /// The items at length 1, for likeness.
    directions: Factors,
    directed: Shelf,
}

recommends!(Als, Tastes, AlsFitParams, reads: &[]);

impl Tastes {
    fn new(items: Factors, params: AlsParams) -> lode_numeric::Result<Self> {
        let mut directions = items.to_values();
        for row in directions.chunks_mut(params.width) {
            let square: f64 = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            if square > 0.0 {
                let length = square.sqrt();
                row.iter_mut()
                    .for_each(|x| *x = (f64::from(*x) / length) as f32);
            }
        }
        let directions = Factors::from_values(&directions, params.width)?;
        Ok(Self {
            params,
            fold: FoldIn::new(&items, &params)?,
            shelf: Shelf::new(&items),
            directed: Shelf::new(&directions),
            items,
            directions,
        })
    }

    /// The factors of a history; zeros for one that does not fit, which the server never gives.
    fn customer(&self, history: &History<'_>) -> Vec<f32> {
        self.fold
            .factors(&self.items, history.items, history.weights)
            .unwrap_or_else(|_| vec![0.0; self.params.width])
    }

    fn score(&self, customer: &[f32], item: u32) -> f64 {
        let terms = customer.iter().zip(self.items.row(item as usize));
        f64::from(terms.fold(0.0_f32, |sum, (a, b)| a.mul_add(b, sum)))
    }
}

fn offers(scored: Vec<Scored>) -> impl Iterator<Item = Offer> {
    scored.into_iter().map(|scored| Offer {
        item: scored.item,
        score: f64::from(scored.score),
    })
}

impl Rates for Tastes {
    fn rate(&self, history: &History<'_>, sums: &mut Sums) {
        let scores = self.shelf.scores(&self.customer(history));
        for (item, score) in (0..).zip(scores.unwrap_or_default()) {
            sums.add(item, f64::from(score));
        }
    }

    fn rates_all(&self) -> bool {
        true
    }

    fn top(
        &self,
        history: &History<'_>,
        barred: &Barred,
        limit: usize,
        _: &mut Sums,
        best: &mut Vec<Offer>,
    ) {
        let excluded = Excluded::Flags(barred.flags());
        let found = self.shelf.best(&self.customer(history), excluded, limit);
        best.extend(offers(found.unwrap_or_default()));
    }

    fn top_of_many(
        &self,
        histories: &[History<'_>],
        limit: usize,
        threads: usize,
    ) -> Option<Vec<Vec<Offer>>> {
        let mut starts = vec![0];
        let (mut items, mut weights) = (Vec::new(), Vec::new());
        for history in histories {
            items.extend_from_slice(history.items);
            weights.extend_from_slice(history.weights);
            starts.push(items.len());
        }
        let pairs = Pairs::from_rows(starts, items, weights, self.items.n_rows()).ok()?;
        let params = AlsParams {
            threads,
            ..self.params
        };
        let customers = factors::people_of_items(&pairs, &self.items, &params).ok()?;
        let go_on = &lode_numeric::go_on;
        let found = self
            .shelf
            .best_of_all(&customers, &pairs, limit, threads, go_on);
        let lists = found.ok()?.into_iter();
        Some(lists.map(|list| offers(list).collect()).collect())
    }

    fn rate_some(
        &self,
        history: &History<'_>,
        items: &[u32],
        _: &mut Sums,
        scores: &mut Vec<Option<f64>>,
    ) {
        let customer = self.customer(history);
        if items.len() <= ONE_BY_ONE {
            scores.extend(items.iter().map(|item| Some(self.score(&customer, *item))));
            return;
        }
        let all = self.shelf.scores(&customer).unwrap_or_default();
        let own = |item: &u32| all.get(*item as usize).copied().map(f64::from);
        scores.extend(items.iter().map(own));
    }

    fn explain(&self, history: &History<'_>, item: u32, reasons: &mut Vec<Reason>) -> f64 {
        let score = self.score(&self.customer(history), item);
        let pairs = history.items.iter().copied();
        let pairs: Vec<(u32, f32)> = pairs.zip(history.weights.iter().copied()).collect();
        let Ok(customer) = self.fold.person(&self.items, &pairs) else {
            return score;
        };
        let parts = customer.parts(&self.items, item);
        let sum: f64 = parts.iter().sum();
        let own = history.items.iter().zip(&parts).zip(history.weights);
        // What is disliked is in the equations, and has no part of its own.
        reasons.extend(
            own.filter(|own| *own.1 > 0.0)
                .map(|((own, part), _)| Reason {
                    of: Cause::Bought(*own),
                    contribution: *part,
                }),
        );
        score - sum
    }

    fn likeness(&self, item: u32, others: &[u32]) -> Option<Vec<f64>> {
        if others.len() > ONE_BY_ONE {
            let own: Vec<f32> = self.directions.row(item as usize).collect();
            let all = self.directed.scores(&own).ok()?;
            let alike = |other: &u32| f64::from(all[*other as usize]);
            return Some(others.iter().map(alike).collect());
        }
        let alike = |other: &u32| {
            let (item, other) = (item as usize, *other as usize);
            f64::from(self.directions.score(item, &self.directions, other))
        };
        Some(others.iter().map(alike).collect())
    }

    fn similar(&self, item: u32, barred: &Barred, limit: usize) -> Vec<Offer> {
        let own: Vec<f32> = self.directions.row(item as usize).collect();
        let excluded = Excluded::Flags(barred.flags());
        // The item itself may be among them.
        let found = self.directed.best(&own, excluded, limit.saturating_add(1));
        let others = offers(found.unwrap_or_default()).filter(|offer| offer.item != item);
        others.take(limit).collect()
    }
}

impl Method for Tastes {
    const ID: &'static str = "recommend.als";
    const TITLE: &'static str = "What customers of the same tastes take";
    const ABOUT: &'static str = "Describes each customer and item by a few numbers, learned from \
        who has what, and offers each customer the items whose numbers go best with theirs.";
    const WEIGHTING: Weighting = Weighting::Log;
    type Params = AlsFitParams;

    fn learn(params: &AlsFitParams, data: &Data<'_>, cx: &Context<'_>) -> Result<Learned<Self>> {
        let params = params.kernel(cx.seed(), cx.threads());
        let (n_customers, n_items) = (data.n_customers(), data.n_items());
        let mut starts = vec![0];
        let (mut items, mut weights) = (Vec::new(), Vec::new());
        for customer in 0..n_customers {
            let history = data.pairs.history(customer);
            items.extend_from_slice(history.items);
            weights.extend_from_slice(history.weights);
            starts.push(items.len());
        }
        let pairs = Pairs::from_rows(starts, items, weights, n_items).map_err(events::numeric)?;
        let go_on = |fraction: f64| {
            cx.progress(0.2 + 0.6 * fraction, "factoring");
            cx.check_cancelled().is_ok()
        };
        let model = factors::als(&pairs, &params, &go_on).map_err(events::numeric)?;
        let method = Self::new(model.items, params).map_err(events::numeric)?;
        Ok(Learned::new(method))
    }

    fn write(&self, to: &mut Writer) {
        to.u64s(&[self.params.width as u64, self.params.seed]);
        to.f64s(&[
            self.params.regularization,
            self.params.frequency,
            self.params.unobserved,
        ]);
        to.f32s(&self.items.to_values());
    }

    fn read(from: &mut Reader<'_>, n_items: usize) -> Option<Self> {
        let [width, seed] = from.u64s()?.try_into().ok()?;
        let [regularization, frequency, unobserved] = from.f64s()?.try_into().ok()?;
        let params = AlsParams {
            width: usize::try_from(width).ok()?,
            regularization,
            frequency,
            unobserved,
            seed,
            ..AlsParams::default()
        };
        let items = Factors::from_values(&from.f32s()?, params.width).ok()?;
        if items.n_rows() != n_items {
            return None;
        }
        Self::new(items, params).ok()
    }
}

#[cfg(test)]
mod tests;
