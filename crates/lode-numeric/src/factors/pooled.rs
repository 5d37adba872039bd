//! Fits items by what of a history comes before what was never taken: pairwise or softmax loss
//! over pooled histories.
//!
//! Does not keep people: a person is the sum of what they have. Invariant: the same table,
//! parameters and seed give the same bits for any number of threads; rows are changed in the order
//! of people.

mod batch;

use crate::Error;
use crate::Progress;
use crate::Result;
use crate::Rng;
use crate::parallel::with_crew;

use super::matrix::Factors;
use super::pairs::Pairs;
use batch::Batch;
use batch::People;
use batch::Shard;

/// People of a batch, at most and at least.
const BATCH: (usize, usize) = (16, 256);
/// Batches of an epoch, unless batches are largest.
const BATCHES: usize = 64;
/// People of a piece of parallel work, and runs of items that are changed apart.
const PIECE: usize = 8;
const SHARDS: usize = 8;
/// Items of a history that an epoch asks for.
const TARGETS: usize = 16;
/// How much more often famous items are drawn as not taken.
const FAME: f64 = 0.75;

/// What the order of items is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderLoss {
    /// `-ln sigmoid(taken - not taken)`, the mean over those not taken that were drawn: all
    /// places of the order count alike (BPR).
    Pairwise,
    /// `-ln` of the share that the taken item has of all items' `e^score`: the first places count
    /// most.
    Softmax,
}

/// What [`pooled`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PooledParams {
    /// Numbers of an item, in each of its two roles; at least 1.
    pub width: usize,
    /// Times that all people are gone through.
    pub epochs: usize,
    /// Items drawn as not taken for a batch.
    pub negatives: usize,
    /// How far a step goes.
    pub rate: f64,
    /// Pull of the numbers towards 0 with each step.
    pub regularization: f64,
    /// The pooled history is divided by its weight to this power: 1 is a mean, 0 a sum.
    pub pooling: f64,
    /// What the order of items is judged by.
    pub loss: OrderLoss,
    /// Seed of the start and of what is drawn.
    pub seed: u64,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

impl Default for PooledParams {
    fn default() -> Self {
        Self {
            width: 64,
            epochs: 20,
            negatives: 64,
            rate: 0.05,
            regularization: 1e-4,
            pooling: 0.5,
            loss: OrderLoss::Softmax,
            seed: 0,
            threads: 1,
        }
    }
}

impl PooledParams {
    fn check(&self) -> Result<()> {
        let range = |what, expected, found: f64, good: bool| match good {
            true => Ok(()),
            false => Err(Error::OutOfRange {
                what,
                expected,
                found,
            }),
        };
        let count = |what, found: usize| {
            let good = (1..=4096).contains(&found);
            range(what, "from 1 to 4096", found as f64, good)
        };
        count("width", self.width)?;
        count("epochs", self.epochs)?;
        count("negatives", self.negatives)?;
        let rate = self.rate > 0.0 && self.rate <= 10.0;
        range("rate", "above 0 and at most 10", self.rate, rate)?;
        let pull = (0.0..=1.0).contains(&self.regularization);
        range("regularization", "from 0 to 1", self.regularization, pull)?;
        let pooling = (0.0..=1.0).contains(&self.pooling);
        range("pooling", "from 0 to 1", self.pooling, pooling)
    }
}

/// Items in two roles.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// What an item says of who has it.
    pub owned: Factors,
    /// What draws somebody to an item; its last number is added to every score.
    pub offered: Factors,
    /// As in the parameters.
    pub pooling: f64,
}

impl Pooled {
    /// The factors of somebody with these items, in the axes of [`Self::offered`]: their last
    /// number is 1.
    pub fn person(&self, items: &[u32], weights: &[f32]) -> Vec<f32> {
        let mut sums = vec![0.0_f64; self.owned.width()];
        let mut weight = 0.0;
        for (item, own) in items.iter().zip(weights) {
            weight += f64::from(own.abs());
            for (sum, factor) in sums.iter_mut().zip(self.owned.row(*item as usize)) {
                *sum += f64::from(*own) * f64::from(factor);
            }
        }
        let scale = scale(weight, self.pooling);
        let factors = sums.iter().map(|sum| (sum * scale) as f32);
        factors.chain([1.0]).collect()
    }

