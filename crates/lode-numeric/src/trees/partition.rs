//! Deals the rows of a node to its children.
//!
//! Does not choose the cut. Invariant: rows keep their order within each side, whatever the
//! number of threads.

use crate::parallel::Crew;

/// Rows that are dealt at a time, in buffers of the nearest cache.
const BLOCK: usize = 1024;

/// Rows a piece of work.
const PIECE: usize = 1 << 16;

/// Puts the rows whose bin goes left before the others, and says how many there are.
pub(super) fn partition(
    rows: &mut [u32],
    column: &[u8],
    left: &[bool; 256],
    scratch: &mut Vec<u32>,
    crew: &Crew<'_>,
) -> usize {
    if scratch.len() < rows.len() {
        scratch.resize(rows.len(), 0);
    }
    let scratch = &mut scratch[..rows.len()];
    if rows.len() <= PIECE || crew.threads() < 2 {
        let n_left = deal(rows, column, left, scratch);
        let n_right = rows.len() - n_left;
        rows[n_left..].copy_from_slice(&scratch[..n_right]);
        return n_left;
    }
    // Each piece by itself, its right side in the scratch; then both to where they belong.
    let mut pieces: Vec<(&mut [u32], &mut [u32])> = rows
        .chunks_mut(PIECE)
        .zip(scratch.chunks_mut(PIECE))
        .collect();
    let lefts = crew.map_mut(&mut pieces, |_, (rows, scratch)| {
        let n_left = deal(rows, column, left, scratch);
        scratch.copy_within(..rows.len() - n_left, n_left);
        scratch[..n_left].copy_from_slice(&rows[..n_left]);
        n_left
    });
    let n_left: usize = lefts.iter().sum();
    let (mut left_side, mut right_side) = rows.split_at_mut(n_left);
    let mut moves: Vec<(&mut [u32], &mut [u32], &[u32])> = Vec::with_capacity(lefts.len());
    for (own, n_left) in scratch.chunks(PIECE).zip(&lefts) {
        let (a, rest) = std::mem::take(&mut left_side).split_at_mut(*n_left);
        left_side = rest;
        let (b, rest) = std::mem::take(&mut right_side).split_at_mut(own.len() - n_left);
        right_side = rest;
        moves.push((a, b, own));
    }
    crew.map_mut(&mut moves, |_, (a, b, own)| {
        let (own_left, own_right) = own.split_at(a.len());
        a.copy_from_slice(own_left);
        b.copy_from_slice(own_right);
    });
    n_left
}

/// Keeps the rows that go left in front, and writes the others to `rights`.
fn deal(rows: &mut [u32], column: &[u8], left: &[bool; 256], rights: &mut [u32]) -> usize {
    let mut own = [[0_u32; BLOCK]; 3];
    let [block, to_left, to_right] = &mut own;
    let (mut n_left, mut n_right) = (0, 0);
    let mut begin = 0;
    while begin < rows.len() {
        let end = (begin + BLOCK).min(rows.len());
        let block = &mut block[..end - begin];
        block.copy_from_slice(&rows[begin..end]);
        let (mut l, mut r) = (0_usize, 0_usize);
        // Both places are written and one counts: which side comes next cannot be foreseen.
        for row in block.iter() {
            let goes = usize::from(left[usize::from(column[*row as usize])]);
            to_left[l % BLOCK] = *row;
            to_right[r % BLOCK] = *row;
            l = l.wrapping_add(goes);
            r = r.wrapping_add(1 - goes);
        }
        rows[n_left..n_left + l].copy_from_slice(&to_left[..l]);
        rights[n_right..n_right + r].copy_from_slice(&to_right[..r]);
        n_left += l;
        n_right += r;
        begin = end;
    }
    n_left
}
