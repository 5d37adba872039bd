//! What must not matter to boosting, and what it must live with: properties that hold whatever
//! the core does inside.
//!
//! Test code alone, of the public face. Rows, columns and levels have no order, a row is as good
//! as two of half its weight, a number matters by its rank; so margins of the rows learned from
//! may differ by no more than [`TOLERANCE`]. (Of other rows they may differ more: where no row
//! lies between two numbers, a cut may be anywhere between them.)

use super::gbdt::{GbdtFit, GbdtParams};
use super::test_data::{Data, auc};
use super::{Column, Forest, Objective, Table, gbdt};
use crate::{Error, Rng, go_on};

/// Difference of two margins that additions in another order explain, in units of the margins'
/// spread.
const TOLERANCE: f64 = 1e-9;

/// How far base and contributions of a row may be off its margin, in units of the terms.
const ADDED: f64 = 1e-9;

/// One model of all rows and columns: no draws that depend on a place in the table.
fn plain(objective: Objective) -> GbdtParams {
    GbdtParams {
        objective,
        learning_rate: 0.2,
        max_rounds: 15,
        members: 1,
        max_depth: 6,
        max_leaves: 12,
        min_rows: 5,
        min_child_weight: 0.1,
        row_share: 1.0,
        column_share: 1.0,
        // Rows of small levels are dealt to parts by their place in the table.
        category_rows: 0.0,
        threads: 2,
        ..GbdtParams::default()
    }
}

const OBJECTIVES: [Objective; 5] = [
    Objective::Logistic,
    Objective::Squared,
    Objective::Poisson,
    Objective::Gamma,
    Objective::Tweedie { power: 1.5 },
];

/// Rows whose weights are such that no two sums of some are equal: ties may go either way.
fn data(n: usize, seed: u64) -> Data {
    let mut data = Data::mixed(n, seed);
    let mut rng = Rng::new(seed + 1);
    for weight in &mut data.weights {
        *weight = 0.5 + rng.uniform();
    }
    data
}

fn targets(data: &Data, objective: Objective) -> &[f64] {
    match objective {
        Objective::Logistic => &data.yes,
        _ => &data.amount,
    }
}

fn fit(data: &Data, params: &GbdtParams) -> GbdtFit {
    let targets = targets(data, params.objective);
    let fit = gbdt::fit(&data.table(), targets, Some(&data.weights), params, &go_on).unwrap();
    assert!(fit.model.n_trees() > 10, "too few trees to tell anything");
    fit
}

fn margins(data: &Data, params: &GbdtParams) -> Vec<f64> {
    fit(data, params).model.margins(&data.table(), 2).unwrap()
}

#[track_caller]
fn same(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let low = expected.iter().copied().fold(f64::INFINITY, f64::min);
    let high = expected.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert!(high > low, "{what}: all margins are equal");
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs() / (high - low);
        assert!(
            off <= TOLERANCE,
            "{what}, row {row}: {found} against {expected}"
        );
    }
}

/// An order of `n` things.
fn order(n: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    Rng::new(seed).shuffle(&mut order);
    order
}

