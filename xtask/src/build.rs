//! `cargo xtask build`: one folder that can be copied and run.
//!
//! Debug and release builds go to the same folder, `target/lode`; the last build wins.
//! Invariant: a file there is replaced by a rename, never written in place.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use serde_json::Value;

use crate::workspace;

/// An example, and the program that it makes.
const COSTS: &str = "costs";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Optimised, with thin LTO: minutes, not seconds.
    #[arg(long)]
    release: bool,
    /// Leave out lode-sql, and with it DataFusion: no `lode query`, no `sql:` inputs.
    #[arg(long)]
    without_sql: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let dist = workspace::dist();
    let wanted = Wanted {
        release: args.release,
        sql: !args.without_sql,
        ..Wanted::default()
    };
    into(&dist, &wanted)?;
    let lode = workspace::shown(&dist.join("lode"));
    println!("{} is ready: {lode} serve", workspace::shown(&dist));
    Ok(())
}

/// What a build makes besides `lode` and the shipped plugins.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) release: bool,
    /// `lode-sql`.
    pub(crate) sql: bool,
    /// `lode-load`, which puts load on an engine.
    pub(crate) load: bool,
    /// `costs`, the example of lode-host that measures calls into plugins.
    pub(crate) costs: bool,
    /// The plugins of `tests/plugins/`, which misbehave on purpose, into this folder.
    pub(crate) faulty: Option<PathBuf>,
}

/// Builds into a folder: `lode` and the other programs, and the plugins below it.
///
/// All in one invocation of cargo: packages that are built apart get other features of shared
/// dependencies, which would then be compiled twice.
pub(crate) fn into(folder: &Path, wanted: &Wanted) -> Result<()> {
    let programs = [
        ("lode-cli", "lode", true),
        ("lode-sql", "lode-sql", wanted.sql),
        ("lode-tests", "lode-load", wanted.load),
        ("lode-host", COSTS, wanted.costs),
    ];
    let programs = programs.into_iter().filter(|(_, _, wanted)| *wanted);
    let plugins = plugins_below("plugins")?;
    let faulty = match &wanted.faulty {
        Some(_) => plugins_below("tests/plugins")?,
        None => Vec::new(),
    };
    let libraries = plugins.iter().chain(&faulty);
    let packages = programs
        .clone()
        .map(|(package, _, _)| package)
        .chain(libraries.map(|plugin| &*plugin.package));
    // With an example named, what is built by itself has to be named too.
    let examples: &[&str] = match wanted.costs {
        true => &["--lib", "--bins", "--example", COSTS],
        false => &[],
    };
    let artifacts = cargo_build(packages, wanted.release, examples)?;
    for (package, file, _) in programs {
        let built = artifacts
            .iter()
            .find(|artifact| artifact.ends_with(file))
            .with_context(|| format!("the build of {package} made no binary named {file}"))?;
        workspace::install(built, &folder.join(file))?;
    }
    if let Some(folder) = &wanted.faulty {
        install_libraries(&artifacts, &faulty, folder)?;
    }
    install_libraries(&artifacts, &plugins, &folder.join("plugins"))
}

/// Installs the plugins' libraries and removes those that no plugin makes any more.
fn install_libraries(artifacts: &[PathBuf], plugins: &[Plugin], folder: &Path) -> Result<()> {
    for Plugin { package, library } in plugins {
        let built = artifacts
            .iter()
            .find(|artifact| artifact.file_name().is_some_and(|file| file == &**library))
            .with_context(|| format!("the build of {package} made no {library}"))?;
        workspace::install(built, &folder.join(library))?;
    }
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if !plugins.iter().any(|plugin| path.ends_with(&plugin.library)) {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// Builds packages in one invocation and gives the paths of what came out.
fn cargo_build<'a>(
    packages: impl Iterator<Item = &'a str>,
    release: bool,
    arguments: &[&str],
) -> Result<Vec<PathBuf>> {
    let mut command = workspace::cargo();
    command.args(["build", "--message-format", "json-render-diagnostics"]);
    command.args(arguments);
    if release {
        command.arg("--release");
    }
    for package in packages {
        command.args(["--package", package]);
    }
    let output = workspace::output(&mut command)?;
    let text = String::from_utf8(output).context("cargo's messages are not UTF-8")?;
    let mut artifacts = Vec::new();
    for line in text.lines() {
        let message: Value = serde_json::from_str(line).context("cargo gave no JSON")?;
        if message["reason"] == "compiler-artifact" {
            let files = message["filenames"].as_array().into_iter().flatten();
            artifacts.extend(files.filter_map(Value::as_str).map(PathBuf::from));
        }
    }
    Ok(artifacts)
}

/// A package that makes a plugin.
struct Plugin {
    package: String,
    /// File name of its library.
    library: String,
}

/// The plugins among the workspace's packages that lie below a folder.
fn plugins_below(folder: &str) -> Result<Vec<Plugin>> {
    let folder = workspace::root().join(folder);
    let metadata = workspace::metadata()?;
    let mut plugins = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        if !Path::new(manifest).starts_with(&folder) {
            continue;
        }
        let targets = package["targets"].as_array().into_iter().flatten();
        let library = targets
            .filter(|target| {
                let kinds = target["crate_types"].as_array().into_iter().flatten();
                kinds.into_iter().any(|kind| kind == "cdylib")
            })
            .find_map(|target| target["name"].as_str())
            .with_context(|| format!("{manifest}: a plugin's crate-type needs \"cdylib\""))?;
        plugins.push(Plugin {
            package: package["name"]
                .as_str()
                .context("a package has a name")?
                .to_owned(),
            library: format!("lib{}.so", library.replace('-', "_")),
        });
    }
    plugins.sort_by(|a, b| a.package.cmp(&b.package));
    Ok(plugins)
}
