//! Finds the items that a person's factors score highest, exactly.
//!
//! Does not approximate: an item is passed over only where a bound proves that it cannot be among
//! the best. Invariant: the answer is that of scoring everything by [`Factors::score`] and sorting
//! by falling score, ties by item.

use crate::Error;
use crate::Progress;
use crate::Result;
use crate::lanes::Kernel;
use crate::lanes::LANES;
use crate::lanes::Lanes;
use crate::lanes::Octet;
use crate::parallel;

use super::matrix::Factors;
use super::pairs::Pairs;

/// Items of a panel: two octets.
const PANEL: usize = 2 * LANES;
/// Panels that people go through together, while they are in the cache.
const PANELS: usize = 16;
/// People that are scored together: as many as registers hold.
const TOGETHER: usize = 6;
/// People of a piece of parallel work.
const PIECE: usize = 96;

/// An item and what a person's factors give it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Number of the item.
    pub item: u32,
    /// The inner product of the factors.
    pub score: f32,
}

/// The factors of all items, laid out for search: by falling length.
#[derive(Clone, Debug)]
pub struct Shelf {
    width: usize,
    octets: usize,
    /// The item at each place.
    items: Vec<u32>,
    /// Of each panel, factor by factor, that factor of its items.
    panels: Vec<Octet>,
    /// At least the length of every item of a panel and of those after it.
    longest: Vec<f64>,
}

/// Items that are not to be found.
#[derive(Clone, Copy, Debug)]
pub enum Excluded<'a> {
    /// These, which ascend.
    Items(&'a [u32]),
    /// Those whose flag is set; one flag an item.
    Flags(&'a [bool]),
}

/// What has been found for one person.
struct Found<'a> {
    excluded: Excluded<'a>,
    limit: usize,
    best: Vec<Scored>,
    /// What an item must reach to be among the best.
    least: f32,
    length: f64,
}

impl Shelf {
    /// Lays the items out.
    pub fn new(items: &Factors) -> Self {
        let octets = items.n_octets();
        let mut lengths: Vec<(f64, u32)> = (0..items.n_rows())
            .map(|item| (length(items.octets(item)), item as u32))
            .collect();
        lengths.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let n_panels = lengths.len().div_ceil(PANEL);
        let mut panels = vec![Octet::default(); n_panels * octets * LANES * 2];
        let size = octets * LANES * 2;
        for (place, (_, item)) in lengths.iter().enumerate() {
            let panel = &mut panels[place / PANEL * size..][..size];
            let (octet, lane) = (place % PANEL / LANES, place % LANES);
            let factors = items.octets(*item as usize).iter().flat_map(|own| own.0);
            for (factor, value) in factors.enumerate() {
                panel[factor * 2 + octet].0[lane] = value;
            }
        }
        Self {
            width: items.width(),
            octets,
            items: lengths.iter().map(|(_, item)| *item).collect(),
            panels,
            longest: lengths.iter().step_by(PANEL).map(|own| own.0).collect(),
        }
    }

