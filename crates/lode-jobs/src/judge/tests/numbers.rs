//! What the numbers are, and whose rows they rest on.

use lode_numeric::Rng;
use lode_numeric::metrics;
use lode_types::Outcome;

use super::dated;
use super::held;
use super::sample;
use super::settings;
use crate::JobSpec;
use crate::judge::Calibration;
use crate::judge::Curve;
use crate::judge::calibrate::calibrate;
use crate::judge::calibration::CalibrationInput;
use crate::judge::groups::groups;
use crate::judge::measures::Measure;
use crate::judge::measures::of_group;
use crate::judge::plan::Plan;
use crate::judge::plan::plan;
use crate::judge::predict::Held;
use crate::judge::rows::Sample;
use crate::judge::rows::Truth;
use crate::judge::tables;
use crate::spec::CalibrationMethod;

fn spec(calibration: CalibrationMethod) -> JobSpec {
    let mut spec = JobSpec::default();
    spec.evaluation.calibration = calibration;
    spec
}

/// Outcomes of chance `sigmoid(x)` with margins `times x`: a model too sure by that factor.
fn sure(n: usize, times: f64, seed: u64) -> (Vec<bool>, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..n).map(|_| 1.5 * rng.normal() - 1.0).collect();
    let labels = x
        .iter()
        .map(|x| rng.chance(1.0 / (1.0 + (-x).exp())))
        .collect();
    (labels, x.iter().map(|x| times * x).collect())
}

fn all(sample: &Sample, held: &Held, plan: &Plan, spec: &JobSpec) -> Vec<Measure> {
    let outcome = match sample.truth {
        Truth::Binary(_) => Outcome::Binary,
        Truth::Amount(_) => Outcome::Amount,
        Truth::Class { .. } => Outcome::Class,
        Truth::Survival { .. } => Outcome::Survival,
    };
    let groups = groups(sample, held, plan);
    of_group(sample, held, plan, &groups[0], &settings(spec, outcome)).unwrap()
}

fn value(measures: &[Measure], name: &str) -> f64 {
    measures
        .iter()
        .find(|measure| measure.name == name)
        .unwrap()
        .value
}

#[test]
fn a_model_that_is_too_sure_is_calibrated_and_a_right_one_is_left_alone() {
    for (times, helps) in [(3.0, true), (1.0, false)] {
        let (labels, margins) = sure(4000, times, 1);
        let sample = sample(Truth::Binary(labels), None);
        let spec = spec(CalibrationMethod::Auto);
        let plan = plan(&sample, 5, &spec).unwrap();
        let mut held = held(&sample, &plan, |row| margins[row]);
        let found = calibrate(&mut held, &sample, &plan, &spec).unwrap();
        assert_eq!(found.is_some(), helps, "{times}");
        let measures = all(&sample, &held, &plan, &spec);
        let (log_loss, raw) = (
            value(&measures, "log_loss"),
            value(&measures, "log_loss_raw"),
        );
        let (error, error_raw) = (
            value(&measures, "calibration_error"),
            value(&measures, "calibration_error_raw"),
        );
        if let Some(found) = found {
            assert!(log_loss < raw - 0.1, "{log_loss} {raw}");
            assert!(error < 0.03 && error_raw > 0.1, "{error} {error_raw}");
            // Served as it was measured: a third of the margin.
            let right = 1.0 / (1.0 + (-0.5_f64).exp());
            assert!(
                (found.apply(0.9, Some(1.5)) - right).abs() < 0.04,
                "{found:?}"
            );
        } else {
            assert!((log_loss - raw).abs() < 1e-15);
        }
    }
}

#[test]
fn a_calibrated_score_does_not_rest_on_its_own_outcome() {
    let (labels, margins) = sure(600, 2.0, 2);
    for method in [CalibrationMethod::Platt, CalibrationMethod::Isotonic] {
        let spec = spec(method);
        let scores = |labels: &[bool], plan: &Plan| {
            let sample = sample(Truth::Binary(labels.to_vec()), None);
            let mut held = held(&sample, plan, |row| margins[row]);
            calibrate(&mut held, &sample, plan, &spec).unwrap().unwrap();
            held.score
        };
        let plan = plan(&sample(Truth::Binary(labels.clone()), None), 5, &spec).unwrap();
        let before = scores(&labels, &plan);
        // Turning every outcome of a fold round changes no score of that fold, and others.
        let mut turned = labels.clone();
        for row in &plan.splits[2].test {
            turned[*row] = !turned[*row];
        }
        let after = scores(&turned, &plan);
        for row in &plan.splits[2].test {
            assert_eq!(before[*row].to_bits(), after[*row].to_bits());
        }
        assert!(
            plan.splits[1]
                .test
                .iter()
                .any(|row| before[*row].to_bits() != after[*row].to_bits())
        );
    }
}

#[test]
fn with_one_date_a_customer_is_calibrated_by_others() {
    let sample = dated(300, 2, 30);
    let spec = spec(CalibrationMethod::Platt);
    let plan = plan(&sample, 5, &spec).unwrap();
    assert_eq!(plan.splits.len(), 1);
    let mut rng = Rng::new(4);
    let mut held = held(&sample, &plan, |_| rng.normal());
    let found = calibrate(&mut held, &sample, &plan, &spec).unwrap();
    assert!(found.is_some());
    let values: std::collections::BTreeSet<u64> =
        held.score.iter().map(|score| score.to_bits()).collect();
    assert!(values.len() > 1);
}

