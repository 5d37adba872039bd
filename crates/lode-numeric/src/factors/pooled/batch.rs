//! Takes the gradients of some people, and changes items by them.
//!
//! Does not choose who. Invariant: gradients are of the rows as they were before the batch; a row
//! is changed by one person after the other.

use crate::Rng;
use crate::lanes::Kernel;
use crate::lanes::LANES;
use crate::lanes::Lanes;
use crate::lanes::Octet;
use crate::trees::exp::exp;

use super::OrderLoss;
use super::PooledParams;
use super::State;
use super::TARGETS;
use super::scale;
use crate::factors::dense::add_rows;
use crate::factors::dense::dots;
use crate::factors::matrix::Factors;
use crate::factors::pairs::Pairs;

/// Keeps a step finite where there was no gradient yet.
const LEAST_SQUARE: f32 = 1e-12;

/// Items that were drawn as not taken.
pub(super) struct Batch {
    items: Vec<u32>,
    /// Their rows, up to whole eights.
    rows: Vec<Octet>,
    /// What is added to their scores: the bias, less the logarithm of how often such an item is
    /// drawn where the loss needs it.
    more: Vec<f64>,
}

/// Gradients of a piece of the batch.
pub(super) struct Found {
    people: Vec<Asked>,
    /// Of the items that were drawn: their rows and their biases.
    rows: Vec<Octet>,
    biases: Vec<f32>,
}

/// One person.
struct Asked {
    person: u32,
    /// Of the sum of the history, over all targets.
    sum: Vec<Octet>,
    targets: Vec<Target>,
}

/// An item that a person was asked for.
struct Target {
    item: u32,
    /// Of its score.
    gradient: f32,
    /// The person without it.
    person: Vec<Octet>,
    /// Its share of the gradient of the sum, which it is no part of.
    own: Vec<Octet>,
}

impl Batch {
    pub(super) fn draw(state: &State, params: &PooledParams, sums: &[f64], rng: &mut Rng) -> Self {
        let all = sums.last().copied().unwrap_or(1.0);
        let octets = state.offered.n_octets();
        let n = params.negatives;
        let mut batch = Self {
            items: Vec::with_capacity(n),
            rows: vec![Octet::default(); n.next_multiple_of(LANES) * octets],
            more: Vec::with_capacity(n),
        };
        for place in 0..n {
            let point = rng.uniform() * all;
            let item = sums
                .partition_point(|sum| *sum <= point)
                .min(sums.len() - 1);
            let before = item.checked_sub(1).map_or(0.0, |before| sums[before]);
            let often = n as f64 * (sums[item] - before) / all;
            let less = match params.loss {
                OrderLoss::Softmax => often.ln(),
                OrderLoss::Pairwise => 0.0,
            };
            batch.more.push(f64::from(state.bias[item]) - less);
            batch.items.push(item as u32);
            let row = &mut batch.rows[place * octets..(place + 1) * octets];
            row.copy_from_slice(state.offered.octets(item));
        }
        batch
    }

    /// The gradients of the drawn items, piece by piece.
    pub(super) fn sum(&self, found: &[Found]) -> Drawn {
        let mut rows = vec![Octet::default(); self.rows.len()];
        let mut biases = vec![0.0; self.items.len()];
        for found in found {
            for (sum, own) in rows.iter_mut().zip(&found.rows) {
                for (sum, own) in sum.0.iter_mut().zip(own.0) {
                    *sum += own;
                }
            }
            for (sum, own) in biases.iter_mut().zip(&found.biases) {
                *sum += own;
            }
        }
        Drawn {
            items: self.items.clone(),
            rows,
            biases,
        }
    }
}

/// The gradients of the items that were drawn.
pub(super) struct Drawn {
    items: Vec<u32>,
    rows: Vec<Octet>,
    biases: Vec<f32>,
}

/// Some people of a batch.
pub(super) struct People<'a> {
    pub(super) table: &'a Pairs,
    pub(super) state: &'a State,
    pub(super) params: &'a PooledParams,
    pub(super) batch: &'a Batch,
    pub(super) who: &'a [u32],
    pub(super) seed: u64,
}

impl Kernel for People<'_> {
    type Out = Found;

    #[inline(always)]
    fn run<V: Lanes>(self) -> Found {
        let mut found = Found {
            people: Vec::with_capacity(self.who.len()),
            rows: vec![Octet::default(); self.batch.rows.len()],
            biases: vec![0.0; self.batch.items.len()],
        };
        for person in self.who {
            let asked = self.ask::<V>(*person, &mut found.rows, &mut found.biases);
            found.people.push(asked);
        }
        found
    }
}

