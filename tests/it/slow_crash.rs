//! SIGKILL at random moments, while loads and jobs run, checked against the client's own log.
//!
//! Four rounds, or forty with `LODE_SLOW_TESTS=1`. A failure prints the seed of its round.

use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use lode_client::Client;
use lode_client::Options;
use lode_client::RetryPolicy;
use lode_numeric::Rng;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::crash;
use lode_tests::settings;
use lode_tests::work;

const SEED: u64 = 20_240_601;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_loses_what_was_acknowledged() -> Result<()> {
    let rounds = if settings::slow() { 40 } else { 4 };
    let log = crash::Log::default();
    let mut engine = Engine::start()?;
    crash::prepare(&engine.client()?).await?;
    for round in 0..rounds {
        let seed = SEED + round;
        let client = impatient(&engine)?;
        let mut tasks = crash::start(&client, &log, seed);
        let pause = 50 + Rng::new(seed).below(1_500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        engine.kill9()?;
        // Acknowledgements that were on their way still count.
        while tasks.join_next().await.is_some() {}

        engine = engine.restart().with_context(|| format!("seed {seed}"))?;
        let problems = crash::verify(&engine.client()?, &log).await?;
        assert!(
            problems.is_empty(),
            "seed {seed}, killed after {pause} ms:\n{}",
            problems.join("\n")
        );
    }
    let (chunks, commits, jobs) = log.counts();
    assert!(
        chunks > 0 && commits > 0,
        "the kills left no time for any work"
    );
    let (succeeded, restarted) = finish_jobs(&engine, &log).await?;
    settings::say(&format!(
        "slow_crash: {rounds} kills; {chunks} chunks, {commits} commits, {jobs} jobs acknowledged, \
         none lost; {succeeded} jobs succeeded, {restarted} of them after a restart"
    ));
    Ok(())
}

/// Every acknowledged job ends by itself, with its result or with a reason.
async fn finish_jobs(engine: &Engine, log: &crash::Log) -> Result<(usize, usize)> {
    let client = engine.client()?;
    let (mut succeeded, mut restarted) = (0, 0);
    for id in log.jobs() {
        let (job, _) = work::watch(&client, &id).await?;
        if job.state() == v1::JobState::Succeeded {
            succeeded += 1;
            let attempts = job.provenance.map_or(1, |provenance| provenance.attempts);
            restarted += usize::from(attempts > 1);
            continue;
        }
        let error = job.error.unwrap_or_default();
        assert!(!error.reason.is_empty(), "{id} failed without a reason");
        settings::say(&format!(
            "slow_crash: {id} failed: {} {}",
            error.reason, error.message
        ));
    }
    Ok((succeeded, restarted))
}

/// A client that does not wait for an engine that is gone.
fn impatient(engine: &Engine) -> Result<Client> {
    let options = Options {
        retry: RetryPolicy {
            attempts: 1,
            ..RetryPolicy::default()
        },
        ..Options::default()
    };
    Ok(Client::connect(engine.address(), options)?)
}
