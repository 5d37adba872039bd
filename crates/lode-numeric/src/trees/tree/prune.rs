//! Cost-complexity pruning.
//!
//! Does not see rows. Invariant: for one tree a higher price gives a subtree of the one that a
//! lower price gives.

use super::super::grow::Grown;
use super::super::grow::LEAF;

/// Complexities that are tried, at most.
const MOST_CANDIDATES: usize = 40;

/// The smallest subtree of least `error + price * leaves`.
pub(super) fn pruned(grown: &Grown, price: f64) -> Grown {
    let nodes = &grown.nodes;
    let n = nodes.len();
    // Children stand behind their parent: from the back each is known before it.
    let mut saved = vec![0.0; n];
    let mut cuts = vec![0.0; n];
    let mut keeps = vec![false; n];
    for at in (0..n).rev() {
        if nodes[at].column == LEAF {
            continue;
        }
        let right = nodes[at].right as usize;
        let own_saved = grown.gains[at] + saved[at + 1] + saved[right];
        let own_cuts = 1.0 + cuts[at + 1] + cuts[right];
        if own_saved > price * own_cuts {
            saved[at] = own_saved;
            cuts[at] = own_cuts;
            keeps[at] = true;
        }
    }
    let mut kept = Grown::default();
    let mut open = vec![(0, None)];
    while let Some((at, right_of)) = open.pop() {
        if let Some(parent) = right_of {
            let parent: usize = parent;
            kept.nodes[parent].right = kept.nodes.len() as u32;
        }
        let mut node = nodes[at];
        if keeps[at] {
            open.push((node.right as usize, Some(kept.nodes.len())));
            open.push((at + 1, None));
            kept.gains.push(grown.gains[at]);
        } else {
            node.column = LEAF;
            (node.right, node.bin, node.missing_left) = (0, 0, false);
            kept.gains.push(0.0);
        }
        kept.nodes.push(node);
    }
    kept
}

/// Complexities to try, rising, as shares of `error`: the geometric means between those where
/// the pruned tree changes, the first 0.
pub(super) fn candidates(grown: &Grown, error: f64) -> Vec<f64> {
    if error <= 0.0 {
        return vec![0.0];
    }
    let mut changes = vec![0.0];
    let mut tree = grown.clone();
    while let Some(price) = weakest(&tree) {
        changes.push(price / error);
        // A hair above, so that rounding cannot leave the weakest cut in place.
        tree = pruned(&tree, price * (1.0 + 1e-12));
    }
    let step = changes.len().div_ceil(MOST_CANDIDATES);
    let changes: Vec<f64> = changes.into_iter().rev().step_by(step).collect();
    let mut candidates = vec![0.0];
    candidates.extend(
        changes
            .windows(2)
            .rev()
            .map(|pair| (pair[0] * pair[1]).sqrt()),
    );
    if let Some(last) = changes.first() {
        candidates.push((last * 1.01).min(1.0));
    }
    candidates
}

/// The lowest price at which a cut goes, none for a single leaf.
fn weakest(grown: &Grown) -> Option<f64> {
    let nodes = &grown.nodes;
    let mut saved = vec![0.0; nodes.len()];
    let mut cuts = vec![0.0; nodes.len()];
    let mut lowest: Option<f64> = None;
    for at in (0..nodes.len()).rev() {
        if nodes[at].column != LEAF {
            let right = nodes[at].right as usize;
            saved[at] = grown.gains[at] + saved[at + 1] + saved[right];
            cuts[at] = 1.0 + cuts[at + 1] + cuts[right];
            let price: f64 = saved[at] / cuts[at];
            lowest = Some(lowest.map_or(price, |other| other.min(price)));
        }
    }
    lowest
}
