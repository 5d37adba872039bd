//! Runs a query in a `lode-sql` worker process and reads its rows.
//!
//! Three steps, each a value of its own: [`Sql::open`] starts a worker and says which tables
//! the query reads, [`Opened::plan`] hands their files over and gives the result's columns,
//! [`Planned::execute`] gives the rows. Dropping any of them ends the worker and removes what
//! it had spilled; a worker whose rows were all taken may serve the next query instead.
//! Knows nothing of datasets or versions; the caller finds the files.

mod idle;
mod scratch;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::SchemaRef;
use lode_types::Class;
use lode_types::Fault;
use lode_types::Timestamp;
use lode_types::Value;
use lode_worker::Channel;
use lode_worker::Limits;
use lode_worker::Polled;
use lode_worker::Received;
use lode_worker::Spawner;
use lode_worker::Worker;
use lode_worker::WorkerCommand;
use lode_worker::sql::Bound;
use lode_worker::sql::Explained;
use lode_worker::sql::NamedTable;
use lode_worker::sql::ProvidedTable;
use lode_worker::sql::Reply;
use lode_worker::sql::Request;
use lode_worker::sql::RunOptions;

use self::idle::Idle;
use self::scratch::ScratchDir;
use crate::Error;
use crate::Result;

/// Largest batch of a result.
const BATCH_BYTES: u64 = 1 << 20;
/// Longest time to parse, or to plan.
const PLAN_TIME: Duration = Duration::from_secs(60);
/// How often a wait for rows looks up.
const LOOK_UP: Duration = Duration::from_secs(3600);

/// What each query may use.
#[derive(Clone, Debug)]
pub struct SqlLimits {
    /// Bytes of private memory.
    pub memory_bytes: u64,
    /// Directory for what does not fit into memory; it is emptied at the start and must be
    /// nobody else's. None: a query that needs more memory fails.
    pub scratch: Option<PathBuf>,
    /// Bytes that one query may have there.
    pub scratch_bytes: u64,
}

/// How one query is run.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// Threads; with one the order of rows is the same each time.
    pub threads: u32,
    /// What stands for `$name`, and for `$1` under "1".
    pub parameters: BTreeMap<String, Value>,
    /// What `now()` gives.
    pub now: Timestamp,
    /// When the query must have ended; the reader's pauses count.
    pub deadline: Option<Instant>,
}

impl QueryOptions {
    /// One thread, no parameters, no deadline.
    pub fn at(now: Timestamp) -> Self {
        Self {
            threads: 1,
            parameters: BTreeMap::new(),
            now,
            deadline: None,
        }
    }
}

/// Starts queries.
#[derive(Clone, Debug)]
pub struct Sql {
    spawner: Arc<Spawner>,
    program: PathBuf,
    limits: SqlLimits,
    /// Numbers the queries' directories.
    next: Arc<AtomicU64>,
    idle: Idle,
}

/// A table that a query reads.
#[derive(Debug)]
pub struct SqlTable {
    /// As [`Opened::tables`] names it.
    pub name: String,
    /// Its Arrow IPC files, one or more.
    pub files: Vec<File>,
    /// Which rows are to be seen; none: all.
    pub bound: Option<Bound>,
}

impl SqlTable {
    /// All rows of some files.
    pub fn new(name: impl Into<String>, files: Vec<File>) -> Self {
        Self {
            name: name.into(),
            files,
            bound: None,
        }
    }
}

impl Sql {
    /// Queries by the worker `program`, each within the limits.
    ///
    /// # Errors
    /// `SQL_SCRATCH_UNUSABLE` when the scratch directory cannot be made or emptied.
    pub fn new(spawner: Arc<Spawner>, program: PathBuf, mut limits: SqlLimits) -> Result<Self> {
        if let Some(scratch) = &mut limits.scratch {
            *scratch = scratch::prepare(scratch)?;
        }
        Ok(Self {
            spawner,
            program,
            limits,
            next: Arc::default(),
            idle: Idle::default(),
        })
    }

