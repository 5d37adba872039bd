//! Contributions against Shapley's definition, and what must hold of them.

use super::super::bins::Binning;
use super::super::bins::Derived;
use super::super::gbdt;
use super::super::gbdt::GbdtParams;
use super::super::grow::LEAF;
use super::super::grow::Node;
use super::super::test_data::Data;
use super::super::walk::Compiled;
use super::super::walk::Lanes;
use super::super::walk::tests::Rows;
use super::super::walk::tests::any_forest;
use super::super::{Column, Forest, Objective, Table};
use super::Room;
use super::Terms;
use super::left_share;
use super::quadrature::Quadrature;
use crate::Rng;

/// Value of a tree when only the columns in `known` are: both ways elsewhere, by covers.
pub(super) fn value_of(forest: &Forest, nodes: &[Node], at: usize, bins: &[u8], known: u32) -> f64 {
    let node = &nodes[at];
    if node.column == LEAF {
        return node.value;
    }
    let right = node.right as usize;
    let source = forest.derived[node.column as usize].source;
    if known >> source & 1 == 1 {
        let bin = bins[node.column as usize];
        let left = if bin == 0 {
            node.missing_left
        } else {
            bin <= node.bin
        };
        return value_of(
            forest,
            nodes,
            if left { at + 1 } else { right },
            bins,
            known,
        );
    }
    let share = left_share(nodes, at);
    share * value_of(forest, nodes, at + 1, bins, known)
        + (1.0 - share) * value_of(forest, nodes, right, bins, known)
}

/// Shapley's value over all subsets of columns.
fn shapley(forest: &Forest, bins: &[u8]) -> Vec<f64> {
    let n = forest.n_cols() as u32;
    let factorial = |k: u32| (1..=k).map(f64::from).product::<f64>();
    let game = |known: u32| -> f64 {
        forest
            .trees
            .iter()
            .map(|tree| value_of(forest, tree, 0, bins, known))
            .sum()
    };
    (0..n)
        .map(|i| {
            (0..1_u32 << n)
                .filter(|set| set >> i & 1 == 0)
                .map(|set| {
                    let size = set.count_ones();
                    let weight = factorial(size) * factorial(n - size - 1) / factorial(n);
                    weight * (game(set | 1 << i) - game(set))
                })
                .sum()
        })
        .collect()
}

fn check_exact(data: &Data, params: &GbdtParams) {
    let table = data.table();
    let fit = gbdt::fit(
        &table,
        &data.yes,
        Some(&data.weights),
        params,
        &crate::go_on,
    )
    .unwrap();
    let model = &fit.model;
    let all = model.contributions(&table, 2).unwrap();
    let margins = model.margins(&table, 1).unwrap();
    let mut bins = vec![0; model.derived.len()];
    for (row, margin) in margins.iter().enumerate().take(12) {
        model.bin_row(&table, row, &mut bins);
        let expected = shapley(model, &bins);
        for (found, expected) in all.row(row).iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-10,
                "{found} against {expected}"
            );
        }
        assert!((all.margin(row) - margin).abs() < 1e-9);
    }
}

