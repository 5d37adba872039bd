//! Takes out of a learned forest what its trees do not ask for.
//!
//! Does not change a margin. Invariant: each split sends all values where it sent them before.

use super::Forest;
use super::bins::Binning;
use super::grow::LEAF;
use super::grow::Node;
use super::walk::Compiled;

/// The highest bin after which a cut may stand with a bin above it.
const LAST_CUT: usize = 254;

impl Forest {
    /// Forgets binnings, cuts between bins, and values of nodes that are no leaves, where no
    /// tree asks for them. The cover of a split becomes what those of its children add up to.
    pub(super) fn compact(&mut self) {
        self.compiled = Compiled::default();
        let mut asked: Vec<Option<[bool; 256]>> = vec![None; self.derived.len()];
        let splits = self.trees.iter().flatten();
        for node in splits.filter(|node| node.column != LEAF) {
            asked[node.column as usize].get_or_insert([false; 256])[usize::from(node.bin)] = true;
        }
        let mut n_kept = 0;
        let mut kept: Vec<(u32, Kept)> = Vec::with_capacity(asked.len());
        for (derived, asked) in self.derived.iter_mut().zip(&asked) {
            let bins = asked.map(|asked| keep(&mut derived.binning, &asked));
            kept.push((n_kept, bins.unwrap_or_default()));
            n_kept += u32::from(asked.is_some());
        }
        for tree in &mut self.trees {
            for node in tree.iter_mut().filter(|node| node.column != LEAF) {
                let (column, bins) = &kept[node.column as usize];
                node.column = *column;
                node.bin = bins.bin(node.bin);
                node.value = 0.0;
            }
            for at in (0..tree.len()).rev() {
                if tree[at].column != LEAF {
                    tree[at].cover = summed_cover(tree, at);
                }
            }
        }
        let mut keep = asked.into_iter();
        self.derived.retain(|_| keep.next().flatten().is_some());
    }
}

/// What the covers of a split's children add up to.
pub(super) fn summed_cover(nodes: &[Node], at: usize) -> f32 {
    let right = nodes[at].right as usize;
    (f64::from(nodes[at + 1].cover) + f64::from(nodes[right].cover)) as f32
}

/// Bins after which a cut was kept, rising; those that have bins above them.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Kept {
    /// The new number of a bin that a split names.
    fn bin(&self, bin: u8) -> u8 {
        match self.0.binary_search(&bin) {
            // At most 254 bins are kept.
            Ok(at) => at as u8 + 1,
            Err(_) if bin == 0 => 0,
            // All values are below it.
            Err(_) => self.0.len() as u8 + 1,
        }
    }
}

fn keep(binning: &mut Binning, asked: &[bool; 256]) -> Kept {
    let n_cuts = match binning {
        Binning::Number(cuts) => cuts.len().min(LAST_CUT),
        Binning::Category(_) => LAST_CUT,
    };
    let bins = (1..=n_cuts).filter(|bin| asked[*bin]);
    let kept: Vec<u8> = bins.map(|bin| bin as u8).collect();
    match binning {
        Binning::Number(cuts) => {
            *cuts = kept.iter().map(|bin| cuts[usize::from(*bin) - 1]).collect();
        }
        Binning::Category(levels) => {
            for bin in levels.iter_mut().filter(|bin| **bin > 0) {
                *bin = 1 + kept.partition_point(|own| own < bin) as u8;
            }
        }
    }
    Kept(kept)
}

#[cfg(test)]
mod tests;
