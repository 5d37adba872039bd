//! Asks the machine to bring memory near before it is read.
//!
//! Does not change any result. Invariant: no address is read here, so none can be wrong.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "an instruction that only hints")
)]

/// Hints that the entries of `list` from `index` on are read soon: the line of memory that holds
/// the first of them.
#[inline(always)]
pub(crate) fn soon<T>(list: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::_MM_HINT_T0;
        use std::arch::x86_64::_mm_prefetch;
        let address = list.as_ptr().wrapping_add(index).cast::<i8>();
        // SAFETY: the hint faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (list, index);
}
