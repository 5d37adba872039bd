//! Going on from a model: as if it had never stopped, and not with another one.

use crate::trees::gbdt::{self, GbdtParams};
use crate::trees::test_data::{Data, auc};
use crate::trees::{Column, Forest, Objective, Table};
use crate::{Error, go_on};

fn plain(objective: Objective, rounds: usize) -> GbdtParams {
    GbdtParams {
        objective,
        max_rounds: rounds,
        members: 1,
        max_depth: 3,
        row_share: 1.0,
        column_share: 1.0,
        // A row is scored by the level that it was learned with.
        category_rows: 0.0,
        ..GbdtParams::default()
    }
}

#[test]
fn twenty_and_twenty_rounds_are_forty() {
    let data = Data::mixed(500, 1);
    for (objective, targets) in [
        (Objective::Logistic, &data.yes),
        (Objective::Squared, &data.amount),
        (Objective::Gamma, &data.amount),
        (Objective::Quantile { alpha: 0.7 }, &data.amount),
    ] {
        let fit = |base: Option<&Forest>, rounds: usize| {
            let params = plain(objective, rounds);
            let table = data.table();
            let fit = match base {
                Some(base) => gbdt::fit_from(base, &table, targets, None, &params, &go_on),
                None => gbdt::fit(&table, targets, None, &params, &go_on),
            };
            fit.unwrap().model
        };
        let (half, whole) = (fit(None, 20), fit(None, 40));
        let joined = fit(Some(&half), 20);
        assert_eq!(joined.n_trees(), 40);
        let margins = |model: &Forest| model.margins(&data.table(), 1).unwrap();
        for (found, expected) in margins(&joined).iter().zip(margins(&whole)) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{objective:?}: {found}, {expected}"
            );
        }
        let read = Forest::from_bytes(&joined.to_bytes()).unwrap();
        assert_eq!(read, joined);
        let parts = joined.contributions(&data.table(), 1).unwrap();
        for (row, margin) in margins(&joined).iter().enumerate() {
            assert!((parts.margin(row) - margin).abs() < 1e-9);
        }
    }
}

#[test]
fn new_rows_are_learned_from_with_members_too() {
    let (old, new, fresh) = (
        Data::mixed(400, 2),
        Data::mixed(1500, 3),
        Data::mixed(8000, 4),
    );
    let params = GbdtParams {
        repeats: 1,
        threads: 2,
        ..GbdtParams::default()
    };
    let base = gbdt::fit(&old.table(), &old.yes, None, &params, &go_on)
        .unwrap()
        .model;
    let more = gbdt::fit_from(&base, &new.table(), &new.yes, None, &params, &go_on).unwrap();
    let judge = |model: &Forest| auc(&fresh.yes, &model.margins(&fresh.table(), 1).unwrap());
    let (before, after) = (judge(&base), judge(&more.model));
    assert!(after > before + 0.005, "{after} against {before}");
    let held_out = auc(&new.yes, &more.held_out.unwrap());
    assert!(
        (held_out - after).abs() < 0.03,
        "{held_out} against {after}"
    );
    // The first loss is that of the model that is gone on with.
    let margins = base.margins(&new.table(), 1).unwrap();
    let loss: f64 = margins
        .iter()
        .zip(&new.yes)
        .map(|(m, y)| Objective::Logistic.loss(*m, *y))
        .sum();
    assert!((more.shapes[0].losses[0] - loss / 1500.0).abs() < 1e-9);
}

#[test]
fn another_model_is_an_error() {
    let data = Data::mixed(100, 5);
    let base = gbdt::fit(
        &data.table(),
        &data.yes,
        None,
        &plain(Objective::Logistic, 3),
        &go_on,
    );
    let base = base.unwrap().model;
    let with = |table: &Table<'_>, objective: Objective| {
        let params = plain(objective, 3);
        gbdt::fit_from(&base, table, &data.yes, None, &params, &go_on).map(|fit| fit.gains)
    };
    assert!(matches!(
        with(&data.table(), Objective::Squared),
        Err(Error::Objective { .. })
    ));
    let fewer = Table::new(100, vec![Column::Number(&data.numbers[0])]).unwrap();
    assert!(matches!(
        with(&fewer, Objective::Logistic),
        Err(Error::Length { .. })
    ));
    let mut columns = data.table().columns().to_vec();
    columns[3] = Column::Category {
        codes: &data.levels[0].0,
        n_levels: 9,
    };
    let levels = Table::new(100, columns).unwrap();
    assert!(matches!(
        with(&levels, Objective::Logistic),
        Err(Error::Length { found: 9, .. })
    ));
}
