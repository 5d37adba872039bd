//! PutRows: a few rows, decoded and checked like a chunk, written by one transaction.

use lode_proto::names;
use lode_proto::v1;
use lode_query::Decoded;
use lode_query::Decoder;
use lode_store::BadRows;
use lode_store::NewRows;
use lode_types::Class;
use lode_types::Fault;
use lode_types::IngestId;

use super::bad_rows;
use super::csv_options;
use super::format_of;
use crate::chunks;
use crate::services::Shared;

/// Most bytes of the rows of one call.
const MAX_BYTES: usize = 1 << 20;
/// Bad rows that an answer tells at most.
const TOLD: usize = 100;

/// Writes the rows of a request and says what became of them.
pub(super) fn rows(
    shared: &Shared,
    request: &v1::PutRowsRequest,
) -> Result<v1::PutRowsResponse, Fault> {
    let dataset = names::parse_dataset(&request.dataset).map_err(|e| e.at("dataset"))?;
    let id = IngestId::parse(&*request.request_id)
        .map_err(|error| Fault::of(&error).at("request_id"))?;
    let policy = bad_rows(request.bad_row_policy)?;
    let stored = shared.store.dataset(&dataset)?;
    let decoder = Decoder::new(
        &stored.schema,
        stored.kind,
        &request.column_mapping,
        csv_options(request.csv.as_ref())?.as_ref(),
    )?;
    let chunk = request.rows.clone().unwrap_or_default();
    let decoded = decode(&decoder, &chunk, policy)?;
    let rejected_rows = decoded.rejected.len() as u64;
    let put = shared.store.put_rows(NewRows {
        dataset,
        request: id,
        rows: decoded.batch,
        rejected_rows,
    })?;
    let number = |rows: u64| u32::try_from(rows).unwrap_or(u32::MAX);
    let rejected = decoded.rejected.into_iter().take(TOLD);
    Ok(v1::PutRowsResponse {
        version: put.version,
        duplicate: put.duplicate,
        accepted_rows: number(put.accepted_rows),
        rejected_rows: number(put.rejected_rows),
        replaced_rows: number(put.replaced_rows),
        rejected: rejected
            .map(|row| v1::RejectedRow {
                seq: 0,
                row: row.row,
                column: row.column,
                reason: row.reason.to_owned(),
                message: row.message,
                row_json: row.row_json,
            })
            .collect(),
    })
}

fn decode(decoder: &Decoder, chunk: &v1::Chunk, policy: BadRows) -> Result<Decoded, Fault> {
    if chunk.data.len() > MAX_BYTES {
        let message = format!(
            "expected at most {MAX_BYTES} bytes of rows, found {}; load them with an ingest",
            chunk.data.len()
        );
        return Err(Fault::new(Class::Limit, "CHUNK_TOO_LARGE", message).at("rows.data"));
    }
    chunks::check_sum(chunk, "rows", "")?;
    let decoded = decoder.decode(format_of(chunk)?, &chunk.data)?;
    match (policy, decoded.rejected.first()) {
        (BadRows::Fail, Some(first)) => {
            let message = format!(
                "{} bad rows, the first at row {}, column {:?}: {}",
                decoded.rejected.len(),
                first.row,
                first.column,
                first.message
            );
            Err(Fault::new(Class::Invalid, "BAD_ROWS", message).at("rows.data"))
        }
        _ => Ok(decoded),
    }
}
