//! What must not change a model: threads, the order of rows and columns, how rows are counted.

use super::super::test_data::{Data, auc};
use super::super::{Column, Table, gbdt};
use super::GbdtParams;
use crate::{Error, Rng, go_on};

/// A single model of which nothing is drawn.
fn whole(rounds: usize) -> GbdtParams {
    GbdtParams {
        learning_rate: 0.2,
        max_rounds: rounds,
        members: 1,
        max_depth: 6,
        max_leaves: 20,
        min_rows: 10,
        min_child_weight: 0.0,
        l2: 0.0,
        row_share: 1.0,
        column_share: 1.0,
        ..GbdtParams::default()
    }
}

/// Numbers of all sorts: continuous, few values, nearly always 0, half missing.
fn columns(n: usize, seed: u64) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let mut columns = vec![Vec::new(); 12];
    let mut yes = Vec::with_capacity(n);
    for _ in 0..n {
        let x: Vec<f64> = (0..12)
            .map(|column| match column % 4 {
                0 => rng.normal(),
                1 => rng.index(2 + column) as f64,
                2 if rng.chance(0.95) => 0.0,
                2 => rng.exponential(),
                _ if rng.chance(0.5) => f64::NAN,
                _ => rng.uniform(),
            })
            .collect();
        let missing = if x[3].is_nan() { 0.7 } else { x[3] };
        let margin = x[0] * x[4] + 0.3 * x[1] + 2.0 * x[2] - missing - 0.5;
        yes.push(f64::from(u8::from(rng.chance(crate::glm::sigmoid(margin)))));
        for (column, x) in columns.iter_mut().zip(x) {
            column.push(x);
        }
    }
    (columns, yes)
}

fn table(columns: &[Vec<f64>]) -> Table<'_> {
    let n = columns[0].len();
    let columns = columns.iter().map(|column| Column::Number(column));
    Table::new(n, columns.collect()).unwrap()
}

#[test]
fn bits_of_many_rows_do_not_depend_on_threads() {
    // Enough rows for all that threads share, and for rounding that is drawn.
    let (columns, yes) = columns(150_000, 1);
    let weights: Vec<f64> = (0..yes.len()).map(|row| 1.0 + (row % 3) as f64).collect();
    for (objective, weights) in [
        (super::super::Objective::Logistic, None),
        (super::super::Objective::Logistic, Some(weights.as_slice())),
        (super::super::Objective::Squared, None),
    ] {
        let fit = |threads: usize| {
            let params = GbdtParams {
                objective,
                row_share: 0.9,
                threads,
                ..whole(4)
            };
            gbdt::fit(&table(&columns), &yes, weights, &params, &go_on).unwrap()
        };
        let one = fit(1);
        assert!(auc(&yes, &one.model.margins(&table(&columns), 2).unwrap()) > 0.6);
        for threads in [2, 8] {
            assert_eq!(one.model.to_bytes(), fit(threads).model.to_bytes());
        }
    }
}

#[test]
fn the_order_of_rows_and_columns_does_not_matter() {
    let (columns, yes) = columns(6000, 2);
    let margins = |columns: &[Vec<f64>], yes: &[f64]| {
        let fit = gbdt::fit(&table(columns), yes, None, &whole(15), &go_on).unwrap();
        fit.model.margins(&table(columns), 1).unwrap()
    };
    let expected = margins(&columns, &yes);
    let mut order: Vec<usize> = (0..yes.len()).collect();
    Rng::new(3).shuffle(&mut order);
    let pick = |values: &Vec<f64>| order.iter().map(|row| values[*row]).collect::<Vec<f64>>();
    let dealt: Vec<Vec<f64>> = columns.iter().map(pick).collect();
    for (found, row) in margins(&dealt, &pick(&yes)).iter().zip(&order) {
        assert!((found - expected[*row]).abs() < 1e-9);
    }
    let mut turned = columns;
    turned.rotate_left(5);
    for (found, expected) in margins(&turned, &yes).iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-9);
    }
}

#[test]
fn rows_twice_at_half_the_weight_change_nothing() {
    let (columns, yes) = columns(5000, 4);
    let once = gbdt::fit(&table(&columns), &yes, None, &whole(15), &go_on).unwrap();
    let twice: Vec<Vec<f64>> = columns.iter().map(|c| [c.as_slice(), c].concat()).collect();
    let params = GbdtParams {
        min_rows: 20,
        ..whole(15)
    };
    let half = vec![0.5; 2 * yes.len()];
    let targets = [yes.as_slice(), &yes].concat();
    let double = gbdt::fit(&table(&twice), &targets, Some(&half), &params, &go_on).unwrap();
    let expected = once.model.margins(&table(&columns), 1).unwrap();
    let found = double.model.margins(&table(&columns), 1).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-9);
    }
}

#[test]
fn names_of_levels_do_not_matter() {
    let data = Data::mixed(3000, 5);
    let fit = |data: &Data| {
        let fit = gbdt::fit(&data.table(), &data.yes, None, &whole(15), &go_on).unwrap();
        fit.model.margins(&data.table(), 1).unwrap()
    };
    let expected = fit(&data);
    let mut renamed = data.take(&(0..3000).collect::<Vec<usize>>());
    for (codes, n_levels) in &mut renamed.levels {
        for code in codes.iter_mut().filter(|code| **code < *n_levels) {
            *code = (*code * 5 + 3) % *n_levels;
        }
    }
    for (found, expected) in fit(&renamed).iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-9);
    }
}

#[test]
fn one_row_many_levels_and_huge_numbers() {
    let one = gbdt::fit(&table(&[vec![1.0]]), &[1.0], None, &whole(2), &go_on);
    assert_eq!(
        one,
        Err(Error::TooFewRows {
            needed: 2,
            found: 1
        })
    );
    let n = 200_000;
    let mut rng = Rng::new(6);
    let codes: Vec<u32> = (0..n).map(|_| rng.index(65_536) as u32).collect();
    let good = |code: u32| code.is_multiple_of(3);
    let yes: Vec<f64> = codes
        .iter()
        .map(|code| f64::from(u8::from(rng.chance(if good(*code) { 0.8 } else { 0.2 }))))
        .collect();
    let huge: Vec<f64> = (0..n)
        .map(|row| {
            [
                1e308,
                -1e308,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::NAN,
                0.0,
            ][row % 6]
        })
        .collect();
    let columns = vec![
        Column::Category {
            codes: &codes,
            n_levels: 65_536,
        },
        Column::Number(&huge),
    ];
    let table = Table::new(n, columns).unwrap();
    let params = GbdtParams {
        threads: 2,
        ..whole(10)
    };
    let fit = gbdt::fit(&table, &yes, None, &params, &go_on).unwrap();
    let margins = fit.model.margins(&table, 2).unwrap();
    assert!(margins.iter().all(|margin| margin.is_finite()));
    assert!(auc(&yes, &margins) > 0.7);
    assert!(fit.gains[1] < 0.1 * fit.gains[0], "{:?}", fit.gains);
}
