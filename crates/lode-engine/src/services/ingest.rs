//! IngestService: loads, chunk by chunk, acknowledged when durable.
//!
//! Chunks of one stream are decoded, checked and written as part files several at a time,
//! and recorded in the order of their arrival; each acknowledgement leaves when the
//! record is durable.

mod put;

use std::sync::Arc;

use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::ingest_service_server::IngestService;
use lode_query::Decoder;
use lode_query::Format;
use lode_store::Appended;
use lode_store::BadRows;
use lode_store::CsvOptions;
use lode_store::Ingest;
use lode_store::IngestOptions;
use lode_store::IngestState;
use lode_store::NewChunk;
use lode_store::Staged;
use lode_types::Class;
use lode_types::DatasetId;
use lode_types::Fault;
use lode_types::IngestId;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;

use super::INGEST_WINDOW;
use super::MAX_CHUNK_BYTES;
use super::Shared;
use crate::chunks;
use crate::layer;
use crate::paging;
use crate::status::blocking;
use crate::status::invalid;

/// Refused rows that a load may have when it does not say.
const DEFAULT_MAX_REJECTED_ROWS: u64 = 100_000;
/// Longest source position.
const MAX_POSITION_BYTES: usize = 2048;

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

#[tonic::async_trait]
impl IngestService for Service {
    async fn open_ingest(
        &self,
        request: Request<v1::OpenIngestRequest>,
    ) -> Result<Response<v1::OpenIngestResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let dataset = names::parse_dataset(&request.dataset).map_err(|e| e.at("dataset"))?;
            let ingest = IngestId::parse(&*request.ingest_id).map_err(|e| Fault::of(&e))?;
            let options = options(&request)?;
            // Made here to refuse a wrong mapping or header before anything is sent.
            let stored = shared.store.dataset(&dataset)?;
            Decoder::new(
                &stored.schema,
                stored.kind,
                &options.column_mapping,
                options.csv.as_ref(),
            )?;
            let opened = shared.store.open_ingest(&dataset, &ingest, options)?;
            Ok(Response::new(v1::OpenIngestResponse {
                ingest: Some(to_wire(&dataset, &opened)),
                max_chunk_bytes: u32::try_from(MAX_CHUNK_BYTES).unwrap_or(u32::MAX),
                window: u32::try_from(INGEST_WINDOW).unwrap_or(u32::MAX),
            }))
        })
        .await
    }

    type AppendChunksStream = ReceiverStream<Result<v1::AppendChunksResponse, Status>>;

    async fn append_chunks(
        &self,
        request: Request<Streaming<v1::AppendChunksRequest>>,
    ) -> Result<Response<Self::AppendChunksStream>, Status> {
        let shared = Arc::clone(&self.shared);
        let (answers, stream) = mpsc::channel(INGEST_WINDOW);
        tokio::spawn(append(shared, request.into_inner(), answers));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_ingest(
        &self,
        request: Request<v1::GetIngestRequest>,
    ) -> Result<Response<v1::GetIngestResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let (dataset, ingest) = names::parse_ingest(&request.into_inner().name)?;
            let ingest = shared.store.ingest(&dataset, &ingest)?;
            Ok(Response::new(v1::GetIngestResponse {
                ingest: Some(to_wire(&dataset, &ingest)),
            }))
        })
        .await
    }

    async fn commit_ingest(
        &self,
        request: Request<v1::CommitIngestRequest>,
    ) -> Result<Response<v1::CommitIngestResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let (dataset, ingest) = names::parse_ingest(&request.name)?;
            let ingest = shared
                .store
                .commit_ingest(&dataset, &ingest, request.chunk_count)?;
            Ok(Response::new(v1::CommitIngestResponse {
                ingest: Some(to_wire(&dataset, &ingest)),
            }))
        })
        .await
    }

    async fn abort_ingest(
        &self,
        request: Request<v1::AbortIngestRequest>,
    ) -> Result<Response<v1::AbortIngestResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let (dataset, ingest) = names::parse_ingest(&request.into_inner().name)?;
            let ingest = shared.store.abort_ingest(&dataset, &ingest)?;
            Ok(Response::new(v1::AbortIngestResponse {
                ingest: Some(to_wire(&dataset, &ingest)),
            }))
        })
        .await
    }

    async fn put_rows(
        &self,
        request: Request<v1::PutRowsRequest>,
    ) -> Result<Response<v1::PutRowsResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let answer = put::rows(&shared, &request.into_inner())?;
            Ok(Response::new(answer))
        })
        .await
    }

    async fn list_rejected_rows(
        &self,
        request: Request<v1::ListRejectedRowsRequest>,
    ) -> Result<Response<v1::ListRejectedRowsResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let (dataset, ingest) =
                names::parse_ingest(&request.parent).map_err(|e| e.at("parent"))?;
            let size = paging::size(request.page_size)?;
            let after = rejected_token(&request.page_token)?;
            let rows = shared
                .store
                .rejected_rows(&dataset, &ingest, after, size + 1)?;
            let mut token = String::new();
            if rows.len() > size {
                let last = &rows[size - 1];
                token = format!("{}.{}", last.seq, last.row);
            }
            let rows = rows.into_iter().take(size).map(|row| v1::RejectedRow {
                seq: row.seq,
                row: row.row,
                column: row.column,
                reason: row.reason,
                message: row.message,
                row_json: row.row_json,
            });
            Ok(Response::new(v1::ListRejectedRowsResponse {
                rejected_rows: rows.collect(),
                next_page_token: token,
            }))
        })
        .await
    }
}

