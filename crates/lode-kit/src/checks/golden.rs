//! Golden models: what an older build made is still read, and scores as it did; or it is
//! refused with the format that is no longer read.

use std::fs;
use std::path::Path;

use arrow_array::RecordBatch;
use lode_abi::FAIL_MODEL;
use serde_json::json;

use super::Case;
use super::Check;
use super::Run;
use crate::compare;
use crate::pack;
use crate::subject::ROWS;
use crate::subject::Subject;
use crate::subject::why;
use crate::verdict::Checked;
use crate::verdict::Stop;
use crate::verdict::failed;
use crate::verdict::skipped;

/// Rows of a golden question.
const ASKED: usize = 40;

pub(super) const GOLDEN: Check = Check {
    name: "golden-models",
    about: "models that older builds made score as they did, or are refused by their format",
    run: Run::One(golden),
};

fn golden(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let Some(folder) = case.golden else {
        return Err(skipped("no folder was given: --golden DIR"));
    };
    super::models::models_or_skip(subject)?;
    let mut names: Vec<String> = fs::read_dir(folder.join(&subject.spec.id))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    if names.is_empty() {
        return Err(skipped(format!(
            "the folder has none of {}",
            subject.spec.id
        )));
    }
    let mut words = Vec::new();
    for name in names {
        let folder = folder.join(&subject.spec.id).join(&name);
        let said = one(case, &folder).map_err(|stop| match stop {
            Stop::Failed(why) => failed(format!("{name}: {why}")),
            stop => stop,
        })?;
        words.push(format!("{name} {said}"));
    }
    Ok(words.join(", "))
}

fn one(case: &Case<'_>, folder: &Path) -> Result<&'static str, Stop> {
    let subject = case.subject;
    let read = |file: &str| {
        let path = folder.join(file);
        fs::read(&path).map_err(|error| failed(format!("{file}: {error}")))
    };
    let about: serde_json::Value = serde_json::from_slice(&read("about.json")?)
        .map_err(|error| failed(format!("about.json: {error}")))?;
    let text = |key: &str| about.get(key).and_then(|v| v.as_str()).unwrap_or_default();
    let format = about
        .get("model_format")
        .and_then(serde_json::Value::as_u64);
    let format = format.and_then(|format| u32::try_from(format).ok());
    let table = |file: &str| -> Result<RecordBatch, Stop> {
        pack::read(&read(file)?).map_err(|error| failed(format!("{file}: {error}")))
    };
    let how = subject.how().with_params(text("params"));
    (case.step)(&format!("open the golden model {}", folder.display()));
    let opened = match subject.open(&how, &read("model.bin")?) {
        Ok(opened) => opened,
        Err(fail) => {
            let known = format.is_some_and(|format| subject.spec.reads(format));
            let as_model = fail.as_ref().is_some_and(|fail| fail.code == FAIL_MODEL);
            return match !known && as_model {
                true => Ok("is refused, its format is no longer read"),
                false => Err(failed(why(&fail))),
            };
        }
    };
    let answer = opened.scored(&how, text("input"), table("question.arrow")?)?;
    match compare::tables(&table("answer.arrow")?, &answer, 0.0) {
        None => Ok("is the same"),
        Some(words) => Err(failed(format!("it scores otherwise than it did: {words}"))),
    }
}

/// Writes a golden model of the algorithm below `folder`, under the name of the build.
///
/// # Errors
/// In words.
pub(crate) fn write(subject: &Subject, folder: &Path, name: &str) -> Result<(), String> {
    let words = |stop: Stop| match stop {
        Stop::Failed(words) | Stop::Skipped(words) => words,
    };
    let how = subject.how();
    let model = subject.model(&how, ROWS).map_err(words)?;
    let (input, question) = subject.question(ASKED);
    let answer = subject.opened(&how, &model).map_err(words)?;
    let answer = answer
        .scored(&how, &input, question.clone())
        .map_err(words)?;
    let about = json!({
        "algorithm": subject.spec.id,
        "algorithm_version": subject.spec.version,
        "model_format": subject.spec.model_format,
        "params": how.params,
        "input": input,
        "seed": subject.seed,
    });
    let folder = folder.join(&subject.spec.id).join(name);
    let unable = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(unable)?;
    let about = format!("{about:#}\n");
    for (file, bytes) in [
        ("model.bin", model),
        ("question.arrow", pack::table(&question)?),
        ("answer.arrow", pack::table(&answer)?),
        ("about.json", about.into_bytes()),
    ] {
        fs::write(folder.join(file), bytes).map_err(unable)?;
    }
    Ok(())
}
