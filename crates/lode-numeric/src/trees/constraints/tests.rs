//! Trends and meetings of columns on random data, against every row that could break them.

use super::super::gbdt::{self, GbdtParams};
use super::super::grow::LEAF;
use super::super::{Column, Forest, Objective, Table};
use super::{Constraints, Trend};
use crate::{Error, Rng, go_on};

/// Numbers with ties, missing values and a category, and targets that follow none of the
/// trends asked for.
struct Wild {
    numbers: Vec<Vec<f64>>,
    codes: Vec<u32>,
    yes: Vec<f64>,
    amount: Vec<f64>,
}

const N_LEVELS: u32 = 6;

impl Wild {
    fn new(n: usize, rng: &mut Rng) -> Self {
        let step = 0.1 + rng.uniform();
        let numbers: Vec<Vec<f64>> = (0..4)
            .map(|_| {
                (0..n)
                    .map(|_| match rng.chance(0.15) {
                        true => f64::NAN,
                        false => (rng.normal() / step).round() * step,
                    })
                    .collect()
            })
            .collect();
        let codes: Vec<u32> = (0..n).map(|_| rng.index(7) as u32).collect();
        let turn = [(); 4].map(|()| 2.0 * rng.normal());
        let margin = |row: usize, rng: &mut Rng| {
            let mut margin = 0.5 * rng.normal() + 0.4 * f64::from(codes[row] % 3);
            for (values, turn) in numbers.iter().zip(turn) {
                let x = values[row];
                margin += if x.is_nan() {
                    0.7 * turn
                } else {
                    turn * (2.0 * x).sin() + 0.5 * x
                };
            }
            margin
        };
        let margins: Vec<f64> = (0..n).map(|row| margin(row, rng)).collect();
        let mut yes: Vec<f64> = margins
            .iter()
            .map(|m| f64::from(u8::from(*m > 0.3)))
            .collect();
        (yes[0], yes[1]) = (0.0, 1.0);
        Self {
            amount: margins.iter().map(|m| (0.5 * m).exp()).collect(),
            numbers,
            codes,
            yes,
        }
    }

    fn table(&self) -> Table<'_> {
        let mut columns: Vec<Column<'_>> = self.numbers.iter().map(|n| Column::Number(n)).collect();
        columns.push(Column::Category {
            codes: &self.codes,
            n_levels: N_LEVELS,
        });
        Table::new(self.yes.len(), columns).unwrap()
    }
}

/// Largest step against the trend of `column`, over random rows with all values of a grid.
fn worst_step(model: &Forest, column: usize, trend: Trend, rng: &mut Rng) -> f64 {
    let grid: Vec<f64> = (-40..=40).map(|step| f64::from(step) * 0.1).collect();
    let mut worst = f64::NEG_INFINITY;
    for _ in 0..25 {
        let row: Vec<f64> = (0..4)
            .map(|_| {
                if rng.chance(0.2) {
                    f64::NAN
                } else {
                    1.5 * rng.normal()
                }
            })
            .collect();
        let code = vec![rng.index(8) as u32; grid.len()];
        let mut numbers: Vec<Vec<f64>> = row.iter().map(|x| vec![*x; grid.len()]).collect();
        numbers[column] = grid.clone();
        let mut columns: Vec<Column<'_>> = numbers.iter().map(|n| Column::Number(n)).collect();
        columns.push(Column::Category {
            codes: &code,
            n_levels: N_LEVELS,
        });
        let table = Table::new(grid.len(), columns).unwrap();
        let margins = model.margins(&table, 1).unwrap();
        for pair in margins.windows(2) {
            let rise = pair[1] - pair[0];
            worst = worst.max(if trend == Trend::Rising { -rise } else { rise });
        }
    }
    worst
}

