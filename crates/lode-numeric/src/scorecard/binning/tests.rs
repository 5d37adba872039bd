//! Checks of cuts against brute force and planted truths.

use super::*;
use crate::Rng;

const PARAMS: BinParams = BinParams {
    fine_bins: 12,
    max_bins: 4,
    min_share: 0.1,
    min_gain: 1.0,
    smoothing: 0.5,
    trend: Trend::Free,
};

/// The best partition by trying all.
fn by_force(fine: &[Counts], evidence: &Evidence, trend: Trend, rules: Rules) -> f64 {
    let mut best = f64::NEG_INFINITY;
    for mask in 0..1_u32 << (fine.len() - 1) {
        let starts: Vec<usize> = (0..fine.len())
            .filter(|at| *at == 0 || mask & (1 << (at - 1)) != 0)
            .collect();
        if starts.len() > rules.max_bins {
            continue;
        }
        if let Some(value) = value(fine, &starts, evidence, trend, rules) {
            best = best.max(value);
        }
    }
    best
}

fn value(
    fine: &[Counts],
    starts: &[usize],
    evidence: &Evidence,
    trend: Trend,
    rules: Rules,
) -> Option<f64> {
    let bins = joined(fine, starts);
    if bins.iter().any(|bin| bin.weight() < rules.min_weight) {
        return None;
    }
    let found: Vec<(f64, f64)> = bins.iter().map(|bin| evidence.of(*bin)).collect();
    let rises = found.windows(2).all(|pair| pair[0].0 <= pair[1].0);
    let falls = found.windows(2).all(|pair| pair[0].0 >= pair[1].0);
    if trend == Trend::Monotone && !rises && !falls {
        return None;
    }
    Some(found.iter().map(|(_, iv)| iv - rules.cost).sum())
}

#[test]
fn the_best_partition_is_found() {
    let mut rng = Rng::new(4);
    for _ in 0..60 {
        let fine: Vec<Counts> = (0..3 + rng.index(7))
            .map(|_| Counts {
                yes: rng.below(20) as f64,
                no: rng.below(30) as f64 + 1.0,
            })
            .collect();
        let all = fine.iter().fold(Counts::default(), |sum, c| sum.plus(*c));
        if all.yes == 0.0 {
            continue;
        }
        let evidence = Evidence {
            all,
            smoothing: 1.0,
        };
        for trend in [Trend::Free, Trend::Monotone] {
            let rules = Rules {
                min_weight: 0.08 * all.weight(),
                max_bins: 4,
                cost: 0.01,
            };
            let starts = merge::best(&fine, &evidence, trend, rules);
            let found = value(&fine, &starts, &evidence, trend, rules).unwrap();
            let best = by_force(&fine, &evidence, trend, rules);
            assert!((found - best).abs() < 1e-12, "{found} and {best}");
        }
    }
}

#[test]
fn a_planted_step_is_cut_where_it_is() {
    let mut rng = Rng::new(9);
    let x: Vec<f64> = (0..5_000)
        .map(|_| (rng.uniform() * 100.0).floor())
        .collect();
    let risk = |x: f64| if x <= 30.0 { 0.3 } else { 0.1 };
    let y: Vec<f64> = x
        .iter()
        .map(|x| f64::from(u8::from(rng.chance(risk(*x)))))
        .collect();
    let params = BinParams {
        fine_bins: 100,
        ..BinParams::default()
    };
    let found = bin(&ScoreColumn::Number(&x), &y, None, &params).unwrap();
    let Cuts::Numbers(uppers) = &found.cuts else {
        panic!("{found:?}");
    };
    assert!(uppers.contains(&30.0) && uppers.len() <= 2, "{uppers:?}");
    assert_eq!(found.of_number(30.0), Some(0));
    assert_eq!(found.of_number(30.5), Some(1));
    assert_eq!(found.of_number(f64::INFINITY), Some(found.bins.len() - 1));
    assert_eq!(found.of_number(f64::NAN), None);
    assert!(found.bins[0].woe > 0.5 && found.iv > 0.2);
}

