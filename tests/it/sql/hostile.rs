//! Queries that would take all memory, all disk or forever, and a thousand queries at once.
//!
//! The engine must answer each with a clear reason in bounded time, stay small itself, and
//! serve others meanwhile. Short forms, or the long ones with `LODE_SLOW_TESTS=1`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use lode_client::Client;
use lode_client::Options;
use lode_client::RetryPolicy;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::settings;
use lode_tests::work;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use tokio::task::JoinSet;
use tonic::Code;

use super::shop::ask;
use super::shop::buys;
use super::shop::load_buys;
use super::shop::make_buys;
use super::shop::request;

/// Each would need a hundred gigabytes or more, or never ends.
const GREEDY: [(&str, &str); 12] = [
    (
        "a sort of 10^11 rows",
        "select a.value, b.value from generate_series(1, 100000) a, generate_series(1, 1000000) b order by 2 desc, 1",
    ),
    (
        "10^11 groups",
        "select a.value, b.value, count(*) from generate_series(1, 100000) a, generate_series(1, 1000000) b group by 1, 2",
    ),
    (
        "10^11 different numbers",
        "select count(distinct a.value * 1000000 + b.value) from generate_series(1, 100000) a, generate_series(1, 1000000) b",
    ),
    (
        "a list of 10^5 texts of a megabyte",
        "select array_agg(repeat('x', 1000000)) from generate_series(1, 100000)",
    ),
    (
        "one text of 100 GB",
        "select length(repeat(repeat('x', 1000000), 100000))",
    ),
    (
        "a text of 100 GB by aggregation",
        "select length(string_agg(repeat('x', 1000000), ',')) from generate_series(1, 100000)",
    ),
    (
        "a recursion without an end",
        "with recursive n as (select 1 as i union all select i + 1 from n) select count(*) from n",
    ),
    (
        "a recursion that doubles",
        "with recursive n as (select 1 as i union all select i + j from n, (values (0), (1)) v(j)) select count(*) from n",
    ),
    (
        "a join of 10^10 rows with as many",
        "select count(*) from generate_series(1, 10000000000) a join generate_series(1, 10000000000) b on a.value = b.value",
    ),
    (
        "a window over 10^10 rows",
        "select max(s) from (select sum(value) over (order by value desc) as s from generate_series(1, 10000000000))",
    ),
    (
        "a median of 10^10 numbers",
        "select median(value) from generate_series(1, 10000000000)",
    ),
    (
        "every pair of every pair of rows",
        "select sum(a.qty * b.qty * c.qty) from buys a, buys b, buys c, buys d where a.price + b.price > c.price * d.price",
    ),
];

/// A number of /proc/PID/status, in KiB.
fn status_kib(engine: &Engine, field: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", engine.pid()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.context("a line of kB")?.parse()?)
}

/// The engine's own highest memory, in MiB.
fn peak_mib(engine: &Engine) -> Result<u64> {
    Ok(status_kib(engine, "VmHWM")? >> 10)
}

fn files_below(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.path().is_dir() {
            true => files_below(&entry.path()) + 1,
            false => 1,
        })
        .sum()
}

fn once(engine: &Engine) -> Result<Client> {
    let options = Options {
        retry: RetryPolicy::never(),
        deadline: Duration::from_secs(600),
        ..Options::default()
    };
    Ok(Client::connect(engine.address(), options)?)
}

