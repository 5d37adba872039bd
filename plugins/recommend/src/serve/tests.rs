//! Checks variety, what is borrowed and what is popular with whom against plain programs.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use lode_plugin::Inputs;
use lode_plugin::Role;
use lode_plugin::testing;

use crate::ItemKnn;
use crate::Popular;
use crate::testdata::Asked;
use crate::testdata::Shop;
use crate::testdata::answers;
use crate::testdata::asked;
use crate::testdata::reasons;
use crate::testdata::similar;

/// All similarities of a model, by both items.
fn likeness(fit: &testing::Fit, names: &[&str]) -> BTreeMap<(String, String), f64> {
    let model = fit.model.as_deref().unwrap();
    let found = testing::score::<ItemKnn>("{}", model, similar(names, &[], 1000), 1, 1).unwrap();
    let mut all = BTreeMap::new();
    for (at, name) in names.iter().enumerate() {
        for (item, score) in plain(&found, at as i64) {
            all.insert(((*name).to_owned(), item), score);
        }
    }
    all
}

/// Item and score of the rows of a request.
fn plain(batch: &RecordBatch, request: i64) -> Vec<(String, f64)> {
    let requests = batch["request"].as_primitive::<arrow_array::types::Int64Type>();
    let items = batch["item"].as_string::<i32>();
    let scores = batch["score"].as_primitive::<Float64Type>();
    (0..batch.num_rows())
        .filter(|row| requests.value(*row) == request)
        .map(|row| (items.value(row).to_owned(), scores.value(row)))
        .collect()
}

#[test]
fn variety_is_maximal_marginal_relevance() {
    let shop = Shop::drawn(80, 25, 21);
    let inputs = Inputs::new().with("events", shop.events.clone().into());
    let fit = testing::fit::<ItemKnn>("{}", inputs, 1, 1).unwrap();
    let names: BTreeSet<String> = shop.catalogue();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let like = likeness(&fit, &names);
    let model = fit.model.as_deref().unwrap();
    for customer in ["c001", "c030", "c064"] {
        for diversity in [0.1, 0.5, 0.9] {
            let ask = |diversity| Asked {
                customer: Some(customer),
                limit: 1000,
                diversity,
                ..Asked::default()
            };
            let both = asked(&[ask(None), ask(Some(diversity))]);
            let found = testing::score::<ItemKnn>("{}", model, both, 1, 1).unwrap();
            let mut left = answers(&found, 0).0;
            let (high, low) = (left[0].1, left[left.len() - 1].1);
            let mut expected: Vec<(String, f64)> = Vec::new();
            while !left.is_empty() {
                let value = |offer: &(String, f64)| {
                    let relevance = (offer.1 - low) / (high - low);
                    let nearest = expected.iter().map(|chosen| {
                        let pair = (chosen.0.clone(), offer.0.clone());
                        like.get(&pair).copied().unwrap_or(0.0)
                    });
                    (1.0 - diversity) * relevance - diversity * nearest.fold(0.0, f64::max)
                };
                let mut best = 0;
                for at in 1..left.len() {
                    if value(&left[at]) > value(&left[best]) {
                        best = at;
                    }
                }
                let chosen = left.remove(best);
                expected.push(chosen);
            }
            assert_eq!(answers(&found, 1).0, expected, "{customer} {diversity}");
        }
    }
}

fn texts(list: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(list.to_vec()))
}

/// A shop whose item `x` nobody has.
fn with_new_item() -> Inputs {
    let events = testing::batch(&[
        (
            "who",
            Some(Role::CustomerId),
            texts(&["a", "a", "a", "b", "b", "c", "c", "d"]),
        ),
        (
            "what",
            Some(Role::Item),
            texts(&["p", "q", "r", "p", "q", "q", "r", "s"]),
        ),
    ]);
    let items = testing::batch(&[
        (
            "sku",
            Some(Role::Item),
            texts(&["p", "q", "r", "s", "x", "y"]),
        ),
        (
            "title",
            None,
            texts(&[
                "red lamp",
                "red shade",
                "blue lamp",
                "clock",
                "Red LAMP!",
                "nothing",
            ]),
        ),
    ]);
    Inputs::new()
        .with("events", events.into())
        .with("items", items.into())
}