impl People<'_> {
    #[inline(always)]
    fn ask<V: Lanes>(&self, person: u32, rows: &mut [Octet], biases: &mut [f32]) -> Asked {
        let (items, weights) = self.table.row(person as usize);
        let octets = self.state.owned.n_octets();
        let sum = sum_rows::<V>(&self.state.owned, items, weights);
        let all: f64 = weights.iter().map(|own| f64::from(own.abs())).sum();
        let open: Vec<bool> = self
            .batch
            .items
            .iter()
            .map(|item| items.binary_search(item).is_err())
            .collect();
        let mut asked = Asked {
            person,
            sum: vec![Octet::default(); octets],
            targets: Vec::with_capacity(TARGETS),
        };
        let mut gradients = vec![0.0_f32; self.batch.items.len().next_multiple_of(LANES)];
        for at in targets(weights, &mut Rng::stream(self.seed, u64::from(person))) {
            let item = items[at];
            let scale = scale(all - f64::from(weights[at]), self.params.pooling) as f32;
            let without = minus::<V>(
                &sum,
                self.state.owned.octets(item as usize),
                weights[at],
                scale,
            );
            let gradient = self.gradients::<V>(item, &without, &open, &mut gradients);
            let mut own = vec![Octet::default(); octets];
            add_times::<V>(&mut own, self.state.offered.octets(item as usize), gradient);
            for (eight, times) in self
                .batch
                .rows
                .chunks_exact(LANES * octets)
                .zip(gradients.chunks_exact(LANES))
            {
                let mut by = Octet::default();
                by.0.copy_from_slice(times);
                add_rows::<V>(&eight_rows(eight, octets), V::load(&by), &mut own);
            }
            for (row, times) in rows.chunks_exact_mut(octets).zip(&gradients) {
                add_times::<V>(row, &without, *times);
            }
            for (bias, own) in biases.iter_mut().zip(&gradients) {
                *bias += own;
            }
            for own in &mut own {
                *own = V::splat(scale).mul(V::load(own)).octet();
            }
            add_times::<V>(&mut asked.sum, &own, 1.0);
            asked.targets.push(Target {
                item,
                gradient,
                person: without,
                own,
            });
        }
        asked
    }

    /// The gradients of the scores of the drawn items; gives that of the target.
    #[inline(always)]
    fn gradients<V: Lanes>(
        &self,
        item: u32,
        person: &[Octet],
        open: &[bool],
        gradients: &mut [f32],
    ) -> f32 {
        let octets = person.len();
        for (eight, to) in self
            .batch
            .rows
            .chunks_exact(LANES * octets)
            .zip(gradients.chunks_exact_mut(LANES))
        {
            let scores = dots::<V>(&eight_rows(eight, octets), person).octet();
            to.copy_from_slice(&scores.0);
        }
        let row = self.state.offered.octets(item as usize);
        let own = dots::<V>(&[row; LANES], person).octet().0[0];
        let own = f64::from(own) + f64::from(self.state.bias[item as usize]);
        let mut total = 0.0;
        for ((to, more), open) in gradients.iter_mut().zip(&self.batch.more).zip(open) {
            // How often the item is before the target, or how much it weighs beside it.
            let ratio = exp((f64::from(*to) + more - own).min(60.0));
            let ratio = if *open { ratio } else { 0.0 };
            let part = match self.params.loss {
                OrderLoss::Pairwise => ratio / (1.0 + ratio),
                OrderLoss::Softmax => ratio,
            };
            *to = part as f32;
            total += part;
        }
        let share = match self.params.loss {
            OrderLoss::Pairwise => 1.0 / open.len() as f64,
            OrderLoss::Softmax => 1.0 / (1.0 + total),
        };
        for to in gradients.iter_mut().take(open.len()) {
            *to *= share as f32;
        }
        for to in gradients.iter_mut().skip(open.len()) {
            *to = 0.0;
        }
        (-total * share) as f32
    }
}

/// Places of liked items in a history to be asked for, ascending.
fn targets(weights: &[f32], rng: &mut Rng) -> Vec<usize> {
    let mut places: Vec<usize> = (0..weights.len()).filter(|at| weights[*at] > 0.0).collect();
    let n = places.len().min(TARGETS);
    for at in 0..n {
        let other = at + rng.index(places.len() - at);
        places.swap(at, other);
    }
    places.truncate(n);
    places.sort_unstable();
    places
}

#[inline(always)]
fn eight_rows(rows: &[Octet], octets: usize) -> [&[Octet]; LANES] {
    let row = |k: usize| &rows[k * octets..(k + 1) * octets];
    [
        row(0),
        row(1),
        row(2),
        row(3),
        row(4),
        row(5),
        row(6),
        row(7),
    ]
}

#[inline(always)]
fn sum_rows<V: Lanes>(factors: &Factors, items: &[u32], weights: &[f32]) -> Vec<Octet> {
    let mut sum = vec![Octet::default(); factors.n_octets()];
    for (items, weights) in items.chunks(LANES).zip(weights.chunks(LANES)) {
        let mut rows = [factors.octets(items[0] as usize); LANES];
        let mut times = Octet::default();
        for (lane, (item, weight)) in items.iter().zip(weights).enumerate() {
            rows[lane] = factors.octets(*item as usize);
            times.0[lane] = *weight;
        }
        add_rows::<V>(&rows, V::load(&times), &mut sum);
    }
    sum
}

