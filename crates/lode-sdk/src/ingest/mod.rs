//! Loads rows into a dataset, exactly once: from CSV files, Arrow files and Arrow batches.
//!
//! The same file under the same name is one load, however often it is started: a load that
//! was cut off goes on where the engine stopped, one that is finished is reported as loaded
//! already. Checking and converting rows is the engine's work.

mod arrow;
mod cut;
mod pipeline;
mod prepare;
mod source;
mod text;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;
use serde::Serialize;

use crate::Error;
use crate::Lode;
use crate::Result;
use crate::ingest::arrow::IpcFile;
use crate::ingest::arrow::Memory;
use crate::ingest::source::Source;
use crate::ingest::text::TextFile;
use crate::ingest::text::TextOptions;

/// A load to be: settings first, then [`Ingest::file`] or [`Ingest::batches`] runs it.
pub struct Ingest {
    pub(crate) lode: Lode,
    pub(crate) settings: Settings,
    pub(crate) on_event: Box<dyn Fn(IngestEvent) + Send + Sync>,
}

/// What the caller set.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) dataset: String,
    pub(crate) kind: Option<DatasetKind>,
    pub(crate) roles: Vec<(Role, String)>,
    pub(crate) types: Vec<(String, ColumnType)>,
    pub(crate) id: Option<String>,
    pub(crate) bad_rows: BadRows,
    pub(crate) max_rejected_rows: u64,
    pub(crate) column_mapping: BTreeMap<String, String>,
    pub(crate) patience: Duration,
    text: TextOptions,
}

/// What a row that cannot be read does to the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadRows {
    /// It is set aside, with the reason, and can be listed.
    #[default]
    Quarantine,
    /// It stops the load; nothing is loaded.
    Fail,
}

/// What happens while a load runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IngestEvent {
    /// The dataset is not there; this is what the engine makes of the file, with the
    /// caller's roles. The dataset is made next.
    Inferred {
        /// How rows are keyed.
        kind: DatasetKind,
        /// The columns.
        schema: Schema,
        /// Why a column got its type or role, where that is not plain.
        notes: Vec<String>,
    },
    /// The file lacks columns that the dataset has; its rows have no value there. In a
    /// customers dataset a row replaces the customer's whole row, so these become empty.
    MissingColumns {
        /// How rows are keyed.
        kind: DatasetKind,
        /// The dataset's columns that the file lacks.
        columns: Vec<String>,
    },
    /// The load is open.
    Opened {
        /// Its id.
        ingest: String,
        /// Rows that an earlier run has loaded already.
        rows: u64,
        /// Whether an earlier run had begun it.
        resumed: bool,
    },
    /// More rows are durable.
    Progress {
        /// Bytes of the source that are durable.
        bytes: u64,
        /// Bytes in all.
        bytes_total: u64,
        /// Rows accepted so far, by earlier runs too.
        rows: u64,
    },
    /// The engine is away; the load goes on by itself when it is back.
    Waiting {
        /// What the last try met.
        error: String,
        /// The pause before the next one.
        pause: Duration,
    },
    /// All rows are durable; the engine makes them visible.
    Committing,
}

/// How a load ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was loaded now.
    Loaded,
    /// An earlier run had finished it; nothing was sent.
    AlreadyLoaded,
}

/// What a load did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IngestReport {
    /// The dataset.
    pub dataset: String,
    /// The load's id.
    pub ingest: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the dataset was made by it.
    pub created: bool,
    /// Rows loaded.
    pub accepted_rows: u64,
    /// Rows set aside.
    pub rejected_rows: u64,
    /// Of the accepted rows, those equal to an earlier row of the same chunk.
    pub repeated_rows: u64,
    /// Rows that replaced an older row of the same customer.
    pub replaced_rows: u64,
    /// The dataset's version that the load made.
    pub version: u64,
}