    /// What each item of a history adds to the score of an item, and what the item has without.
    pub fn parts(&self, items: &[u32], weights: &[f32], item: u32) -> (f64, Vec<f64>) {
        let row: Vec<f64> = self.offered.row(item as usize).map(f64::from).collect();
        let weight = weights.iter().map(|own| f64::from(own.abs())).sum();
        let scale = scale(weight, self.pooling);
        let part = |(item, own): (&u32, &f32)| {
            let terms = self.owned.row(*item as usize).zip(&row);
            let product: f64 = terms.map(|(a, b)| f64::from(a) * b).sum();
            scale * f64::from(*own) * product
        };
        let base = row.last().copied().unwrap_or_default();
        (base, items.iter().zip(weights).map(part).collect())
    }
}

/// Items in two roles from what people have, such that what is held back of a history comes
/// before what was never taken.
///
/// For lists whose first places count, and where reasons must add up exactly. Not for people
/// with one item each: those teach nothing.
///
/// # Input
/// `people`: shape `(n_people, n_items)`, weights above 0 where a person likes an item; one of 0
/// or below is never asked for, and counts with its weight in what a person is.
///
/// # Output
/// A row an item in each role; the second has one number more.
///
/// # Parameters
/// [`PooledParams`].
///
/// # Method
/// A person is `x = sum_h w_h q_h / W^pooling`, with `W` the sum of the weights, and a score is
/// `x p_i + b_i`. In an epoch each person is asked for up to 16 items of theirs, each from the
/// history without it, against the batch's draw of items not taken: as often as their fame to
/// the power 0.75. The softmax counts each drawn item as many times as it stands for others.
/// Rows go against their gradient by Adagrad, with one sum of squares a row. It starts from small
/// random numbers and from the logarithm of fame.
///
/// # Determinism and cost
/// Seeded; people are drawn in an order of the seed, and a batch's gradients are taken before any
/// row changes. An epoch takes `O((entries + people * 16 * negatives) * width)`.
///
/// # Errors
/// [`Error::OutOfRange`] for a parameter; [`Error::Cancelled`]. Where nobody likes two items, what
/// is left is fame.
///
/// # Source
/// S. Rendle, C. Freudenthaler, Z. Gantner, L. Schmidt-Thieme, "BPR: Bayesian personalized
/// ranking from implicit feedback", UAI 2009, arXiv:1205.2618 (the pairwise loss); S. Kabbur, X.
/// Ning, G. Karypis, "FISM: factored item similarity models for top-N recommender systems", KDD
/// 2013, doi:10.1145/2487575.2487589 (pooled histories without the item that is asked for); Y.
/// Bengio, J. Senecal, "Adaptive importance sampling to accelerate training of a neural
/// probabilistic language model", IEEE TNN 19(4), 2008, doi:10.1109/TNN.2007.912312 (the sampled
/// softmax); J. Duchi, E. Hazan, Y. Singer, JMLR 12, 2011 (Adagrad). Deviation: one draw for a
/// batch, one step size a row.
///
/// # Example
/// ```
/// use lode_numeric::factors::{self, Pairs, PooledParams};
/// // Two tastes, and somebody with one item of the first.
/// let mut entries = vec![(40, 0, 1.0)];
/// for person in 0..40 {
///     entries.extend((0..3).map(|item| (person, person % 2 * 3 + item, 1.0)));
/// }
/// let people = Pairs::from_entries(entries, 41, 6)?;
/// let params = PooledParams { width: 4, ..PooledParams::default() };
/// let model = factors::pooled(&people, &params, &lode_numeric::go_on)?;
/// let score = |item| {
///     let (base, parts) = model.parts(&[0], &[1.0], item);
///     base + parts.iter().sum::<f64>()
/// };
/// assert!(score(1) > score(4));
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn pooled(people: &Pairs, params: &PooledParams, progress: Progress<'_>) -> Result<Pooled> {
    params.check()?;
    let likes = |person: &u32| {
        let (_, weights) = people.row(*person as usize);
        weights.iter().filter(|weight| **weight > 0.0).count()
    };
    let mut order: Vec<u32> = (0..people.n_rows() as u32)
        .filter(|person| likes(person) > 1)
        .collect();
    let n_items = people.n_cols();
    let mut fame = vec![0.0_f64; n_items];
    for person in 0..people.n_rows() {
        let (items, weights) = people.row(person);
        for (item, _) in items.iter().zip(weights).filter(|own| *own.1 > 0.0) {
            fame[*item as usize] += 1.0;
        }
    }
    let all: f64 = fame.iter().sum();
    let mut state = State {
        owned: match order.is_empty() {
            true => Factors::zeros(n_items, params.width),
            false => Factors::random(n_items, params.width, params.seed),
        },
        offered: Factors::random(n_items, params.width, !params.seed),
        bias: fame
            .iter()
            .map(|own| ((own + 0.5) / all).ln() as f32)
            .collect(),
        squares: vec![[0.0; 3]; n_items],
    };
    let mut sum = 0.0;
    let sums: Vec<f64> = fame
        .iter()
        .map(|own| {
            sum += (own + 0.5).powf(FAME);
            sum
        })
        .collect();
    let size = order.len().div_ceil(BATCHES).clamp(BATCH.0, BATCH.1);
    let n_batches = order.len().div_ceil(size);
    let mut rng = Rng::new(params.seed);
    with_crew(params.threads, |crew| {
        for epoch in 0..params.epochs {
            rng.shuffle(&mut order);
            for (index, who) in order.chunks(size).enumerate() {
                let done = (epoch * n_batches + index) as f64;
                let done = done / (params.epochs * n_batches) as f64;
                if index % 16 == 0 && !progress(done) {
                    return Err(Error::Cancelled);
                }
                let batch = Batch::draw(&state, params, &sums, &mut rng);
                let seed = rng.next_u64();
                let mut pieces: Vec<&[u32]> = who.chunks(PIECE).collect();
                let found = crew.map_mut(&mut pieces, |_, who| {
                    crate::lanes::run(People {
                        table: people,
                        state: &state,
                        params,
                        batch: &batch,
                        who,
                        seed,
                    })
                });
                let drawn = batch.sum(&found);
                crew.map_mut(&mut state.shards(), |_, shard| {
                    crate::lanes::run(shard.update(people, params, &found, &drawn));
                });
            }
        }
        Ok(())
    })?;
    Ok(state.finish(params))
}

