//! Compiled scoring against walks of the trees.

use super::super::bins::Binning;
use super::super::bins::Derived;
use super::super::grow;
use super::super::grow::LEAF;
use super::super::grow::Node;
use super::super::{Column, Forest, Objective, Table};
use super::Compiled;
use super::Lanes;
use crate::Rng;

/// Columns of a forest made at random: numbers with few or many cuts, categories, binned twice.
fn derived(rng: &mut Rng) -> (Vec<Option<u32>>, Vec<Derived>) {
    let kinds: Vec<Option<u32>> = (0..9)
        .map(|column| (column % 3 == 2).then_some(3 + 40 * column as u32))
        .collect();
    let mut all = Vec::new();
    for (source, kind) in kinds.iter().enumerate() {
        for _ in 0..1 + source % 2 {
            let binning = match kind {
                Some(n_levels) => {
                    Binning::Category((0..*n_levels).map(|_| rng.next_u64() as u8).collect())
                }
                None => {
                    let n = [0, 1, 5, 254][rng.index(4)];
                    let mut cuts: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
                    cuts.sort_by(f64::total_cmp);
                    cuts.dedup_by(|a, b| a.to_bits() == b.to_bits());
                    Binning::Number(cuts)
                }
            };
            all.push(Derived {
                source: source as u32,
                missing: true,
                binning,
            });
        }
    }
    (kinds, all)
}

/// A tree of about `n_leaves` leaves at most 64 deep, with bins of any kind: of no value too.
fn grow_any(rng: &mut Rng, n_columns: usize, n_leaves: usize, depth: usize, nodes: &mut Vec<Node>) {
    let at = nodes.len();
    let cover = (1 + n_leaves) as f32;
    let is_leaf = n_leaves <= 1 || depth >= 60;
    nodes.push(Node {
        column: if is_leaf {
            LEAF
        } else {
            rng.index(n_columns) as u32
        },
        right: 0,
        bin: match rng.index(4) {
            0 => rng.next_u64() as u8,
            1 => [0, 1, 254, 255][rng.index(4)],
            _ => rng.index(8) as u8,
        },
        missing_left: rng.chance(0.5),
        cover,
        value: if is_leaf { rng.normal() } else { 0.0 },
    });
    if is_leaf {
        nodes[at].bin = 0;
        nodes[at].missing_left = false;
        return;
    }
    let left = 1 + rng.index(n_leaves - 1);
    grow_any(rng, n_columns, left, depth + 1, nodes);
    nodes[at].right = nodes.len() as u32;
    grow_any(rng, n_columns, n_leaves - left, depth + 1, nodes);
}

pub(in super::super) fn any_forest(rng: &mut Rng, n_trees: usize, max_leaves: usize) -> Forest {
    let (kinds, derived) = derived(rng);
    let trees = (0..n_trees).map(|_| {
        let mut nodes = Vec::new();
        let n_leaves = 1 + rng.index(max_leaves);
        grow_any(rng, derived.len(), n_leaves, 0, &mut nodes);
        nodes
    });
    let trees = trees.collect();
    Forest {
        objective: Objective::Squared,
        kinds,
        derived,
        trees,
        start: rng.normal(),
        compiled: Compiled::default(),
    }
}

/// Rows of a forest's columns.
pub(in super::super) struct Rows {
    numbers: Vec<Vec<f64>>,
    codes: Vec<Vec<u32>>,
    kinds: Vec<Option<u32>>,
    n_rows: usize,
}

impl Rows {
    pub(in super::super) fn any(rng: &mut Rng, forest: &Forest, n_rows: usize) -> Self {
        let value = |rng: &mut Rng| match rng.index(20) {
            0 | 1 => f64::NAN,
            2 => f64::INFINITY,
            3 => f64::NEG_INFINITY,
            4 => 0.0,
            _ => rng.normal(),
        };
        let columns = forest.kinds.iter();
        Self {
            numbers: columns
                .clone()
                .map(|_| (0..n_rows).map(|_| value(rng)).collect())
                .collect(),
            codes: columns
                .clone()
                .map(|kind| {
                    let n = kind.unwrap_or(0) as usize + 3;
                    (0..n_rows).map(|_| rng.index(n) as u32).collect()
                })
                .collect(),
            kinds: columns.copied().collect(),
            n_rows,
        }
    }

