//! QueryService: SELECTs over datasets, as they are or as they were, streamed as they are found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use lode_jobs::ReadTable;
use lode_proto::convert::time_from_wire;
use lode_proto::convert::time_to_wire;
use lode_proto::convert::value_from_wire;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::query_service_server::QueryService;
use lode_query::ExplainedScan;
use lode_query::Opened;
use lode_query::Planned;
use lode_query::QueryOptions;
use lode_query::Stop;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::Fault;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::Shared;
use super::only_tenant;
use super::turns;
use crate::chunks;
use crate::status::invalid;
use crate::status::status;

/// Messages that may wait for a slow reader.
const AHEAD: usize = 4;
/// How long a failure waits for a slow reader.
const LAST_WORD: Duration = Duration::from_secs(10);

/// The service.
pub(crate) struct Service {
    shared: Arc<Shared>,
}

impl Service {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        Self { shared }
    }
}

type Answers = mpsc::Sender<Result<v1::QueryResponse, Status>>;

#[tonic::async_trait]
impl QueryService for Service {
    type QueryStream = ReceiverStream<Result<v1::QueryResponse, Status>>;

    async fn query(
        &self,
        request: Request<v1::QueryRequest>,
    ) -> Result<Response<Self::QueryStream>, Status> {
        let shared = Arc::clone(&self.shared);
        let asked = Asked::read(&shared, request.into_inner()).map_err(|fault| status(&fault))?;
        let turn = shared.queries.take(asked.deadline).await;
        let turn = turn.map_err(|fault| status(&fault))?;
        let (answers, stream) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            if let Err(fault) = answer(&shared, &asked, &answers) {
                tell(&answers, status(&fault));
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let request = request.into_inner();
        let shared = Arc::clone(&self.shared);
        let query = request.query.unwrap_or_default();
        let asked = Asked::read(&shared, query).map_err(|fault| status(&fault.at("query")))?;
        let turn = shared.queries.take(asked.deadline).await;
        let turn = turn.map_err(|fault| status(&fault))?;
        // The receiver goes with the call, and the worker with the receiver.
        let (caller, _waiting) = mpsc::channel(1);
        let explained = crate::status::blocking(move || {
            let _turn = turn;
            explain(&shared, &asked, request.analyze, &caller)
        });
        Ok(Response::new(explained.await?))
    }
}

/// A request, checked.
struct Asked {
    request: v1::QueryRequest,
    options: QueryOptions,
    deadline: Instant,
}

impl Asked {
    fn read(shared: &Shared, request: v1::QueryRequest) -> Result<Self, Fault> {
        only_tenant(&request.parent)?;
        let deadline = shared.queries.deadline(request.timeout, "timeout")?;
        let values = request.parameters.iter();
        let options = QueryOptions {
            threads: match request.threads {
                0 => shared.threads,
                threads => threads,
            },
            parameters: values
                .map(|(name, value)| (name.clone(), value_from_wire(value)))
                .collect(),
            now: shared.store.now(),
            deadline: Some(deadline),
        };
        Ok(Self {
            request,
            options,
            deadline,
        })
    }

    fn row_limit(&self) -> Option<u64> {
        (self.request.row_limit > 0).then_some(self.request.row_limit)
    }
}

/// A query that is planned, with what it reads.
struct Ready {
    planned: Planned,
    tables: BTreeMap<String, Source>,
}

struct Source {
    read: ReadTable,
    parts: Vec<(String, u64, u64)>,
}

fn plan<T: Send + 'static>(
    shared: &Shared,
    asked: &Asked,
    caller: &mpsc::Sender<T>,
) -> Result<(Ready, StopWithCaller), Fault> {
    let opened = shared.sql.open(&asked.request.sql, &asked.options)?;
    let guard = StopWithCaller::new(opened.stop_handle(), caller);
    let mut tables = BTreeMap::new();
    let mut provided = Vec::new();
    for read in read_tables(shared, asked, &opened)? {
        let open = read.open()?;
        provided.push(open.table);
        let parts = open.parts;
        tables.insert(read.name.clone(), Source { read, parts });
    }
    let planned = opened.plan(provided)?;
    Ok((Ready { planned, tables }, guard))
}

fn read_tables(shared: &Shared, asked: &Asked, opened: &Opened) -> Result<Vec<ReadTable>, Fault> {
    let as_of = asked.request.as_of.as_ref().map(time_from_wire);
    let versions = &asked.request.versions;
    let mut tables = Vec::new();
    for named in opened.tables() {
        let version = |id: &str| versions.get(id).copied();
        tables.push(ReadTable::resolve(&shared.store, named, as_of, &version)?);
    }
    let is_read = |id: &String| tables.iter().any(|table| id == id_of(table).as_str());
    match versions.keys().find(|id| !is_read(id)) {
        None => Ok(tables),
        Some(id) => {
            let read: Vec<_> = tables.iter().map(|table| id_of(table).as_str()).collect();
            let read = match read.is_empty() {
                true => "none".to_owned(),
                false => read.join(", "),
            };
            let text =
                format!("expected a dataset that the statement reads ({read}), found {id:?}");
            Err(invalid("versions", text))
        }
    }
}

fn id_of(table: &ReadTable) -> &DatasetId {
    &table.snapshot.dataset().id
}