/// One load as a stream of chunks sees it.
struct Load {
    shared: Arc<Shared>,
    dataset: DatasetId,
    ingest: IngestId,
    decoder: Decoder,
    bad_rows: BadRows,
    next_seq: u64,
    /// Chunks below it that are wanted again, since their parts are lost.
    lost: Vec<u64>,
}

/// A chunk that was decoded, checked and written, and waits to be recorded.
struct Prepared {
    /// Of its bytes as they came.
    crc32c: u32,
    staged: Option<Staged>,
    rejected: Vec<lode_store::RejectedRow>,
    repeated_rows: u64,
}

type Preparing = (v1::AppendChunksRequest, JoinHandle<Result<Prepared, Fault>>);
type Answers = mpsc::Sender<Result<v1::AppendChunksResponse, Status>>;

/// Takes chunks off the wire, prepares up to a window of them at once, and hands them on
/// in order.
async fn append(
    shared: Arc<Shared>,
    mut stream: Streaming<v1::AppendChunksRequest>,
    answers: Answers,
) {
    let (prepared, queue) = mpsc::channel::<(Arc<Load>, Preparing)>(INGEST_WINDOW / 2);
    let recorder = tokio::spawn(record(queue, answers.clone()));
    let mut load: Option<Arc<Load>> = None;
    let failed = loop {
        let request = match stream.message().await {
            Ok(Some(request)) => request,
            Ok(None) => break None,
            Err(refusal) if layer::is_size_refusal(&refusal) => {
                break Some(layer::message_too_large(refusal.message()));
            }
            Err(broken) => break Some(broken),
        };
        let load = match &load {
            Some(load) => Arc::clone(load),
            None => match open_load(&shared, request.ingest.clone()).await {
                Ok(opened) => Arc::clone(load.insert(opened)),
                Err(refusal) => break Some(refusal),
            },
        };
        let preparing = Arc::clone(&load);
        let seq = request.seq;
        let chunk = request.chunk.clone().unwrap_or_default();
        let work = tokio::task::spawn_blocking(move || prepare(&preparing, seq, &chunk));
        if prepared.send((load, (request, work))).await.is_err() {
            break None;
        }
    };
    drop(prepared);
    if recorder.await.is_err() {
        tracing::error!("recording chunks panicked");
    }
    if let Some(refusal) = failed {
        // The client may be gone; then nobody waits for the reason.
        drop(answers.send(Err(refusal)).await);
    }
}

async fn open_load(shared: &Arc<Shared>, name: String) -> Result<Arc<Load>, Status> {
    let shared = Arc::clone(shared);
    blocking(move || {
        let (dataset, ingest) = names::parse_ingest(&name).map_err(|e| e.at("ingest"))?;
        let stored = shared.store.dataset(&dataset)?;
        let open = shared.store.ingest(&dataset, &ingest)?;
        let options = &open.options;
        let decoder = Decoder::new(
            &stored.schema,
            stored.kind,
            &options.column_mapping,
            options.csv.as_ref(),
        )?;
        Ok(Arc::new(Load {
            decoder,
            bad_rows: options.bad_rows,
            next_seq: open.next_seq,
            lost: shared.store.lost_chunks(&dataset, &ingest)?,
            shared,
            dataset,
            ingest,
        }))
    })
    .await
}

