//! The `lode` command, run to its end.

use std::ffi::OsStr;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;

use crate::Engine;
use crate::settings;

/// What a finished command left.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The command line, for messages.
    pub line: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output of a command that succeeded.
    ///
    /// # Errors
    /// When it failed; with what it said.
    pub fn text(&self) -> Result<&str> {
        if self.code != Some(0) {
            bail!(
                "`{}` ended with {:?}: {}",
                self.line,
                self.code,
                self.stderr
            );
        }
        Ok(&self.stdout)
    }

    /// Standard output of a command that succeeded, as JSON.
    ///
    /// # Errors
    /// When it failed or printed no JSON.
    pub fn json(&self) -> Result<Value> {
        let text = self.text()?;
        serde_json::from_str(text).with_context(|| format!("`{}` printed {text:?}", self.line))
    }

    /// Standard error of a command that failed.
    ///
    /// # Errors
    /// When it succeeded.
    pub fn failure(&self) -> Result<&str> {
        if self.code == Some(0) {
            bail!("`{}` had to fail, but printed {:?}", self.line, self.stdout);
        }
        Ok(&self.stderr)
    }
}

impl Engine {
    /// Runs `lode` against this engine.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn lode<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Finished> {
        lode(args, Some(self.address()))
    }
}

/// Runs `lode`, against an engine or none.
///
/// # Errors
/// When the program cannot be started.
pub fn lode<S: AsRef<OsStr>>(
    args: impl IntoIterator<Item = S>,
    address: Option<&str>,
) -> Result<Finished> {
    let mut command = Command::new(settings::lode());
    command
        .args(args)
        .stdin(Stdio::null())
        .env_remove("LODE_ADDR");
    if let Some(address) = address {
        command.env("LODE_ADDR", address);
    }
    let words = command
        .get_args()
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>();
    let line = format!("lode {}", words.join(" "));
    let output = command.output().with_context(|| line.clone())?;
    Ok(Finished {
        line,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
