//! Aliases of models: whom a name means, now and after it was moved, under load and after a restart.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

const N_CUSTOMERS: usize = 300;

/// Customers of three groups of spending; with `factor` they spend more.
async fn load(client: &Client, id: &str, factor: f64) -> Result<()> {
    let ids: StringArray = (0..N_CUSTOMERS).map(|n| Some(format!("c{n}"))).collect();
    let spend: Float64Array = (0..N_CUSTOMERS)
        .map(|n| Some(factor * ((n % 3) as f64 * 40.0 + (n % 7) as f64 / 10.0)))
        .collect();
    let columns = vec![
        wire::key("customer"),
        wire::column("spend", v1::Type::Float64, v1::Role::Unspecified),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("customer", Arc::new(ids) as _, true),
        ("spend", Arc::new(spend) as _, true),
    ])?;
    wire::load(client, id, v1::DatasetKind::Customers, columns, &[batch]).await
}

/// Two models that give different scores for the same row.
async fn two_models(client: &Client) -> Result<(String, String)> {
    load(client, "people", 1.0).await?;
    load(client, "rich", 3.0).await?;
    let mut spec = work::spec("segment.kmeans", "customers", "people");
    spec.params.insert("k".to_owned(), work::int(3));
    let old = work::run(client, "old", spec.clone()).await?;
    spec.inputs = work::spec("segment.kmeans", "customers", "rich").inputs;
    let new = work::run(client, "new", spec).await?;
    Ok((old.models[0].clone(), new.models[0].clone()))
}

fn alias(name: &str) -> String {
    format!("{}/models/@{name}", wire::TENANT)
}

fn set(name: &str, model: &str, expected: Option<&str>) -> v1::SetAliasRequest {
    v1::SetAliasRequest {
        parent: wire::TENANT.to_owned(),
        alias: name.to_owned(),
        model: model.to_owned(),
        expected_model: expected.map(str::to_owned),
    }
}

fn score(model: &str) -> v1::ScoreRequest {
    v1::ScoreRequest {
        model: model.to_owned(),
        customers: vec!["c1".to_owned()],
        ..v1::ScoreRequest::default()
    }
}

fn refusal(error: &lode_client::Error) -> (String, String) {
    let refusal = error.refusal().expect("the engine answers");
    (refusal.reason.clone(), refusal.field.clone())
}

#[tokio::test]
async fn an_alias_is_moved_expected_and_removed() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let (old, new) = two_models(&client).await?;

    let error = client.score(score(&alias("champion"))).await;
    let error = error.expect_err("there is no alias yet");
    assert_eq!(refusal(&error), ("MODEL_NOT_FOUND".into(), "model".into()));
    let first = client.set_alias(set("champion", &old, Some(""))).await?;
    assert_eq!(first.previous_model, "");
    assert_eq!(first.model.unwrap_or_default().aliases, ["champion"]);
    assert_eq!(client.score(score(&alias("champion"))).await?.model, old);

    // Somebody else moved it in between.
    let error = client.set_alias(set("champion", &new, Some(""))).await;
    let error = error.expect_err("it points at a model");
    assert_eq!(
        refusal(&error),
        ("ALIAS_MOVED".into(), "expected_model".into())
    );
    let error = client.set_alias(set("champion", &new, Some(&new))).await;
    assert_eq!(refusal(&error.expect_err("not yet")).0, "ALIAS_MOVED");
    assert_eq!(client.score(score(&alias("champion"))).await?.model, old);

    let moved = client.set_alias(set("champion", &new, Some(&old))).await?;
    assert_eq!(moved.previous_model, old);
    // The same call once more, as after a lost answer, is no error.
    let again = client.set_alias(set("champion", &new, Some(&old))).await?;
    assert_eq!(again.previous_model, new);
    assert_eq!(client.score(score(&alias("champion"))).await?.model, new);
    // What another alias points at.
    client
        .set_alias(set("latest", &alias("champion"), None))
        .await?;
    let request = v1::GetModelRequest {
        name: alias("latest"),
    };
    let model = client.get_model(request).await?.model.unwrap_or_default();
    assert_eq!(model.name, new);
    assert_eq!(model.aliases, ["champion", "latest"]);
    let all = client.models(v1::ListModelsRequest {
        parent: wire::TENANT.to_owned(),
        ..v1::ListModelsRequest::default()
    });
    let all = all.all().await?;
    let named: Vec<usize> = all.iter().map(|model| model.aliases.len()).collect();
    assert_eq!(named, [2, 0]);

    for (name, model, reason, field) in [
        ("1st", &old, "INVALID_ID", "alias"),
        ("@a", &old, "INVALID_ID", "alias"),
        (
            "a",
            &"tenants/default/models/none".to_owned(),
            "MODEL_NOT_FOUND",
            "model",
        ),
        ("a", &alias("none"), "MODEL_NOT_FOUND", "model"),
        ("a", &"champion".to_owned(), "INVALID_NAME", "model"),
        // One word would mean two models.
        ("old", &new, "MODEL_EXISTS", "alias"),
    ] {
        let error = client.set_alias(set(name, model, None)).await;
        let found = refusal(&error.expect_err("refused"));
        assert_eq!(found, (reason.into(), field.into()), "{name} {model}");
    }

    let mut spec = work::spec("segment.kmeans", "customers", "people");
    spec.params.insert("k".to_owned(), work::int(3));
    let error = work::create(&client, "champion", spec.clone()).await;
    let found = refusal(&error.expect_err("an alias is called so"));
    assert_eq!(found, ("ALIAS_EXISTS".into(), "job_id".into()));

    let engine = engine.restart()?;
    let client = engine.client()?;
    assert_eq!(client.score(score(&alias("champion"))).await?.model, new);
    let removed = client.set_alias(set("champion", "", None)).await?;
    assert_eq!((removed.model, removed.previous_model), (None, new));
    let error = client.score(score(&alias("champion"))).await;
    assert_eq!(refusal(&error.expect_err("gone")).0, "MODEL_NOT_FOUND");
    // The word is free, until it is the id of a model.
    work::run(&client, "champion", spec).await?;
    let error = client.set_alias(set("champion", &old, None)).await;
    assert_eq!(refusal(&error.expect_err("a model's id")).0, "MODEL_EXISTS");
    Ok(())
}

