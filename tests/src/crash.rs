//! A client that loads and starts jobs without rest, and keeps a log of every acknowledgement.
//!
//! The crash tests kill the engine under it and then ask [`verify`] whether the engine still
//! knows everything the log holds. Invariant: the log changes only after an acknowledgement is
//! in hand, except that a commit is noted as sent before it is sent, since it may have worked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_client::Client;
use lode_numeric::Rng;
use lode_proto::v1;
use tokio::task::JoinSet;

use crate::wire;
use crate::work;

/// Rows of each chunk.
const ROWS: i64 = 50;

/// Chunks of each load into the customers dataset: each load writes every customer anew.
const CUSTOMER_CHUNKS: u64 = 4;

/// One of the two datasets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Rows of all loads are kept.
    Events,
    /// The rows of the last load replace those of the one before.
    Customers,
}

impl Table {
    fn id(self) -> &'static str {
        match self {
            Self::Events => "crash-events",
            Self::Customers => "crash-customers",
        }
    }
}

/// How far the commit of a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    NotSent,
    Sent,
    Acknowledged,
}

/// What the client knows about one load.
#[derive(Clone, Debug)]
struct Load {
    table: Table,
    number: i64,
    chunks: u64,
    /// Chunks below this are acknowledged.
    acknowledged: u64,
    commit: Commit,
}

impl Load {
    fn id(&self) -> String {
        format!("load-{}", self.number)
    }
}

#[derive(Debug, Default)]
struct Known {
    loads: Vec<Load>,
    jobs: Vec<String>,
}

/// The client's own log; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log {
    known: Arc<Mutex<Known>>,
}

impl Log {
    /// Acknowledged chunks, commits and jobs.
    pub fn counts(&self) -> (u64, usize, usize) {
        let known = self.known();
        let chunks = known.loads.iter().map(|load| load.acknowledged).sum();
        let commits = known
            .loads
            .iter()
            .filter(|load| load.commit == Commit::Acknowledged);
        (chunks, commits.count(), known.jobs.len())
    }

