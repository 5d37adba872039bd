//! A few rows at a time: visible at once, written exactly once under the caller's id.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use lode_client::v1;
use lode_types::Clock;
use lode_types::SystemClock;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;

use crate::BadRows;
use crate::Error;
use crate::Lode;
use crate::RejectedRow;
use crate::Result;
use crate::catalog::dataset_name;

/// What became of a few rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PutReport {
    /// The dataset.
    pub dataset: String,
    /// The id of the request; the same again with the same rows writes nothing.
    pub request: String,
    /// The version that shows the rows first.
    pub version: u64,
    /// Whether the request had been answered before.
    pub duplicate: bool,
    /// Rows written.
    pub accepted_rows: u64,
    /// Of a customers dataset: rows that replaced one of the same customer.
    pub replaced_rows: u64,
    /// Rows that could not be read.
    pub rejected_rows: u64,
    /// The first of them, and why.
    pub rejected: Vec<RejectedRow>,
}

/// A batch as one Arrow IPC stream.
pub(crate) fn stream_of(rows: &RecordBatch) -> Result<Vec<u8>> {
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema())?;
    writer.write(rows)?;
    writer.finish()?;
    Ok(writer.into_inner()?)
}

impl Lode {
    /// Writes the rows of a batch, at most 10,000 and 1 MiB; `request` names them for good, and
    /// a call that failed is repeated with the same.
    ///
    /// # Errors
    /// What the call met, e.g. `BAD_ROWS`, `REQUEST_EXISTS`, `TOO_MANY_ROWS`.
    pub async fn put_rows(
        &self,
        dataset: &str,
        request: &str,
        rows: &RecordBatch,
        bad_rows: BadRows,
    ) -> Result<PutReport> {
        self.put(
            dataset,
            request,
            v1::Format::ArrowStream,
            stream_of(rows)?,
            None,
            bad_rows,
        )
        .await
    }

    /// Like [`Lode::put_rows`], of JSON objects by column name; a name that is missing and
    /// null are no value. Texts are read as in a CSV file.
    ///
    /// # Errors
    /// As [`Lode::put_rows`], and a value that is an array or an object.
    pub async fn put_json(
        &self,
        dataset: &str,
        request: &str,
        rows: &[Map<String, Value>],
        bad_rows: BadRows,
    ) -> Result<PutReport> {
        let mut header: Vec<&String> = Vec::new();
        for name in rows.iter().flat_map(Map::keys) {
            if !header.contains(&name) {
                header.push(name);
            }
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in rows {
            let fields = header.iter().map(|name| field(name, row.get(*name)));
            let fields = fields.collect::<Result<Vec<String>>>()?;
            writer.write_record(&fields).map_err(unwritable)?;
        }
        let data = writer.into_inner().map_err(unwritable)?;
        let csv = v1::CsvOptions {
            header: header.into_iter().cloned().collect(),
            delimiter: String::new(),
        };
        self.put(dataset, request, v1::Format::Csv, data, Some(csv), bad_rows)
            .await
    }

    async fn put(
        &self,
        dataset: &str,
        request: &str,
        format: v1::Format,
        data: Vec<u8>,
        csv: Option<v1::CsvOptions>,
        bad_rows: BadRows,
    ) -> Result<PutReport> {
        let policy = match bad_rows {
            BadRows::Quarantine => v1::BadRowPolicy::Quarantine,
            BadRows::Fail => v1::BadRowPolicy::Fail,
        };
        let answer = self
            .client()
            .put_rows(v1::PutRowsRequest {
                dataset: dataset_name(dataset)?,
                request_id: request.to_owned(),
                rows: Some(v1::Chunk {
                    format: format.into(),
                    crc32c: Some(crc32c::crc32c(&data)),
                    row_count: 0,
                    data: data.into(),
                }),
                bad_row_policy: policy.into(),
                csv,
                ..v1::PutRowsRequest::default()
            })
            .await?;
        Ok(PutReport {
            dataset: dataset.to_owned(),
            request: request.to_owned(),
            version: answer.version,
            duplicate: answer.duplicate,
            accepted_rows: answer.accepted_rows.into(),
            replaced_rows: answer.replaced_rows.into(),
            rejected_rows: answer.rejected_rows.into(),
            rejected: answer.rejected.into_iter().map(RejectedRow::from).collect(),
        })
    }
}

/// An id for a request that nobody else uses.
pub fn new_request_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut hasher = Sha256::new();
    hasher.update(SystemClock.now().0.to_be_bytes());
    hasher.update(std::process::id().to_be_bytes());
    hasher.update(COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let hash = hasher.finalize();
    hash[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn field(name: &str, value: Option<&Value>) -> Result<String> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => Ok(value.to_string()),
        Some(value) => Err(Error::argument(
            "rows",
            "a text, number, truth value or null in each column",
            format!("{value} in {name:?}"),
        )),
    }
}

fn unwritable(error: impl std::fmt::Display) -> Error {
    Error::argument("rows", "rows that CSV can hold", error.to_string())
}
