//! A seeded generator of random numbers, the same on every machine.
//!
//! Not for secrets. Invariant: the stream of a seed never changes, since stored models and
//! golden files rest on it.

mod draws;

/// xoshiro256++, seeded by SplitMix64.
///
/// Use it for sampling, shuffling and simulation; never for keys or tokens.
///
/// # Method
/// The four words of state are filled by SplitMix64 from the seed; each step gives
/// `rotl(s0 + s3, 23) + s0` and updates the state by shifts and xors. Period 2^256 - 1.
///
/// # Determinism and cost
/// A seed gives one stream, forever. About a nanosecond a number, 32 bytes of state.
///
/// # Source
/// D. Blackman, S. Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM TOMS 47(4),
/// 2021, doi:10.1145/3460772; <https://prng.di.unimi.it/xoshiro256plusplus.c> and
/// `splitmix64.c` beside it. No deviation.
///
/// # Example
/// ```
/// let mut rng = lode_numeric::Rng::new(7);
/// let dice = rng.below(6) + 1;
/// assert!((1..=6).contains(&dice));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut mix = SplitMix64::new(seed);
        Self {
            state: [mix.next(), mix.next(), mix.next(), mix.next()],
        }
    }

    /// Stream number `index` of `seed`: unlike [`Rng::new`]'s and unlike each other's.
    ///
    /// Its seed is the SplitMix64 output that follows `seed`, combined by xor with the one
    /// that follows `!index`; so parts of one job draw independently of their order.
    pub fn stream(seed: u64, index: u64) -> Self {
        let own = SplitMix64::new(seed).next();
        let part = SplitMix64::new(!index).next();
        Self::new(own ^ part)
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }
}

/// The seeding generator: any seed, also 0, gives well-mixed words.
#[derive(Clone, Debug)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next word.
    #[expect(
        clippy::should_implement_trait,
        reason = "an endless stream needs no Option around each word"
    )]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests;
