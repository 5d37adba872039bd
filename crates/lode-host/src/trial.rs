//! The smoke test of a library: each algorithm fits on made rows, opens its model and scores.
//!
//! Runs in children of its own. An answer passes, be it a result or a told refusal of rows,
//! parameters or numbers: a made table need not suit. A panic, a crash, an exit, silence or
//! a broken rule does not. Invariant: every algorithm is tried, so that all problems show.

use std::fs::File;
use std::time::Duration;
use std::time::Instant;

use arrow_array::RecordBatch;
use lode_sample::trial;
use lode_types::Class;
use lode_types::Failure;
use lode_types::role_of;

use crate::Binding;
use crate::CancelFlag;
use crate::Error;
use crate::FailKind;
use crate::FitCall;
use crate::InputTable;
use crate::Loaded;
use crate::Result;
use crate::Scorer;
use crate::ScorerCall;
use crate::copies::Copies;
use crate::host::Launcher;
use crate::registry::Library;

/// Rows of a made table.
const ROWS: usize = 64;
/// Seed of the tables and of the calls.
const SEED: u64 = 1;
/// How long a fit or a score may take.
const CALL_TIME: Duration = Duration::from_secs(20);
/// How long all algorithms of a library together may take; other loads wait meanwhile.
const WHOLE_TIME: Duration = Duration::from_secs(40);
/// Memory of a worker.
const MEMORY_BYTES: u64 = 2 << 30;

/// What is wrong with the algorithms of a library, one line each.
///
/// # Errors
/// When this machine cannot try them now.
pub(crate) fn problems(
    launcher: &Launcher,
    copies: &Copies,
    library: &Library,
) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let end = Instant::now() + WHOLE_TIME;
    for loaded in &library.algorithms {
        if Instant::now() >= end {
            problems.push(format!(
                "tried on made rows: {} had no turn, since the others took {} s",
                loaded.spec.id,
                WHOLE_TIME.as_secs()
            ));
            continue;
        }
        match one(launcher, copies, loaded, end) {
            Ok(()) => {}
            Err(error) if is_answer(&error) => {
                tracing::info!(algorithm = %loaded.spec.id, %error, "made rows were refused, which is an answer");
            }
            Err(error) if error.class() == Class::Unavailable => return Err(error),
            Err(error) => {
                problems.push(format!("tried on made rows: {}", lode_types::chain(&error)));
            }
        }
    }
    Ok(problems)
}

fn one(launcher: &Launcher, copies: &Copies, loaded: &Loaded, end: Instant) -> Result<()> {
    let deadline = || end.min(Instant::now() + CALL_TIME);
    let spec = &loaded.spec;
    let made = trial::inputs(spec, ROWS, SEED);
    let params_json = defaults(&spec.params_schema);
    let mut inputs = Vec::new();
    for (name, batch) in &made {
        inputs.push(input(name, batch)?);
    }
    let scratch = || copies.scratch().map_err(Error::io("make a file to try"));
    let mut outputs = Vec::new();
    for output in &spec.outputs {
        outputs.push((output.name.clone(), scratch()?));
    }
    let model = spec.model_format.map(|_| scratch()).transpose()?;
    let copy = model.as_ref().map(File::try_clone).transpose();
    let call = FitCall {
        algorithm: spec.id.clone(),
        params_json: params_json.clone(),
        seed: SEED,
        threads: 1,
        memory_bytes: MEMORY_BYTES,
        deadline: deadline(),
        inputs,
        outputs,
        models: copy
            .map_err(Error::io("use a file to try"))?
            .map(|file| (String::new(), file))
            .into_iter()
            .collect(),
        base_model: None,
    };
    crate::fit::run(launcher, loaded, call, &mut |_| {}, &CancelFlag::new())?;
    let Some(model) = model else {
        return Ok(());
    };
    let mut scorer = Scorer::open(
        launcher,
        loaded,
        ScorerCall {
            algorithm: spec.id.clone(),
            params_json,
            model,
            seed: SEED,
            threads: 1,
            memory_bytes: MEMORY_BYTES,
        },
    )?;
    let (name, question) = trial::question(spec, &made);
    scorer.score(vec![(name, question.into())], deadline())?;
    Ok(())
}

/// Whether a failure is a proper answer to made rows.
fn is_answer(error: &Error) -> bool {
    let Error::Failed { kind, .. } = error else {
        return false;
    };
    matches!(kind, FailKind::Params | FailKind::Input | FailKind::Numeric)
}

fn input(name: &str, batch: &RecordBatch) -> Result<InputTable> {
    let schema = batch.schema();
    let file = lode_parts::memfd("trial", &schema, [batch.clone()]);
    let file = file.map_err(|error| Error::Io {
        action: "make a table to try".to_owned(),
        source: std::io::Error::other(lode_types::chain(&error)),
    })?;
    let columns = schema.fields().iter().map(|field| Binding {
        column: field.name().clone(),
        role: role_of(field),
    });
    Ok(InputTable {
        name: name.to_owned(),
        files: vec![file],
        columns: columns.collect(),
    })
}

/// The parameters that a job has when it names none.
fn defaults(schema: &str) -> String {
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap_or_default();
    let properties = schema.get("properties").and_then(|p| p.as_object());
    let params = properties.into_iter().flatten().filter_map(|(name, of)| {
        let default = of.get("default")?;
        Some((name.clone(), default.clone()))
    });
    serde_json::Value::Object(params.collect()).to_string()
}
