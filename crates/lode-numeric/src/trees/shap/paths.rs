//! The paths of one tree as Shapley's value needs them, and tables over all answers to them.
//!
//! Does not know rows' values, only bytes. Invariant: a column stands once on each path, with
//! all its cuts together; a table holds what [`leaf_values`] gives.

use super::super::bins::Derived;
use super::super::grow::LEAF;
use super::super::grow::Node;
use super::left_share;
use super::quadrature::Quadrature;

/// Columns on a path up to which patterns are tabulated.
const TABLE_COLUMNS: usize = 6;

/// Cuts of a tree up to which one word holds a row's answers.
const TABLE_CUTS: usize = 64;

/// A column on the way to a leaf.
#[derive(Clone, Copy, Debug)]
struct Asked {
    source: usize,
    /// Share of training rows that pass all its cuts.
    zero: f64,
    /// Its cuts in bits, and the answers that pass.
    mask: u64,
    pass: u64,
}

#[derive(Clone, Debug)]
struct Leaf {
    asked: Vec<Asked>,
    /// Contribution of each column for each pattern of passed columns.
    table: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Cut {
    column: usize,
    bin: u8,
    missing_left: bool,
}

/// A tree's cuts and paths, tabulated.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    cuts: Vec<Cut>,
    leaves: Vec<Leaf>,
}

impl Paths {
    /// Tabulates a tree; none when it has too many cuts or columns on a path.
    pub(super) fn new(nodes: &[Node], derived: &[Derived], rules: &[Quadrature]) -> Option<Self> {
        if nodes.len() > 2 * TABLE_CUTS + 1 {
            return None;
        }
        let mut cuts: Vec<Cut> = Vec::new();
        let mut leaves = Vec::new();
        let mut open: Vec<(usize, Vec<Asked>)> = vec![(0, Vec::new())];
        while let Some((at, asked)) = open.pop() {
            let node = &nodes[at];
            if node.column == LEAF {
                if asked.len() > TABLE_COLUMNS {
                    return None;
                }
                leaves.push(Leaf::new(node.value, asked, rules));
                continue;
            }
            let bit = 1_u64 << cuts.len();
            cuts.push(Cut {
                column: node.column as usize,
                bin: node.bin,
                missing_left: node.missing_left,
            });
            let source = derived[node.column as usize].source as usize;
            let share = left_share(nodes, at);
            let left = ask(asked.clone(), source, share, (bit, bit));
            let right = ask(asked, source, 1.0 - share, (bit, 0));
            open.push((node.right as usize, right));
            open.push((at + 1, left));
        }
        Some(Self { cuts, leaves })
    }

    /// Bytes of the tables.
    pub(super) fn table_bytes(&self) -> usize {
        let lens = self.leaves.iter().map(|leaf| leaf.table.len());
        lens.sum::<usize>() * size_of::<f64>()
    }

    /// Adds the tree's contributions to one row's.
    pub(super) fn add(&self, bins: &[u8], values: &mut [f64]) {
        let mut answers = 0_u64;
        for (bit, cut) in self.cuts.iter().enumerate() {
            let bin = bins[cut.column];
            let left = if bin == 0 {
                cut.missing_left
            } else {
                bin <= cut.bin
            };
            answers |= u64::from(left) << bit;
        }
        for leaf in &self.leaves {
            let d = leaf.asked.len();
            let mut pattern = 0;
            for (bit, asked) in leaf.asked.iter().enumerate() {
                pattern |= usize::from(answers & asked.mask == asked.pass) << bit;
            }
            let own = &leaf.table[pattern * d..(pattern + 1) * d];
            for (asked, value) in leaf.asked.iter().zip(own) {
                values[asked.source] += value;
            }
        }
    }
}

impl Leaf {
    fn new(value: f64, asked: Vec<Asked>, rules: &[Quadrature]) -> Self {
        let d = asked.len();
        let zeros: Vec<f64> = asked.iter().map(|asked| asked.zero).collect();
        let mut table = vec![0.0; d << d];
        let mut passed = vec![false; d];
        for (pattern, into) in table.chunks_mut(d.max(1)).enumerate() {
            for (bit, passed) in passed.iter_mut().enumerate() {
                *passed = pattern >> bit & 1 == 1;
            }
            leaf_values(value, &zeros, &passed, &rules[d], into);
        }
        Self { asked, table }
    }
}

/// A path that goes one step on.
fn ask(mut path: Vec<Asked>, source: usize, share: f64, (bit, pass): (u64, u64)) -> Vec<Asked> {
    if let Some(asked) = path.iter_mut().find(|asked| asked.source == source) {
        asked.zero *= share;
        asked.mask |= bit;
        asked.pass |= pass;
    } else {
        path.push(Asked {
            source,
            zero: share,
            mask: bit,
            pass,
        });
    }
    path
}

/// The contribution of each column of a path to a leaf, for one pattern of passed columns.
///
/// `zeros` are the shares of training rows that pass, `rule` is exact for one column less.
pub(super) fn leaf_values(
    value: f64,
    zeros: &[f64],
    passed: &[bool],
    rule: &Quadrature,
    into: &mut [f64],
) {
    let into = &mut into[..zeros.len()];
    into.fill(0.0);
    let factor = |i: usize, t: f64| {
        let one = if passed[i] { t } else { 0.0 };
        one + (1.0 - t) * zeros[i]
    };
    for (t, weight) in &rule.points {
        let product: f64 = (0..zeros.len()).map(|i| factor(i, *t)).product();
        for (i, value) in into.iter_mut().enumerate() {
            let own = factor(i, *t);
            // A share may be too small for a float: then what is left is multiplied anew.
            let others = if own > 0.0 {
                product / own
            } else {
                let others = (0..zeros.len()).filter(|j| *j != i);
                others.map(|j| factor(j, *t)).product()
            };
            *value += weight * others;
        }
    }
    for (i, own) in into.iter_mut().enumerate() {
        let one = if passed[i] { 1.0 } else { 0.0 };
        *own *= value * (one - zeros[i]);
    }
}
