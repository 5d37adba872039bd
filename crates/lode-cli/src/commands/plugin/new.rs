//! `lode plugin new`: a project for a plugin, outside this repository.
//!
//! Needs no engine. Invariant: the folder appears whole or not at all, and nothing that is
//! there already is touched.

mod embedded;
mod names;

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failed;
use crate::failure::Result;
use crate::output::print;

/// Arguments of `lode plugin new`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the plugin: a-z, 0-9, - and _, starting with a letter
    name: String,
    /// Id of its algorithm [default: NAME.overdue, in C NAME.outlier]
    #[arg(long, value_name = "FAMILY.NAME")]
    algorithm: Option<String>,
    /// Folder to make [default: NAME]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Language of the project
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    language: Language,
    /// A checkout of Lode to take the plugin SDK from, in place of a copy of it in NAME/lode
    #[arg(long, value_name = "PATH")]
    lode: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    Rust,
    C,
}

/// A file to write: its path in the project, and its text.
type File = (String, String);

#[expect(clippy::unused_async, reason = "every command has the same form")]
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    names::check_plugin(&args.name)?;
    let algorithm = match &args.algorithm {
        Some(id) => id.clone(),
        None => names::default_algorithm(
            &args.name,
            match args.language {
                Language::Rust => "overdue",
                Language::C => "outlier",
            },
        ),
    };
    names::check_algorithm(&algorithm)?;
    let dir = args
        .dir
        .clone()
        .unwrap_or_else(|| PathBuf::from(&args.name));
    let sdk = match (&args.lode, args.language) {
        (Some(_), Language::C) => {
            return Err(Failed::usage(
                "--lode is for Rust: a project in C has its own copy of lode_plugin.h",
            ));
        }
        (Some(checkout), Language::Rust) => Some(checkout_at(checkout)?),
        (None, _) => None,
    };
    let files = match args.language {
        Language::Rust => rust_files(&args.name, &algorithm, sdk.as_deref()),
        Language::C => c_files(&args.name, &algorithm),
    };
    write_all(&dir, &files)?;
    let next = match args.language {
        Language::Rust => "cargo test\n  cargo build".to_owned(),
        Language::C => names::cc_line(&args.name),
    };
    print(&format!(
        "wrote {}: {algorithm}\n\nnext:\n  cd {}\n  {next}\nREADME.md says how to run it",
        dir.display(),
        dir.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The files of a project in Rust; `sdk` is a checkout, or else they carry the SDK.
fn rust_files(name: &str, algorithm: &str, sdk: Option<&str>) -> Vec<File> {
    let run = names::run_section(
        &format!("target/debug/lib{}.so", names::crate_of(name)),
        &format!(
            "lode ingest sales sales.csv --role customer_id=customer --role event_time=date\n\
             lode run {algorithm} -i events=sales --write-back\n\
             lode score MODEL --row '{{\"customer\": \"C1\"}}'"
        ),
    );
    let sdk_path = sdk.unwrap_or("lode");
    let words = [
        ("{{NAME}}", name),
        ("{{CRATE}}", &names::crate_of(name)),
        ("{{ALGORITHM}}", algorithm),
        ("{{SDK}}", sdk_path),
        ("{{RUN}}", &run),
    ];
    let mut files = Vec::new();
    for (path, text) in embedded::RUST {
        let path = match *path {
            "Cargo.standalone.toml" => "Cargo.toml",
            "Cargo.workspace.toml" => continue,
            "gitignore" => ".gitignore",
            other => other,
        };
        files.push((path.to_owned(), names::filled(text, &words)));
    }
    if sdk.is_none() {
        // The versions that this build of Lode was tested with; cargo drops what is not used.
        files.push(("Cargo.lock".to_owned(), embedded::LOCK.to_owned()));
        files.push((
            "lode/Cargo.toml".to_owned(),
            embedded::SDK_MANIFEST.to_owned(),
        ));
        for (path, text) in embedded::SDK {
            files.push((format!("lode/{path}"), (*text).to_owned()));
        }
    }
    files
}

/// The files of a project in C: the example of the repository under its own name.
fn c_files(name: &str, algorithm: &str) -> Vec<File> {
    let run = names::run_section(
        &format!("lib{}.so", names::crate_of(name)),
        &format!(
            "lode ingest people people.csv --kind customers --role customer_id=id\n\
             lode run {algorithm} -i customers=people\n\
             lode score MODEL C1 C2 --explain"
        ),
    );
    let words = [
        ("{{NAME}}", name),
        ("{{CRATE}}", &names::crate_of(name)),
        ("{{ALGORITHM}}", algorithm),
        ("{{CC}}", &names::cc_line(name)),
        ("{{RUN}}", &run),
    ];
    let mut files = Vec::new();
    for (path, text) in embedded::C_README.iter().chain(embedded::HEADER) {
        files.push(((*path).to_owned(), names::filled(text, &words)));
    }
    for (path, text) in embedded::C {
        let path = match *path {
            "README.md" => continue,
            "outlier.c" => format!("{name}.c"),
            other => other.to_owned(),
        };
        let text = text
            .replace("example.outlier", algorithm)
            .replace("\"outlier-c\"", &format!("\"{name}\""))
            .replace("\"outlier.c\"", &format!("\"{name}.c\""));
        files.push((path, text));
    }
    files
}

/// The checkout's path, as a manifest can name it from anywhere.
fn checkout_at(path: &Path) -> Result<String> {
    let missing = || {
        Failed::usage(format!(
            "expected a checkout of Lode with crates/lode-plugin at {}, found none",
            path.display()
        ))
    };
    let path = fs::canonicalize(path).map_err(|_| missing())?;
    if !path.join("crates/lode-plugin/Cargo.toml").is_file() {
        return Err(missing());
    }
    match path.to_str() {
        Some(text) if !text.contains(['"', '\\']) => Ok(text.to_owned()),
        _ => Err(Failed::usage(
            "expected a path to the checkout that can be written into a manifest",
        )),
    }
}

/// Writes into a folder beside, then gives it its name.
fn write_all(dir: &Path, files: &[File]) -> Result<()> {
    if dir.exists() {
        return Err(Failed::usage(format!(
            "{} is there already; name another folder by --dir",
            dir.display()
        )));
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |error| Failed::io(format!("cannot write {}", dir.display()), error);
    let scratch = tempfile::Builder::new()
        .prefix(".lode-plugin-")
        .tempdir_in(parent)
        .map_err(failed)?;
    let whole = scratch.path().join("project");
    for (path, text) in files {
        let path = whole.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&path, text).map_err(failed)?;
    }
    fs::rename(&whole, dir).map_err(failed)
}

#[cfg(test)]
mod tests;
