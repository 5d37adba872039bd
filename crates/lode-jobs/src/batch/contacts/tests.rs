//! Lists of contacts over a few made-up scores: who, in which order, and what they add up to.

use std::collections::HashSet;

use arrow_array::Float64Array;
use arrow_array::StringArray;
use lode_types::Outcome;

use super::Contacts;
use super::says_yes;
use crate::ContactList;
use crate::batch::subjects::Ranks;
use crate::batch::subjects::Subjects;

/// Scores of 0.01 to 1.00, the customer of 1.00 first by number.
fn hundred() -> (Subjects, Ranks) {
    let scores: Vec<f64> = (0..100).map(|i| f64::from(100 - i) / 100.0).collect();
    let ids = (0..100).map(|i| Some(format!("c{i:02}")));
    let ids = ids.collect::<StringArray>();
    let margins = Float64Array::from(vec![0.0; 100]);
    let mut subjects = Subjects::new(false);
    subjects.add(&scores, &margins, &ids, None).unwrap();
    let ranks = Ranks::of(&subjects).unwrap();
    (subjects, ranks)
}

fn contacts(list: &ContactList, blocked: &[&str]) -> Contacts {
    let (subjects, ranks) = hundred();
    let blocked: HashSet<String> = blocked.iter().map(|id| (*id).to_owned()).collect();
    Contacts::of(list, Outcome::Binary, &blocked, &subjects, &ranks)
}

#[test]
fn the_least_of_all_bounds_counts() {
    let list = |max_customers, max_share, max_cost| ContactList {
        max_customers,
        max_share,
        max_cost,
        cost_per_contact: 0.1,
        ..ContactList::default()
    };
    for (list, n) in [
        (list(0, 0.0, 0.0), 100),
        (list(7, 0.0, 0.0), 7),
        (list(50, 0.29, 0.0), 29),
        (list(50, 0.29, 0.3), 3),
        (list(1000, 1.0, 1e9), 100),
        (list(0, 0.001, 0.0), 0),
    ] {
        let made = contacts(&list, &[]);
        assert_eq!(made.rows.len(), n, "{list:?}");
        assert!(made.rows.iter().copied().eq(0..n as u32), "{list:?}");
    }
}

#[test]
fn who_must_not_be_contacted_is_not_and_is_counted() {
    let list = ContactList {
        max_customers: 3,
        min_score: Some(0.5),
        ..ContactList::default()
    };
    let made = contacts(&list, &["c00", "c02", "c99", "nobody"]);
    assert_eq!(made.rows, [1, 3, 4]);
    assert_eq!(made.n_blocked, 3);
    let all = ContactList {
        min_score: Some(0.5),
        ..ContactList::default()
    };
    assert_eq!(contacts(&all, &["c00"]).rows.len(), 50);
}

#[test]
fn what_is_expected_is_the_sum_of_the_list() {
    let list = ContactList {
        max_customers: 20,
        cost_per_contact: 2.0,
        value_per_positive: 50.0,
        success_rate: Some(0.2),
        ..ContactList::default()
    };
    let made = contacts(&list, &[]);
    assert_eq!(made.expected.len(), 10);
    let first = made.expected[0];
    assert_eq!(first.contacted, 2);
    assert!((first.expected - 1.99).abs() < 1e-12);
    let end = made.end();
    let sum: f64 = (0..20).map(|i| f64::from(100 - i) / 100.0).sum();
    assert_eq!((end.contacted, end.share, end.cost), (20, 0.2, 40.0));
    assert!((end.expected - sum).abs() < 1e-12);
    assert!((end.reached - sum / 50.5).abs() < 1e-12);
    assert!((end.gain - sum * 10.0).abs() < 1e-9);
    assert!((end.profit.unwrap() - (sum * 10.0 - 40.0)).abs() < 1e-9);

    let in_positives = contacts(&ContactList::default(), &[]);
    assert_eq!(in_positives.end().profit, None);
    assert!((in_positives.end().gain - 50.5).abs() < 1e-9);
    let nobody = contacts(
        &ContactList {
            min_score: Some(2.0),
            ..list
        },
        &[],
    );
    assert_eq!(nobody.end().contacted, 0);
    assert_eq!(nobody.end().reached, 0.0);
}

#[test]
fn ties_go_by_margin_then_customer_and_a_customer_is_listed_once() {
    let ids = StringArray::from(vec![
        Some("b"),
        Some("a"),
        Some("c"),
        None,
        Some("a"),
        Some("d"),
    ]);
    let items = StringArray::from(vec!["x", "y", "x", "x", "x", "x"]);
    let scores = [0.5, 0.5, 0.5, 0.9, 0.5, 0.7];
    let margins = Float64Array::from(vec![0.0, 0.0, 0.1, 5.0, 0.0, 1.0]);
    let mut subjects = Subjects::new(true);
    subjects.add(&scores, &margins, &ids, Some(&items)).unwrap();
    let ranks = Ranks::of(&subjects).unwrap();
    assert_eq!(ranks.order(), [3, 5, 2, 4, 1, 0]);
    assert_eq!(ranks.customers(), 4);
    let of = |list: &ContactList| {
        Contacts::of(list, Outcome::Binary, &HashSet::new(), &subjects, &ranks).rows
    };
    assert_eq!(of(&ContactList::default()), [5, 2, 4, 0]);
    let each = ContactList {
        each_item: true,
        ..ContactList::default()
    };
    assert_eq!(of(&each), [5, 2, 4, 1, 0]);
    assert_eq!((ranks.decile(3), ranks.decile(0)), (1, 9));
}

#[test]
fn yes_is_true_yes_or_1() {
    for yes in ["true", "Yes", " y ", "1", "1.0", "T"] {
        assert_eq!(says_yes(yes), Some(true), "{yes}");
    }
    for no in ["false", "no", "0", "", "0.0", "N"] {
        assert_eq!(says_yes(no), Some(false), "{no}");
    }
    for neither in ["maybe", "2", "gold"] {
        assert_eq!(says_yes(neither), None, "{neither}");
    }
}
