//! Golden values of scikit-learn, see `golden/README.md`; conditions of a minimum; bad arguments.

use super::Design;
use super::DesignColumn;
use super::GlmFit;
use super::GlmParams;
use super::Loss;
use super::Outcome;
use super::descent;
use super::fit;
use super::newton;
use super::problem::Problem;
use super::sigmoid;
use crate::Error;
use crate::Rng;
use crate::Rows;
use crate::go_on;
use crate::golden::iris;
use crate::standardize::Standardizer;

fn numbers(labels: &[bool]) -> Vec<f64> {
    labels.iter().map(|y| f64::from(u8::from(*y))).collect()
}

fn logistic(targets: &[f64]) -> Outcome<'_> {
    Outcome {
        loss: Loss::Logistic,
        targets,
        row_weights: None,
    }
}

fn penalty(l1: f64, l2: f64) -> GlmParams {
    GlmParams {
        l1,
        l2,
        ..GlmParams::default()
    }
}

fn iris_columns() -> (Vec<Vec<f64>>, Vec<u32>, Vec<bool>) {
    let (mut values, species) = iris();
    let rows = Rows::new(&values, 4).unwrap();
    Standardizer::fit(rows, 1).unwrap().apply(&mut values);
    let columns = (0..4)
        .map(|c| values.iter().skip(c).step_by(4).copied().collect())
        .collect();
    let quarters = (0..150).map(|row| row % 4).collect();
    let labels = species.iter().map(|s| *s == 2).collect();
    (columns, quarters, labels)
}

/// The amount and the weight of each row of Iris.
fn iris_amounts() -> (Vec<f64>, Vec<f64>) {
    let (values, _) = iris();
    let rows = values.iter().step_by(4).enumerate();
    rows.map(|(row, x)| {
        let amount = x * 3.0 + (row % 7) as f64;
        (amount, 1.0 + (row % 3) as f64 / 2.0)
    })
    .unzip()
}

struct Golden {
    loss: Loss,
    l1: f64,
    l2: f64,
    weighted: bool,
    intercept: f64,
    weights: [f64; 8],
}

#[test]
fn iris_matches_scikit_learn() {
    let (numbers_of, quarters, labels) = iris_columns();
    let mut columns: Vec<DesignColumn<'_>> =
        numbers_of.iter().map(|c| DesignColumn::Number(c)).collect();
    columns.push(DesignColumn::Category {
        codes: &quarters,
        n_levels: 4,
    });
    let design = Design::new(150, &columns).unwrap();
    let labels = numbers(&labels);
    let (amounts, weights) = iris_amounts();
    for golden in goldens() {
        let outcome = Outcome {
            loss: golden.loss,
            targets: match golden.loss {
                Loss::Logistic => &labels,
                Loss::Squared => &amounts,
            },
            row_weights: golden.weighted.then_some(weights.as_slice()),
        };
        let params = penalty(golden.l1, golden.l2);
        let found = fit(&design, &outcome, &params, &go_on).unwrap();
        let problem = Problem::new(&design, &outcome, &params);
        let start = problem.start().unwrap();
        let other = match golden.l1 > 0.0 {
            true => descent::minimize(&problem, start, false, &go_on).unwrap(),
            false => newton::minimize(&problem, start, false, &go_on).unwrap(),
        };
        for (found, within) in [(found, 1e-9), (other, 1e-8)] {
            assert!((found.intercept - golden.intercept).abs() < within);
            for (found, expected) in found.weights.iter().zip(golden.weights) {
                assert!(
                    (found - expected).abs() < within,
                    "{found} is not {expected}"
                );
                if golden.l1 > 0.0 && expected == 0.0 {
                    assert!(found.to_bits() << 1 == 0, "a zero is exact: {found}");
                }
            }
        }
    }
}

/// Numbers, two categories (one with unknown codes) and an outcome that depends on them.
struct Planted {
    numbers: Vec<Vec<f64>>,
    codes: Vec<Vec<u32>>,
    labels: Vec<bool>,
}

const LEVELS: [u32; 2] = [3, 6];

