//! Checks against an independent program and the promises of the docs.

use super::*;
use crate::Rng;
use crate::go_on;
use crate::golden;
use crate::golden::Table;
use crate::golden::check;

const PARAMS: ScorecardParams = ScorecardParams {
    bins: BinParams {
        fine_bins: 14,
        max_bins: 5,
        min_share: 0.06,
        min_gain: 4.0,
        smoothing: 1.0,
        trend: Trend::Monotone,
    },
    min_iv: 0.02,
    keep_reversed: false,
    l2: 1.0,
    points: PointsParams {
        pdo: 20.0,
        base_score: 600.0,
        base_odds: 50.0,
        whole: false,
    },
    threads: 2,
};

fn figures(name: &str) -> Vec<f64> {
    golden::figures(include_str!("../golden/scorecard_figures.csv"), name)
}

const NAMES: [&str; 5] = ["age", "income", "debt", "noise", "region"];

fn columns<'a>(data: &'a Table, region: &'a [u32]) -> Vec<ScoreColumn<'a>> {
    let numbers = NAMES[..4].iter();
    let category = ScoreColumn::Category {
        codes: region,
        n_levels: 8,
    };
    numbers
        .map(|name| ScoreColumn::Number(data.column(name)))
        .chain([category])
        .collect()
}

#[test]
fn the_same_card_as_an_independent_program_makes() {
    let data = Table::read(include_str!("../golden/scorecard.csv"));
    let region = data.codes("region");
    let columns = columns(&data, &region);
    for (kind, weights) in [("plain", None), ("weights", Some(data.column("weight")))] {
        for (word, trend) in [("monotone", Trend::Monotone), ("free", Trend::Free)] {
            let params = ScorecardParams {
                bins: BinParams {
                    trend,
                    ..PARAMS.bins
                },
                ..PARAMS
            };
            let card = fit(&columns, data.column("yes"), weights, &params, &go_on).unwrap();
            for (name, scored) in NAMES.iter().zip(&card.columns) {
                let key = |part: &str| format!("{kind} {word} {name} {part}");
                let bins = &scored.binning.bins;
                let cuts: Vec<f64> = match &scored.binning.cuts {
                    Cuts::Numbers(uppers) => uppers.clone(),
                    Cuts::Levels(bins) => bins.iter().map(|b| f64::from(b.unwrap())).collect(),
                };
                check(&key("cuts"), &cuts, &figures(&key("cuts")), 0.0);
                let part = |read: fn(&Bin) -> f64| bins.iter().map(read).collect::<Vec<f64>>();
                check(
                    &key("weight"),
                    &part(|b| b.weight),
                    &figures(&key("weight")),
                    1e-12,
                );
                check(&key("woe"), &part(|b| b.woe), &figures(&key("woe")), 1e-12);
                check(&key("iv"), &part(|b| b.iv), &figures(&key("iv")), 1e-12);
            }
            let key = |part: &str| format!("{kind} {word} {part}");
            let used = |scored: &Scored| f64::from(u8::from(scored.left_out.is_none()));
            let found: Vec<f64> = card.columns.iter().map(used).collect();
            check(&key("used"), &found, &figures(&key("used")), 0.0);
            let used = card.columns.iter().filter(|c| c.left_out.is_none());
            let mut coef = vec![card.intercept];
            coef.extend(used.map(|column| column.weight));
            check(&key("coef"), &coef, &figures(&key("coef")), 1e-7);
            let score = |row: usize| {
                let bins = card.columns.iter().zip(&columns).map(|(scored, column)| {
                    let bin = match column {
                        ScoreColumn::Number(values) => scored.binning.of_number(values[row]),
                        ScoreColumn::Category { codes, .. } => scored.binning.of_level(codes[row]),
                    };
                    bin.map_or(0.0, |bin| card.points.of_bin(scored, bin))
                });
                card.points.base + bins.sum::<f64>()
            };
            let scores: Vec<f64> = (0..20).map(score).collect();
            check(&key("score"), &scores, &figures(&key("score")), 1e-7);
        }
    }
}

