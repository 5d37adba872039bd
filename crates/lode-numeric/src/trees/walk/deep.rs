//! A tree with more leaves than a byte can count, walked node by node.
//!
//! Does not use wide instructions: rows part ways. Invariant: each step leads to a later node
//! or stays at a leaf.

use super::Plane;
use super::Planes;
use crate::trees::grow::LEAF;
use crate::trees::grow::Node;

/// Rows whose steps are taken in turn, so that one need not wait for another.
const TOGETHER: usize = 8;

/// A tree.
#[derive(Debug)]
pub(super) struct Deep {
    steps: Vec<Step>,
    values: Vec<f64>,
    depth: usize,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    plane: u32,
    above: i16,
    /// Where rows go that are not above, and those that are.
    to: [u32; 2],
}

impl Deep {
    pub(super) fn new(nodes: &[Node], planes: &Planes) -> Self {
        let mut depths = vec![0_usize; nodes.len()];
        let steps = nodes.iter().enumerate().map(|(at, node)| {
            if node.column == LEAF {
                return Step {
                    plane: 0,
                    above: 0,
                    // A stored tree has fewer than 2^32 nodes.
                    to: [at as u32; 2],
                };
            }
            for child in [at + 1, node.right as usize] {
                depths[child] = depths[at] + 1;
            }
            let asked = planes.question(node);
            Step {
                plane: asked.plane,
                above: asked.above,
                to: [at as u32 + 1, node.right],
            }
        });
        Self {
            steps: steps.collect(),
            values: nodes.iter().map(|node| node.value).collect(),
            depth: depths.into_iter().max().unwrap_or(0),
        }
    }

    /// Adds the value of each row's leaf to its margin.
    pub(super) fn add(&self, planes: &[Plane], margins: &mut [f64]) {
        for (turn, margins) in margins.chunks_mut(TOGETHER).enumerate() {
            let first = turn * TOGETHER;
            let mut at = [0_u32; TOGETHER];
            for _ in 0..self.depth {
                let before = at;
                for (row, at) in at.iter_mut().enumerate() {
                    let step = &self.steps[*at as usize];
                    let rank = planes[step.plane as usize][first + row];
                    *at = step.to[usize::from(i16::from(rank) > step.above)];
                }
                if at == before {
                    break;
                }
            }
            for (margin, at) in margins.iter_mut().zip(at) {
                *margin += self.values[at as usize];
            }
        }
    }
}
