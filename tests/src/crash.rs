//! A client that loads, puts rows, compacts and starts jobs without rest, and keeps a log of
//! every acknowledgement.
//!
//! The crash tests kill the engine under it and then ask [`verify`] whether the engine still
//! knows everything the log holds. Invariant: the log changes only after an acknowledgement is
//! in hand, except that a commit or a put is noted as sent before it is sent, since it may have
//! worked. A put that was not answered is sent again under its old id until it is.

mod verify;

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;

use anyhow::Result;
use anyhow::bail;
use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_client::Client;
use lode_client::Options;
use lode_client::RetryPolicy;
use lode_numeric::Rng;
use lode_proto::v1;
use tokio::task::JoinSet;

use crate::Engine;
use crate::wire;
use crate::work;

pub use verify::verify;

/// Rows of each chunk.
const ROWS: i64 = 50;

/// Where the load's number stands in a row, that of a put stands above this.
const PUTS: i64 = 1_000_000;

/// So many customers are written by puts, each by its own.
const PUT_CUSTOMERS: i64 = 40;

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

/// What the client knows about one call that puts rows.
#[derive(Clone, Debug)]
struct Put {
    table: Table,
    number: i64,
    /// Never [`Commit::NotSent`].
    commit: Commit,
}

impl Put {
    fn id(&self) -> String {
        format!("put-{}", self.number)
    }

    /// Into events some, into customers one.
    fn rows(&self) -> i64 {
        match self.table {
            Table::Events => 1 + self.number % 3,
            Table::Customers => 1,
        }
    }
}

#[derive(Debug, Default)]
struct Known {
    loads: Vec<Load>,
    puts: Vec<Put>,
    jobs: Vec<String>,
    compactions: u64,
    refusals: Vec<String>,
}

/// How much was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Chunks of loads.
    pub chunks: u64,
    /// Loads.
    pub commits: usize,
    /// Calls that put a few rows.
    pub puts: usize,
    /// Compactions of all there was.
    pub compactions: u64,
    /// Jobs.
    pub jobs: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.chunks += more.chunks;
        self.commits += more.commits;
        self.puts += more.puts;
        self.compactions += more.compactions;
        self.jobs += more.jobs;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chunks,
            commits,
            puts,
            compactions,
            jobs,
        } = self;
        write!(
            f,
            "{chunks} chunks, {commits} commits, {puts} puts, {compactions} compactions, {jobs} \
             jobs acknowledged"
        )
    }
}

/// The client's own log; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log {
    known: Arc<Mutex<Known>>,
}

impl Log {
    /// What was acknowledged.
    pub fn counts(&self) -> Counts {
        let known = self.known();
        let is_done = |commit: Commit| usize::from(commit == Commit::Acknowledged);
        Counts {
            chunks: known.loads.iter().map(|load| load.acknowledged).sum(),
            commits: known.loads.iter().map(|load| is_done(load.commit)).sum(),
            puts: known.puts.iter().map(|put| is_done(put.commit)).sum(),
            compactions: known.compactions,
            jobs: known.jobs.len(),
        }
    }

    /// What the engine refused, by itself and not because it was gone.
    pub fn refusals(&self) -> Vec<String> {
        self.known().refusals.clone()
    }

    /// Ids of the acknowledged jobs.
    pub fn jobs(&self) -> Vec<String> {
        self.known().jobs.clone()
    }

    /// Keeps why a task ended, unless the engine was gone.
    fn note(&self, what: &str, ended: &anyhow::Error) {
        let gone = match ended.downcast_ref::<lode_client::Error>() {
            // Without a reason of the engine's own the connection broke.
            Some(lode_client::Error::Refused(refusal)) => {
                ["UNAVAILABLE", "CANCELLED", "UNKNOWN"].contains(&refusal.reason.as_str())
            }
            Some(error) => error.is_unreachable(),
            None => false,
        };
        if !gone {
            self.known().refusals.push(format!("{what}: {ended:#}"));
        }
    }

