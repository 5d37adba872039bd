//! Losses against finite differences and naive searches, and what fits by them are like.

use super::super::gbdt::{self, GbdtParams};
use super::super::test_data::Data;
use super::super::{Column, Forest, Objective, Table};
use super::{huber, pinball, softmax};
use crate::{Error, Rng, go_on};

#[test]
fn slopes_are_those_of_the_loss() {
    let step = 1e-6;
    for objective in [
        Objective::Quantile { alpha: 0.2 },
        Objective::Quantile { alpha: 0.95 },
        Objective::Huber { delta: 0.7 },
        Objective::Huber { delta: 100.0 },
    ] {
        for margin in [-2.0, -0.3, 0.4, 1.4] {
            for y in [0.0, 1.0, -1.7] {
                let loss = |off: f64| objective.loss(margin + off, y);
                let [slope, curve] = objective.slope(margin, y);
                let first = (loss(step) - loss(-step)) / (2.0 * step);
                assert!(
                    (slope - first).abs() < 1e-8,
                    "{objective:?}: {slope}, {first}"
                );
                // No step is too long: the loss is never more curved than it says.
                let second = (loss(0.1) + loss(-0.1) - 2.0 * loss(0.0)) / 0.01;
                if let Objective::Huber { .. } = objective {
                    assert!(second <= curve + 1e-9, "{objective:?}: {second}");
                }
            }
        }
    }
}

#[test]
fn slopes_of_classes_are_those_of_the_loss() {
    let mut rng = Rng::new(1);
    let step = 1e-5;
    for _ in 0..50 {
        let n_classes = 2 + rng.index(5);
        let margins: Vec<f64> = (0..n_classes).map(|_| 2.0 * rng.normal()).collect();
        let own = rng.index(n_classes);
        let mut shares = margins.clone();
        softmax::probabilities(&mut shares);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let loss = softmax::loss(&margins, own);
        assert!((loss + shares[own].ln()).abs() < 1e-9);
        for class in 0..n_classes {
            let y = f64::from(u8::from(class == own));
            let [slope, curve] = softmax::slope(shares[class], y, n_classes);
            let moved = |off: f64| {
                let mut margins = margins.clone();
                margins[class] += off;
                softmax::loss(&margins, own)
            };
            let first = (moved(step) - moved(-step)) / (2.0 * step);
            let second = (moved(step) + moved(-step) - 2.0 * loss) / (step * step);
            let k = n_classes as f64;
            assert!((slope - first).abs() < 1e-8);
            assert!((curve - second * k / (k - 1.0)).abs() < 1e-4);
        }
    }
    let mut far = [1e4, -1e4, 0.0];
    assert!(softmax::loss(&far, 1) > 1e4);
    softmax::probabilities(&mut far);
    assert!(far[0] > 0.999 && far.iter().all(|share| share.is_finite()));
}

#[test]
fn a_quantile_has_the_least_loss_and_weights_count_like_rows() {
    let mut rng = Rng::new(2);
    for case in 0..300 {
        let n = 1 + rng.index(30);
        let entries: Vec<(f64, f64)> = (0..n)
            .map(|_| ((4.0 * rng.normal()).round(), (1 + rng.index(4)) as f64))
            .collect();
        let alpha = [0.1, 0.25, 0.5, 0.55, 0.9][case % 5];
        let found = pinball::quantile(&mut entries.clone(), alpha);
        let loss = |m: f64| -> f64 {
            let losses = entries.iter().map(|(y, w)| w * pinball::loss(alpha, m, *y));
            losses.sum()
        };
        let least = entries
            .iter()
            .map(|(y, _)| loss(*y))
            .fold(f64::INFINITY, f64::min);
        assert!(loss(found) <= least + 1e-9, "case {case}");
        let mut rows: Vec<(f64, f64)> = entries
            .iter()
            .flat_map(|(y, w)| vec![(*y, 1.0); *w as usize])
            .collect();
        let by_rows = pinball::quantile(&mut rows, alpha);
        assert_eq!(found.to_bits(), by_rows.to_bits(), "case {case}");
        rng.shuffle(&mut rows);
        assert_eq!(
            found.to_bits(),
            pinball::quantile(&mut rows, alpha).to_bits()
        );
    }
    let mut even = [(1.0, 1.0), (4.0, 1.0), (2.0, 1.0), (8.0, 1.0)];
    assert_eq!(
        pinball::quantile(&mut even, 0.5).to_bits(),
        3.0_f64.to_bits()
    );
    assert_eq!(pinball::quantile(&mut [], 0.5).to_bits(), 0.0_f64.to_bits());
}