#[test]
fn whole_points_add_up_to_within_their_rounding() {
    let data = Table::read(include_str!("../golden/scorecard.csv"));
    let region = data.codes("region");
    let columns = columns(&data, &region);
    let params = ScorecardParams {
        points: PointsParams::default(),
        ..PARAMS
    };
    let card = fit(&columns, data.column("yes"), None, &params, &go_on).unwrap();
    let n_used = card.columns.iter().filter(|c| c.left_out.is_none()).count();
    for row in 0..400 {
        let mut points = card.points.base;
        for (scored, column) in card.columns.iter().zip(&columns) {
            let bin = match column {
                ScoreColumn::Number(values) => scored.binning.of_number(values[row]),
                ScoreColumn::Category { codes, .. } => scored.binning.of_level(codes[row]),
            };
            points += card.points.of_bin(scored, bin.unwrap());
        }
        assert!((points - points.round()).abs() < 1e-300);
        let factor = 20.0 / std::f64::consts::LN_2;
        let exact = 600.0 - factor * (50.0_f64.ln() + card.margins[row]);
        let rounding = 0.5 * (n_used + 1) as f64;
        assert!(
            (points - exact).abs() <= rounding + 1e-9,
            "{points} and {exact}"
        );
    }
}

#[test]
fn a_column_that_would_count_against_its_evidence_is_left_out() {
    // Given the first column, the second has a negative effect; alone a positive one.
    let mut rng = Rng::new(2);
    let (mut a, mut b, mut y) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..4_000 {
        let first = rng.normal();
        let second = first + 0.5 * rng.normal();
        a.push(first);
        b.push(second);
        let margin = 2.0 * first - 0.8 * second - 1.0;
        y.push(f64::from(u8::from(rng.chance(glm::sigmoid(margin)))));
    }
    let columns = [ScoreColumn::Number(&a), ScoreColumn::Number(&b)];
    let card = fit(&columns, &y, None, &ScorecardParams::default(), &go_on).unwrap();
    assert_eq!(card.columns[0].left_out, None);
    assert_eq!(card.columns[1].left_out, Some(LeftOut::Reversed));
    assert!(card.columns[1].weight.abs() < 1e-300);
    let params = ScorecardParams {
        keep_reversed: true,
        ..ScorecardParams::default()
    };
    let card = fit(&columns, &y, None, &params, &go_on).unwrap();
    assert!(card.columns[1].weight < 0.0 && card.columns[1].left_out.is_none());
}

#[test]
fn odd_tables() {
    let y = [1.0, 0.0, 0.0, 1.0];
    let constant = [ScoreColumn::Number(&[1.0; 4])];
    let params = ScorecardParams::default();
    // Nothing to say: everybody has the same points.
    let card = fit(&constant, &y, None, &params, &go_on).unwrap();
    assert_eq!(card.columns[0].left_out, Some(LeftOut::Weak));
    assert!(card.margins.iter().all(|m| m.abs() < 1e-9));
    let none = fit(&constant, &[0.0; 4], None, &params, &go_on).unwrap_err();
    assert_eq!(none, Error::OneClass { class: false });
    // A column that gives the answer away.
    let leak: Vec<f64> = (0..300).map(|row| f64::from(row % 3)).collect();
    let of_leak: Vec<f64> = leak.iter().map(|v| f64::from(u8::from(*v > 1.5))).collect();
    let columns = [ScoreColumn::Number(&leak)];
    let card = fit(&columns, &of_leak, None, &params, &go_on).unwrap();
    assert!(card.columns[0].binning.iv > 2.0 && card.columns[0].weight.is_finite());
    let stop = fit(&columns, &of_leak, None, &params, &|_| false);
    assert_eq!(stop.unwrap_err(), Error::Cancelled);
    for points in [
        PointsParams {
            pdo: 0.0,
            ..PointsParams::default()
        },
        PointsParams {
            base_odds: f64::NAN,
            ..PointsParams::default()
        },
    ] {
        let params = ScorecardParams { points, ..params };
        assert!(fit(&columns, &of_leak, None, &params, &go_on).is_err());
    }
}