#[test]
fn names_of_levels_do_not_matter() {
    for (seed, objective) in (20..).zip(OBJECTIVES) {
        let data = data(1200, seed);
        let mut renamed = data.take(&(0..1200).collect::<Vec<_>>());
        for (at, (codes, n_levels)) in renamed.levels.iter_mut().enumerate() {
            let names = order(*n_levels as usize, seed + at as u64);
            for code in codes.iter_mut() {
                // A code beyond the levels is a missing one.
                *code = names.get(*code as usize).map_or(*code, |name| *name as u32);
            }
        }
        let params = plain(objective);
        let what = format!("{objective:?}, levels renamed");
        same(&margins(&renamed, &params), &margins(&data, &params), &what);
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    for (seed, objective) in (30..).zip(OBJECTIVES) {
        let data = data(1200, seed);
        let order = order(1200, seed);
        let moved = data.take(&order);
        let params = plain(objective);
        let straight = margins(&data, &params);
        let expected: Vec<f64> = order.iter().map(|row| straight[*row]).collect();
        let what = format!("{objective:?}, rows moved");
        same(&margins(&moved, &params), &expected, &what);
    }
}

#[test]
fn the_order_of_columns_does_not_matter() {
    for (seed, objective) in (40..).zip(OBJECTIVES) {
        let data = data(1200, seed);
        let table = data.table();
        let order = order(table.n_cols(), seed);
        let columns = order.iter().map(|at| table.columns()[*at]).collect();
        let moved = Table::new(table.n_rows(), columns).unwrap();
        let params = plain(objective);
        let expected = fit(&data, &params);
        let targets = targets(&data, objective);
        let found = gbdt::fit(&moved, targets, Some(&data.weights), &params, &go_on).unwrap();
        let what = format!("{objective:?}, columns moved");
        let margins = |fit: &GbdtFit, table: &Table<'_>| fit.model.margins(table, 2).unwrap();
        same(&margins(&found, &moved), &margins(&expected, &table), &what);
        // The reasons move along with their columns.
        let reasons = |fit: &GbdtFit, table: &Table<'_>| fit.model.contributions(table, 2).unwrap();
        let (found, expected) = (reasons(&found, &moved), reasons(&expected, &table));
        let placed = (0..table.n_rows())
            .flat_map(|row| order.iter().map(move |at| (row, *at)))
            .map(|(row, at)| expected.row(row)[at]);
        same(&found.values, &placed.collect::<Vec<_>>(), &what);
    }
}

#[test]
fn a_row_is_as_good_as_two_of_half_its_weight() {
    for (seed, objective) in (50..).zip(OBJECTIVES) {
        let data = data(900, seed);
        let mut twice = data.take(&(0..900).flat_map(|row| [row, row]).collect::<Vec<_>>());
        twice.weights.iter_mut().for_each(|weight| *weight *= 0.5);
        // What counts rows counts twice as many; weights have mean 1 inside, so that twice as
        // many rows have twice the curvature.
        let one = GbdtParams {
            category_smoothing: 0.0,
            ..plain(objective)
        };
        let two = GbdtParams {
            min_rows: 2 * one.min_rows,
            min_child_weight: 2.0 * one.min_child_weight,
            l2: 2.0 * one.l2,
            ..one.clone()
        };
        let expected: Vec<f64> = margins(&data, &one).iter().flat_map(|m| [*m, *m]).collect();
        let what = format!("{objective:?}, rows doubled");
        same(&margins(&twice, &two), &expected, &what);
    }
}

#[test]
fn a_number_matters_by_its_rank() {
    for (seed, objective) in (60..).zip(OBJECTIVES) {
        let data = data(1200, seed);
        let mut bent = data.take(&(0..1200).collect::<Vec<_>>());
        for column in &mut bent.numbers {
            // Strictly rising, and far from a line.
            column.iter_mut().for_each(|x| *x = (*x / 3.0).exp() - 7.0);
        }
        let params = plain(objective);
        let what = format!("{objective:?}, numbers bent");
        same(&margins(&bent, &params), &margins(&data, &params), &what);
    }
}

#[test]
fn a_row_is_scored_alike_in_any_company() {
    let data = data(1000, 70);
    let model = fit(&data, &plain(Objective::Logistic)).model;
    let together = model.margins(&data.table(), 2).unwrap();
    for (from, to) in [(0, 1), (1, 8), (3, 130), (999, 1000), (500, 1000), (7, 7)] {
        let part = data.take(&(from..to).collect::<Vec<_>>());
        let found = model.margins(&part.table(), 1).unwrap();
        let bits = |margins: &[f64]| margins.iter().map(|m| m.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found), bits(&together[from..to]), "rows {from}..{to}");
    }
}

