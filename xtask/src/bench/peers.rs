//! The peers of a benchmark: scripts of `xtask/peers` in a Python environment of their own.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::python;
use crate::workspace;

/// What runs the scripts, and where they are.
pub(super) struct Peers {
    pub(super) python: PathBuf,
    pub(super) folder: PathBuf,
}

impl Peers {
    /// Makes the environment when it is not there.
    pub(super) fn prepare() -> Result<Self> {
        Self::in_cache(&cache_folder()?, "requirements.txt")
    }

    /// Makes an environment with packages of its own, those of `NAME.txt`.
    pub(super) fn prepare_for(name: &str) -> Result<Self> {
        Self::in_cache(&cache_folder()?.join(name), &format!("{name}.txt"))
    }

    /// A call of the environment's Python; arguments are to follow.
    ///
    /// Threads of OpenMP that have nothing to do sleep: by default they spin, which on a machine
    /// with other work multiplies the CPU seconds of LightGBM and XGBoost.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.env("OMP_WAIT_POLICY", "passive");
        command
    }

    fn in_cache(cache: &Path, requirements: &str) -> Result<Self> {
        let folder = workspace::root().join("xtask/peers");
        std::fs::create_dir_all(cache).with_context(|| cache.display().to_string())?;
        let python = python::environment(cache, &folder.join(requirements))?;
        Ok(Self { python, folder })
    }
}

/// Outside the repository, so that a fresh clone need not fetch the peers again.
fn cache_folder() -> Result<PathBuf> {
    let base = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(&home).join(".cache"),
        (None, None) => bail!("expected HOME or XDG_CACHE_HOME in the environment, found neither"),
    };
    Ok(base.join("lode-bench"))
}
