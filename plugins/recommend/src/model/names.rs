//! Many names in one text, in order, found again by hash.
//!
//! Does not sort; whoever pushes does. Invariant: every end is on a character boundary.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::hash::BuildHasherDefault;
use std::hash::DefaultHasher;

use super::codec::Reader;
use super::codec::Writer;

/// Names, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Names {
    ends: Vec<u64>,
    text: String,
}

impl Names {
    pub(crate) fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len() as u64);
    }

    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut all = Self::default();
        for name in names {
            all.push(name);
        }
        all
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|code| self.get(code))
    }

    /// The code of a name, when the names rise.
    pub(crate) fn code(&self, name: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(middle as u32),
            }
        }
        None
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.u64s(&self.ends);
        to.bytes(self.text.as_bytes());
    }

    /// None when damaged.
    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Self::from_parts(from.u64s()?, from.text()?)
    }

    /// None when the ends do not cut the text.
    pub(crate) fn from_parts(ends: Vec<u64>, text: String) -> Option<Self> {
        let whole = ends.last().copied().unwrap_or(0) == text.len() as u64;
        let cut = |end: &u64| usize::try_from(*end).is_ok_and(|at| text.is_char_boundary(at));
        (whole && ends.is_sorted() && ends.iter().all(cut)).then_some(Self { ends, text })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, code: usize) -> &str {
        let start = code.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[code] as usize]
    }

    /// Whether each name is above the one before.
    pub(crate) fn rise(&self) -> bool {
        (1..self.len()).all(|code| self.get(code - 1) < self.get(code))
    }

    /// The names of two lists that rise, each once, and the new code of each name of either.
    pub(crate) fn union(&self, other: &Self) -> (Self, [Vec<u32>; 2]) {
        let mut all = Self::default();
        let mut codes = [
            Vec::with_capacity(self.len()),
            Vec::with_capacity(other.len()),
        ];
        let (mut left, mut right) = (0, 0);
        while left < self.len() || right < other.len() {
            let order = if right == other.len() {
                Ordering::Less
            } else if left == self.len() {
                Ordering::Greater
            } else {
                self.get(left).cmp(other.get(right))
            };
            let code = all.len() as u32;
            all.push(if order.is_le() {
                self.get(left)
            } else {
                other.get(right)
            });
            if order.is_le() {
                codes[0].push(code);
                left += 1;
            }
            if order.is_ge() {
                codes[1].push(code);
                right += 1;
            }
        }
        (all, codes)
    }
}

/// Finds the code of a name in one or two steps.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// Codes by hash, [`Index::FREE`] where there is none; a power of two long, at most half
    /// full.
    slots: Vec<u32>,
}

impl Index {
    const FREE: u32 = u32::MAX;

    pub(crate) fn new(names: &Names) -> Self {
        let n_slots = (2 * names.len()).next_power_of_two().max(2);
        let mut index = Self {
            slots: vec![Self::FREE; n_slots],
        };
        for code in 0..names.len() {
            let mut slot = index.first_slot(names.get(code));
            while index.slots[slot] != Self::FREE {
                slot = (slot + 1) % n_slots;
            }
            index.slots[slot] = code as u32;
        }
        index
    }

    /// The code of `name` among the `names` that the index was made of.
    pub(crate) fn find(&self, names: &Names, name: &str) -> Option<u32> {
        let mut slot = self.first_slot(name);
        while self.slots[slot] != Self::FREE {
            let code = self.slots[slot];
            if names.get(code as usize) == name {
                return Some(code);
            }
            slot = (slot + 1) % self.slots.len();
        }
        None
    }

    fn first_slot(&self, name: &str) -> usize {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        (hash as usize) & (self.slots.len() - 1)
    }
}
