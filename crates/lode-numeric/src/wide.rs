//! Runs loops in code for wide vectors where the machine has them.
//!
//! Does not change what is computed: the same Rust is compiled twice, and without fused
//! multiplication both give the same bits. Invariant: only this place and `lanes`
//! ask what the machine can.

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "a call of code for a feature that was found at run time"
    )
)]

/// Runs `work`, compiled for AVX2 where there is AVX2. Loops in functions that are not inlined
/// into it stay as they are.
#[inline(always)]
pub(crate) fn wide<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
        // SAFETY: both features were found.
        return unsafe { avx2(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2")]
fn avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}
