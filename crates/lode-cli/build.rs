//! Lists what `lode plugin new` writes: the templates, and the sources of the plugin SDK.
//!
//! The SDK is no package of a registry, so the command carries it. Invariant: what is listed
//! is the closure of lode-plugin over the crates of this workspace, with a manifest that has
//! no dependency but theirs.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// The crate that plugins are written against.
const SDK: &str = "lode-plugin";

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = here
        .ancestors()
        .nth(2)
        .ok_or("crates/lode-cli has a root")?;
    let mut crates = BTreeSet::new();
    let mut dependencies = BTreeSet::new();
    closure(root, SDK, &mut crates, &mut dependencies)?;

    let mut code = String::new();
    let mut sdk = Vec::new();
    for name in &crates {
        let folder = root.join("crates").join(name);
        for part in ["Cargo.toml", "build.rs", "src", "include"] {
            files(&folder.join(part), &mut sdk)?;
        }
    }
    constant(&mut code, "SDK", root, &sdk)?;
    for (name, folder) in [
        ("RUST", here.join("templates/plugin-rust")),
        ("C_README", here.join("templates/plugin-c")),
        ("C", root.join("plugins/examples/outlier-c")),
        ("HEADER", root.join("crates/lode-abi/include")),
    ] {
        let mut found = Vec::new();
        files(&folder, &mut found)?;
        constant(&mut code, name, &folder, &found)?;
    }
    let manifest = manifest(&read(&root.join("Cargo.toml"))?, &crates, &dependencies);
    writeln!(code, "pub(super) const SDK_MANIFEST: &str = {manifest:?};")?;
    let lock = root.join("Cargo.lock");
    writeln!(
        code,
        "pub(super) const LOCK: &str = include_str!({lock:?});"
    )?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("embedded.rs"), code)?;
    Ok(())
}

/// The crates of the workspace that `name` needs, and the names of all their dependencies.
fn closure(
    root: &Path,
    name: &str,
    crates: &mut BTreeSet<String>,
    dependencies: &mut BTreeSet<String>,
) -> Result<(), Box<dyn Error>> {
    if !crates.insert(name.to_owned()) {
        return Ok(());
    }
    let manifest = read(&root.join("crates").join(name).join("Cargo.toml"))?;
    let mut section = "";
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if section.ends_with("dependencies") && line.contains("workspace = true") {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            let dependency = &line[..end];
            dependencies.insert(dependency.to_owned());
            if dependency.starts_with("lode-") {
                closure(root, dependency, crates, dependencies)?;
            }
        }
    }
    Ok(())
}

/// The root manifest with nothing in it but what the crates need.
fn manifest(root: &str, crates: &BTreeSet<String>, dependencies: &BTreeSet<String>) -> String {
    let members: Vec<String> = crates.iter().map(|name| format!("crates/{name}")).collect();
    let mut text = format!(
        "# The plugin SDK of Lode, as the `lode` command carries it.\n\n\
         [workspace]\nresolver = \"3\"\nmembers = {members:?}\n"
    );
    let mut section = "";
    for line in root.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            if section.starts_with("workspace.") {
                text.push('\n');
            }
        }
        let is_kept = match section {
            "workspace.package" => !line.is_empty(),
            "workspace.dependencies" => {
                let name = line.split([' ', '=']).next().unwrap_or_default();
                line.starts_with('[') || dependencies.contains(name)
            }
            _ => section.starts_with("workspace.lints") && !line.is_empty(),
        };
        if is_kept && !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// The files below a path, in order of name.
fn files(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    rerun(path);
    if path.is_dir() {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            entries.push(entry?.path());
        }
        entries.sort();
        for entry in entries {
            files(&entry, found)?;
        }
    } else if path.exists() {
        found.push(path.to_owned());
    }
    Ok(())
}

/// A list of names below `base`, and texts.
fn constant(
    code: &mut String,
    name: &str,
    base: &Path,
    files: &[PathBuf],
) -> Result<(), Box<dyn Error>> {
    writeln!(code, "pub(super) const {name}: &[(&str, &str)] = &[")?;
    for file in files {
        let inside = file.strip_prefix(base)?.display().to_string();
        writeln!(code, "    ({inside:?}, include_str!({file:?})),")?;
    }
    writeln!(code, "];")?;
    Ok(())
}

fn read(path: &Path) -> Result<String, Box<dyn Error>> {
    rerun(path);
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Talks to cargo.
fn rerun(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
