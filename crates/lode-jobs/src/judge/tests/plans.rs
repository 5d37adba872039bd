//! What is held out of what.

use std::collections::BTreeSet;

use super::DAY;
use super::dated;
use super::sample;
use crate::JobSpec;
use crate::judge::plan::plan;
use crate::judge::plan::test_dates;
use crate::judge::rows::Truth;

fn spec(test_dates: u32) -> JobSpec {
    let mut spec = JobSpec {
        seed: 3,
        ..JobSpec::default()
    };
    spec.evaluation.test_dates = test_dates;
    spec
}

#[test]
fn each_date_is_behind_what_was_known_by_then() {
    let sample = dated(40, 9, 60);
    let plan = plan(&sample, 5, &spec(3)).unwrap();
    assert!(
        plan.out_of_time && plan.notes.is_empty(),
        "{:?}",
        plan.notes
    );
    let names: Vec<&str> = plan
        .splits
        .iter()
        .map(|split| split.name.as_str())
        .collect();
    assert_eq!(names, ["1970-06-30", "1970-07-30", "1970-08-29"]);
    let (as_of, end) = (
        sample.as_of.as_ref().unwrap(),
        sample.label_end.as_ref().unwrap(),
    );
    for (split, date) in plan.splits.iter().zip([180, 210, 240]) {
        assert_eq!(split.test.len(), 40);
        assert!(split.test.iter().all(|row| as_of[*row] == date * DAY));
        assert!(split.train.iter().all(|row| end[*row] <= date * DAY));
        // Nothing that was known is left out: all dates up to 60 days before.
        assert_eq!(split.train.len() as i64, 40 * ((date - 60) / 30 + 1));
    }
}

#[test]
fn the_dates_that_judge_are_the_last_ones_that_can() {
    let every_30 = |n: i64, horizon: i64| -> Vec<(i64, i64)> {
        (0..n)
            .map(|date| (date * 30, date * 30 + horizon))
            .collect()
    };
    assert_eq!(test_dates(&every_30(9, 60), 0), [180, 210, 240]);
    assert_eq!(
        test_dates(&every_30(9, 60), 100),
        [60, 90, 120, 150, 180, 210, 240]
    );
    assert_eq!(test_dates(&every_30(2, 30), 0), [30]);
    assert!(test_dates(&every_30(3, 90), 0).is_empty());
    assert!(test_dates(&[], 2).is_empty());
}

#[test]
fn a_date_without_both_outcomes_is_left_out_with_words() {
    let mut sample = dated(40, 9, 60);
    let as_of = sample.as_of.clone().unwrap();
    if let Truth::Binary(labels) = &mut sample.truth {
        for (label, date) in labels.iter_mut().zip(as_of) {
            *label &= date != 210 * DAY;
        }
    }
    let plan = plan(&sample, 5, &spec(3)).unwrap();
    assert_eq!(plan.splits.len(), 2);
    assert_eq!(plan.notes.len(), 1);
    assert!(
        plan.notes[0].starts_with("1970-07-30 does not judge"),
        "{:?}",
        plan.notes
    );
}

#[test]
fn where_no_date_can_judge_customers_are_dealt_out_whole() {
    let sample = dated(50, 3, 365);
    let plan = plan(&sample, 5, &spec(0)).unwrap();
    assert!(!plan.out_of_time && plan.splits.len() == 5);
    assert!(
        plan.notes[0].contains("folds of customers"),
        "{:?}",
        plan.notes
    );
    let customers = sample.customers.as_ref().unwrap();
    for split in &plan.splits {
        let of = |rows: &[usize]| -> BTreeSet<String> {
            rows.iter()
                .map(|row| customers.value(*row).to_owned())
                .collect()
        };
        assert!(of(&split.test).is_disjoint(&of(&split.train)));
        assert_eq!(split.test.len() + split.train.len(), 150);
    }
}

#[test]
fn folds_of_a_plain_table_have_their_share_of_yes() {
    let labels: Vec<bool> = (0..103).map(|row| row % 4 == 0).collect();
    let plain = sample(Truth::Binary(labels.clone()), None);
    let plan = plan(&plain, 5, &spec(0)).unwrap();
    let mut seen = BTreeSet::new();
    for split in &plan.splits {
        let yes = split.test.iter().filter(|row| labels[**row]).count();
        assert!((5..=6).contains(&yes), "{yes}");
        seen.extend(split.test.iter().copied());
    }
    assert_eq!(seen.len(), 103);
}

#[test]
fn too_few_rows_are_refused_with_what_to_do() {
    let labels = (0..20).map(|row| row < 3).collect();
    let error = plan(&sample(Truth::Binary(labels), None), 5, &spec(0));
    let words = error.err().unwrap().to_string();
    assert!(
        words.contains("found 3") && words.contains("evaluation.folds"),
        "{words}"
    );
    let mut weightless = sample(Truth::Binary((0..20).map(|row| row < 10).collect()), None);
    weightless.weights = Some((0..20).map(|row| f64::from(u8::from(row >= 8))).collect());
    assert!(
        plan(&weightless, 5, &spec(0)).is_err(),
        "two rows of yes have weight"
    );
    let amounts = sample(Truth::Amount(vec![1.0; 3]), None);
    assert!(plan(&amounts, 5, &spec(0)).is_err());
}
