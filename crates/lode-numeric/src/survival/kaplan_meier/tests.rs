//! Checks against lifelines and a published curve.

use super::*;
use crate::survival::golden;
use crate::survival::golden::check;
use crate::survival::golden::figures;

fn same_as_lifelines(name: &str, curve: &[KaplanMeierPoint]) {
    type Part = (&'static str, fn(&KaplanMeierPoint) -> f64);
    let parts: [Part; 5] = [
        ("times", |p| p.time),
        ("at_risk", |p| p.at_risk),
        ("survival", |p| p.survival),
        ("low", |p| p.low),
        ("high", |p| p.high),
    ];
    for (part, read) in parts {
        let key = format!("{name} {part}");
        let found: Vec<f64> = curve.iter().map(read).collect();
        check(&key, &found, &figures(&key), 1e-9);
    }
}

#[test]
fn leukemia_on_the_drug_as_published() {
    let data = golden::leukemia();
    let events = data.yes("event");
    let (durations, events) = (&data.column("duration")[..21], &events[..21]);
    let curve = kaplan_meier(&Subjects::new(durations, events), 0.95).unwrap();
    // Kalbfleisch and Prentice, and many others: 0.857 after 6 weeks, 0.448 after 23.
    assert!((curve[0].survival - 0.857).abs() < 5e-4);
    let after_23 = curve
        .iter()
        .find(|point| (point.time - 23.0).abs() < 0.5)
        .unwrap();
    assert!((after_23.survival - 0.448).abs() < 5e-4);
    assert!((curve[0].standard_error - 0.0764).abs() < 5e-5);
    same_as_lifelines("km leukemia", &curve);
}

#[test]
fn weights_and_late_entries_as_in_lifelines() {
    let data = golden::subjects();
    let events = data.yes("event");
    // The figures are of four times the weights, see the program that made them.
    let fourfold: Vec<f64> = data.column("weight").iter().map(|w| 4.0 * w).collect();
    let subjects = Subjects {
        weights: Some(&fourfold),
        ..golden::outcome(&data, &events, false, false)
    };
    let weights = kaplan_meier(&subjects, 0.95).unwrap();
    same_as_lifelines("km weights", &weights);
    let entries = kaplan_meier(&golden::outcome(&data, &events, false, true), 0.95).unwrap();
    same_as_lifelines("km entries", &entries);
}

#[test]
fn odd_outcomes() {
    let all = kaplan_meier(&Subjects::new(&[1.0, 1.0], &[true, true]), 0.9).unwrap();
    assert_eq!((all[0].survival, all[0].low, all[0].high), (0.0, 0.0, 0.0));
    assert!(all[0].standard_error.abs() < 1e-300);
    let none = kaplan_meier(&Subjects::new(&[0.0, 1.0], &[false, false]), 0.9).unwrap();
    assert_eq!((none[1].survival, none[1].low), (1.0, 1.0));
    assert!(kaplan_meier(&Subjects::new(&[], &[]), 0.9).is_err());
    assert!(kaplan_meier(&Subjects::new(&[1.0], &[true]), 1.0).is_err());
    assert!(kaplan_meier(&Subjects::new(&[f64::NAN], &[true]), 0.9).is_err());
}