/// The kin of `x` by hand: likeness to p, q, r.
fn kin_of_x() -> [f64; 3] {
    // Six items; red: p q x, lamp: p r x; the other words are of one item each.
    let worth = (6.0_f64 / 3.0).ln();
    let norm = |words: f64| (words * worth * worth).sqrt();
    [
        2.0 * worth * worth / (norm(2.0) * norm(2.0)),
        worth * worth / (norm(2.0) * norm(1.0)),
        worth * worth / (norm(2.0) * norm(1.0)),
    ]
}

#[test]
fn what_nobody_has_borrows_from_its_kin() {
    let fit = testing::fit::<ItemKnn>("{}", with_new_item(), 1, 1).unwrap();
    assert_eq!(fit.metrics["items_without_events"] as usize, 2);
    let model = fit.model.as_deref().unwrap();
    let ask = Asked {
        customer: Some("c"),
        limit: 10,
        explain: true,
        ..Asked::default()
    };
    let found = testing::score::<ItemKnn>("{}", model, asked(&[ask]), 1, 1).unwrap();
    let offers: BTreeMap<String, f64> = answers(&found, 0).0.into_iter().collect();
    // c has q and r: p by cosine, q and r by each other, s not at all.
    let cosine = |both: f64, one: f64, other: f64| both / (one * other).sqrt();
    let (pq, pr, qr) = (
        cosine(2.0, 2.0, 3.0),
        cosine(1.0, 2.0, 2.0),
        cosine(2.0, 3.0, 2.0),
    );
    let scores = [pq + pr, qr, qr];
    let kin = kin_of_x();
    let sum: f64 = kin.iter().map(|l| l.powi(3)).sum();
    let parts = kin
        .iter()
        .zip(scores)
        .map(|(l, s)| l.powi(3) / (0.05 + sum) * s);
    let expected: f64 = parts.sum();
    assert!((offers["p"] - scores[0]).abs() < 1e-12);
    // Likeness is kept in single precision.
    assert!(
        (offers["x"] - expected).abs() < 1e-6,
        "{} {expected}",
        offers["x"]
    );
    assert!(
        offers["y"] <= offers["s"] && offers["s"] < 1e-9,
        "nothing speaks for them"
    );
    let place = found["item"].as_string::<i32>();
    let x = (0..found.num_rows())
        .find(|row| place.value(*row) == "x")
        .unwrap();
    let (base, why) = reasons(&found).swap_remove(x);
    assert!(base.abs() < 1e-12);
    let bought: Vec<(&str, Option<&str>)> = why
        .iter()
        .map(|part| (part.0.as_str(), part.1.as_deref()))
        .collect();
    assert!(bought.contains(&("bought", Some("q"))) && bought.contains(&("bought", Some("r"))));

    let near = testing::score::<ItemKnn>("{}", model, similar(&["x"], &["q"], 5), 1, 1).unwrap();
    let near = plain(&near, 0);
    let names: Vec<&str> = near.iter().map(|near| near.0.as_str()).collect();
    assert_eq!(names, ["p", "r"]);
    assert!((near[0].1 - 1.0).abs() < 1e-6 && (near[1].1 - kin[2]).abs() < 1e-6);
}

#[test]
fn popular_items_lend_their_shares() {
    let fit = testing::fit::<Popular>("{}", with_new_item(), 1, 1).unwrap();
    let model = fit.model.as_deref().unwrap();
    let ask = Asked {
        limit: 10,
        explain: true,
        ..Asked::default()
    };
    let found = testing::score::<Popular>("{}", model, asked(&[ask]), 1, 1).unwrap();
    let offers: BTreeMap<String, f64> = answers(&found, 0).0.into_iter().collect();
    let kin = kin_of_x();
    let sum: f64 = kin.iter().map(|l| l.powi(3)).sum();
    let shares = [0.5, 0.75, 0.5];
    let parts = kin
        .iter()
        .zip(shares)
        .map(|(l, s)| l.powi(3) / (0.05 + sum) * s);
    let expected: f64 = parts.sum();
    assert!((offers["x"] - expected).abs() < 1e-6);
    assert_eq!(offers["y"].to_bits(), 0, "nothing is known of it");
}

