//! Checks scores against the plain sum of cosines, tastes against what was planted, and the
//! serving path against the fit.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use lode_plugin::Error;
use lode_plugin::Inputs;
use lode_plugin::testing;

use super::ItemKnn;
use crate::testdata::Request;
use crate::testdata::Shop;
use crate::testdata::answers;
use crate::testdata::events;
use crate::testdata::message;
use crate::testdata::offers_of;
use crate::testdata::requests;
use crate::testdata::tastes;

fn fit(params: &str, batch: &RecordBatch) -> lode_plugin::Result<testing::Fit> {
    let inputs = Inputs::new().with("events", batch.clone().into());
    testing::fit::<ItemKnn>(params, inputs, 1, 2)
}

/// Who has what, the plain way.
fn holdings(batch: &RecordBatch) -> BTreeMap<String, BTreeSet<String>> {
    let who = batch["who"].as_string::<i32>();
    let what = batch["what"].as_primitive::<Int64Type>();
    let mut holdings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (who, what) in who.iter().zip(what) {
        let items = holdings.entry(who.unwrap().to_owned()).or_default();
        items.insert(what.unwrap().to_string());
    }
    holdings
}

/// The plain ranking: sum of cosines to owned items, ties by item.
fn plain_offers(
    holdings: &BTreeMap<String, BTreeSet<String>>,
    own: &BTreeSet<String>,
) -> Vec<(String, f64)> {
    let items: BTreeSet<&String> = holdings.values().flatten().collect();
    let count = |a: &String, b: &String| -> f64 {
        let both = holdings.values().filter(|h| h.contains(a) && h.contains(b));
        both.count() as f64
    };
    let mut offers: Vec<(String, f64)> = items
        .iter()
        .filter(|item| !own.contains(**item))
        .map(|item| {
            let cosines = own
                .iter()
                .filter(|o| items.contains(o))
                .map(|o| count(item, o) / (count(item, item) * count(o, o)).sqrt());
            ((*item).clone(), cosines.sum())
        })
        .filter(|offer: &(String, f64)| offer.1 > 0.0)
        .collect();
    offers.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    offers
}

fn check_same(found: &[(String, f64)], expected: &[(String, f64)]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        // Sums in another order may swap near ties; the scores must agree.
        assert!(
            (found.1 - expected.1).abs() < 1e-12,
            "{found:?} {expected:?}"
        );
    }
}

#[test]
fn the_description_is_whole() {
    assert_eq!(testing::check_spec::<ItemKnn>(), Vec::<String>::new());
}