async fn shop(args: &[&str]) -> Result<(Engine, Client)> {
    let engine = Engine::with(Setup {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        ..Setup::default()
    })?;
    let client = once(&engine)?;
    make_buys(&client, "buys").await?;
    load_buys(&client, "buys", "all", &buys(9, 2_000), 500).await?;
    Ok((engine, client))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn greedy_queries_end_and_hurt_nobody() -> Result<()> {
    // What a query may have, and how long it may take.
    let (memory, spill, seconds) = match settings::slow() {
        true => ("1024", "4096", 300),
        false => ("64", "48", 20),
    };
    let (engine, client) =
        shop(&["--query-memory-mib", memory, "--query-spill-mib", spill]).await?;
    let before = peak_mib(&engine)?;
    let start = Instant::now();
    let mut greedy = JoinSet::new();
    for (what, sql) in GREEDY {
        let client = client.clone();
        greedy.spawn(async move {
            let start = Instant::now();
            let request = v1::QueryRequest {
                timeout: Some(prost_types::Duration { seconds, nanos: 0 }),
                threads: 2,
                ..request(sql)
            };
            (what, ask(&client, request).await, start.elapsed())
        });
    }
    // Meanwhile a job and other queries are served.
    let meanwhile = async {
        let spec = work::spec("segment.rfm", "events", "buys");
        work::run(&client, "meanwhile", spec).await?;
        for _ in 0..3 {
            let answer = ask(&client, request("select count(*) from buys")).await?;
            assert_eq!(answer.rows, ["2000"]);
        }
        anyhow::Ok(start.elapsed())
    };
    let served = meanwhile.await?;
    let mut ends = BTreeMap::new();
    while let Some(ended) = greedy.join_next().await {
        let (what, answer, took) = ended?;
        let error = match answer {
            Ok(answer) => panic!("{what}: answered {:?}", answer.rows.first()),
            Err(error) => error,
        };
        let refusal = error.refusal().unwrap_or_else(|| panic!("{what}: {error}"));
        let limits = [
            "SQL_OUT_OF_MEMORY",
            "SQL_SPILL_FULL",
            "SQL_DEADLINE_EXCEEDED",
        ];
        assert!(limits.contains(&&*refusal.reason), "{what}: {refusal:?}");
        assert!(
            took < Duration::from_secs(u64::try_from(seconds)? + 10),
            "{what} took {took:?}"
        );
        settings::say(&format!(
            "sql: {what}: {} after {:.1} s: {}",
            refusal.reason,
            took.as_secs_f64(),
            refusal.message
        ));
        *ends.entry(refusal.reason.clone()).or_insert(0) += 1;
    }
    let after = peak_mib(&engine)?;
    settings::say(&format!(
        "sql: {} greedy queries ended in {:.1} s: {ends:?}; a job and three queries took {:.1} s meanwhile; \
         the engine's own memory peaked at {after} MiB, before at {before} MiB",
        GREEDY.len(),
        start.elapsed().as_secs_f64(),
        served.as_secs_f64(),
    ));
    assert!(
        after < before + 64,
        "the engine grew from {before} to {after} MiB"
    );
    // A worker is ended, and its files go, just after its query is answered.
    let scratch = engine.data().join("scratch");
    let begin = Instant::now();
    while files_below(&scratch) > 0 && begin.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(files_below(&scratch), 0, "spilled files are left");
    let answer = ask(&client, request("select count(*) from buys")).await?;
    assert_eq!(answer.rows, ["2000"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_queries_at_once_are_answered_or_sent_away() -> Result<()> {
    let (n, at_once, waiting) = match settings::slow() {
        true => (1_000, "8", "1000"),
        false => (120, "4", "120"),
    };
    let (engine, client) =
        shop(&["--queries-at-once", at_once, "--queries-waiting", waiting]).await?;
    let sql = "select count(*), count(qty), sum(money) > 0 from buys";
    let expected = ask(&client, request(sql)).await?.rows;
    let before = peak_mib(&engine)?;
    let start = Instant::now();
    let mut queries = JoinSet::new();
    for _ in 0..n {
        let client = client.clone();
        queries.spawn(async move { ask(&client, request(sql)).await });
    }
    while let Some(answer) = queries.join_next().await {
        assert_eq!(answer??.rows, expected);
    }
    let after = peak_mib(&engine)?;
    settings::say(&format!(
        "sql: {n} queries at once: all answered in {:.1} s; the engine's own memory peaked at {after} MiB, \
         before at {before} MiB",
        start.elapsed().as_secs_f64(),
    ));
    assert!(
        after < before + 64 + n / 10,
        "the engine grew from {before} to {after} MiB"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_full_says_when_to_come_back() -> Result<()> {
    let (engine, client) = shop(&["--queries-at-once", "2", "--queries-waiting", "10"]).await?;
    let sql = "select count(*) from buys";
    let mut queries = JoinSet::new();
    for _ in 0..60 {
        let client = client.clone();
        queries.spawn(async move { ask(&client, request(sql)).await });
    }
    let (mut answered, mut refused) = (0, 0);
    while let Some(answer) = queries.join_next().await {
        match answer? {
            Ok(answer) => {
                assert_eq!(answer.rows, ["2000"]);
                answered += 1;
            }
            Err(error) => {
                let refusal = error
                    .refusal()
                    .with_context(|| format!("no refusal: {error}"))?;
                assert_eq!(
                    (refusal.code, &*refusal.reason),
                    (Code::ResourceExhausted, "SQL_QUEUE_FULL")
                );
                assert!(refusal.retry_after.is_some(), "{refusal:?}");
                refused += 1;
            }
        }
    }
    assert!(answered >= 12, "{answered} answered, {refused} refused");
    assert!(refused > 0, "{answered} answered, {refused} refused");
    // A client that waits as it is told gets its answer.
    let patient = Client::connect(
        engine.address(),
        Options {
            retry: RetryPolicy {
                attempts: 50,
                ..RetryPolicy::default()
            },
            deadline: Duration::from_secs(120),
            ..Options::default()
        },
    )?;
    let mut queries = JoinSet::new();
    for _ in 0..30 {
        let client = patient.clone();
        queries.spawn(async move { ask(&client, request(sql)).await });
    }
    while let Some(answer) = queries.join_next().await {
        assert_eq!(answer??.rows, ["2000"]);
    }
    settings::say(&format!(
        "sql: two at once and ten in line: of sixty {answered} answered, {refused} told to come back"
    ));
    Ok(())
}

/// The engine's workers for SQL that run or wait.
fn workers(engine: &Engine) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let pid = entry?.file_name().to_string_lossy().into_owned();
        // Of a process that has ended meanwhile there is nothing to read.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((name, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let parent = rest.split_whitespace().nth(1);
        let is_ours = parent == Some(engine.pid().to_string().as_str());
        if is_ours && name.ends_with("(lode-sql") && !rest.starts_with(" Z") {
            found.push(pid);
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_wait_are_few_and_may_end() -> Result<()> {
    let (engine, client) = shop(&[]).await?;
    let sql = "select count(*), sum(qty) from buys";
    let expected = ask(&client, request(sql)).await?.rows;
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let client = client.clone();
        tasks.spawn(async move { ask(&client, request(sql)).await });
    }
    while let Some(answer) = tasks.join_next().await {
        assert_eq!(answer??.rows, expected);
    }
    // Those that do not wait for another query end soon after their answer.
    let begin = Instant::now();
    let waiting = loop {
        let waiting = workers(&engine)?;
        if (1..=2).contains(&waiting.len()) || begin.elapsed() > Duration::from_secs(20) {
            break waiting;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!((1..=2).contains(&waiting.len()), "{waiting:?}");
    // One of them serves the next query.
    assert_eq!(ask(&client, request(sql)).await?.rows, expected);
    assert!(workers(&engine)?.iter().any(|pid| waiting.contains(pid)));
    // Whoever ends them costs no query its answer.
    for pid in workers(&engine)? {
        let pid = Pid::from_raw(pid.parse()?).context("a process")?;
        kill_process(pid, Signal::KILL)?;
    }
    assert_eq!(ask(&client, request(sql)).await?.rows, expected);
    // What is left of a query that failed is not taken over by the next.
    let failing = "select 1 / (qty - qty) from buys";
    let refused = ask(&client, request(failing)).await;
    assert!(refused.is_err_and(|error| error.has_reason("SQL_FAILED")));
    assert_eq!(ask(&client, request(sql)).await?.rows, expected);
    Ok(())
}