    /// How many items.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// Factors of an item.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The `limit` best items for one person, best first; those excluded left out.
    ///
    /// # Errors
    /// [`Error::Length`] for factors of another width; [`Error::NotFinite`] for one of them.
    pub fn best(
        &self,
        person: &[f32],
        excluded: Excluded<'_>,
        limit: usize,
    ) -> Result<Vec<Scored>> {
        let person = self.one(person)?;
        let found = crate::lanes::run(Search {
            shelf: self,
            people: &person,
            first: 0,
            found: vec![Found::new(
                excluded,
                limit.min(self.n_items()),
                person.octets(0),
            )],
        });
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// The `limit` best items for every person, best first; those that a person has left out.
    ///
    /// # Errors
    /// [`Error::Length`] for factors of another width, or another number of people or items;
    /// [`Error::Cancelled`].
    pub fn best_of_all(
        &self,
        people: &Factors,
        owned: &Pairs,
        limit: usize,
        threads: usize,
        progress: Progress<'_>,
    ) -> Result<Vec<Vec<Scored>>> {
        for (what, expected, found) in [
            ("factors", self.width, people.width()),
            ("people", people.n_rows(), owned.n_rows()),
            ("items", self.n_items(), owned.n_cols()),
        ] {
            if expected != found {
                return Err(Error::Length {
                    what,
                    expected,
                    found,
                });
            }
        }
        let limit = limit.min(self.n_items());
        let mut all = Vec::with_capacity(people.n_rows());
        // Blocks of people, so that the caller hears of progress between them.
        let block = people
            .n_rows()
            .div_ceil(20)
            .next_multiple_of(PIECE)
            .max(PIECE);
        while all.len() < people.n_rows() {
            if !progress(all.len() as f64 / people.n_rows() as f64) {
                return Err(Error::Cancelled);
            }
            let start = all.len();
            let n_rows = block.min(people.n_rows() - start);
            let parts = parallel::map_chunks(n_rows, PIECE, threads, |range| {
                let first = start + range.start;
                let found = range.map(|offset| {
                    let person = start + offset;
                    Found::new(
                        Excluded::Items(owned.row(person).0),
                        limit,
                        people.octets(person),
                    )
                });
                crate::lanes::run(Search {
                    shelf: self,
                    people,
                    first,
                    found: found.collect(),
                })
            });
            all.extend(parts.into_iter().flatten());
        }
        Ok(all)
    }

    /// The scores of all items for one person, by number of the item.
    ///
    /// # Errors
    /// As [`Self::best`].
    pub fn scores(&self, person: &[f32]) -> Result<Vec<f32>> {
        let person = self.one(person)?;
        Ok(crate::lanes::run(All {
            shelf: self,
            person: &person,
        }))
    }

    fn one(&self, person: &[f32]) -> Result<Factors> {
        if person.len() != self.width {
            return Err(Error::Length {
                what: "factors",
                expected: self.width,
                found: person.len(),
            });
        }
        Factors::from_values(person, self.width)
    }

    /// Whether items from this panel on may still be among the best of somebody.
    fn may_reach(&self, panel: usize, found: &Found<'_>) -> bool {
        // A score is rounded once for each factor.
        let slack = 1.0 + (self.width + 8) as f64 * f64::from(f32::EPSILON);
        self.longest[panel] * found.length * slack >= f64::from(found.least)
    }
}

/// Looks for the best of some people, one after the other in `people`.
struct Search<'a> {
    shelf: &'a Shelf,
    people: &'a Factors,
    first: usize,
    found: Vec<Found<'a>>,
}

impl Kernel for Search<'_> {
    type Out = Vec<Vec<Scored>>;

    #[inline(always)]
    fn run<V: Lanes>(mut self) -> Vec<Vec<Scored>> {
        let n_panels = self.shelf.longest.len();
        let mut active: Vec<usize> = (0..self.found.len()).collect();
        for start in (0..n_panels).step_by(PANELS) {
            active.retain(|who| self.shelf.may_reach(start, &self.found[*who]));
            if active.is_empty() {
                break;
            }
            let panels = start..(start + PANELS).min(n_panels);
            let mut groups = active.chunks_exact(TOGETHER);
            for group in &mut groups {
                self.group::<V, TOGETHER>(group, panels.clone());
            }
            let mut groups = groups.remainder().chunks_exact(2);
            for group in &mut groups {
                self.group::<V, 2>(group, panels.clone());
            }
            for one in groups.remainder() {
                self.group::<V, 1>(&[*one], panels.clone());
            }
        }
        self.found.into_iter().map(|found| found.best).collect()
    }
}

impl Search<'_> {
    #[inline(always)]
    fn group<V: Lanes, const N: usize>(&mut self, who: &[usize], panels: std::ops::Range<usize>) {
        let octets = self.shelf.octets;
        let size = octets * LANES * 2;
        let mut rows: [&[Octet]; N] = [&[]; N];
        for (row, who) in rows.iter_mut().zip(who) {
            *row = &self.people.octets(self.first + who)[..octets];
        }
        for panel in panels {
            let items = &self.shelf.panels[panel * size..(panel + 1) * size];
            let scores = scores::<V, N>(&rows, items);
            for k in 0..N {
                let least = V::splat(self.found[who[k]].least);
                let reached = scores[k][0].reached(least) | scores[k][1].reached(least) << LANES;
                if reached != 0 {
                    let scores = [scores[k][0].octet(), scores[k][1].octet()];
                    let items = &self.shelf.items[panel * PANEL..];
                    self.found[who[k]].take(reached, &scores, items);
                }
            }
        }
    }
}