impl Lode {
    /// A load into `dataset`, which is made when it is not there.
    pub fn ingest(&self, dataset: &str) -> Ingest {
        Ingest {
            lode: self.clone(),
            settings: Settings {
                dataset: dataset.to_owned(),
                kind: None,
                roles: Vec::new(),
                types: Vec::new(),
                id: None,
                bad_rows: BadRows::default(),
                max_rejected_rows: 0,
                column_mapping: BTreeMap::new(),
                patience: Duration::from_secs(60),
                text: TextOptions::default(),
            },
            on_event: Box::new(|_| ()),
        }
    }
}

impl Ingest {
    /// How rows are keyed, for a dataset that is made; guessed when not said.
    #[must_use]
    pub fn kind(mut self, kind: DatasetKind) -> Self {
        self.settings.kind = Some(kind);
        self
    }

    /// Says which column holds a role, whatever was guessed.
    #[must_use]
    pub fn role(mut self, role: Role, column: impl Into<String>) -> Self {
        self.settings.roles.push((role, column.into()));
        self
    }

    /// Says a column's type, whatever was guessed.
    #[must_use]
    pub fn column_type(mut self, column: impl Into<String>, column_type: ColumnType) -> Self {
        self.settings.types.push((column.into(), column_type));
        self
    }

    /// The load's id; made of the file's name and content when not said.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.settings.id = Some(id.into());
        self
    }

    /// What a row that cannot be read does.
    #[must_use]
    pub fn bad_rows(mut self, bad_rows: BadRows) -> Self {
        self.settings.bad_rows = bad_rows;
        self
    }

    /// Most rows to set aside before the load fails; 0 means the engine's own 100,000.
    #[must_use]
    pub fn max_rejected_rows(mut self, rows: u64) -> Self {
        self.settings.max_rejected_rows = rows;
        self
    }

    /// Loads a column of the file into a column of another name.
    #[must_use]
    pub fn map_column(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.settings.column_mapping.insert(from.into(), to.into());
        self
    }

    /// The field separator of a CSV file; detected when not said.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.settings.text.delimiter = Some(delimiter);
        self
    }

    /// The column names of a CSV file that has no header line.
    #[must_use]
    pub fn columns(mut self, columns: Vec<String>) -> Self {
        self.settings.text.columns = Some(columns);
        self
    }

    /// How long the engine may be away before the load gives up; 60 s when not said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// Told what happens; called on the loading task, so it should be quick.
    #[must_use]
    pub fn on_event(mut self, on_event: impl Fn(IngestEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Box::new(on_event);
        self
    }

    /// Loads a file: `.csv`, `.csv.gz` and other text by their content, `.arrow`, `.ipc`,
    /// `.arrows` and `.feather` as Arrow IPC.
    ///
    /// # Errors
    /// A file that cannot be read, a refusal by the engine, or an engine that stays away.
    pub async fn file(self, path: impl AsRef<Path>) -> Result<IngestReport> {
        let path = path.as_ref().to_owned();
        let text = self.settings.text.clone();
        let source = blocking(move || open_file(&path, &text)).await?;
        pipeline::run(self, source).await
    }

    /// Loads batches of one schema.
    ///
    /// # Errors
    /// As [`Ingest::file`].
    pub async fn batches(self, batches: Vec<RecordBatch>) -> Result<IngestReport> {
        let source = Arc::new(Memory::new(batches)?);
        pipeline::run(self, source).await
    }
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn open_file(path: &Path, text: &TextOptions) -> Result<Arc<dyn Source>> {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    Ok(match extension.as_str() {
        "arrow" | "arrows" | "ipc" | "feather" => Arc::new(IpcFile::open(path)?),
        "parquet" | "xlsx" | "json" | "ndjson" | "zip" => {
            return Err(text::content(
                path,
                "a CSV or Arrow file",
                &format!(".{extension}; convert it first"),
            ));
        }
        _ => Arc::new(TextFile::open(path, text)?),
    })
}

/// Runs blocking work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::argument(
                "runtime",
                "a running runtime",
                "one that stops",
            )),
        },
    }
}
