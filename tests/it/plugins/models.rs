//! Models, the library that answers for them, and their warm workers.

use std::fs;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use lode_tests::Answer;
use lode_tests::Engine;
use lode_tests::answer::has_compiler;
use lode_tests::settings;
use lode_tests::work;
use tempfile::TempDir;

use super::engine;
use super::load;
use super::reason;
use super::score;
use super::spec;

#[tokio::test]
async fn a_model_is_refused_by_a_library_that_does_not_read_it() -> Result<()> {
    if !has_compiler("plugins: models and libraries") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let file = folder.path().join("answer.so");
    Answer::default().build(&file)?;
    let engine = engine(folder.path(), "off", &[])?;
    let client = engine.client()?;
    let job = work::run(&client, "made", spec("answer.one", "ok")).await?;
    let model = job.models[0].clone();
    assert_eq!(score(&client, &model).await?, 1);

    // The next version has another format and says that it reads the old one.
    let reader = Answer {
        version: "2.0",
        answer: 2,
        format: 2,
        reads: "[1]",
        ..Answer::default()
    };
    // One that says so and cannot is not let in while the model is in use.
    Answer {
        liar: true,
        ..reader
    }
    .build(&file)?;
    let error = load(&client, "answer.so").await.expect_err("it lies");
    assert_eq!(reason(&error), "PLUGIN_REFUSED");
    let words =
        "model \"made\", which is in use, cannot be opened: answer.one: not a model of mine";
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(score(&client, &model).await?, 1);
    reader.build(&file)?;
    load(&client, "answer.so").await?;
    assert_eq!(score(&client, &model).await?, 2);
    // The one after that does not.
    let stranger = Answer {
        version: "3.0",
        answer: 3,
        format: 3,
        ..Answer::default()
    };
    stranger.build(&file)?;
    load(&client, "answer.so").await?;
    let error = score(&client, &model).await.expect_err("of another format");
    assert_eq!(reason(&error), "MODEL_INCOMPATIBLE");
    for words in [
        "format 1",
        "plugin answer 1.0",
        "plugin answer 3.0",
        "reads format 3",
    ] {
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    // As it says: the library that made it beside the new one mends it.
    Answer::default().build(&folder.path().join("answer-1.so"))?;
    load(&client, "answer-1.so").await?;
    assert_eq!(score(&client, &model).await?, 1);
    let job = work::run(&client, "new", spec("answer.one", "ok")).await?;
    assert_eq!(score(&client, &job.models[0]).await?, 3);
    Ok(())
}

/// The workers of an engine.
fn workers(engine: &Engine) -> Result<usize> {
    let pid = engine.pid();
    let mut n = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may have ended since.
        let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        n += children.split_whitespace().count();
    }
    Ok(n)
}

#[tokio::test]
async fn calls_on_one_model_run_side_by_side_in_warm_workers() -> Result<()> {
    if !has_compiler("plugins: serving workers") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    Answer::default().build(&folder.path().join("answer.so"))?;
    let engine = engine(folder.path(), "off", &["--serving-workers", "3"])?;
    let client = engine.client()?;
    let job = work::run(&client, "slow", spec("answer.one", "slow_score")).await?;
    let model = job.models[0].clone();
    assert_eq!(workers(&engine)?, 0);
    score(&client, &model).await?;
    assert_eq!(workers(&engine)?, 1);
    // Each takes 0.4 s: six on three workers take two turns.
    let start = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (client, model) = (client.clone(), model.clone());
        calls.spawn(async move { score(&client, &model).await });
    }
    while let Some(call) = calls.join_next().await {
        assert_eq!(call??, 1);
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(800), "{took:?}");
    assert!(took < Duration::from_millis(1_900), "{took:?}");
    assert_eq!(workers(&engine)?, 3);
    if settings::slow() {
        // What is idle for half a minute goes, but for one.
        tokio::time::sleep(Duration::from_secs(42)).await;
        assert_eq!(workers(&engine)?, 1);
    }
    Ok(())
}
