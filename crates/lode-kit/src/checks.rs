//! The checks, in the order of the report.
//!
//! Each looks at one library or one algorithm and says in words what is wrong; none may change
//! anything that another sees, since each has a process of its own.

mod description;
mod forms;
mod golden;
mod hostile;
mod library;
mod manners;
mod merging;
mod models;
mod offers;
mod params;
mod repeat;
mod scores;

use std::path::Path;

pub(crate) use golden::write as write_golden;

use crate::subject::Subject;
use crate::verdict::Checked;

/// What a check of a library gets.
#[derive(Debug)]
pub(crate) struct LibraryCase<'a> {
    pub(crate) path: &'a Path,
}

/// What a check of an algorithm gets.
pub(crate) struct Case<'a> {
    pub(crate) subject: &'a Subject,
    /// What the first of two processes gave; empty in the first and where there is one.
    pub(crate) carried: &'a [u8],
    /// What the second of two processes is to get.
    pub(crate) carry: &'a dyn Fn(Vec<u8>),
    /// A folder of models that older builds made, if one was given.
    pub(crate) golden: Option<&'a Path>,
    /// Says what is about to be done, for the report of a crash.
    pub(crate) step: &'a dyn Fn(&str),
}

/// One check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// What holds when it passes.
    pub(crate) about: &'static str,
    pub(crate) run: Run,
}

/// How a check is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// On the library, once.
    Library(fn(&LibraryCase<'_>) -> Checked),
    /// On each algorithm, in one process.
    One(fn(&Case<'_>) -> Checked),
    /// On each algorithm, in one process and then, with what it carried over, in another.
    Two(fn(&Case<'_>) -> Checked),
}

/// The check whose two processes run in different seconds.
pub(crate) const APART: &str = repeat::PROCESSES.name;

/// Checks that need what a confined process does not have: files beside the library, and
/// limits that it sets itself.
pub(crate) const UNCONFINED: [&str; 2] = [golden::GOLDEN.name, manners::MEMORY.name];

/// All of them.
pub(crate) const ALL: &[Check] = &[
    library::MANIFEST,
    library::EXPORTS,
    library::DESCRIBES,
    library::QUIET,
    library::NEWER_HOST,
    library::OLDER_HOST,
    description::DESCRIPTION,
    description::SCHEMA,
    description::DEFAULTS,
    params::PARAMS,
    hostile::FEW_ROWS,
    hostile::NULLS,
    hostile::EXTREMES,
    hostile::TEXTS,
    hostile::MISSING_COLUMNS,
    hostile::WRONG_TYPES,
    hostile::BROKEN_STREAMS,
    forms::EXTRA_COLUMNS,
    forms::REORDERED_COLUMNS,
    forms::CHUNKS,
    forms::SLICES,
    forms::ENCODINGS,
    forms::RELEASES,
    repeat::REPEATS,
    repeat::THREADS,
    repeat::PROCESSES,
    models::ROUND_TRIP,
    models::DAMAGED,
    models::WARM_START,
    golden::GOLDEN,
    scores::SCORES,
    scores::ROWS_ALONE,
    scores::CONTRIBUTIONS,
    scores::HOSTILE_ROWS,
    offers::OFFERS,
    offers::SIMILAR,
    merging::IDENTITY,
    merging::ORDER,
    merging::WHOLE,
    merging::STATES,
    manners::CANCEL,
    manners::MEMORY,
    manners::STDOUT,
    manners::LEFTOVERS,
    manners::THREAD_BUDGET,
];