#[test]
fn rare_missing_and_new_levels_have_a_place() {
    let mut codes = Vec::new();
    let mut y = Vec::new();
    let mut put = |code: u32, n: usize, n_yes: usize| {
        for row in 0..n {
            codes.push(code);
            y.push(f64::from(u8::from(row < n_yes)));
        }
    };
    put(0, 300, 30);
    put(1, 300, 150);
    put(2, 8, 4);
    put(3, 9, 2);
    put(9, 40, 20);
    let column = ScoreColumn::Category {
        codes: &codes,
        n_levels: 5,
    };
    let found = bin(&column, &y, None, &BinParams::default()).unwrap();
    let missing = found.missing.unwrap();
    assert_eq!(found.of_level(7), Some(missing));
    assert!((found.bins[missing].weight - 40.0).abs() < 1e-12);
    assert_ne!(found.of_level(0), found.of_level(1));
    // Levels 2 and 3 are rare; 4, which had no row, goes with them.
    assert_eq!(found.of_level(2), found.of_level(3));
    assert_eq!(found.of_level(4), found.of_level(3));
    let total: f64 = found.bins.iter().map(|bin| bin.weight).sum();
    assert!((total - 657.0).abs() < 1e-9);
    // Without rare levels there is no such place, and no evidence.
    let column = ScoreColumn::Category {
        codes: &codes[..600],
        n_levels: 5,
    };
    let found = bin(&column, &y[..600], None, &BinParams::default()).unwrap();
    assert_eq!((found.of_level(4), found.of_level(7)), (None, None));
    let new = ScoreColumn::Category {
        codes: &[0, 4],
        n_levels: 5,
    };
    assert!(found.evidence(&new)[1].abs() < 1e-300);
}

#[test]
fn odd_columns() {
    let y = [1.0, 0.0, 0.0, 1.0];
    let run = |values: &[f64]| bin(&ScoreColumn::Number(values), &y, None, &PARAMS);
    let constant = run(&[2.0; 4]).unwrap();
    assert_eq!((constant.bins.len(), constant.iv), (1, 0.0));
    let empty = run(&[f64::NAN; 4]).unwrap();
    assert_eq!(
        (empty.bins.len(), empty.missing, empty.iv),
        (1, Some(0), 0.0)
    );
    assert_eq!(empty.of_number(1.0), None);
    let infinite = run(&[f64::INFINITY, 0.0, 0.0, f64::INFINITY]).unwrap();
    assert_eq!(infinite.cuts, Cuts::Numbers(vec![0.0]));
    // All yes above, all no below: the smoothing keeps the evidence finite.
    assert!(
        infinite
            .bins
            .iter()
            .all(|bin| bin.woe.is_finite() && bin.woe != 0.0)
    );
    let zeros = run(&[-0.0, 0.0, 0.0, -0.0]).unwrap();
    assert_eq!(zeros.bins.len(), 1);
    let column = ScoreColumn::Number(&y);
    let one_class = bin(&column, &[1.0; 4], None, &PARAMS).unwrap_err();
    assert_eq!(one_class, Error::OneClass { class: true });
    assert!(bin(&column, &[1.0; 3], None, &PARAMS).is_err());
    assert!(bin(&column, &[f64::NAN; 4], None, &PARAMS).is_err());
    assert!(bin(&column, &y, Some(&[0.0; 4]), &PARAMS).is_err());
    assert!(bin(&column, &y, Some(&[-1.0; 4]), &PARAMS).is_err());
    for params in [
        BinParams {
            smoothing: 0.0,
            ..PARAMS
        },
        BinParams {
            max_bins: 0,
            ..PARAMS
        },
        BinParams {
            min_share: f64::NAN,
            ..PARAMS
        },
    ] {
        assert!(bin(&column, &y, None, &params).is_err(), "{params:?}");
    }
}
