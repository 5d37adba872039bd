//! Boosting against an independent program, against its definition, and on bad data.

use super::super::test_data::{Data, auc};
use super::super::{Column, Forest, Objective, Table, gbdt};
use super::{GbdtFit, GbdtParams};
use crate::glm::sigmoid;
use crate::{Error, Rng, go_on};

/// One model of exact shape: nothing drawn, nothing decided by the data.
fn plain(objective: Objective, rounds: usize) -> GbdtParams {
    GbdtParams {
        objective,
        learning_rate: 0.2,
        max_rounds: rounds,
        members: 1,
        max_depth: 3,
        max_leaves: 8,
        min_rows: 1,
        min_child_weight: 0.1,
        l2: 1.0,
        row_share: 1.0,
        column_share: 1.0,
        ..GbdtParams::default()
    }
}

fn quick() -> GbdtParams {
    GbdtParams {
        max_rounds: 30,
        repeats: 1,
        threads: 2,
        ..GbdtParams::default()
    }
}

#[test]
fn margins_of_xgboost() {
    let lines: Vec<Vec<f64>> = include_str!("../../golden/boosted.csv")
        .lines()
        .skip(1)
        .map(|line| {
            line.split(',')
                .map(|f| f.parse().unwrap_or(f64::NAN))
                .collect()
        })
        .collect();
    let column = |index: usize| lines.iter().map(|line| line[index]).collect::<Vec<f64>>();
    let x = [column(0), column(1), column(2)];
    let table = Table::new(80, x.iter().map(|x| Column::Number(x)).collect()).unwrap();
    let weights = column(6);
    let mean_weight = weights.iter().sum::<f64>() / 80.0;
    for (objective, target, expected) in [
        (Objective::Logistic, 3, 7),
        (Objective::Squared, 4, 8),
        (Objective::Gamma, 4, 9),
        (Objective::Tweedie { power: 1.5 }, 5, 10),
    ] {
        let (target, expected) = (column(target), column(expected));
        // Ours scale weights to mean 1, and targets of a log link to mean 1.
        let mut unit = mean_weight;
        if let Objective::Tweedie { power } = objective {
            let sums = target.iter().zip(&weights).map(|(y, w)| y * w);
            let mean = sums.sum::<f64>() / weights.iter().sum::<f64>();
            unit *= mean.powf(2.0 - power);
        }
        let params = GbdtParams {
            l2: 1.0 / unit,
            min_child_weight: 0.1 / unit,
            ..plain(objective, 15)
        };
        let fit = gbdt::fit(&table, &target, Some(&weights), &params, &go_on).unwrap();
        let margins = fit.model.margins(&table, 1).unwrap();
        for (row, (found, expected)) in margins.iter().zip(&expected).enumerate() {
            let off = (found - expected).abs();
            assert!(
                off < 2e-5,
                "{objective:?}, row {row}: {found} against {expected}"
            );
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let data = Data::mixed(3000, 1);
    let fit = |threads: usize| {
        let params = GbdtParams {
            threads,
            max_rounds: 20,
            ..GbdtParams::default()
        };
        gbdt::fit(
            &data.table(),
            &data.yes,
            Some(&data.weights),
            &params,
            &go_on,
        )
        .unwrap()
    };
    let one = fit(1);
    for threads in [2, 5, 64] {
        let other = fit(threads);
        assert_eq!(one, other);
        assert_eq!(one.model.to_bytes(), other.model.to_bytes());
    }
}

#[test]
fn a_weight_counts_like_that_many_rows() {
    let data = Data::mixed(200, 2);
    let copies: Vec<usize> = (0..200)
        .flat_map(|row| vec![row; data.weights[row] as usize])
        .collect();
    let many = data.take(&copies);
    // Weights are scaled to mean 1, so the penalty must be too.
    let mean = data.weights.iter().sum::<f64>() / 200.0;
    let mut params = plain(Objective::Logistic, 10);
    params.category_smoothing = 0.0;
    params.category_rows = 0.0;
    let single = gbdt::fit(&many.table(), &many.yes, None, &params, &go_on).unwrap();
    params.l2 /= mean;
    params.min_child_weight /= mean;
    let weighted = gbdt::fit(
        &data.table(),
        &data.yes,
        Some(&data.weights),
        &params,
        &go_on,
    )
    .unwrap();
    let found = weighted.model.margins(&data.table(), 1).unwrap();
    let expected = single.model.margins(&data.table(), 1).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() < 1e-9,
            "{found} against {expected}"
        );
    }
}