    fn note_end(&self, what: &str, ended: Result<()>) {
        if let Err(error) = ended {
            self.note(what, &error);
        }
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

    /// The put that was not answered, or a new one; noted as sent.
    fn next_put(&self, table: Table) -> Put {
        let mut known = self.known();
        let open = |put: &&Put| put.table == table && put.commit != Commit::Acknowledged;
        if let Some(put) = known.puts.iter().rev().find(open) {
            return put.clone();
        }
        let put = Put {
            table,
            number: i64::try_from(known.puts.len()).expect("a test makes few puts"),
            commit: Commit::Sent,
        };
        known.puts.push(put.clone());
        put
    }

    fn put_is_done(&self, done: &Put) {
        let mut known = self.known();
        let put = known.puts.iter_mut().find(|put| put.number == done.number);
        put.expect("only logged puts are sent").commit = Commit::Acknowledged;
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

/// A client that does not wait for an engine that is gone.
///
/// # Errors
/// When the address cannot be read.
pub fn impatient(engine: &Engine) -> Result<Client> {
    let options = Options {
        retry: RetryPolicy {
            attempts: 1,
            ..RetryPolicy::default()
        },
        ..Options::default()
    };
    Ok(Client::connect(engine.address(), options)?)
}

/// Starts the writers, the maker of jobs and the compactor; each ends when the engine goes away.
pub fn start(client: &Client, log: &Log, seed: u64) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    // Each writer holds one until it ends.
    let writing = Arc::new(());
    for (table, stream) in [(Table::Events, 0), (Table::Customers, 1)] {
        let (own, own_log, held) = (client.clone(), log.clone(), Arc::clone(&writing));
        tasks.spawn(async move {
            let _held = held;
            let mut rng = Rng::stream(seed, stream);
            let ended = loop {
                if let Err(error) = one_load(&own, &own_log, table, &mut rng).await {
                    break error;
                }
            };
            own_log.note("a load", &ended);
        });
        let (own, own_log) = (client.clone(), log.clone());
        tasks.spawn(async move {
            let mut rng = Rng::stream(seed, stream + 2);
            let ended = put_rows(&own, &own_log, table, &mut rng).await;
            own_log.note_end("a put", ended);
        });
    }
    let writing = Arc::downgrade(&writing);
    let (own, own_log, held) = (client.clone(), log.clone(), writing.clone());
    tasks.spawn(async move {
        let ended = make_jobs(&own, &own_log, seed, &held).await;
        own_log.note_end("a job", ended);
    });
    let (client, log) = (client.clone(), log.clone());
    tasks.spawn(async move {
        let ended = compact(&client, &log, seed, &writing).await;
        log.note_end("a compaction", ended);
    });
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
        while log.counts().commits < 2 {
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

/// Puts a few rows at a time, with short pauses.
async fn put_rows(client: &Client, log: &Log, table: Table, rng: &mut Rng) -> Result<()> {
    loop {
        let put = log.next_put(table);
        let request = v1::PutRowsRequest {
            dataset: wire::dataset(table.id()),
            request_id: put.id(),
            rows: Some(wire::arrow_chunk(&rows_of_put(&put)?)?),
            ..v1::PutRowsRequest::default()
        };
        let answer = client.put_rows(request).await?;
        if i64::from(answer.accepted_rows) != put.rows() {
            bail!("{} of {put:?} were accepted", answer.accepted_rows);
        }
        log.put_is_done(&put);
        tokio::time::sleep(Duration::from_millis(1 + rng.below(20))).await;
    }
}

/// Makes one run of all events, rows of puts too, again and again.
async fn compact(client: &Client, log: &Log, seed: u64, writing: &Weak<()>) -> Result<()> {
    let mut rng = Rng::stream(seed, 9);
    while writing.strong_count() > 0 {
        tokio::time::sleep(Duration::from_millis(20 + rng.below(300))).await;
        let request = v1::CompactDatasetRequest {
            name: wire::dataset(Table::Events.id()),
        };
        client.compact_dataset(request).await?;
        log.known().compactions += 1;
    }
    Ok(())
}

/// The rows of one chunk: they follow from the load's number and the chunk's.
fn rows(load: &Load, seq: u64) -> Result<RecordBatch> {
    let seq = i64::try_from(seq)?;
    let first = seq * ROWS;
    let customers = (0..ROWS).map(|n| format!("c{}", first + n)).collect();
    table_rows(customers, first, load.number, seq)
}

/// The rows of one put: they follow from its number.
fn rows_of_put(put: &Put) -> Result<RecordBatch> {
    let customers = (0..put.rows())
        .map(|n| match put.table {
            Table::Events => format!("c{n}"),
            Table::Customers => format!("p{}", put.number % PUT_CUSTOMERS),
        })
        .collect();
    table_rows(customers, put.number, PUTS + put.number, 0)
}

/// One row for each customer, one second apart from `first` seconds after 2024-01-01.
fn table_rows(customers: Vec<String>, first: i64, load: i64, seq: i64) -> Result<RecordBatch> {
    let count = i64::try_from(customers.len())?;
    let range = || 0..count;
    let times = range().map(|n| 1_704_067_200_000_000 + (first + n) * 1_000_000);
    let columns: [(&str, Arc<dyn Array>); 6] = [
        (
            "customer",
            Arc::new(StringArray::from_iter_values(customers)),
        ),
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
            Arc::new(Int64Array::from_iter_values(range().map(|_| load))),
        ),
        (
            "seq",
            Arc::new(Int64Array::from_iter_values(range().map(|_| seq))),
        ),
        ("n", Arc::new(Int64Array::from_iter_values(range()))),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}