/// Margins are finite, and base and contributions add up to them.
#[track_caller]
fn check_sums(model: &Forest, table: &Table<'_>, what: &str) {
    let margins = model.margins(table, 2).unwrap();
    let reasons = model.contributions(table, 2).unwrap();
    assert_eq!(reasons.n_cols, table.n_cols());
    for (row, margin) in margins.iter().enumerate() {
        let terms = reasons.row(row).iter().map(|value| value.abs());
        let size = reasons.base.abs() + terms.sum::<f64>();
        assert!(margin.is_finite() && size.is_finite(), "{what}, row {row}");
        let off = (reasons.margin(row) - margin).abs();
        assert!(
            off <= ADDED * size.max(1e-300),
            "{what}, row {row}: {margin} is off by {off:e}"
        );
    }
}

#[test]
fn contributions_add_up_to_the_margin() {
    for (seed, objective) in (80..).zip(OBJECTIVES) {
        let data = data(700, seed);
        for (max_depth, max_leaves) in [(1, 2), (3, 8), (9, 60), (64, 150)] {
            let params = GbdtParams {
                max_depth,
                max_leaves,
                min_rows: 1,
                ..plain(objective)
            };
            let model = fit(&data, &params).model;
            let what = format!("{objective:?}, {max_leaves} leaves");
            check_sums(&model, &data.table(), &what);
            // Rows that training never saw, of which some have levels that it never saw.
            let fresh = Data::mixed(300, seed + 1000);
            check_sums(&model, &fresh.table(), &what);
        }
        // The mean of members, shallow and deep, as a user gets it.
        let usual = GbdtParams {
            objective,
            max_rounds: 20,
            threads: 2,
            ..GbdtParams::default()
        };
        check_sums(&fit(&data, &usual).model, &data.table(), "as it comes");
    }
}

#[test]
fn hostile_numbers_are_lived_with() {
    let n = 600;
    let mut rng = Rng::new(90);
    let useful: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let every = |period: usize, values: &[f64]| -> Vec<f64> {
        let at = (0..n).map(|row| (row % period) % values.len());
        at.map(|at| values[at]).collect()
    };
    let mut ends = useful.clone();
    ends[0] = f64::INFINITY;
    ends[1] = f64::NEG_INFINITY;
    let columns = [
        every(5, &[f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.0, -0.0]),
        every(2, &[1e308, -1e308]),
        every(3, &[f64::MAX, f64::MIN, f64::MIN_POSITIVE]),
        every(4, &[5e-324, -5e-324, 0.0, f64::EPSILON]),
        vec![f64::INFINITY; n],
        vec![f64::NAN; n],
        vec![42.0; n],
        ends,
    ];
    let columns: Vec<Column<'_>> = columns.iter().map(|c| Column::Number(c)).collect();
    let table = Table::new(n, columns.clone()).unwrap();
    let positive: Vec<f64> = useful.iter().map(|x| x.exp()).collect();
    let yes: Vec<f64> = useful
        .iter()
        .map(|x| f64::from(u8::from(*x > 0.2)))
        .collect();
    for objective in OBJECTIVES {
        for params in [
            plain(objective),
            GbdtParams {
                objective,
                max_rounds: 10,
                repeats: 1,
                threads: 2,
                ..GbdtParams::default()
            },
        ] {
            let targets = match objective {
                Objective::Logistic => &yes,
                _ => &positive,
            };
            let fit = gbdt::fit(&table, targets, None, &params, &go_on).unwrap();
            check_sums(&fit.model, &table, &format!("{objective:?}"));
            let margins = fit.model.margins(&table, 2).unwrap();
            let found = auc(&yes[2..], &margins[2..]);
            assert!(found > 0.95, "{objective:?}: AUC {found}");
            // Columns that say nothing are not asked.
            for (at, gain) in fit.gains.iter().enumerate().skip(4).take(3) {
                assert!(*gain <= 0.0, "{objective:?}: column {at} gained {gain}");
            }
        }
    }
    // Zero is zero, whatever its sign.
    let fit = gbdt::fit(&table, &yes, None, &plain(Objective::Logistic), &go_on).unwrap();
    let with = |zero: f64| {
        let columns = vec![[zero]; columns.len()];
        let columns = columns.iter().map(|c| Column::Number(c)).collect();
        let table = Table::new(1, columns).unwrap();
        fit.model.margins(&table, 1).unwrap()[0].to_bits()
    };
    assert_eq!(with(0.0), with(-0.0));
}

