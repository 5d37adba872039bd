//! A column's values as plain vectors, on their way from one file to another.
//!
//! A place without a value holds zero or the empty text; `valid` says which those are.

use std::hash::BuildHasher;
use std::hash::RandomState;

/// One column of some rows.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    pub(crate) values: Values,
    /// Which rows have a value; none when all have.
    pub(crate) valid: Option<Vec<bool>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// int64, timestamp (microseconds), date (days).
    Int(Vec<i64>),
    Float(Vec<f64>),
    Bool(Vec<bool>),
    /// Unscaled.
    Decimal(Vec<i128>),
    /// Which text of the list.
    Text(Vec<u32>, Texts),
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Int(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::Decimal(values) => values.len(),
            Self::Text(ids, _) => ids.len(),
        }
    }
}

impl Cells {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_valid(&self, row: usize) -> bool {
        self.valid.as_ref().is_none_or(|valid| valid[row])
    }

    /// The rows in another order; `order` names each row once.
    pub(crate) fn permuted(self, order: &[u32]) -> Self {
        fn pick<T: Copy>(values: &[T], order: &[u32]) -> Vec<T> {
            order.iter().map(|&row| values[row as usize]).collect()
        }
        Self {
            values: match self.values {
                Values::Int(values) => Values::Int(pick(&values, order)),
                Values::Float(values) => Values::Float(pick(&values, order)),
                Values::Bool(values) => Values::Bool(pick(&values, order)),
                Values::Decimal(values) => Values::Decimal(pick(&values, order)),
                Values::Text(ids, texts) => Values::Text(pick(&ids, order), texts),
            },
            valid: self.valid.map(|valid| pick(&valid, order)),
        }
    }
}

/// Distinct texts, numbered in the order in which they came.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    bytes: String,
    /// Where each ends.
    ends: Vec<usize>,
    /// (hash, number + 1) or zeros; a power of two of them, at most half of them taken.
    slots: Vec<(u32, u32)>,
    seed: u64,
}

impl Texts {
    pub(crate) fn new() -> Self {
        Self {
            bytes: String::new(),
            ends: Vec::new(),
            slots: vec![(0, 0); 64],
            // Nobody can choose texts that collide; numbers do not depend on it.
            seed: RandomState::new().hash_one(0_u8) | 1,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all texts together.
    pub(crate) fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn get(&self, id: u32) -> &str {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start..self.ends[id]]
    }

    /// The number of a text, a new one when it was not there.
    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        let hash = self.hash(text.as_bytes());
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.slots[at] {
                (_, 0) => break,
                (known, id) if known == hash && self.get(id - 1) == text => return id - 1,
                _ => at = (at + 1) & mask,
            }
        }
        let id = self.ends.len() as u32;
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        self.slots[at] = (hash, id + 1);
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        id
    }

    /// The numbers in the order of their texts, and the new number of each old one.
    pub(crate) fn sorted(&self) -> (Vec<u32>, Vec<u32>) {
        let mut order: Vec<u32> = (0..self.ends.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| self.get(a).cmp(self.get(b)));
        let mut rank = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            rank[old as usize] = new as u32;
        }
        (order, rank)
    }

    fn grow(&mut self) {
        let mut slots = vec![(0, 0); self.slots.len() * 2];
        let mask = slots.len() - 1;
        for &(hash, id) in self.slots.iter().filter(|slot| slot.1 > 0) {
            let mut at = hash as usize & mask;
            while slots[at].1 > 0 {
                at = (at + 1) & mask;
            }
            slots[at] = (hash, id);
        }
        self.slots = slots;
    }

    fn hash(&self, bytes: &[u8]) -> u32 {
        let mut state = self.seed ^ bytes.len() as u64;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            state = mix(state ^ u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        state = mix(state ^ u64::from_le_bytes(last));
        (state >> 32) as u32
    }
}

/// A multiplication of 64 by 64 bits, both halves folded together.
fn mix(state: u64) -> u64 {
    let wide = u128::from(state ^ 0xf39c_c060_5ced_c835) * 0x9e37_79b9_7f4a_7c15;
    (wide >> 64) as u64 ^ wide as u64
}