#[test]
fn rows_of_weight_0_are_as_if_absent() {
    let data = Data::mixed(400, 3);
    let kept: Vec<usize> = (0..400).filter(|row| row % 4 != 3).collect();
    let few = data.take(&kept);
    let weights: Vec<f64> = (0..400)
        .map(|row| if row % 4 == 3 { 0.0 } else { data.weights[row] })
        .collect();
    // Rows of small levels are dealt to parts by their place in the table.
    let category_rows = 0.0;
    let params = GbdtParams {
        members: 1,
        row_share: 1.0,
        category_rows,
        max_rounds: 20,
        ..quick()
    };
    let without = gbdt::fit(&few.table(), &few.yes, Some(&few.weights), &params, &go_on).unwrap();
    let zero = gbdt::fit(&data.table(), &data.yes, Some(&weights), &params, &go_on).unwrap();
    let (a, b) = (without.model, zero.model);
    assert_eq!(
        a.margins(&data.table(), 1).unwrap(),
        b.margins(&data.table(), 1).unwrap()
    );
    // With members they still get a margin, from trees that did not see them.
    let crossed = gbdt::fit(&data.table(), &data.yes, Some(&weights), &quick(), &go_on).unwrap();
    assert!(
        crossed
            .held_out
            .unwrap()
            .iter()
            .all(|margin| margin.is_finite())
    );
}

#[test]
fn margins_follow_the_unit_of_the_target() {
    let data = Data::mixed(400, 4);
    for objective in [
        Objective::Squared,
        Objective::Poisson,
        Objective::Gamma,
        Objective::Tweedie { power: 1.3 },
    ] {
        let params = GbdtParams {
            objective,
            ..quick()
        };
        let means = |factor: f64| {
            let amount: Vec<f64> = data.amount.iter().map(|y| y * factor).collect();
            let fit = gbdt::fit(&data.table(), &amount, None, &params, &go_on).unwrap();
            assert!(fit.shapes[0].rounds > 3);
            fit.model.means(&data.table(), 1).unwrap()
        };
        for (small, large) in means(1.0).iter().zip(means(1024.0)) {
            assert!(
                (large / (small * 1024.0) - 1.0).abs() < 1e-9,
                "{objective:?}"
            );
        }
    }
}

#[test]
fn slopes_are_those_of_the_loss() {
    let step = 1e-5;
    for objective in [
        Objective::Logistic,
        Objective::Squared,
        Objective::Poisson,
        Objective::Gamma,
        Objective::Tweedie { power: 1.7 },
    ] {
        for margin in [-2.0, -0.3, 0.0, 1.4] {
            for y in [0.0, 1.0] {
                let loss = |off: f64| objective.loss(margin + off, y);
                let [slope, curve] = objective.slope(margin, y);
                let first = (loss(step) - loss(-step)) / (2.0 * step);
                let second = (loss(step) + loss(-step) - 2.0 * loss(0.0)) / (step * step);
                assert!(
                    (slope - first).abs() < 1e-8,
                    "{objective:?}: {slope} against {first}"
                );
                assert!(
                    (curve - second).abs() < 1e-4,
                    "{objective:?}: {curve} against {second}"
                );
            }
        }
    }
}

#[test]
fn held_out_margins_are_honest() {
    // Nothing to learn, and a category of 500 levels that tempts one to learn by heart.
    let mut rng = Rng::new(5);
    let n = 3000;
    let noise: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let codes: Vec<u32> = (0..n).map(|_| rng.index(500) as u32).collect();
    let yes: Vec<f64> = (0..n)
        .map(|_| f64::from(u8::from(rng.chance(0.3))))
        .collect();
    let columns = vec![
        Column::Number(&noise),
        Column::Category {
            codes: &codes,
            n_levels: 500,
        },
    ];
    let table = Table::new(n, columns).unwrap();
    let fit = gbdt::fit(&table, &yes, None, &quick(), &go_on).unwrap();
    let held_out = auc(&yes, &fit.held_out.unwrap());
    assert!((held_out - 0.5).abs() < 0.04, "held-out AUC {held_out}");
    let learned = auc(&yes, &fit.model.margins(&table, 1).unwrap());
    assert!(
        learned < 0.75,
        "AUC {learned} on the rows learned from: by heart"
    );
}