    pub(in super::super) fn table(&self, rows: std::ops::Range<usize>) -> Table<'_> {
        let n = rows.len();
        let columns = self.kinds.iter().enumerate().map(|(at, kind)| match kind {
            None => Column::Number(&self.numbers[at][rows.clone()]),
            Some(n_levels) => Column::Category {
                codes: &self.codes[at][rows.clone()],
                n_levels: *n_levels,
            },
        });
        Table::new(n, columns.collect()).unwrap()
    }

    pub(in super::super) fn all(&self) -> Table<'_> {
        self.table(0..self.n_rows)
    }
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Margins by walking each tree for each row.
fn walked(forest: &Forest, table: &Table<'_>) -> Vec<f64> {
    let mut bins = vec![0; forest.derived.len()];
    (0..table.n_rows())
        .map(|row| {
            forest.bin_row(table, row, &mut bins);
            let trees = forest.trees.iter();
            trees.fold(forest.start, |sum, tree| {
                sum + tree[grow::leaf(tree, |column| bins[column as usize])].value
            })
        })
        .collect()
}

#[test]
fn margins_are_those_of_walks() {
    let mut rng = Rng::new(11);
    for round in 0..40 {
        let max_leaves = [1, 2, 8, 31, 256, 300, 900][round % 7];
        let forest = any_forest(&mut rng, 1 + round, max_leaves);
        let rows = Rows::any(&mut rng, &forest, 700);
        let expected = bits(&walked(&forest, &rows.all()));
        for lanes in [Lanes::Portable, Lanes::best()] {
            for threads in [1, 3] {
                let found = forest.margins_with(&rows.all(), threads, lanes).unwrap();
                assert_eq!(bits(&found), expected, "round {round}, {lanes:?}");
            }
        }
    }
}

#[test]
fn a_batch_is_its_rows() {
    let mut rng = Rng::new(12);
    let forest = any_forest(&mut rng, 30, 40);
    let rows = Rows::any(&mut rng, &forest, 5000);
    let all = bits(&forest.margins(&rows.all(), 1).unwrap());
    for n in [
        1, 2, 31, 32, 33, 64, 65, 97, 127, 128, 129, 1000, 1024, 1025, 4096, 4999,
    ] {
        let first = rng.index(5000 - n + 1);
        let range = first..first + n;
        for lanes in [Lanes::Portable, Lanes::best()] {
            let found = forest.margins_with(&rows.table(range.clone()), 2, lanes);
            assert_eq!(bits(&found.unwrap()), all[range.clone()], "{n} rows");
        }
    }
    assert!(forest.margins(&rows.table(0..0), 4).unwrap().is_empty());
}

#[test]
fn a_tree_of_256_leaves_has_no_branches_and_one_of_257_has() {
    let mut rng = Rng::new(13);
    for (n_leaves, is_deep) in [(256, false), (257, true)] {
        let mut forest = any_forest(&mut rng, 1, 1);
        forest.trees[0].clear();
        even(
            n_leaves,
            7,
            &mut rng,
            forest.derived.len(),
            &mut forest.trees[0],
        );
        let n_found = forest.trees[0]
            .iter()
            .filter(|node| node.column == LEAF)
            .count();
        assert_eq!(n_found, n_leaves);
        let walker = super::Walker::new(&forest);
        assert_eq!(matches!(walker.parts[..], [super::Part::Deep(_)]), is_deep);
        let rows = Rows::any(&mut rng, &forest, 300);
        let found = forest.margins(&rows.all(), 1).unwrap();
        assert_eq!(bits(&found), bits(&walked(&forest, &rows.all())));
    }
}

/// A tree of exactly `n_leaves` leaves, as even as can be.
fn even(n_leaves: usize, bin: u8, rng: &mut Rng, n_columns: usize, nodes: &mut Vec<Node>) {
    let at = nodes.len();
    nodes.push(Node {
        column: if n_leaves == 1 {
            LEAF
        } else {
            rng.index(n_columns) as u32
        },
        right: 0,
        bin: if n_leaves == 1 { 0 } else { bin },
        missing_left: n_leaves > 1 && rng.chance(0.5),
        cover: n_leaves as f32,
        value: if n_leaves == 1 { rng.normal() } else { 0.0 },
    });
    if n_leaves > 1 {
        even(n_leaves / 2, bin.wrapping_add(1), rng, n_columns, nodes);
        nodes[at].right = nodes.len() as u32;
        even(
            n_leaves - n_leaves / 2,
            bin.wrapping_add(3),
            rng,
            n_columns,
            nodes,
        );
    }
}
