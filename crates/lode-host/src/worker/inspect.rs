//! Looks a library over: every problem at once, in the words of the plugin's author.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use lode_types::AlgorithmSpec;
use lode_worker::Channel;

use super::call::Call;
use crate::foreign::Algorithm;
use crate::foreign::Budget;
use crate::foreign::Front;
use crate::foreign::Manifest;
use crate::foreign::Plugin;
use crate::foreign::load;
use crate::foreign::manifest;
use crate::protocol::Inspection;
use crate::protocol::Reply;

/// Loads the library and asks every algorithm to describe itself. The engine is told of each
/// step before it is done, so that it knows which one killed this process.
pub(super) fn inspect(channel: Option<&Channel>, path: &Path) -> Inspection {
    let mut inspection = Inspection::default();
    step(channel, "reading its manifest");
    let manifest = match manifest::of_file(path) {
        Ok(manifest) => manifest,
        Err(problem) => {
            inspection.problems.push(problem);
            return inspection;
        }
    };
    if let Some(manifest) = &manifest {
        // Known even if the library then cannot be loaded.
        inspection.name.clone_from(&manifest.name);
        inspection.version.clone_from(&manifest.version);
        inspection.abi = format!("{}.{}", manifest.abi.0, manifest.abi.1);
    }
    step(channel, "loading");
    let plugin = match load(path) {
        Ok(plugin) => plugin,
        Err(problem) => {
            inspection.problems.push(problem);
            return inspection;
        }
    };
    step(channel, "reading its table");
    head(plugin, &mut inspection);
    let mut ids = BTreeSet::new();
    for algorithm in plugin.algorithms() {
        match algorithm {
            Ok(algorithm) => describe(channel, algorithm, &mut ids, &mut inspection),
            Err(problem) => inspection.problems.push(problem),
        }
    }
    if let Some(manifest) = manifest {
        let problems = disagreements(&manifest, plugin, &inspection, &ids);
        inspection.problems.extend(problems);
    }
    inspection
}

/// Everything that is wrong with a library, which is loaded into this process.
pub fn problems(path: &Path) -> Vec<String> {
    inspect(None, path).problems
}

/// Where a manifest says something else than the library's table.
fn disagreements(
    manifest: &Manifest,
    plugin: Plugin,
    inspection: &Inspection,
    ids: &BTreeSet<String>,
) -> Vec<String> {
    let said: BTreeSet<String> = manifest.algorithms.iter().cloned().collect();
    let abi = format!("{}.{}", manifest.abi.0, manifest.abi.1);
    let list = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>().join(" ");
    let pairs = [
        ("name", &manifest.name, &inspection.name),
        ("version", &manifest.version, &inspection.version),
        ("abi", &abi, &plugin.abi()),
        ("algorithms", &list(&said), &list(ids)),
    ];
    let differ = pairs.into_iter().filter(|(_, said, found)| said != found);
    differ
        .map(|(key, said, found)| {
            format!(
                "manifest: expected {key}={found} as in the library's table, found {key}={said}"
            )
        })
        .collect()
}

fn head(plugin: Plugin, inspection: &mut Inspection) {
    inspection.abi = plugin.abi();
    for (text, place) in [
        (plugin.name(), &mut inspection.name),
        (plugin.version(), &mut inspection.version),
        (plugin.build(), &mut inspection.build),
    ] {
        match text {
            Ok(text) => *place = text,
            Err(problem) => inspection.problems.push(problem),
        }
    }
}

fn describe(
    channel: Option<&Channel>,
    algorithm: Algorithm,
    ids: &mut BTreeSet<String>,
    inspection: &mut Inspection,
) {
    let id = match algorithm.id() {
        Ok(id) => id,
        Err(problem) => {
            inspection.problems.push(problem);
            return;
        }
    };
    let mut problem = |text: String| inspection.problems.push(format!("{id}: {text}"));
    if !is_id(&id) {
        problem("expected an id like family.name of a-z, 0-9 and -".to_owned());
    }
    if !ids.insert(id.clone()) {
        problem("expected unique ids, found this one twice".to_owned());
    }
    step(channel, &format!("describing {id}"));
    let cancelled = AtomicBool::new(false);
    let call = Call::new(channel, &cancelled);
    let front = Front::new(&call);
    let told = algorithm.describe(&front.table(Budget::default()));
    let (mut makes_models, mut merges) = (false, algorithm.merges());
    match call.spec() {
        Some(json) if told => match serde_json::from_slice::<AlgorithmSpec>(&json) {
            Ok(spec) => {
                makes_models = spec.model_format.is_some();
                if merges && spec.merge.is_none() {
                    problem("expected \"merge\" in the description of an algorithm that has partial, merge and finish, found none".to_owned());
                }
                merges |= spec.merge.is_some();
                for text in check(&id, &spec) {
                    problem(text);
                }
                inspection.specs.push(spec);
            }
            Err(error) => problem(format!("its description cannot be read: {error}")),
        },
        Some(_) => problem(call.failure("describe").message),
        None if told => problem("describe gave no description".to_owned()),
        None => problem(call.failure("describe").message),
    }
    let mut problem = |text: String| inspection.problems.push(format!("{id}: {text}"));
    for function in algorithm.missing(makes_models, merges) {
        problem(format!("expected a function {function}, found null"));
    }
}