    /// Ids of the acknowledged jobs.
    pub fn jobs(&self) -> Vec<String> {
        self.known().jobs.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A writer that panicked has left whole records behind.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The load to go on with: the unfinished one, or a new one.
    fn next_load(&self, table: Table, rng: &mut Rng) -> Load {
        let mut known = self.known();
        let open = |load: &&Load| load.table == table && load.commit != Commit::Acknowledged;
        if let Some(load) = known.loads.iter().find(open) {
            return load.clone();
        }
        let load = Load {
            table,
            number: i64::try_from(known.loads.len()).expect("a test makes few loads"),
            chunks: match table {
                Table::Events => 2 + rng.below(8),
                Table::Customers => CUSTOMER_CHUNKS,
            },
            acknowledged: 0,
            commit: Commit::NotSent,
        };
        known.loads.push(load.clone());
        load
    }

    fn change(&self, number: i64, change: impl FnOnce(&mut Load)) {
        let mut known = self.known();
        let load = known.loads.iter_mut().find(|load| load.number == number);
        change(load.expect("only logged loads are changed"));
    }
}

/// Makes the two datasets.
///
/// # Errors
/// What the engine says.
pub async fn prepare(client: &Client) -> Result<()> {
    for table in [Table::Events, Table::Customers] {
        let kind = match table {
            Table::Events => v1::DatasetKind::Events,
            Table::Customers => v1::DatasetKind::Customers,
        };
        let columns = vec![
            wire::key("customer"),
            wire::column("at", v1::Type::Timestamp, v1::Role::EventTime),
            wire::column("amount", v1::Type::Float64, v1::Role::Amount),
            wire::column("load", v1::Type::Int64, v1::Role::Unspecified),
            wire::column("seq", v1::Type::Int64, v1::Role::Unspecified),
            wire::column("n", v1::Type::Int64, v1::Role::Unspecified),
        ];
        wire::create(client, table.id(), kind, columns).await?;
    }
    Ok(())
}

/// Starts the writers and the maker of jobs; each ends when the engine goes away.
pub fn start(client: &Client, log: &Log, seed: u64) -> JoinSet<Result<()>> {
    let mut tasks = JoinSet::new();
    // Each writer holds one until it ends.
    let writing = Arc::new(());
    for (table, stream) in [(Table::Events, 0), (Table::Customers, 1)] {
        let (client, log, writing) = (client.clone(), log.clone(), Arc::clone(&writing));
        tasks.spawn(async move {
            let _writing = writing;
            let mut rng = Rng::stream(seed, stream);
            loop {
                one_load(&client, &log, table, &mut rng).await?;
            }
        });
    }
    let (client, log) = (client.clone(), log.clone());
    let writing = Arc::downgrade(&writing);
    tasks.spawn(async move { make_jobs(&client, &log, seed, &writing).await });
    tasks
}

async fn one_load(client: &Client, log: &Log, table: Table, rng: &mut Rng) -> Result<()> {
    let load = log.next_load(table, rng);
    let ingest = wire::open(client, table.id(), &load.id()).await?;
    let mut requests = Vec::new();
    for seq in ingest.next_seq..load.chunks {
        requests.push(v1::AppendChunksRequest {
            ingest: ingest.name.clone(),
            seq,
            chunk: Some(wire::arrow_chunk(&rows(&load, seq)?)?),
            source_position: Vec::new(),
        });
    }
    let mut stream = client.append_chunks(tokio_stream::iter(requests)).await?;
    while let Some(answer) = stream.message().await? {
        if let Some(error) = answer.error {
            bail!("chunk {} of {}: {}", answer.seq, ingest.name, error.message);
        }
        log.change(load.number, |load| load.acknowledged = answer.seq + 1);
    }
    log.change(load.number, |load| load.commit = Commit::Sent);
    wire::commit(client, &ingest.name, load.chunks).await?;
    log.change(load.number, |load| {
        load.acknowledged = load.chunks;
        load.commit = Commit::Acknowledged;
    });
    Ok(())
}

async fn make_jobs(client: &Client, log: &Log, seed: u64, writing: &Weak<()>) -> Result<()> {
    for number in 0.. {
        while log.counts().1 < 2 {
            // An engine that went before there was anything to compute on.
            if writing.strong_count() == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let id = format!("crash-{seed}-{number}");
        work::create(
            client,
            &id,
            work::spec("segment.rfm", "events", Table::Events.id()),
        )
        .await?;
        log.known().jobs.push(id);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The rows of one chunk: they follow from the load's number and the chunk's.
fn rows(load: &Load, seq: u64) -> Result<RecordBatch> {
    let seq = i64::try_from(seq)?;
    let range = || 0..ROWS;
    let first = seq * ROWS;
    let customers = range().map(|n| Some(format!("c{}", first + n)));
    // One second apart, from 2024-01-01.
    let times = range().map(|n| 1_704_067_200_000_000 + (first + n) * 1_000_000);
    let columns: [(&str, Arc<dyn Array>); 6] = [
        ("customer", Arc::new(customers.collect::<StringArray>())),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        ),
        (
            "amount",
            Arc::new(Float64Array::from_iter_values(
                range().map(|n| n as f64 + 1.0),
            )),
        ),
        (
            "load",
            Arc::new(Int64Array::from_iter_values(range().map(|_| load.number))),
        ),
        (
            "seq",
            Arc::new(Int64Array::from_iter_values(range().map(|_| seq))),
        ),
        ("n", Arc::new(Int64Array::from_iter_values(range()))),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// What the engine has lost or shows in part; empty when it keeps every promise in the log.
///
/// # Errors
/// When the engine cannot answer.
pub async fn verify(client: &Client, log: &Log) -> Result<Vec<String>> {
    let (loads, jobs) = {
        let known = log.known();
        (known.loads.clone(), known.jobs.clone())
    };
    let mut problems = Vec::new();
    for load in &loads {
        problems.extend(verify_ledger(client, load).await?);
    }
    let of = |table| loads.iter().filter(move |load| load.table == table);
    problems.extend(verify_events(client, of(Table::Events)).await?);
    problems.extend(verify_customers(client, of(Table::Customers)).await?);
    for job in jobs {
        let request = v1::GetJobRequest {
            name: wire::job(&job),
        };
        match client.get_job(request).await {
            Ok(_) => {}
            Err(error) if error.has_reason("JOB_NOT_FOUND") => {
                problems.push(format!("job {job} was acknowledged and is lost"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(problems)
}

async fn verify_ledger(client: &Client, load: &Load) -> Result<Option<String>> {
    let (id, table) = (load.id(), load.table.id());
    let request = v1::GetIngestRequest {
        name: wire::ingest(table, &id),
    };
    let ingest = match client.get_ingest(request).await {
        Ok(response) => response.ingest.context("GetIngest answers with the load")?,
        Err(error) if error.has_reason("INGEST_NOT_FOUND") => {
            let lost = load.acknowledged > 0 || load.commit == Commit::Acknowledged;
            return Ok(lost.then(|| format!("{table}/{id} is lost, {load:?}")));
        }
        Err(error) => return Err(error.into()),
    };
    if ingest.next_seq < load.acknowledged {
        return Ok(Some(format!(
            "{table}/{id}: chunks below {} were acknowledged, the engine is at {}",
            load.acknowledged, ingest.next_seq
        )));
    }
    let committed = ingest.state() == v1::IngestState::Committed;
    if load.commit == Commit::Acknowledged && !committed {
        return Ok(Some(format!(
            "{table}/{id}: an acknowledged commit is lost"
        )));
    }
    Ok(None)
}

async fn verify_events(client: &Client, loads: impl Iterator<Item = &Load>) -> Result<Vec<String>> {
    let sql = r#"select "load", seq, count(*), sum(n) from "crash-events" group by "load", seq"#;
    let mut visible: BTreeMap<i64, Vec<(i64, i64, i64)>> = BTreeMap::new();
    for row in wire::int_rows(&wire::query(client, sql).await?)? {
        let [Some(load), Some(seq), Some(count), Some(sum)] = row[..] else {
            bail!("an empty value in {row:?} of {sql}");
        };
        visible.entry(load).or_default().push((seq, count, sum));
    }
    let mut problems = Vec::new();
    for load in loads {
        let mut found = visible.remove(&load.number).unwrap_or_default();
        found.sort_unstable();
        let chunks = i64::try_from(load.chunks)?;
        let whole = (0..chunks)
            .map(|seq| (seq, ROWS, ROWS * (ROWS - 1) / 2))
            .collect::<Vec<_>>();
        let good = match load.commit {
            Commit::NotSent => found.is_empty(),
            Commit::Sent => found.is_empty() || found == whole,
            Commit::Acknowledged => found == whole,
        };
        if !good {
            problems.push(format!(
                "events of {load:?} show as (seq, rows, sum of n) {found:?}"
            ));
        }
    }
    problems.extend(
        visible
            .keys()
            .map(|load| format!("load {load} was never made")),
    );
    Ok(problems)
}

async fn verify_customers(
    client: &Client,
    loads: impl Iterator<Item = &Load>,
) -> Result<Vec<String>> {
    let sql = r#"select "load", count(*), sum(n) from "crash-customers" group by "load""#;
    let visible = wire::int_rows(&wire::query(client, sql).await?)?;
    let per_chunk = ROWS * (ROWS - 1) / 2;
    let chunks = i64::try_from(CUSTOMER_CHUNKS)?;
    let whole = |load: &Load| {
        vec![vec![
            Some(load.number),
            Some(ROWS * chunks),
            Some(per_chunk * chunks),
        ]]
    };
    // The rows of the last commit; of one that was sent but not answered, perhaps.
    let mut allowed = vec![Vec::new()];
    for load in loads {
        match load.commit {
            Commit::NotSent => {}
            Commit::Sent => allowed.push(whole(load)),
            Commit::Acknowledged => allowed = vec![whole(load)],
        }
    }
    if allowed.contains(&visible) {
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "customers show as (load, rows, sum of n) {visible:?}, allowed {allowed:?}"
    )])
}