fn answer(shared: &Shared, asked: &Asked, answers: &Answers) -> Result<(), Fault> {
    let (ready, _guard) = plan(shared, asked, answers)?;
    let send = |message: v1::QueryResponse| send(answers, message, asked.deadline);
    let first = v1::QueryResponse {
        arrow_schema: chunks::schema_bytes(&ready.planned.schema())?,
        ..Default::default()
    };
    if !send(first)? {
        return Ok(());
    }
    let mut summary = v1::QuerySummary {
        tables: ready.tables.values().map(read_table).collect(),
        ..Default::default()
    };
    let byte_limit = match asked.request.byte_limit {
        0 => u64::MAX,
        limit => limit,
    };
    let mut rows = ready.planned.execute(asked.row_limit());
    'rows: for batch in rows.by_ref() {
        let batch = batch?;
        for chunk in chunks::chunks(&batch)? {
            let bytes = chunk.data.len() as u64;
            if summary.row_count > 0 && summary.byte_count + bytes > byte_limit {
                summary.truncated = true;
                break 'rows;
            }
            summary.row_count += u64::from(chunk.row_count);
            summary.byte_count += bytes;
            let message = v1::QueryResponse {
                chunk: Some(chunk),
                ..Default::default()
            };
            if !send(message)? {
                // The reader is gone; dropping the rows ends the worker.
                return Ok(());
            }
        }
    }
    summary.truncated |= rows.is_truncated();
    send(v1::QueryResponse {
        summary: Some(summary),
        ..Default::default()
    })?;
    Ok(())
}

/// Whether the reader has taken the message; it may pause until the deadline.
fn send(answers: &Answers, message: v1::QueryResponse, deadline: Instant) -> Result<bool, Fault> {
    let message = match answers.try_send(Ok(message)) {
        Ok(()) => return Ok(true),
        Err(mpsc::error::TrySendError::Closed(_)) => return Ok(false),
        Err(mpsc::error::TrySendError::Full(message)) => message,
    };
    let sending = tokio::time::timeout_at(deadline.into(), answers.send(message));
    match tokio::runtime::Handle::current().block_on(sending) {
        Ok(sent) => Ok(sent.is_ok()),
        Err(_) => Err(turns::out_of_time("while its rows were not read")),
    }
}

/// Gives the reader the reason of a failure. One that is gone has no use for it, and one that
/// does not read finds a stream without a summary.
fn tell(answers: &Answers, reason: Status) {
    let telling = tokio::time::timeout(LAST_WORD, answers.send(Err(reason)));
    drop(tokio::runtime::Handle::current().block_on(telling));
}

fn explain(
    shared: &Shared,
    asked: &Asked,
    analyze: bool,
    caller: &mpsc::Sender<()>,
) -> Result<v1::ExplainResponse, Fault> {
    let (ready, _guard) = plan(shared, asked, caller)?;
    let explained = ready.planned.explain(analyze, asked.row_limit())?;
    let scans = explained.scans.iter();
    let scans = scans.filter_map(|scan| Some(table_scan(scan, ready.tables.get(&scan.table)?)));
    Ok(v1::ExplainResponse {
        plan: explained.plan,
        scans: scans.collect(),
        summary: explained
            .rows
            .map(|(row_count, truncated)| v1::QuerySummary {
                row_count,
                truncated,
                byte_count: 0,
                tables: ready.tables.values().map(read_table).collect(),
            }),
    })
}

fn table_scan(scan: &ExplainedScan, source: &Source) -> v1::TableScan {
    let parts = scan.files.iter().zip(&source.parts);
    v1::TableScan {
        table: Some(read_table(source)),
        columns: scan.columns.clone(),
        filters: scan.filters.clone(),
        parts: parts
            .map(|(file, (part, rows, bytes))| v1::PartScan {
                part: part.clone(),
                row_count: *rows,
                size_bytes: *bytes,
                batch_count: file.batches,
                skipped_batch_count: file.skipped,
                read_row_count: file.rows_read,
            })
            .collect(),
    }
}

fn read_table(source: &Source) -> v1::ReadTable {
    let snapshot = &source.read.snapshot;
    let is_bare = snapshot.dataset().kind != DatasetKind::Customers || source.read.as_of.is_none();
    let given: u64 = source.parts.iter().map(|(_, rows, _)| rows).sum();
    let lost = snapshot.dataset().row_count.saturating_sub(given);
    v1::ReadTable {
        dataset: names::dataset(&snapshot.dataset().id),
        version: snapshot.version(),
        as_of: source.read.as_of.map(time_to_wire),
        row_count: snapshot.dataset().row_count,
        lost_row_count: if is_bare { lost } else { 0 },
    }
}

/// Ends the worker as soon as the caller is gone, even while it computes.
struct StopWithCaller {
    watching: tokio::task::JoinHandle<()>,
}

impl StopWithCaller {
    fn new<T: Send + 'static>(stop: Stop, caller: &mpsc::Sender<T>) -> Self {
        let caller = caller.clone();
        let watching = tokio::runtime::Handle::current().spawn(async move {
            caller.closed().await;
            stop.stop();
        });
        Self { watching }
    }
}

impl Drop for StopWithCaller {
    fn drop(&mut self) {
        // The watcher holds a sender, which would keep the stream open.
        self.watching.abort();
    }
}
