//! Order within groups: LambdaMART's slopes, and NDCG to judge by.
//!
//! Does not grow. Gains are `2^relevance - 1`, the discount of place k (from 0) is
//! `1 / log2(k + 2)`. Rows of one margin take places in the order of the table when slopes are
//! made; NDCG gives each of them the mean discount of their places, so that no order of the
//! table can flatter a model. Invariant: a group is judged as a whole or not at all, and one
//! whose rows are all as relevant has NDCG 1.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::f64::consts::LN_2;

use crate::Error;
use crate::Result;
use crate::glm::sigmoid;
use crate::parallel;

/// Highest relevance: gains stay whole numbers that sums can hold.
pub(super) const MAX_RELEVANCE: f64 = 30.0;

/// The groups of a table.
#[derive(Clone, Debug)]
pub(in super::super) struct Ranking {
    groups: Vec<Group>,
    /// The group that a row is the first of.
    led: HashMap<u32, usize>,
    /// Of each row of the table.
    gains: Vec<f64>,
    /// Of each place in the largest group.
    discounts: Vec<f64>,
    /// Places that count.
    truncation: usize,
    /// Makes the mean curvature at the start that of a yes-or-no target, so that penalties
    /// mean what they mean there.
    scale: f64,
}

#[derive(Clone, Debug)]
struct Group {
    /// Rising.
    rows: Vec<u32>,
    /// Mean weight of the rows.
    weight: f64,
    /// 1 / the best DCG; 0 when there is none.
    inverse_best: f64,
}

/// Two rows of a group, by their places in it: the more relevant, the less relevant, and by
/// how much changing places would change NDCG.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) high: usize,
    pub(super) low: usize,
    pub(super) change: f64,
}

/// Groups that a thread takes at a time.
const CHUNK: usize = 64;

impl Ranking {
    /// The groups of `rows`; `groups` has a number a row of the table.
    pub(super) fn new(
        groups: Option<&[u32]>,
        rows: &[u32],
        (relevance, weights): (&[f64], &[f64]),
        truncation: u32,
    ) -> Result<Self> {
        let numbers = groups.ok_or(Error::NoPairs)?;
        let mut places: HashMap<u32, usize> = HashMap::new();
        let mut members: Vec<Vec<u32>> = Vec::new();
        for row in rows {
            let place = *places.entry(numbers[*row as usize]).or_insert_with(|| {
                members.push(Vec::new());
                members.len() - 1
            });
            members[place].push(*row);
        }
        let largest = members.iter().map(Vec::len).max().unwrap_or(0);
        let mut ranking = Self {
            groups: Vec::with_capacity(members.len()),
            led: HashMap::with_capacity(members.len()),
            gains: relevance.iter().map(|r| r.exp2() - 1.0).collect(),
            discounts: (0..largest)
                .map(|place| 1.0 / (place as f64 + 2.0).log2())
                .collect(),
            truncation: truncation as usize,
            scale: 1.0,
        };
        for rows in members {
            let mut gains: Vec<f64> = rows.iter().map(|r| ranking.gains[*r as usize]).collect();
            gains.sort_by(|a, b| b.total_cmp(a));
            let places = gains.iter().zip(&ranking.discounts);
            let places = places.take(ranking.truncation);
            let best: f64 = places.map(|(gain, discount)| gain * discount).sum();
            let weight: f64 = rows.iter().map(|row| weights[*row as usize]).sum();
            ranking.led.insert(rows[0], ranking.groups.len());
            ranking.groups.push(Group {
                weight: weight / rows.len() as f64,
                inverse_best: if best > 0.0 { 1.0 / best } else { 0.0 },
                rows,
            });
        }
        let mut slopes = vec![[0.0; 2]; relevance.len()];
        ranking.slopes(&vec![0.0; relevance.len()], weights, 1, &mut slopes);
        let curve: f64 = slopes.iter().map(|slope| slope[1]).sum();
        if curve <= 0.0 {
            return Err(Error::NoPairs);
        }
        ranking.scale = 0.25 * rows.len() as f64 / curve;
        Ok(ranking)
    }