fn planted(n: usize) -> Planted {
    let mut rng = Rng::new(11);
    let mut data = Planted {
        numbers: vec![Vec::new(); 3],
        codes: vec![Vec::new(); 2],
        labels: Vec::new(),
    };
    for _ in 0..n {
        let mut margin = -0.3;
        for (column, weight) in data.numbers.iter_mut().zip([0.8, -1.2, 0.0]) {
            let x = rng.normal();
            column.push(x);
            margin += weight * x;
        }
        for (column, n_levels) in data.codes.iter_mut().zip(LEVELS) {
            let code = rng.below(u64::from(n_levels) + 1) as u32;
            column.push(code);
            margin += 0.4 * f64::from(code % 3);
        }
        data.labels.push(rng.chance(sigmoid(margin)));
    }
    data
}

fn columns(data: &Planted) -> Vec<DesignColumn<'_>> {
    let numbers = data.numbers.iter().map(|c| DesignColumn::Number(c));
    let categories = data
        .codes
        .iter()
        .zip(LEVELS)
        .map(|(codes, n_levels)| DesignColumn::Category { codes, n_levels });
    // Mixed order, so that every kind of pair of columns meets in both orders.
    let mut columns: Vec<DesignColumn<'_>> = categories.chain(numbers).collect();
    columns.swap(1, 3);
    columns
}

fn check_gradient(data: &Planted, found: &GlmFit, l2: f64) {
    let residuals: Vec<f64> = found
        .margins
        .iter()
        .zip(&data.labels)
        .map(|(m, y)| sigmoid(*m) - f64::from(u8::from(*y)))
        .collect();
    assert!(residuals.iter().sum::<f64>().abs() < 1e-7);
    let mut place = 0;
    for column in columns(data) {
        let width = match column {
            DesignColumn::Number(values) => {
                let sum: f64 = residuals.iter().zip(values).map(|(r, x)| r * x).sum();
                assert!((sum + l2 * found.weights[place]).abs() < 1e-7);
                1
            }
            DesignColumn::Category { codes, n_levels } => {
                for level in 0..n_levels {
                    let of_level = codes.iter().zip(&residuals).filter(|(c, _)| **c == level);
                    let sum: f64 = of_level.map(|(_, r)| r).sum();
                    let weight = found.weights[place + level as usize];
                    assert!((sum + l2 * weight).abs() < 1e-7);
                }
                n_levels as usize
            }
        };
        place += width;
    }
}

#[test]
fn the_gradient_vanishes_at_the_answer() {
    let data = planted(3_000);
    let columns = columns(&data);
    let design = Design::new(3_000, &columns).unwrap();
    for l2 in [0.01, 1.0, 100.0] {
        let params = GlmParams {
            l2,
            ..GlmParams::default()
        };
        let found = fit(&design, &logistic(&numbers(&data.labels)), &params, &go_on).unwrap();
        check_gradient(&data, &found, l2);
    }
}

#[test]
fn conjugate_gradients_find_the_same_answer() {
    let data = planted(2_000);
    let columns = columns(&data);
    let design = Design::new(2_000, &columns).unwrap();
    let params = GlmParams::default();
    let labels = numbers(&data.labels);
    let outcome = logistic(&labels);
    let problem = Problem::new(&design, &outcome, &params);
    let start = problem.start().unwrap();
    let direct = newton::minimize(&problem, start.clone(), true, &go_on).unwrap();
    let indirect = newton::minimize(&problem, start, false, &go_on).unwrap();
    for (a, b) in direct.weights.iter().zip(&indirect.weights) {
        assert!((a - b).abs() < 1e-8, "{a} and {b}");
    }
}

#[test]
fn more_weights_than_cholesky_takes_are_fitted() {
    let n = 3_000;
    let codes: Vec<u32> = (0..n).map(|row| row % 1_500).collect();
    let labels: Vec<bool> = (0..n).map(|row| row % 1_500 < 700).collect();
    let columns = [DesignColumn::Category {
        codes: &codes,
        n_levels: 1_500,
    }];
    let design = Design::new(n as usize, &columns).unwrap();
    let found = fit(
        &design,
        &logistic(&numbers(&labels)),
        &GlmParams::default(),
        &go_on,
    )
    .unwrap();
    assert!(found.weights[..700].iter().all(|w| *w > 0.1));
    assert!(found.weights[700..].iter().all(|w| *w < -0.1));
}

#[test]
fn bits_do_not_depend_on_threads() {
    let data = planted(10_000);
    let columns = columns(&data);
    let design = Design::new(10_000, &columns).unwrap();
    let run = |threads| {
        let params = GlmParams {
            threads,
            ..GlmParams::default()
        };
        fit(&design, &logistic(&numbers(&data.labels)), &params, &go_on).unwrap()
    };
    let one = run(1);
    assert_eq!(run(2), one);
    assert_eq!(run(8), one);
}

