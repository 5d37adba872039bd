//! Slopes against finite differences of the pairs they come from, NDCG against its definition,
//! and an order that is learned.

use super::super::super::gbdt::{self, GbdtParams};
use super::super::super::{Column, Objective, Table};
use super::{Ranking, order};
use crate::{Error, Rng, go_on};

/// Groups of 2 to 12 rows in mixed order, relevances from 0 to 3.
fn groups(n: usize, rng: &mut Rng) -> (Vec<u32>, Vec<f64>) {
    let numbers = (0..n).map(|_| rng.index(n / 7 + 1) as u32 * 3).collect();
    let relevance = (0..n).map(|_| rng.index(4) as f64).collect();
    (numbers, relevance)
}

fn ranking(numbers: &[u32], relevance: &[f64], weights: &[f64], truncation: u32) -> Ranking {
    let rows: Vec<u32> = (0..numbers.len() as u32).collect();
    Ranking::new(Some(numbers), &rows, (relevance, weights), truncation).unwrap()
}

#[test]
fn slopes_are_those_of_the_pairs() {
    let mut rng = Rng::new(1);
    for case in 0..20 {
        let n = 20 + rng.index(60);
        let (numbers, relevance) = groups(n, &mut rng);
        let weights: Vec<f64> = (0..n).map(|_| 1.0).collect();
        let ranking = ranking(&numbers, &relevance, &weights, 1 + case % 6);
        let margins: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let mut slopes = vec![[0.0; 2]; n];
        ranking.slopes(&margins, &weights, 1, &mut slopes);
        for group in &ranking.groups {
            let own: Vec<f64> = group
                .rows
                .iter()
                .map(|row| margins[*row as usize])
                .collect();
            let pairs = ranking.pairs(group, &own);
            let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
            own.iter()
                .for_each(|m| (least, most) = (least.min(*m), most.max(*m)));
            // The places and the distance that weigh a pair stand still; its loss moves.
            let weight = |high: usize, low: usize, change: f64| match most > least {
                true => change / (0.01 + (own[high] - own[low]).abs()),
                false => change,
            };
            let loss = |margins: &[f64]| -> f64 {
                let losses = pairs.iter().map(|pair| {
                    let apart = margins[pair.high] - margins[pair.low];
                    weight(pair.high, pair.low, pair.change) * (-apart).exp().ln_1p()
                });
                losses.sum()
            };
            let pushes = pairs.iter().map(|pair| {
                let apart = own[pair.high] - own[pair.low];
                2.0 * weight(pair.high, pair.low, pair.change) / (1.0 + apart.exp())
            });
            let total: f64 = pushes.sum();
            let norm = if total > 0.0 {
                (1.0 + total).log2() / total
            } else {
                1.0
            };
            for (at, row) in group.rows.iter().enumerate() {
                let moved = |off: f64| {
                    let mut margins = own.clone();
                    margins[at] += off;
                    loss(&margins)
                };
                let step = 1e-4;
                let first = (moved(step) - moved(-step)) / (2.0 * step);
                let second = (moved(step) + moved(-step) - 2.0 * loss(&own)) / (step * step);
                let factor = norm * ranking.scale;
                let [slope, curve] = slopes[*row as usize];
                assert!(
                    (slope - first * factor).abs() < 1e-5 * (1.0 + factor),
                    "case {case}"
                );
                assert!(
                    (curve - second * factor).abs() < 1e-3 * (1.0 + factor),
                    "case {case}"
                );
            }
        }
    }
}

/// Mean DCG over all orders of rows of one margin, by drawing.
fn drawn_ndcg(margins: &[f64], relevance: &[f64], truncation: usize, rng: &mut Rng) -> f64 {
    let dcg = |order: &[usize]| -> f64 {
        let places = order.iter().take(truncation).enumerate();
        places
            .map(|(k, at)| (relevance[*at].exp2() - 1.0) / (k as f64 + 2.0).log2())
            .sum()
    };
    let mut ideal: Vec<usize> = (0..margins.len()).collect();
    ideal.sort_by(|a, b| relevance[*b].total_cmp(&relevance[*a]));
    let mut sum = 0.0;
    for _ in 0..4000 {
        let mut own: Vec<usize> = (0..margins.len()).collect();
        rng.shuffle(&mut own);
        own.sort_by(|a, b| margins[*b].total_cmp(&margins[*a]));
        sum += dcg(&own);
    }
    sum / 4000.0 / dcg(&ideal)
}

