//! Two models on the same rows, and models in the order of a measure.

use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Columns;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

const N_CUSTOMERS: usize = 600;

/// Numbers that look like chance, the same on each machine.
fn noise(n: usize, salt: usize) -> f64 {
    let mixed = (n * 7919 + salt * 104_729 + 12_345) % 10_007;
    ((mixed * mixed) % 10_007) as f64 / 10_007.0
}

/// Customers who leave by `calls` and a little chance; `weather` says nothing. With `turned` others
/// leave; with `prefix` they are others.
async fn load(client: &Client, id: &str, prefix: &str, turned: bool) -> Result<()> {
    let numbers = |of: &dyn Fn(usize) -> f64| (0..N_CUSTOMERS).map(of).collect::<Vec<_>>();
    let left = (0..N_CUSTOMERS).map(|n| {
        let leaves = 0.7 * noise(n, 1) + 0.3 * noise(n, 3) > 0.6;
        if leaves == turned { "no" } else { "yes" }
    });
    let ids = (0..N_CUSTOMERS).map(|n| format!("{prefix}{n}"));
    Columns::of_customers("customer", ids)
        .number("calls", numbers(&|n| noise(n, 1)))
        .number("weather", numbers(&|n| noise(n, 2)))
        .text("left", left)
        .number(
            "paid",
            numbers(&|n| 100.0 * noise(n, 1) + 10.0 * noise(n, 3)),
        )
        .load(client, id, v1::DatasetKind::Customers)
        .await
}

/// An engine with these customers as `people`.
async fn people() -> Result<(Engine, Client)> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load(&client, "people", "c", false).await?;
    Ok((engine, client))
}

/// A job with a label and without some columns.
fn spec(algorithm: &str, dataset: &str, label: &str, exclude: &[&str]) -> v1::JobSpec {
    let mut spec = work::spec(algorithm, "customers", dataset);
    let input = spec.inputs.get_mut("customers").expect("it has one input");
    input.roles.push(v1::RoleColumn {
        role: v1::Role::Label.into(),
        column: label.to_owned(),
    });
    let other = if label == "left" { "paid" } else { "left" };
    input.exclude = exclude
        .iter()
        .chain([&other])
        .map(|&name| name.to_owned())
        .collect();
    spec
}

fn named(model: &str) -> String {
    format!("{}/models/{model}", wire::TENANT)
}

fn pair(champion: &str, challenger: &str) -> v1::CompareModelsRequest {
    v1::CompareModelsRequest {
        champion: named(champion),
        challenger: named(challenger),
    }
}

fn measure<'a>(answer: &'a v1::CompareModelsResponse, name: &str) -> &'a v1::Comparison {
    let mut comparisons = answer.comparisons.iter();
    comparisons
        .find(|comparison| comparison.measure == name)
        .expect("it is compared")
}

async fn metric(client: &Client, model: &str, name: &str) -> Result<f64> {
    let job = work::get(client, model).await?;
    work::metric(&job, name)
}

