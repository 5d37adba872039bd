//! Golden values: scikit-learn 1.9.1, `LogisticRegression(solver="newton-cholesky",
//! tol=1e-12)` on standardized Iris, virginica against the rest, with a category column
//! `row mod 4` spelled out as zeros and ones. Tolerance 1e-7.

use super::Design;
use super::DesignColumn;
use super::LogisticFit;
use super::LogisticParams;
use super::fit;
use super::newton;
use super::sigmoid;
use crate::Error;
use crate::Rng;
use crate::Rows;
use crate::go_on;
use crate::golden::iris;
use crate::standardize::Standardizer;

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

#[test]
fn iris_matches_scikit_learn() {
    let (numbers, quarters, labels) = iris_columns();
    let mut columns: Vec<DesignColumn<'_>> =
        numbers.iter().map(|c| DesignColumn::Number(c)).collect();
    columns.push(DesignColumn::Category {
        codes: &quarters,
        n_levels: 4,
    });
    let design = Design::new(150, &columns).unwrap();
    let expected = [
        (
            1.0,
            [
                0.189_067_110_215_918_96,
                -0.543_752_992_427_012_5,
                2.479_999_837_327_181_7,
                3.164_074_711_328_041,
                -0.433_381_527_874_003_6,
                0.240_403_177_254_465_36,
                0.138_226_276_287_142_85,
                0.054_752_074_332_395_68,
            ],
            -3.877_047_346_050_770_4,
        ),
        (
            10.0,
            [
                0.433_941_052_233_287_6,
                -0.015_001_912_425_005_759,
                0.846_943_109_471_691,
                1.116_566_920_293_835_3,
                -0.053_065_124_091_655_77,
                0.057_618_252_303_203_894,
                0.006_739_156_876_191_194,
                -0.011_292_285_087_739_135,
            ],
            -1.500_056_521_916_502,
        ),
    ];
    for (l2, weights, intercept) in expected {
        let params = LogisticParams {
            l2,
            ..LogisticParams::default()
        };
        let found = fit(&design, &labels, &params, &go_on).unwrap();
        assert!((found.intercept - intercept).abs() < 1e-7);
        for (found, expected) in found.weights.iter().zip(weights) {
            assert!((found - expected).abs() < 1e-7, "{found} is not {expected}");
        }
        assert!(found.steps < 20);
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

fn check_gradient(data: &Planted, found: &LogisticFit, l2: f64) {
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
        let params = LogisticParams {
            l2,
            ..LogisticParams::default()
        };
        let found = fit(&design, &data.labels, &params, &go_on).unwrap();
        check_gradient(&data, &found, l2);
    }
}

#[test]
fn conjugate_gradients_find_the_same_answer() {
    let data = planted(2_000);
    let columns = columns(&data);
    let design = Design::new(2_000, &columns).unwrap();
    let params = LogisticParams::default();
    let direct = newton::minimize(&design, &data.labels, &params, 0.0, true, &go_on).unwrap();
    let indirect = newton::minimize(&design, &data.labels, &params, 0.0, false, &go_on).unwrap();
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
    let found = fit(&design, &labels, &LogisticParams::default(), &go_on).unwrap();
    assert!(found.weights[..700].iter().all(|w| *w > 0.1));
    assert!(found.weights[700..].iter().all(|w| *w < -0.1));
}

#[test]
fn bits_do_not_depend_on_threads() {
    let data = planted(10_000);
    let columns = columns(&data);
    let design = Design::new(10_000, &columns).unwrap();
    let run = |threads| {
        let params = LogisticParams {
            threads,
            ..LogisticParams::default()
        };
        fit(&design, &data.labels, &params, &go_on).unwrap()
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
        let params = LogisticParams {
            l2,
            ..LogisticParams::default()
        };
        let found = fit(&design, &labels, &params, &go_on).unwrap();
        assert!(found.weights[0] > 3.0 && found.weights[0].is_finite());
        assert!(found.weights[1].abs() < 1e-12);
    }
}

#[test]
fn bad_arguments_are_refused() {
    let numbers = [1.0, 2.0];
    let columns = [DesignColumn::Number(&numbers)];
    let design = Design::new(2, &columns).unwrap();
    let params = LogisticParams::default();
    assert_eq!(
        fit(&design, &[true, true], &params, &go_on).unwrap_err(),
        Error::OneClass { class: true }
    );
    assert!(fit(&design, &[true], &params, &go_on).is_err());
    let free = LogisticParams { l2: 0.0, ..params };
    assert!(fit(&design, &[true, false], &free, &go_on).is_err());
    assert_eq!(
        fit(&design, &[true, false], &params, &|_| false).unwrap_err(),
        Error::Cancelled
    );
    assert!(Design::new(3, &columns).is_err());
    assert!(Design::new(1, &[DesignColumn::Number(&[f64::INFINITY])]).is_err());
}
