//! A model opened in a worker that stays warm: requests and answers inline in the frames.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use lode_worker::Worker;

use crate::Error;
use crate::Loaded;
use crate::Result;
use crate::host::Launcher;
use crate::ipc;
use crate::protocol::Reply;
use crate::protocol::Request;
use crate::protocol::ScoreTable;
use crate::protocol::Target;
use crate::quarantine::Quarantine;
use crate::supervise::Call;
use crate::supervise::refusal;

/// How long a model may take to open.
const OPEN_TIME: Duration = Duration::from_secs(20);

/// What a scorer needs.
#[derive(Debug)]
pub struct ScorerCall {
    /// Id of the algorithm.
    pub algorithm: String,
    /// The parameters of the job that made the model.
    pub params_json: String,
    /// The model, as the fit wrote it.
    pub model: File,
    /// Seed of every random choice.
    pub seed: u64,
    /// Threads it may use; its worker is held to as many CPUs.
    pub threads: u32,
    /// Bytes of private memory it may use.
    pub memory_bytes: u64,
}

/// Rows to score.
#[derive(Debug)]
pub enum ScoreInput {
    /// Inline; for the few rows of a request.
    Batch(RecordBatch),
    /// One or more Arrow IPC files of one schema.
    Files(Vec<File>),
}

impl From<RecordBatch> for ScoreInput {
    fn from(batch: RecordBatch) -> Self {
        Self::Batch(batch)
    }
}

/// An open model. One call at a time; when its worker has died every further call is
/// `SCORER_GONE`, and a new scorer has to be opened.
#[derive(Debug)]
pub struct Scorer {
    algorithm: String,
    memory_bytes: u64,
    worker: Option<Worker>,
    watch: Option<Watch>,
}

/// Where the crashes of an open model are counted; also keeps its library.
#[derive(Debug)]
struct Watch {
    loaded: Arc<Loaded>,
    quarantine: Arc<Quarantine>,
}

impl Scorer {
    pub(crate) fn open(launcher: &Launcher, loaded: &Loaded, call: ScorerCall) -> Result<Self> {
        let worker = launcher.launch(call.memory_bytes, call.threads)?;
        let mut scorer = Self {
            algorithm: call.algorithm.clone(),
            memory_bytes: call.memory_bytes,
            worker: Some(worker),
            watch: None,
        };
        let request = Request::Open {
            target: Target {
                path: loaded.copy.path.clone(),
                algorithm: call.algorithm,
                params_json: call.params_json,
                seed: call.seed,
                threads: call.threads,
            },
        };
        let deadline = Instant::now() + OPEN_TIME;
        let fds = [call.model.as_fd()];
        let (reply, _) = scorer.exchange("open", &request, &[], &fds, deadline)?;
        match reply {
            Reply::Opened => Ok(scorer),
            other => Err(refusal(&scorer.algorithm, "open", other)),
        }
    }

    /// The same scorer, its crashes counted.
    pub(crate) fn watched(mut self, loaded: Arc<Loaded>, quarantine: Arc<Quarantine>) -> Self {
        self.watch = Some(Watch { loaded, quarantine });
        self
    }

    /// Scores the rows of the named inputs. Results beyond 1 GiB do not fit: score long
    /// tables in pieces.
    ///
    /// # Errors
    /// What the algorithm says, after which the scorer goes on; or how its worker ended,
    /// after which it does not.
    pub fn score(
        &mut self,
        inputs: Vec<(String, ScoreInput)>,
        deadline: Instant,
    ) -> Result<RecordBatch> {
        let mut body = Vec::new();
        let mut files = Vec::new();
        let mut tables = Vec::with_capacity(inputs.len());
        for (name, input) in inputs {
            let (n_files, n_bytes) = match input {
                ScoreInput::Batch(batch) => {
                    (0, ipc::encode(&mut body, batch.schema_ref(), [&batch])?)
                }
                ScoreInput::Files(more) => {
                    let n_files = more.len();
                    files.extend(more);
                    (n_files, 0)
                }
            };
            tables.push(ScoreTable {
                name,
                n_files,
                n_bytes,
            });
        }
        let fds: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        let request = Request::Score { inputs: tables };
        if let Some(watch) = &self.watch {
            watch.quarantine.check(&watch.loaded)?;
        }
        let answer = self.exchange("score", &request, &body, &fds, deadline);
        if let (Err(error), Some(watch)) = (&answer, &self.watch) {
            watch.quarantine.note(&watch.loaded, error);
        }
        match answer? {
            (Reply::Scored, body) => {
                let (schema, batches) = ipc::decode(&body)?;
                Ok(concat_batches(&schema, &batches)?)
            }
            (other, _) => Err(refusal(&self.algorithm, "score", other)),
        }
    }

    /// Whether the worker is still there, as far as is known.
    pub fn is_open(&self) -> bool {
        self.worker.is_some()
    }

    fn exchange(
        &mut self,
        stage: &'static str,
        request: &Request,
        body: &[u8],
        fds: &[BorrowedFd<'_>],
        deadline: Instant,
    ) -> Result<(Reply, Vec<u8>)> {
        let worker = self.worker.take().ok_or_else(|| Error::ScorerGone {
            algorithm: self.algorithm.clone(),
        })?;
        let call = Call {
            algorithm: &self.algorithm,
            stage,
            memory_bytes: self.memory_bytes,
            deadline,
            cancel: None,
        };
        if let Err(error) = worker.channel().send(request, body, fds) {
            return Err(call.lost(worker, error, &mut |_| {}));
        }
        // Scoring has no log: nobody would read it.
        let (worker, answer) = call.wait(worker, &mut |_| {})?;
        self.worker = Some(worker);
        Ok((answer.message, answer.body))
    }
}