    /// Starts a worker and parses one SELECT.
    ///
    /// # Errors
    /// `SQL_NOT_A_QUERY`, `SQL_INVALID`, or the worker's own when it cannot be started.
    pub fn open(&self, sql: &str, options: &QueryOptions) -> Result<Opened> {
        if let Some(worker) = self.idle.take() {
            match self.ask(worker, sql, options)? {
                Asked::Opened(opened) => return Ok(opened),
                // It ended while it was idle; a fresh one shall say more.
                Asked::Broken(_) => {}
            }
        }
        let worker = self
            .spawner
            .spawn(&WorkerCommand {
                program: self.program.clone(),
                args: Vec::new(),
                limits: Limits {
                    memory_bytes: self.limits.memory_bytes,
                    // A query is told its threads.
                    cpus: 0,
                },
            })
            .map_err(worker)?;
        match self.ask(worker, sql, options)? {
            Asked::Opened(opened) => Ok(opened),
            Asked::Broken(error) => Err(error),
        }
    }

    /// Asks a worker which tables a query reads.
    fn ask(&self, worker: Worker, sql: &str, options: &QueryOptions) -> Result<Asked> {
        let scratch = self
            .limits
            .scratch
            .as_ref()
            .map(|root| ScratchDir::make(root, &self.next))
            .transpose()?;
        let run = RunOptions {
            threads: options.threads,
            parameters: options.parameters.clone(),
            now_micros: options.now.0,
            scratch: scratch
                .as_ref()
                .map(|scratch| scratch.offer(self.limits.scratch_bytes)),
            batch_rows: 0,
        };
        let talk = Talk {
            channel: worker.channel().try_clone().map_err(self::worker)?,
            stop: Stop {
                inner: Arc::new(Mutex::new(Held {
                    worker: Some(worker),
                    stopped: false,
                    scratch,
                })),
            },
            memory_bytes: self.limits.memory_bytes,
            deadline: options.deadline,
            idle: self.idle.clone(),
        };
        let sql = sql.to_owned();
        let request = Request::Open { sql, options: run };
        let answer = talk.send(&request, &[]).and_then(|()| talk.recv_soon());
        match answer.map(|answer| answer.message) {
            Ok(Reply::Tables { tables }) => Ok(Asked::Opened(Opened { talk, tables })),
            Ok(other) => Err(talk.refused(other)),
            Err(error) => Ok(Asked::Broken(error)),
        }
    }
}

/// What came of asking a worker.
enum Asked {
    Opened(Opened),
    /// It did not answer.
    Broken(Error),
}

/// A query whose tables are known.
#[derive(Debug)]
pub struct Opened {
    talk: Talk,
    tables: Vec<NamedTable>,
}

impl Opened {
    /// The tables that the query reads; a dataset once for each time and version of it.
    pub fn tables(&self) -> &[NamedTable] {
        &self.tables
    }

    /// A handle by which another thread can end the query.
    pub fn stop_handle(&self) -> Stop {
        self.talk.stop.clone()
    }

    /// Hands the tables over and plans the query.
    ///
    /// # Errors
    /// `SQL_INVALID` when the query does not fit the tables' columns, `SQL_OUT_OF_MEMORY`.
    pub fn plan(self, tables: Vec<SqlTable>) -> Result<Planned> {
        let expected = || self.tables.iter().map(|table| table.name.clone()).collect();
        for table in &tables {
            if !self.tables.iter().any(|named| named.name == table.name) {
                return Err(Error::TableMismatch {
                    expected: expected(),
                    found: table.name.clone(),
                });
            }
        }
        if tables.len() != self.tables.len() {
            return Err(Error::TableMismatch {
                expected: expected(),
                found: format!("{} tables", tables.len()),
            });
        }
        let provided = tables
            .iter()
            .map(|table| ProvidedTable {
                name: table.name.clone(),
                n_files: table.files.len(),
                bound: table.bound.clone(),
            })
            .collect();
        let files: Vec<&File> = tables.iter().flat_map(|table| &table.files).collect();
        let talk = self.talk;
        talk.send(&Request::Provide { tables: provided }, &files)?;
        let received = talk.recv_soon()?;
        match received.message {
            Reply::Planned => {
                let (schema, _) = talk.decode(received.body)?;
                Ok(Planned { talk, schema })
            }
            other => Err(talk.refused(other)),
        }
    }
}