#[tokio::test]
async fn a_better_model_wins_and_none_beats_itself() -> Result<()> {
    let (engine, client) = people().await?;
    work::run(
        &client,
        "good",
        spec("churn.logistic", "people", "left", &[]),
    )
    .await?;
    work::run(
        &client,
        "blind",
        spec("churn.logistic", "people", "left", &["calls"]),
    )
    .await?;

    let same = client.compare_models(pair("good", "good")).await?;
    assert_eq!(same.rows, N_CUSTOMERS as u64);
    assert_eq!(same.better, "no difference");
    let names: Vec<&str> = same
        .comparisons
        .iter()
        .map(|c| c.measure.as_str())
        .collect();
    let expected = [
        "auc",
        "log_loss",
        "brier",
        "average_precision",
        "lift_top_decile",
    ];
    assert_eq!(names, expected);
    for comparison in &same.comparisons {
        assert!(comparison.difference.abs() < f64::EPSILON, "{comparison:?}");
        assert!(comparison.low.abs() + comparison.high.abs() < f64::EPSILON);
        assert!(
            (comparison.p_value - 1.0).abs() < f64::EPSILON,
            "{comparison:?}"
        );
    }

    let answer = client.compare_models(pair("blind", "good")).await?;
    assert_eq!(answer.better, "challenger", "{answer:?}");
    let auc = measure(&answer, "auc");
    assert!(
        auc.p_value < 1e-6 && auc.low > 0.0 && auc.method == "delong",
        "{auc:?}"
    );
    let loss = measure(&answer, "log_loss");
    assert!(
        loss.p_value < 0.01 && loss.high < 0.0 && loss.method == "bootstrap",
        "{loss:?}"
    );
    // The numbers are those of the judging, since the folds are the same.
    for name in expected {
        let compared = measure(&answer, name);
        for (found, model) in [(compared.champion, "blind"), (compared.challenger, "good")] {
            let judged = metric(&client, model, name).await?;
            assert!(
                (found - judged).abs() < 1e-12,
                "{name} of {model}: {found} {judged}"
            );
        }
    }
    // The other way around, by an alias.
    let set = v1::SetAliasRequest {
        parent: wire::TENANT.to_owned(),
        alias: "champion".to_owned(),
        model: named("good"),
        expected_model: None,
    };
    client.set_alias(set).await?;
    let turned = client.compare_models(pair("@champion", "blind")).await?;
    assert_eq!(turned.champion, named("good"));
    assert_eq!(turned.better, "champion");
    let back = measure(&turned, "auc");
    assert!((back.difference + auc.difference).abs() < 1e-12);
    assert!((back.p_value - auc.p_value).abs() < 1e-12);

    let said = engine.lode(["compare", "blind", "champion"])?;
    assert!(said.text()?.contains("average_precision"), "{said:?}");
    assert!(
        said.stderr.contains("good is better by auc, on 600 rows"),
        "{said:?}"
    );
    Ok(())
}

