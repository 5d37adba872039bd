//! What every algorithm keeps: who gets what never depends on which one it is.
//!
//! A new algorithm is one more line in [`for_all`].

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use lode_numeric::Rng;
use lode_plugin::Inputs;
use lode_plugin::Mergeable;
use lode_plugin::Role;
use lode_plugin::testing;

use crate::ItemKnn;
use crate::Popular;
use crate::testdata::Asked;
use crate::testdata::Shop;
use crate::testdata::answers;
use crate::testdata::asked;
use crate::testdata::events;
use crate::testdata::message;
use crate::testdata::offers_of;
use crate::testdata::reasons;
use crate::testdata::similar;

/// Weights, decay and everything else that changes scores.
const BUSY: &str = r#"{"n": 7, "half_life": 20, "weighting": "linear",
    "kind_weights": {"view": 0.5, "buy": 2, "hate": -1.5}}"#;

/// Calls a check for every algorithm.
macro_rules! for_all {
    ($check:ident) => {
        $check::<Popular>("{}");
        $check::<Popular>(r#"{"window": 40, "half_life": 30, "segment": "country"}"#);
        $check::<Popular>(BUSY);
        $check::<ItemKnn>("{}");
        $check::<ItemKnn>(r#"{"neighbors": 5, "min_both": 2}"#);
        $check::<ItemKnn>(BUSY);
    };
}

const NOBODY: &[&str] = &["c000", "c001", "c002", "fresh-0", "nobody", "c017"];

/// Many requests, whatever can be asked in them.
fn drawn<'a>(shop: &Shop, names: &'a [String], seed: u64) -> Vec<Asked<'a>> {
    let mut rng = Rng::new(seed);
    let catalogue = shop.catalogue().len() as u64;
    let slice = |rng: &mut Rng, most: u64| -> &'a [String] {
        let from = rng.index(names.len());
        let to = (from + rng.below(most) as usize).min(names.len());
        &names[from..to]
    };
    let list = |part: &'a [String]| -> &'a [&'a str] {
        let part: Vec<&'a str> = part.iter().map(String::as_str).collect();
        Vec::leak(part)
    };
    (0..60)
        .map(|_| Asked {
            customer: rng.chance(0.9).then(|| NOBODY[rng.index(NOBODY.len())]),
            session: list(slice(&mut rng, 4)),
            excluded: list(slice(&mut rng, 8)),
            limit: [1, 3, 10, catalogue as i64, 10_000][rng.index(5)],
            explain: rng.chance(0.5),
            allow_owned: rng.chance(0.3),
            diversity: rng.chance(0.3).then(|| rng.below(11) as f64 / 10.0),
            country: rng.chance(0.3).then(|| ["at", "de", "mars"][rng.index(3)]),
        })
        .collect()
}

fn fit<A: Mergeable>(params: &str, shop: &Shop) -> testing::Fit {
    testing::fit::<A>(params, shop.inputs(), 1, 2).unwrap()
}

fn model(fit: &testing::Fit) -> &[u8] {
    fit.model.as_deref().unwrap()
}

fn names(shop: &Shop) -> Vec<String> {
    let unknown = ["nothing".to_owned()];
    shop.catalogue().into_iter().chain(unknown).collect()
}

fn lists_keep_the_rules<A: Mergeable>(params: &str) {
    let shop = Shop::drawn(60, 30, 11);
    let fit = fit::<A>(params, &shop);
    let names = names(&shop);
    let catalogue = shop.catalogue();
    let requests = drawn(&shop, &names, 5);
    let found = testing::score::<A>(params, model(&fit), asked(&requests), 1, 1).unwrap();
    assert!(
        found["request"]
            .as_primitive::<Int64Type>()
            .values()
            .is_sorted()
    );
    for (at, request) in requests.iter().enumerate() {
        let what = format!("{} {params} {request:?}", A::ID);
        let (offers, _) = answers(&found, at as i64);
        let mut barred: BTreeSet<String> = request
            .excluded
            .iter()
            .map(|item| (*item).to_owned())
            .collect();
        if !request.allow_owned {
            barred.extend(request.customer.map(|c| shop.owned(c)).unwrap_or_default());
            barred.extend(request.session.iter().map(|item| (*item).to_owned()));
        }
        let open: BTreeSet<&String> = catalogue.difference(&barred).collect();
        let items: BTreeSet<&String> = offers.iter().map(|offer| &offer.0).collect();
        assert_eq!(items.len(), offers.len(), "each once: {what}");
        assert!(items.is_subset(&open), "{what}");
        assert_eq!(
            offers.len(),
            open.len().min(request.limit as usize),
            "{what}"
        );
        assert!(offers.iter().all(|offer| offer.1.is_finite()), "{what}");
        if request.diversity.is_none_or(|d| d <= 0.0) {
            let in_order = |pair: &[(String, f64)]| {
                let by_score = pair[1].1.total_cmp(&pair[0].1);
                by_score.then(pair[0].0.cmp(&pair[1].0)).is_lt()
            };
            assert!(offers.windows(2).all(in_order), "{what} {offers:?}");
        }
    }
}

