//! Factors against naive equations, a planted truth, and what must always hold.

mod search;

use super::Als;
use super::AlsParams;
use super::Factors;
use super::FoldIn;
use super::Form;
use super::Pairs;
use super::Solver;
use super::als;
use super::loss;
use super::people_of_items;
use super::spectrum::axes;
use crate::Error;
use crate::Rng;
use crate::cholesky;
use crate::go_on;

/// People with some random items each; some dislike some.
fn table(n_people: usize, n_items: usize, seed: u64) -> Pairs {
    let mut rng = Rng::new(seed);
    let mut entries = Vec::new();
    for person in 0..n_people {
        // Some have nothing, some more than one batch of products.
        let n = if person % 7 == 3 {
            0
        } else {
            1 + rng.index(n_items)
        };
        for _ in 0..n {
            let weight = [1.0, 0.5, 3.0, -1.0][rng.index(4)];
            entries.push((person as u32, rng.index(n_items) as u32, weight));
        }
    }
    Pairs::from_entries(entries, n_people, n_items).unwrap()
}

fn params(width: usize, solver: Solver, form: Form) -> AlsParams {
    AlsParams {
        width,
        rounds: 3,
        regularization: 0.05,
        frequency: 0.5,
        unobserved: 0.3,
        confidence: 2.0,
        form,
        solver,
        seed: 5,
        threads: 2,
    }
}

fn random(n_rows: usize, width: usize, seed: u64) -> Factors {
    let mut rng = Rng::new(seed);
    let values: Vec<f32> = (0..n_rows * width).map(|_| rng.normal() as f32).collect();
    Factors::from_values(&values, width).unwrap()
}

/// A person's equations as the formula has them, over all items one by one.
fn naive(people: &Pairs, person: usize, items: &Factors, params: &AlsParams) -> Vec<f64> {
    let width = params.width;
    let (columns, weights) = people.row(person);
    let mut matrix = vec![0.0; width * width];
    let mut right = vec![0.0; width];
    for item in 0..items.n_rows() {
        let y: Vec<f64> = items.row(item).map(f64::from).collect();
        let seen = columns.binary_search(&(item as u32)).ok();
        let weight = seen.map(|at| f64::from(weights[at]) * params.confidence);
        let times = weight.map_or(0.0, f64::abs) + params.unobserved;
        let of_right = match (weight, params.form) {
            (Some(weight), Form::Everywhere) if weight > 0.0 => weight,
            (Some(weight), Form::Elsewhere) if weight >= 0.0 => weight + params.unobserved,
            _ => 0.0,
        };
        for i in 0..width {
            right[i] += of_right * y[i];
            for j in 0..width {
                matrix[i * width + j] += times * y[i] * y[j];
            }
        }
    }
    let size = columns.len() as f64 + params.unobserved * items.n_rows() as f64;
    for k in 0..width {
        matrix[k * width + k] += params.regularization * size.powf(params.frequency);
    }
    cholesky::factor(&mut matrix, width, 1e-14).unwrap();
    cholesky::solve(&matrix, right)
}

fn close(found: f32, expected: f64, tolerance: f64) -> bool {
    (f64::from(found) - expected).abs() <= tolerance * (1.0 + expected.abs())
}

#[test]
fn people_solve_the_equations_of_the_formula() {
    for form in [Form::Everywhere, Form::Elsewhere] {
        for width in [1, 3, 8, 20] {
            let people = table(20, 90, width as u64);
            let items = random(90, width, 2);
            let params = params(width, Solver::Cholesky, form);
            let found = people_of_items(&people, &items, &params).unwrap();
            let fold = FoldIn::new(&items, &params).unwrap();
            for person in 0..people.n_rows() {
                let (columns, weights) = people.row(person);
                let expected = naive(&people, person, &items, &params);
                for (found, expected) in found.row(person).zip(&expected) {
                    assert!(close(found, *expected, 2e-4), "{found} {expected}");
                }
                let history: Vec<(u32, f32)> = columns
                    .iter()
                    .copied()
                    .zip(weights.iter().copied())
                    .collect();
                let folded = fold.person(&items, &history).unwrap();
                let quick = fold.factors(&items, columns, weights).unwrap();
                assert_eq!(quick, found.row(person).collect::<Vec<f32>>());
                for (found, expected) in folded.factors.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                }
            }
        }
    }
}