#[test]
fn targets_and_weights_at_the_ends_of_their_ranges() {
    let data = data(300, 91);
    let table = data.table();
    let mut rng = Rng::new(92);
    let wild: Vec<f64> = (0..300)
        .map(|_| 10.0_f64.powf(600.0 * rng.uniform() - 300.0))
        .collect();
    let huge: Vec<f64> = data
        .amount
        .iter()
        .zip(&data.yes)
        .map(|(amount, yes)| amount * if *yes > 0.5 { 1e97 } else { 1e-97 })
        .collect();
    for objective in OBJECTIVES {
        let params = plain(objective);
        let usual = targets(&data, objective);
        let fit = gbdt::fit(&table, usual, Some(&wild), &params, &go_on).unwrap();
        check_sums(&fit.model, &table, &format!("{objective:?}, wild weights"));
        if objective != Objective::Logistic {
            let fit = gbdt::fit(&table, &huge, None, &params, &go_on).unwrap();
            check_sums(&fit.model, &table, &format!("{objective:?}, wild targets"));
        }
    }
}

#[test]
fn few_rows_are_an_error_or_a_model() {
    for objective in OBJECTIVES {
        for n in 0..6 {
            let data = Data::mixed(n, 93);
            let targets = targets(&data, objective);
            for params in [
                plain(objective),
                GbdtParams {
                    objective,
                    max_rounds: 10,
                    ..GbdtParams::default()
                },
            ] {
                let found = gbdt::fit(&data.table(), targets, None, &params, &go_on);
                match (n, found) {
                    (0 | 1, found) => assert!(
                        matches!(found, Err(Error::TooFewRows { needed: 2, .. })),
                        "{objective:?}, {n} rows: {found:?}"
                    ),
                    (_, Ok(fit)) => check_sums(&fit.model, &data.table(), "few rows"),
                    (_, Err(error)) => panic!("{objective:?}, {n} rows: {error}"),
                }
            }
        }
    }
}

#[test]
fn a_level_for_each_row_teaches_nothing() {
    // 65,536 levels: a customer number that was taken for a category.
    let n = 65_536;
    let mut rng = Rng::new(94);
    let x: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let chance = |x: &f64| crate::glm::sigmoid(1.5 * x - 1.0);
    let yes: Vec<f64> = x
        .iter()
        .map(|x| f64::from(u8::from(rng.chance(chance(x)))))
        .collect();
    let names: Vec<u32> = order(n, 95).iter().map(|name| *name as u32).collect();
    let category = Column::Category {
        codes: &names,
        n_levels: 65_536,
    };
    let table = Table::new(n, vec![Column::Number(&x), category]).unwrap();
    let params = GbdtParams {
        max_rounds: 10,
        members: 2,
        repeats: 1,
        max_depth: 4,
        threads: 2,
        ..GbdtParams::default()
    };
    let fit = gbdt::fit(&table, &yes, None, &params, &go_on).unwrap();
    assert!(
        fit.gains[0] > 20.0 * fit.gains[1],
        "gains {:?}: learned by heart",
        fit.gains
    );
    // As good as the number alone.
    let (found, best) = (auc(&yes, &fit.held_out.unwrap()), auc(&yes, &x));
    assert!(found > best - 0.01, "AUC {found} of {best}");
    // Of a level that training never saw, and of none.
    let (few, codes) = ([0.3; 3], [5, 65_536, u32::MAX]);
    let unseen = Column::Category {
        codes: &codes,
        n_levels: u32::MAX,
    };
    let unseen = Table::new(3, vec![Column::Number(&few), unseen]).unwrap();
    check_sums(&fit.model, &unseen, "unseen levels");
    let margins = fit.model.margins(&unseen, 1).unwrap();
    assert_eq!(margins[1].to_bits(), margins[2].to_bits());
}