#[test]
fn nothing_owned_or_excluded_is_offered_and_ties_go_by_id() {
    for_all!(lists_keep_the_rules);
}

fn contributions_add_up<A: Mergeable>(params: &str) {
    let shop = Shop::drawn(60, 30, 12);
    let fit = fit::<A>(params, &shop);
    let names = names(&shop);
    let mut requests = drawn(&shop, &names, 6);
    let plain = testing::score::<A>(
        params,
        model(&fit),
        asked(
            &requests
                .iter()
                .map(|request| Asked {
                    explain: false,
                    ..*request
                })
                .collect::<Vec<_>>(),
        ),
        1,
        1,
    )
    .unwrap();
    assert!(plain.column_by_name("contributions").is_none());
    for request in &mut requests {
        request.explain = true;
    }
    let found = testing::score::<A>(params, model(&fit), asked(&requests), 1, 1).unwrap();
    assert_eq!(
        found["item"].as_string::<i32>(),
        plain["item"].as_string::<i32>()
    );
    let scores = found["score"].as_primitive::<Float64Type>();
    for (row, (base, parts)) in reasons(&found).into_iter().enumerate() {
        let sum: f64 = base + parts.iter().map(|part| part.2).sum::<f64>();
        let score = scores.value(row);
        let what = format!("{} {params} {row}: {base} {parts:?} {score}", A::ID);
        assert!(
            (sum - score).abs() <= 1e-9 * score.abs().max(1e-9),
            "{what}"
        );
        let falls = parts.windows(2).all(|two| two[0].2.abs() >= two[1].2.abs());
        assert!(falls, "largest first: {what}");
        let bought = parts.iter().filter(|part| part.0 == "bought");
        for part in bought {
            assert!(
                shop.catalogue().contains(part.1.as_ref().unwrap()),
                "{what}"
            );
        }
    }
}

#[test]
fn base_and_contributions_are_the_score() {
    for_all!(contributions_add_up);
}

fn longer_begins_with_shorter<A: Mergeable>(params: &str) {
    let shop = Shop::drawn(50, 40, 13);
    let fit = fit::<A>(params, &shop);
    for diversity in [None, Some(0.4), Some(1.0)] {
        let ask = |limit| Asked {
            customer: Some("c004"),
            limit,
            diversity,
            ..Asked::default()
        };
        let requests = asked(&[ask(5), ask(12), ask(40), ask(1000)]);
        let found = testing::score::<A>(params, model(&fit), requests, 1, 1).unwrap();
        let (all, _) = answers(&found, 3);
        for request in 0..3 {
            let (some, _) = answers(&found, request);
            assert_eq!(some, all[..some.len()], "{} {params} {diversity:?}", A::ID);
        }
    }
}

#[test]
fn a_longer_list_begins_with_the_shorter_one() {
    for_all!(longer_begins_with_shorter);
}

fn serves_what_it_gave<A: Mergeable>(params: &str) {
    let shop = Shop::drawn(40, 25, 14);
    let fit = fit::<A>(params, &shop);
    let customers = shop.customers["id"].as_string::<i32>();
    let requests: Vec<Asked<'_>> = customers
        .iter()
        .map(|customer| Asked {
            customer,
            ..Asked::default()
        })
        .collect();
    let found = testing::score::<A>(params, model(&fit), asked(&requests), 1, 1).unwrap();
    for (at, customer) in customers.iter().flatten().enumerate() {
        let given = offers_of(fit.table("recommendations"), customer);
        assert!(!given.is_empty());
        assert_eq!(answers(&found, at as i64).0, given, "{} {customer}", A::ID);
    }
}

