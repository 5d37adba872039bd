//! Which rows without the event are kept, decided row by row from a seed.
//!
//! A row is kept when a number made of the seed, its time, its customer and its candidate is
//! below the rate of its time: no count and no order of rows comes in, so that cuts and threads
//! change nothing. A kept row weighs 1 / rate, so that sums over the sample are in expectation
//! those over all rows.

use crate::cells::Key;

/// A sample of the rows without the event; those with it are all kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Seed of every choice.
    pub seed: u64,
    /// For each time, the part that is kept, above 0; from 1 on all are.
    pub rates: Vec<f64>,
}

impl Sampling {
    /// The weight of a row without the event, if it is kept.
    pub(crate) fn weight(&self, date: u32, t: i64, key: Key<'_>, item: u32) -> Option<f64> {
        let rate = self.rates.get(date as usize).copied().unwrap_or(1.0);
        if rate >= 1.0 {
            return Some(1.0);
        }
        let mut state = mix(self.seed, t.cast_unsigned());
        state = match key {
            Key::Int(id) => mix(state, id.cast_unsigned()),
            Key::Text(id) => id.bytes().fold(mix(state, id.len() as u64), |state, byte| {
                (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            }),
        };
        let drawn = mix(state, u64::from(item)) >> 11;
        // 53 bits, which a float holds exactly.
        let drawn = drawn as f64 / (1_u64 << 53) as f64;
        (drawn < rate).then(|| 1.0 / rate)
    }
}

/// One step of splitmix64 over two numbers.
fn mix(state: u64, more: u64) -> u64 {
    let mut z = (state ^ more).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
