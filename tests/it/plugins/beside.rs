//! Models beside the main one of a job: listed, served, deleted, and never mistaken for others.

use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Answer;
use lode_tests::answer::has_compiler;
use lode_tests::wire;
use lode_tests::work;
use tempfile::TempDir;

use super::engine;
use super::reason;
use super::score;
use super::spec;

fn name(id: &str) -> String {
    format!("{}/models/{id}", wire::TENANT)
}

/// The ids of all models, a page of `size` at a time.
async fn listed(client: &Client, size: i32) -> Result<Vec<String>> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListModelsRequest {
            parent: wire::TENANT.to_owned(),
            page_size: size,
            page_token,
            ..v1::ListModelsRequest::default()
        };
        let page = client.list_models(request).await?;
        assert!(page.models.len() <= usize::try_from(size)?);
        all.extend(page.models.into_iter().map(|model| model.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

#[tokio::test]
async fn models_beside_the_main_one_are_models() -> Result<()> {
    if !has_compiler("plugins: models beside the main one") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let file = folder.path().join("answer.so");
    // Jobs of before have one model each.
    Answer::default().build(&file)?;
    let engine = engine(folder.path(), "off", &[])?;
    let client = engine.client()?;
    work::run(&client, "old", spec("answer.one", "ok")).await?;
    Answer {
        version: "2.0",
        spare: true,
        ..Answer::default()
    }
    .build(&file)?;
    super::load(&client, "answer.so").await?;
    let job = work::run(&client, "a", spec("answer.one", "ok")).await?;
    assert_eq!(job.models, [name("a"), name("a.spare")]);
    work::run(&client, "b", spec("answer.one", "ok")).await?;
    let expected = ["b.spare", "b", "a.spare", "a", "old"].map(name);
    for size in [1, 2, 3, 4, 5, 100] {
        assert_eq!(listed(&client, size).await?, expected, "pages of {size}");
    }

    assert_eq!(score(&client, &name("a")).await?, 1);
    assert_eq!(score(&client, &name("a.spare")).await?, 6);
    let engine = engine.restart()?;
    let client = engine.client()?;
    assert_eq!(score(&client, &name("a.spare")).await?, 6);
    let request = v1::GetModelRequest {
        name: name("a.spare"),
    };
    let spare = client.get_model(request).await?.model.unwrap_or_default();
    assert_eq!((spare.beside.as_str(), spare.size_bytes), ("spare", 2));
    assert_eq!(spare.job, job.name);
    let request = v1::GetAlgorithmRequest {
        name: "algorithms/answer.one".to_owned(),
    };
    let algorithm = client.get_algorithm(request).await?;
    let algorithm = algorithm.algorithm.unwrap_or_default();
    assert_eq!(algorithm.models[0].name, "spare");
    assert!(algorithm.warm_start && !algorithm.mergeable);

    let request = v1::DeleteJobRequest {
        name: job.name.clone(),
    };
    client.delete_job(request).await?;
    assert_eq!(listed(&client, 2).await?, ["b.spare", "b", "old"].map(name));
    let error = score(&client, &name("a.spare")).await.expect_err("deleted");
    assert_eq!(reason(&error), "MODEL_NOT_FOUND");

    // One that is declared and not given fails the job, and leaves nothing.
    let failed = work::run_to_end(&client, "none", spec("answer.one", "no_spare")).await?;
    let error = failed.error.unwrap_or_default();
    assert_eq!(error.reason, "PLUGIN_FAILED");
    assert!(
        error.message.contains("model \"spare\""),
        "{}",
        error.message
    );
    assert_eq!(listed(&client, 9).await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn two_jobs_never_make_one_model() -> Result<()> {
    if !has_compiler("plugins: ids of models") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    Answer {
        spare: true,
        ..Answer::default()
    }
    .build(&folder.path().join("answer.so"))?;
    let engine = engine(folder.path(), "off", &[])?;
    let client = engine.client()?;
    // While the first runs, and when it has ended.
    work::create(&client, "a", spec("answer.one", "slow")).await?;
    for _ in 0..2 {
        let error = work::create(&client, "a.spare", spec("answer.one", "ok")).await;
        assert_eq!(
            reason(&error.expect_err("its model is of a")),
            "MODEL_EXISTS"
        );
        work::watch(&client, "a").await?;
    }
    // The other way round.
    work::run(&client, "b.spare", spec("answer.one", "ok")).await?;
    let error = work::create(&client, "b", spec("answer.one", "ok")).await;
    assert_eq!(
        reason(&error.expect_err("its model is of b.spare")),
        "MODEL_EXISTS"
    );
    // A job that failed has made none.
    work::run_to_end(&client, "c", spec("answer.one", "no_spare")).await?;
    work::run(&client, "c.spare", spec("answer.one", "ok")).await?;
    // No room for the name.
    let long = "x".repeat(125);
    let error = work::create(&client, &long, spec("answer.one", "ok")).await;
    assert_eq!(reason(&error.expect_err("too long")), "INVALID_ID");
    Ok(())
}