#[tokio::test]
async fn the_job_of_an_aliased_model_is_not_deleted() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let (old, new) = two_models(&client).await?;
    client.set_alias(set("champion", &old, None)).await?;
    let delete = |id: &str| {
        client.delete_job(v1::DeleteJobRequest {
            name: wire::job(id),
        })
    };
    let error = delete("old").await.expect_err("it has an alias");
    assert_eq!(refusal(&error).0, "MODEL_HAS_ALIAS");
    let refused = error.refusal().expect("the engine answers");
    assert_eq!(format!("{:?}", refused.code), "FailedPrecondition");
    assert_eq!(client.score(score(&alias("champion"))).await?.model, old);
    client.set_alias(set("champion", &new, None)).await?;
    delete("old").await?;
    assert_eq!(client.score(score(&alias("champion"))).await?.model, new);
    Ok(())
}

#[tokio::test]
async fn a_job_starts_from_what_an_alias_pointed_at() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let (old, new) = two_models(&client).await?;
    client.set_alias(set("champion", &old, None)).await?;
    let mut spec = work::spec("segment.kmeans", "customers", "people");
    spec.params.insert("k".to_owned(), work::int(3));
    spec.base_model = alias("champion");
    let job = work::run(&client, "next", spec.clone()).await?;
    assert_eq!(job.spec.unwrap_or_default().base_model, alias("champion"));
    assert_eq!(job.provenance.unwrap_or_default().base_model, old);
    // The same job once more is the same job, wherever the alias points by now.
    client.set_alias(set("champion", &new, None)).await?;
    assert!(work::create(&client, "next", spec.clone()).await?.replayed);
    let job = work::run(&client, "later", spec.clone()).await?;
    assert_eq!(job.provenance.unwrap_or_default().base_model, new);
    spec.base_model = alias("none");
    let error = work::create(&client, "none", spec).await;
    assert_eq!(
        refusal(&error.expect_err("no such alias")),
        ("MODEL_NOT_FOUND".into(), "spec.base_model".into())
    );
    Ok(())
}

#[tokio::test]
async fn a_switch_under_load_fails_no_request() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let (old, new) = two_models(&client).await?;
    client.set_alias(set("champion", &old, None)).await?;
    let done = Arc::new(AtomicBool::new(false));
    // Calls that began after the alias had moved to the new model for good.
    let settled = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut callers = Vec::new();
    for _ in 0..4 {
        let (client, new) = (engine.client()?, new.clone());
        let (done, settled) = (Arc::clone(&done), Arc::clone(&settled));
        let answered = Arc::clone(&answered);
        callers.push(tokio::spawn(async move {
            while !done.load(Ordering::SeqCst) {
                let is_settled = settled.load(Ordering::SeqCst);
                let answer = client.score(score(&alias("champion"))).await?;
                assert_eq!(answer.results.len(), 1);
                assert!(answer.results[0].error.is_none(), "{answer:?}");
                assert!(!is_settled || answer.model == new, "{}", answer.model);
                answered.fetch_add(1, Ordering::SeqCst);
            }
            anyhow::Ok(())
        }));
    }
    let start = Instant::now();
    let mut switches = 0;
    while start.elapsed() < Duration::from_secs(2) || answered.load(Ordering::SeqCst) < 100 {
        for model in [&new, &old] {
            client.set_alias(set("champion", model, None)).await?;
            switches += 1;
        }
    }
    client.set_alias(set("champion", &new, None)).await?;
    settled.store(true, Ordering::SeqCst);
    // And then the old one goes, while calls that came before may still be on their way.
    let request = v1::DeleteJobRequest {
        name: wire::job("old"),
    };
    client.delete_job(request).await?;
    let before = answered.load(Ordering::SeqCst);
    while answered.load(Ordering::SeqCst) < before + 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    done.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await??;
    }
    assert!(switches > 10, "{switches}");
    Ok(())
}

#[tokio::test]
async fn a_bare_word_that_is_no_model_is_an_alias() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    two_models(&client).await?;
    let shown = engine.lode(["alias", "champion", "old"])?;
    assert!(shown.text()?.contains("points at old"), "{shown:?}");
    let scored = engine.lode(["score", "champion", "c1", "-o", "json"])?;
    assert_eq!(scored.json()?[0]["model"], "old");
    engine
        .lode(["alias", "champion", "new", "--expect", "old"])?
        .text()?;
    let scored = engine.lode(["score", "@champion", "c1", "-o", "json"])?;
    assert_eq!(scored.json()?[0]["model"], "new");
    let listed = engine.lode(["alias", "-o", "csv"])?;
    assert!(listed.text()?.contains("champion,new,"), "{listed:?}");
    let models = engine.lode(["models", "-o", "csv"])?;
    assert!(models.text()?.contains("new,champion,"), "{models:?}");
    engine.lode(["alias", "champion", "--remove"])?.text()?;
    let refused = engine.lode(["score", "champion", "c1"])?;
    assert!(refused.failure()?.contains("no model"), "{refused:?}");
    Ok(())
}
