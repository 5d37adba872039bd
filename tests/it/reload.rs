//! A plugin is swapped again and again while a client asks its model: nothing fails, and
//! nothing old is answered to what was asked after a switch was acknowledged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use lode_client::Client;
use lode_client::Options;
use lode_client::RetryPolicy;
use lode_proto::v1;
use lode_tests::Answer;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::answer::has_compiler;
use lode_tests::settings;
use lode_tests::work;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// One request: how long it took, and what was wrong with it.
struct Asked {
    took: Duration,
    failed: Option<String>,
    is_stale: bool,
}

/// Asks at a steady rate, whether answers come or not, until told to stop.
async fn ask(
    client: Client,
    model: String,
    rate: u32,
    acknowledged: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
) -> Vec<Asked> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    // Late requests are made up for, so that the rate is what it says.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut asked = JoinSet::new();
    while !stop.load(Ordering::Acquire) {
        ticks.tick().await;
        let client = client.clone();
        let acknowledged = acknowledged.load(Ordering::Acquire);
        let request = v1::ScoreRequest {
            model: model.clone(),
            rows: vec![v1::Row::default()],
            ..v1::ScoreRequest::default()
        };
        asked.spawn(async move {
            let start = Instant::now();
            let answer = client.score(request).await;
            let took = start.elapsed();
            match answer {
                Ok(answer) => Asked {
                    took,
                    failed: None,
                    is_stale: answer.results[0].score < f64::from(acknowledged),
                },
                Err(error) => Asked {
                    took,
                    failed: Some(error.to_string()),
                    is_stale: false,
                },
            }
        });
    }
    asked.join_all().await
}

/// Builds of the plugin, each with its number as the answer, in a folder of their own.
fn builds(folder: &TempDir, swaps: u32) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for answer in 1..=swaps + 1 {
        let file = folder.path().join(format!("answer-{answer}.so"));
        Answer {
            answer,
            ..Answer::default()
        }
        .build(&file)?;
        files.push(file);
    }
    Ok(files)
}

fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted[at.min(sorted.len() - 1)].as_secs_f64() * 1e3
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_swapped_under_load() -> Result<()> {
    if !has_compiler("reload: swaps under load") {
        return Ok(());
    }
    let (swaps, rate) = match settings::slow() {
        true => (50, 500),
        false => (6, 200),
    };
    let (plugins, made) = (TempDir::new()?, TempDir::new()?);
    let builds = builds(&made, swaps)?;
    let serving = plugins.path().join("answer.so");
    std::fs::rename(&builds[0], &serving)?;
    let engine = Engine::with(Setup {
        plugins: Some(plugins.path().to_owned()),
        args: vec!["--watch-plugins".to_owned(), "off".to_owned()],
        ..Setup::default()
    })?;
    let client = engine.client()?;
    let mut spec = work::spec("answer.one", "rows", "none");
    spec.inputs = BTreeMap::new();
    let job = work::run(&client, "model", spec).await?;
    let model = job.models[0].clone();

    // Nothing is tried again: a failure is seen.
    let options = Options {
        retry: RetryPolicy::never(),
        ..Options::default()
    };
    let asker = Client::connect(engine.address(), options)?;
    let acknowledged = Arc::new(AtomicU32::new(1));
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let asking = tokio::spawn(ask(
        asker,
        model,
        rate,
        Arc::clone(&acknowledged),
        Arc::clone(&stop),
    ));
    let mut loads = Vec::new();
    for (number, build) in (2..).zip(&builds[1..]) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::fs::rename(build, &serving)?;
        let request = v1::LoadPluginRequest {
            file_name: "answer.so".to_owned(),
        };
        let before = Instant::now();
        client
            .load_plugin(request)
            .await
            .with_context(|| format!("swap to {number}"))?;
        loads.push(before.elapsed());
        acknowledged.store(number, Ordering::Release);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::Release);
    let asked = asking.await?;
    let seconds = start.elapsed().as_secs_f64();

    let failed: Vec<&String> = asked.iter().filter_map(|one| one.failed.as_ref()).collect();
    let stale = asked.iter().filter(|one| one.is_stale).count();
    let mut took: Vec<Duration> = asked.iter().map(|one| one.took).collect();
    took.sort_unstable();
    loads.sort_unstable();
    settings::say(&format!(
        "{swaps} swaps under load: {} requests at {:.0}/s, {} failed, {stale} stale; answers p50 {:.1} ms, \
         p99 {:.1} ms, max {:.1} ms; loads p50 {:.0} ms, max {:.0} ms",
        asked.len(),
        asked.len() as f64 / seconds,
        failed.len(),
        percentile(&took, 0.5),
        percentile(&took, 0.99),
        percentile(&took, 1.0),
        percentile(&loads, 0.5),
        percentile(&loads, 1.0),
    ));
    assert!(
        failed.is_empty(),
        "{:?}",
        failed.iter().take(5).collect::<Vec<_>>()
    );
    assert_eq!(stale, 0);
    // The load was there all the time.
    assert!(
        asked.len() as f64 > 0.8 * seconds * f64::from(rate),
        "{}",
        asked.len()
    );
    // What was swapped out is drained, and its copies are gone.
    let mut left = (0, 0);
    for _ in 0..100 {
        let request = v1::ListPluginsRequest::default();
        left = (client.plugins(request).all().await?.len(), copies(&engine)?);
        if left == (1, 1) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!(
        "{} plugins are listed, and {} copies are left",
        left.0,
        left.1
    )
}

/// Copies of libraries that an engine keeps.
fn copies(engine: &Engine) -> Result<usize> {
    let mut n = 0;
    for entry in std::fs::read_dir(engine.data().join("plugins"))? {
        n += usize::from(entry?.path().extension().is_some_and(|so| so == "so"));
    }
    Ok(n)
}