#[test]
fn a_record_of_a_calibration_gives_the_same_bits() {
    let (labels, margins) = sure(900, 2.0, 3);
    let sample = sample(Truth::Binary(labels), None);
    for method in [CalibrationMethod::Platt, CalibrationMethod::Isotonic] {
        let spec = spec(method);
        let plan = plan(&sample, 5, &spec).unwrap();
        let mut held = held(&sample, &plan, |row| margins[row]);
        let made = calibrate(&mut held, &sample, &plan, &spec)
            .unwrap()
            .unwrap();
        let json = serde_json::to_string(&made).unwrap();
        assert!(json.len() < 6000, "{}", json.len());
        let read: Calibration = serde_json::from_str(&json).unwrap();
        for margin in [-40.0, -1.3, 0.0, 0.2, 7.0] {
            let (a, b) = (made.apply(0.5, Some(margin)), read.apply(0.5, Some(margin)));
            assert_eq!(a.to_bits(), b.to_bits());
        }
    }
    // A plugin without a margin is calibrated along the log odds of its score.
    let by_score = Calibration {
        input: CalibrationInput::Score,
        curve: Curve::Platt {
            slope: 1.0,
            intercept: 0.0,
        },
        rows: 1,
    };
    assert!((by_score.apply(0.3, None) - 0.3).abs() < 1e-12);
    assert!((by_score.apply(0.3, Some(9.0)) - 0.3).abs() < 1e-12);
}

#[test]
fn a_random_score_is_worth_nothing_and_its_interval_says_so() {
    let (labels, _) = sure(3000, 1.0, 5);
    let sample = sample(Truth::Binary(labels), None);
    let spec = spec(CalibrationMethod::Auto);
    let plan = plan(&sample, 5, &spec).unwrap();
    let mut rng = Rng::new(6);
    let held = held(&sample, &plan, |_| rng.normal());
    let measures = all(&sample, &held, &plan, &spec);
    let auc = measures
        .iter()
        .find(|measure| measure.name == "auc")
        .unwrap();
    let (low, high) = auc.interval.unwrap();
    assert!(low < 0.5 && 0.5 < high && high - low < 0.06, "{auc:?}");
    let lift = measures
        .iter()
        .find(|measure| measure.name == "lift_top_decile")
        .unwrap();
    let (low, high) = lift.interval.unwrap();
    assert!(low < 1.0 && 1.0 < high, "{lift:?}");
    let contact = value(&measures, "contact_to_reach_80");
    assert!((contact - 0.8).abs() < 0.05, "{contact}");
}

#[test]
fn dates_new_and_old_are_measured_apart_and_together() {
    let mut rows = dated(200, 6, 30);
    let n_rows = rows.n_rows();
    rows.is_new = Some((0..n_rows).map(|row| row % 5 == 0).collect());
    let spec = JobSpec::default();
    let plan = plan(&rows, 5, &spec).unwrap();
    let mut rng = Rng::new(6);
    let held = held(&rows, &plan, |_| rng.normal());
    let found = groups(&rows, &held, &plan);
    let names: Vec<&str> = found.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["all", "1970-05-01", "1970-05-31", "new", "old"]);
    let count = |at: usize| found[at].positions().count();
    assert_eq!((count(0), count(1), count(2)), (400, 200, 200));
    assert_eq!(count(3) + count(4), 400);
    // All dates are one order: the AUC is that of all rows together.
    let measures = all(&rows, &held, &plan, &spec);
    let Truth::Binary(truth) = &rows.truth else {
        panic!()
    };
    let labels: Vec<bool> = held.rows.iter().map(|row| truth[*row]).collect();
    let auc = metrics::auc(&held.margin, &labels).unwrap();
    assert!((value(&measures, "auc") - auc).abs() < 1e-15);
}

#[test]
fn an_amount_is_measured_by_its_value() {
    let mut rng = Rng::new(7);
    let truth: Vec<f64> = (0..500).map(|_| 10.0 * rng.gamma(1.0)).collect();
    let guess: Vec<f64> = truth.iter().map(|x| x + rng.normal()).collect();
    let rows = sample(Truth::Amount(truth.clone()), None);
    let spec = JobSpec::default();
    let plan = plan(&rows, 5, &spec).unwrap();
    let mut held = held(&rows, &plan, |row| guess[row]);
    held.raw.clone_from(&held.margin);
    held.score.clone_from(&held.margin);
    let measures = all(&rows, &held, &plan, &spec);
    assert!((value(&measures, "rmse") - 1.0).abs() < 0.1);
    assert!(value(&measures, "r2") > 0.95 && value(&measures, "spearman") > 0.9);
    assert!(value(&measures, "value_top_decile") > 0.25);
    let tables = tables::reports(&rows, &held, &settings(&spec, Outcome::Amount)).unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
    assert_eq!(
        names,
        ["evaluation", "evaluation_gains", "evaluation_scores"]
    );
}

#[test]
fn a_time_is_measured_at_its_horizon() {
    let mut rng = Rng::new(7);
    let (mut events, mut durations, mut chances) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..1500 {
        let rate = 0.06 * rng.normal().exp();
        let time = rng.exponential() / rate;
        let watched = 30.0 * rng.uniform();
        events.push(time <= watched);
        durations.push(time.min(watched));
        chances.push(1.0 - (-12.0 * rate).exp());
    }
    let rows = sample(Truth::Survival { events, durations }, None);
    let spec = JobSpec::default();
    let plan = plan(&rows, 5, &spec).unwrap();
    let mut held = held(&rows, &plan, |row| chances[row]);
    held.raw.clone_from(&held.margin);
    held.score.clone_from(&held.margin);
    let measures = all(&rows, &held, &plan, &spec);
    assert!(value(&measures, "concordance") > 0.65, "{measures:?}");
    // The truth itself is calibrated, and better than the overall rate.
    assert!(value(&measures, "calibration_error") < 0.06, "{measures:?}");
    assert!(value(&measures, "brier_at_horizon") < 0.22, "{measures:?}");
}