#[test]
fn steps_enough_reach_what_cholesky_finds() {
    for (width, form) in [(5, Form::Everywhere), (16, Form::Elsewhere)] {
        let people = table(60, 40, 3);
        let exact = als(&people, &params(width, Solver::Cholesky, form), &go_on).unwrap();
        let steps = Solver::Gradient { steps: 60 };
        let other = als(&people, &params(width, steps, form), &go_on).unwrap();
        for person in 0..people.n_rows() {
            for item in 0..people.n_cols() {
                let score = |model: &Als| model.people.score(person, &model.items, item);
                let (found, expected) = (score(&other), score(&exact));
                assert!(
                    close(found, f64::from(expected), 2e-3),
                    "{found} {expected}"
                );
            }
        }
    }
}

#[test]
fn the_loss_is_that_of_the_formula_and_falls_with_each_round() {
    let people = table(40, 30, 8);
    for form in [Form::Everywhere, Form::Elsewhere] {
        for solver in [Solver::Cholesky, Solver::Gradient { steps: 2 }] {
            let mut before = f64::INFINITY;
            for rounds in 1..6 {
                let params = AlsParams {
                    rounds,
                    ..params(6, solver, form)
                };
                let model = als(&people, &params, &go_on).unwrap();
                let found = loss(&people, &model, &params);
                let expected = naive_loss(&people, &model, &params);
                assert!(
                    (found - expected).abs() < 1e-5 * expected,
                    "{found} {expected}"
                );
                assert!(
                    found < before,
                    "{solver:?} round {rounds}: {before} {found}"
                );
                before = found;
            }
        }
    }
}

fn naive_loss(people: &Pairs, model: &Als, params: &AlsParams) -> f64 {
    let (n_people, n_items) = (people.n_rows(), people.n_cols());
    let mut sum = 0.0;
    let mut n_entries = [vec![0.0; n_people], vec![0.0; n_items]];
    for person in 0..n_people {
        let (columns, weights) = people.row(person);
        for item in 0..n_items {
            let score = f64::from(model.people.score(person, &model.items, item));
            let all = params.unobserved * score * score;
            let Ok(at) = columns.binary_search(&(item as u32)) else {
                sum += all;
                continue;
            };
            n_entries[0][person] += 1.0;
            n_entries[1][item] += 1.0;
            let weight = f64::from(weights[at]) * params.confidence;
            sum += match (weight < 0.0, params.form) {
                (true, _) => all - weight * score * score,
                (_, Form::Everywhere) => all + weight * (1.0 - score).powi(2),
                (_, Form::Elsewhere) => (weight + params.unobserved) * (1.0 - score).powi(2),
            };
        }
    }
    for (side, factors, other) in [(0, &model.people, n_items), (1, &model.items, n_people)] {
        for (row, n) in n_entries[side].iter().enumerate() {
            let size = n + params.unobserved * other as f64;
            let pull = params.regularization * size.powf(params.frequency);
            sum += pull * factors.row(row).map(|x| f64::from(x).powi(2)).sum::<f64>();
        }
    }
    sum
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    // More people than a piece of parallel work, so that threads share them.
    let people = table(3000, 40, 4);
    for solver in [
        Solver::Cholesky,
        Solver::Gradient { steps: 2 },
        Solver::Auto,
    ] {
        let fit = |threads| {
            let params = AlsParams {
                threads,
                ..params(12, solver, Form::Everywhere)
            };
            let model = als(&people, &params, &go_on).unwrap();
            let solved = people_of_items(&people, &model.items, &params).unwrap();
            let all = [&model.people, &model.items, &solved].map(Factors::to_values);
            all.concat()
                .into_iter()
                .map(f32::to_bits)
                .collect::<Vec<_>>()
        };
        let alone = fit(1);
        assert!(alone == fit(2) && alone == fit(8), "{solver:?}");
    }
}

