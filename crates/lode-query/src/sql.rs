//! Runs a query in a `lode-sql` worker process and reads its rows.
//!
//! Three steps, each a value of its own: [`Sql::open`] starts a worker and says which tables
//! the query reads, [`Opened::plan`] hands their files over and gives the result's columns,
//! [`Planned::execute`] gives the rows. Dropping any of them ends the worker. Knows nothing of
//! datasets or versions; the caller finds the files.

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::SchemaRef;
use lode_types::Class;
use lode_types::Fault;
use lode_worker::Channel;
use lode_worker::Limits;
use lode_worker::Polled;
use lode_worker::Received;
use lode_worker::Spawner;
use lode_worker::Worker;
use lode_worker::WorkerCommand;
use lode_worker::sql::ProvidedTable;
use lode_worker::sql::Reply;
use lode_worker::sql::Request;

use crate::Error;
use crate::Result;

/// Largest batch of a result.
const BATCH_BYTES: u64 = 1 << 20;
/// Longest time to parse, or to plan.
const PLAN_TIME: Duration = Duration::from_secs(60);
/// How often a wait for rows looks up.
const LOOK_UP: Duration = Duration::from_secs(3600);

/// Starts queries.
#[derive(Clone, Debug)]
pub struct Sql {
    spawner: Arc<Spawner>,
    program: PathBuf,
    memory_bytes: u64,
}

/// A table that a query reads.
#[derive(Debug)]
pub struct SqlTable {
    /// As [`Opened::tables`] names it.
    pub name: String,
    /// Its Arrow IPC files, one or more.
    pub files: Vec<File>,
}

impl Sql {
    /// Queries by the worker `program`, each in at most `memory_bytes` of private memory.
    pub fn new(spawner: Arc<Spawner>, program: PathBuf, memory_bytes: u64) -> Self {
        Self {
            spawner,
            program,
            memory_bytes,
        }
    }

    /// Starts a worker and parses one SELECT. With one thread the order of rows is the same
    /// each time.
    ///
    /// # Errors
    /// `SQL_NOT_A_QUERY`, `SQL_INVALID`, or the worker's own when it cannot be started.
    pub fn open(&self, sql: &str, threads: u32) -> Result<Opened> {
        let worker = self
            .spawner
            .spawn(&WorkerCommand {
                program: self.program.clone(),
                args: Vec::new(),
                limits: Limits {
                    memory_bytes: self.memory_bytes,
                },
            })
            .map_err(worker)?;
        let talk = Talk {
            channel: worker.channel().try_clone().map_err(self::worker)?,
            stop: Stop {
                inner: Arc::new(Mutex::new(Held {
                    worker: Some(worker),
                    stopped: false,
                })),
            },
            memory_bytes: self.memory_bytes,
        };
        let sql = sql.to_owned();
        talk.send(&Request::Open { sql, threads }, &[])?;
        match talk.recv(PLAN_TIME)?.message {
            Reply::Tables { names } => Ok(Opened { talk, names }),
            other => Err(talk.refused(other)),
        }
    }
}

/// A query whose tables are known.
#[derive(Debug)]
pub struct Opened {
    talk: Talk,
    names: Vec<String>,
}

impl Opened {
    /// The tables that the query reads, each once, as it writes them.
    pub fn tables(&self) -> &[String] {
        &self.names
    }

    /// Hands the tables over and plans the query.
    ///
    /// # Errors
    /// `SQL_INVALID` when the query does not fit the tables' columns, `SQL_OUT_OF_MEMORY`.
    pub fn plan(self, tables: Vec<SqlTable>) -> Result<Planned> {
        for table in &tables {
            if !self.names.contains(&table.name) {
                return Err(Error::TableMismatch {
                    expected: self.names,
                    found: table.name.clone(),
                });
            }
        }
        if tables.len() != self.names.len() {
            return Err(Error::TableMismatch {
                expected: self.names,
                found: format!("{} tables", tables.len()),
            });
        }
        let provided = tables
            .iter()
            .map(|table| ProvidedTable {
                name: table.name.clone(),
                n_files: table.files.len(),
            })
            .collect();
        let files: Vec<&File> = tables.iter().flat_map(|table| &table.files).collect();
        let talk = self.talk;
        talk.send(&Request::Provide { tables: provided }, &files)?;
        let received = talk.recv(PLAN_TIME)?;
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
            ended: false,
        }
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

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(row_limit) = self.start.take() {
            let request = Request::Execute {
                row_limit,
                batch_bytes: BATCH_BYTES,
            };
            self.talk.send(&request, &[])?;
        }
        let received = self.talk.recv(Duration::MAX)?;
        match received.message {
            Reply::Batch => match self.talk.decode(received.body)? {
                (_, Some(batch)) => Ok(Some(batch)),
                _ => Err(failed("the query's worker sent a batch without rows")),
            },
            Reply::Done { .. } => Ok(None),
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
    worker: Option<Worker>,
    stopped: bool,
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
}

impl Talk {
    fn send(&self, request: &Request, files: &[&File]) -> Result<()> {
        let fds: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        self.channel
            .send(request, &[], &fds)
            .map_err(|error| self.broken(Some(error)))
    }

    fn recv(&self, at_most: Duration) -> Result<Received<Reply>> {
        let begin = Instant::now();
        loop {
            let left = at_most.saturating_sub(begin.elapsed());
            match self.channel.recv_timeout(left.min(LOOK_UP)) {
                Ok(Polled::Message(received)) => return Ok(received),
                Ok(Polled::TimedOut) if begin.elapsed() < at_most => {}
                Ok(Polled::TimedOut) => {
                    let seconds = at_most.as_secs();
                    let text = format!(
                        "expected a query that can be planned within {seconds} s, found a harder one"
                    );
                    return Err(fault(Class::Limit, "SQL_FAILED", text));
                }
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
            "SQL_OUT_OF_MEMORY" => Class::Limit,
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
