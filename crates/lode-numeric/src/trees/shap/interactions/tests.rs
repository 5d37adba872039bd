//! Interactions against their definition over all sets of columns.

use super::super::tests::value_of;
use crate::Rng;
use crate::trees::Forest;
use crate::trees::walk::tests::Rows;
use crate::trees::walk::tests::any_forest;

fn factorial(k: u32) -> f64 {
    (1..=k).map(f64::from).product()
}

/// What columns `i` and `j` add together to the margin of a row, by the sum over sets.
fn together(forest: &Forest, bins: &[u8], i: u32, j: u32) -> f64 {
    let m = forest.n_cols() as u32;
    let game = |known: u32| -> f64 {
        let trees = forest.trees.iter();
        trees
            .map(|tree| value_of(forest, tree, 0, bins, known))
            .sum()
    };
    let (i, j) = (1_u32 << i, 1_u32 << j);
    (0..1_u32 << m)
        .filter(|set| set & (i | j) == 0)
        .map(|set| {
            let size = set.count_ones();
            let weight = factorial(size) * factorial(m - size - 2) / factorial(m - 1);
            weight * (game(set | i | j) - game(set | i) - game(set | j) + game(set))
        })
        .sum()
}

#[test]
fn equal_to_the_sum_over_all_sets() {
    let mut rng = Rng::new(41);
    for round in 0..12 {
        let forest = any_forest(&mut rng, 1 + round % 3, [2, 6, 14][round % 3]);
        let rows = Rows::any(&mut rng, &forest, 3);
        let found = forest.interactions(&rows.all(), 1).unwrap();
        let shapley = forest.contributions(&rows.all(), 1).unwrap();
        let n = forest.n_cols();
        let mut bins = vec![0; forest.derived.len()];
        let mut pairs = vec![vec![0.0; n]; n];
        let mut own = vec![0.0; n];
        for row in 0..3 {
            forest.bin_row(&rows.all(), row, &mut bins);
            let mut alone = shapley.row(row).to_vec();
            for i in 0..n {
                for j in i + 1..n {
                    let both = together(&forest, &bins, i as u32, j as u32);
                    pairs[i][j] += both.abs() / 3.0;
                    alone[i] -= both / 2.0;
                    alone[j] -= both / 2.0;
                }
            }
            for (own, alone) in own.iter_mut().zip(alone) {
                *own += alone.abs() / 3.0;
            }
        }
        for (found, expected) in found.own.iter().zip(own) {
            assert!((found - expected).abs() < 1e-11, "{found} {expected}");
        }
        for pair in &found.pairs {
            let expected = std::mem::take(&mut pairs[pair.first][pair.second]);
            assert!(
                (pair.strength - expected).abs() < 1e-11,
                "{pair:?} {expected}"
            );
        }
        // What is not told is nothing.
        assert!(pairs.iter().flatten().all(|left| left.abs() < 1e-12));
        assert!(found.pairs.is_sorted_by(|a, b| a.strength >= b.strength));
    }
}

#[test]
fn threads_change_nothing_and_no_rows_are_legal() {
    let mut rng = Rng::new(42);
    let forest = any_forest(&mut rng, 5, 12);
    let rows = Rows::any(&mut rng, &forest, 600);
    let one = forest.interactions(&rows.all(), 1).unwrap();
    for threads in [2, 8] {
        assert_eq!(one, forest.interactions(&rows.all(), threads).unwrap());
    }
    let none = forest.interactions(&rows.table(0..0), 2).unwrap();
    assert!(none.own.iter().all(|own| own.abs() < 1e-300));
}