/// What is learned, while it is.
#[derive(Debug)]
struct State {
    owned: Factors,
    offered: Factors,
    bias: Vec<f32>,
    /// Adagrad's sums of an item's two rows and its bias.
    squares: Vec<[f32; 3]>,
}

impl State {
    fn shards(&mut self) -> Vec<Shard<'_>> {
        let octets = self.owned.n_octets();
        let n = self.bias.len().div_ceil(SHARDS).max(1);
        let owned = self.owned.all_mut().chunks_mut(n * octets);
        let offered = self.offered.all_mut().chunks_mut(n * octets);
        let rest = self.bias.chunks_mut(n).zip(self.squares.chunks_mut(n));
        let shards = owned.zip(offered).zip(rest).enumerate();
        shards
            .map(|(index, ((owned, offered), (bias, squares)))| Shard {
                first: index * n,
                owned,
                offered,
                bias,
                squares,
            })
            .collect()
    }

    fn finish(self, params: &PooledParams) -> Pooled {
        let mut offered = Factors::zeros(self.bias.len(), params.width + 1);
        for (item, bias) in self.bias.iter().enumerate() {
            let row: Vec<f32> = self.offered.row(item).chain([*bias]).collect();
            offered.set(item, &row);
        }
        Pooled {
            owned: self.owned,
            offered,
            pooling: params.pooling,
        }
    }
}

fn scale(weight: f64, pooling: f64) -> f64 {
    if weight > 0.0 {
        weight.powf(-pooling)
    } else {
        0.0
    }
}
