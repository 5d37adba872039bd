//! What readers of foreign bytes have to keep, as one plain function a reader.
//!
//! Each takes any bytes and asserts: no panic, memory in proportion to the bytes, accepted
//! input re-reads the same, a refusal has words and few of them. An ordinary test runs each over
//! its corpus and some thousand seeded mutations; `cargo xtask fuzz` gives the same functions to
//! libFuzzer. Invariant: a function's verdict depends on its bytes alone.

mod memory;
mod mutate;
mod target;

use std::fs;
use std::io;
use std::path::Path;

pub use mutate::Mutator;
pub use target::frames::frames;
pub use target::manifest::manifest;
pub use target::model::model;
pub use target::params::params;

/// A reader that is tried.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of its function, its folder in `corpus/`, and its program for libFuzzer.
    pub name: &'static str,
    /// Tries it on some bytes; panics when it does not keep what it has to.
    pub run: fn(&[u8]),
    /// Inputs that are made rather than kept as files, with their names.
    pub seeds: fn() -> Vec<(&'static str, Vec<u8>)>,
    /// What its inputs are made of.
    pub words: &'static [&'static [u8]],
}

impl Target {
    /// Files of the corpus in order of name, then the seeds that are made.
    ///
    /// # Errors
    /// When the corpus cannot be read.
    pub fn inputs(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        let mut paths = fs::read_dir(folder.join(self.name))?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        let mut inputs = Vec::new();
        for path in paths {
            inputs.push((path.display().to_string(), fs::read(&path)?));
        }
        inputs.extend((self.seeds)().into_iter().map(|(n, b)| (n.to_owned(), b)));
        Ok(inputs)
    }
}

/// All of them.
pub const TARGETS: [Target; 4] = [
    Target {
        name: "manifest",
        run: manifest,
        seeds: target::manifest::seeds,
        words: target::manifest::WORDS,
    },
    Target {
        name: "frames",
        run: frames,
        seeds: target::frames::seeds,
        words: target::frames::WORDS,
    },
    Target {
        name: "model",
        run: model,
        seeds: target::model::seeds,
        words: target::model::WORDS,
    },
    Target {
        name: "params",
        run: params,
        seeds: target::params::seeds,
        words: target::params::WORDS,
    },
];

/// A refusal says something, and not the whole input again: it goes into logs and statuses.
fn assert_words(refusal: &str) {
    const MOST_BYTES: usize = 1000;
    assert!(!refusal.trim().is_empty(), "a refusal without words");
    assert!(
        refusal.len() <= MOST_BYTES,
        "a refusal of {} bytes: {refusal:.200}",
        refusal.len()
    );
}