#[test]
fn defaults_beat_a_fixed_number_of_large_trees() {
    for (n, seed) in [(200, 6), (1000, 8), (4000, 7)] {
        let data = Data::mixed(n, seed);
        let fresh = Data::mixed(10_000, seed + 100);
        let judge = |params: &GbdtParams| {
            let fit = gbdt::fit(&data.table(), &data.yes, None, params, &go_on).unwrap();
            let held_out = fit.held_out.map(|margins| auc(&data.yes, &margins));
            (
                auc(&fresh.yes, &fit.model.margins(&fresh.table(), 1).unwrap()),
                held_out,
            )
        };
        // The customary defaults: 100 trees of 31 leaves at rate 0.1.
        let customary = GbdtParams {
            learning_rate: 0.1,
            max_rounds: 100,
            max_depth: 64,
            max_leaves: 31,
            min_rows: 20,
            min_child_weight: 1e-3,
            l2: 0.0,
            ..plain(Objective::Logistic, 100)
        };
        let (ours, held_out) = judge(&GbdtParams {
            threads: 2,
            ..GbdtParams::default()
        });
        let (theirs, _) = judge(&customary);
        assert!(ours > theirs + 0.005, "{n} rows: {ours} against {theirs}");
        let off = held_out.unwrap() - ours;
        assert!(
            off.abs() < 1.5 / (n as f64).sqrt(),
            "{n} rows: held-out AUC off by {off}"
        );
    }
}

#[test]
fn one_class_in_100() {
    let mut rng = Rng::new(8);
    let n = 5000;
    let x: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let chance = |x: &f64| sigmoid(1.5 * x - 6.0);
    let yes: Vec<f64> = x
        .iter()
        .map(|x| f64::from(u8::from(rng.chance(chance(x)))))
        .collect();
    let table = Table::new(n, vec![Column::Number(&x)]).unwrap();
    let fit = gbdt::fit(&table, &yes, None, &quick(), &go_on).unwrap();
    let p = fit.model.means(&table, 1).unwrap();
    let (expected, found) = (yes.iter().sum::<f64>(), p.iter().sum::<f64>());
    assert!(
        (found / expected - 1.0).abs() < 0.1,
        "{expected} expected, {found} found"
    );
    assert!(auc(&yes, &fit.held_out.unwrap()) > 0.8);
}

fn fit_numbers(columns: &[Vec<f64>], targets: &[f64]) -> crate::Result<GbdtFit> {
    let columns = columns
        .iter()
        .map(|values| Column::Number(values))
        .collect();
    gbdt::fit(
        &Table::new(targets.len(), columns)?,
        targets,
        None,
        &quick(),
        &go_on,
    )
}