/// What is wrong with a description.
pub(super) fn check(id: &str, spec: &AlgorithmSpec) -> Vec<String> {
    let mut problems = Vec::new();
    if spec.id != id {
        problems.push(format!(
            "expected its description to have the same id, found {:?}",
            spec.id
        ));
    }
    match serde_json::from_str::<serde_json::Value>(&spec.params_schema) {
        Ok(schema) if schema.get("type").and_then(|t| t.as_str()) == Some("object") => {}
        Ok(_) => problems.push("expected a parameters schema of type object".to_owned()),
        Err(error) => problems.push(format!("its parameters schema is not JSON: {error}")),
    }
    if spec.inputs.is_empty() {
        problems.push("expected at least one input".to_owned());
    }
    let inputs = spec.inputs.iter().map(|input| input.name.as_str());
    problems.extend(repeated("input", inputs));
    let outputs = spec.outputs.iter().map(|output| output.name.as_str());
    problems.extend(repeated("output", outputs));
    problems.extend(models(spec));
    for input in &spec.inputs {
        let mut roles = BTreeSet::new();
        for column in &input.columns {
            if !roles.insert(column.role) {
                problems.push(format!(
                    "input {:?}: expected each role once, found {} twice",
                    input.name, column.role
                ));
            }
            if column.types.is_empty() {
                problems.push(format!(
                    "input {:?}: role {}: expected at least one type",
                    input.name, column.role
                ));
            }
        }
    }
    problems
}

/// What is wrong with what it says of its models and its merging.
fn models(spec: &AlgorithmSpec) -> Vec<String> {
    let names = spec.models.iter().map(|model| model.name.as_str());
    let mut problems = repeated("model", names);
    for model in &spec.models {
        if !is_word(&model.name) || model.name.len() > 32 {
            problems.push(format!(
                "expected a model's name of 1 to 32 of a-z, 0-9 and -, found {:?}",
                model.name
            ));
        }
    }
    if spec.model_format.is_none() {
        let says = [
            (!spec.models.is_empty(), "models"),
            (!spec.reads_formats.is_empty(), "reads_formats"),
            (spec.warm_start, "warm_start"),
        ];
        for (_, word) in says.into_iter().filter(|(says, _)| *says) {
            problems.push(format!("expected a model_format beside {word}, found none"));
        }
    }
    if let Some(merge) = spec.merge
        && !(merge.tolerance >= 0.0 && merge.tolerance < 1.0)
    {
        problems.push(format!(
            "expected a merge tolerance of 0 to 1, found {}",
            merge.tolerance
        ));
    }
    problems
}

fn repeated<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for name in names {
        if name.is_empty() {
            problems.push(format!("expected a name for every {what}, found none"));
        } else if !seen.insert(name) {
            problems.push(format!(
                "expected unique {what} names, found {name:?} twice"
            ));
        }
    }
    problems
}

/// `family.name`: two words of a-z, 0-9 and -, each starting with a letter.
pub(super) fn is_id(id: &str) -> bool {
    let parts: Vec<&str> = id.split('.').collect();
    id.len() <= 64 && parts.len() == 2 && parts.into_iter().all(is_word)
}

fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn step(channel: Option<&Channel>, stage: &str) {
    let reply = Reply::Progress {
        fraction: 0.0,
        stage: stage.to_owned(),
    };
    if let Some(channel) = channel {
        // When the engine is gone nobody listens, and this process is about to be ended.
        drop(channel.send(&reply, &[], &[]));
    }
}

#[cfg(test)]
mod tests;
