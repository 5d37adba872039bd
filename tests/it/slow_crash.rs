//! SIGKILL at random moments and at each step of a commit, a roll and a compaction, while loads,
//! small writes, compactions and jobs run; checked against the client's own log.
//!
//! Four random kills and two steps, or two hundred and each step five times with
//! `LODE_SLOW_TESTS=1`. A failure prints the seed of its round. `compact.free` is not among the
//! steps, since an engine frees nothing in its first minute; the store's own tests kill there.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use lode_numeric::Rng;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::crash;
use lode_tests::crash::Counts;
use lode_tests::settings;
use lode_tests::work;
use tempfile::TempDir;

const SEED: u64 = 20_240_601;

/// Each step, and after how many passages an engine is killed there: at least, and at most.
/// The first groups of an engine are its own.
const STEPS: [(&str, u64, u64); 12] = [
    ("part.written", 1, 12),
    ("part.renamed", 1, 12),
    ("txn.applied", 8, 80),
    ("txn.flushed", 8, 80),
    ("txn.synced", 8, 80),
    ("marker.written", 1, 5),
    ("commit.blocks", 1, 3),
    ("commit.flip", 1, 3),
    ("roll.flip", 1, 2),
    ("compact.written", 1, 2),
    ("compact.renamed", 1, 2),
    ("compact.flip", 1, 2),
];
/// Those of the short form.
const SHORT: [usize; 2] = [8, 11];
/// Kills in one data folder.
const TOGETHER: usize = 20;
/// How long a step may be waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// One kill: at a step, or at any time.
type Round = Option<(&'static str, u64, u64)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_loses_or_doubles_what_was_acknowledged() -> Result<()> {
    let rounds = rounds(settings::slow());
    let mut tally = Tally::default();
    let mut seed = SEED;
    for together in rounds.chunks(TOGETHER) {
        let folder = TempDir::new()?;
        let log = crash::Log::default();
        let mut setup = Setup {
            data: Some(folder.path().join("data")),
            ..Setup::default()
        };
        let mut engine = Engine::with(setup.clone())?;
        crash::prepare(&engine.client()?).await?;
        for round in together {
            seed += 1;
            let mut rng = Rng::new(seed);
            let what = match round {
                None => {
                    let pause = 50 + rng.below(1_500);
                    kill_after(&mut engine, &log, seed, pause).await?;
                    *tally.hits.entry("any time").or_default() += 1;
                    format!("seed {seed}, killed after {pause} ms")
                }
                Some((step, least, most)) => {
                    drop(engine);
                    let mut at = least + rng.below(most + 1 - least);
                    // Passed less often than thought: again, at the first passage.
                    while !kill_at(&mut setup, &log, seed, step, at).await? {
                        assert!(at > *least, "seed {seed}: {step} was never passed");
                        tally.missed += 1;
                        (seed, at) = (seed + 1, *least);
                    }
                    *tally.hits.entry(*step).or_default() += 1;
                    format!("seed {seed}, killed at {step}@{at}")
                }
            };
            engine = Engine::with(setup.clone())?;
            let mut problems = crash::verify(&engine.client()?, &log).await?;
            problems.extend(log.refusals());
            assert!(problems.is_empty(), "{what}:\n{}", problems.join("\n"));
        }
        finish_jobs(&engine, &log, &mut tally).await?;
        tally.counts += log.counts();
    }
    assert!(
        tally.counts.commits > 0 && tally.counts.puts > 0,
        "the kills left no time for any work"
    );
    tally.say();
    Ok(())
}

/// The kills of the short or the long form: after some at any time one at a step.
fn rounds(slow: bool) -> Vec<Round> {
    let mut rounds = Vec::new();
    if slow {
        let mut steps = STEPS.iter().cycle().take(5 * STEPS.len());
        for round in 0..200 {
            rounds.push(None);
            if round % 10 < 3 {
                rounds.push(steps.next().copied());
            }
        }
        assert!(steps.next().is_none(), "each step five times");
    } else {
        for step in SHORT {
            rounds.extend([None, Some(STEPS[step]), None]);
        }
    }
    rounds
}

/// Works for some milliseconds, then kills the engine.
async fn kill_after(engine: &mut Engine, log: &crash::Log, seed: u64, pause: u64) -> Result<()> {
    let mut tasks = crash::start(&crash::impatient(engine)?, log, seed);
    tokio::time::sleep(Duration::from_millis(pause)).await;
    engine.kill9()?;
    // Acknowledgements that were on their way still count.
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Works with an engine that kills itself at a step; false when it did not get there.
async fn kill_at(
    setup: &mut Setup,
    log: &crash::Log,
    seed: u64,
    step: &str,
    at: u64,
) -> Result<bool> {
    let failpoint = ("LODE_FAILPOINTS".to_owned(), format!("{step}=kill@{at}"));
    setup.env = vec![failpoint];
    let started = Engine::with(setup.clone());
    setup.env.clear();
    // A step that its start passes as well may have ended it before it said anything.
    let Ok(mut engine) = started else {
        return Ok(true);
    };
    let mut tasks = crash::start(&crash::impatient(&engine)?, log, seed);
    let died = async {
        while !engine.has_ended()? {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::Ok(())
    };
    let died = tokio::time::timeout(PATIENCE, died).await.is_ok();
    engine.kill9()?;
    while tasks.join_next().await.is_some() {}
    Ok(died)
}

/// What all rounds came to.
#[derive(Default)]
struct Tally {
    counts: Counts,
    /// Kills by the step.
    hits: BTreeMap<&'static str, u64>,
    /// Engines that were killed by hand, since they did not get to their step.
    missed: u64,
    succeeded: usize,
    restarted: usize,
}

impl Tally {
    fn say(&self) {
        let Self {
            counts,
            hits,
            missed,
            succeeded,
            restarted,
        } = self;
        let kills = hits.values().sum::<u64>() + missed;
        let mut text = format!(
            "slow_crash: {kills} kills; {counts}; 0 lost, 0 doubled; {succeeded} jobs succeeded, \
             {restarted} of them after a restart"
        );
        for (step, hits) in hits {
            text.push_str(&format!("\n  {step:<16} {hits:>4}"));
        }
        settings::say(&text);
    }
}

/// Every acknowledged job ends by itself, with its result or with a reason.
async fn finish_jobs(engine: &Engine, log: &crash::Log, tally: &mut Tally) -> Result<()> {
    let client = engine.client()?;
    for id in log.jobs() {
        let (job, _) = work::watch(&client, &id).await?;
        if job.state() == v1::JobState::Succeeded {
            tally.succeeded += 1;
            let attempts = job.provenance.map_or(1, |provenance| provenance.attempts);
            tally.restarted += usize::from(attempts > 1);
            continue;
        }
        let error = job.error.unwrap_or_default();
        assert!(!error.reason.is_empty(), "{id} failed without a reason");
        settings::say(&format!(
            "slow_crash: {id} failed: {} {}",
            error.reason, error.message
        ));
    }
    Ok(())
}
