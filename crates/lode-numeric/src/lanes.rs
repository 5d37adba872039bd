//! Eight numbers of 32 bits at a time, with fused multiplication where the machine has it.
//!
//! Does not decide what is computed: a [`Kernel`] is written once and compiled twice, for AVX2 with
//! FMA and for any machine. Invariant: both give the same bits, since a fused multiplication rounds
//! once everywhere and each operation has one order.

#![expect(
    unsafe_code,
    reason = "instructions that were found at run time are called"
)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64;

/// Numbers that are loaded together, and lie within one line of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(32))]
pub(crate) struct Octet(pub(crate) [f32; LANES]);

/// Numbers of an [`Octet`].
pub(crate) const LANES: usize = 8;

/// The operations; `self` is the left one.
pub(crate) trait Lanes: Copy {
    fn load(from: &Octet) -> Self;
    fn splat(value: f32) -> Self;
    fn octet(self) -> Octet;
    /// `self * by + plus`, rounded once.
    fn fma(self, by: Self, plus: Self) -> Self;
    fn add(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    /// Bit `k` is set where lane `k` is not below that of the other.
    fn reached(self, other: Self) -> u32;
    /// Lane `k` is the sum of all lanes of the `k`-th: neighbors first, then pairs, then halves.
    fn sums(of: [Self; LANES]) -> Self;
    /// Says that these will be read soon.
    fn prefetch(from: &Octet);
}

/// Work that is compiled for each kind of machine. `run` and all that it calls must be
/// `#[inline(always)]`.
pub(crate) trait Kernel {
    type Out;
    fn run<V: Lanes>(self) -> Self::Out;
}

/// Runs the kernel as this machine does it fastest.
#[inline(always)]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: both features were found.
        return unsafe { run_fused(kernel) };
    }
    kernel.run::<Plain>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_fused<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<Fused>()
}

/// For any machine.
#[derive(Clone, Copy)]
pub(crate) struct Plain([f32; LANES]);

impl Plain {
    #[inline(always)]
    fn each(f: impl Fn(usize) -> f32) -> Self {
        Self(std::array::from_fn(f))
    }
}

