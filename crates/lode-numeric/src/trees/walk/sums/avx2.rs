//! [`super::find`] in 256-bit registers: the leaves of up to 128 rows stay in four of them
//! through all splits of a tree.
//!
//! Does not add values. Invariant: the leaves are those of the portable form.

#![expect(unsafe_code, reason = "instructions that not every machine has")]

use std::arch::x86_64::__m256i;
use std::arch::x86_64::_mm256_and_si256;
use std::arch::x86_64::_mm256_blendv_epi8;
use std::arch::x86_64::_mm256_cmpeq_epi8;
use std::arch::x86_64::_mm256_cmpgt_epi8;
use std::arch::x86_64::_mm256_loadu_si256;
use std::arch::x86_64::_mm256_set1_epi8;
use std::arch::x86_64::_mm256_setzero_si256;
use std::arch::x86_64::_mm256_storeu_si256;

use super::LANES;
use super::Leaves;
use super::Plane;
use super::ROWS;
use super::Split;
use super::Tree;

/// Leaves of the rows of the first `registers` registers in the trees of a run, whose splits
/// start at `begin`.
pub(super) fn find(
    splits: &[Split],
    begin: usize,
    run: &[Tree],
    planes: &[Plane],
    registers: usize,
    leaves: &mut Leaves,
) {
    let mut begin = begin;
    for (tree, leaves) in run.iter().zip(leaves) {
        let splits = &splits[begin..tree.end];
        begin = tree.end;
        match registers {
            // SAFETY: `Lanes::Avx2` is made only where the machine has AVX2.
            0 | 1 => unsafe { tree_leaves::<1>(splits, planes, leaves) },
            // SAFETY: as above.
            2 => unsafe { tree_leaves::<2>(splits, planes, leaves) },
            // SAFETY: as above.
            3 => unsafe { tree_leaves::<3>(splits, planes, leaves) },
            // SAFETY: as above.
            _ => unsafe { tree_leaves::<4>(splits, planes, leaves) },
        }
    }
}

#[target_feature(enable = "avx2")]
fn tree_leaves<const N: usize>(splits: &[Split], planes: &[Plane], leaves: &mut [u8; ROWS]) {
    let mut found = [_mm256_setzero_si256(); N];
    for split in splits {
        let ranks = &planes[split.plane as usize];
        let above = _mm256_set1_epi8(split.above);
        let first = _mm256_set1_epi8(split.first as i8);
        let next = _mm256_set1_epi8(split.next as i8);
        for (at, found) in found.iter_mut().enumerate() {
            let right = _mm256_cmpgt_epi8(load(ranks, at), above);
            let moves = _mm256_and_si256(right, _mm256_cmpeq_epi8(*found, first));
            *found = _mm256_blendv_epi8(*found, next, moves);
        }
    }
    for (at, found) in found.into_iter().enumerate() {
        store(leaves, at, found);
    }
}

/// Register number `at` of a group of rows.
#[target_feature(enable = "avx2")]
#[inline]
fn load(ranks: &Plane, at: usize) -> __m256i {
    let own: &[i8] = &ranks[at * LANES..(at + 1) * LANES];
    // SAFETY: the slice is as long as a register; the load needs no alignment.
    unsafe { _mm256_loadu_si256(own.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(leaves: &mut [u8; ROWS], at: usize, found: __m256i) {
    let own: &mut [u8] = &mut leaves[at * LANES..(at + 1) * LANES];
    // SAFETY: the slice is as long as a register; the store needs no alignment.
    unsafe { _mm256_storeu_si256(own.as_mut_ptr().cast(), found) }
}
