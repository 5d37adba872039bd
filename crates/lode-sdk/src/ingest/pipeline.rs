//! Moves chunks from a source to the engine: windowed, acknowledged, resumed.
//!
//! One run opens the load, sends from where the engine stopped, keeps at most `window`
//! chunks unacknowledged, and commits. When the engine goes away the run starts again, until
//! the caller's patience ends. Invariant: what counts is the engine's `next_seq` and source
//! position; nothing is remembered on this side between runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use lode_client::v1;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use crate::BadRows;
use crate::Error;
use crate::Ingest;
use crate::IngestEvent;
use crate::IngestReport;
use crate::Outcome;
use crate::Result;
use crate::catalog::dataset_name;
use crate::ingest::Settings;
use crate::ingest::blocking;
use crate::ingest::prepare;
use crate::ingest::source::Source;
use crate::ingest::source::SourceChunk;
use crate::ingest::source::read_ahead;
use crate::lode::id_of;

/// Longest wait for a commit, which may have to rewrite all customers.
const COMMIT_DEADLINE: Duration = Duration::from_secs(3600);

/// Times that a chunk may arrive damaged or out of order before the load gives up.
const MAX_REPAIRS: u32 = 3;

/// Runs a load to its end.
pub(crate) async fn run(ingest: Ingest, source: Arc<dyn Source>) -> Result<IngestReport> {
    dataset_name(&ingest.settings.dataset)?;
    let created = prepare::dataset(&ingest, &source).await?;
    let id = match &ingest.settings.id {
        Some(id) => id.clone(),
        None => {
            let source = source.clone();
            blocking(move || source.default_id()).await?
        }
    };
    let mut load = Load {
        ingest: &ingest,
        source,
        id,
        is_first: true,
        n_durable: 0,
        repairs: 0,
    };
    let run = load.run().await;
    if created && run.as_ref().is_err_and(Error::is_refusal) {
        // Nothing was loaded, and the columns were guessed from a file that does not fit:
        // the next try shall start afresh. What cannot be deleted now stays, empty.
        drop(ingest.lode.delete_dataset(&ingest.settings.dataset).await);
    }
    let mut report = run?;
    report.created = created;
    Ok(report)
}

struct Load<'i> {
    ingest: &'i Ingest,
    source: Arc<dyn Source>,
    id: String,
    /// Whether the load was not opened yet by this call.
    is_first: bool,
    /// Chunks that the engine has, to see whether a run got on.
    n_durable: u64,
    repairs: u32,
}