#[test]
fn tastes_that_were_planted_are_found() {
    // Two tastes of ten items; each person has five of one.
    let mut rng = Rng::new(1);
    let mut entries = Vec::new();
    for person in 0..60_u32 {
        for _ in 0..5 {
            entries.push((person, (person % 2) * 10 + rng.index(10) as u32, 1.0));
        }
    }
    let people = Pairs::from_entries(entries, 60, 20).unwrap();
    let params = AlsParams {
        width: 2,
        ..AlsParams::default()
    };
    let model = als(&people, &params, &go_on).unwrap();
    for person in 0..60 {
        let score = |item| model.people.score(person, &model.items, item);
        let taste = person % 2 * 10;
        let least = (taste..taste + 10).map(score).fold(f32::INFINITY, f32::min);
        let other = 10 - taste;
        let most = (other..other + 10).map(score).fold(0.0, f32::max);
        assert!(least > most, "{person}: {least} {most}");
    }
}

#[test]
fn parts_of_a_history_add_up_to_the_score() {
    let items = random(50, 24, 6);
    for form in [Form::Everywhere, Form::Elsewhere] {
        let params = params(24, Solver::Auto, form);
        let fold = FoldIn::new(&items, &params).unwrap();
        let history = [(3, 1.0), (17, 0.25), (49, -2.0), (8, 4.0)];
        let person = fold.person(&items, &history).unwrap();
        for item in 0..50 {
            let parts = person.parts(&items, item);
            let score = person.score(&items, item);
            assert!((parts.iter().sum::<f64>() - score).abs() < 1e-12, "{score}");
            assert_eq!(
                parts[2].to_bits() & !(1 << 63),
                0,
                "a dislike pulls by the equations"
            );
        }
        // What is known to be liked says most about itself.
        let parts = person.parts(&items, 8);
        assert!(parts[3] > parts[0] && parts[3] > parts[1]);
        let nobody = fold.person(&items, &[]).unwrap();
        assert!(nobody.factors.iter().all(|x| x.abs() < 1e-300));
        assert_eq!(nobody.parts(&items, 1).len(), 0);
    }
}

#[test]
fn axes_are_the_eigenvectors() {
    let size = 12;
    let mut rng = Rng::new(2);
    let rows: Vec<f64> = (0..size * 9).map(|_| rng.normal()).collect();
    // Of rank 9: three eigenvalues are 0.
    let mut matrix = vec![0.0; size * size];
    for row in rows.chunks(size) {
        for i in 0..size {
            for j in 0..size {
                matrix[i * size + j] += row[i] * row[j];
            }
        }
    }
    let (values, vectors) = axes(&matrix, size);
    assert!(values.windows(2).all(|two| two[0] >= two[1]));
    assert!(values[9..].iter().all(|value| value.abs() < 1e-12));
    for k in 0..size {
        for i in 0..size {
            let image: f64 = (0..size)
                .map(|j| matrix[i * size + j] * vectors[j * size + k])
                .sum();
            assert!((image - values[k] * vectors[i * size + k]).abs() < 1e-10);
        }
        let dot: f64 = (0..size)
            .map(|i| vectors[i * size + k] * vectors[i * size + (k + 1) % size])
            .sum();
        assert!(dot.abs() < 1e-12);
    }
}

