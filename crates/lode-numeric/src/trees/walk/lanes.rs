//! Which instructions the hot loops may use.
//!
//! Does not compute anything. Invariant: all of them give the same bytes.

/// Instructions for several rows at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Lanes {
    /// What every machine of the architecture has.
    Portable,
    /// AVX2 of x86-64. Only [`Lanes::best`] makes it, where the machine has it.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Lanes {
    /// The fastest that this machine has.
    pub(in super::super) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Self::Avx2;
        }
        Self::Portable
    }
}

/// Asks for numbers that will be read soon. Changes nothing but the time.
#[inline(always)]
pub(super) fn soon(values: &[f64]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(LINE) {
        prefetch(line);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Numbers of a line of the cache.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 8;

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "an instruction that has no other form")]
fn prefetch(line: &[f64]) {
    use std::arch::x86_64::_MM_HINT_T1;
    use std::arch::x86_64::_mm_prefetch;
    // SAFETY: a hint, which every machine of the architecture knows and no address can spoil.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
}