    /// Weighted slopes and curvatures of the rows of groups; others are left as they are.
    pub(in super::super) fn slopes(
        &self,
        margins: &[f64],
        weights: &[f64],
        threads: usize,
        slopes: &mut [[f64; 2]],
    ) {
        let own = parallel::map_chunks(self.groups.len(), CHUNK, threads, |range| {
            let groups = self.groups[range].iter();
            groups
                .map(|group| self.group_slopes(group, margins))
                .collect::<Vec<_>>()
        });
        for (group, own) in self.groups.iter().zip(own.iter().flatten()) {
            for (row, [slope, curve]) in group.rows.iter().zip(own) {
                let factor = self.scale * weights[*row as usize];
                slopes[*row as usize] = [slope * factor, curve * factor];
            }
        }
    }

    fn group_slopes(&self, group: &Group, margins: &[f64]) -> Vec<[f64; 2]> {
        let own: Vec<f64> = group
            .rows
            .iter()
            .map(|row| margins[*row as usize])
            .collect();
        let (least, most) = own
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), m| {
                (a.min(*m), b.max(*m))
            });
        let mut slopes = vec![[0.0; 2]; own.len()];
        let mut total = 0.0;
        for pair in self.pairs(group, &own) {
            let apart = own[pair.high] - own[pair.low];
            let mut change = pair.change;
            if most > least {
                change /= 0.01 + apart.abs();
            }
            let p = sigmoid(-apart);
            let (push, curve) = (change * p, change * p * (1.0 - p));
            slopes[pair.high][0] -= push;
            slopes[pair.high][1] += curve;
            slopes[pair.low][0] += push;
            slopes[pair.low][1] += curve;
            total += 2.0 * push;
        }
        if total > 0.0 {
            let norm = total.ln_1p() / LN_2 / total;
            slopes.iter_mut().flatten().for_each(|x| *x *= norm);
        }
        slopes
    }

    /// Pairs of different relevance, one of them at a place that counts; `margins` of the
    /// group's rows.
    fn pairs(&self, group: &Group, margins: &[f64]) -> Vec<Pair> {
        let order = order(margins);
        let gains: Vec<f64> = order
            .iter()
            .map(|at| self.gains[group.rows[*at] as usize])
            .collect();
        let mut pairs = Vec::new();
        for place in 0..order.len().min(self.truncation) {
            for below in place + 1..order.len() {
                let (first, second) = (order[place], order[below]);
                let (high, low) = match gains[place].total_cmp(&gains[below]) {
                    Ordering::Greater => (first, second),
                    Ordering::Less => (second, first),
                    Ordering::Equal => continue,
                };
                let gap = (gains[place] - gains[below]).abs();
                let apart = self.discounts[place] - self.discounts[below];
                let change = gap * apart * group.inverse_best;
                pairs.push(Pair { high, low, change });
            }
        }
        pairs
    }

    /// Sum of `weight (1 - NDCG)` over the groups whose first row is among `rows`.
    pub(in super::super) fn loss(&self, rows: &[u32], margins: &[f64]) -> f64 {
        let groups = rows.iter().filter_map(|row| self.led.get(row));
        groups
            .map(|group| {
                let group = &self.groups[*group];
                group.weight * (1.0 - self.ndcg(group, margins))
            })
            .sum()
    }

    /// Weight of the groups whose first row is among `rows`.
    pub(in super::super) fn weight(&self, rows: &[u32]) -> f64 {
        let groups = rows.iter().filter_map(|row| self.led.get(row));
        groups.map(|group| self.groups[*group].weight).sum()
    }

    fn ndcg(&self, group: &Group, margins: &[f64]) -> f64 {
        if group.inverse_best <= 0.0 {
            return 1.0;
        }
        let own: Vec<f64> = group
            .rows
            .iter()
            .map(|row| margins[*row as usize])
            .collect();
        let (mut place, mut dcg) = (0, 0.0);
        for tied in order(&own).chunk_by(|a, b| own[*a].total_cmp(&own[*b]).is_eq()) {
            let end = place + tied.len();
            let counted = place.min(self.truncation)..end.min(self.truncation);
            let discounts: f64 = self.discounts[counted].iter().sum();
            let gains = tied.iter().map(|at| self.gains[group.rows[*at] as usize]);
            dcg += discounts * gains.sum::<f64>() / tied.len() as f64;
            place = end;
        }
        dcg * group.inverse_best
    }
}

/// Places in a group by margin, the highest first; of one margin in the order of the table.
fn order(margins: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..margins.len()).collect();
    order.sort_by(|a, b| margins[*b].total_cmp(&margins[*a]));
    order
}

#[cfg(test)]
mod tests;