#[test]
fn equal_to_shapley_for_any_trees() {
    let mut rng = Rng::new(21);
    for round in 0..25 {
        let forest = any_forest(&mut rng, 1 + round % 5, [2, 5, 12, 40, 300][round % 5]);
        let rows = Rows::any(&mut rng, &forest, 40);
        let all = forest.contributions(&rows.all(), 1).unwrap();
        let margins = forest.margins(&rows.all(), 1).unwrap();
        let mut bins = vec![0; forest.derived.len()];
        for (row, margin) in margins.iter().enumerate() {
            assert!((all.margin(row) - margin).abs() < 1e-10);
            if row < 4 {
                forest.bin_row(&rows.all(), row, &mut bins);
                for (found, expected) in all.row(row).iter().zip(shapley(&forest, &bins)) {
                    assert!(
                        (found - expected).abs() < 1e-11,
                        "{found} against {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_row_has_its_bits_in_any_batch_by_any_instructions() {
    let mut rng = Rng::new(22);
    let forest = any_forest(&mut rng, 12, 30);
    let rows = Rows::any(&mut rng, &forest, 500);
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
    let n_cols = forest.n_cols();
    let all = bits(&forest.contributions(&rows.all(), 1).unwrap().values);
    for n in [1, 7, 8, 9, 127, 128, 129, 500] {
        let first = rng.index(500 - n + 1);
        let expected = &all[first * n_cols..(first + n) * n_cols];
        let table = rows.table(first..first + n);
        for lanes in [Lanes::Portable, Lanes::best()] {
            let found = forest.contributions_with(&table, 3, lanes).unwrap();
            assert_eq!(bits(&found.values), expected, "{n} rows, {lanes:?}");
        }
    }
}

#[test]
fn trees_that_are_not_kept_are_made_anew() {
    let mut rng = Rng::new(24);
    let forest = any_forest(&mut rng, 9, 30);
    let rows = Rows::any(&mut rng, &forest, 100);
    let all = forest.contributions(&rows.all(), 1).unwrap();
    let planes = forest.compiled.walker(&forest).planes();
    for kept_bytes in [0, 3000] {
        let terms = Terms::keeping(&forest, planes, kept_bytes);
        let mut room = Room::new(&forest, &terms);
        let mut values = vec![0.0; 100 * forest.n_cols()];
        room.add(&rows.all(), 0..100, Lanes::best(), &mut values);
        assert_eq!(values, all.values, "{kept_bytes} bytes kept");
    }
}

#[test]
fn shares_that_vanish_leave_numbers() {
    // Covers from the smallest to the largest float: shares of 0 and products below any float.
    let mut rng = Rng::new(23);
    for _ in 0..20 {
        let mut forest = any_forest(&mut rng, 2, 60);
        for node in forest.trees.iter_mut().flatten() {
            node.cover = [f32::MIN_POSITIVE, 1.0, 1e30][rng.index(3)];
        }
        let rows = Rows::any(&mut rng, &forest, 100);
        let all = forest.contributions(&rows.all(), 1).unwrap();
        let margins = forest.margins(&rows.all(), 1).unwrap();
        for (row, margin) in margins.iter().enumerate() {
            assert!((all.margin(row) - margin).abs() < 1e-9);
        }
    }
}

#[test]
fn equal_to_shapley_over_all_subsets() {
    let data = Data::mixed(300, 5);
    check_exact(
        &data,
        &GbdtParams {
            max_rounds: 12,
            min_rows: 3,
            ..GbdtParams::default()
        },
    );
}

#[test]
fn equal_to_shapley_for_deep_trees_too() {
    // More than 64 cuts a tree: patterns are not tabulated, columns come back on a path.
    let data = Data::mixed(900, 6);
    let params = GbdtParams {
        max_rounds: 2,
        members: 1,
        max_depth: 14,
        max_leaves: 200,
        min_rows: 1,
        min_child_weight: 0.0,
        row_share: 1.0,
        column_share: 1.0,
        l2: 0.1,
        ..GbdtParams::default()
    };
    let fit = gbdt::fit(&data.table(), &data.yes, None, &params, &crate::go_on).unwrap();
    assert!(
        fit.model.trees[0].len() > 131,
        "found {} nodes",
        fit.model.trees[0].len()
    );
    check_exact(&data, &params);
}

#[test]
fn published_example_of_fever_and_cough() {
    // Lundberg, Erion, Lee 2018, figure 1: the mean is 20 and 25; both columns get 30 in model
    // A; in model B, where cough adds 10, fever gets 30 and cough 35.
    let leaf = |value: f64| Node {
        column: LEAF,
        right: 0,
        bin: 0,
        missing_left: false,
        cover: 1.0,
        value,
    };
    let cut = |column: u32, right: u32, cover: f32| Node {
        column,
        right,
        bin: 1,
        missing_left: true,
        cover,
        value: 0.0,
    };
    let derived = |source| Derived {
        source,
        missing: false,
        binning: Binning::Number(vec![0.5]),
    };
    let forest = |fever: u32, cough: u32, leaves: [f64; 4]| Forest {
        objective: Objective::Squared,
        kinds: vec![None, None],
        derived: vec![derived(0), derived(1)],
        trees: vec![vec![
            cut(fever, 4, 4.0),
            cut(cough, 3, 2.0),
            leaf(leaves[0]),
            leaf(leaves[1]),
            cut(cough, 6, 2.0),
            leaf(leaves[2]),
            leaf(leaves[3]),
        ]],
        start: 0.0,
        compiled: Compiled::default(),
    };
    let (fever, cough) = ([1.0], [1.0]);
    let table = Table::new(1, vec![Column::Number(&fever), Column::Number(&cough)]).unwrap();
    for (model, base, expected) in [
        (forest(0, 1, [0.0, 0.0, 0.0, 80.0]), 20.0, [30.0, 30.0]),
        (forest(1, 0, [0.0, 0.0, 10.0, 90.0]), 25.0, [30.0, 35.0]),
    ] {
        let found = model.contributions(&table, 1).unwrap();
        assert!((found.base - base).abs() < 1e-12);
        for (found, expected) in found.row(0).iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-12,
                "{found} against {expected}"
            );
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let data = Data::mixed(5000, 7);
    let params = GbdtParams {
        max_rounds: 15,
        repeats: 1,
        ..GbdtParams::default()
    };
    let fit = gbdt::fit(&data.table(), &data.yes, None, &params, &crate::go_on).unwrap();
    let one = fit.model.contributions(&data.table(), 1).unwrap();
    for threads in [2, 3, 8] {
        assert_eq!(
            one,
            fit.model.contributions(&data.table(), threads).unwrap()
        );
    }
    let margins = fit.model.margins(&data.table(), 3).unwrap();
    for (row, margin) in margins.iter().enumerate() {
        assert!((one.margin(row) - margin).abs() < 1e-9);
    }
}

#[test]
fn the_rule_of_each_degree_is_exact() {
    for degree in 0..40 {
        let rule = Quadrature::exact_for(degree);
        let found: f64 = rule
            .points
            .iter()
            .map(|(t, w)| w * t.powi(degree as i32))
            .sum();
        let expected = 1.0 / (degree as f64 + 1.0);
        assert!((found - expected).abs() < 1e-14, "degree {degree}: {found}");
    }
}
