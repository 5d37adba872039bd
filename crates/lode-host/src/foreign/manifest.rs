//! The manifest: what a library says of itself in text, read without running its code.
//!
//! Lines of `key=value` after a first line `lode-plugin 1`, in the ELF section
//! `.lode.manifest`, up to its end or a zero byte. Unknown keys are left alone, so that it
//! can grow; a manifest that cannot be read is a problem in words, a missing one is none.
//! Invariant: what is accepted is one line of printable text a value, since it goes into logs.

use std::fs::File;
use std::path::Path;

use lode_abi::MAJOR;
use lode_abi::MANIFEST_SECTION;

use super::elf::Elf;
use super::elf::Source;

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// Major and minor version of the ABI that it was built for.
    pub abi: (u32, u32),
    /// Machine and system, e.g. `x86_64-linux`.
    pub target: String,
    /// Ids of its algorithms, in the order of its table.
    pub algorithms: Vec<String>,
}

/// Machine and system of this build.
pub const TARGET: &str = if cfg!(target_arch = "x86_64") {
    "x86_64-linux"
} else if cfg!(target_arch = "aarch64") {
    "aarch64-linux"
} else {
    "unknown"
};

/// The manifest of a library's file; none when it has none.
///
/// # Errors
/// In words: the file is no ELF library of this machine, is cut short, or its manifest cannot
/// be read.
pub fn of_file(path: &Path) -> Result<Option<Manifest>, String> {
    let file = File::open(path).map_err(|error| format!("could not be read: {error}"))?;
    of_source(&file)
}

/// The manifest of a library that lies in memory.
///
/// # Errors
/// As of [`of_file`].
pub fn of_bytes(bytes: &[u8]) -> Result<Option<Manifest>, String> {
    of_source(bytes)
}

fn of_source<S: Source + ?Sized>(source: &S) -> Result<Option<Manifest>, String> {
    let section = Elf::open(source)?.section(MANIFEST_SECTION)?;
    section.map(|text| parse(&text)).transpose()
}

/// Reads the text of a manifest.
///
/// # Errors
/// In words, naming the line.
pub fn parse(bytes: &[u8]) -> Result<Manifest, String> {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(text)
        .map_err(|_| "manifest: expected UTF-8 text, found other bytes".to_owned())?;
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if first != "lode-plugin 1" {
        return Err(format!(
            "manifest: expected the first line \"lode-plugin 1\", found {}",
            shown(first)
        ));
    }
    let (mut name, mut version, mut abi, mut target, mut algorithms) =
        (None, None, None, None, None);
    for line in lines {
        let Some((key, value)) = line.split_once('=') else {
            let found = shown(line);
            return Err(format!("manifest: expected key=value, found {found}"));
        };
        let place = match key {
            "name" => &mut name,
            "version" => &mut version,
            "abi" => &mut abi,
            "target" => &mut target,
            "algorithms" => &mut algorithms,
            _ => continue,
        };
        if value.contains(char::is_control) {
            let found = shown(value);
            return Err(format!(
                "manifest: expected printable text after {key}=, found {found}"
            ));
        }
        if place.replace(value).is_some() {
            return Err(format!("manifest: expected {key} once, found it twice"));
        }
    }
    let needed = |key: &str, value: Option<&str>| match value {
        Some(value) if !value.trim().is_empty() => Ok(value.to_owned()),
        _ => Err(format!("manifest: expected a line {key}=..., found none")),
    };
    let abi = needed("abi", abi)?;
    let numbers = abi.split_once('.').and_then(|(major, minor)| {
        let number = |text: &str| text.parse::<u32>().ok();
        Some((number(major)?, number(minor)?))
    });
    Ok(Manifest {
        name: needed("name", name)?,
        version: needed("version", version)?,
        abi: numbers.ok_or_else(|| {
            let found = shown(&abi);
            format!("manifest: expected abi=MAJOR.MINOR, found {found}")
        })?,
        target: needed("target", target)?,
        algorithms: needed("algorithms", algorithms)?
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect(),
    })
}

/// Characters of a foreign text that are worth saying again.
const SHOWN: usize = 40;

/// The start of a text, quoted.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(SHOWN).collect::<String>())
}

impl Manifest {
    /// Why a library with this manifest cannot run here, before any of its code runs.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.abi.0 != MAJOR {
            problems.push(format!(
                "expected ABI major version {MAJOR}, found {}.{}",
                self.abi.0, self.abi.1
            ));
        }
        if self.target != TARGET {
            problems.push(format!(
                "expected a library for {TARGET}, found one for {}",
                self.target.chars().take(SHOWN).collect::<String>()
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests;