#[test]
fn a_column_that_gives_the_answer_away_does_no_harm() {
    let labels: Vec<bool> = (0..200).map(|row| row % 3 == 0).collect();
    let leak: Vec<f64> = labels.iter().map(|y| f64::from(u8::from(*y))).collect();
    let constant = vec![0.0; 200];
    let columns = [DesignColumn::Number(&leak), DesignColumn::Number(&constant)];
    let design = Design::new(200, &columns).unwrap();
    for l2 in [1e-6, 1.0] {
        let params = GlmParams {
            l2,
            ..GlmParams::default()
        };
        let found = fit(&design, &logistic(&numbers(&labels)), &params, &go_on).unwrap();
        assert!(found.weights[0] > 3.0 && found.weights[0].is_finite());
        assert!(found.weights[1].abs() < 1e-12);
    }
}

#[test]
fn sparse_answers_meet_the_conditions_of_a_minimum() {
    let data = planted(3_000);
    let columns = columns(&data);
    let design = Design::new(3_000, &columns).unwrap();
    let labels = numbers(&data.labels);
    let outcome = logistic(&labels);
    for (l1, l2) in [(0.5, 0.0), (30.0, 0.0), (30.0, 5.0), (1e6, 0.0)] {
        let params = penalty(l1, l2);
        let found = fit(&design, &outcome, &params, &go_on).unwrap();
        let problem = Problem::new(&design, &outcome, &params);
        let mut point = found.weights.clone();
        point.push(found.intercept);
        let slopes = problem.evaluate(&point).gradient;
        for (weight, slope) in found.weights.iter().zip(&slopes) {
            let off = match *weight {
                0.0 => (slope.abs() - l1).max(0.0),
                w => (slope + l1 * w.signum()).abs(),
            };
            assert!(off < 1e-6, "l1 {l1}: {weight} with slope {slope}");
        }
        let kept = found.weights.iter().filter(|w| w.abs() > 0.0).count();
        match l1 {
            1e6 => assert_eq!(kept, 0),
            30.0 => assert!((2..8).contains(&kept), "{kept} weights"),
            _ => assert!(kept >= 6, "{kept} weights"),
        }
    }
}

#[test]
fn a_row_of_weight_two_is_two_rows() {
    let data = planted(400);
    let twice: Vec<usize> = (0..400)
        .chain((0..400).filter(|row| row % 3 == 0))
        .collect();
    let labels = numbers(&data.labels);
    let pick = |values: &[f64]| twice.iter().map(|row| values[*row]).collect::<Vec<f64>>();
    let doubled = Planted {
        numbers: data.numbers.iter().map(|column| pick(column)).collect(),
        codes: data
            .codes
            .iter()
            .map(|codes| twice.iter().map(|row| codes[*row]).collect())
            .collect(),
        labels: Vec::new(),
    };
    let weights: Vec<f64> = (0..400)
        .map(|row| if row % 3 == 0 { 2.0 } else { 1.0 })
        .collect();
    for (loss, l1) in [
        (Loss::Logistic, 0.0),
        (Loss::Squared, 0.0),
        (Loss::Logistic, 2.0),
        (Loss::Squared, 2.0),
    ] {
        let params = penalty(l1, 1.0);
        let whole = columns(&doubled);
        let whole = Design::new(twice.len(), &whole).unwrap();
        let targets = pick(&labels);
        let outcome = Outcome {
            loss,
            targets: &targets,
            row_weights: None,
        };
        let whole = fit(&whole, &outcome, &params, &go_on).unwrap();
        let parts = columns(&data);
        let parts = Design::new(400, &parts).unwrap();
        let outcome = Outcome {
            loss,
            targets: &labels,
            row_weights: Some(&weights),
        };
        let parts = fit(&parts, &outcome, &params, &go_on).unwrap();
        for (a, b) in whole.weights.iter().zip(&parts.weights) {
            assert!((a - b).abs() < 1e-9, "{loss:?}: {a} and {b}");
        }
    }
}

