//! Online answers: scores with reasons, recommendations, and the customer with what jobs wrote.

use std::sync::Arc;

use anyhow::Result;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::value::Kind;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

const N_CUSTOMERS: usize = 600;

/// Customers of whom those with many calls leave; every fiftieth has no count of calls.
async fn load_customers(client: &Client) -> Result<()> {
    let ids = (0..N_CUSTOMERS)
        .map(|n| Some(format!("p{n}")))
        .collect::<StringArray>();
    let calls = (0..N_CUSTOMERS).map(|n| (n % 50 != 49).then_some((n % 10) as f64));
    let left = (0..N_CUSTOMERS).map(|n| {
        Some(if n % 10 + (n / 10) % 3 >= 8 {
            "yes"
        } else {
            "no"
        })
    });
    let columns = vec![
        wire::key("customer"),
        wire::column("calls", v1::Type::Float64, v1::Role::Unspecified),
        wire::column("left", v1::Type::String, v1::Role::Label),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("customer", Arc::new(ids) as _, true),
        (
            "calls",
            Arc::new(calls.collect::<Float64Array>()) as _,
            true,
        ),
        ("left", Arc::new(left.collect::<StringArray>()) as _, true),
    ])?;
    wire::load(
        client,
        "people",
        v1::DatasetKind::Customers,
        columns,
        &[batch],
    )
    .await
}

fn customer(id: &str) -> v1::GetCustomerRequest {
    v1::GetCustomerRequest {
        name: format!("{}/customers/{id}", wire::TENANT),
        ..v1::GetCustomerRequest::default()
    }
}

#[tokio::test]
async fn a_score_is_the_sum_of_its_reasons_and_is_written_back() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_customers(&client).await?;
    let mut spec = work::spec("churn.logistic", "customers", "people");
    spec.write_back = true;
    let job = work::run(&client, "churn", spec).await?;
    assert_eq!(job.written_back, u64::try_from(N_CUSTOMERS)?);

    let mut customers = vec!["p9".to_owned(), "p49".to_owned(), "nobody".to_owned()];
    let request = v1::ScoreRequest {
        model: job.models[0].clone(),
        customers: customers.clone(),
        explain: true,
        ..v1::ScoreRequest::default()
    };
    let results = client.score(request).await?.results;
    let named = results
        .iter()
        .map(|result| result.customer.clone())
        .collect::<Vec<_>>();
    assert_eq!(named, customers);
    let unknown = results[2].error.as_ref().expect("nobody is not there");
    assert_eq!(unknown.reason, "CUSTOMER_NOT_FOUND");
    customers.pop();

    let scores = work::output_of(&client, &job, "scores").await?;
    let ids = wire::texts(&scores, "customer_id")?;
    let values = wire::numbers(&scores, "score")?;
    for result in &results[..2] {
        let total: f64 = result
            .reasons
            .iter()
            .map(|reason| reason.contribution)
            .sum();
        assert!(
            (result.base + total - result.margin).abs() < 1e-9,
            "{result:?}"
        );
        let at = ids
            .iter()
            .position(|id| *id == result.customer)
            .expect("every customer has a row");
        assert!((values[at] - result.score).abs() < 1e-12, "{result:?}");

        let found = client
            .get_customer(customer(&result.customer))
            .await?
            .customer
            .expect("answers");
        assert_eq!(found.records.len(), 1);
        let tag = found
            .tags
            .iter()
            .find(|tag| tag.kind() == v1::TagKind::Score)
            .expect("a score");
        assert_eq!(tag.job, job.name);
        let Some(Kind::DoubleValue(written)) = tag.value.clone().unwrap_or_default().kind else {
            panic!("a score is a number: {tag:?}");
        };
        assert!((written - result.score).abs() < 1e-12, "{tag:?}");
    }
    let error = client
        .get_customer(customer("nobody"))
        .await
        .expect_err("nobody is not there");
    assert!(error.has_reason("CUSTOMER_NOT_FOUND"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_row_that_is_no_customer_is_scored_too() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_customers(&client).await?;
    let job = work::run(
        &client,
        "churn",
        work::spec("churn.logistic", "customers", "people"),
    )
    .await?;
    let row = |calls: f64| v1::Row {
        values: [(
            "calls".to_owned(),
            v1::Value {
                kind: Some(Kind::DoubleValue(calls)),
            },
        )]
        .into(),
    };
    let request = v1::ScoreRequest {
        model: job.models[0].clone(),
        rows: vec![row(0.0), row(9.0)],
        ..v1::ScoreRequest::default()
    };
    let results = client.score(request).await?.results;
    assert!(
        results[0].score < 0.2 && results[1].score > 0.6,
        "{results:?}"
    );
    Ok(())
}

/// Two tastes: those of group a buy a0 to a4, those of group b b0 to b4; each misses one item.
async fn load_purchases(client: &Client) -> Result<()> {
    let (mut buyers, mut items) = (Vec::new(), Vec::new());
    for n in 0..200 {
        let group = if n % 3 == 0 { "b" } else { "a" };
        for item in 0..5 {
            if item != n % 5 {
                buyers.push(Some(format!("p{n}")));
                items.push(Some(format!("{group}{item}")));
            }
        }
    }
    let columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("item", v1::Type::String, v1::Role::Item),
    ];
    let batch = RecordBatch::try_from_iter([
        (
            "customer",
            Arc::new(buyers.into_iter().collect::<StringArray>()) as _,
        ),
        (
            "item",
            Arc::new(items.into_iter().collect::<StringArray>()) as _,
        ),
    ])?;
    wire::load(client, "bought", v1::DatasetKind::Events, columns, &[batch]).await
}

