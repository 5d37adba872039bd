//! Draws from distributions, on top of the raw bits.
//!
//! Does not keep anything between draws: each draw uses the bits it needs and no more state.

use super::Rng;

impl Rng {
    /// Uniform on `[0, 1)`, a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform integer on `0..bound`, without bias; 0 when `bound` is 0.
    ///
    /// D. Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29(1), 2019,
    /// doi:10.1145/3230636, algorithm 5.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            let floor = bound.wrapping_neg() % bound;
            while (product as u64) < floor {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// An index into something of `len` entries; 0 when it has none.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Normal with mean 0 and standard deviation 1, by Marsaglia's polar method.
    ///
    /// G. Marsaglia, T. A. Bray, SIAM Review 6(3), 1964, doi:10.1137/1006063. Deviation: the
    /// second number of each pair is not kept.
    pub fn normal(&mut self) -> f64 {
        loop {
            let x = 2.0 * self.uniform() - 1.0;
            let y = 2.0 * self.uniform() - 1.0;
            let s = x * x + y * y;
            if s > 0.0 && s < 1.0 {
                return x * (-2.0 * s.ln() / s).sqrt();
            }
        }
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// Gamma of `shape` > 0 and scale 1.
    ///
    /// G. Marsaglia, W. W. Tsang, "A Simple Method for Generating Gamma Variables", ACM TOMS
    /// 26(3), 2000, doi:10.1145/358407.358414; below shape 1 with the boost of its section 6.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.uniform()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            let u = 1.0 - self.uniform();
            if v > 0.0 && u.ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return d * v;
            }
        }
    }

    /// Poisson of `mean` >= 0, by counting uniform factors; takes time in proportion to `mean`.
    ///
    /// D. E. Knuth, The Art of Computer Programming, volume 2, 3.4.1. Deviation: the mean is
    /// taken in pieces of at most 16, so that no product underflows.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        let mut count = 0;
        let mut left = mean;
        while left > 0.0 {
            let limit = (-left.min(16.0)).exp();
            let mut product = self.uniform();
            while product > limit {
                count += 1;
                product *= self.uniform();
            }
            left -= 16.0;
        }
        count
    }

    /// An index drawn in proportion to `weights`; none when they add up to nothing.
    pub fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let total: f64 = weights.iter().sum();
        let target = self.uniform() * total;
        let mut passed = 0.0;
        let mut last = None;
        for (index, weight) in weights.iter().enumerate() {
            if *weight > 0.0 {
                passed += weight;
                last = Some(index);
                if passed > target {
                    break;
                }
            }
        }
        last
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}