#[tokio::test]
async fn folds_of_another_seed_are_compared_too() -> Result<()> {
    let (_engine, client) = people().await?;
    work::run(
        &client,
        "one",
        spec("churn.logistic", "people", "left", &[]),
    )
    .await?;
    let mut other = spec("churn.logistic", "people", "left", &[]);
    other.seed = 9;
    work::run(&client, "two", other).await?;
    let answer = client.compare_models(pair("one", "two")).await?;
    assert_eq!(answer.rows, N_CUSTOMERS as u64);
    assert_eq!(answer.better, "no difference", "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn amounts_are_compared_by_their_errors() -> Result<()> {
    let (_engine, client) = people().await?;
    work::run(&client, "good", spec("value.linear", "people", "paid", &[])).await?;
    work::run(
        &client,
        "blind",
        spec("value.linear", "people", "paid", &["calls"]),
    )
    .await?;
    let answer = client.compare_models(pair("good", "blind")).await?;
    let names: Vec<&str> = answer
        .comparisons
        .iter()
        .map(|c| c.measure.as_str())
        .collect();
    assert_eq!(names, ["rmse", "mae", "spearman"]);
    assert_eq!(answer.better, "champion", "{answer:?}");
    let rmse = measure(&answer, "rmse");
    assert!(rmse.low > 0.0 && rmse.p_value < 0.01, "{rmse:?}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_compared_is_refused_with_its_reason() -> Result<()> {
    let (_engine, client) = people().await?;
    load(&client, "others", "o", false).await?;
    load(&client, "turned", "c", true).await?;
    work::run(
        &client,
        "good",
        spec("churn.logistic", "people", "left", &[]),
    )
    .await?;
    work::run(
        &client,
        "others",
        spec("churn.logistic", "others", "left", &[]),
    )
    .await?;
    work::run(
        &client,
        "turned",
        spec("churn.logistic", "turned", "left", &[]),
    )
    .await?;
    work::run(
        &client,
        "amount",
        spec("value.linear", "people", "paid", &[]),
    )
    .await?;
    let mut unjudged = spec("churn.logistic", "people", "left", &[]);
    unjudged.evaluation = Some(v1::Evaluation {
        folds: 1,
        ..v1::Evaluation::default()
    });
    work::run(&client, "unjudged", unjudged).await?;
    for (challenger, words) in [
        ("others", "at least 50 rows"),
        ("turned", "600 of the 600 rows"),
        ("amount", "an amount"),
        ("unjudged", "was not judged"),
    ] {
        let error = client.compare_models(pair("good", challenger)).await;
        let error = error.expect_err(challenger);
        let refusal = error.refusal().expect("the engine answers");
        assert_eq!(refusal.reason, "NOT_COMPARABLE");
        assert!(refusal.message.contains(words), "{}", refusal.message);
        assert!(refusal.message.contains(challenger), "{}", refusal.message);
    }
    for (champion, challenger, field) in
        [("none", "good", "champion"), ("good", "@a", "challenger")]
    {
        let error = client.compare_models(pair(champion, challenger)).await;
        let error = error.expect_err("it is not there");
        let refusal = error.refusal().expect("the engine answers");
        assert_eq!(
            (refusal.reason.as_str(), refusal.field.as_str()),
            ("MODEL_NOT_FOUND", field)
        );
    }
    Ok(())
}

#[tokio::test]
async fn models_stand_in_the_order_of_a_measure() -> Result<()> {
    let (engine, client) = people().await?;
    load(&client, "others", "o", false).await?;
    work::run(
        &client,
        "good",
        spec("churn.logistic", "people", "left", &["weather"]),
    )
    .await?;
    work::run(
        &client,
        "blind",
        spec("churn.logistic", "people", "left", &["calls"]),
    )
    .await?;
    work::run(
        &client,
        "others",
        spec("churn.logistic", "others", "left", &["calls"]),
    )
    .await?;
    work::run(
        &client,
        "amount",
        spec("value.linear", "people", "paid", &[]),
    )
    .await?;
    let list = |measure: &str, judged_sha256: &str| {
        client.models(v1::ListModelsRequest {
            parent: wire::TENANT.to_owned(),
            page_size: 1,
            by_metric: measure.to_owned(),
            judged_sha256: judged_sha256.to_owned(),
            ..v1::ListModelsRequest::default()
        })
    };
    let ids = |models: Vec<v1::Model>| -> Vec<String> {
        let names = models.iter().map(|model| model.name.rsplit('/').next());
        names.flatten().map(str::to_owned).collect()
    };
    let by_auc = list("auc", "").all().await?;
    assert_eq!(by_auc.len(), 3);
    assert_eq!(ids(by_auc.clone())[0], "good");
    // Of the log loss less is better, of an amount there is none.
    assert_eq!(ids(list("log_loss", "").all().await?)[0], "good");
    assert_eq!(ids(list("rmse", "").all().await?), ["amount"]);
    assert_eq!(ids(list("none", "").all().await?), [""; 0]);
    let judged_on = &by_auc[0].judged_sha256;
    assert_eq!(judged_on.len(), 64);
    assert_eq!(ids(list("auc", judged_on).all().await?), ["good", "blind"]);
    assert_eq!(ids(list("", judged_on).all().await?), ["blind", "good"]);

    let shown = engine.lode(["leaderboard", "--of", "blind", "-o", "csv"])?;
    let lines: Vec<&str> = shown.text()?.lines().collect();
    assert!(
        lines[1].starts_with("1,good,") && lines[2].starts_with("2,blind,"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 3);
    let all = engine.lode(["leaderboard"])?;
    assert!(all.stderr.contains("judged on different rows"), "{all:?}");
    Ok(())
}