#[test]
fn serving_gives_what_the_fit_gave() {
    for_all!(serves_what_it_gave);
}

fn same_bytes<A: Mergeable>(params: &str) {
    let shop = Shop::drawn(300, 30, 15);
    let one = testing::fit::<A>(params, shop.inputs(), 1, 1).unwrap();
    for (rows, threads) in [(10_000, 2), (10_000, 8), (37, 3)] {
        let inputs = Inputs::new()
            .with("events", testing::rebatch(&shop.events, rows))
            .with("items", testing::rebatch(&shop.items, rows))
            .with("customers", testing::rebatch(&shop.customers, rows));
        let other = testing::fit::<A>(params, inputs, 1, threads).unwrap();
        assert_eq!(other.tables, one.tables, "{} {params} {threads}", A::ID);
        assert_eq!(other.model, one.model, "{} {params} {threads}", A::ID);
    }
    let half = |batch: &RecordBatch, second: bool| {
        let middle = batch.num_rows() / 2;
        match second {
            false => batch.slice(0, middle),
            true => batch.slice(middle, batch.num_rows() - middle),
        }
    };
    let part = |second| {
        let inputs = Inputs::new()
            .with("events", half(&shop.events, second).into())
            .with("items", half(&shop.items, second).into())
            .with("customers", half(&shop.customers, second).into());
        testing::partial::<A>(params, inputs, 1, 1).unwrap()
    };
    let (left, right) = (part(false), part(true));
    for states in [[&left[..], &right[..]], [&right[..], &left[..]]] {
        let merged = testing::merge::<A>(params, &states).unwrap();
        let found = testing::finish::<A>(params, &merged, 1, 2).unwrap();
        assert_eq!(found.tables, one.tables, "{} {params}", A::ID);
        assert_eq!(found.metrics, one.metrics, "{} {params}", A::ID);
        let payload = |fit: &testing::Fit| fit.model.clone().unwrap().split_off(36);
        assert_eq!(payload(&found), payload(&one), "{} {params}", A::ID);
    }
}

#[test]
fn bytes_do_not_depend_on_threads_batches_or_parts() {
    for_all!(same_bytes);
}

fn similar_keeps_the_rules<A: Mergeable>(params: &str) {
    let shop = Shop::drawn(60, 30, 16);
    let fit = fit::<A>(params, &shop);
    let names = names(&shop);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let excluded = ["i001", "i004", "new-1", "nothing"];
    let asked = similar(&names, &excluded, 6);
    let found = testing::score::<A>(params, model(&fit), asked, 1, 1).unwrap();
    assert!(
        found["request"]
            .as_primitive::<Int64Type>()
            .values()
            .is_sorted()
    );
    let requests = found["request"].as_primitive::<Int64Type>();
    let items = found["item"].as_string::<i32>();
    let scores = found["score"].as_primitive::<Float64Type>();
    let mut of_new = 0;
    for (at, name) in names.iter().enumerate() {
        let rows: Vec<usize> = (0..found.num_rows())
            .filter(|row| requests.value(*row) == at as i64)
            .collect();
        assert!(rows.len() <= 6);
        of_new += rows.len() * usize::from(name.starts_with("new"));
        for row in &rows {
            let item = items.value(*row);
            assert!(item != *name && !excluded.contains(&item));
        }
        let falls = |two: &[usize]| {
            let by_score = scores.value(two[1]).total_cmp(&scores.value(two[0]));
            by_score
                .then(items.value(two[0]).cmp(items.value(two[1])))
                .is_lt()
        };
        assert!(rows.windows(2).all(falls));
    }
    assert!(
        of_new > 0,
        "items without events are like others by attributes"
    );
    let none = similar(&["nothing"], &[], 5);
    let none = testing::score::<A>(params, model(&fit), none, 1, 1).unwrap();
    assert_eq!(none.num_rows(), 0);
}

#[test]
fn similar_items_are_others_in_order() {
    for_all!(similar_keeps_the_rules);
}

