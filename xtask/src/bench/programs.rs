//! The programs that a benchmark measures: `lode`, and `lode-load`, which puts load on it.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use serde_json::Value;

use crate::build;
use crate::build::Wanted;
use crate::process::Engine;
use crate::workspace;

/// Release builds, and the folder that a benchmark works in.
pub(super) struct Programs {
    /// Where the programs are.
    pub(super) dist: PathBuf,
    /// An empty folder of this benchmark.
    pub(super) folder: PathBuf,
}

impl Programs {
    /// Builds for release; `sql` says whether `lode-sql` is needed.
    pub(super) fn build(name: &str, sql: bool) -> Result<Self> {
        let wanted = Wanted {
            sql,
            ..Wanted::default()
        };
        Self::build_with(name, wanted)
    }

    /// Builds for release, `lode-load` and what else is wanted.
    pub(super) fn build_with(name: &str, wanted: Wanted) -> Result<Self> {
        let wanted = Wanted {
            release: true,
            load: true,
            ..wanted
        };
        build::into(&dist(), &wanted)?;
        Self::built(name)
    }

    /// What was built last.
    pub(super) fn built(name: &str) -> Result<Self> {
        let folder = workspace::target().join("bench").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self {
            dist: dist(),
            folder,
        })
    }

    /// An engine over an empty data directory.
    pub(super) fn engine(&self, arguments: &[&str]) -> Result<Engine> {
        let data = self.data();
        if data.exists() {
            fs::remove_dir_all(&data).with_context(|| data.display().to_string())?;
        }
        Engine::start_with(&self.dist, &data, arguments)
    }

    /// An engine over the data directory as the last one left it, and how long it took to be ready.
    pub(super) fn reopen(&self, arguments: &[&str]) -> Result<(Engine, f64)> {
        let start = Instant::now();
        let engine = Engine::start_with(&self.dist, &self.data(), arguments)?;
        Ok((engine, start.elapsed().as_secs_f64()))
    }

    /// The engine's data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Runs `lode-load` and gives the one object that it prints.
    pub(super) fn load(&self, engine: &Engine, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(self.dist.join("lode-load"));
        command.arg("--addr").arg(engine.url()).args(arguments);
        let output = workspace::output(&mut command)?;
        serde_json::from_slice(&output).context("lode-load gave no JSON")
    }

    /// Runs `lode` as a client and gives what it prints.
    pub(super) fn lode(&self, engine: &Engine, arguments: &[&str]) -> Result<Vec<u8>> {
        let mut command = Command::new(self.dist.join("lode"));
        command.env("LODE_ADDR", engine.url()).args(arguments);
        workspace::output(&mut command)
    }
}

fn dist() -> PathBuf {
    workspace::target().join("lode-bench")
}

/// Bytes of all files below a folder.
pub(super) fn bytes_below(folder: &Path) -> Result<f64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += match metadata.is_dir() {
            true => bytes_below(&entry.path())? as u64,
            false => metadata.len(),
        };
    }
    Ok(bytes as f64)
}
