//! The manifests: each external dependency is declared once, in the root, and is used.
//!
//! Reads the manifests line by line, since `cargo metadata` does not tell whether a member inherited.
//! Invariant: a dependency takes one line, as everywhere in this workspace.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;

use anyhow::Context as _;
use anyhow::Result;
use serde_json::Value;

use super::arrows;
use crate::workspace;

/// Direct dependencies that other crates hold at another major version, and who does.
const DUPLICATES: &[(&str, &str)] = &[("comfy-table", "arrow-cast, under lode-sql alone")];

pub(super) fn problems(metadata: &Value) -> Result<Vec<String>> {
    let root = read("Cargo.toml")?;
    let declared = declared(&root);
    let mut problems = of_root(&root);
    let mut used = BTreeSet::new();
    for member in arrows::members(metadata)? {
        let text = read(&member.manifest)?;
        problems.extend(of_member(&member.manifest, &text));
        used.extend(member.uses);
    }
    for name in declared.difference(&used) {
        problems.push(format!(
            "Cargo.toml declares {name}, which no member uses; remove the line"
        ));
    }
    problems.extend(duplicates(&read("Cargo.lock")?, &declared));
    Ok(problems)
}

/// The names in `[workspace.dependencies]` of the root manifest.
fn declared(root: &str) -> BTreeSet<String> {
    dependencies(root, |section| section == "workspace.dependencies")
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// External dependencies of the root whose default features are on.
pub(super) fn of_root(text: &str) -> Vec<String> {
    dependencies(text, |section| section == "workspace.dependencies")
        .filter(|(_, value)| {
            !value.contains("path =") && !value.contains("default-features = false")
        })
        .map(|(name, _)| format!("Cargo.toml: {name} needs `default-features = false`"))
        .collect()
}

/// Dependencies of a member that do not come from the root, and a missing `[lints]`.
pub(super) fn of_member(path: &str, text: &str) -> Vec<String> {
    let is_table = |section: &str| section.ends_with("dependencies");
    let mut problems = dependencies(text, is_table)
        .filter(|(name, value)| {
            let inherits = name.ends_with(".workspace") && *value == "true";
            !inherits && !value.contains("workspace = true")
        })
        .map(|(name, _)| format!("{path}: {name} is to be `{name}.workspace = true`"))
        .collect::<Vec<_>>();
    let lints = entries(text)
        .any(|(section, key, value)| section == "lints" && key == "workspace" && value == "true");
    if !lints {
        problems.push(format!("{path}: add `[lints]` with `workspace = true`"));
    }
    problems
}

/// Direct dependencies that the lock file holds at two incompatible versions.
fn duplicates(lock: &str, declared: &BTreeSet<String>) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut package = "";
    for (_, key, value) in entries(lock) {
        let value = value.trim_matches('"');
        match key {
            "name" => package = value,
            "version" if declared.contains(package) => {
                versions.entry(package).or_default().insert(major(value));
            }
            _ => {}
        }
    }
    versions.retain(|name, majors| {
        let excused = DUPLICATES.iter().any(|(excused, _)| excused == name);
        majors.len() > 1 && !excused
    });
    versions
        .into_iter()
        .map(|(name, majors)| {
            let majors = majors.into_iter().collect::<Vec<_>>().join(" and ");
            format!(
                "{name} is there as {majors}; `cargo tree --invert {name}` says who brings them"
            )
        })
        .collect()
}

/// The part of a version that says what fits: "59" of 59.3.0, "0.34" of 0.34.7.
pub(super) fn major(version: &str) -> String {
    let mut parts = version.split('.');
    match (parts.next().unwrap_or_default(), parts.next()) {
        ("0", Some(minor)) => format!("0.{minor}"),
        (major, _) => major.to_owned(),
    }
}

fn dependencies(text: &str, is_table: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, &str)> {
    entries(text)
        .filter(move |(section, _, _)| is_table(section))
        .map(|(_, key, value)| (key, value))
}

/// Section, key and value of each line of a manifest that has a value.
fn entries(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            return None;
        }
        let (key, value) = line.split_once('=')?;
        (!line.starts_with('#')).then(|| (section, key.trim(), value.trim()))
    })
}

fn read(path: &str) -> Result<String> {
    let path = workspace::root().join(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}