impl Load<'_> {
    async fn run(&mut self) -> Result<IngestReport> {
        let mut pauses = Pauses::new(Instant::now() + self.ingest.settings.patience);
        loop {
            let durable_before = self.n_durable;
            let error = match self.attempt().await {
                Ok(report) => return Ok(report),
                Err(error) => error,
            };
            let repairable =
                error.has_reason("CHECKSUM_MISMATCH") || error.has_reason("CHUNK_OUT_OF_ORDER");
            if repairable && self.repairs < MAX_REPAIRS {
                self.repairs += 1;
            } else if !error.is_passing() {
                return Err(error);
            }
            if self.n_durable > durable_before {
                pauses = Pauses::new(Instant::now() + self.ingest.settings.patience);
            }
            let Some(pause) = pauses.next(Instant::now()) else {
                return Err(error);
            };
            (self.ingest.on_event)(IngestEvent::Waiting {
                error: error.to_string(),
                pause,
            });
            tokio::time::sleep(pause).await;
        }
    }

    /// Opens the load, sends what is missing, commits.
    async fn attempt(&mut self) -> Result<IngestReport> {
        let opened = self.open().await?;
        let state = opened.ingest.clone().unwrap_or_default();
        if state.state() == v1::IngestState::Committed {
            let outcome = match self.is_first {
                true => Outcome::AlreadyLoaded,
                false => Outcome::Loaded,
            };
            return Ok(self.report(&state, outcome));
        }
        if self.is_first {
            (self.ingest.on_event)(IngestEvent::Opened {
                ingest: id_of(&state.name),
                rows: state.accepted_rows,
                resumed: state.next_seq > 0,
            });
        }
        self.is_first = false;
        self.n_durable = self.n_durable.max(state.next_seq);
        let n_chunks = self.send(&state, &opened).await?;
        (self.ingest.on_event)(IngestEvent::Committing);
        let request = v1::CommitIngestRequest {
            name: state.name,
            chunk_count: n_chunks,
        };
        let client = self.ingest.lode.client().with_deadline(COMMIT_DEADLINE);
        let committed = client.commit_ingest(request).await?;
        Ok(self.report(&committed.ingest.unwrap_or_default(), Outcome::Loaded))
    }

    /// Opens the load; one of the default id that was aborted gets a new number behind it.
    async fn open(&mut self) -> Result<v1::OpenIngestResponse> {
        let settings = &self.ingest.settings;
        let base = self.id.clone();
        for number in 2.. {
            let request = open_request(settings, &self.id, &*self.source)?;
            match self.ingest.lode.client().open_ingest(request).await {
                Ok(opened) => {
                    let state = opened.ingest.as_ref().map(v1::Ingest::state);
                    if state != Some(v1::IngestState::Aborted) {
                        return Ok(opened);
                    }
                }
                // Opened with other options before: in the way only while it is not aborted.
                Err(error) if error.has_reason("INGEST_EXISTS") && self.is_aborted().await? => {}
                Err(error) => return Err(error.into()),
            }
            if settings.id.is_some() || number > 100 {
                break;
            }
            self.id = format!("{base}.{number}");
        }
        Err(Error::IngestAborted {
            dataset: settings.dataset.clone(),
            ingest: base,
        })
    }

    /// Whether the load of this id was dropped.
    async fn is_aborted(&self) -> Result<bool> {
        let name = crate::catalog::ingest_name(&self.ingest.settings.dataset, &self.id)?;
        let request = v1::GetIngestRequest { name };
        let found = self.ingest.lode.client().get_ingest(request).await?;
        let state = found.ingest.as_ref().map(v1::Ingest::state);
        Ok(state == Some(v1::IngestState::Aborted))
    }

    /// Sends the chunks that the engine does not have; gives the number of all chunks.
    async fn send(&mut self, state: &v1::Ingest, opened: &v1::OpenIngestResponse) -> Result<u64> {
        let window = usize::try_from(opened.window.max(1)).unwrap_or(1);
        let max_bytes = usize::try_from(opened.max_chunk_bytes).unwrap_or(usize::MAX);
        let position = read_position(&state.source_position)?;
        let mut chunks = read_ahead(self.source.clone(), position, max_bytes);
        let mut next_seq = state.next_seq;
        let mut n_rows = state.accepted_rows;
        let Some(first) = chunks.recv().await.transpose()? else {
            return Ok(next_seq);
        };
        let bytes_total = self.source.bytes_total();
        let (requests, stream) = mpsc::channel(window);
        let mut in_flight = VecDeque::with_capacity(window);
        // The first chunk is queued before the stream opens: an engine may answer only then.
        in_flight.push_back((next_seq, first.bytes_read));
        drop(requests.send(request(&state.name, next_seq, first)).await);
        next_seq += 1;
        let client = self.ingest.lode.client();
        let mut answers = client.append_chunks(ReceiverStream::new(stream)).await?;
        let mut at_end = false;
        while !at_end || !in_flight.is_empty() {
            tokio::select! {
                biased;
                answer = answers.message(), if !in_flight.is_empty() => {
                    let Some(answer) = answer? else {
                        return Err(self.cut_off());
                    };
                    let (seq, bytes) = in_flight.pop_front().expect("the branch needs one");
                    self.check(&answer, seq).await?;
                    if !answer.duplicate {
                        n_rows += u64::from(answer.accepted_rows);
                    }
                    (self.ingest.on_event)(IngestEvent::Progress {
                        bytes,
                        bytes_total,
                        rows: n_rows,
                    });
                }
                chunk = chunks.recv(), if !at_end && in_flight.len() < window => {
                    let Some(chunk) = chunk.transpose()? else {
                        at_end = true;
                        continue;
                    };
                    in_flight.push_back((next_seq, chunk.bytes_read));
                    // The queue has room for a whole window, so this never waits; that the
                    // stream broke is seen by its answers.
                    drop(requests.send(request(&state.name, next_seq, chunk)).await);
                    next_seq += 1;
                }
            }
        }
        Ok(next_seq)
    }

    /// Checks one acknowledgement.
    async fn check(&mut self, answer: &v1::AppendChunksResponse, seq: u64) -> Result<()> {
        if let Some(error) = &answer.error {
            let error = Error::Client(error.clone().into());
            if self.ingest.settings.bad_rows == BadRows::Fail
                || error.has_reason("TOO_MANY_REJECTED_ROWS")
            {
                self.abort().await;
            }
            return Err(error);
        }
        if answer.seq != seq {
            return Err(Error::Client(lode_client::Error::Protocol {
                expected: "acknowledgements in the order of the chunks",
                found: format!("{} instead of {seq}", answer.seq),
            }));
        }
        self.n_durable = self.n_durable.max(seq + 1);
        Ok(())
    }

    /// Drops what was sent; a load that cannot be finished leaves nothing behind. When this
    /// fails too, the load stays open and invisible, which is as good.
    async fn abort(&self) {
        if let Ok(name) = crate::catalog::ingest_name(&self.ingest.settings.dataset, &self.id) {
            let request = v1::AbortIngestRequest { name };
            drop(self.ingest.lode.client().abort_ingest(request).await);
        }
    }

    fn cut_off(&self) -> Error {
        Error::Client(lode_client::Error::Unreachable {
            addr: self.ingest.lode.client().addr().to_owned(),
            message: "the stream ended before all chunks were acknowledged".to_owned(),
        })
    }

    fn report(&self, state: &v1::Ingest, outcome: Outcome) -> IngestReport {
        IngestReport {
            dataset: self.ingest.settings.dataset.clone(),
            ingest: id_of(&state.name),
            outcome,
            created: false,
            accepted_rows: state.accepted_rows,
            rejected_rows: state.rejected_rows,
            repeated_rows: state.repeated_rows,
            replaced_rows: state.replaced_rows,
            version: state.version,
        }
    }
}

