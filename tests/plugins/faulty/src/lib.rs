//! A plugin that does on request everything a plugin must not do.
//!
//! For the tests that check that nothing but its own job is hurt; never shipped. Its one
//! algorithm `faulty.fit` counts the rows of its input when `mode` is `ok`, and its model
//! scores with the same misdeeds through the params of `open`.

mod intrusions;
mod misdeeds;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use lode_plugin::Algorithm;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Fitted;
use lode_plugin::Input;
use lode_plugin::Inputs;
use lode_plugin::Model;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::Spec;
use lode_plugin::Task;
use lode_plugin::testing;
use schemars::JsonSchema;
use serde::Deserialize;

/// What to do, for how long, and to whom.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultyParams {
    /// What to do.
    #[serde(default)]
    mode: Mode,
    /// Milliseconds for the modes that wait.
    #[serde(default = "default_ms")]
    #[schemars(range(min = 0, max = 600_000))]
    ms: u64,
    /// When to do it: in fit, in open or in score; elsewhere all is well.
    #[serde(default)]
    stage: Stage,
    /// What to read, write, run or connect to, for the modes that intrude.
    #[serde(default)]
    path: String,
    /// Where somebody listens on 127.0.0.1, for the modes that connect.
    #[serde(default)]
    port: u16,
}

/// A misdeed, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Counts rows and gives a model.
    #[default]
    Ok,
    /// Panics.
    Panic,
    /// Panics while its output is read.
    PanicInStream,
    /// Panics on a thread of its own.
    PanicInThread,
    /// Writes to address zero.
    Segfault,
    /// Calls abort.
    Abort,
    /// Leaves the process as if all were well.
    Exit0,
    /// Never returns, and never asks whether it should.
    Loop,
    /// Allocates until it cannot.
    EatMemory,
    /// Calls itself without end.
    StackOverflow,
    /// Fails with an error of its own.
    Fail,
    /// Blames a parameter.
    FailParams,
    /// Waits `ms`, asking every millisecond whether it should stop.
    Sleep,
    /// Waits `ms` without asking.
    IgnoreCancel,
    /// Prints to standard output and standard error, then counts rows.
    PrintStdout,
    /// Panics when its output, or what it scores with, is dropped.
    PanicInDrop,
    /// Forks; the child sleeps.
    Fork,
    /// Connects to a port by TCP.
    Tcp,
    /// Sends a datagram to a port by UDP.
    Udp,
    /// Connects to a Unix socket without a file, named by `path`.
    UnixAbstract,
    /// Reads the file `path` and tells what is in it.
    ReadFile,
    /// Lists the folder `path` and tells what is in it.
    ListFolder,
    /// Writes the file `path`.
    WriteFile,
    /// Removes the file `path`.
    RemoveFile,
    /// Takes all rights off the file `path`.
    ChmodFile,
    /// Becomes the program `path`.
    Exec,
    /// Sends SIGKILL to its parent.
    KillParent,
    /// Lowers its parent's limit of open files to none.
    LimitParent,
    /// Joins its parent's process group, so as not to be ended with its own.
    LeaveGroup,
    /// Counts the processors it may use, as a metric and in the log.
    CountProcessors,
    /// Closes every descriptor it can find, then counts rows.
    CloseFds,
    /// Gives an output that the spec does not have.
    WrongOutput,
}

/// When the misdeed is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// While it learns.
    #[default]
    Fit,
    /// While it reads its model.
    Open,
    /// While it scores.
    Score,
}

fn default_ms() -> u64 {
    1000
}

/// The algorithm `faulty.fit`.
#[derive(Debug)]
pub struct Faulty;

impl Algorithm for Faulty {
    const ID: &'static str = "faulty.fit";
    const MODEL_FORMAT: Option<u32> = Some(1);
    type Params = FaultyParams;
    type Scorer = FaultyParams;

    fn spec() -> Spec {
        Spec::new(
            Task::Segmentation,
            "Faulty",
            "Does what a plugin must not do.",
        )
        .input(Input::new("rows", "any table").optional())
        .output(Output::new(
            "count",
            "how many rows, with which seed and threads",
        ))
    }

    fn fit(params: FaultyParams, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        cx.info(&format!("doing {:?}", params.mode));
        cx.progress(0.25, "working");
        let n_rows = inputs
            .optional("rows")?
            .map_or(0, lode_plugin::Table::n_rows);
        if params.stage == Stage::Fit {
            match params.mode {
                Mode::PanicInStream => {
                    return Ok(Fitted::new().stream("count", misdeeds::panicking_stream()));
                }
                Mode::PanicInDrop => {
                    let rows = count(n_rows, cx);
                    return Ok(Fitted::new().stream("count", misdeeds::dropped_with_a_panic(rows)));
                }
                Mode::WrongOutput => {
                    return Ok(Fitted::new().table("surprise", count(n_rows, cx)));
                }
                _ => act(&params, cx)?,
            }
        }
        cx.progress(1.0, "done");
        let model = n_rows.to_le_bytes().to_vec();
        Ok(Fitted::new()
            .table("count", count(n_rows, cx))
            .model(model)
            .metric("rows", n_rows as f64))
    }

    fn open(params: FaultyParams, model: Model<'_>) -> Result<FaultyParams> {
        if model.bytes().len() != size_of::<usize>() {
            return Err(Error::model("expected 8 bytes"));
        }
        if params.stage == Stage::Open {
            misdeeds::commit(params.mode)?;
            intrusions::attempt(&params)?;
        }
        Ok(params)
    }

    fn score(params: &FaultyParams, inputs: Inputs, cx: &Context<'_>) -> Result<RecordBatch> {
        if params.stage == Stage::Score {
            act(params, cx)?;
        }
        Ok(count(inputs.table("rows")?.n_rows(), cx))
    }
}

/// Does what the mode says; waits `ms` in the modes that wait.
fn act(params: &FaultyParams, cx: &Context<'_>) -> Result<()> {
    match params.mode {
        Mode::Sleep => {
            for _ in 0..params.ms {
                cx.check_cancelled()
                    .inspect_err(|_| cx.warn("stopping as asked"))?;
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        }
        Mode::IgnoreCancel => {
            std::thread::sleep(Duration::from_millis(params.ms));
            Ok(())
        }
        mode => {
            misdeeds::commit(mode)?;
            if let Some(found) = intrusions::attempt(params)? {
                cx.info(&found);
            }
            Ok(())
        }
    }
}

fn count(n_rows: usize, cx: &Context<'_>) -> RecordBatch {
    let one = |value: i64| Arc::new(Int64Array::from(vec![value])) as _;
    testing::batch(&[
        ("rows", None, one(n_rows as i64)),
        ("seed", None, one(cx.seed() as i64)),
        ("threads", None, one(cx.threads() as i64)),
    ])
}

lode_plugin::export_plugin!(Faulty);
