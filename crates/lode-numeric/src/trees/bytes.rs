//! The stored form of a [`Forest`].
//!
//! Does not compress. Invariant: bytes that decode describe a forest whose walks end and whose
//! indexes are in range, whoever wrote them.

mod read;

use super::Forest;
use super::bins::Binning;
use super::compact::summed_cover;
use super::grow::LEAF;
use super::grow::Node;
use crate::Result;

/// First bytes of a stored forest, with the version of the form.
const MAGIC: &[u8; 8] = b"lodetre2";

/// Those of the form that is still read.
const OLD_MAGIC: &[u8; 8] = b"lodetre1";

/// Form of covers: those of splits are what their children's add up to, and are not stored.
const SUMMED: u8 = 1;

/// Form of covers: those of leaves are whole numbers, stored as counts.
const WHOLE: u8 = 2;

/// In place of the decimals of a cut: eight bytes of a float follow.
const FLOAT: u64 = 15;

/// Cuts on a path, at most: what a stored tree may have.
pub(super) const MAX_DEPTH: usize = 64;

impl Forest {
    /// The model as bytes: about 2 a split, 10 a leaf, and 3 a cut of each column used.
    ///
    /// Little-endian; the same model gives the same bytes. Layout: magic `lodetre2`; objective
    /// (tag, its parameter); start; columns (0 for a number, else levels + 1); binnings (column,
    /// missing values seen, cuts or bins); form of the covers (1: those of splits are sums, 2:
    /// those of leaves are whole); trees in preorder (0 for a leaf, else 1 + twice the binned
    /// column, 1 more where missing values go left; then the bin or the value, and the cover
    /// where the form wants it); FNV-1a of all before. Counts are LEB128. A cut is 16 times a
    /// whole number (twice it, or twice what it is below -1) plus its decimals, or 15 and a
    /// float. Values and cuts keep all their bits: margins do not change by being stored.
    /// `lodetre1` differs in that cuts are floats, covers all stored, and the side of missing
    /// values has a byte of its own.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let (tag, power) = self.objective.code();
        bytes.push(tag);
        push_float(&mut bytes, power);
        push_float(&mut bytes, self.start);
        push_count(&mut bytes, self.kinds.len() as u64);
        for kind in &self.kinds {
            push_count(
                &mut bytes,
                kind.map_or(0, |n_levels| u64::from(n_levels) + 1),
            );
        }
        push_count(&mut bytes, self.derived.len() as u64);
        for derived in &self.derived {
            push_count(&mut bytes, u64::from(derived.source));
            bytes.push(u8::from(derived.missing));
            match &derived.binning {
                Binning::Number(cuts) => {
                    push_count(&mut bytes, cuts.len() as u64);
                    cuts.iter().for_each(|cut| push_cut(&mut bytes, *cut));
                }
                Binning::Category(bins) => {
                    push_count(&mut bytes, bins.len() as u64);
                    bytes.extend_from_slice(bins);
                }
            }
        }
        let form = form_of_covers(&self.trees);
        bytes.push(form);
        push_count(&mut bytes, self.trees.len() as u64);
        for node in self.trees.iter().flatten() {
            push_node(&mut bytes, node, form);
        }
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The model that [`Forest::to_bytes`] stored.
    ///
    /// # Errors
    /// [`crate::Error::Bytes`] for anything that is not exactly one whole stored forest:
    /// another version, a byte changed, cut short or added, an index out of range, a number
    /// that is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        read::forest(bytes)
    }
}

fn push_node(bytes: &mut Vec<u8>, node: &Node, form: u8) {
    if node.column == LEAF {
        push_count(bytes, 0);
        push_float(bytes, node.value);
        match whole(node.cover) {
            Some(count) if form & WHOLE != 0 => push_count(bytes, u64::from(count)),
            _ => bytes.extend_from_slice(&node.cover.to_le_bytes()),
        }
        return;
    }
    let side = u64::from(node.missing_left);
    push_count(bytes, 1 + 2 * u64::from(node.column) + side);
    bytes.push(node.bin);
    if form & SUMMED == 0 {
        bytes.extend_from_slice(&node.cover.to_le_bytes());
    }
}

fn form_of_covers(trees: &[Vec<Node>]) -> u8 {
    let summed = trees.iter().all(|tree| {
        let mut splits = (0..tree.len()).filter(|at| tree[*at].column != LEAF);
        splits.all(|at| tree[at].cover.to_bits() == summed_cover(tree, at).to_bits())
    });
    let mut leaves = trees.iter().flatten().filter(|node| node.column == LEAF);
    let whole = leaves.all(|leaf| whole(leaf.cover).is_some());
    u8::from(summed) * SUMMED + u8::from(whole) * WHOLE
}

/// A cover as a count, if it is one.
fn whole(cover: f32) -> Option<u32> {
    let count = cover as u32;
    ((count as f32).to_bits() == cover.to_bits()).then_some(count)
}

/// A cut by its decimals where that is shorter.
fn push_cut(bytes: &mut Vec<u8>, cut: f64) {
    for decimals in 0..10_u32 {
        let scale = f64::from(10_u32.pow(decimals));
        // Out of range it becomes what is refused.
        let whole = (cut * scale).round() as i64;
        let read = whole as f64 / scale;
        if whole.unsigned_abs() < 1 << 40 && read.to_bits() == cut.to_bits() {
            let code = ((whole << 1) ^ (whole >> 63)) as u64;
            push_count(bytes, code << 4 | u64::from(decimals));
            return;
        }
    }
    push_count(bytes, FLOAT);
    push_float(bytes, cut);
}

fn push_float(bytes: &mut Vec<u8>, value: f64) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn push_count(bytes: &mut Vec<u8>, mut count: u64) {
    while count >= 0x80 {
        bytes.push((count as u8 & 0x7f) | 0x80);
        count >>= 7;
    }
    bytes.push(count as u8);
}

/// FNV-1a, 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): finds damage, not malice.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