#[test]
fn a_table_is_the_same_for_any_order_of_entries() {
    let entries = vec![(1, 2, 1.0), (0, 1, 2.0), (1, 2, 0.25), (1, 0, -1.0)];
    let table = Pairs::from_entries(entries.clone(), 2, 3).unwrap();
    let turned = Pairs::from_entries(entries.into_iter().rev().collect(), 2, 3).unwrap();
    assert_eq!(table, turned);
    assert_eq!(table.row(1), (&[0, 2][..], &[-1.0, 1.25][..]));
    let columns = table.transposed();
    assert_eq!(columns.row(2), (&[1][..], &[1.25][..]));
    assert_eq!(columns.transposed(), table);
    let rows = Pairs::from_rows(vec![0, 1, 3], vec![1, 0, 2], vec![2.0, -1.0, 1.25], 3);
    assert_eq!(rows.unwrap(), table);
}

#[test]
fn bad_tables_and_parameters_are_refused() {
    let bad = [
        Pairs::from_entries(vec![(2, 0, 1.0)], 2, 2),
        Pairs::from_entries(vec![(0, 2, 1.0)], 2, 2),
        Pairs::from_entries(vec![(0, 0, f32::NAN)], 2, 2),
        Pairs::from_entries(vec![(0, 0, f32::MAX), (0, 0, f32::MAX)], 2, 2),
        Pairs::from_rows(vec![0, 2], vec![1, 1], vec![1.0, 1.0], 2),
        Pairs::from_rows(vec![0, 2, 1], vec![0], vec![1.0], 2),
        Pairs::from_rows(vec![0, 1], vec![0], vec![], 2),
        Pairs::from_rows(vec![1], vec![0], vec![1.0], 2),
        Pairs::from_rows(vec![], vec![], vec![], 2),
    ];
    for (index, table) in bad.iter().enumerate() {
        assert!(table.is_err(), "table {index}");
    }
    let people = table(5, 4, 1);
    let with = |change: &dyn Fn(&mut AlsParams)| {
        let mut params = AlsParams::default();
        change(&mut params);
        als(&people, &params, &go_on).unwrap_err()
    };
    for (error, named) in [
        (with(&|p| p.width = 0), "width"),
        (with(&|p| p.rounds = 0), "rounds"),
        (with(&|p| p.regularization = 0.0), "regularization"),
        (with(&|p| p.frequency = f64::NAN), "frequency"),
        (with(&|p| p.unobserved = 0.0), "unobserved"),
        (with(&|p| p.confidence = f64::INFINITY), "confidence"),
        (with(&|p| p.solver = Solver::Gradient { steps: 0 }), "steps"),
    ] {
        assert!(error.to_string().contains(named), "{error}");
    }
    let stopped = als(&people, &AlsParams::default(), &|_| false);
    assert_eq!(stopped, Err(Error::Cancelled));
    let items = random(4, 64, 1);
    let fold = FoldIn::new(&items, &AlsParams::default()).unwrap();
    assert!(fold.person(&items, &[(4, 1.0)]).is_err());
    assert!(fold.person(&items, &[(0, f32::NAN)]).is_err());
    assert!(fold.person(&random(5, 64, 1), &[]).is_err());
    assert!(fold.factors(&items, &[1, 1], &[1.0, 1.0]).is_err());
    assert!(fold.factors(&items, &[1], &[]).is_err());
    assert!(people_of_items(&people, &random(3, 64, 1), &AlsParams::default()).is_err());
}

#[test]
fn nobody_and_nothing_are_factored_too() {
    for (n_people, n_items) in [(0, 0), (3, 0), (0, 3), (3, 2)] {
        let people = Pairs::from_entries(vec![], n_people, n_items).unwrap();
        let model = als(&people, &AlsParams::default(), &go_on).unwrap();
        assert_eq!(model.people.n_rows(), n_people);
        assert_eq!(model.items.n_rows(), n_items);
        assert!(model.people.to_values().iter().all(|x| x.abs() < 1e-30));
    }
}
