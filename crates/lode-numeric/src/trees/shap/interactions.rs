//! How much columns act alone and how much in pairs: Shapley's interactions, exactly.
//!
//! Does not explain single rows to anybody; it sums up over rows. Invariant: the own parts and
//! halves of the pairs of a column add up to its contribution, row by row.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::Forest;
use super::super::Table;
use super::super::grow::LEAF;
use super::super::grow::Node;
use super::super::walk::Lanes;
use super::super::walk::Plane;
use super::super::walk::Planes;
use super::super::walk::Question;
use super::super::walk::ROWS;
use super::left_share;
use super::quadrature::Quadrature;
use crate::Result;
use crate::parallel;

/// Chunks of rows whose sums are kept apart until the end, at most.
const CHUNKS: usize = 64;

/// What columns do alone and in pairs, over the rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Interactions {
    /// Of each column: the mean magnitude of what it adds alone, in the unit of the margin.
    pub own: Vec<f64>,
    /// The pairs that stand together on some path of a tree, the strongest first.
    pub pairs: Vec<Pair>,
}

/// Two columns that act together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The lower column.
    pub first: usize,
    /// The higher column.
    pub second: usize,
    /// Mean magnitude of what the two add to a margin together, beyond what each adds alone, in
    /// the unit of the margin.
    pub strength: f64,
}

impl Forest {
    /// How strongly columns act alone and in pairs on the rows of a table, best a sample of
    /// some hundreds of the training rows.
    ///
    /// # Output
    /// [`Interactions`]; no pairs where every tree asks about one column, zeros without rows.
    /// Pairs of equal strength stand in the order of their columns.
    ///
    /// # Method
    /// In the game of [`Forest::contributions`] with M columns, what columns i and j add
    /// together is `I_ij = sum over S without i and j of |S|! (M - |S| - 2)! / (M - 1)! times
    /// (f(S i j) - f(S i) - f(S j) + f(S))`. Half of it is in the contribution of either; what is
    /// left of a contribution without its halves is the column's own. For a leaf of value v,
    /// with o and z as there, `I_ij = v (o_i - z_i) (o_j - z_j) times the integral over t in
    /// 0..1 of the product over the other columns l of the path of (t o_l + (1 - t) z_l)`, by
    /// Gauss-Legendre, exactly.
    ///
    /// # Determinism and cost
    /// No randomness; bits independent of threads. O(leaves d^3) a row and tree.
    ///
    /// # Errors
    /// As for [`Forest::margins`].
    ///
    /// # Source
    /// S. Lundberg, G. Erion, S.-I. Lee, "Consistent Individualized Feature Attribution for
    /// Tree Ensembles", 2018, arXiv:1802.03888, section 4 (the sum is twice its value for a
    /// pair, which it divides between i, j and j, i).
    pub fn interactions(&self, table: &Table<'_>, threads: usize) -> Result<Interactions> {
        self.check(table)?;
        let planes = self.compiled.walker(self).planes();
        let paths = Paths::new(self, planes);
        let n_rows = table.n_rows();
        let chunk = n_rows.div_ceil(CHUNKS).next_multiple_of(ROWS);
        let parts = parallel::map_chunks(n_rows, chunk, threads, |rows| {
            paths.sums(table, planes, rows, self.n_cols())
        });
        let mut sums = Sums::new(self.n_cols(), paths.pairs.len());
        for part in parts {
            sums.add(&part);
        }
        let n = (n_rows as f64).max(1.0);
        let pairs = paths.pairs.keys().zip(&sums.pairs);
        let mut pairs: Vec<Pair> = pairs
            .map(|((first, second), sum)| Pair {
                first: *first as usize,
                second: *second as usize,
                strength: sum / n,
            })
            .collect();
        pairs.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        Ok(Interactions {
            own: sums.own.iter().map(|sum| sum / n).collect(),
            pairs,
        })
    }
}

/// Sums of magnitudes over rows.
struct Sums {
    own: Vec<f64>,
    pairs: Vec<f64>,
}

impl Sums {
    fn new(n_cols: usize, n_pairs: usize) -> Self {
        Self {
            own: vec![0.0; n_cols],
            pairs: vec![0.0; n_pairs],
        }
    }

    fn add(&mut self, other: &Self) {
        for (own, other) in self.own.iter_mut().zip(&other.own) {
            *own += other;
        }
        for (own, other) in self.pairs.iter_mut().zip(&other.pairs) {
            *own += other;
        }
    }
}

/// A column on the way to a leaf.
#[derive(Clone)]
struct Asked {
    source: u32,
    /// Share of training rows that pass all its cuts.
    zero: f64,
    /// Its cuts, and whether their right side is the way.
    cuts: Vec<(Question, bool)>,
}

struct Leaf {
    value: f64,
    asked: Vec<Asked>,
    /// Numbers of the pairs of `asked`: of the second with the first, of the third with those
    /// before it, and so on.
    pairs: Vec<usize>,
}

/// The leaves of all trees with their ways.
struct Paths {
    leaves: Vec<Leaf>,
    /// Number of each pair of columns.
    pairs: BTreeMap<(u32, u32), usize>,
    /// Rules by the number of columns of a path.
    rules: Vec<Quadrature>,
}

