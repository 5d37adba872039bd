//! One fit: what the caller gives, what comes back, and the exchange with the worker.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use crate::CancelFlag;
use crate::Error;
use crate::Event;
use crate::Loaded;
use crate::Result;
use crate::host::Launcher;
use crate::protocol::Binding;
use crate::protocol::CallBudget;
use crate::protocol::InputFiles;
use crate::protocol::Reply;
use crate::protocol::Request;
use crate::protocol::Target;
use crate::supervise::Call;
use crate::supervise::refusal;

/// What a fit needs.
#[derive(Debug)]
pub struct FitCall {
    /// Id of the algorithm.
    pub algorithm: String,
    /// The parameters, a JSON object that was checked against the schema.
    pub params_json: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Threads it may use; its worker is held to as many CPUs.
    pub threads: u32,
    /// Bytes of private memory it may use; mapped inputs do not count.
    pub memory_bytes: u64,
    /// When it is ended.
    pub deadline: Instant,
    /// Its inputs.
    pub inputs: Vec<InputTable>,
    /// Outputs by name, each an empty file to write; declared outputs that are not here are
    /// dropped.
    pub outputs: Vec<(String, File)>,
    /// Models by name, each an empty file to write; the main one has no name. Models that the
    /// description has and that are not here are dropped.
    pub models: Vec<(String, File)>,
    /// The model to start from.
    pub base_model: Option<File>,
}

/// An input: files and what of them the plugin gets.
#[derive(Debug)]
pub struct InputTable {
    /// Its name, as the algorithm declares it.
    pub name: String,
    /// One or more Arrow IPC files of one schema.
    pub files: Vec<File>,
    /// The columns that the plugin gets, in this order, each with the role it holds.
    pub columns: Vec<Binding>,
}

/// What a fit gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FitReport {
    /// Numbers about the run.
    pub metrics: BTreeMap<String, f64>,
    /// The outputs that were written.
    pub outputs: Vec<OutputReport>,
    /// Length of each model that was wanted and given, by name.
    pub models: BTreeMap<String, u64>,
}

/// An output that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputReport {
    /// Its name.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Length of its file.
    pub bytes: u64,
}

pub(crate) fn run(
    launcher: &Launcher,
    loaded: &Loaded,
    fit: FitCall,
    on_event: &mut dyn FnMut(Event),
    cancel: &CancelFlag,
) -> Result<FitReport> {
    let call = Call {
        algorithm: &fit.algorithm,
        stage: "fit",
        memory_bytes: fit.memory_bytes,
        deadline: fit.deadline,
        cancel: Some(cancel),
    };
    let left = fit.deadline.saturating_duration_since(Instant::now());
    let request = Request::Fit {
        target: Target {
            path: loaded.copy.path.clone(),
            algorithm: fit.algorithm.clone(),
            params_json: fit.params_json,
            seed: fit.seed,
            threads: fit.threads,
        },
        inputs: fit
            .inputs
            .iter()
            .map(|input| InputFiles {
                name: input.name.clone(),
                n_files: input.files.len(),
                columns: input.columns.clone(),
            })
            .collect(),
        outputs: fit.outputs.iter().map(|(name, _)| name.clone()).collect(),
        declared: loaded.spec.outputs.iter().map(|o| o.name.clone()).collect(),
        models: fit.models.iter().map(|(name, _)| name.clone()).collect(),
        declared_models: loaded.spec.models.iter().map(|m| m.name.clone()).collect(),
        warm_start: fit.base_model.is_some(),
        budget: CallBudget {
            memory_bytes: fit.memory_bytes,
            time_millis: left.as_millis().try_into().unwrap_or(u64::MAX),
        },
    };
    let fds: Vec<BorrowedFd<'_>> = fit
        .inputs
        .iter()
        .flat_map(|input| &input.files)
        .chain(fit.outputs.iter().map(|(_, file)| file))
        .chain(fit.models.iter().map(|(_, file)| file))
        .chain(&fit.base_model)
        .map(AsFd::as_fd)
        .collect();
    if cancel.is_cancelled() {
        return Err(Error::Cancelled {
            algorithm: fit.algorithm.clone(),
            stage: "fit",
        });
    }
    let worker = launcher.launch(fit.memory_bytes, fit.threads)?;
    if let Err(error) = worker.channel().send(&request, &[], &fds) {
        return Err(call.lost(worker, error, on_event));
    }
    let (worker, answer) = call.wait(worker, on_event)?;
    // From here on nobody but the engine can change the outputs.
    drop(worker);
    match answer.message {
        Reply::Fitted {
            metrics,
            outputs,
            models,
        } => Ok(FitReport {
            metrics,
            outputs: outputs
                .into_iter()
                .map(|(name, rows, bytes)| OutputReport { name, rows, bytes })
                .collect(),
            models,
        }),
        other => Err(refusal(&fit.algorithm, "fit", other)),
    }
}
