//! Neighbor lists of all items, one after the other.
//!
//! Does not know how they came about. Invariant: each list is best first, ties by item.

use super::best::Entry;

/// The neighbors of each item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lists {
    /// Where each list begins; one more than items.
    starts: Vec<usize>,
    items: Vec<u32>,
    similarities: Vec<f32>,
    both: Vec<u32>,
}

/// The neighbors of one item, best first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct List<'a> {
    /// The other items.
    pub items: &'a [u32],
    /// How alike they are, above 0; weights of a linear model may be below.
    pub similarities: &'a [f32],
    /// People who have both; 0 where nobody counted.
    pub both: &'a [u32],
}

impl Lists {
    pub(super) fn new(lists: &[Vec<Entry>]) -> Self {
        let mut starts = Vec::with_capacity(lists.len() + 1);
        let mut total = 0;
        starts.push(total);
        for list in lists {
            total += list.len();
            starts.push(total);
        }
        let all = || lists.iter().flatten();
        Self {
            starts,
            items: all().map(|entry| entry.item()).collect(),
            similarities: all().map(|entry| entry.similarity()).collect(),
            both: all().map(|entry| entry.both).collect(),
        }
    }

    /// Takes items and weights that nobody counted people for.
    pub(crate) fn of_weights(lists: &[Vec<(u32, f32)>]) -> Self {
        let mut starts = vec![0];
        let mut total = 0;
        for list in lists {
            total += list.len();
            starts.push(total);
        }
        let all = || lists.iter().flatten();
        Self {
            starts,
            items: all().map(|weight| weight.0).collect(),
            similarities: all().map(|weight| weight.1).collect(),
            both: vec![0; total],
        }
    }

    /// Takes lists as they are, as from a model's bytes: where each begins (one more than
    /// items), items and similarities; `both` may be empty. None where they do not fit together
    /// or name items that are not there.
    pub fn from_parts(
        starts: Vec<usize>,
        items: Vec<u32>,
        similarities: Vec<f32>,
        mut both: Vec<u32>,
    ) -> Option<Self> {
        let n_items = starts.len().checked_sub(1)?;
        let whole = starts[0] == 0 && starts.is_sorted() && starts[n_items] == items.len();
        let inside = items.iter().all(|item| (*item as usize) < n_items);
        if both.is_empty() {
            both = vec![0; items.len()];
        }
        let paired = similarities.len() == items.len() && both.len() == items.len();
        let finite = similarities.iter().all(|s| s.is_finite());
        (whole && inside && paired && finite).then_some(Self {
            starts,
            items,
            similarities,
            both,
        })
    }

    /// Where each list begins, all items and all similarities: what [`Self::from_parts`] takes.
    pub fn parts(&self) -> (&[usize], &[u32], &[f32]) {
        (&self.starts, &self.items, &self.similarities)
    }

    /// How many items have a list, an empty one perhaps.
    pub fn n_items(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// How many neighbors there are in all.
    pub fn n_neighbors(&self) -> usize {
        self.items.len()
    }

    /// The neighbors of an item.
    pub fn get(&self, item: usize) -> List<'_> {
        let range = self.starts[item]..self.starts[item + 1];
        List {
            items: &self.items[range.clone()],
            similarities: &self.similarities[range.clone()],
            both: &self.both[range],
        }
    }

    /// How alike `other` is in the list of `item`, 0 where it is not in it.
    pub fn similarity(&self, item: usize, other: u32) -> f32 {
        let list = self.get(item);
        let place = list.items.iter().position(|found| *found == other);
        place.map_or(0.0, |place| list.similarities[place])
    }
}
