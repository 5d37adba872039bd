//! Checks against statsmodels on written-out periods, and planted effects.

use super::*;
use crate::Rng;
use crate::glm::DesignColumn;
use crate::go_on;
use crate::survival::golden;
use crate::survival::golden::check;
use crate::survival::golden::figures;

/// The groups of the figures: 1-2, 3-5, 6-9, 10 and on.
fn grouped(spells: &Spells<'_>) -> Periods {
    let mut periods = Periods::new(spells, 1e-9, 1000).unwrap();
    let n_periods = *spells.n_periods.iter().max().unwrap();
    let bounds = [(1, 2), (3, 5), (6, 9), (10, n_periods)];
    let old = std::mem::take(&mut periods.groups);
    periods.groups = bounds
        .iter()
        .map(|(first, last)| {
            let inside = old.iter().filter(|g| g.first <= *last && g.last >= *first);
            let (events, at_risk) = inside.fold((0.0, 0.0), |sum, group| {
                (sum.0 + group.events, sum.1 + group.at_risk)
            });
            PeriodGroup {
                first: *first,
                last: *last,
                at_risk,
                events,
                effect: 0.0,
            }
        })
        .collect();
    periods.set_groups();
    periods
}

#[test]
fn the_same_as_regression_on_written_out_periods() {
    let data = golden::subjects();
    let events = data.yes("event");
    let n_periods = data.codes("duration");
    let entries = data.codes("entry");
    let ends: Vec<i64> = data
        .column("end")
        .iter()
        .map(|end| if *end > 900.0 { NO_END } else { *end as i64 })
        .collect();
    let codes: Vec<u32> = data
        .codes("level")
        .iter()
        .map(|c| c.wrapping_sub(1))
        .collect();
    let columns = [
        DesignColumn::Number(data.column("x1")),
        DesignColumn::Number(data.column("x2")),
        DesignColumn::Category {
            codes: &codes,
            n_levels: 2,
        },
    ];
    let design = Design::new(220, &columns).unwrap();
    let order: Vec<u32> = (0..220).collect();
    let rows = DesignRows::new(&design, &order);
    for (name, link) in [("logit", Link::Logit), ("loglog", Link::LogLog)] {
        for (kind, weights, l2, smooth) in [
            ("plain", false, 0.0, 0.0),
            ("weights", true, 0.0, 0.0),
            ("penalty", true, 2.0, 3.0),
        ] {
            let spells = Spells {
                entries: Some(&entries),
                ends: Some(&ends),
                weights: weights.then(|| data.column("weight")),
                ..Spells::new(&n_periods, &events)
            };
            let periods = grouped(&spells);
            let params = HazardParams {
                link,
                l2,
                smooth,
                threads: 2,
                ..HazardParams::default()
            };
            let problem = Likelihood::new(&rows, &spells, &periods, &params);
            let search = Search {
                max_steps: 50,
                enough: 1e-10,
            };
            let found = newton::minimize(&problem, problem.start(), search, &go_on).unwrap();
            let key = format!("{name} {kind}");
            let expected = figures(&format!("{key} coef"));
            if kind == "penalty" {
                check(&key, &found.point, &expected, 1e-6);
                continue;
            }
            check(&key, &found.point, &expected, 1e-8);
            let likelihood = figures(&format!("{key} log_likelihood"));
            check(&key, &[found.state.log_likelihood], &likelihood, 1e-10);
            let size = found.point.len();
            let errors: Vec<f64> = (0..size)
                .map(|place| found.covariance[place * size + place].sqrt())
                .collect();
            check(&key, &errors, &figures(&format!("{key} se")), 1e-8);
        }
    }
}

#[test]
fn periods_join_until_a_group_has_enough() {
    let n_periods = [1, 1, 2, 3, 3, 5, 5, 7];
    let events = [true, true, false, true, true, true, false, false];
    let spells = Spells::new(&n_periods, &events);
    let periods = Periods::new(&spells, 2.0, 100).unwrap();
    let bounds: Vec<(u32, u32, f64, f64)> = periods
        .groups
        .iter()
        .map(|group| (group.first, group.last, group.at_risk, group.events))
        .collect();
    // Period 1: 8 at risk, 2 left. 2-3: 6 + 5, 2 left. 4-7: 3 + 3 + 1 + 1, 1 left joins 2-3.
    assert_eq!(bounds, [(1, 1, 8.0, 2.0), (2, 7, 19.0, 3.0)]);
    assert_eq!(Periods::new(&spells, 2.0, 1).unwrap().groups.len(), 1);
}