/// Customers of two countries, whose tastes differ, and one of them who has nothing.
fn two_countries() -> Inputs {
    let (mut who, mut what) = (Vec::new(), Vec::new());
    let (mut ids, mut countries) = (vec!["newcomer".to_owned()], vec!["fr"]);
    for at in 0..100 {
        let french = at % 4 == 0;
        ids.push(format!("c{at:02}"));
        countries.push(if french { "fr" } else { "uk" });
        let items: &[&str] = if french {
            &["wine", "tea"]
        } else {
            &["tea", "gin"]
        };
        for item in items.iter().take(1 + usize::from(at % 3 > 0)) {
            who.push(format!("c{at:02}"));
            what.push((*item).to_owned());
        }
    }
    let events = testing::batch(&[
        (
            "who",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(who)),
        ),
        ("what", Some(Role::Item), Arc::new(StringArray::from(what))),
    ]);
    let customers = testing::batch(&[
        (
            "id",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(ids)),
        ),
        ("country", None, Arc::new(StringArray::from(countries))),
    ]);
    Inputs::new()
        .with("events", events.into())
        .with("customers", customers.into())
}

#[test]
fn newcomers_get_what_their_like_have() {
    let ask = |customer, country| Asked {
        customer,
        country,
        limit: 3,
        explain: true,
        ..Asked::default()
    };
    let requests = [
        ask(Some("newcomer"), None),
        ask(Some("nobody"), Some("fr")),
        ask(Some("nobody"), None),
        ask(Some("newcomer"), Some("uk")),
        ask(Some("nobody"), Some("mars")),
    ];
    // By hand: 25 French, 25 with wine, 17 of them with tea; 75 others.
    let n = |of: fn(i32) -> bool| (0..100).filter(|at| of(*at)).count() as f64;
    let tea = n(|at| at % 4 != 0 || at % 3 > 0) / 100.0;
    let shrunk = |found: f64, share: f64| (found + 50.0 * share) / (25.0 + 50.0);
    let wine_of_french = shrunk(25.0, 0.25);
    let tea_of_french = shrunk(n(|at| at % 4 == 0 && at % 3 > 0), tea);

    let fit = testing::fit::<Popular>("{}", two_countries(), 1, 1).unwrap();
    let model = fit.model.as_deref().unwrap();
    let found = testing::score::<Popular>("{}", model, asked(&requests), 1, 1).unwrap();
    let of =
        |request| -> BTreeMap<String, f64> { answers(&found, request).0.into_iter().collect() };
    for request in [0, 1] {
        assert!((of(request)["wine"] - wine_of_french).abs() < 1e-12);
        assert!((of(request)["tea"] - tea_of_french).abs() < 1e-12);
    }
    for request in [2, 4] {
        assert!((of(request)["tea"] - tea).abs() < 1e-12 && !answers(&found, request).1);
    }
    assert!(of(3)["gin"] > of(2)["gin"] && of(3)["wine"] < of(2)["wine"]);
    let why = &reasons(&found)[0].1;
    assert!(
        why.iter()
            .any(|part| part.0 == "customer.country" && part.1.as_deref() == Some("fr"))
    );

    // Those who have something get what all have, unless popularity is told apart for all.
    let known = asked(&[ask(Some("c00"), None)]);
    let plain = testing::score::<Popular>("{}", model, known.clone(), 1, 1).unwrap();
    let segment = r#"{"segment": "country"}"#;
    let fit = testing::fit::<Popular>(segment, two_countries(), 1, 1).unwrap();
    let apart = testing::score::<Popular>(segment, fit.model.as_deref().unwrap(), known, 1, 1);
    let apart = apart.unwrap();
    let tea_of = |batch: &RecordBatch| -> f64 {
        let offers: BTreeMap<String, f64> = answers(batch, 0).0.into_iter().collect();
        offers["tea"]
    };
    assert!((tea_of(&plain) - tea).abs() < 1e-12);
    assert!((tea_of(&apart) - tea_of_french).abs() < 1e-12);
    assert!(reasons(&apart)[0].1.iter().any(|part| part.0 == "segment"));
}