#[test]
fn the_center_of_huber_has_the_least_loss() {
    let mut rng = Rng::new(3);
    for _ in 0..50 {
        let mut entries: Vec<(f64, f64)> = (0..20)
            .map(|_| (rng.normal() / rng.uniform().max(1e-3), 0.1 + rng.uniform()))
            .collect();
        let center = huber::center(&mut entries, 0.5);
        let loss = |m: f64| -> f64 {
            let losses = entries.iter().map(|(y, w)| w * huber::loss(0.5, m, *y));
            losses.sum()
        };
        for off in [-0.1, -1e-3, 1e-3, 0.1] {
            assert!(loss(center) <= loss(center + off) + 1e-9);
        }
    }
}

fn quick(objective: Objective) -> GbdtParams {
    GbdtParams {
        objective,
        max_rounds: 200,
        repeats: 1,
        threads: 2,
        ..GbdtParams::default()
    }
}

/// A target whose spread grows with the first column.
fn spread(n: usize, seed: u64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..n).map(|_| 3.0 * rng.uniform()).collect();
    let other: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let y = (0..n).map(|i| x[i] + (0.2 + x[i]) * rng.normal());
    let y = y.collect();
    (x, other, y)
}

#[test]
fn quantiles_have_their_share_below_them_everywhere() {
    let (x, other, y) = spread(6000, 4);
    let (fresh_x, fresh_other, fresh_y) = spread(20_000, 5);
    let table = Table::new(6000, vec![Column::Number(&x), Column::Number(&other)]).unwrap();
    let columns = vec![Column::Number(&fresh_x), Column::Number(&fresh_other)];
    let fresh = Table::new(20_000, columns).unwrap();
    for (alpha, z) in [(0.1, -1.281_55), (0.5, 0.0), (0.9, 1.281_55)] {
        let params = quick(Objective::Quantile { alpha });
        let fit = gbdt::fit(&table, &y, None, &params, &go_on).unwrap();
        let margins = fit.model.means(&fresh, 1).unwrap();
        for (low, high) in [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)] {
            let rows: Vec<usize> = (0..20_000)
                .filter(|row| (low..high).contains(&fresh_x[*row]))
                .collect();
            let below = rows.iter().filter(|row| fresh_y[**row] <= margins[**row]);
            let share = below.count() as f64 / rows.len() as f64;
            assert!((share - alpha).abs() < 0.04, "{alpha}: {share} from {low}");
        }
        let loss = |of: &dyn Fn(usize) -> f64| -> f64 {
            let rows = 0..20_000;
            rows.map(|row| pinball::loss(alpha, of(row), fresh_y[row]))
                .sum::<f64>()
                / 20_000.0
        };
        let best = loss(&|row| fresh_x[row] + (0.2 + fresh_x[row]) * z);
        let found = loss(&|row| margins[row]);
        assert!(
            found < best * 1.03,
            "{alpha}: {found} against the true {best}"
        );
    }
}

#[test]
fn huber_is_not_led_astray() {
    let mut rng = Rng::new(6);
    let n = 1500;
    let x: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let clean: Vec<f64> = x.iter().map(|x| (2.0 * x).sin()).collect();
    let y: Vec<f64> = clean
        .iter()
        .map(|y| y + 0.2 * rng.normal() + if rng.chance(0.05) { 50.0 } else { 0.0 })
        .collect();
    let table = Table::new(n, vec![Column::Number(&x)]).unwrap();
    let error = |objective: Objective| {
        let fit = gbdt::fit(&table, &y, None, &quick(objective), &go_on).unwrap();
        let found = fit.model.means(&table, 1).unwrap();
        let off = found.iter().zip(&clean).map(|(m, y)| (m - y).abs());
        off.sum::<f64>() / n as f64
    };
    let (huber, squared) = (
        error(Objective::Huber { delta: 0.5 }),
        error(Objective::Squared),
    );
    assert!(huber < 0.15 && huber < 0.2 * squared, "{huber}, {squared}");
}