impl Lanes for Plain {
    #[inline(always)]
    fn load(from: &Octet) -> Self {
        Self(from.0)
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn octet(self) -> Octet {
        Octet(self.0)
    }

    #[inline(always)]
    fn fma(self, by: Self, plus: Self) -> Self {
        Self::each(|lane| self.0[lane].mul_add(by.0[lane], plus.0[lane]))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self::each(|lane| self.0[lane] + other.0[lane])
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self::each(|lane| self.0[lane] * other.0[lane])
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self::each(|lane| self.0[lane] / other.0[lane])
    }

    #[inline(always)]
    fn reached(self, other: Self) -> u32 {
        let bit = |lane: usize| u32::from(self.0[lane] >= other.0[lane]) << lane;
        (0..LANES).map(bit).sum()
    }

    #[inline(always)]
    fn sums(of: [Self; LANES]) -> Self {
        Self::each(|lane| {
            let [a, b, c, d, e, f, g, h] = of[lane].0;
            ((a + b) + (c + d)) + ((e + f) + (g + h))
        })
    }

    #[inline(always)]
    fn prefetch(_from: &Octet) {}
}

/// For AVX2 with FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Fused(x86_64::__m256);

#[cfg(target_arch = "x86_64")]
impl Lanes for Fused {
    #[inline(always)]
    fn load(from: &Octet) -> Self {
        // SAFETY: an octet is 32 bytes at a place that 32 divides; `run` found AVX.
        Self(unsafe { x86_64::_mm256_load_ps(from.0.as_ptr()) })
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: `run` found AVX.
        Self(unsafe { x86_64::_mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn octet(self) -> Octet {
        let mut octet = Octet::default();
        // SAFETY: as in `load`.
        unsafe { x86_64::_mm256_store_ps(octet.0.as_mut_ptr(), self.0) };
        octet
    }

    #[inline(always)]
    fn fma(self, by: Self, plus: Self) -> Self {
        // SAFETY: `run` found FMA.
        Self(unsafe { x86_64::_mm256_fmadd_ps(self.0, by.0, plus.0) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: `run` found AVX.
        Self(unsafe { x86_64::_mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: `run` found AVX.
        Self(unsafe { x86_64::_mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: `run` found AVX.
        Self(unsafe { x86_64::_mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn reached(self, other: Self) -> u32 {
        // SAFETY: `run` found AVX.
        let mask = unsafe { x86_64::_mm256_cmp_ps::<{ x86_64::_CMP_GE_OQ }>(self.0, other.0) };
        // SAFETY: `run` found AVX.
        let bits = unsafe { x86_64::_mm256_movemask_ps(mask) };
        bits.cast_unsigned()
    }

    #[inline(always)]
    fn sums(of: [Self; LANES]) -> Self {
        let pairs = |a: Self, b: Self| {
            // SAFETY: `run` found AVX.
            Self(unsafe { x86_64::_mm256_hadd_ps(a.0, b.0) })
        };
        let low = pairs(pairs(of[0], of[1]), pairs(of[2], of[3]));
        let high = pairs(pairs(of[4], of[5]), pairs(of[6], of[7]));
        // SAFETY: `run` found AVX.
        let first = unsafe { x86_64::_mm256_permute2f128_ps::<0x20>(low.0, high.0) };
        // SAFETY: `run` found AVX.
        let second = unsafe { x86_64::_mm256_permute2f128_ps::<0x31>(low.0, high.0) };
        Self(first).add(Self(second))
    }

    #[inline(always)]
    fn prefetch(from: &Octet) {
        let place = std::ptr::from_ref(from).cast();
        // SAFETY: nothing is read that a program could see.
        unsafe { x86_64::_mm_prefetch::<{ x86_64::_MM_HINT_T0 }>(place) };
    }
}

#[cfg(test)]
mod tests {
    use super::Kernel;
    use super::LANES;
    use super::Lanes;
    use super::Octet;
    use super::Plain;
    use super::run;
    use crate::Rng;

    /// All operations on some numbers, as bits.
    struct All<'a>(&'a [Octet]);

    impl Kernel for All<'_> {
        type Out = Vec<u32>;

        #[inline(always)]
        fn run<V: Lanes>(self) -> Vec<u32> {
            let of: [V; LANES] = std::array::from_fn(|at| V::load(&self.0[at]));
            V::prefetch(&self.0[0]);
            let results = [
                of[0].fma(of[1], of[2]),
                of[3].add(of[4]),
                of[5].mul(of[6]),
                of[6].div(of[7]),
                V::splat(self.0[0].0[3]),
                V::sums(of),
            ];
            let bits = results.iter().flat_map(|v| v.octet().0.map(f32::to_bits));
            bits.chain([of[0].reached(of[1]), of[0].reached(of[0])])
                .collect()
        }
    }

    #[test]
    fn a_machine_with_wide_vectors_gives_the_same_bits() {
        let mut rng = Rng::new(11);
        for _ in 0..200 {
            let mut octet = || Octet([0.0; LANES].map(|_: f32| rng.normal() as f32));
            let numbers: Vec<Octet> = (0..LANES).map(|_| octet()).collect();
            assert_eq!(run(All(&numbers)), All(&numbers).run::<Plain>());
        }
    }

    #[test]
    fn sums_and_masks_are_of_the_lanes() {
        let numbers: Vec<Octet> = (0..8).map(|at| Octet([at as f32; LANES])).collect();
        let found = run(All(&numbers));
        let sums: Vec<u32> = (0..8).map(|at| (at as f32 * 8.0).to_bits()).collect();
        assert_eq!(found[40..48], sums);
        assert_eq!(found[48..], [0, 255]);
    }
}
