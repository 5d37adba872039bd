//! What cannot be judged: refused by its field where it was asked for, told where it was not.

use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Columns;
use lode_tests::Engine;
use lode_tests::work;

use super::by;
use super::dataset_input;
use super::days;
use super::given;
use super::holdout;
use super::judged;
use super::load;
use super::said;
use super::visits;

/// Reason, field and words of a refusal, when the job is made or when it ran.
async fn refused(client: &Client, id: &str, spec: v1::JobSpec) -> Result<(String, String, String)> {
    if let Err(error) = work::create(client, id, spec).await {
        let refusal = error.refusal().expect("the engine answers");
        return Ok((
            refusal.reason.clone(),
            refusal.field.clone(),
            refusal.message.clone(),
        ));
    }
    let (job, _) = work::watch(client, id).await?;
    let error = job.error.unwrap_or_default();
    Ok((error.reason, error.field, error.message))
}

#[tokio::test]
async fn what_cannot_be_judged_is_refused_with_its_field() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let rows = visits();
    load(&client, "visits", &rows, true).await?;
    load(&client, "timeless", &rows, false).await?;
    let once: Vec<super::Row> = rows.iter().filter(|row| row.0 == "c000").cloned().collect();
    load(&client, "once", &once, true).await?;
    holdout(&client, "odd", [("c001", "g1i00", 0.5)].into_iter()).await?;
    holdout(
        &client,
        "known",
        [("c001", rows[10].1.as_str(), 1.0)].into_iter(),
    )
    .await?;
    Columns::default()
        .text("customer_id", ["c001"])
        .role(v1::Role::CustomerId)
        .text("item", ["g1i00"])
        .role(v1::Role::Item)
        .load(&client, "bare", v1::DatasetKind::Other)
        .await?;
    Columns::default()
        .text("item", ["x", "y"])
        .role(v1::Role::Item)
        .load(&client, "unknown", v1::DatasetKind::Other)
        .await?;
    let plain = v1::Evaluation::default;
    let windows = |n| v1::Evaluation {
        window: days(n),
        ..plain()
    };
    let cases: Vec<(&str, &str, v1::Evaluation, &str, &str)> = vec![
        (
            "window-long",
            "visits",
            windows(90),
            "NOTHING_TO_JUDGE",
            "spec.evaluation.window",
        ),
        (
            "window-timeless",
            "timeless",
            windows(7),
            "WRONG_PROTOCOL",
            "spec.evaluation.window",
        ),
        (
            "window-negative",
            "visits",
            windows(-1),
            "INVALID_FIELD",
            "spec.evaluation.window",
        ),
        (
            "last-once",
            "once",
            by(v1::OfferProtocol::Last),
            "NOTHING_TO_JUDGE",
            "spec.evaluation.protocol",
        ),
        (
            "last-timeless",
            "timeless",
            by(v1::OfferProtocol::Last),
            "WRONG_PROTOCOL",
            "spec.evaluation.protocol",
        ),
        (
            "given-none",
            "visits",
            by(v1::OfferProtocol::Given),
            "WRONG_PROTOCOL",
            "spec.evaluation.protocol",
        ),
        (
            "given-bare",
            "visits",
            given("bare"),
            "MISSING_ROLE",
            "spec.evaluation.holdout.roles",
        ),
        (
            "given-odd",
            "visits",
            given("odd"),
            "LABEL_INVALID",
            "spec.evaluation.holdout",
        ),
        (
            "given-known",
            "visits",
            given("known"),
            "NOTHING_TO_JUDGE",
            "spec.evaluation.holdout",
        ),
        (
            "holdout-last",
            "visits",
            v1::Evaluation {
                protocol: v1::OfferProtocol::Last.into(),
                ..given("odd")
            },
            "WRONG_PROTOCOL",
            "spec.evaluation.holdout",
        ),
        (
            "unknown-protocol",
            "visits",
            v1::Evaluation {
                protocol: 99,
                ..plain()
            },
            "INVALID_FIELD",
            "spec.evaluation.protocol",
        ),
        (
            "order-unknown",
            "visits",
            v1::Evaluation {
                order: Some(dataset_input("unknown")),
                ..plain()
            },
            "NOTHING_TO_JUDGE",
            "spec.evaluation.order",
        ),
        (
            "order-nowhere",
            "visits",
            v1::Evaluation {
                order: Some(dataset_input("nowhere")),
                ..plain()
            },
            "DATASET_NOT_FOUND",
            "spec.evaluation.order",
        ),
        (
            "shallow",
            "visits",
            v1::Evaluation {
                depth: 5,
                ..plain()
            },
            "OUT_OF_RANGE",
            "spec.evaluation.depth",
        ),
    ];
    for (id, dataset, evaluation, reason, field) in cases {
        let spec = judged("recommend.popular", dataset, evaluation);
        let found = refused(&client, id, spec).await?;
        assert_eq!(
            (found.0.as_str(), found.1.as_str()),
            (reason, field),
            "{id}: {found:?}"
        );
        assert!(!found.2.is_empty(), "{id}: {found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_nobody_asked_to_judge_goes_on_without() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let rows = visits();
    let few: Vec<super::Row> = rows.iter().take(1).cloned().collect();
    load(&client, "one", &few, true).await?;
    load(&client, "visits", &rows, true).await?;
    let job = work::run(
        &client,
        "one",
        work::spec("recommend.popular", "events", "one"),
    )
    .await?;
    assert!(work::metric(&job, "evaluated_customers").is_err());
    let info = said(&client, "one", "info").await?;
    assert!(
        info.iter().any(|line| line.starts_with("not judged: ")),
        "{info:?}"
    );

    // One fold means no judging, of whomever.
    let off = v1::Evaluation {
        folds: 1,
        ..v1::Evaluation::default()
    };
    let job = work::run(&client, "off", judged("recommend.popular", "visits", off)).await?;
    assert!(work::metric(&job, "evaluated_customers").is_err());
    assert!(
        !job.outputs
            .iter()
            .any(|output| output.name.contains("evaluation"))
    );

    // Popularity is not better than itself, and the job says so.
    let spec = work::spec("recommend.popular", "events", "visits");
    work::run(&client, "popular", spec).await?;
    let warned = said(&client, "popular", "warn").await?;
    assert!(
        warned
            .iter()
            .any(|line| line.contains("not better than popularity")),
        "{warned:?}"
    );
    // At most so many are asked.
    let some = v1::Evaluation {
        max_customers: 30,
        ..v1::Evaluation::default()
    };
    let job = work::run(&client, "some", judged("recommend.popular", "visits", some)).await?;
    assert!(work::metric(&job, "evaluated_customers")? < 30.5);
    Ok(())
}
