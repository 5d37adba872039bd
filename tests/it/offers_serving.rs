//! Offers as a shop gets them: by rules and filters over what is in stock now, with what a customer
//! did a moment ago, with reasons.
//!
//! Two tastes are planted: customers of group a buy a0 to a4, those of group b b0 to b4; each misses
//! one item of the own taste, which the model has to find.

mod batch;
mod impressions;
mod shop;

use std::collections::BTreeSet;

use anyhow::Result;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

use shop::items;
use shop::reasons;
use shop::request;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_filters_hold_on_what_is_there_now() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    shop::load(&client).await?;
    let model = shop::model(&client, "ruled", shop::RULES, 0.0).await?;
    let ask = |customer: &str, filter: &str| v1::RecommendRequest {
        filter: filter.to_owned(),
        ..request(&model, customer)
    };

    // p7 is a grown-up of taste a who misses a2. b1 is not in stock.
    let answer = client.recommend(ask("p7", "")).await?;
    assert_eq!(answer.items[0].item, "a2");
    let found: BTreeSet<&str> = answer.items.iter().map(|item| &*item.item).collect();
    assert_eq!(found, BTreeSet::from(["a2", "b0", "b2", "b3", "b4"]));
    assert_eq!(reasons(&answer.notes), ["FEWER_LEFT"]);
    assert!(answer.personal);
    // p4 is 12 and misses a4; b2 is for adults, of b3 it is not known.
    let answer = client.recommend(ask("p4", "")).await?;
    let found: BTreeSet<&str> = answer.items.iter().map(|item| &*item.item).collect();
    assert_eq!(found, BTreeSet::from(["a4", "b0", "b4"]));
    // p5 is not to be contacted; nothing is known of p8.
    for (customer, words) in [("p5", "does not hold"), ("p8", "missing of this customer")] {
        let answer = client.recommend(ask(customer, "")).await?;
        assert_eq!(items(&answer.items), [""; 0], "{customer}");
        assert_eq!(reasons(&answer.notes), ["NO_OFFERS_BY_RULE"]);
        let message = &answer.notes[0].message;
        assert!(message.contains("do_not_contact"), "{message}");
        assert!(message.contains(words), "{message}");
    }

    for (filter, expected) in [
        ("price < 5", vec!["a2"]),
        ("price < 5 and category = lamps", vec![]),
        ("customer.age < 18 or price between 2 and 3", vec!["a2"]),
        ("category in (books, games) and price >= 13", vec!["b3"]),
        ("since >= 2025-01-01", vec!["b0", "b2", "b4"]),
    ] {
        let answer = client.recommend(ask("p7", filter)).await?;
        let mut found = items(&answer.items);
        let mut expected = expected;
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{filter}");
    }
    let none = client.recommend(ask("p7", "price < 0")).await?;
    assert_eq!(reasons(&none.notes), ["NONE_LEFT"]);
    assert!(none.personal, "the history is there, the items are not");

    // The stock changes, and with it the answer; no model is made anew.
    let put = |stock: u32| format!("a2,3.0,{stock},false,books,2024-05-01\n");
    shop::put(&client, "goods", "sold-out", &put(0)).await?;
    let answer = client.recommend(ask("p7", "")).await?;
    assert!(!items(&answer.items).contains(&"a2"), "{answer:?}");
    shop::put(&client, "goods", "back", &put(9)).await?;
    let answer = client.recommend(ask("p7", "")).await?;
    assert_eq!(answer.items[0].item, "a2");
    let line = "p5,30,no\n";
    shop::put(&client, "people", "consent", line).await?;
    let answer = client.recommend(ask("p5", "")).await?;
    assert_eq!(answer.items[0].item, "a0");

    let mut wide = ask("p7", "");
    wide.limit = 1000;
    assert_eq!(client.recommend(wide).await?.items.len(), 5);

    let engine = engine.restart()?;
    let client = engine.client()?;
    let answer = client.recommend(ask("p4", "price > 1")).await?;
    let found: BTreeSet<&str> = answer.items.iter().map(|item| &*item.item).collect();
    assert_eq!(found, BTreeSet::from(["a4", "b0", "b4"]), "after a restart");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_filter_or_rule_says_where() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    shop::load(&client).await?;
    let model = shop::model(&client, "plain", &[], 0.0).await?;
    for (filter, reason, words) in [
        ("price >", "INVALID_FILTER", "at letter 8: expected a value"),
        ("price = cheap", "INVALID_FILTER", "expected a number"),
        ("colour = red", "COLUMN_NOT_FOUND", "price, stock, adult"),
        (
            "customer.name = x",
            "COLUMN_NOT_FOUND",
            "age, do_not_contact",
        ),
    ] {
        let request = v1::RecommendRequest {
            filter: filter.to_owned(),
            ..request(&model, "p7")
        };
        let error = client.recommend(request).await.unwrap_err();
        assert!(error.has_reason(reason), "{filter}: {error}");
        assert!(error.to_string().contains(words), "{filter}: {error}");
    }
    let mut spec = shop::spec(&["stock > 0", "stock >< 3"], 0.0);
    let error = work::create(&client, "wrong", spec.clone())
        .await
        .unwrap_err();
    assert!(error.has_reason("INVALID_FILTER"), "{error}");
    assert!(
        format!("{error:?}").contains("spec.offering.rules[1]"),
        "{error:?}"
    );
    spec.offering = Some(v1::Offering {
        control_share: 0.95,
        ..v1::Offering::default()
    });
    let error = work::create(&client, "wrong", spec.clone())
        .await
        .unwrap_err();
    assert!(error.has_reason("OUT_OF_RANGE"), "{error}");
    spec.offering = Some(v1::Offering {
        rules: vec!["stock > 0".to_owned()],
        ..v1::Offering::default()
    });
    let error = work::create(&client, "wrong", spec).await.unwrap_err();
    assert!(error.has_reason("NO_ITEMS"), "{error}");
    let mut other = work::spec("segment.kmeans", "customers", "people");
    other.offering = Some(v1::Offering::default());
    let error = work::create(&client, "wrong", other).await.unwrap_err();
    assert!(error.has_reason("NOT_A_RECOMMENDER"), "{error}");

    let bare = work::spec("recommend.item-knn", "events", "bought");
    let bare = work::run(&client, "bare", bare).await?.models[0].clone();
    let filtered = v1::RecommendRequest {
        filter: "price < 5".to_owned(),
        ..request(&bare, "p7")
    };
    let error = client.recommend(filtered).await.unwrap_err();
    assert!(error.has_reason("NO_ITEMS"), "{error}");
    let wild = v1::RecommendRequest {
        diversity: 1.5,
        ..request(&bare, "p7")
    };
    let error = client.recommend(wild).await.unwrap_err();
    assert!(error.has_reason("OUT_OF_RANGE"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_bought_a_moment_ago_counts() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    shop::load(&client).await?;
    let mut spec = shop::spec(&[], 0.0);
    spec.params
        .insert("kind_weights".to_owned(), shop::weights("return", -1.0));
    let model = work::run(&client, "fresh", spec).await?.models[0].clone();
    let ask = |customer: &str| client.recommend(request(&model, customer));

    assert_eq!(ask("p7").await?.items[0].item, "a2");
    shop::buy(&client, "one", "p7", &["a2"]).await?;
    let answer = ask("p7").await?;
    assert!(!items(&answer.items).contains(&"a2"), "{answer:?}");
    let mut again = request(&model, "p7");
    again.allow_owned = true;
    let answer = client.recommend(again.clone()).await?;
    assert!(items(&answer.items).contains(&"a2"), "a repeat purchase");

    let stranger = ask("stranger").await?;
    assert!(!stranger.personal);
    shop::buy(&client, "two", "stranger", &["b0", "b1"]).await?;
    let answer = ask("stranger").await?;
    assert!(answer.personal);
    let mut first = items(&answer.items)[..3].to_vec();
    first.sort_unstable();
    assert_eq!(first, ["b2", "b3", "b4"]);
    // Nobody else is moved.
    assert_eq!(ask("p2").await?.items[0].item, "a2");

    // A return is of something that they have and do not want: it is not offered again.
    let line = "p3,b3,2025-07-03T10:00:00Z,1,return\n";
    assert_eq!(ask("p3").await?.items[0].item, "b3");
    shop::put(&client, "bought", "return", line).await?;
    assert!(!items(&ask("p3").await?.items).contains(&"b3"));
    // Nothing was bought where no piece was.
    let line = "p12,b2,2025-07-03T10:00:00Z,0,buy\n";
    shop::put(&client, "bought", "nothing", line).await?;
    assert_eq!(ask("p12").await?.items[0].item, "b2");

    // The same once the rows are sorted, and from the start of an engine.
    client
        .compact_dataset(v1::CompactDatasetRequest {
            name: wire::dataset("bought"),
        })
        .await?;
    let engine = engine.restart()?;
    let client = engine.client()?;
    let answer = client.recommend(request(&model, "p7")).await?;
    assert!(!items(&answer.items).contains(&"a2"), "{answer:?}");
    assert!(
        client
            .recommend(request(&model, "stranger"))
            .await?
            .personal
    );
    shop::buy(&client, "three", "p2", &["a2"]).await?;
    let answer = client.recommend(request(&model, "p2")).await?;
    assert!(!items(&answer.items).contains(&"a2"), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reasons_add_up_and_similar_items_are_like() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    shop::load(&client).await?;
    let model = shop::model(&client, "knn", &["stock > 0"], 0.0).await?;
    let mut explained = request(&model, "p7");
    explained.explain = true;
    explained.session_items = vec!["b0".to_owned()];
    let answer = client.recommend(explained).await?;
    assert_eq!(answer.items[0].item, "a2");
    for item in &answer.items {
        let total: f64 = item.reasons.iter().map(|reason| reason.contribution).sum();
        let off = (item.base + total - item.score).abs();
        assert!(off <= 1e-9 * item.score.abs().max(1.0), "{item:?}");
    }
    let because = &answer.items[0].reasons;
    assert_eq!(because[0].feature, "bought");
    assert!(because[0].text.starts_with("because of a"), "{because:?}");

    let similar = |item: &str, filter: &str| v1::SimilarItemsRequest {
        model: model.clone(),
        item: item.to_owned(),
        filter: filter.to_owned(),
        ..v1::SimilarItemsRequest::default()
    };
    let answer = client.similar_items(similar("b2", "")).await?;
    let mut first = items(&answer.items)[..3].to_vec();
    first.sort_unstable();
    assert_eq!(first, ["b0", "b3", "b4"], "b1 is not in stock");
    let answer = client.similar_items(similar("b2", "price = 13")).await?;
    assert_eq!(items(&answer.items), ["b3"]);
    let mut other = similar("b2", "price > 12");
    other.exclude_items = vec!["b3".to_owned()];
    assert_eq!(items(&client.similar_items(other).await?.items), ["b4"]);
    let answer = client.similar_items(similar("zzz", "")).await?;
    assert!(answer.items.is_empty());
    assert_eq!(reasons(&answer.notes), ["UNKNOWN_ITEM"]);

    let told = engine.lode(["similar", "knn", "b2", "--filter", "price = 13"])?;
    assert!(told.text()?.contains("b3"), "{told:?}");
    let args = [
        "recommend",
        "knn",
        "p7",
        "--explain",
        "--filter",
        "price < 5",
    ];
    let told = engine.lode(args)?;
    assert!(told.text()?.contains("because of a"), "{told:?}");
    let args = [
        "recommend",
        "knn",
        "p7",
        "--filter",
        "price < 0",
        "--diversity",
        "0.3",
    ];
    let told = engine.lode(args)?;
    assert!(told.text()?.contains("no items left"), "{told:?}");
    Ok(())
}
