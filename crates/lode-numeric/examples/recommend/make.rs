//! Makes pairs of people and items: tastes that people mix, and items of unequal fame.
//!
//! Each of 32 clusters likes items by its own random liking times the item's fame, which falls
//! by Zipf's law. A person draws six of ten events from a first cluster, a quarter from a second
//! and the rest by fame alone; how active people are is log-normal. Events of a person and an
//! item add up to the weight of the pair; a tenth of the pairs is held out.

use std::path::Path;

use lode_numeric::Rng;
use lode_numeric::factors::Pairs;

use crate::Result;
use crate::arguments::Arguments;
use crate::file::Table;

const CLUSTERS: usize = 32;
/// Share of events from the first cluster, and from the first two.
const FIRST: f64 = 0.6;
const BOTH: f64 = 0.85;
const HELD_OUT: f64 = 0.1;
/// Of the fame of items, of their liking in a cluster, of how active people are.
const ZIPF: f64 = 0.8;
const LIKING: f64 = 0.15;
const ACTIVE: f64 = 0.8;

pub(crate) fn run(given: &Arguments) -> Result<()> {
    let n_people: usize = given.number("people")?;
    let n_items: usize = given.number("items")?;
    let n_events: usize = given.number("events")?;
    let mut rng = Rng::new(given.number_or("seed", 1)?);

    let mut ranks: Vec<usize> = (1..=n_items).collect();
    rng.shuffle(&mut ranks);
    let fame: Vec<f64> = ranks
        .iter()
        .map(|rank| (*rank as f64).powf(-ZIPF))
        .collect();
    let clusters: Vec<Vec<f64>> = (0..CLUSTERS)
        .map(|_| sums(fame.iter().map(|fame| fame * (rng.gamma(LIKING) + 1e-4))))
        .collect();
    let by_fame = sums(fame.iter().copied());
    let active = sums((0..n_people).map(|_| (ACTIVE * rng.normal()).exp()));
    let own: Vec<[usize; 2]> = (0..n_people)
        .map(|_| [rng.index(CLUSTERS), rng.index(CLUSTERS)])
        .collect();

    let mut events: Vec<u64> = Vec::with_capacity(n_events);
    for _ in 0..n_events {
        let person = draw(&active, &mut rng);
        let which = rng.uniform();
        let item = match which {
            _ if which < FIRST => draw(&clusters[own[person][0]], &mut rng),
            _ if which < BOTH => draw(&clusters[own[person][1]], &mut rng),
            _ => draw(&by_fame, &mut rng),
        };
        events.push((person * n_items + item) as u64);
    }
    events.sort_unstable();
    let mut tables = [Rows::default(), Rows::default()];
    for of_pair in events.chunk_by(|a, b| a == b) {
        let person = of_pair[0] as usize / n_items;
        let item = of_pair[0] as usize % n_items;
        let table = usize::from(rng.chance(HELD_OUT));
        tables[table].push(person, item as u32, of_pair.len() as f32);
    }
    let [learn, held_out] = tables.map(|rows| rows.finish(n_people, n_items));
    let table = Table {
        learn: learn?,
        held_out: held_out?,
    };
    table.write(Path::new(given.text("file")?))
}

/// Rows of a table that come one after the other.
#[derive(Default)]
struct Rows {
    starts: Vec<usize>,
    items: Vec<u32>,
    weights: Vec<f32>,
}

impl Rows {
    fn push(&mut self, person: usize, item: u32, weight: f32) {
        self.starts.resize(person + 1, self.items.len());
        self.items.push(item);
        self.weights.push(weight);
    }

    fn finish(mut self, n_people: usize, n_items: usize) -> Result<Pairs> {
        self.starts.resize(n_people + 1, self.items.len());
        Ok(Pairs::from_rows(
            self.starts,
            self.items,
            self.weights,
            n_items,
        )?)
    }
}

/// Running sums of some weights.
fn sums(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sum = 0.0;
    weights
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect()
}

/// A place, as often as its weight says.
fn draw(sums: &[f64], rng: &mut Rng) -> usize {
    let last = sums.len() - 1;
    let point = rng.uniform() * sums[last];
    sums.partition_point(|sum| *sum <= point).min(last)
}
