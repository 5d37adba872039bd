//! Checks against lifelines, a published figure, and plain recomputation.

use super::*;
use crate::Rng;
use crate::glm::DesignColumn;
use crate::go_on;
use crate::survival::golden;
use crate::survival::golden::check;
use crate::survival::golden::figures;

const FREE: CoxParams = CoxParams {
    l2: 0.0,
    max_steps: 50,
    tolerance: 1e-12,
    threads: 2,
};

fn same_as_lifelines(name: &str, fit: &CoxFit, places: &[usize]) {
    let estimates: Vec<Estimate> = places
        .iter()
        .map(|place| fit.estimate(*place, 0.95).unwrap())
        .collect();
    let get = |part: fn(&Estimate) -> f64| estimates.iter().map(part).collect::<Vec<f64>>();
    type Part = (&'static str, fn(&Estimate) -> f64);
    let parts: [Part; 6] = [
        ("coef", |e| e.value),
        ("se", |e| e.standard_error),
        ("z", |e| e.z),
        ("p", |e| e.p),
        ("low", |e| e.low),
        ("high", |e| e.high),
    ];
    for (part, read) in parts {
        let key = format!("{name} {part}");
        check(&key, &get(read), &figures(&key), 1e-7);
    }
}

fn same_baseline(name: &str, fit: &CoxFit) {
    let times: Vec<f64> = fit.baseline.points.iter().map(|p| p.time).collect();
    let hazard: Vec<f64> = fit.baseline.points.iter().map(|p| p.hazard).collect();
    check(name, &times, &figures(&format!("{name} times")), 0.0);
    check(name, &hazard, &figures(&format!("{name} hazard")), 1e-8);
}

#[test]
fn leukemia_as_published() {
    let data = golden::leukemia();
    let events = data.yes("event");
    let columns = [DesignColumn::Number(data.column("placebo"))];
    let design = Design::new(42, &columns).unwrap();
    let subjects = golden::outcome(&data, &events, false, false);
    let found = fit(&design, &subjects, &FREE, &go_on).unwrap();
    // R's survival, coxph with ties = "efron": 1.5721 (0.4124); -93.18 with the weight at 0.
    assert!((found.weights[0] - 1.5721).abs() < 5e-5);
    assert!((found.null_log_likelihood + 93.18).abs() < 5e-3);
    same_as_lifelines("leukemia", &found, &[0]);
    same_baseline("leukemia", &found);
    let expected = figures("leukemia log_likelihood");
    check("log likelihood", &[found.log_likelihood], &expected, 1e-10);
}

#[test]
fn ties_weights_and_late_entries_as_in_lifelines() {
    let data = golden::subjects();
    let events = data.yes("event");
    let levels = data.codes("level");
    // Level 0 is what the others are compared with: codes without a weight.
    let codes: Vec<u32> = levels.iter().map(|level| level.wrapping_sub(1)).collect();
    let columns = [
        DesignColumn::Number(data.column("x1")),
        DesignColumn::Category {
            codes: &codes,
            n_levels: 2,
        },
        DesignColumn::Number(data.column("x2")),
    ];
    let design = Design::new(220, &columns).unwrap();
    for (name, weights, entries) in [
        ("plain", false, false),
        ("weights", true, false),
        ("entries", false, true),
        ("all", true, true),
    ] {
        let subjects = golden::outcome(&data, &events, weights, entries);
        let found = fit(&design, &subjects, &FREE, &go_on).unwrap();
        same_as_lifelines(name, &found, &[0, 3, 1, 2]);
        same_baseline(name, &found);
        let expected = figures(&format!("{name} log_likelihood"));
        check(name, &[found.log_likelihood], &expected, 1e-9);
    }
}

#[test]
fn a_penalty_as_in_lifelines() {
    let data = golden::subjects();
    let events = data.yes("event");
    let standard = |name: &str| -> Vec<f64> {
        let values = data.column(name);
        let mean = values.iter().sum::<f64>() / 220.0;
        let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let scale = (square / 219.0).sqrt();
        values.iter().map(|v| (v - mean) / scale).collect()
    };
    let (x1, x2) = (standard("x1"), standard("x2"));
    let columns = [DesignColumn::Number(&x1), DesignColumn::Number(&x2)];
    let design = Design::new(220, &columns).unwrap();
    let subjects = golden::outcome(&data, &events, false, false);
    let params = CoxParams {
        l2: 0.05 * 220.0,
        ..FREE
    };
    let found = fit(&design, &subjects, &params, &go_on).unwrap();
    same_as_lifelines("penalty", &found, &[0, 1]);
}

/// Subjects whose hazard is constant in time: 0.1 times exp of 0.8 x, and level effects.
struct Planted {
    x: Vec<f64>,
    codes: Vec<u32>,
    durations: Vec<f64>,
    entries: Vec<f64>,
    events: Vec<bool>,
}

fn planted(n: usize) -> Planted {
    let mut rng = Rng::new(11);
    let mut data = Planted {
        x: Vec::new(),
        codes: Vec::new(),
        durations: Vec::new(),
        entries: Vec::new(),
        events: Vec::new(),
    };
    while data.x.len() < n {
        let x = rng.normal();
        let code = rng.below(3) as u32;
        let rate = 0.1 * (0.8 * x + [0.0, 0.6, -0.6][code as usize]).exp();
        let left = -(1.0 - rng.uniform()).ln() / rate;
        let limit = 30.0 * rng.uniform();
        let entry = 8.0 * rng.uniform();
        if left.min(limit) > entry {
            data.x.push(x);
            data.codes.push(code);
            data.durations.push(left.min(limit));
            data.entries.push(entry);
            data.events.push(left <= limit);
        }
    }
    data
}

#[test]
fn planted_effects_and_hazard_are_found() {
    let data = planted(20_000);
    let columns = [
        DesignColumn::Number(&data.x),
        DesignColumn::Category {
            codes: &data.codes,
            n_levels: 3,
        },
    ];
    let design = Design::new(20_000, &columns).unwrap();
    let subjects = Subjects {
        entries: Some(&data.entries),
        ..Subjects::new(&data.durations, &data.events)
    };
    let run = |threads| {
        let params = CoxParams {
            threads,
            ..CoxParams::default()
        };
        fit(&design, &subjects, &params, &go_on).unwrap()
    };
    let found = run(1);
    assert!((found.weights[0] - 0.8).abs() < 0.03, "{:?}", found.weights);
    let up = found.contrast(2, 1, 0.95).unwrap();
    assert!((up.value - 0.6).abs() < 0.06, "{up:?}");
    assert!(up.low < 0.6 && up.high > 0.6 && up.p < 1e-20);
    assert!(up.standard_error < 0.03, "{up:?}");
    // A row of the level in the middle: weight 1 counts from level 0.
    let margin = found.weights[1];
    let expected = (-0.1_f64 * 10.0).exp();
    assert!((found.baseline.survival(10.0, margin) - expected).abs() < 0.02);
    // Past the last event the hazard goes on.
    let rate = found.baseline.tail_rate * margin.exp();
    assert!((rate - 0.1).abs() < 0.02, "{rate}");
    let last = found.baseline.points.last().unwrap();
    let later = found.baseline.cumulative(last.time + 10.0);
    assert!((later - last.cumulative - 10.0 * found.baseline.tail_rate).abs() < 1e-12);
    assert_eq!(run(2), found);
    assert_eq!(run(8), found);
}

#[test]
fn a_sum_that_late_entries_empty_is_added_anew() {
    // One subject of enormous risk is there late only; without it the early sums are tiny.
    let x = [30.0, 0.0, 0.1, 0.2, -0.1, 0.3];
    let durations = [20.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    let entries = [10.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let events = [true, true, true, false, true, true];
    let columns = [DesignColumn::Number(&x)];
    let design = Design::new(6, &columns).unwrap();
    let subjects = Subjects {
        entries: Some(&entries),
        ..Subjects::new(&durations, &events)
    };
    let order = Order::new(&subjects);
    let rows = DesignRows::new(&design, &order.rows);
    let problem = Likelihood::new(&order, &rows, 0.0, 1);
    // The late subject is alone in its risk set, so it changes nothing.
    let found = problem.log_likelihood(&[1.0]);
    let naive: f64 = (1..6)
        .filter(|i| events[*i])
        .map(|i| {
            let at_risk = (1..6).filter(|j| durations[*j] >= durations[i]);
            x[i] - at_risk.map(|j| x[j].exp()).sum::<f64>().ln()
        })
        .sum();
    assert!((found - naive).abs() < 1e-9, "{found} and {naive}");
}

#[test]
fn a_column_that_gives_the_answer_away_needs_a_penalty() {
    let durations: Vec<f64> = (1..=40).map(f64::from).collect();
    let events = vec![true; 40];
    let leak: Vec<f64> = durations.iter().map(|t| -t).collect();
    let constant = vec![0.0; 40];
    let columns = [DesignColumn::Number(&leak), DesignColumn::Number(&constant)];
    let design = Design::new(40, &columns[..1]).unwrap();
    let subjects = Subjects::new(&durations, &events);
    let error = fit(&design, &subjects, &FREE, &go_on).unwrap_err();
    let is_expected = matches!(error, Error::NotConverged { .. } | Error::Singular { .. });
    assert!(is_expected, "{error}");
    let both = Design::new(40, &columns).unwrap();
    let constant = fit(&both, &subjects, &FREE, &go_on).unwrap_err();
    assert_eq!(constant, Error::Singular { weight: 1 });
    for l2 in [1e-4, 1.0] {
        let params = CoxParams { l2, ..FREE };
        let found = fit(&both, &subjects, &params, &go_on).unwrap();
        assert!(found.weights[0] > 0.5 && found.weights[0].is_finite());
        assert!(found.weights[1].abs() < 1e-12);
    }
}

#[test]
fn odd_outcomes() {
    let columns = [DesignColumn::Number(&[0.5, 1.0, 2.0])];
    let design = Design::new(3, &columns).unwrap();
    let run = |durations: &[f64], events: &[bool]| {
        let subjects = Subjects::new(durations, events);
        fit(&design, &subjects, &CoxParams::default(), &go_on)
    };
    let none = run(&[1.0, 2.0, 3.0], &[false; 3]).unwrap_err();
    assert_eq!(none, Error::NoEvents { rows: 3 });
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let error = run(&[1.0, bad, 3.0], &[true; 3]).unwrap_err();
        assert!(
            error.to_string().contains("durations at least 0"),
            "{error}"
        );
        assert!(error.to_string().contains("entry 1"), "{error}");
    }
    // A duration of 0 is one like any other, and so is one time for all.
    assert!(run(&[0.0, 1.0, 2.0], &[true, true, false]).unwrap().weights[0] < 0.0);
    assert!(run(&[0.0; 3], &[true; 3]).unwrap().weights[0].is_finite());
    assert!(run(&[1.0, 2.0], &[true; 2]).is_err());
    let one = Design::new(1, &[DesignColumn::Number(&[0.0])]).unwrap();
    let subjects = Subjects::new(&[5.0], &[true]);
    let found = fit(&one, &subjects, &CoxParams::default(), &go_on).unwrap();
    assert_eq!(found.weights, [0.0]);
    assert!((found.baseline.points[0].cumulative - 1.0).abs() < 1e-15);
    let stop = fit(&one, &subjects, &CoxParams::default(), &|_| false);
    assert_eq!(stop.unwrap_err(), Error::Cancelled);
    let negative = CoxParams { l2: -1.0, ..FREE };
    assert!(fit(&one, &subjects, &negative, &go_on).is_err());
    let late = Subjects {
        entries: Some(&[5.0]),
        ..subjects
    };
    assert!(fit(&one, &late, &CoxParams::default(), &go_on).is_err());
}
