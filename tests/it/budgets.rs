//! What a job may use when it does not say, and that it gets no more; what the engine says of
//! itself.

use std::collections::BTreeMap;

use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::watch_job_response::Kind as Event;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::settings;
use lode_tests::work;

fn engine(args: &[&str]) -> Result<Engine> {
    Engine::with(Setup {
        plugins: Some(settings::faulty_plugins()),
        args: args.iter().map(|&word| word.to_owned()).collect(),
        ..Setup::default()
    })
}

fn spec(mode: &str, threads: u32) -> v1::JobSpec {
    let mut spec = work::spec("faulty.fit", "rows", "none");
    spec.inputs = BTreeMap::new();
    spec.params.insert("mode".to_owned(), work::text(mode));
    spec.limits = Some(v1::JobLimits {
        threads,
        ..v1::JobLimits::default()
    });
    spec
}

async fn log(client: &Client, id: &str, spec: v1::JobSpec) -> Result<Vec<String>> {
    work::create(client, id, spec).await?;
    let (_, events) = work::watch(client, id).await?;
    let lines = events.into_iter().filter_map(|event| match event.kind {
        Some(Event::Log(log)) => Some(format!("{}: {}", log.level, log.message)),
        _ => None,
    });
    Ok(lines.collect())
}

#[tokio::test]
async fn a_job_is_held_to_its_threads() -> Result<()> {
    let engine = engine(&["--job-threads", "1"])?;
    let client = engine.client()?;
    let cores = std::thread::available_parallelism()?.get();
    for (threads, processors) in [(0, 1), (1, 1), (2, 2.min(cores)), (256, cores)] {
        let id = format!("threads-{threads}");
        let lines = log(&client, &id, spec("count_processors", threads)).await?;
        let expected = format!("info: {processors} processors");
        assert!(lines.contains(&expected), "{threads}: {lines:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_job_without_a_time_gets_the_engines() -> Result<()> {
    let engine = engine(&["--job-timeout", "1s"])?;
    let client = engine.client()?;
    let job = work::run_to_end(&client, "loop", spec("loop", 0)).await?;
    let error = job.error.expect("it has no end of its own");
    assert_eq!(error.reason, "JOB_DEADLINE_EXCEEDED", "{}", error.message);
    Ok(())
}

#[tokio::test]
async fn last_words_are_shown_with_the_log() -> Result<()> {
    let engine = engine(&[])?;
    let client = engine.client()?;
    let lines = log(&client, "deep", spec("stack_overflow", 0)).await?;
    let words = "has overflowed its stack";
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("error: ") && line.contains(words)),
        "{lines:?}"
    );
    let shown = engine.lode(["job", "deep", "--log"])?;
    assert!(shown.stderr.contains(words), "{}", shown.stderr);
    Ok(())
}

#[tokio::test]
async fn the_engine_says_what_contains_its_plugins() -> Result<()> {
    let engine = engine(&[])?;
    let info = engine.lode(["info", "-o", "json"])?.json()?;
    let containment = &info["containment"];
    let layers = |which: &str| {
        let layers = containment[which].as_array().cloned().unwrap_or_default();
        layers.iter().map(ToString::to_string).collect::<String>()
    };
    let all = layers("in_force") + &layers("missing");
    for layer in ["no_new_privs", "landlock.files", "landlock.tcp", "seccomp"] {
        assert!(all.contains(layer), "{layer} is neither in {all}");
    }
    assert!(
        !all.contains("landlock.threads"),
        "a worker is alone when it confines itself: {all}"
    );
    let shown = engine.lode(["info"])?;
    assert!(
        shown.text()?.contains("plugins contained by"),
        "{}",
        shown.stdout
    );
    Ok(())
}