#[test]
fn bad_targets_weights_and_parameters_are_errors() {
    let x = vec![vec![1.0, 2.0, 3.0, 4.0]];
    assert_eq!(
        fit_numbers(&x, &[1.0; 4]),
        Err(Error::OneClass { class: true })
    );
    assert_eq!(
        fit_numbers(&[vec![1.0]], &[1.0]),
        Err(Error::TooFewRows {
            needed: 2,
            found: 1
        })
    );
    assert!(matches!(
        fit_numbers(&x, &[0.0, 1.0, 2.0, 0.0]),
        Err(Error::OutOfRange { what: "target", .. })
    ));
    assert!(matches!(
        fit_numbers(&x, &[0.0, 1.0, f64::NAN, 0.0]),
        Err(Error::NotFinite { index: 2, .. })
    ));
    let table = Table::new(4, vec![Column::Number(&x[0])]).unwrap();
    let y = [0.0, 1.0, 0.0, 1.0];
    let with = |weights: &[f64]| gbdt::fit(&table, &y, Some(weights), &quick(), &go_on);
    assert!(matches!(
        with(&[1.0, 1.0, -1.0, 1.0]),
        Err(Error::OutOfRange { what: "weight", .. })
    ));
    assert!(matches!(
        with(&[1.0; 3]),
        Err(Error::Length { found: 3, .. })
    ));
    assert!(matches!(with(&[0.0; 4]), Err(Error::TooFewRows { .. })));
    assert_eq!(
        with(&[1.0, 0.0, 1.0, 0.0]),
        Err(Error::OneClass { class: false })
    );
    type Spoil = fn(&mut GbdtParams);
    let bad: [(&str, Spoil); 6] = [
        ("learning_rate", |p| p.learning_rate = f64::NAN),
        ("row_share", |p| p.row_share = 0.0),
        ("max_bins", |p| p.max_bins = 256),
        ("max_leaves", |p| p.max_leaves = 1),
        ("l2", |p| p.l2 = -1.0),
        ("power", |p| p.objective = Objective::Tweedie { power: 2.0 }),
    ];
    for (name, spoil) in bad {
        let mut params = quick();
        spoil(&mut params);
        let found = gbdt::fit(&table, &y, None, &params, &go_on);
        assert!(
            matches!(found, Err(Error::OutOfRange { what, .. }) if what == name),
            "{name}"
        );
    }
    let stop = gbdt::fit(&table, &y, None, &quick(), &|_| false);
    assert_eq!(stop, Err(Error::Cancelled));
    assert!(Table::new(0, Vec::new()).is_err());
    assert!(Table::new(3, vec![Column::Number(&y)]).is_err());
}

#[test]
fn strange_columns_are_lived_with() {
    let mut rng = Rng::new(9);
    let n = 300;
    let mut x: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let yes: Vec<f64> = x.iter().map(|x| f64::from(u8::from(*x > 0.2))).collect();
    x[0] = f64::INFINITY;
    x[1] = f64::NEG_INFINITY;
    let huge: Vec<f64> = (0..n)
        .map(|i| if i % 2 == 0 { 1e308 } else { -1e308 })
        .collect();
    let columns = [vec![3.0; n], vec![f64::NAN; n], huge, x];
    let fit = fit_numbers(&columns, &yes).unwrap();
    assert_eq!(fit.gains[..2], [0.0, 0.0]);
    let table = Table::new(n, columns.iter().map(|c| Column::Number(c)).collect()).unwrap();
    let margins = fit.model.margins(&table, 1).unwrap();
    assert!(auc(&yes[2..], &margins[2..]) > 0.99);
    assert!(margins.iter().all(|margin| margin.is_finite()));
    // What training never had is scored all the same.
    let strange = [
        vec![f64::NAN, 9.0],
        vec![0.0, -1e308],
        vec![f64::INFINITY, 0.0],
        vec![f64::NAN; 2],
    ];
    let table = Table::new(2, strange.iter().map(|c| Column::Number(c)).collect()).unwrap();
    assert!(
        fit.model
            .margins(&table, 1)
            .unwrap()
            .iter()
            .all(|margin| margin.is_finite())
    );
    // Only useless columns: a constant.
    let constant = fit_numbers(&columns[..2], &yes).unwrap().model;
    let share = yes.iter().sum::<f64>() / n as f64;
    let table = Table::new(n, columns[..2].iter().map(|c| Column::Number(c)).collect()).unwrap();
    assert!((constant.means(&table, 1).unwrap()[5] - share).abs() < 0.02);
}

