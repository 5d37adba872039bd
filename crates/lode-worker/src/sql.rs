//! The talk between the engine and `lode-sql`; see `lode-query` and `lode-sql` for the two sides.

use std::collections::BTreeMap;

use lode_types::Value;
use serde::Deserialize;
use serde::Serialize;

/// What the engine asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Parse a statement and say which tables it reads.
    Open {
        /// One SELECT.
        sql: String,
        /// How to run it.
        options: RunOptions,
    },
    /// The tables, in order; their files come beside the message.
    Provide {
        /// Their names and how many files each has.
        tables: Vec<ProvidedTable>,
    },
    /// Say how the plan runs; with `analyze`, after running it.
    Explain {
        /// Run it.
        analyze: bool,
        /// As for [`Request::Execute`].
        row_limit: Option<u64>,
    },
    /// Run the plan.
    Execute {
        /// Stop after so many rows.
        row_limit: Option<u64>,
        /// Largest batch in the answer, in bytes.
        batch_bytes: u64,
    },
}

/// How a statement is run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunOptions {
    /// Threads to run with; 1 makes the order of rows deterministic.
    pub threads: u32,
    /// What stands for `$name`, and for `$1` under "1".
    pub parameters: BTreeMap<String, Value>,
    /// What `now()` gives, in microseconds since 1970 UTC.
    pub now_micros: i64,
    /// An empty directory of its own for what does not fit into memory; none: nothing is spilled.
    pub scratch: Option<Scratch>,
    /// Rows of the batches between the steps of a plan; for tests, 0 means the default.
    pub batch_rows: u32,
}

/// Where a query may put what does not fit into its memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scratch {
    /// An absolute path.
    pub dir: String,
    /// Most bytes at one time.
    pub bytes: u64,
}

/// A table that a statement reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedTable {
    /// What [`Request::Provide`] is to call it.
    pub name: String,
    /// The dataset, as the statement writes it.
    pub dataset: String,
    /// From `as_of(dataset, t)`: microseconds since 1970 UTC.
    pub as_of_micros: Option<i64>,
    /// From `version(dataset, n)`.
    pub version: Option<u64>,
}

/// One table of [`Request::Provide`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProvidedTable {
    /// As [`NamedTable`] calls it.
    pub name: String,
    /// How many of the files are its own.
    pub n_files: usize,
    /// Which of its rows are to be seen.
    pub bound: Option<Bound>,
}

/// Rows that were known at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bound {
    /// Timestamp columns, of which none may be later than `at_micros`.
    pub columns: Vec<String>,
    /// Microseconds since 1970 UTC.
    pub at_micros: i64,
}

/// What `lode-sql` answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The tables that the statement reads.
    Tables {
        /// Each once for each time and version.
        tables: Vec<NamedTable>,
    },
    /// The plan stands; the body is the result's schema as an Arrow IPC stream.
    Planned,
    /// How it runs.
    Explained(Explained),
    /// Rows; the body is an Arrow IPC stream of one batch.
    Batch,
    /// The end of the rows.
    Done {
        /// How many there were.
        rows: u64,
        /// Whether the row limit left some out.
        truncated: bool,
        /// Whether the worker waits for another query; else it ends.
        again: bool,
    },
    /// It did not work.
    Failed {
        /// UPPER_SNAKE_CASE.
        reason: String,
        /// For people.
        message: String,
    },
}

/// How a statement runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// One step a line.
    pub plan: String,
    /// The scans, in the order of the plan.
    pub scans: Vec<ExplainedScan>,
    /// Rows of the answer and whether the limit cut it, when it was run.
    pub rows: Option<(u64, bool)>,
}

/// One scan of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedScan {
    /// As [`NamedTable`] calls it.
    pub table: String,
    /// The columns read.
    pub columns: Vec<String>,
    /// The conditions that it applies.
    pub filters: Vec<String>,
    /// For each file what is read of it.
    pub files: Vec<ExplainedFile>,
}

/// What a scan does with one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedFile {
    /// Its batches.
    pub batches: u64,
    /// Those that are not read.
    pub skipped: u64,
    /// Rows of those that are read.
    pub rows_read: u64,
}
