//! Which items lists show: how much of a catalogue, how evenly, how far from what all have.
//!
//! Says nothing of whether anybody takes them.

/// How often each item of a catalogue stands among the first places of lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    shown: Vec<u64>,
    elsewhere: u64,
}

impl Exposure {
    /// Of a catalogue of so many items, numbered from 0.
    pub fn new(n_items: usize) -> Self {
        Self {
            shown: vec![0; n_items],
            elsewhere: 0,
        }
    }

    /// Counts a place that shows an item; one that is not of the catalogue takes a place too.
    pub fn add(&mut self, item: usize) {
        match self.shown.get_mut(item) {
            Some(count) => *count += 1,
            None => self.elsewhere += 1,
        }
    }

    /// All places.
    pub fn places(&self) -> u64 {
        self.shown.iter().sum::<u64>() + self.elsewhere
    }

    /// Share of the catalogue that stands in any list; 0 of an empty one.
    pub fn coverage(&self) -> f64 {
        let shown = self.shown.iter().filter(|count| **count > 0).count();
        shown as f64 / self.shown.len().max(1) as f64
    }

    /// Gini coefficient of the places over the catalogue: 0 when each item has as many as any
    /// other, near 1 when one has all; 0 without places.
    ///
    /// `sum_i (2 i - n - 1) c_i / (n sum c)` over the counts `c_1 <= .. <= c_n`.
    pub fn gini(&self) -> f64 {
        let total: u64 = self.shown.iter().sum();
        if total == 0 {
            return 0.0;
        }
        let mut counts = self.shown.clone();
        counts.sort_unstable();
        let n = counts.len() as f64;
        let ranked = (1..).zip(&counts);
        let sum: f64 = ranked
            .map(|(rank, count): (u32, &u64)| (2.0 * f64::from(rank) - n - 1.0) * *count as f64)
            .sum();
        sum / (n * total as f64)
    }

    /// Share of all places that show one of `items`; 0 without places.
    pub fn share_of(&self, items: impl Iterator<Item = usize>) -> f64 {
        let held: u64 = items.filter_map(|item| self.shown.get(item)).sum();
        held as f64 / self.places().max(1) as f64
    }

    /// Mean surprise over all places: [`surprise`] of the item's holders among `n_people`; what is
    /// not of the catalogue counts as an item of one holder. 0 without places.
    pub fn novelty(&self, holders: &[u32], n_people: usize) -> f64 {
        let both = self.shown.iter().zip(holders);
        let known: f64 = both
            .filter(|(count, _)| **count > 0)
            .map(|(count, holders)| *count as f64 * surprise(*holders, n_people))
            .sum();
        let all = known + self.elsewhere as f64 * surprise(1, n_people);
        all / self.places().max(1) as f64
    }
}

/// `-log2` of the share of people who have an item: 0 of what all have. What nobody has counts as
/// if one had it.
pub fn surprise(holders: u32, n_people: usize) -> f64 {
    let share = f64::from(holders.max(1)) / n_people.max(1) as f64;
    // Not -0 of what all have.
    (-share.log2()).max(0.0)
}
