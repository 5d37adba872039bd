//! The stored form of a [`Forest`].
//!
//! Does not compress. Invariant: bytes that decode describe a forest whose walks end and whose
//! indexes are in range, whoever wrote them.

mod read;

use super::Forest;
use super::bins::Binning;
use super::grow::LEAF;
use super::grow::Node;
use crate::Result;

/// First bytes of a stored forest, with the version of the form.
const MAGIC: &[u8; 8] = b"lodetre1";

/// Cuts on a path, at most: what a stored tree may have.
pub(super) const MAX_DEPTH: usize = 64;

impl Forest {
    /// The model as bytes: about 7 a split and 13 a leaf, and the cuts of each column used.
    ///
    /// Little-endian; the same model gives the same bytes. Layout: magic `lodetre1`; objective
    /// (tag, its parameter); start; columns (0 for a number, else levels + 1); binnings (column, kind,
    /// missing values seen, cuts or bins); trees in preorder (binned column + 1 or 0 for a
    /// leaf, then the cut or the value, and the cover); FNV-1a of all before. Counts are
    /// LEB128.
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
                    cuts.iter().for_each(|cut| push_float(&mut bytes, *cut));
                }
                Binning::Category(bins) => {
                    push_count(&mut bytes, bins.len() as u64);
                    bytes.extend_from_slice(bins);
                }
            }
        }
        push_count(&mut bytes, self.trees.len() as u64);
        for tree in &self.trees {
            tree.iter().for_each(|node| push_node(&mut bytes, node));
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

fn push_node(bytes: &mut Vec<u8>, node: &Node) {
    if node.column == LEAF {
        push_count(bytes, 0);
        push_float(bytes, node.value);
    } else {
        push_count(bytes, u64::from(node.column) + 1);
        bytes.push(node.bin);
        bytes.push(u8::from(node.missing_left));
    }
    bytes.extend_from_slice(&node.cover.to_le_bytes());
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