/// A query that is ready to run.
#[derive(Debug)]
pub struct Planned {
    talk: Talk,
    schema: SchemaRef,
}

impl Planned {
    /// The result's columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Runs the query; with a limit, only its first rows are made.
    pub fn execute(self, row_limit: Option<u64>) -> Rows {
        Rows {
            talk: self.talk,
            schema: self.schema,
            start: Some(row_limit),
            truncated: false,
            ended: false,
        }
    }

    /// Says how the query runs, with `analyze` after running it.
    ///
    /// # Errors
    /// With `analyze` those of a run.
    pub fn explain(self, analyze: bool, row_limit: Option<u64>) -> Result<Explained> {
        let request = Request::Explain { analyze, row_limit };
        self.talk.send(&request, &[])?;
        match self.talk.recv(None)?.message {
            Reply::Explained(explained) => Ok(explained),
            other => Err(self.talk.refused(other)),
        }
    }

    /// A handle by which another thread can end the query.
    pub fn stop_handle(&self) -> Stop {
        self.talk.stop.clone()
    }
}

/// The rows of a query, batch by batch, each of about 1 MiB at most. After an error there are
/// no more. Dropping it ends the worker.
#[derive(Debug)]
pub struct Rows {
    talk: Talk,
    schema: SchemaRef,
    /// The row limit, until the worker has been told.
    start: Option<Option<u64>>,
    truncated: bool,
    ended: bool,
}

impl Rows {
    /// The result's columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// A handle by which another thread can end the query.
    pub fn stop_handle(&self) -> Stop {
        self.talk.stop.clone()
    }

    /// Whether the row limit left rows out; known at the end.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(row_limit) = self.start.take() {
            let request = Request::Execute {
                row_limit,
                batch_bytes: BATCH_BYTES,
            };
            self.talk.send(&request, &[])?;
        }
        let received = self.talk.recv(None)?;
        match received.message {
            Reply::Batch => match self.talk.decode(received.body)? {
                (_, Some(batch)) => Ok(Some(batch)),
                _ => Err(failed("the query's worker sent a batch without rows")),
            },
            Reply::Done {
                truncated, again, ..
            } => {
                self.truncated = truncated;
                if again {
                    self.talk.rest();
                }
                Ok(None)
            }
            other => Err(self.talk.refused(other)),
        }
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Ends a query from another thread; the rows then end with `SQL_CANCELLED`.
#[derive(Clone)]
pub struct Stop {
    inner: Arc<Mutex<Held>>,
}

struct Held {
    // Before the directory, which can only go when nobody writes into it.
    worker: Option<Worker>,
    stopped: bool,
    #[expect(dead_code, reason = "dropped to remove the directory")]
    scratch: Option<ScratchDir>,
}

impl Stop {
    /// Ends the worker at once; twice is no error.
    pub fn stop(&self) {
        let mut held = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        held.stopped = true;
        if let Some(worker) = &held.worker {
            worker.kill();
        }
    }

    fn take(&self) -> (Option<Worker>, bool) {
        let mut held = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (held.worker.take(), held.stopped)
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").finish_non_exhaustive()
    }
}

/// The conversation with one worker, which ends with it.
#[derive(Debug)]
struct Talk {
    channel: Channel,
    stop: Stop,
    memory_bytes: u64,
    deadline: Option<Instant>,
    /// Where the worker goes when its query is done.
    idle: Idle,
}

impl Talk {
    /// Lets the worker wait for another query, unless it is being stopped.
    fn rest(&self) {
        if let (Some(worker), false) = self.stop.take() {
            self.idle.put(worker);
        }
    }

    fn send(&self, request: &Request, files: &[&File]) -> Result<()> {
        let fds: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        self.channel
            .send(request, &[], &fds)
            .map_err(|error| self.broken(Some(error)))
    }