impl Paths {
    fn new(forest: &Forest, planes: &Planes) -> Self {
        let mut leaves = Vec::new();
        for nodes in &forest.trees {
            tree_leaves(forest, planes, nodes, &mut leaves);
        }
        let key = |a: &Asked, b: &Asked| (a.source.min(b.source), a.source.max(b.source));
        let mut pairs = BTreeMap::new();
        for leaf in &leaves {
            for (at, b) in leaf.asked.iter().enumerate() {
                for a in &leaf.asked[..at] {
                    pairs.insert(key(a, b), 0);
                }
            }
        }
        for (number, pair) in pairs.values_mut().enumerate() {
            *pair = number;
        }
        for leaf in &mut leaves {
            for (at, b) in leaf.asked.iter().enumerate() {
                for a in &leaf.asked[..at] {
                    leaf.pairs.extend(pairs.get(&key(a, b)));
                }
            }
        }
        let widest = leaves.iter().map(|leaf| leaf.asked.len()).max();
        let rules = (0..=widest.unwrap_or(0)).map(|n| Quadrature::exact_for(n.saturating_sub(1)));
        Self {
            leaves,
            pairs,
            rules: rules.collect(),
        }
    }

    fn sums(&self, table: &Table<'_>, planes: &Planes, rows: Range<usize>, n_cols: usize) -> Sums {
        let mut sums = Sums::new(n_cols, self.pairs.len());
        let mut row_sums = Sums::new(n_cols, self.pairs.len());
        let mut ranks: Vec<Plane> = vec![[0; ROWS]; planes.n_planes()];
        let mut ratios = Vec::new();
        for first in rows.clone().step_by(ROWS) {
            let group = first..rows.end.min(first + ROWS);
            planes.fill(table, group.clone(), Lanes::best(), &mut ranks);
            for row in 0..group.len() {
                row_sums.own.fill(0.0);
                row_sums.pairs.fill(0.0);
                for leaf in &self.leaves {
                    self.add(leaf, &ranks, row, &mut ratios, &mut row_sums);
                }
                for ((a, b), number) in &self.pairs {
                    let both = row_sums.pairs[*number];
                    row_sums.own[*a as usize] -= both * 0.5;
                    row_sums.own[*b as usize] -= both * 0.5;
                    sums.pairs[*number] += both.abs();
                }
                for (sum, own) in sums.own.iter_mut().zip(&row_sums.own) {
                    *sum += own.abs();
                }
            }
        }
        sums
    }

    /// Adds what a leaf adds to the contributions and pairs of one row.
    fn add(
        &self,
        leaf: &Leaf,
        ranks: &[Plane],
        row: usize,
        ratios: &mut Vec<f64>,
        sums: &mut Sums,
    ) {
        for (t, weight) in &self.rules[leaf.asked.len()].points {
            let mut product = leaf.value * weight;
            ratios.clear();
            for asked in &leaf.asked {
                let passes = asked.cuts.iter().all(|(cut, right)| {
                    let rank = ranks[cut.plane as usize][row];
                    (i16::from(rank) > cut.above) == *right
                });
                // The factor, and o - z over it: of a share of 0 nothing is divided.
                let missed = (1.0 - t) * asked.zero;
                if passes {
                    product *= t + missed;
                    ratios.push((1.0 - asked.zero) / (t + missed));
                } else {
                    product *= missed;
                    ratios.push(-1.0 / (1.0 - t));
                }
            }
            let mut pairs = leaf.pairs.iter();
            for (at, asked) in leaf.asked.iter().enumerate() {
                let own = product * ratios[at];
                sums.own[asked.source as usize] += own;
                for (before, pair) in ratios[..at].iter().zip(&mut pairs) {
                    sums.pairs[*pair] += own * before;
                }
            }
        }
    }
}

fn tree_leaves(forest: &Forest, planes: &Planes, nodes: &[Node], leaves: &mut Vec<Leaf>) {
    let mut open: Vec<(usize, Vec<Asked>)> = vec![(0, Vec::new())];
    while let Some((at, asked)) = open.pop() {
        let node = &nodes[at];
        if node.column == LEAF {
            leaves.push(Leaf {
                value: node.value,
                asked,
                pairs: Vec::new(),
            });
            continue;
        }
        let source = forest.derived[node.column as usize].source;
        let cut = planes.question(node);
        let share = left_share(nodes, at);
        let left = ask(asked.clone(), source, share, (cut, false));
        let right = ask(asked, source, 1.0 - share, (cut, true));
        open.push((node.right as usize, right));
        open.push((at + 1, left));
    }
}

/// A path that goes one step on.
fn ask(mut path: Vec<Asked>, source: u32, share: f64, cut: (Question, bool)) -> Vec<Asked> {
    if let Some(asked) = path.iter_mut().find(|asked| asked.source == source) {
        asked.zero *= share;
        asked.cuts.push(cut);
    } else {
        path.push(Asked {
            source,
            zero: share,
            cuts: vec![cut],
        });
    }
    path
}

#[cfg(test)]
mod tests;
