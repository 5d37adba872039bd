//! The talk between the engine and `lode-sql`; see `lode-query` and `lode-sql` for the two sides.

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
        /// Threads to run with; 1 makes the order of rows deterministic.
        threads: u32,
    },
    /// The tables, in order; their files come beside the message.
    Provide {
        /// Their names and how many files each has.
        tables: Vec<ProvidedTable>,
    },
    /// Run the plan.
    Execute {
        /// Stop after so many rows.
        row_limit: Option<u64>,
        /// Largest batch in the answer, in bytes.
        batch_bytes: u64,
    },
}

/// One table of [`Request::Provide`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProvidedTable {
    /// As the statement names it.
    pub name: String,
    /// How many of the files are its own.
    pub n_files: usize,
}

/// What `lode-sql` answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The tables that the statement reads.
    Tables {
        /// Their names, as written.
        names: Vec<String>,
    },
    /// The plan stands; the body is the result's schema as an Arrow IPC stream.
    Planned,
    /// Rows; the body is an Arrow IPC stream of one batch.
    Batch,
    /// The end of the rows.
    Done {
        /// How many there were.
        rows: u64,
    },
    /// It did not work.
    Failed {
        /// UPPER_SNAKE_CASE.
        reason: String,
        /// For people.
        message: String,
    },
}
