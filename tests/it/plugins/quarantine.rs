//! A library that keeps crashing is stopped, over a restart too, until it is released.

use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Answer;
use lode_tests::answer::has_compiler;
use lode_tests::work;
use tempfile::TempDir;

use super::engine;
use super::plugin_of;
use super::reason;
use super::score;
use super::spec;

#[tokio::test]
async fn a_library_that_keeps_crashing_is_quarantined_until_it_is_released() -> Result<()> {
    if !has_compiler("plugins: quarantine") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    Answer::default().build(&folder.path().join("answer.so"))?;
    let args = ["--quarantine-after", "3", "--jobs-at-once", "1"];
    let engine = engine(folder.path(), "off", &args)?;
    let client = engine.client()?;
    let job = work::run(&client, "good", spec("answer.two", "ok")).await?;
    let good = job.models[0].clone();
    let job = work::run(&client, "bad", spec("answer.two", "crash_score")).await?;
    let bad = job.models[0].clone();

    let job = work::run_to_end(&client, "crash-1", spec("answer.one", "crash")).await?;
    assert_eq!(job.error.unwrap_or_default().reason, "PLUGIN_CRASHED");
    let error = score(&client, &bad).await.expect_err("it crashes");
    assert_eq!(reason(&error), "PLUGIN_CRASHED");
    assert_eq!(score(&client, &good).await?, 1);
    let active = plugin_of(&client, "answer.so", v1::PluginState::Active).await?;
    assert_eq!(active.crash_count, 2);
    assert_eq!(active.last_crash.unwrap_or_default().stage, "score");
    // The third crash comes while two jobs wait.
    work::create(&client, "slow", spec("answer.one", "slow")).await?;
    work::create(&client, "crash-3", spec("answer.one", "crash")).await?;
    work::create(&client, "waiting", spec("answer.one", "ok")).await?;
    let (job, _) = work::watch(&client, "waiting").await?;
    let error = job.error.expect("its turn comes too late");
    assert_eq!(error.reason, "PLUGIN_QUARANTINED");

    let check = async |client: &Client| -> Result<v1::Plugin> {
        let plugin = plugin_of(client, "answer.so", v1::PluginState::Quarantined).await?;
        let crash = plugin.last_crash.clone().unwrap_or_default();
        assert_eq!(crash.algorithm, "algorithms/answer.one");
        assert_eq!((&*crash.stage, &*crash.how), ("fit", "killed by SIGABRT"));
        assert!(plugin.quarantine_time.is_some());
        let error = score(client, &good).await.expect_err("quarantined");
        assert_eq!(reason(&error), "PLUGIN_QUARANTINED");
        let release = format!("lode plugin release {}", &plugin.sha256[..12]);
        for words in [&*release, "killed by SIGABRT"] {
            assert!(error.to_string().contains(words), "{error}");
            assert!(plugin.problems[0].contains(words), "{:?}", plugin.problems);
        }
        let created = work::create(client, "no", spec("answer.one", "ok")).await;
        assert_eq!(
            reason(&created.expect_err("quarantined")),
            "PLUGIN_QUARANTINED"
        );
        Ok(plugin)
    };
    check(&client).await?;
    let engine = engine.restart()?;
    let client = engine.client()?;
    let plugin = check(&client).await?;

    let shown = engine.lode(["plugin", "release", &plugin.sha256[..12]])?;
    assert!(shown.text()?.contains("active"), "{shown:?}");
    assert_eq!(score(&client, &good).await?, 1);
    work::run(&client, "free", spec("answer.one", "ok")).await?;
    let engine = engine.restart()?;
    work::run(&engine.client()?, "still-free", spec("answer.one", "ok")).await?;
    let unknown = engine.lode(["plugin", "release", "0123456789ab"])?;
    assert!(
        unknown.failure()?.contains("which is none's"),
        "{unknown:?}"
    );
    Ok(())
}
