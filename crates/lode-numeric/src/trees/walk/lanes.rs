//! Which instructions the hot loops may use.
//!
//! Does not compute anything. Invariant: all of them give the same bytes.

/// Instructions for several rows at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Lanes {
    /// What every machine of the architecture has.
    Portable,
    /// AVX2 of x86-64. Only [`Lanes::all`] makes it, where the machine has it.
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
