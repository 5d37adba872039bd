//! Checks offers against planted tastes, the serving path against the fit, and reasons against
//! scores.

use arrow_array::BooleanArray;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use lode_plugin::Error;
use lode_plugin::Inputs;
use lode_plugin::Role;
use lode_plugin::testing;
use std::sync::Arc;

use super::Als;
use crate::testdata::answers;
use crate::testdata::message;
use crate::testdata::offers_of;
use crate::testdata::requests;
use crate::testdata::tastes;

const SMALL: &str = r#"{"factors": 4, "n": 5}"#;

fn fit(params: &str, batch: &RecordBatch) -> lode_plugin::Result<testing::Fit> {
    let inputs = Inputs::new().with("events", batch.clone().into());
    testing::fit::<Als>(params, inputs, 1, 2)
}

/// Requests for reasons.
fn explained(customers: &[&str], limit: i64) -> Inputs {
    let n = customers.len();
    let limits = arrow_array::Int64Array::from(vec![limit; n]);
    let batch = testing::batch(&[
        (
            "customer_id",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(customers.to_vec())),
        ),
        ("limit", None, Arc::new(limits)),
        ("explain", None, Arc::new(BooleanArray::from(vec![true; n]))),
    ]);
    Inputs::new().with("requests", batch.into())
}

#[test]
fn the_description_is_whole() {
    assert_eq!(testing::check_spec::<Als>(), Vec::<String>::new());
}

#[test]
fn planted_tastes_are_offered() {
    let batch = tastes(200, 2);
    for solver in ["auto", "gradient", "cholesky"] {
        let params = format!(r#"{{"factors": 2, "n": 5, "solver": "{solver}"}}"#);
        let fit = fit(&params, &batch).unwrap();
        let (mut right, mut all) = (0, 0);
        for customer in 0..200 {
            for (item, _) in offers_of(fit.table("recommendations"), &format!("c{customer}")) {
                all += 1;
                right += usize::from(item.parse::<u64>().unwrap() / 20 == customer % 2);
            }
        }
        assert_eq!(all, 1000);
        assert!(right > 930, "{solver}: {right} of {all}");
    }
}

#[test]
fn likes_of_the_other_taste_are_far() {
    let fit = fit(SMALL, &tastes(200, 3)).unwrap();
    let similar = fit.table("similar_items");
    let items = similar["item"].as_string::<i32>();
    let others = similar["similar_item"].as_string::<i32>();
    let scores = similar["score"].as_primitive::<Float64Type>();
    let taste = |item: &str| item.parse::<u64>().unwrap() / 20;
    let (mut same, mut n) = (0, 0);
    for row in 0..similar.num_rows() {
        assert_ne!(items.value(row), others.value(row));
        assert!(scores.value(row) < 1.0 + 1e-6);
        // Item 0 is in both.
        let nearest = row == 0 || items.value(row) != items.value(row - 1);
        if nearest && items.value(row) != "0" && others.value(row) != "0" {
            n += 1;
            same += usize::from(taste(items.value(row)) == taste(others.value(row)));
        }
    }
    assert!(n > 30 && same + 2 >= n, "{same} of {n}");
}

#[test]
fn serving_gives_what_the_fit_gave_and_takes_the_session() {
    let fit = fit(SMALL, &tastes(80, 3)).unwrap();
    let model = fit.model.as_deref().unwrap();
    let asked = requests(&[
        (Some("c7"), &[], &[], 5),
        (Some("c7"), &["1", "2", "3"], &["25"], 40),
        (Some("nobody"), &[], &[], 4),
        (None, &["25", "31"], &[], 4),
    ]);
    let found = testing::score::<Als>(SMALL, model, asked, 1, 1).unwrap();
    let of_fit = offers_of(fit.table("recommendations"), "c7");
    assert_eq!(answers(&found, 0), (of_fit, true));
    let (session, personal) = answers(&found, 1);
    let has = |item: &str| session.iter().any(|offer| offer.0 == item);
    assert!(personal && !has("1") && !has("25") && session.len() < 37);
    assert!(!answers(&found, 2).1, "popular items for a stranger");
    let (offers, personal) = answers(&found, 3);
    assert!(personal && offers.len() == 4);
    let own = |offer: &&(String, f64)| offer.0.parse::<u64>().unwrap() >= 20 || offer.0 == "0";
    assert_eq!(offers.iter().filter(own).count(), 4);
}

#[test]
fn reasons_are_items_of_the_history_and_add_up() {
    let fit = fit(SMALL, &tastes(80, 5)).unwrap();
    let model = fit.model.as_deref().unwrap();
    let found = testing::score::<Als>(SMALL, model, explained(&["c1", "c2"], 35), 1, 1).unwrap();
    let scores = found["score"].as_primitive::<Float64Type>();
    let bases = found["base"].as_primitive::<Float64Type>();
    let lists = found["contributions"].as_list::<i32>();
    assert!(found.num_rows() > 50);
    for row in 0..found.num_rows() {
        let reasons = lists.value(row);
        let reasons = reasons.as_struct();
        let parts = reasons
            .column_by_name("contribution")
            .unwrap()
            .as_primitive::<Float64Type>();
        let names = reasons.column_by_name("feature").unwrap();
        assert!(
            names
                .as_string::<i32>()
                .iter()
                .all(|name| name == Some("bought"))
        );
        assert!(parts.len() >= 2);
        let (score, base) = (scores.value(row), bases.value(row));
        let sum: f64 = parts.values().iter().sum();
        assert!((base + sum - score).abs() <= 1e-9 * score.abs().max(1e-3));
        assert!(base.abs() < 1e-5, "what rounding leaves, not {base}");
    }
}

#[test]
fn what_is_disliked_speaks_against_what_is_like_it() {
    // Everybody has one of two tastes; one customer dislikes an item of the first.
    let mut who = Vec::new();
    let mut what = Vec::new();
    let mut kinds = Vec::new();
    let mut push = |customer: String, item: u32, kind: &'static str| {
        who.push(customer);
        what.push(format!("i{item}"));
        kinds.push(kind);
    };
    for customer in 0..40 {
        for item in 0..4 {
            push(
                format!("c{customer}"),
                (customer % 2) * 5 + (customer / 2 + item) % 5,
                "buy",
            );
        }
    }
    for customer in ["plain", "critic"] {
        push(customer.to_owned(), 0, "buy");
        push(customer.to_owned(), 5, "buy");
    }
    push("critic".to_owned(), 1, "complaint");
    let batch = testing::batch(&[
        (
            "who",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(who)),
        ),
        ("what", Some(Role::Item), Arc::new(StringArray::from(what))),
        (
            "kind",
            Some(Role::EventKind),
            Arc::new(StringArray::from(kinds)),
        ),
    ]);
    let params = r#"{"factors": 2, "n": 8, "kind_weights": {"complaint": -3}}"#;
    let fit = fit(params, &batch).unwrap();
    let of = |customer: &str| -> f64 {
        let offers = offers_of(fit.table("recommendations"), customer);
        assert!(customer != "critic" || offers.iter().all(|offer| offer.0 != "i1"));
        let first = |offer: &&(String, f64)| ["i2", "i3", "i4"].contains(&&*offer.0);
        offers.iter().filter(first).map(|offer| offer.1).sum()
    };
    assert!(
        of("critic") < 0.7 * of("plain"),
        "{} {}",
        of("critic"),
        of("plain")
    );
}

