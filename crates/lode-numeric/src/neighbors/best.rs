//! The best so many of what comes in any order.
//!
//! Invariant: what is kept does not depend on the order in which it came.

/// A similarity that competes for a place in a list; the greater comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Bits of a number above 0, which rise with it.
    similarity: u32,
    /// Ties go to the lower item.
    not_item: u32,
    pub(super) both: u32,
}

impl Entry {
    /// None for a similarity that is not above 0.
    pub(super) fn new(similarity: f64, item: u32, both: u32) -> Option<Self> {
        let similarity = similarity.min(f64::from(f32::MAX)) as f32;
        (similarity > 0.0).then(|| Self {
            similarity: similarity.to_bits(),
            not_item: !item,
            both,
        })
    }

    pub(super) fn item(self) -> u32 {
        !self.not_item
    }

    pub(super) fn similarity(self) -> f32 {
        f32::from_bits(self.similarity)
    }
}

/// The best entries of one list.
#[derive(Clone, Debug, Default)]
pub(super) struct Best {
    entries: Vec<Entry>,
    /// The last of the best, once there are as many as are kept.
    floor: Option<Entry>,
}

impl Best {
    /// A similarity at or below this has no place, however it was rounded.
    pub(super) fn least(&self) -> f32 {
        const ROUNDING: f32 = 1.0 - 1e-5;
        self.floor
            .map_or(0.0, |floor| floor.similarity() * ROUNDING)
    }

    /// Takes an entry; says whether [`Self::least`] has changed.
    pub(super) fn push(&mut self, entry: Entry, limit: usize) -> bool {
        if self.floor.is_some_and(|floor| entry <= floor) {
            return false;
        }
        self.entries.push(entry);
        // Some more than are kept, so that they are seldom cut.
        let room = limit.saturating_add((limit / 4).max(16));
        if self.entries.len() < room {
            return false;
        }
        self.cut(limit);
        true
    }

    fn cut(&mut self, limit: usize) {
        if self.entries.len() > limit {
            let (_, last, _) = self
                .entries
                .select_nth_unstable_by(limit - 1, |a, b| b.cmp(a));
            self.floor = Some(*last);
            self.entries.truncate(limit);
        }
    }

    /// The best, best first.
    pub(super) fn finish(mut self, limit: usize) -> Vec<Entry> {
        self.cut(limit);
        self.entries.sort_unstable_by(|a, b| b.cmp(a));
        self.entries.shrink_to_fit();
        self.entries
    }
}