#[tokio::test]
async fn a_customer_is_offered_what_is_missing() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_purchases(&client).await?;
    let job = work::run(
        &client,
        "knn",
        work::spec("recommend.item-knn", "events", "bought"),
    )
    .await?;
    let request = |customer: &str| v1::RecommendRequest {
        model: job.models[0].clone(),
        customer: customer.to_owned(),
        limit: 3,
        ..v1::RecommendRequest::default()
    };
    // p7 is of group a and misses a2; p3 is of group b and misses b3.
    for (customer, missing) in [("p7", "a2"), ("p3", "b3")] {
        let answer = client.recommend(request(customer)).await?;
        assert!(answer.personal, "{customer}");
        assert_eq!(answer.items[0].item, missing, "{customer}");
    }
    let stranger = client.recommend(request("stranger")).await?;
    assert!(!stranger.personal);
    assert_eq!(stranger.items.len(), 3);
    assert!(
        stranger.items.iter().all(|item| item.item.starts_with('a')),
        "{stranger:?}"
    );

    let mut known = request("stranger");
    known.session_items = vec!["b0".to_owned(), "b1".to_owned()];
    known.exclude_items = vec!["b2".to_owned()];
    let answer = client.recommend(known).await?;
    assert!(answer.personal);
    // The two that are left of the taste, in whichever order.
    let mut items = answer.items[..2]
        .iter()
        .map(|item| &*item.item)
        .collect::<Vec<_>>();
    items.sort_unstable();
    assert_eq!(items, ["b3", "b4"]);

    let engine = engine.restart()?;
    let client = engine.client()?;
    assert_eq!(
        client.recommend(request("p7")).await?.items[0].item,
        "a2",
        "after a restart"
    );
    Ok(())
}

/// As many rows of calls as are named.
fn calls(counts: &[f64]) -> Result<v1::Chunk> {
    let counts: Float64Array = counts.iter().copied().map(Some).collect();
    let batch = RecordBatch::try_from_iter([("calls", Arc::new(counts) as _)])?;
    wire::arrow_chunk(&batch)
}

#[tokio::test]
async fn an_arrow_table_is_scored_as_its_rows_are() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_customers(&client).await?;
    let spec = work::spec("churn.logistic", "customers", "people");
    let job = work::run(&client, "churn", spec).await?;
    let asked = |table: Option<v1::Chunk>, rows: Vec<v1::Row>| v1::ScoreRequest {
        model: job.models[0].clone(),
        table,
        rows,
        explain: true,
        ..v1::ScoreRequest::default()
    };
    let counts: Vec<f64> = (0..200).map(|n| f64::from(n % 11) / 2.0).collect();
    let rows = counts.iter().map(|count| v1::Row {
        values: [(
            "calls".to_owned(),
            v1::Value {
                kind: Some(Kind::DoubleValue(*count)),
            },
        )]
        .into(),
    });
    let by_rows = client.score(asked(None, rows.collect())).await?;
    let by_table = client
        .score(asked(Some(calls(&counts)?), Vec::new()))
        .await?;
    assert_eq!(by_rows.results.len(), counts.len());
    assert_eq!(by_rows, by_table);

    let refused = async |table: v1::Chunk| {
        let error = client.score(asked(Some(table), Vec::new())).await;
        error.expect_err("a table that does not fit")
    };
    let words: StringArray = ["many"].into_iter().map(Some).collect();
    let wrong = RecordBatch::try_from_iter([("calls", Arc::new(words) as _)])?;
    let error = refused(wire::arrow_chunk(&wrong)?).await;
    assert!(error.has_reason("WRONG_TYPE"), "{error}");
    let other =
        RecordBatch::try_from_iter([("visits", Arc::new(Float64Array::from(vec![1.0])) as _)])?;
    let error = refused(wire::arrow_chunk(&other)?).await;
    assert!(error.has_reason("UNKNOWN_COLUMN"), "{error}");
    assert!(error.to_string().contains("visits"), "{error}");
    let mut damaged = calls(&counts)?;
    damaged.crc32c = Some(1);
    let error = refused(damaged).await;
    assert!(error.has_reason("CHECKSUM_MISMATCH"), "{error}");
    let error = refused(wire::csv_chunk("1\n")).await;
    assert!(error.to_string().contains("FORMAT_ARROW_STREAM"), "{error}");
    let error = refused(calls(&vec![1.0; 20_000])?).await;
    assert!(error.to_string().contains("found 20000"), "{error}");
    Ok(())
}

#[tokio::test]
async fn calls_that_wait_together_are_answered_as_alone() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_customers(&client).await?;
    let spec = work::spec("churn.logistic", "customers", "people");
    let job = work::run(&client, "churn", spec).await?;
    let asked = |n: usize| v1::ScoreRequest {
        model: job.models[0].clone(),
        customers: (n..n + n % 4).map(|n| format!("p{n}")).collect(),
        // Calls with and without reasons have tables of two kinds.
        explain: n.is_multiple_of(3),
        ..v1::ScoreRequest::default()
    };
    let numbers = || (1..300).filter(|n| n % 4 > 0);
    let mut alone = Vec::new();
    for n in numbers() {
        alone.push(client.score(asked(n)).await?);
    }
    let mut running = tokio::task::JoinSet::new();
    for (at, n) in numbers().enumerate() {
        let (client, request) = (client.clone(), asked(n));
        running.spawn(async move { (at, client.score(request).await) });
    }
    while let Some(done) = running.join_next().await {
        let (at, answer) = done?;
        assert_eq!(answer?, alone[at]);
    }
    Ok(())
}
