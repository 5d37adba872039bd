//! How much memory a piece of code holds at most, counted on its own thread.
//!
//! Counts what is asked of the allocator, so that a length that is believed before its bytes
//! are there shows even where the system would never touch the pages.
#![expect(unsafe_code, reason = "an allocator that counts is an allocator")]

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::cell::Cell;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

/// Runs `work` and asserts that it never holds more than `most_bytes` beyond what is held now.
pub(crate) fn bounded<T>(most_bytes: usize, work: impl FnOnce() -> T) -> T {
    let before = HELD.get();
    let outer = MOST.replace(before);
    let result = work();
    let most = MOST.get() - before;
    // A bound around this one counts what it has seen and what this one has.
    MOST.set(MOST.get().max(outer));
    assert!(
        usize::try_from(most).is_ok_and(|most| most <= most_bytes),
        "held {most} bytes, at most {most_bytes} were due"
    );
    result
}

fn count(bytes: usize, sign: i64) {
    // No allocation is near 2^63 bytes.
    let held = HELD.get() + sign * i64::try_from(bytes).unwrap_or(i64::MAX / 2);
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

struct Counting;

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size, 1);
        count(layout.size(), -1);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn what_is_held_at_once_counts() {
        bounded(4000, || {
            for _ in 0..10 {
                drop(std::hint::black_box(vec![0_u8; 3000]));
            }
        });
    }

    #[test]
    #[should_panic(expected = "at most 4000 were due")]
    fn a_length_that_is_believed_shows() {
        bounded(4000, || {
            drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 30)))
        });
    }
}
