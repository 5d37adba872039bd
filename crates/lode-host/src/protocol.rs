//! What the engine and a plugin worker say to each other over the worker's channel.
//!
//! One request at a time; only `Cancel` may come while another runs. Files travel beside the
//! message in the order that the message names them. Both sides are of one build, so the
//! protocol has no versions.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lode_types::Role;
use serde::Deserialize;
use serde::Serialize;

/// Engine to worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Confines itself without a library, and says what of that the kernel could do.
    Probe,
    /// Loads the library and reports what it is and what is wrong with it.
    Inspect { path: PathBuf },
    /// Fits. Files: those of each input, then one an output, then one a model, then the model
    /// to start from.
    Fit {
        target: Target,
        inputs: Vec<InputFiles>,
        /// Outputs to write.
        outputs: Vec<String>,
        /// Outputs that the description has; others are an error, unwanted ones are dropped.
        declared: Vec<String>,
        /// Models to write, by name; the main one has no name.
        models: Vec<String>,
        /// Models that the description has beside the main one.
        declared_models: Vec<String>,
        /// Whether there is a model to start from.
        warm_start: bool,
        budget: CallBudget,
    },
    /// Opens a model for scoring. One file: the model.
    Open { target: Target },
    /// Scores. Files: those of the inputs that have some; body: the streams of the others.
    Score { inputs: Vec<ScoreTable> },
    /// Asks the running call to stop.
    Cancel,
}

/// A message of either side read and written again. For the fuzz target.
///
/// # Errors
/// In words: why it is neither a request nor a reply.
pub fn rewritten(json: &[u8]) -> Result<Vec<u8>, String> {
    let again = match serde_json::from_slice::<Reply>(json) {
        Ok(reply) => serde_json::to_vec(&reply),
        Err(no_reply) => match serde_json::from_slice::<Request>(json) {
            Ok(request) => serde_json::to_vec(&request),
            Err(no_request) => return Err(format!("{no_reply}; {no_request}")),
        },
    };
    again.map_err(|error| error.to_string())
}

/// An algorithm in a library and what its calls get.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    pub(crate) algorithm: String,
    pub(crate) params_json: String,
    pub(crate) seed: u64,
    pub(crate) threads: u32,
}

/// What the call may use beside its threads; 0 when there is no bound.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CallBudget {
    pub(crate) memory_bytes: u64,
    pub(crate) time_millis: u64,
}

/// An input: how many of the files are its own, and what of them the plugin gets.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InputFiles {
    pub(crate) name: String,
    pub(crate) n_files: usize,
    pub(crate) columns: Vec<Binding>,
}

/// A column of an input and the role it holds for the algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its name.
    pub column: String,
    /// Its role; whatever role the file gives it is taken off.
    pub role: Option<Role>,
}

/// An input of a score: files, or bytes of the body.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ScoreTable {
    pub(crate) name: String,
    pub(crate) n_files: usize,
    pub(crate) n_bytes: usize,
}

/// Worker to engine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Progress {
        fraction: f64,
        stage: String,
    },
    Log {
        level: LogLevel,
        text: String,
    },
    Confined(lode_worker::Confinement),
    Inspected(Inspection),
    Fitted {
        metrics: BTreeMap<String, f64>,
        outputs: Vec<(String, u64, u64)>,
        /// Length of each model, by name.
        models: BTreeMap<String, u64>,
    },
    Opened,
    /// Body: the result as an Arrow IPC stream.
    Scored,
    Failed {
        kind: FailKind,
        field: String,
        message: String,
    },
}

/// What a library is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inspection {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) abi: String,
    pub(crate) build: String,
    pub(crate) specs: Vec<lode_types::AlgorithmSpec>,
    /// Why it cannot be used, one line each; empty when it can.
    pub(crate) problems: Vec<String>,
}

/// Weight of a line in a job's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    /// For the curious.
    Info,
    /// The result may surprise.
    Warn,
    /// What a worker that died wrote to its standard error.
    Error,
}

impl LogLevel {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What kind of wrong an algorithm, or its worker, told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailKind {
    /// A parameter cannot work.
    Params,
    /// An input cannot work.
    Input,
    /// The model's bytes cannot be used.
    Model,
    /// The numbers lead to no result.
    Numeric,
    /// The call noticed that it was cancelled.
    Cancelled,
    /// The plugin broke its own rules or those of the ABI.
    Bug,
    /// The plugin panicked.
    Panic,
    /// An input file is damaged.
    Table,
    /// An output file could not be written.
    Output,
}