/// `(sum - weight * row) * scale`.
#[inline(always)]
fn minus<V: Lanes>(sum: &[Octet], row: &[Octet], weight: f32, scale: f32) -> Vec<Octet> {
    let pairs = sum.iter().zip(row);
    let less = V::splat(-weight);
    pairs
        .map(|(sum, row)| {
            less.fma(V::load(row), V::load(sum))
                .mul(V::splat(scale))
                .octet()
        })
        .collect()
}

#[inline(always)]
fn add_times<V: Lanes>(to: &mut [Octet], row: &[Octet], times: f32) {
    let times = V::splat(times);
    for (to, row) in to.iter_mut().zip(row) {
        *to = times.fma(V::load(row), V::load(to)).octet();
    }
}

/// A run of items, to be changed.
pub(super) struct Shard<'a> {
    pub(super) first: usize,
    pub(super) owned: &'a mut [Octet],
    pub(super) offered: &'a mut [Octet],
    pub(super) bias: &'a mut [f32],
    pub(super) squares: &'a mut [[f32; 3]],
}

/// The change of a shard.
pub(super) struct Update<'a, 'b> {
    shard: &'a mut Shard<'b>,
    table: &'a Pairs,
    params: &'a PooledParams,
    found: &'a [Found],
    drawn: &'a Drawn,
}

impl<'b> Shard<'b> {
    pub(super) fn update<'a>(
        &'a mut self,
        table: &'a Pairs,
        params: &'a PooledParams,
        found: &'a [Found],
        drawn: &'a Drawn,
    ) -> Update<'a, 'b> {
        Update {
            shard: self,
            table,
            params,
            found,
            drawn,
        }
    }
}

impl Kernel for Update<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Shard {
            first,
            owned,
            offered,
            bias,
            squares,
        } = self.shard;
        let octets = owned.len() / bias.len();
        let (first, last) = (*first as u32, (*first + bias.len()) as u32);
        let (rate, pull) = (self.params.rate as f32, self.params.regularization as f32);
        let mut gradient = vec![Octet::default(); octets];
        for asked in self.found.iter().flat_map(|found| &found.people) {
            let (items, weights) = self.table.row(asked.person as usize);
            let own = items.partition_point(|item| *item < first)
                ..items.partition_point(|item| *item < last);
            let mut targets = asked
                .targets
                .iter()
                .skip_while(|target| target.item < first)
                .peekable();
            for (item, weight) in items[own.clone()].iter().zip(&weights[own]) {
                let at = (item - first) as usize;
                gradient.fill(Octet::default());
                add_times::<V>(&mut gradient, &asked.sum, *weight);
                if let Some(target) = targets.next_if(|target| target.item == *item) {
                    add_times::<V>(&mut gradient, &target.own, -weight);
                    let row = &mut offered[at * octets..(at + 1) * octets];
                    let [_, square, square_of_bias] = &mut squares[at];
                    step::<V>(row, square, &target.person, target.gradient, rate, pull);
                    step_bias(&mut bias[at], square_of_bias, target.gradient, rate);
                }
                let row = &mut owned[at * octets..(at + 1) * octets];
                step::<V>(row, &mut squares[at][0], &gradient, 1.0, rate, pull);
            }
        }
        let drawn = self.drawn.items.iter().zip(&self.drawn.biases);
        for ((item, of_bias), of_row) in drawn.zip(self.drawn.rows.chunks_exact(octets)) {
            if (first..last).contains(item) {
                let at = (item - first) as usize;
                let row = &mut offered[at * octets..(at + 1) * octets];
                let [_, square, square_of_bias] = &mut squares[at];
                step::<V>(row, square, of_row, 1.0, rate, pull);
                step_bias(&mut bias[at], square_of_bias, *of_bias, rate);
            }
        }
    }
}

/// Goes against `times` the gradient, and a little towards 0.
#[inline(always)]
fn step<V: Lanes>(
    row: &mut [Octet],
    square: &mut f32,
    gradient: &[Octet],
    times: f32,
    rate: f32,
    pull: f32,
) {
    let (times, pull) = (V::splat(times), V::splat(pull));
    let mut sum = V::splat(0.0);
    for (own, gradient) in row.iter().zip(gradient) {
        let gradient = pull.fma(V::load(own), times.mul(V::load(gradient)));
        sum = gradient.fma(gradient, sum);
    }
    let [a, b, c, d, e, f, g, h] = sum.octet().0;
    let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
    *square += sum / (row.len() * LANES) as f32;
    let far = V::splat(-rate / (*square + LEAST_SQUARE).sqrt());
    for (own, gradient) in row.iter_mut().zip(gradient) {
        let gradient = pull.fma(V::load(own), times.mul(V::load(gradient)));
        *own = far.fma(gradient, V::load(own)).octet();
    }
}

#[inline(always)]
fn step_bias(bias: &mut f32, square: &mut f32, gradient: f32, rate: f32) {
    *square += gradient * gradient;
    *bias -= rate * gradient / (*square + LEAST_SQUARE).sqrt();
}
