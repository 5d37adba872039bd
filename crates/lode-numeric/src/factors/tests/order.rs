//! Items in two roles: against a planted truth, true chances, and what must always
//! hold.

use super::table;
use crate::Error;
use crate::Rng;
use crate::factors::OrderLoss;
use crate::factors::Pairs;
use crate::factors::Pooled;
use crate::factors::PooledParams;
use crate::factors::Shelf;
use crate::factors::pooled;
use crate::go_on;

const LOSSES: [OrderLoss; 2] = [OrderLoss::Pairwise, OrderLoss::Softmax];

/// People of two tastes of ten items, and some who take anything.
fn tastes(n_people: u32) -> Pairs {
    let mut rng = Rng::new(4);
    let mut entries = Vec::new();
    for person in 0..n_people {
        for _ in 0..6 {
            let own = rng.index(10) as u32 + person % 2 * 10;
            let any = rng.index(20) as u32;
            entries.push((person, if rng.chance(0.1) { any } else { own }, 1.0));
        }
    }
    Pairs::from_entries(entries, n_people as usize, 20).unwrap()
}

fn params(loss: OrderLoss, threads: usize) -> PooledParams {
    PooledParams {
        width: 6,
        epochs: 6,
        negatives: 12,
        rate: 0.1,
        loss,
        seed: 3,
        threads,
        ..PooledParams::default()
    }
}

fn score(model: &Pooled, items: &[u32], weights: &[f32], item: u32) -> f64 {
    let (base, parts) = model.parts(items, weights, item);
    base + parts.iter().sum::<f64>()
}

#[test]
fn tastes_that_were_planted_come_first() {
    for loss in LOSSES {
        let model = pooled(&tastes(400), &params(loss, 2), &go_on).unwrap();
        for own in 0..20 {
            let score = |item: u32| score(&model, &[own], &[1.0], item);
            let same = (0..20).filter(|item| *item != own && item / 10 == own / 10);
            let other = (0..20).filter(|item| item / 10 != own / 10);
            let mean = |items: Vec<f64>| items.iter().sum::<f64>() / items.len() as f64;
            let (same, other) = (
                mean(same.map(score).collect()),
                mean(other.map(score).collect()),
            );
            assert!(same > other + 0.5, "{loss:?} {own}: {same} {other}");
        }
    }
}

#[test]
fn chances_of_the_softmax_are_those_that_are_true() {
    // Nobody's history says anything: items are taken by fame alone, so that the share of an
    // item among all is its fame, whatever was drawn.
    let mut rng = Rng::new(9);
    let fame = [8.0, 4.0, 2.0, 1.0, 1.0];
    let mut entries = Vec::new();
    for person in 0..4000 {
        // The first item is everybody's, so that all have a history.
        entries.push((person, 0, 1.0));
        entries.push((person, 1 + rng.weighted(&fame).unwrap() as u32, 1.0));
    }
    let people = Pairs::from_entries(entries, 4000, 6).unwrap();
    let params = PooledParams {
        epochs: 20,
        rate: 0.02,
        ..params(OrderLoss::Softmax, 2)
    };
    let model = pooled(&people, &params, &go_on).unwrap();
    let scores: Vec<f64> = (1..6)
        .map(|item| score(&model, &[0], &[1.0], item))
        .collect();
    let all: f64 = scores.iter().map(|score| score.exp()).sum();
    for (score, fame) in scores.iter().zip(fame) {
        let (found, expected) = (score.exp() / all, fame / 16.0);
        assert!((found - expected).abs() < 0.04, "{found} {expected}");
    }
}

#[test]
fn parts_add_up_to_what_the_shelf_scores() {
    let people = table(60, 30, 2);
    let model = pooled(&people, &params(OrderLoss::Softmax, 1), &go_on).unwrap();
    let shelf = Shelf::new(&model.offered);
    for person in 0..people.n_rows() {
        let (items, weights) = people.row(person);
        let scores = shelf.scores(&model.person(items, weights)).unwrap();
        for (item, found) in (0..).zip(scores) {
            let expected = score(&model, items, weights, item);
            let off = (f64::from(found) - expected).abs();
            assert!(off < 1e-5 * (1.0 + expected.abs()), "{found} {expected}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for loss in LOSSES {
        let people = table(700, 50, 5);
        let alone = pooled(&people, &params(loss, 1), &go_on).unwrap();
        for threads in [2, 8] {
            assert_eq!(
                pooled(&people, &params(loss, threads), &go_on).unwrap(),
                alone
            );
        }
        let other = PooledParams {
            seed: 4,
            ..params(loss, 1)
        };
        assert_ne!(pooled(&people, &other, &go_on).unwrap(), alone);
    }
}

#[test]
fn people_with_one_item_leave_fame() {
    let entries = vec![(0, 1, 1.0), (1, 1, 1.0), (2, 0, 1.0), (3, 2, -1.0)];
    let people = Pairs::from_entries(entries, 4, 3).unwrap();
    let model = pooled(&people, &PooledParams::default(), &go_on).unwrap();
    let scores: Vec<f64> = (0..3)
        .map(|item| score(&model, &[0], &[1.0], item))
        .collect();
    assert!(scores[1] > scores[0] && scores[0] > scores[2], "{scores:?}");
    let nobody = Pairs::from_entries(vec![], 0, 0).unwrap();
    let model = pooled(&nobody, &PooledParams::default(), &go_on).unwrap();
    assert_eq!(model.offered.n_rows(), 0);
}

#[test]
fn bad_parameters_are_refused() {
    let people = tastes(20);
    let with = |change: &dyn Fn(&mut PooledParams)| {
        let mut params = PooledParams::default();
        change(&mut params);
        pooled(&people, &params, &go_on).unwrap_err().to_string()
    };
    for (error, named) in [
        (with(&|p| p.width = 0), "width"),
        (with(&|p| p.epochs = 0), "epochs"),
        (with(&|p| p.negatives = 0), "negatives"),
        (with(&|p| p.rate = f64::NAN), "rate"),
        (with(&|p| p.regularization = -1.0), "regularization"),
        (with(&|p| p.pooling = 1.5), "pooling"),
    ] {
        assert!(error.contains(named), "{error}");
    }
    let stopped = pooled(&people, &PooledParams::default(), &|_| false);
    assert_eq!(stopped, Err(Error::Cancelled));
}