fn small_data_is_served<A: Mergeable>(_: &str) {
    // One customer with one item: nothing is left to offer to them, to others the one item.
    let one = Inputs::new().with("events", events(&[("a", "x")]).into());
    let fit = testing::fit::<A>("{}", one, 1, 2).unwrap();
    assert_eq!(fit.table("recommendations").num_rows(), 0);
    let ask = |customer, session| Asked {
        customer,
        session,
        limit: 50,
        explain: true,
        diversity: Some(0.5),
        ..Asked::default()
    };
    let requests = [
        ask(Some("a"), &[][..]),
        ask(Some("b"), &[]),
        ask(None, &["y"]),
        ask(None, &["x"]),
    ];
    let found = testing::score::<A>("{}", model(&fit), asked(&requests), 1, 1).unwrap();
    let counts: Vec<usize> = (0..4).map(|at| answers(&found, at).0.len()).collect();
    assert_eq!(counts, [0, 1, 1, 0]);
    // Events that come twice, customers of one item each, an item with an empty name.
    let pairs = [("a", "x"), ("a", "x"), ("b", ""), ("c", "x"), ("", "z")];
    let inputs = Inputs::new().with("events", events(&pairs).into());
    let fit = testing::fit::<A>(r#"{"n": 1000}"#, inputs, 1, 2).unwrap();
    assert_eq!(offers_of(fit.table("recommendations"), "a").len(), 2);
    assert_eq!(offers_of(fit.table("recommendations"), "").len(), 2);
}

#[test]
fn one_customer_and_one_item_are_enough() {
    small_data_is_served::<Popular>("{}");
    small_data_is_served::<ItemKnn>("{}");
}

fn bad_input_is_named<A: Mergeable>(_: &str) {
    let shop = Shop::drawn(20, 10, 17);
    let try_with = |params: &str, inputs: Inputs| message(testing::fit::<A>(params, inputs, 1, 1));
    let plain = || Inputs::new().with("events", events(&[("a", "x")]).into());
    for (params, part) in [
        (
            r#"{"half_life": 3}"#,
            "expected a column with role event_time, found none",
        ),
        (
            r#"{"kind_weights": {"a": 1}}"#,
            "expected a column with role event_kind, found none",
        ),
        (r#"{"half_life": 0}"#, "params.half_life"),
        (
            r#"{"kind_weights": {"a": 1e9}}"#,
            "params.kind_weights.a: expected -1000000 to 1000000",
        ),
        (
            r#"{"similar": 1001}"#,
            "params.similar: expected 0 to 1000, found 1001",
        ),
        (r#"{"weighting": "square"}"#, "unknown variant `square`"),
    ] {
        let found = try_with(params, plain());
        assert!(found.contains(part), "{found}");
    }
    let hated = try_with(
        r#"{"kind_weights": {"view": -1, "buy": -1, "hate": -1}}"#,
        shop.inputs(),
    );
    assert!(
        hated.contains("expected at least one row that speaks for an item"),
        "{hated}"
    );
    let fit = fit::<A>("{}", &shop);
    let wrong = Asked {
        diversity: Some(1.5),
        ..Asked::default()
    };
    let found = testing::score::<A>("{}", model(&fit), asked(&[wrong]), 1, 1);
    assert_eq!(
        message(found),
        "inputs.requests.diversity: expected 0 to 1, found 1.5"
    );
    let found = testing::score::<A>("{}", model(&fit), Inputs::new(), 1, 1);
    assert!(message(found).contains("named \"requests\" or \"similar\""));
    // A table of requests without a column is as if everything was left open.
    let who = testing::batch(&[(
        "customer_id",
        Some(Role::CustomerId),
        std::sync::Arc::new(StringArray::from(vec!["c001"])),
    )]);
    let bare = Inputs::new().with("requests", who.into());
    let found = testing::score::<A>("{}", model(&fit), bare, 1, 1).unwrap();
    assert_eq!(
        answers(&found, 0).0,
        offers_of(fit.table("recommendations"), "c001")
    );
}

#[test]
fn bad_input_is_refused_by_name() {
    bad_input_is_named::<Popular>("{}");
    bad_input_is_named::<ItemKnn>("{}");
}