/// Checks a chunk's bytes, decodes it, checks its rows, and writes the good ones to a part file.
fn prepare(load: &Load, seq: u64, chunk: &v1::Chunk) -> Result<Prepared, Fault> {
    if seq < load.next_seq && !load.lost.contains(&seq) {
        return Ok(Prepared {
            crc32c: 0,
            staged: None,
            rejected: Vec::new(),
            repeated_rows: 0,
        });
    }
    if chunk.data.len() > MAX_CHUNK_BYTES {
        return Err(Fault::new(
            Class::Limit,
            "CHUNK_TOO_LARGE",
            format!(
                "chunk {seq}: expected at most {MAX_CHUNK_BYTES} bytes, found {}",
                chunk.data.len()
            ),
        )
        .at("chunk.data"));
    }
    let found = chunks::check_sum(chunk, "chunk", &format!("chunk {seq}: "))?;
    let decoded = load.decoder.decode(format_of(chunk)?, &chunk.data)?;
    if load.bad_rows == BadRows::Fail
        && let Some(first) = decoded.rejected.first()
    {
        return Err(Fault::new(
            Class::Invalid,
            "BAD_ROWS",
            format!(
                "chunk {seq}: {} bad rows, the first at row {}, column {:?}: {}",
                decoded.rejected.len(),
                first.row,
                first.column,
                first.message
            ),
        )
        .at("chunk.data"));
    }
    let staged = match decoded.batch.num_rows() {
        0 => None,
        _ => Some(load.shared.store.stage_chunk(
            &load.dataset,
            &load.ingest,
            seq,
            &decoded.batch,
        )?),
    };
    let rejected = decoded.rejected.into_iter();
    Ok(Prepared {
        crc32c: found,
        staged,
        rejected: rejected
            .map(|row| lode_store::RejectedRow {
                seq,
                row: row.row,
                column: row.column,
                reason: row.reason.to_owned(),
                message: row.message,
                row_json: row.row_json,
            })
            .collect(),
        repeated_rows: decoded.repeated_rows,
    })
}

/// Records prepared chunks in their order and answers each when it is durable.
async fn record(mut queue: mpsc::Receiver<(Arc<Load>, Preparing)>, answers: Answers) {
    let (pending, mut acks) = mpsc::channel::<(u64, Recording)>(INGEST_WINDOW);
    let answering = tokio::spawn(async move {
        while let Some((seq, recording)) = acks.recv().await {
            if answers
                .send(Ok(answer(seq, recording).await))
                .await
                .is_err()
            {
                break;
            }
        }
    });
    while let Some((load, (request, work))) = queue.recv().await {
        let seq = request.seq;
        let recording = match work.await {
            Ok(Ok(prepared)) => Recording::Begun(hand_over(&load, request, prepared)),
            Ok(Err(refusal)) => Recording::Refused(refusal),
            Err(_) => Recording::Refused(Fault::new(
                Class::Bug,
                "INTERNAL",
                "the engine panicked while it read the chunk",
            )),
        };
        if pending.send((seq, recording)).await.is_err() {
            break;
        }
    }
    drop(pending);
    if answering.await.is_err() {
        tracing::error!("answering chunks panicked");
    }
}

enum Recording {
    Begun(oneshot::Receiver<Result<Appended, Fault>>),
    Refused(Fault),
}

fn hand_over(
    load: &Load,
    request: v1::AppendChunksRequest,
    prepared: Prepared,
) -> oneshot::Receiver<Result<Appended, Fault>> {
    let (done, recorded) = oneshot::channel();
    if request.source_position.len() > MAX_POSITION_BYTES {
        let refusal = invalid(
            "source_position",
            format!(
                "expected at most {MAX_POSITION_BYTES} bytes, found {}",
                request.source_position.len()
            ),
        );
        drop(done.send(Err(refusal)));
        return recorded;
    }
    let chunk = request.chunk.unwrap_or_default();
    load.shared.store.record_chunk(
        NewChunk {
            dataset: load.dataset.clone(),
            ingest: load.ingest.clone(),
            seq: request.seq,
            chunk_crc32c: prepared.crc32c,
            chunk_bytes: chunk.data.len() as u64,
            staged: prepared.staged,
            rejected: prepared.rejected,
            repeated_rows: prepared.repeated_rows,
            source_position: request.source_position,
        },
        move |appended| {
            // A client that is gone asks again with GetIngest.
            drop(done.send(appended.map_err(|error| Fault::of(&error))));
        },
    );
    recorded
}