#[test]
fn ndcg_is_the_mean_over_orders_of_ties() {
    let mut rng = Rng::new(2);
    for truncation in [2, 4, 30] {
        let relevance: Vec<f64> = vec![0.0, 3.0, 1.0, 0.0, 2.0, 0.0, 1.0, 3.0];
        let margins: Vec<f64> = (0..8).map(|_| rng.index(3) as f64).collect();
        let ranking = ranking(&[7; 8], &relevance, &[1.0; 8], truncation);
        let found = 1.0 - ranking.loss(&[0, 1, 2, 3, 4, 5, 6, 7], &margins);
        let expected = drawn_ndcg(&margins, &relevance, truncation as usize, &mut rng);
        assert!(
            (found - expected).abs() < 0.01,
            "{found} against {expected}"
        );
    }
    // In the right order it is 1, and rows that are all as relevant cannot be out of order.
    let best = ranking(&[1, 1, 1, 2, 2], &[2.0, 0.0, 1.0, 1.0, 1.0], &[1.0; 5], 3);
    let loss = best.loss(&[0, 1, 2, 3, 4], &[9.0, 1.0, 5.0, 0.0, 1.0]);
    assert!(loss.abs() < 1e-12);
    assert_eq!(order(&[1.0, 3.0, 1.0, 2.0]), [1, 3, 0, 2]);
}

/// 60 customers that were shown 12 things: what they take hangs on two columns.
fn shown(n_groups: usize, seed: u64) -> (Vec<Vec<f64>>, Vec<u32>, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let mut columns = vec![Vec::new(); 3];
    let (mut numbers, mut relevance) = (Vec::new(), Vec::new());
    for group in 0..n_groups as u32 {
        // The level of a customer says nothing of the order, but much of the relevance.
        let level = 3.0 * rng.normal();
        for _ in 0..12 {
            let [a, b] = [rng.normal(), rng.normal()];
            for (column, value) in columns.iter_mut().zip([a, b, level]) {
                column.push(value);
            }
            let want = 1.2 * a - 0.8 * b * b + level + 0.7 * rng.normal();
            relevance.push(want.round().clamp(0.0, 4.0));
            numbers.push(group);
        }
    }
    (columns, numbers, relevance)
}

#[test]
fn an_order_is_learned_and_a_regression_is_beaten() {
    let known = shown(150, 3);
    let fresh = shown(400, 4);
    let learn = Table::new(1800, known.0.iter().map(|c| Column::Number(c)).collect());
    let learn = learn.unwrap().with_groups(&known.1).unwrap();
    let judge = Table::new(4800, fresh.0.iter().map(|c| Column::Number(c)).collect());
    let judge = judge.unwrap();
    let ideal = ranking(&fresh.1, &fresh.2, &vec![1.0; 4800], 5);
    let rows: Vec<u32> = (0..4800).collect();
    let ndcg = |objective: Objective| {
        let params = GbdtParams {
            objective,
            repeats: 1,
            threads: 2,
            ..GbdtParams::default()
        };
        let fit = gbdt::fit(&learn, &known.2, None, &params, &go_on).unwrap();
        let margins = fit.model.margins(&judge, 1).unwrap();
        1.0 - ideal.loss(&rows, &margins) / ideal.weight(&rows)
    };
    let ranked = ndcg(Objective::LambdaRank { truncation: 5 });
    let regression = ndcg(Objective::Squared);
    let nothing = 1.0 - ideal.loss(&rows, &vec![0.0; 4800]) / ideal.weight(&rows);
    assert!(ranked > nothing + 0.2, "{ranked} against {nothing}");
    assert!(ranked > regression - 0.005, "{ranked} against {regression}");
}

#[test]
fn what_cannot_be_ordered_is_an_error() {
    let (columns, numbers, relevance) = shown(10, 5);
    let table = Table::new(120, columns.iter().map(|c| Column::Number(c)).collect()).unwrap();
    let params = GbdtParams {
        objective: Objective::LambdaRank { truncation: 5 },
        ..GbdtParams::default()
    };
    let fit = |table: &Table<'_>, targets: &[f64]| {
        gbdt::fit(table, targets, None, &params, &go_on).map(|fit| fit.shapes.len())
    };
    assert_eq!(fit(&table, &relevance), Err(Error::NoPairs));
    let table = table.with_groups(&numbers).unwrap();
    assert_eq!(fit(&table, &[2.0; 120]), Err(Error::NoPairs));
    assert!(matches!(
        fit(&table, &[31.0; 120]),
        Err(Error::OutOfRange { what: "target", .. })
    ));
    assert_eq!(fit(&table, &relevance), Ok(2));
}

#[test]
fn bits_do_not_depend_on_threads() {
    let (columns, numbers, relevance) = shown(200, 6);
    let table = Table::new(2400, columns.iter().map(|c| Column::Number(c)).collect()).unwrap();
    let table = table.with_groups(&numbers).unwrap();
    let fit = |threads: usize| {
        let params = GbdtParams {
            objective: Objective::LambdaRank { truncation: 5 },
            max_rounds: 20,
            threads,
            ..GbdtParams::default()
        };
        let fit = gbdt::fit(&table, &relevance, None, &params, &go_on).unwrap();
        fit.model.to_bytes()
    };
    assert_eq!(fit(1), fit(4));
}