/// Scores everything for one person.
struct All<'a> {
    shelf: &'a Shelf,
    person: &'a Factors,
}

impl Kernel for All<'_> {
    type Out = Vec<f32>;

    #[inline(always)]
    fn run<V: Lanes>(self) -> Vec<f32> {
        let shelf = self.shelf;
        let mut all = vec![0.0; shelf.n_items()];
        let panels = shelf.panels.chunks_exact(shelf.octets * LANES * 2);
        for (panel, items) in panels.zip(shelf.items.chunks(PANEL)) {
            let [[low, high]] = scores::<V, 1>(&[self.person.octets(0)], panel);
            let scores = [low.octet().0, high.octet().0];
            for (item, score) in items.iter().zip(scores.as_flattened()) {
                all[*item as usize] = *score;
            }
        }
        all
    }
}

/// The scores of a panel's items for some people: factor by factor, each added by one fused
/// multiplication, as [`Factors::score`] does it.
#[inline(always)]
fn scores<V: Lanes, const N: usize>(rows: &[&[Octet]; N], items: &[Octet]) -> [[V; 2]; N] {
    let mut sums = [[V::splat(0.0); 2]; N];
    for (at, items) in items.chunks_exact(2 * LANES).enumerate() {
        for lane in 0..LANES {
            let (low, high) = (V::load(&items[2 * lane]), V::load(&items[2 * lane + 1]));
            for k in 0..N {
                let own = V::splat(rows[k][at].0[lane]);
                sums[k][0] = own.fma(low, sums[k][0]);
                sums[k][1] = own.fma(high, sums[k][1]);
            }
        }
    }
    sums
}

impl Excluded<'_> {
    fn has(&self, item: u32) -> bool {
        match self {
            Self::Items(items) => items.binary_search(&item).is_ok(),
            Self::Flags(flags) => flags.get(item as usize).is_some_and(|flag| *flag),
        }
    }
}

impl<'a> Found<'a> {
    fn new(excluded: Excluded<'a>, limit: usize, person: &[Octet]) -> Self {
        Self {
            excluded,
            limit,
            best: Vec::with_capacity(limit + 1),
            least: match limit {
                0 => f32::INFINITY,
                _ => f32::NEG_INFINITY,
            },
            length: length(person),
        }
    }

    /// Takes those of a panel whose bits are set.
    #[inline(never)]
    fn take(&mut self, reached: u32, scores: &[Octet; 2], items: &[u32]) {
        let mut left = reached;
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            left &= left - 1;
            // The last panel may have places without an item.
            let Some(item) = items.get(place).copied() else {
                return;
            };
            let scored = Scored {
                item,
                score: scores[place / LANES].0[place % LANES],
            };
            self.offer(scored);
        }
    }

    fn offer(&mut self, scored: Scored) {
        // The same score is neither above nor below, also where one is minus 0.
        let before = |own: &Scored| {
            own.score > scored.score || own.score >= scored.score && own.item < scored.item
        };
        let full = self.best.len() == self.limit;
        if full && self.best.last().is_none_or(before) {
            return;
        }
        if self.excluded.has(scored.item) {
            return;
        }
        let place = self.best.partition_point(before);
        if full {
            self.best.pop();
        }
        self.best.insert(place, scored);
        if self.best.len() == self.limit {
            self.least = self.best.last().map_or(f32::INFINITY, |last| last.score);
        }
    }
}

/// The length of a row, rounded up.
fn length(row: &[Octet]) -> f64 {
    let squares = row.iter().flat_map(|octet| octet.0);
    let sum: f64 = squares.map(|x| f64::from(x) * f64::from(x)).sum();
    sum.sqrt() * (1.0 + 1e-12)
}