#[test]
fn cells_cover_each_period_once() {
    let n_periods = [9];
    for end in [NO_END, -3, 0, 1, 4, 5, 9, 10, 40] {
        let ends = [end];
        let entries = [2];
        let spells = Spells {
            ends: Some(&ends),
            entries: Some(&entries),
            ..Spells::new(&n_periods, &[true])
        };
        let periods = grouped(&spells);
        let mut period = 3;
        periods.cells(&spells, 0, |cell| {
            for _ in 0..cell.n_quiet + u32::from(cell.event) {
                assert_eq!(cell.phase, Phase::of(period, end));
                let group = &periods.groups[cell.group];
                assert!(group.first <= period && period <= group.last);
                period += 1;
            }
            assert_eq!(cell.event, period == 10);
        });
        assert_eq!(period, 10);
    }
}

#[test]
fn a_planted_rise_at_the_end_of_a_contract_is_found() {
    let mut rng = Rng::new(3);
    let n = 8_000;
    let (mut x, mut n_periods, mut events, mut ends) = (vec![], vec![], vec![], vec![]);
    for _ in 0..n {
        let value = rng.normal();
        let end = if rng.chance(0.7) {
            1 + rng.below(24) as i64
        } else {
            NO_END
        };
        let limit = 1 + rng.below(36) as u32;
        let mut period = 0;
        let left = loop {
            period += 1;
            let phase = match Phase::of(period, end) {
                Phase::Before => 0.0,
                Phase::Ends => 2.0,
                Phase::After => 0.7,
                Phase::NoContract => 0.4,
            };
            let level = if period <= 6 { -3.2 } else { -4.0 };
            if rng.chance(Link::LogLog.risk(level + phase + 0.5 * value)) {
                break true;
            }
            if period == limit {
                break false;
            }
        };
        x.push(value);
        n_periods.push(period);
        events.push(left);
        ends.push(end);
    }
    let columns = [DesignColumn::Number(&x)];
    let design = Design::new(n, &columns).unwrap();
    let spells = Spells {
        ends: Some(&ends),
        ..Spells::new(&n_periods, &events)
    };
    let run = |threads| {
        let params = HazardParams {
            threads,
            ..HazardParams::default()
        };
        fit(&design, &spells, &params, &go_on).unwrap()
    };
    let found = run(1);
    assert!((found.weights[0] - 0.5).abs() < 0.05, "{:?}", found.weights);
    assert!((found.phases.ends - 2.0).abs() < 0.2, "{:?}", found.phases);
    assert!(
        (found.phases.after - 0.7).abs() < 0.15,
        "{:?}",
        found.phases
    );
    assert!((found.phases.none - 0.4).abs() < 0.15, "{:?}", found.phases);
    assert!((found.group_of(3).effect + 3.2).abs() < 0.25);
    assert!((found.group_of(20).effect + 4.0).abs() < 0.4);
    assert!(found.hazard(12, Phase::Ends, 0.0) > 4.0 * found.hazard(12, Phase::Before, 0.0));
    let ends_estimate = found.estimate(1, 0.95).unwrap();
    assert!((ends_estimate.value - found.phases.ends).abs() < 1e-300);
    assert!(ends_estimate.low < 2.0 && ends_estimate.high > 2.0);
    assert_eq!(run(3), found);
}

#[test]
fn odd_outcomes() {
    let columns = [DesignColumn::Number(&[0.0, 1.0, 2.0])];
    let design = Design::new(3, &columns).unwrap();
    let run = |n_periods: &[u32], events: &[bool]| {
        let spells = Spells::new(n_periods, events);
        fit(&design, &spells, &HazardParams::default(), &go_on)
    };
    assert_eq!(
        run(&[1, 2, 3], &[false; 3]).unwrap_err(),
        Error::NoEvents { rows: 3 }
    );
    assert_eq!(
        run(&[1, 1, 1], &[true; 3]).unwrap_err(),
        Error::OneClass { class: true }
    );
    assert!(run(&[0, 1, 2], &[true; 3]).is_err());
    assert!(run(&[u32::MAX, 1, 2], &[true; 3]).is_err());
    assert!(run(&[1, 2], &[true; 2]).is_err());
    let found = run(&[1, 2, 3], &[true; 3]).unwrap();
    assert!(found.weights[0] < 0.0 && found.hazard(9, Phase::Before, 0.0) < 1.0);
    // Separation: those who leave have the largest value. The penalty keeps it finite.
    let spells = Spells::new(&[2, 2, 2], &[false, false, true]);
    let free = HazardParams {
        l2: 0.0,
        ..HazardParams::default()
    };
    let error = fit(&design, &spells, &free, &go_on).unwrap_err();
    let is_expected = matches!(error, Error::NotConverged { .. } | Error::Singular { .. });
    assert!(is_expected, "{error}");
    assert!(run(&[2, 2, 2], &[false, false, true]).unwrap().weights[0] > 0.0);
}

#[test]
fn durations_fall_into_periods() {
    assert_eq!(period_of(0.0, 1.0), 1);
    assert_eq!(period_of(1.0, 1.0), 1);
    assert_eq!(period_of(1.5, 1.0), 2);
    assert_eq!(period_of(90.0, 30.0), 3);
    assert_eq!(period_of(1e300, 1.0), u32::MAX);
}