async fn answer(seq: u64, recording: Recording) -> v1::AppendChunksResponse {
    let appended = match recording {
        Recording::Refused(refusal) => Err(refusal),
        Recording::Begun(recorded) => recorded.await.unwrap_or_else(|_| {
            Err(Fault::new(
                Class::Unavailable,
                "STORE_CLOSED",
                "the engine stopped before the chunk was recorded",
            ))
        }),
    };
    match appended {
        Ok(appended) => v1::AppendChunksResponse {
            seq,
            duplicate: appended.duplicate,
            accepted_rows: u32::try_from(appended.accepted_rows).unwrap_or(u32::MAX),
            rejected_rows: u32::try_from(appended.rejected_rows).unwrap_or(u32::MAX),
            error: None,
        },
        Err(refusal) => v1::AppendChunksResponse {
            seq,
            error: Some(convert::fault_to_wire(&refusal)),
            ..v1::AppendChunksResponse::default()
        },
    }
}

fn options(request: &v1::OpenIngestRequest) -> Result<IngestOptions, Fault> {
    Ok(IngestOptions {
        bad_rows: bad_rows(request.bad_row_policy)?,
        max_rejected_rows: match request.max_rejected_rows {
            0 => DEFAULT_MAX_REJECTED_ROWS,
            most => most,
        },
        column_mapping: request.column_mapping.clone(),
        csv: csv_options(request.csv.as_ref())?,
    })
}

fn bad_rows(policy: i32) -> Result<BadRows, Fault> {
    match v1::BadRowPolicy::try_from(policy) {
        Ok(v1::BadRowPolicy::Unspecified | v1::BadRowPolicy::Quarantine) => Ok(BadRows::Quarantine),
        Ok(v1::BadRowPolicy::Fail) => Ok(BadRows::Fail),
        Err(_) => Err(invalid(
            "bad_row_policy",
            format!("expected a value of BadRowPolicy, found {policy}"),
        )),
    }
}

/// CSV options, checked; none when a load is not CSV.
pub(crate) fn csv_options(csv: Option<&v1::CsvOptions>) -> Result<Option<CsvOptions>, Fault> {
    let Some(csv) = csv else { return Ok(None) };
    let delimiter = match csv.delimiter.as_bytes() {
        [] => b',',
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
        _ => {
            return Err(invalid(
                "csv.delimiter",
                format!("expected one ASCII character, found {:?}", csv.delimiter),
            ));
        }
    };
    Ok(Some(CsvOptions {
        header: csv.header.clone(),
        delimiter,
    }))
}

/// The format of a chunk.
pub(crate) fn format_of(chunk: &v1::Chunk) -> Result<Format, Fault> {
    match v1::Format::try_from(chunk.format) {
        Ok(v1::Format::ArrowStream) => Ok(Format::ArrowStream),
        Ok(v1::Format::Csv) => Ok(Format::Csv),
        _ => Err(invalid(
            "chunk.format",
            format!(
                "expected FORMAT_ARROW_STREAM or FORMAT_CSV, found {}",
                chunk.format
            ),
        )),
    }
}

fn rejected_token(token: &str) -> Result<Option<(u64, u32)>, Fault> {
    if token.is_empty() {
        return Ok(None);
    }
    let parsed = token
        .split_once('.')
        .and_then(|(seq, row)| Some((seq.parse().ok()?, row.parse().ok()?)));
    parsed.map(Some).ok_or_else(|| {
        invalid(
            "page_token",
            format!("expected a token of the page before, found {token:?}"),
        )
    })
}

fn to_wire(dataset: &DatasetId, ingest: &Ingest) -> v1::Ingest {
    v1::Ingest {
        name: names::ingest(dataset, &ingest.id),
        state: match ingest.state {
            IngestState::Open => v1::IngestState::Open,
            IngestState::Committed => v1::IngestState::Committed,
            IngestState::Aborted => v1::IngestState::Aborted,
        }
        .into(),
        bad_row_policy: match ingest.options.bad_rows {
            BadRows::Fail => v1::BadRowPolicy::Fail,
            BadRows::Quarantine => v1::BadRowPolicy::Quarantine,
        }
        .into(),
        max_rejected_rows: ingest.options.max_rejected_rows,
        next_seq: ingest.next_seq,
        accepted_rows: ingest.accepted_rows,
        rejected_rows: ingest.rejected_rows,
        repeated_rows: ingest.repeated_rows,
        replaced_rows: ingest.replaced_rows,
        received_bytes: ingest.received_bytes,
        source_position: ingest.source_position.clone(),
        version: ingest.version,
        create_time: Some(convert::time_to_wire(ingest.create_time)),
        end_time: ingest.end_time.map(convert::time_to_wire),
    }
}
