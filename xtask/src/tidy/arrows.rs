//! The allowed dependencies between the packages of the workspace.
//!
//! The table here is the truth; ARCHITECTURE.md explains it. An edge that is not in it is a problem.

use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use serde_json::Value;

use crate::workspace;

/// Package, and the packages of the workspace that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    // layer 0: words and structs
    ("lode-abi", &[]),
    ("lode-types", &[]),
    // layer 1: one job each, no storage, no network
    ("lode-numeric", &[]),
    ("lode-worker", &["lode-types"]),
    ("lode-sample", &["lode-numeric", "lode-types"]),
    ("lode-parts", &["lode-types"]),
    ("lode-proto", &["lode-types"]),
    // layer 2: plugins, rows
    ("lode-plugin", &["lode-abi", "lode-types"]),
    (
        "lode-host",
        &[
            "lode-abi",
            "lode-parts",
            "lode-sample",
            "lode-types",
            "lode-worker",
        ],
    ),
    ("lode-store", &["lode-parts", "lode-types"]),
    ("lode-features", &["lode-parts", "lode-types"]),
    // layer 3: the kit, questions and clients
    (
        "lode-kit",
        &[
            "lode-abi",
            "lode-host",
            "lode-numeric",
            "lode-sample",
            "lode-types",
            "lode-worker",
        ],
    ),
    (
        "lode-query",
        &["lode-parts", "lode-store", "lode-types", "lode-worker"],
    ),
    ("lode-sql", &["lode-parts", "lode-types", "lode-worker"]),
    ("lode-client", &["lode-proto", "lode-types"]),
    ("lode-sdk", &["lode-client", "lode-proto", "lode-types"]),
    // layer 4: jobs
    (
        "lode-jobs",
        &[
            "lode-features",
            "lode-host",
            "lode-numeric",
            "lode-parts",
            "lode-query",
            "lode-store",
            "lode-types",
            "lode-worker",
        ],
    ),
    // layer 5: the engine
    (
        "lode-engine",
        &[
            "lode-features",
            "lode-host",
            "lode-jobs",
            "lode-parts",
            "lode-proto",
            "lode-query",
            "lode-store",
            "lode-types",
            "lode-worker",
        ],
    ),
    // layer 6: the command
    (
        "lode-cli",
        &[
            "lode-client",
            "lode-engine",
            "lode-host",
            "lode-kit",
            "lode-sample",
            "lode-sdk",
            "lode-types",
        ],
    ),
    // leaves
    ("xtask", &[]),
    ("xtask-codegen", &[]),
];

/// What a plugin may use, whoever wrote it.
const PLUGIN: &[&str] = &["lode-numeric", "lode-plugin"];

/// What a plugin that misbehaves for the tests may use: it also speaks the ABI by hand.
const FAULTY_PLUGIN: &[&str] = &["lode-abi", "lode-plugin"];

/// The packages of tests: they may use anything but a plugin.
const TESTS: &[&str] = &["lode-tests", "lode-fuzz"];

pub(super) fn problems(metadata: &Value) -> Result<Vec<String>> {
    let members = members(metadata)?;
    let mut problems = Vec::new();
    for member in &members {
        for used in &member.uses {
            let Some(used) = members.iter().find(|other| other.name == *used) else {
                continue;
            };
            if let Some(problem) = problem(member, used) {
                problems.push(problem);
            }
        }
        if member.place == Place::Crate && row(&member.name).is_none() {
            problems.push(format!(
                "{} has no row in the table of arrows, xtask/src/tidy/arrows.rs",
                member.name
            ));
        }
    }
    Ok(problems)
}

/// A package of the workspace.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) manifest: String,
    /// Names of the packages in its dependency tables, ours and others'.
    pub(super) uses: Vec<String>,
}

/// Where a package lies, which is what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Crate,
    Plugin,
    FaultyPlugin,
    Tests,
}

pub(super) fn members(metadata: &Value) -> Result<Vec<Member>> {
    let ids = metadata["workspace_members"]
        .as_array()
        .context("`cargo metadata` lists no members")?;
    let packages = metadata["packages"]
        .as_array()
        .context("`cargo metadata` lists no packages")?;
    let ours = packages
        .iter()
        .filter(|package| ids.contains(&package["id"]));
    ours.map(member).collect()
}

fn member(package: &Value) -> Result<Member> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a name is text");
    let manifest = text(&package["manifest_path"])?;
    let path = Path::new(&manifest)
        .strip_prefix(workspace::root())
        .context("a member outside the repository")?;
    let place = if path.starts_with("plugins") {
        Place::Plugin
    } else if path.starts_with("tests/plugins") {
        Place::FaultyPlugin
    } else if path.starts_with("tests") {
        Place::Tests
    } else {
        Place::Crate
    };
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let mut uses = dependencies
        .map(|dependency| text(&dependency["name"]))
        .collect::<Result<Vec<_>>>()?;
    uses.sort();
    uses.dedup();
    Ok(Member {
        name: text(&package["name"])?,
        place,
        manifest: path.display().to_string(),
        uses,
    })
}

fn problem(from: &Member, to: &Member) -> Option<String> {
    if matches!(to.place, Place::Plugin | Place::FaultyPlugin) {
        return Some(format!(
            "{} depends on the plugin {}: plugins are loaded by path, never linked",
            from.name, to.name
        ));
    }
    let allowed = match from.place {
        Place::Tests => TESTS.contains(&&*from.name),
        Place::Plugin => PLUGIN.contains(&&*to.name),
        Place::FaultyPlugin => FAULTY_PLUGIN.contains(&&*to.name),
        Place::Crate => row(&from.name).is_some_and(|row| row.contains(&&*to.name)),
    };
    (!allowed).then(|| {
        format!(
            "{} -> {} is not an allowed arrow; see xtask/src/tidy/arrows.rs and ARCHITECTURE.md",
            from.name, to.name
        )
    })
}

fn row(name: &str) -> Option<&'static [&'static str]> {
    ARROWS
        .iter()
        .find(|(package, _)| *package == name)
        .map(|(_, row)| *row)
}

#[cfg(test)]
mod tests {
    use super::ARROWS;
    use super::Member;
    use super::Place;
    use super::problem;

    fn member(name: &str, place: Place) -> Member {
        Member {
            name: name.to_owned(),
            place,
            manifest: String::new(),
            uses: Vec::new(),
        }
    }

    #[test]
    fn arrows_point_down() {
        for (row, (package, uses)) in ARROWS.iter().enumerate() {
            for used in *uses {
                let at = ARROWS.iter().position(|(name, _)| name == used);
                assert!(at.is_some_and(|at| at < row), "{package} -> {used}");
            }
        }
    }

    #[test]
    fn an_edge_outside_the_table_is_a_problem() {
        let store = member("lode-store", Place::Crate);
        let parts = member("lode-parts", Place::Crate);
        let predict = member("predict", Place::Plugin);
        let tests = member("lode-tests", Place::Tests);
        assert_eq!(problem(&store, &parts), None);
        assert!(problem(&parts, &store).is_some());
        assert!(problem(&predict, &store).is_some());
        assert!(problem(&tests, &predict).is_some());
        assert_eq!(problem(&tests, &store), None);
    }
}
