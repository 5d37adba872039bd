//! Tables that come over the wire: Arrow batches as they arrive, or all of them.
//!
//! Each chunk is one self-contained Arrow IPC stream and is checked against its CRC-32C
//! when it carries one. Invariant: rows come once and in order, also through a reconnect.

use std::future::Future;
use std::io::Cursor;
use std::pin::Pin;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use lode_client::Stream;
use lode_client::v1;

use crate::Error;
use crate::Result;

/// A table in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
}

impl Table {
    /// Rows in all batches.
    pub fn n_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// What a stream of rows sends.
#[derive(Default)]
pub(crate) struct Message {
    arrow_schema: Vec<u8>,
    chunk: Option<v1::Chunk>,
    summary: Option<v1::QuerySummary>,
}

impl Message {
    pub(crate) fn new(arrow_schema: Vec<u8>, chunk: Option<v1::Chunk>) -> Self {
        Self {
            arrow_schema,
            chunk,
            summary: None,
        }
    }
}

/// A source of messages that may be able to start again at a row.
pub(crate) trait Messages: Send {
    /// The next message; none at the end.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Option<Message>>> + Send + '_>>;
    /// Starts again at `row`, or gives `error` back when that cannot be.
    fn reopen(
        &mut self,
        row: u64,
        error: Error,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>>;
}

/// Rows as they arrive.
pub struct Rows {
    messages: Box<dyn Messages>,
    schema: SchemaRef,
    ready: std::collections::VecDeque<RecordBatch>,
    n_read: u64,
    ended: bool,
    summary: Option<v1::QuerySummary>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("schema", &self.schema)
            .field("n_read", &self.n_read)
            .finish_non_exhaustive()
    }
}

impl Rows {
    pub(crate) async fn open(mut messages: Box<dyn Messages>) -> Result<Self> {
        let Some(first) = messages.next().await? else {
            return Err(broken("a schema first", "the end of the stream"));
        };
        let (schema, batches) = decode(&first.arrow_schema)?;
        if !batches.is_empty() {
            return Err(broken("a schema without batches", "rows beside it"));
        }
        Ok(Self {
            messages,
            schema,
            ready: std::collections::VecDeque::new(),
            n_read: 0,
            ended: false,
            summary: None,
        })
    }

    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// What became of a query: how many rows it gave, whether a limit cut it, and which
    /// versions it read. None before the end, and of a table that is no query's answer.
    pub fn summary(&self) -> Option<&v1::QuerySummary> {
        self.summary.as_ref()
    }

    /// The next rows; none at the end.
    ///
    /// # Errors
    /// What the stream met; a job's output is asked for again where it broke, a query is not.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let mut failure = 0;
        loop {
            if let Some(batch) = self.ready.pop_front() {
                self.n_read += batch.num_rows() as u64;
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            match self.messages.next().await {
                Ok(None) => self.ended = true,
                Ok(Some(message)) => {
                    if message.summary.is_some() {
                        self.summary = message.summary;
                    }
                    let Some(chunk) = message.chunk else { continue };
                    check_crc(&chunk)?;
                    let (_, batches) = decode(&chunk.data)?;
                    self.ready
                        .extend(batches.into_iter().filter(|batch| batch.num_rows() > 0));
                }
                Err(error) if error.is_passing() && failure < 6 => {
                    tokio::time::sleep(Duration::from_millis(100 << failure)).await;
                    failure += 1;
                    self.messages.reopen(self.n_read, error).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// All rows that are left.
    ///
    /// # Errors
    /// What the stream met.
    pub async fn collect(mut self) -> Result<Table> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        Ok(Table {
            schema: self.schema,
            batches,
        })
    }
}

/// The answers to a query; a query that broke is not run again by itself.
pub(crate) struct QueryMessages {
    stream: Stream<v1::QueryResponse>,
    /// Whether the summary has come, without which the answer is not whole.
    is_whole: bool,
}

impl QueryMessages {
    pub(crate) fn new(stream: Stream<v1::QueryResponse>) -> Self {
        let is_whole = false;
        Self { stream, is_whole }
    }
}

impl Messages for QueryMessages {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Option<Message>>> + Send + '_>> {
        Box::pin(async {
            let Some(message) = self.stream.message().await? else {
                return match self.is_whole {
                    true => Ok(None),
                    false => Err(broken("a summary last", "the end of the stream")),
                };
            };
            self.is_whole |= message.summary.is_some();
            Ok(Some(Message {
                arrow_schema: message.arrow_schema,
                chunk: message.chunk,
                summary: message.summary,
            }))
        })
    }

    fn reopen(
        &mut self,
        _row: u64,
        error: Error,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
        Box::pin(async { Err(error) })
    }
}

/// An output table of a job; it can be read from any row on.
pub(crate) struct OutputMessages {
    client: lode_client::Client,
    request: v1::ReadOutputRequest,
    stream: Stream<v1::ReadOutputResponse>,
}

impl OutputMessages {
    pub(crate) async fn open(
        client: lode_client::Client,
        request: v1::ReadOutputRequest,
    ) -> Result<Self> {
        let stream = client.read_output(request.clone()).await?;
        Ok(Self {
            client,
            request,
            stream,
        })
    }
}

impl Messages for OutputMessages {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Option<Message>>> + Send + '_>> {
        Box::pin(async {
            Ok(self.stream.message().await?.map(|message| Message {
                arrow_schema: message.arrow_schema,
                chunk: message.chunk,
                summary: None,
            }))
        })
    }

    fn reopen(
        &mut self,
        row: u64,
        _error: Error,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
        Box::pin(async move {
            let row_limit = match self.request.row_limit {
                0 => 0,
                limit if limit > row => limit - row,
                _ => return Ok(()),
            };
            let request = v1::ReadOutputRequest {
                row_offset: self.request.row_offset + row,
                row_limit,
                ..self.request.clone()
            };
            self.stream = self.client.read_output(request).await?;
            Ok(())
        })
    }
}

/// The schema and batches of one IPC stream.
pub(crate) fn decode(bytes: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    if bytes.is_empty() {
        return Ok((Schema::empty().into(), Vec::new()));
    }
    let reader = StreamReader::try_new(Cursor::new(bytes), None)?;
    let schema = reader.schema();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>()?;
    Ok((schema, batches))
}

fn check_crc(chunk: &v1::Chunk) -> Result<()> {
    let Some(expected) = chunk.crc32c else {
        return Ok(());
    };
    let found = crc32c::crc32c(&chunk.data);
    if found == expected {
        Ok(())
    } else {
        Err(broken(
            "rows that match their CRC-32C",
            &format!("{found:08x} instead of {expected:08x}"),
        ))
    }
}

fn broken(expected: &'static str, found: &str) -> Error {
    Error::Client(lode_client::Error::Protocol {
        expected,
        found: found.to_owned(),
    })
}