    /// Waits for an answer that parsing or planning gives.
    fn recv_soon(&self) -> Result<Received<Reply>> {
        self.recv(Some(PLAN_TIME))
    }

    fn recv(&self, at_most: Option<Duration>) -> Result<Received<Reply>> {
        let begin = Instant::now();
        loop {
            let now = Instant::now();
            let until_deadline = self.deadline.map(|at| at.saturating_duration_since(now));
            let left = at_most.map(|most| most.saturating_sub(now - begin));
            let wait = [until_deadline, left].into_iter().flatten().min();
            match self
                .channel
                .recv_timeout(wait.unwrap_or(LOOK_UP).min(LOOK_UP))
            {
                Ok(Polled::Message(received)) => return Ok(received),
                Ok(Polled::TimedOut) if self.deadline.is_some_and(|at| Instant::now() >= at) => {
                    return Err(out_of_time());
                }
                Ok(Polled::TimedOut) => match at_most {
                    Some(most) if begin.elapsed() >= most => {
                        let seconds = most.as_secs();
                        let text = format!(
                            "expected a query that can be planned within {seconds} s, found a harder one"
                        );
                        return Err(fault(Class::Limit, "SQL_FAILED", text));
                    }
                    _ => {}
                },
                Ok(Polled::Closed) => return Err(self.broken(None)),
                Err(error) => return Err(self.broken(Some(error))),
            }
        }
    }

    /// What a worker's end means.
    fn broken(&self, error: Option<lode_worker::Error>) -> Error {
        let (held, stopped) = self.stop.take();
        let exit = held.map(Worker::finish).unwrap_or_default();
        if stopped {
            return fault(Class::Cancelled, "SQL_CANCELLED", "the query was stopped");
        }
        if exit.out_of_memory() {
            let mib = self.memory_bytes >> 20;
            let text = format!(
                "expected a query that runs in {mib} MiB of memory, found one that needs more"
            );
            return fault(Class::Limit, "SQL_OUT_OF_MEMORY", text);
        }
        match error {
            // It still speaks, but not this protocol.
            Some(error @ lode_worker::Error::Frame { .. }) => worker(error),
            _ => failed(format!(
                "the query's worker {} before it was done",
                exit.describe()
            )),
        }
    }

    /// What a reply other than the awaited one means.
    fn refused(&self, reply: Reply) -> Error {
        let Reply::Failed { reason, message } = reply else {
            return failed("the query's worker answered out of turn");
        };
        let class = match reason.as_str() {
            "SQL_OUT_OF_MEMORY" | "SQL_SPILL_FULL" => Class::Limit,
            "SQL_PANICKED" => Class::Bug,
            _ => Class::Invalid,
        };
        fault(class, &reason, message)
    }

    fn decode(&self, body: Vec<u8>) -> Result<(SchemaRef, Option<RecordBatch>)> {
        let mut decoder = StreamDecoder::new();
        let mut body = Buffer::from_vec(body);
        let batch = decoder
            .decode(&mut body)
            .map_err(|error| failed(format!("the query's worker sent damaged rows: {error}")))?;
        let schema = decoder
            .schema()
            .ok_or_else(|| failed("the query's worker sent rows without columns"))?;
        Ok((schema, batch))
    }
}

/// What a query is told whose time is over.
fn out_of_time() -> Error {
    fault(
        Class::Deadline,
        "SQL_DEADLINE_EXCEEDED",
        "the query's time ran out; give it more, or let it read less",
    )
}

fn worker(error: lode_worker::Error) -> Error {
    Error::Worker(Box::new(error))
}

fn failed(message: impl Into<String>) -> Error {
    fault(Class::Bug, "SQL_FAILED", message)
}

fn fault(class: Class, reason: &str, message: impl Into<String>) -> Error {
    let mut fault = Fault::new(class, reason, message);
    if class == Class::Invalid {
        fault = fault.at("sql");
    }
    Error::Query(Box::new(fault))
}

#[cfg(test)]
mod tests;
