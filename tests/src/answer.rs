//! Builds of a small plugin in C, `answer.c`, that the tests load, swap and break.
//!
//! A file appears at its place whole, by a rename, as an operator would do it.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::settings;

/// What one build is like.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Name of the plugin.
    pub name: &'static str,
    /// Version of the plugin.
    pub version: &'static str,
    /// Its algorithms are `FAMILY.one` and `FAMILY.two`.
    pub family: &'static str,
    /// What its models score every row with.
    pub answer: u32,
    /// Format of its models.
    pub format: u32,
    /// Older formats that it reads, as JSON.
    pub reads: &'static str,
    /// Whether both algorithms are wrong, each in its own way.
    pub broken: bool,
    /// Whether it refuses the older models that it says it reads.
    pub liar: bool,
    /// Whether it gives a model `spare` beside the main one, which answers with 5 more, and
    /// starts from a model.
    pub spare: bool,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            name: "answer",
            version: "1.0",
            family: "answer",
            answer: 1,
            format: 1,
            reads: "[]",
            broken: false,
            liar: false,
            spare: false,
        }
    }
}

/// Whether there is a C compiler; without one the test that asks is skipped, and says so.
pub fn has_compiler(test: &str) -> bool {
    let found = Command::new("cc").arg("--version").output().is_ok();
    if !found {
        settings::skipped(test, "there is no C compiler named cc");
    }
    found
}

impl Answer {
    /// Builds the library at a path.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn build(&self, path: &Path) -> Result<()> {
        let root = settings::root();
        let temporary = path.with_extension("new");
        let text = |name: &str, value: &str| format!("-D{name}=\"{value}\"");
        let output = Command::new("cc")
            .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O1"])
            .args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"])
            .arg(text("NAME", self.name))
            .arg(text("VERSION", self.version))
            .arg(text("FAMILY", self.family))
            .arg(text("READS", self.reads))
            .arg(format!("-DANSWER={}", self.answer))
            .arg(format!("-DFORMAT={}", self.format))
            .arg(format!("-DBROKEN={}", u8::from(self.broken)))
            .arg(format!("-DLIAR={}", u8::from(self.liar)))
            .arg(format!("-DSPARE={}", u8::from(self.spare)))
            .arg("-I")
            .arg(root.join("crates/lode-abi/include"))
            .arg(root.join("tests/src/answer.c"))
            .arg("-o")
            .arg(&temporary)
            .output()
            .context("cc")?;
        if !output.status.success() {
            bail!("cc: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::fs::rename(&temporary, path)?;
        Ok(())
    }
}