#[test]
fn many_levels_are_fitted_with_few_weights() {
    let n = 6_000;
    let codes: Vec<u32> = (0..n).map(|row| row % 1_500).collect();
    let labels: Vec<bool> = (0..n).map(|row| row % 1_500 < 5 || row % 7 == 0).collect();
    let columns = [DesignColumn::Category {
        codes: &codes,
        n_levels: 1_500,
    }];
    let design = Design::new(n as usize, &columns).unwrap();
    let labels = numbers(&labels);
    let found = fit(&design, &logistic(&labels), &penalty(2.0, 0.0), &go_on).unwrap();
    assert!(found.weights[..5].iter().all(|w| *w > 0.1));
    assert!(found.weights[5..].iter().all(|w| *w <= 0.0));
}

#[test]
fn amounts_that_do_not_vary_and_large_ones_are_fitted() {
    let x: Vec<f64> = (0..50)
        .map(f64::from)
        .map(|row| (row - 25.0) / 15.0)
        .collect();
    let columns = [DesignColumn::Number(&x)];
    let design = Design::new(50, &columns).unwrap();
    for l1 in [0.0, 1.0] {
        let fitted = |targets: &[f64]| {
            let outcome = Outcome {
                loss: Loss::Squared,
                targets,
                row_weights: None,
            };
            fit(&design, &outcome, &penalty(l1, 1.0), &go_on)
        };
        let same = fitted(&[1e9; 50]).unwrap();
        assert!((same.intercept - 1e9).abs() < 1e-3 && same.weights[0].abs() < 1e-3);
        let none = fitted(&[0.0; 50]).unwrap();
        assert!(none.intercept.abs() < 1e-12);
        let steep: Vec<f64> = x.iter().map(|x| 1e9 + 3e6 * x).collect();
        let steep = fitted(&steep).unwrap();
        assert!(
            (2.5e6..3e6).contains(&steep.weights[0]),
            "{}",
            steep.weights[0]
        );
    }
}

#[test]
fn bad_arguments_are_refused() {
    let x = [1.0, 2.0];
    let columns = [DesignColumn::Number(&x)];
    let design = Design::new(2, &columns).unwrap();
    let params = GlmParams::default();
    let both = logistic(&[0.0, 1.0]);
    let refused = |outcome: &Outcome<'_>, params: &GlmParams| {
        fit(&design, outcome, params, &go_on).unwrap_err()
    };
    assert_eq!(
        refused(&logistic(&[1.0, 1.0]), &params),
        Error::OneClass { class: true }
    );
    let weighted = |weights| Outcome {
        row_weights: Some(weights),
        ..both
    };
    assert_eq!(
        refused(&weighted(&[0.0, 1.0]), &params),
        Error::OneClass { class: true }
    );
    assert!(matches!(
        refused(&weighted(&[0.0, 0.0]), &params),
        Error::TooFewRows { .. }
    ));
    assert!(matches!(
        refused(&weighted(&[-1.0, 1.0]), &params),
        Error::OutOfRange {
            what: "row weights",
            ..
        }
    ));
    assert!(matches!(
        refused(&logistic(&[0.0, f64::NAN]), &params),
        Error::NotFinite { index: 1, .. }
    ));
    assert!(matches!(
        refused(&logistic(&[0.0, 2.0]), &params),
        Error::OutOfRange {
            what: "targets",
            ..
        }
    ));
    assert!(matches!(
        refused(&logistic(&[1.0]), &params),
        Error::Length { .. }
    ));
    for bad in [
        penalty(0.0, 0.0),
        penalty(-1.0, 2.0),
        penalty(0.0, f64::NAN),
    ] {
        assert!(matches!(refused(&both, &bad), Error::OutOfRange { .. }));
    }
    for l1 in [0.0, 0.1] {
        let stopped = fit(&design, &both, &penalty(l1, 1.0), &|_| false);
        assert_eq!(stopped.unwrap_err(), Error::Cancelled);
    }
    assert!(Design::new(3, &columns).is_err());
    assert!(Design::new(1, &[DesignColumn::Number(&[f64::INFINITY])]).is_err());
}

/// The figures of `golden/glm.py`.
fn goldens() -> Vec<Golden> {
    let lines = include_str!("../golden/glm_figures.csv").lines().skip(1);
    let golden = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |at: usize| fields[at].parse::<f64>().unwrap();
        Golden {
            loss: match fields[0] {
                "logistic" => Loss::Logistic,
                _ => Loss::Squared,
            },
            l1: number(1),
            l2: number(2),
            weighted: fields[3] == "yes",
            intercept: number(4),
            weights: std::array::from_fn(|at| number(5 + at)),
        }
    };
    lines.map(golden).collect()
}