#[test]
fn targets_and_weights_of_any_size() {
    let data = Data::mixed(200, 10);
    for factor in [1e-90, 1e90] {
        let amount: Vec<f64> = data.amount.iter().map(|y| y * factor).collect();
        let weights: Vec<f64> = data.weights.iter().map(|w| w * 1e307).collect();
        let params = GbdtParams {
            objective: Objective::Squared,
            ..quick()
        };
        let fit = gbdt::fit(&data.table(), &amount, Some(&weights), &params, &go_on).unwrap();
        let margins = fit.model.margins(&data.table(), 1).unwrap();
        assert!(margins.iter().all(|m| m.is_finite()));
        assert!(fit.shapes[0].rounds > 3);
    }
    let params = GbdtParams {
        objective: Objective::Squared,
        ..quick()
    };
    let all = gbdt::fit(&data.table(), &[1e308; 200], None, &params, &go_on);
    assert!(matches!(all, Err(Error::OutOfRange { what: "target", .. })));
    // One value only: a constant, not an error.
    let fit = gbdt::fit(&data.table(), &[7.0; 200], None, &params, &go_on).unwrap();
    assert_eq!(fit.model.means(&data.table(), 1).unwrap(), vec![7.0; 200]);
}

#[test]
fn a_column_of_100_000_levels() {
    let n = 100_000;
    let codes: Vec<u32> = (0..n).collect();
    let x: Vec<f64> = (0..n).map(|i| f64::from(i % 7)).collect();
    let yes: Vec<f64> = x.iter().map(|x| f64::from(u8::from(*x > 4.5))).collect();
    let columns = vec![
        Column::Category {
            codes: &codes,
            n_levels: n,
        },
        Column::Number(&x),
    ];
    let table = Table::new(n as usize, columns).unwrap();
    let params = GbdtParams {
        max_rounds: 5,
        ..quick()
    };
    let fit = gbdt::fit(&table, &yes, None, &params, &go_on).unwrap();
    assert!(
        fit.gains[0] < fit.gains[1] * 1e-3,
        "learned by heart: {:?}",
        fit.gains
    );
    assert!(auc(&yes, &fit.held_out.unwrap()) > 0.99);
}

#[test]
fn few_rows_of_a_class() {
    let data = Data::mixed(60, 11);
    for n_yes in 1..4 {
        let yes: Vec<f64> = (0..60)
            .map(|row| f64::from(u8::from(row < n_yes)))
            .collect();
        let fit = gbdt::fit(&data.table(), &yes, None, &quick(), &go_on).unwrap();
        let p = fit.model.means(&data.table(), 1).unwrap();
        assert!(p.iter().all(|p| *p > 0.0 && *p < 1.0));
        assert_eq!(fit.held_out.is_some(), n_yes > 1);
    }
    let two = data.take(&[0, 1]);
    let fit = gbdt::fit(&two.table(), &two.yes, None, &quick(), &go_on).unwrap();
    // Trees of one leaf, each on the rows that were drawn for it.
    let p = fit.model.means(&two.table(), 1).unwrap();
    assert_eq!(p[0].to_bits(), p[1].to_bits());
    assert!((p[0] - 0.5).abs() < 0.05, "found {}", p[0]);
}

#[test]
fn other_columns_are_refused() {
    let data = Data::mixed(100, 12);
    let model: Forest = gbdt::fit(&data.table(), &data.yes, None, &quick(), &go_on)
        .unwrap()
        .model;
    let few = Table::new(100, vec![Column::Number(&data.yes)]).unwrap();
    assert!(matches!(
        model.margins(&few, 1),
        Err(Error::Length {
            expected: 5,
            found: 1,
            ..
        })
    ));
    let numbers = Table::new(100, vec![Column::Number(&data.yes); 5]).unwrap();
    let wrong = Error::Columns {
        index: 3,
        expected: "categories",
        found: "numbers",
    };
    assert_eq!(model.contributions(&numbers, 1), Err(wrong));
    assert_eq!(model.n_levels(3), Some(4));
    assert_eq!(model.n_levels(0), None);
    // Codes that training did not know are unseen, however many levels there are now.
    let codes = [3_u32, 4, 900];
    let x = [0.5; 3];
    let mut columns = vec![Column::Number(&x); 3];
    columns.push(Column::Category {
        codes: &codes,
        n_levels: 1000,
    });
    columns.push(Column::Category {
        codes: &codes,
        n_levels: 1000,
    });
    let margins = model.margins(&Table::new(3, columns).unwrap(), 1).unwrap();
    assert!(margins.iter().all(|margin| margin.is_finite()));
    let empty = Table::new(0, vec![Column::Number(&[]); 3]).unwrap();
    assert!(model.margins(&empty, 1).is_err());
}