#[test]
fn no_row_breaks_a_trend() {
    let mut rng = Rng::new(1);
    let objectives = [
        Objective::Logistic,
        Objective::Squared,
        Objective::Poisson,
        Objective::Gamma,
        Objective::Tweedie { power: 1.5 },
        Objective::Quantile { alpha: 0.7 },
        Objective::Huber { delta: 0.5 },
    ];
    let (mut broken_when_free, mut used) = (0, 0);
    for case in 0..28 {
        let n = 60 + rng.index(400);
        let data = Wild::new(n, &mut rng);
        let objective = objectives[case % objectives.len()];
        let mut trends: Vec<Trend> = (0..4)
            .map(|_| [Trend::Free, Trend::Rising, Trend::Falling][rng.index(3)])
            .collect();
        trends[case % 4] = [Trend::Rising, Trend::Falling][case % 2];
        trends.push(Trend::Free);
        let params = |trends: Vec<Trend>| GbdtParams {
            objective,
            // One model, members, and both shapes blended.
            members: 1 + case % 3,
            repeats: 1,
            max_rounds: 25,
            patience: 25,
            max_depth: [0, 2, 6][case % 3],
            max_bins: [255, 8][case % 2],
            min_rows: 1 + case % 4,
            min_child_weight: 0.0,
            l1: if case % 5 == 0 { 0.1 } else { 0.0 },
            leaf_smoothing: if case % 4 == 0 { 3.0 } else { 0.0 },
            learning_rate: 0.3,
            constraints: Constraints {
                trends,
                interactions: Vec::new(),
            },
            seed: case as u64,
            ..GbdtParams::default()
        };
        let targets = if objective == Objective::Logistic {
            &data.yes
        } else {
            &data.amount
        };
        let fit = |trends: Vec<Trend>| {
            let params = params(trends);
            gbdt::fit(&data.table(), targets, None, &params, &go_on).unwrap()
        };
        let (kept, free) = (fit(trends.clone()), fit(Vec::new()));
        for (column, trend) in trends.iter().enumerate().take(4) {
            if *trend == Trend::Free {
                continue;
            }
            let worst = worst_step(&kept.model, column, *trend, &mut rng);
            assert!(worst <= 0.0, "case {case}, column {column}: {worst}");
            let worst = worst_step(&free.model, column, *trend, &mut rng);
            broken_when_free += usize::from(worst > 0.0);
            used += usize::from(kept.gains[column] > 0.0);
        }
    }
    assert!(
        broken_when_free > 30,
        "only {broken_when_free}: nothing was tried"
    );
    assert!(
        used > 30,
        "only {used}: trends must not stop a column from being used"
    );
}

#[test]
fn a_true_trend_costs_nothing_and_helps_where_rows_are_few() {
    let mut rng = Rng::new(2);
    let draw = |n: usize, rng: &mut Rng| {
        let x: Vec<Vec<f64>> = (0..3)
            .map(|_| (0..n).map(|_| rng.normal()).collect())
            .collect();
        let y = (0..n).map(|i| x[0][i].exp().min(4.0) - x[1][i] + x[2][i].sin());
        let clean: Vec<f64> = y.collect();
        let noisy: Vec<f64> = clean.iter().map(|y| y + 2.0 * rng.normal()).collect();
        (x, clean, noisy)
    };
    let fresh = draw(2000, &mut rng);
    let mut errors = [0.0; 2];
    for seed in 0..5 {
        let (x, _, noisy) = draw(250, &mut rng);
        let columns = x.iter().map(|x| Column::Number(x)).collect();
        let known = Table::new(250, columns).unwrap();
        let columns = fresh.0.iter().map(|x| Column::Number(x)).collect();
        let unseen = Table::new(2000, columns).unwrap();
        for (error, trends) in errors
            .iter_mut()
            .zip([vec![Trend::Rising, Trend::Falling, Trend::Free], Vec::new()])
        {
            let params = GbdtParams {
                objective: Objective::Squared,
                members: 1,
                max_rounds: 100,
                max_depth: 4,
                seed,
                constraints: Constraints {
                    trends,
                    interactions: Vec::new(),
                },
                ..GbdtParams::default()
            };
            let fit = gbdt::fit(&known, &noisy, None, &params, &go_on).unwrap();
            let found = fit.model.margins(&unseen, 1).unwrap();
            let off = found.iter().zip(&fresh.1).map(|(m, y)| (m - y) * (m - y));
            *error += off.sum::<f64>() / 2000.0 / 5.0;
        }
    }
    assert!(errors[0] < errors[1], "{errors:?}");
}