#[test]
fn offers_are_those_of_plain_sums() {
    let batch = tastes(60, 1);
    let holdings = holdings(&batch);
    let fit = fit(r#"{"n": 8}"#, &batch).unwrap();
    for (customer, own) in &holdings {
        let expected = plain_offers(&holdings, own);
        let found = offers_of(fit.table("recommendations"), customer);
        check_same(&found, &expected[..8]);
        assert!(found.iter().all(|offer| !own.contains(&offer.0)));
    }
}

#[test]
fn planted_tastes_are_offered() {
    let batch = tastes(120, 2);
    let fit = fit(r#"{"n": 5}"#, &batch).unwrap();
    let mut right = 0;
    let mut all = 0;
    for customer in 0..120 {
        for (item, _) in offers_of(fit.table("recommendations"), &format!("c{customer}")) {
            all += 1;
            right += usize::from(item.parse::<u64>().unwrap() / 20 == customer % 2);
        }
    }
    assert!(right as f64 > 0.95 * f64::from(all), "{right} of {all}");
}

#[test]
fn similar_items_are_listed_nearest_first() {
    let batch = events(&[
        ("a", "tea"),
        ("a", "pot"),
        ("b", "tea"),
        ("b", "pot"),
        ("c", "tea"),
        ("c", "mug"),
    ]);
    let fit = fit("{}", &batch).unwrap();
    let similar = fit.table("similar_items");
    let texts = |column: &str| -> Vec<String> {
        let column = similar[column].as_string::<i32>();
        column.iter().map(|text| text.unwrap().to_owned()).collect()
    };
    assert_eq!(texts("item"), ["mug", "pot", "tea", "tea"]);
    assert_eq!(texts("similar_item"), ["tea", "tea", "pot", "mug"]);
    assert_eq!(
        similar["both_customers"]
            .as_primitive::<Int64Type>()
            .values()[..],
        [1, 2, 2, 1]
    );
    let scores = similar["score"].as_primitive::<Float64Type>();
    assert!((scores.value(2) - 2.0 / 6.0_f64.sqrt()).abs() < 1e-15);
    let two = testing::fit::<ItemKnn>(
        r#"{"min_both": 2, "neighbors": 1}"#,
        Inputs::new().with("events", batch.into()),
        1,
        1,
    );
    assert_eq!(two.unwrap().table("similar_items").num_rows(), 2);
}

#[test]
fn lists_are_filled_up_with_popular_items() {
    let batch = events(&[
        ("a", "tea"),
        ("a", "pot"),
        ("b", "tea"),
        ("c", "tin"),
        ("d", "tin"),
        ("e", "cup"),
    ]);
    let fit = fit(r#"{"n": 3}"#, &batch).unwrap();
    let found = offers_of(fit.table("recommendations"), "b");
    let names: Vec<&str> = found.iter().map(|offer| offer.0.as_str()).collect();
    assert_eq!(names, ["pot", "tin", "cup"]);
    assert!(found[0].1 > 0.5);
    assert!((found[1].1 - 0.4e-9).abs() < 1e-15 && found[2].1 > 0.0);
    assert!(found.windows(2).all(|pair| pair[0].1 > pair[1].1));
}

#[test]
fn serving_gives_what_the_fit_gave_and_takes_the_session() {
    let batch = tastes(80, 3);
    let holdings = holdings(&batch);
    let fit = fit("{}", &batch).unwrap();
    let model = fit.model.as_deref().unwrap();
    let asked = requests(&[
        (Some("c7"), &[], &[], 10),
        (Some("c7"), &["1", "2", "nothing"], &["3"], 6),
        (Some("nobody"), &[], &[], 4),
        (None, &["25"], &[], 4),
        (Some("nobody"), &["nothing"], &[], 1),
        (Some("c7"), &[], &[], -1),
    ]);
    let found = testing::score::<ItemKnn>("{}", model, asked, 1, 1).unwrap();
    let of_fit = offers_of(fit.table("recommendations"), "c7");
    assert_eq!(answers(&found, 0), (of_fit.clone(), true));
    assert_eq!(answers(&found, 5), (of_fit, true));

    let mut own = holdings["c7"].clone();
    own.extend(["1".to_owned(), "2".to_owned()]);
    let mut expected = plain_offers(&holdings, &own);
    expected.retain(|offer| offer.0 != "3");
    let (session, personal) = answers(&found, 1);
    assert!(personal);
    check_same(&session, &expected[..6]);

    let (popular, personal) = answers(&found, 2);
    assert!(!personal && popular.len() == 4);
    assert_eq!(popular[0].0, "0", "item 0 is in most baskets");
    let (of_session, personal) = answers(&found, 3);
    assert!(personal && of_session.len() == 4);
    assert!(!answers(&found, 4).1);
}

#[test]
fn one_request_leaves_nothing_to_the_next() {
    let fit = fit("{}", &tastes(80, 4)).unwrap();
    let customers = ["c1", "c2", "c1", "c50", "c1", "c2"];
    let asked: Vec<Request<'_>> = customers
        .iter()
        .map(|customer| -> Request<'_> { (Some(customer), &[], &[], 10) })
        .collect();
    let model = fit.model.as_deref().unwrap();
    let found = testing::score::<ItemKnn>("{}", model, requests(&asked), 1, 1).unwrap();
    for (request, customer) in (0..).zip(customers) {
        let expected = offers_of(fit.table("recommendations"), customer);
        assert_eq!(answers(&found, request).0, expected);
    }
}

#[test]
fn bytes_do_not_depend_on_threads_or_batches() {
    let batch = tastes(3_000, 5);
    let run = |rows: usize, threads| {
        let inputs = Inputs::new().with("events", testing::rebatch(&batch, rows));
        testing::fit::<ItemKnn>("{}", inputs, 1, threads).unwrap()
    };
    let one = run(100_000, 1);
    for (rows, threads) in [(100_000, 2), (100_000, 8), (77, 1), (5_000, 8)] {
        let other = run(rows, threads);
        assert_eq!(other.tables, one.tables);
        assert_eq!(other.model, one.model);
    }
}

#[test]
fn bad_input_is_refused() {
    let batch = tastes(10, 6);
    assert_eq!(
        message(fit("{}", &batch.slice(0, 0))),
        "inputs.events: expected at least one row, found none"
    );
    for (params, part) in [
        (r#"{"n": 1001}"#, "params.n: expected 1 to 1000, found 1001"),
        (
            r#"{"neighbors": 0}"#,
            "params.neighbors: expected 1 to 100000, found 0",
        ),
        (r#"{"min_both": 0}"#, "params.min_both"),
        (r#"{"similarity": "cosine"}"#, "unknown field `similarity`"),
    ] {
        let found = message(fit(params, &batch));
        assert!(found.contains(part), "{found}");
    }
    let inputs = Inputs::new().with("events", batch.into());
    let cancelled = testing::fit_cancelled::<ItemKnn>("{}", inputs);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
}

#[test]
fn weights_count_in_likeness_and_in_scores() {
    let shop = Shop::drawn(40, 20, 7);
    let params = r#"{"n": 1000, "weighting": "linear", "kind_weights": {"hate": -2, "view": 0.5}}"#;
    let inputs = Inputs::new().with("events", shop.events.clone().into());
    let fit = testing::fit::<ItemKnn>(params, inputs, 1, 1).unwrap();
    // The plain way: weights of pairs, cosines of what is liked, sums of weight by cosine.
    let text = |name: &str| shop.events[name].as_string::<i32>();
    let pieces = shop.events["pieces"].as_primitive::<Float64Type>();
    let mut weights: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for row in 0..shop.events.num_rows() {
        let kind = match text("kind").value(row) {
            "hate" => -2.0_f64,
            "view" => 0.5,
            _ => 1.0,
        };
        let weight = if pieces.value(row) <= 0.0 {
            -kind.abs()
        } else {
            kind
        };
        let pair = (text("who").value(row), text("what").value(row));
        *weights.entry(pair).or_default() += weight;
    }
    let items: BTreeSet<&str> = weights.keys().map(|pair| pair.1).collect();
    let liked = |who: &str, item: &str| {
        weights
            .iter()
            .find(|(pair, _)| **pair == (who, item))
            .map_or(0.0, |(_, w)| w.max(0.0))
    };
    let who: BTreeSet<&str> = weights.keys().map(|pair| pair.0).collect();
    let product = |a: &str, b: &str| -> f64 { who.iter().map(|w| liked(w, a) * liked(w, b)).sum() };
    let mut checked = 0;
    for customer in who.iter().take(12) {
        let own: Vec<(&str, f64)> = weights
            .iter()
            .filter(|(pair, _)| pair.0 == *customer)
            .map(|(pair, weight)| (pair.1, *weight))
            .collect();
        for (item, score) in offers_of(fit.table("recommendations"), customer) {
            let cosine = |other: &str| {
                let size = (product(&item, &item) * product(other, other)).sqrt();
                if size > 0.0 {
                    product(&item, other) / size
                } else {
                    0.0
                }
            };
            let plain: f64 = own
                .iter()
                .map(|(other, weight)| weight * cosine(other))
                .sum();
            let is_fill = score > 0.0 && score < 1e-8;
            let likes = own.iter().any(|(_, weight)| *weight > 0.0);
            if !is_fill && likes {
                checked += 1;
                assert!(
                    (plain - score).abs() < 1e-5,
                    "{customer} {item} {plain} {score}"
                );
            }
        }
        assert!(own.iter().all(|(item, _)| items.contains(item)));
    }
    assert!(checked > 60, "{checked}");
}
