//! Contributions of one tree to one row, by walking all its paths.
//!
//! Does not keep anything for the next row. Invariant: the numbers are added in the order of
//! [`super::paths`], so that both ways give the same bits.

use super::super::bins::Derived;
use super::super::grow::LEAF;
use super::super::grow::Node;
use super::left_share;
use super::paths::leaf_values;
use super::quadrature::Quadrature;

/// The columns on the way to a node: each once.
#[derive(Debug, Default)]
pub(super) struct Walk {
    sources: Vec<usize>,
    zeros: Vec<f64>,
    passed: Vec<bool>,
    own: Vec<f64>,
}

/// What a walk goes over.
pub(super) struct Ground<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) derived: &'a [Derived],
    pub(super) rules: &'a [Quadrature],
    pub(super) bins: &'a [u8],
}

impl Walk {
    /// Adds the tree's contributions to one row's. Trees are at most 64 deep.
    pub(super) fn add(&mut self, ground: &Ground<'_>, at: usize, values: &mut [f64]) {
        let node = &ground.nodes[at];
        if node.column == LEAF {
            let d = self.sources.len();
            self.own.resize(d.max(self.own.len()), 0.0);
            let rule = &ground.rules[d];
            leaf_values(node.value, &self.zeros, &self.passed, rule, &mut self.own);
            for (source, own) in self.sources.iter().zip(&self.own) {
                values[*source] += own;
            }
            return;
        }
        let bin = ground.bins[node.column as usize];
        let goes_left = if bin == 0 {
            node.missing_left
        } else {
            bin <= node.bin
        };
        let source = ground.derived[node.column as usize].source as usize;
        let share = left_share(ground.nodes, at);
        let known = self.sources.iter().position(|own| *own == source);
        let sides = [
            (at + 1, share, goes_left),
            (node.right as usize, 1.0 - share, !goes_left),
        ];
        for (child, share, passes) in sides {
            if let Some(i) = known {
                let before = (self.zeros[i], self.passed[i]);
                self.zeros[i] *= share;
                self.passed[i] &= passes;
                self.add(ground, child, values);
                (self.zeros[i], self.passed[i]) = before;
            } else {
                self.sources.push(source);
                self.zeros.push(share);
                self.passed.push(passes);
                self.add(ground, child, values);
                self.sources.pop();
                self.zeros.pop();
                self.passed.pop();
            }
        }
    }
}