#[test]
fn columns_of_no_common_set_never_meet() {
    let mut rng = Rng::new(3);
    for case in 0..9 {
        let data = Wild::new(500, &mut rng);
        // 2 and the category are the set of the rest.
        let interactions = vec![vec![0, 1], vec![1, 3]];
        let sets: [&[u32]; 3] = [&[0, 1], &[1, 3], &[2, 4]];
        let params = GbdtParams {
            members: 1 + case % 3,
            max_rounds: 20,
            max_depth: [0, 4, 8][case % 3],
            constraints: Constraints {
                trends: if case % 2 == 0 {
                    Vec::new()
                } else {
                    vec![
                        Trend::Free,
                        Trend::Rising,
                        Trend::Free,
                        Trend::Falling,
                        Trend::Free,
                    ]
                },
                interactions,
            },
            ..GbdtParams::default()
        };
        let fit = gbdt::fit(&data.table(), &data.yes, None, &params, &go_on).unwrap();
        let mut met = 0;
        for tree in &fit.model.trees {
            let mut paths: Vec<Vec<u32>> = vec![Vec::new(); tree.len()];
            for (at, node) in tree.iter().enumerate() {
                if node.column == LEAF {
                    continue;
                }
                let mut path = paths[at].clone();
                path.push(fit.model.derived[node.column as usize].source);
                let of_one = |set: &&[u32]| path.iter().all(|column| set.contains(column));
                assert!(sets.iter().any(of_one), "case {case}: {path:?}");
                met += usize::from(path.iter().any(|column| *column != path[0]));
                paths[at + 1] = path.clone();
                paths[node.right as usize] = path;
            }
        }
        assert!(
            met > 10,
            "case {case}: columns of a set met {met} times only"
        );
    }
}

#[test]
fn sets_of_one_column_add_up() {
    let mut rng = Rng::new(4);
    let data = Wild::new(400, &mut rng);
    let params = GbdtParams {
        members: 1,
        max_rounds: 40,
        constraints: Constraints {
            trends: Vec::new(),
            interactions: (0..5).map(|column| vec![column]).collect(),
        },
        ..GbdtParams::default()
    };
    let model = gbdt::fit(&data.table(), &data.yes, None, &params, &go_on)
        .unwrap()
        .model;
    // What a column adds does not hang on the others: f(a, b) + f(c, d) = f(a, d) + f(c, b).
    let at = |x: [f64; 2]| {
        let numbers = [vec![x[0]], vec![x[1]], vec![0.3], vec![-0.2]];
        let mut columns: Vec<Column<'_>> = numbers.iter().map(|n| Column::Number(n)).collect();
        columns.push(Column::Category {
            codes: &[2],
            n_levels: N_LEVELS,
        });
        model.margins(&Table::new(1, columns).unwrap(), 1).unwrap()[0]
    };
    for _ in 0..100 {
        let [a, b, c, d] = [(); 4].map(|()| 1.5 * rng.normal());
        let off = at([a, b]) + at([c, d]) - at([a, d]) - at([c, b]);
        assert!(off.abs() < 1e-9, "{off}");
    }
}

#[test]
fn bad_constraints_are_errors() {
    let data = Wild::new(50, &mut Rng::new(5));
    let fit = |trends: Vec<Trend>, interactions: Vec<Vec<u32>>| {
        let params = GbdtParams {
            constraints: Constraints {
                trends,
                interactions,
            },
            ..GbdtParams::default()
        };
        gbdt::fit(&data.table(), &data.yes, None, &params, &go_on)
    };
    let category = fit(
        [vec![Trend::Free; 4], vec![Trend::Rising]].concat(),
        Vec::new(),
    );
    let category = category.unwrap_err();
    assert!(matches!(category, Error::Columns { index: 4, .. }));
    assert_eq!(
        category.to_string(),
        "expected numbers, which a trend needs, in column 4, found categories"
    );
    assert!(matches!(
        fit(vec![Trend::Rising], Vec::new()),
        Err(Error::Length {
            expected: 5,
            found: 1,
            ..
        })
    ));
    for interactions in [vec![vec![5]], vec![vec![0]; 64]] {
        assert!(matches!(
            fit(Vec::new(), interactions),
            Err(Error::OutOfRange { .. })
        ));
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let data = Wild::new(3000, &mut Rng::new(6));
    let fit = |threads: usize| {
        let mut trends = vec![Trend::Rising; 4];
        trends.push(Trend::Free);
        let params = GbdtParams {
            threads,
            max_rounds: 20,
            constraints: Constraints {
                trends,
                interactions: vec![vec![0, 1, 4]],
            },
            ..GbdtParams::default()
        };
        let fit = gbdt::fit(&data.table(), &data.yes, None, &params, &go_on).unwrap();
        fit.model.to_bytes()
    };
    assert_eq!(fit(1), fit(5));
}
