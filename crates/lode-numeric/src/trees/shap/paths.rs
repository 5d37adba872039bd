//! The paths of one tree as Shapley's value needs them: what each column asks of a row.
//!
//! Does not know rows' values, only bytes. Invariant: a column stands once on each path, with
//! all its cuts together.

use super::super::bins::Derived;
use super::super::grow::LEAF;
use super::super::grow::Node;
use super::Quadrature;
use super::all;
use super::left_share;

/// Columns on a path up to which patterns are tabulated.
const TABLE_COLUMNS: usize = 6;

/// Cuts of a tree up to which one word holds a row's answers.
const TABLE_CUTS: usize = 64;

/// A cut on the way to a leaf.
#[derive(Clone, Copy, Debug)]
struct Step {
    cut: usize,
    left: bool,
}

/// A column on the way to a leaf.
#[derive(Clone, Debug)]
struct Asked {
    source: usize,
    /// Share of training rows that pass all its cuts.
    zero: f64,
    steps: Vec<Step>,
    /// Cuts in bits, and the answers that pass.
    mask: u64,
    pass: u64,
}

#[derive(Clone, Debug)]
struct Leaf {
    value: f64,
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

impl Cut {
    fn goes_left(&self, bins: &[u8]) -> bool {
        let bin = bins[self.column];
        if bin == 0 {
            self.missing_left
        } else {
            bin <= self.bin
        }
    }
}

/// A tree's cuts and paths.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    cuts: Vec<Cut>,
    leaves: Vec<Leaf>,
    rules: Vec<Quadrature>,
    tabulated: bool,
}

impl Paths {
    pub(super) fn new(nodes: &[Node], derived: &[Derived]) -> Self {
        let mut cuts = Vec::new();
        let mut leaves = Vec::new();
        let mut open: Vec<(usize, Vec<Asked>)> = vec![(0, Vec::new())];
        while let Some((at, asked)) = open.pop() {
            let node = &nodes[at];
            if node.column == LEAF {
                leaves.push(Leaf {
                    value: node.value,
                    asked,
                    table: Vec::new(),
                });
                continue;
            }
            let cut = cuts.len();
            cuts.push(Cut {
                column: node.column as usize,
                bin: node.bin,
                missing_left: node.missing_left,
            });
            let source = derived[node.column as usize].source as usize;
            let share = left_share(nodes, at);
            let (left, right) = (
                ask(asked.clone(), source, share, Step { cut, left: true }),
                ask(asked, source, 1.0 - share, Step { cut, left: false }),
            );
            open.push((node.right as usize, right));
            open.push((at + 1, left));
        }
        let widest = leaves
            .iter()
            .map(|leaf| leaf.asked.len())
            .max()
            .unwrap_or(0);
        let rules = (0..=widest)
            .map(|d| Quadrature::exact_for(d.saturating_sub(1)))
            .collect();
        Self {
            cuts,
            leaves,
            rules,
            tabulated: false,
        }
    }

    /// Tabulates all patterns where there are few; gives the bytes taken.
    pub(super) fn tabulate(&mut self) -> usize {
        let narrow = self
            .leaves
            .iter()
            .all(|leaf| leaf.asked.len() <= TABLE_COLUMNS);
        if !narrow || self.cuts.len() > TABLE_CUTS {
            return 0;
        }
        let mut bytes = 0;
        let mut passed = Vec::new();
        for leaf in &mut self.leaves {
            let d = leaf.asked.len();
            let mut table = Vec::with_capacity(d << d);
            for pattern in 0..1_usize << d {
                passed.clear();
                passed.extend((0..d).map(|i| pattern >> i & 1 == 1));
                push_values(leaf, &passed, &self.rules[d], &mut table);
            }
            bytes += table.len() * size_of::<f64>();
            leaf.table = table;
        }
        self.tabulated = true;
        bytes
    }

    /// Adds the tree's contributions to rows of `values`.
    pub(super) fn add(&self, bins: &[u8], width: usize, values: &mut [f64], n_cols: usize) {
        if self.cuts.is_empty() {
            return;
        }
        let mut passed = Vec::new();
        let mut own = Vec::new();
        for (bins, values) in bins.chunks(width).zip(values.chunks_mut(n_cols)) {
            if self.tabulated {
                self.look_up(bins, values);
                continue;
            }
            for leaf in &self.leaves {
                passed.clear();
                passed.extend(leaf.asked.iter().map(|asked| {
                    let mut steps = asked.steps.iter();
                    steps.all(|step| self.cuts[step.cut].goes_left(bins) == step.left)
                }));
                own.clear();
                push_values(leaf, &passed, &self.rules[leaf.asked.len()], &mut own);
                for (asked, value) in leaf.asked.iter().zip(&own) {
                    values[asked.source] += value;
                }
            }
        }
    }

    fn look_up(&self, bins: &[u8], values: &mut [f64]) {
        let mut answers = 0_u64;
        for (bit, cut) in self.cuts.iter().enumerate() {
            answers |= u64::from(cut.goes_left(bins)) << bit;
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

/// A path that goes one step on.
fn ask(mut path: Vec<Asked>, source: usize, share: f64, step: Step) -> Vec<Asked> {
    let bit = if step.cut < TABLE_CUTS {
        all(step.cut..step.cut + 1)
    } else {
        0
    };
    let pass = if step.left { bit } else { 0 };
    if let Some(asked) = path.iter_mut().find(|asked| asked.source == source) {
        asked.zero *= share;
        asked.steps.push(step);
        asked.mask |= bit;
        asked.pass |= pass;
    } else {
        path.push(Asked {
            source,
            zero: share,
            steps: vec![step],
            mask: bit,
            pass,
        });
    }
    path
}

/// The contribution of each column of a path, for one pattern of passed columns.
fn push_values(leaf: &Leaf, passed: &[bool], rule: &Quadrature, into: &mut Vec<f64>) {
    let first = into.len();
    into.resize(first + leaf.asked.len(), 0.0);
    let factor = |asked: &Asked, passed: bool, t: f64| {
        let one = if passed { t } else { 0.0 };
        one + (1.0 - t) * asked.zero
    };
    for (t, weight) in &rule.points {
        let parts = leaf.asked.iter().zip(passed);
        let product: f64 = parts
            .map(|(asked, passed)| factor(asked, *passed, *t))
            .product();
        for (i, value) in into[first..].iter_mut().enumerate() {
            let own = factor(&leaf.asked[i], passed[i], *t);
            // A share may be too small for a float: then what is left is multiplied anew.
            let others = if own > 0.0 {
                product / own
            } else {
                let parts = leaf
                    .asked
                    .iter()
                    .zip(passed)
                    .enumerate()
                    .filter(|(j, _)| *j != i);
                parts
                    .map(|(_, (asked, passed))| factor(asked, *passed, *t))
                    .product()
            };
            *value += weight * others;
        }
    }
    for ((value, asked), passed) in into[first..].iter_mut().zip(&leaf.asked).zip(passed) {
        let one = if *passed { 1.0 } else { 0.0 };
        *value *= leaf.value * (one - asked.zero);
    }
}
