//! Seeded changes of inputs: flips, cuts, insertions, splices, lengths that lie.
//!
//! Knows nothing of coverage; that is libFuzzer's part. Invariant: the same seed gives the same
//! inputs on every machine.

/// Longest input that is made.
const MOST_BYTES: usize = 16 << 10;
/// Numbers at which lengths go wrong.
const EDGES: [u32; 12] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x100,
    0xffff,
    0x10_0000,
    0x400_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// Makes inputs out of others.
#[derive(Debug)]
pub struct Mutator {
    state: u64,
    words: &'static [&'static [u8]],
}

impl Mutator {
    /// For inputs that are made of `words`.
    pub fn new(seed: u64, words: &'static [&'static [u8]]) -> Self {
        Self { state: seed, words }
    }

    /// One of the inputs, changed in one to six places.
    pub fn make<T: AsRef<[u8]>>(&mut self, inputs: &[T]) -> Vec<u8> {
        let mut bytes = self.one_of(inputs).as_ref().to_vec();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes, inputs);
        }
        bytes.truncate(MOST_BYTES);
        bytes
    }

    fn change<T: AsRef<[u8]>>(&mut self, bytes: &mut Vec<u8>, inputs: &[T]) {
        let at = self.below(bytes.len() + 1);
        let end = at + self.below((bytes.len() - at).min(64) + 1);
        match self.below(9) {
            0 => self.flip(bytes, at),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let other = self.one_of(inputs).as_ref();
                let from = self.below(other.len() + 1);
                let to = from + self.below(other.len() - from + 1);
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            5 if !self.words.is_empty() => {
                let word = *self.one_of(self.words);
                let end = if self.below(2) == 0 { at } else { end };
                bytes.splice(at..end, word.iter().copied());
            }
            6 => {
                let number = self.one_of(&EDGES).to_le_bytes();
                // Lengths lie on multiples of four, most of them near the start.
                let at = at / 4 * 4 % if self.below(2) == 0 { 256 } else { MOST_BYTES };
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&number);
                }
            }
            7 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = byte.wrapping_add(if self.below(2) == 0 { 1 } else { 255 });
                }
            }
            _ => {
                let byte = self.next().to_le_bytes()[0];
                let n = self.below(16);
                bytes.splice(at..at, std::iter::repeat_n(byte, n));
            }
        }
    }

    fn flip(&mut self, bytes: &mut [u8], at: usize) {
        let bit = self.below(8);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