#[test]
fn huber_learns_as_well_when_all_rows_are_far_from_their_target() {
    let data = Data::mixed(2000, 8);
    let fresh = Data::mixed(2000, 9);
    // Of amounts in thousands, with the delta of amounts in ones.
    let error = |objective: Objective| {
        let params = GbdtParams {
            max_rounds: 200,
            ..quick(objective)
        };
        let fit = gbdt::fit(&data.table(), &data.amount, None, &params, &go_on).unwrap();
        let found = fit.model.means(&fresh.table(), 1).unwrap();
        let off = found.iter().zip(&fresh.amount).map(|(m, y)| (m - y).abs());
        off.sum::<f64>() / 2000.0
    };
    let median = error(Objective::Quantile { alpha: 0.5 });
    for delta in [1e-9, 1e-4, 0.01] {
        let huber = error(Objective::Huber { delta });
        assert!(huber < 1.02 * median, "{delta}: {huber}, {median}");
    }
}

#[test]
fn margins_follow_the_unit_of_the_target() {
    let data = Data::mixed(400, 4);
    for objective in [
        |_: f64| Objective::Quantile { alpha: 0.6 },
        |unit: f64| Objective::Huber { delta: 0.5 * unit },
    ] {
        let means = |unit: f64| {
            let amount: Vec<f64> = data.amount.iter().map(|y| y * unit).collect();
            let params = GbdtParams {
                max_rounds: 30,
                ..quick(objective(unit))
            };
            let fit = gbdt::fit(&data.table(), &amount, None, &params, &go_on).unwrap();
            assert!(fit.shapes[0].rounds > 3);
            fit.model.means(&data.table(), 1).unwrap()
        };
        for (small, large) in means(1.0).iter().zip(means(1024.0)) {
            assert!((large / (small * 1024.0) - 1.0).abs() < 1e-9);
        }
    }
}

#[test]
fn contributions_add_up_and_bytes_come_back_for_each() {
    let data = Data::mixed(300, 7);
    let groups: Vec<u32> = (0..300).map(|row| row / 10).collect();
    let ranks: Vec<f64> = data.amount.iter().map(|y| y.floor().min(4.0)).collect();
    for objective in [
        Objective::Quantile { alpha: 0.25 },
        Objective::Huber { delta: 1.5 },
        Objective::LambdaRank { truncation: 5 },
    ] {
        let params = GbdtParams {
            max_rounds: 20,
            ..quick(objective)
        };
        let targets = match objective {
            Objective::LambdaRank { .. } => &ranks,
            _ => &data.amount,
        };
        let table = data.table().with_groups(&groups).unwrap();
        let weights = Some(data.weights.as_slice());
        let model = gbdt::fit(&table, targets, weights, &params, &go_on)
            .unwrap()
            .model;
        let read = Forest::from_bytes(&model.to_bytes()).unwrap();
        assert_eq!(read, model);
        assert_eq!(read.objective(), objective);
        let margins = model.margins(&table, 1).unwrap();
        let parts = model.contributions(&table, 1).unwrap();
        for (row, margin) in margins.iter().enumerate() {
            assert!((parts.margin(row) - margin).abs() < 1e-9);
        }
    }
}

#[test]
fn bad_parameters_are_errors() {
    let data = Data::mixed(30, 8);
    for (objective, name) in [
        (Objective::Quantile { alpha: 1.0 }, "alpha"),
        (Objective::Quantile { alpha: f64::NAN }, "alpha"),
        (Objective::Huber { delta: 0.0 }, "delta"),
        (Objective::LambdaRank { truncation: 0 }, "truncation"),
    ] {
        let found = gbdt::fit(&data.table(), &data.amount, None, &quick(objective), &go_on);
        assert!(matches!(found, Err(Error::OutOfRange { what, .. }) if what == name));
    }
}