#[test]
fn bytes_do_not_depend_on_threads_or_batches() {
    let batch = tastes(3_000, 5);
    let run = |rows: usize, threads| {
        let inputs = Inputs::new().with("events", testing::rebatch(&batch, rows));
        testing::fit::<Als>(r#"{"factors": 12, "rounds": 3}"#, inputs, 1, threads).unwrap()
    };
    let one = run(100_000, 1);
    for (rows, threads) in [(100_000, 2), (5_000, 8)] {
        let other = run(rows, threads);
        assert_eq!(other.tables, one.tables);
        assert_eq!(other.model, one.model);
    }
}

#[test]
fn bad_input_is_refused_and_little_input_is_not() {
    let batch = tastes(10, 6);
    for (params, part) in [
        (
            r#"{"factors": 0}"#,
            "params.factors: expected 1 to 1024, found 0",
        ),
        (r#"{"rounds": 0}"#, "params.rounds"),
        (r#"{"regularization": 0}"#, "params.regularization"),
        (r#"{"unobserved": 0}"#, "params.unobserved"),
        (r#"{"frequency": 3}"#, "params.frequency"),
        (r#"{"alpha": 3}"#, "unknown field `alpha`"),
    ] {
        let found = message(fit(params, &batch));
        assert!(found.contains(part), "{found}");
    }
    let inputs = Inputs::new().with("events", batch.clone().into());
    let cancelled = testing::fit_cancelled::<Als>("{}", inputs);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    // One customer with one item, and fewer items than factors.
    let one = fit("{}", &batch.slice(0, 1)).unwrap();
    assert_eq!(one.table("recommendations").num_rows(), 0);
    let model = one.model.unwrap();
    for cut in [model.len() - 1, model.len() / 2, 3] {
        let asked = requests(&[(None, &[], &[], 1)]);
        let found = testing::score::<Als>("{}", &model[..cut], asked, 1, 1);
        assert!(matches!(found, Err(Error::Model { .. })), "{found:?}");
    }
}