/// The pauses between runs: 0.2 s, then twice as long each time up to 2 s, until the
/// patience has passed.
struct Pauses {
    until: Instant,
    next: Duration,
}

impl Pauses {
    fn new(until: Instant) -> Self {
        Self {
            until,
            next: Duration::from_millis(200),
        }
    }

    fn next(&mut self, now: Instant) -> Option<Duration> {
        let pause = self.next;
        if now + pause > self.until {
            return None;
        }
        self.next = (pause * 2).min(Duration::from_secs(2));
        Some(pause)
    }
}

fn request(ingest: &str, seq: u64, chunk: SourceChunk) -> v1::AppendChunksRequest {
    v1::AppendChunksRequest {
        ingest: ingest.to_owned(),
        seq,
        source_position: chunk.position.to_string().into_bytes(),
        chunk: Some(v1::Chunk {
            format: chunk.format.into(),
            crc32c: Some(crc32c::crc32c(&chunk.data)),
            data: chunk.data.into(),
            row_count: chunk.n_rows,
        }),
    }
}

fn open_request(
    settings: &Settings,
    id: &str,
    source: &dyn Source,
) -> Result<v1::OpenIngestRequest> {
    let policy = match settings.bad_rows {
        BadRows::Quarantine => v1::BadRowPolicy::Quarantine,
        BadRows::Fail => v1::BadRowPolicy::Fail,
    };
    Ok(v1::OpenIngestRequest {
        dataset: dataset_name(&settings.dataset)?,
        ingest_id: id.to_owned(),
        bad_row_policy: policy.into(),
        max_rejected_rows: settings.max_rejected_rows,
        column_mapping: settings.column_mapping.clone(),
        csv: source.csv(),
    })
}

/// The position that an earlier run stored: a decimal number, or nothing before the first chunk.
fn read_position(stored: &[u8]) -> Result<u64> {
    if stored.is_empty() {
        return Ok(0);
    }
    std::str::from_utf8(stored)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            Error::argument(
                "ingest",
                "a load that this program began",
                "one with another kind of source position; load under another id",
            )
        })
}

#[cfg(test)]
mod tests;
