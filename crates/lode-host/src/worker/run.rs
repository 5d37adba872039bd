//! Fit, open and score: from a request's files to a plugin's functions and back.
//!
//! Unsafe is here because a scorer is a pointer of the plugin's.
#![expect(unsafe_code, reason = "a scorer goes back to the library that gave it")]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use arrow_array::RecordBatchReader;
use arrow_array::ffi_stream::ArrowArrayStreamReader;
use lode_worker::Channel;

use super::call::Call;
use super::call::Told;
use super::call::Wanted;
use super::tables::of_batches;
use super::tables::of_files;
use crate::FailKind;
use crate::foreign::Algorithm;
use crate::foreign::Budget;
use crate::foreign::Front;
use crate::foreign::load;
use crate::ipc;
use crate::protocol::CallBudget;
use crate::protocol::InputFiles;
use crate::protocol::Reply;
use crate::protocol::ScoreTable;
use crate::protocol::Target;

/// What a fit was asked for.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) inputs: Vec<InputFiles>,
    pub(super) outputs: Vec<String>,
    pub(super) declared: Vec<String>,
    pub(super) models: Vec<String>,
    pub(super) declared_models: Vec<String>,
    pub(super) warm_start: bool,
    pub(super) budget: CallBudget,
}

/// Runs a fit; the reply says how it ended.
pub(super) fn fit(
    channel: &Channel,
    cancelled: &AtomicBool,
    plan: Plan,
    fds: Vec<OwnedFd>,
) -> Reply {
    try_fit(channel, cancelled, plan, fds).unwrap_or_else(Told::into_reply)
}

fn try_fit(
    channel: &Channel,
    cancelled: &AtomicBool,
    plan: Plan,
    fds: Vec<OwnedFd>,
) -> Result<Reply, Told> {
    let mut call = Call::new(Some(channel), cancelled);
    let mut fds = fds.into_iter();
    let mut inputs = Vec::with_capacity(plan.inputs.len());
    for InputFiles {
        name,
        n_files,
        columns,
    } in &plan.inputs
    {
        let files = fds.by_ref().take(*n_files).collect();
        inputs.push(of_files(name, files, Some(columns), &call.own)?);
    }
    let mut outputs = Vec::with_capacity(plan.outputs.len());
    for name in plan.outputs {
        outputs.push(Wanted {
            name,
            file: File::from(fds.next().ok_or_else(too_few)?),
            written: None,
        });
    }
    call.outputs = Mutex::new(outputs);
    call.declared = plan.declared;
    call.declared_models = plan.declared_models;
    for name in plan.models {
        let file = File::from(fds.next().ok_or_else(too_few)?);
        call.models.push((name, file));
    }
    if plan.warm_start {
        let file = File::from(fds.next().ok_or_else(too_few)?);
        call.base_model = Some(read_model(&file)?);
    }
    let target = plan.target;
    let algorithm = find(&target)?;
    let budget = Budget {
        seed: target.seed,
        threads: target.threads,
        memory_bytes: plan.budget.memory_bytes,
        time_millis: plan.budget.time_millis,
    };
    let front = Front::new(&call);
    if !algorithm.fit(&front.table(budget), &target.params_json, inputs) {
        return Err(call.failure("fit"));
    }
    let (metrics, models) = call.results();
    let outputs = call.outputs.into_inner();
    let outputs = outputs.unwrap_or_else(PoisonError::into_inner);
    let mut reports = Vec::with_capacity(outputs.len());
    for Wanted { name, written, .. } in outputs {
        let written =
            written.ok_or_else(|| Told::bug(format!("fit gave no output named {name:?}")))?;
        reports.push((name, written.rows, written.bytes));
    }
    Ok(Reply::Fitted {
        metrics,
        outputs: reports,
        models,
    })
}

/// A model that is ready to score. It is freed with the process.
#[derive(Debug)]
pub(super) struct OpenScorer {
    algorithm: Algorithm,
    scorer: *mut c_void,
    seed: u64,
    threads: u32,
}

impl OpenScorer {
    pub(super) fn open(channel: &Channel, target: Target, fds: Vec<OwnedFd>) -> Result<Self, Told> {
        let file = fds.into_iter().next().ok_or_else(too_few)?;
        let model = read_model(&File::from(file))?;
        let algorithm = find(&target)?;
        let cancelled = AtomicBool::new(false);
        let call = Call::new(Some(channel), &cancelled);
        let host = Front::new(&call);
        let host = host.table(Budget::default());
        let scorer = algorithm
            .open(&host, &target.params_json, &model)
            .ok_or_else(|| call.failure("open"))?;
        Ok(Self {
            algorithm,
            scorer,
            seed: target.seed,
            threads: target.threads,
        })
    }

    /// The result as an Arrow IPC stream.
    pub(super) fn score(
        &self,
        channel: &Channel,
        tables: Vec<ScoreTable>,
        mut body: &[u8],
        fds: Vec<OwnedFd>,
    ) -> Result<Vec<u8>, Told> {
        let cancelled = AtomicBool::new(false);
        let call = Call::new(Some(channel), &cancelled);
        let mut fds = fds.into_iter();
        let mut inputs = Vec::with_capacity(tables.len());
        for table in &tables {
            if table.n_files > 0 {
                let files = fds.by_ref().take(table.n_files).collect();
                inputs.push(of_files(&table.name, files, None, &call.own)?);
                continue;
            }
            let (bytes, rest) = body
                .split_at_checked(table.n_bytes)
                .ok_or_else(|| Told::bug("expected a longer body"))?;
            body = rest;
            let (schema, batches) = ipc::decode(bytes).map_err(|error| Told {
                kind: FailKind::Table,
                field: format!("inputs.{}", table.name),
                message: error.to_string(),
            })?;
            inputs.push(of_batches(&table.name, schema, batches));
        }
        let front = Front::new(&call);
        let host = front.table(Budget {
            seed: self.seed,
            threads: self.threads,
            ..Budget::default()
        });
        // SAFETY: `open` of the same algorithm gave the scorer, and it is never closed.
        let stream = unsafe { self.algorithm.score(&host, self.scorer, inputs) };
        let stream = stream.ok_or_else(|| call.failure("score"))?;
        let broken = |error| Told::bug(format!("the scores cannot be read: {error}"));
        let reader = ArrowArrayStreamReader::try_new(stream).map_err(broken)?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(broken)?;
        let mut bytes = Vec::new();
        ipc::encode(&mut bytes, &schema, &batches).map_err(broken)?;
        Ok(bytes)
    }
}

fn read_model(file: &File) -> Result<Vec<u8>, Told> {
    read(file).map_err(|error| Told {
        kind: FailKind::Model,
        field: String::new(),
        message: format!("the model could not be read: {error}"),
    })
}

/// The whole file, whatever its position is: that is shared with who opened it.
fn read(file: &File) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn find(target: &Target) -> Result<Algorithm, Told> {
    let plugin = load(&target.path).map_err(Told::bug)?;
    plugin.algorithm(&target.algorithm).map_err(Told::bug)
}

fn too_few() -> Told {
    Told::bug("expected a file for everything the request names, found fewer")
}
