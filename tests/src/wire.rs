//! Short forms of what the tests say on the wire: datasets, chunks, queries.
//!
//! They speak protobuf through `lode-client` and not the typed SDK, so that a test sees each
//! acknowledgement and each error as the engine gave it.

use std::sync::Arc;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use arrow_array::Array as _;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::DataType;
use lode_client::Client;
use lode_proto::v1;

/// The only tenant.
pub const TENANT: &str = "tenants/default";

/// The full name of a dataset.
pub fn dataset(id: &str) -> String {
    format!("{TENANT}/datasets/{id}")
}

/// The full name of a load.
pub fn ingest(dataset_id: &str, id: &str) -> String {
    format!("{TENANT}/datasets/{dataset_id}/ingests/{id}")
}

/// The full name of a job.
pub fn job(id: &str) -> String {
    format!("{TENANT}/jobs/{id}")
}

/// A column that may be empty.
pub fn column(name: &str, kind: v1::Type, role: v1::Role) -> v1::Column {
    v1::Column {
        name: name.to_owned(),
        r#type: kind.into(),
        nullable: true,
        role: role.into(),
        ..v1::Column::default()
    }
}

/// The column of customer ids in a customers dataset, where it may not be empty.
pub fn key(name: &str) -> v1::Column {
    v1::Column {
        nullable: false,
        ..column(name, v1::Type::String, v1::Role::CustomerId)
    }
}

/// Makes a dataset.
///
/// # Errors
/// What the engine says.
pub async fn create(
    client: &Client,
    id: &str,
    kind: v1::DatasetKind,
    columns: Vec<v1::Column>,
) -> Result<()> {
    let dataset = v1::Dataset {
        kind: kind.into(),
        schema: Some(v1::Schema { columns }),
        ..v1::Dataset::default()
    };
    let request = v1::CreateDatasetRequest {
        parent: TENANT.to_owned(),
        dataset_id: id.to_owned(),
        dataset: Some(dataset),
        validate_only: false,
    };
    client.create_dataset(request).await?;
    Ok(())
}

/// A batch as one chunk with its checksum.
///
/// # Errors
/// When Arrow cannot write it.
pub fn arrow_chunk(batch: &RecordBatch) -> Result<v1::Chunk> {
    let mut data = Vec::new();
    let mut writer = StreamWriter::try_new(&mut data, &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    Ok(chunk(v1::Format::ArrowStream, data))
}

/// CSV lines as one chunk with its checksum.
pub fn csv_chunk(lines: &str) -> v1::Chunk {
    chunk(v1::Format::Csv, lines.as_bytes().to_vec())
}

fn chunk(format: v1::Format, data: Vec<u8>) -> v1::Chunk {
    v1::Chunk {
        format: format.into(),
        crc32c: Some(crc32c::crc32c(&data)),
        row_count: 0,
        data: data.into(),
    }
}

/// Opens a load that quarantines bad rows.
///
/// # Errors
/// What the engine says.
pub async fn open(client: &Client, dataset_id: &str, id: &str) -> Result<v1::Ingest> {
    open_with(client, dataset_id, id, v1::OpenIngestRequest::default()).await
}

/// Opens a load with the given options.
///
/// # Errors
/// What the engine says.
pub async fn open_with(
    client: &Client,
    dataset_id: &str,
    id: &str,
    options: v1::OpenIngestRequest,
) -> Result<v1::Ingest> {
    let request = v1::OpenIngestRequest {
        dataset: dataset(dataset_id),
        ingest_id: id.to_owned(),
        ..options
    };
    let response = client.open_ingest(request).await?;
    response.ingest.context("OpenIngest answers with the load")
}

/// Appends chunks on one stream and gives all answers.
///
/// # Errors
/// When the stream breaks.
pub async fn append(
    client: &Client,
    ingest: &str,
    chunks: impl IntoIterator<Item = (u64, v1::Chunk)>,
) -> Result<Vec<v1::AppendChunksResponse>> {
    let requests = chunks
        .into_iter()
        .map(|(seq, chunk)| v1::AppendChunksRequest {
            ingest: ingest.to_owned(),
            seq,
            chunk: Some(chunk),
            source_position: seq.to_string().into_bytes(),
        })
        .collect::<Vec<_>>();
    let mut stream = client.append_chunks(tokio_stream::iter(requests)).await?;
    let mut answers = Vec::new();
    while let Some(answer) = stream.message().await? {
        answers.push(answer);
    }
    Ok(answers)
}

/// Commits a load.
///
/// # Errors
/// What the engine says.
pub async fn commit(client: &Client, ingest: &str, chunks: u64) -> Result<v1::Ingest> {
    let request = v1::CommitIngestRequest {
        name: ingest.to_owned(),
        chunk_count: chunks,
    };
    let response = client.commit_ingest(request).await?;
    response
        .ingest
        .context("CommitIngest answers with the load")
}

/// Creates a dataset of the batch's columns and loads the batch into it, in one load.
///
/// # Errors
/// What the engine says, or which chunk it refused.
pub async fn load(
    client: &Client,
    id: &str,
    kind: v1::DatasetKind,
    columns: Vec<v1::Column>,
    batches: &[RecordBatch],
) -> Result<()> {
    create(client, id, kind, columns).await?;
    let name = open(client, id, "all").await?.name;
    let mut chunks = Vec::new();
    for (seq, batch) in (0..).zip(batches) {
        chunks.push((seq, arrow_chunk(batch)?));
    }
    let n_chunks = u64::try_from(chunks.len())?;
    for answer in append(client, &name, chunks).await? {
        if let Some(error) = answer.error {
            bail!("chunk {} of {id}: {}", answer.seq, error.message);
        }
    }
    commit(client, &name, n_chunks).await?;
    Ok(())
}

/// The result of a query.
///
/// # Errors
/// What the engine says, or what is wrong with its answer.
pub async fn query(client: &Client, sql: &str) -> Result<Vec<RecordBatch>> {
    let request = v1::QueryRequest {
        parent: TENANT.to_owned(),
        sql: sql.to_owned(),
        ..Default::default()
    };
    let mut stream = client.query(request).await?;
    let mut batches = Vec::new();
    while let Some(message) = stream.message().await? {
        if let Some(chunk) = message.chunk {
            read_chunk(&chunk, &mut batches)?;
        }
    }
    Ok(batches)
}

/// The first value of the first row of a query whose result is one integer.
///
/// # Errors
/// What the engine says, or what else came.
pub async fn query_int(client: &Client, sql: &str) -> Result<i64> {
    let batches = query(client, sql).await?;
    let rows = int_rows(&batches)?;
    let value = rows.first().and_then(|row| row.first()).copied();
    value
        .flatten()
        .with_context(|| format!("no value from {sql}"))
}

/// Rows of integers; `count` and `sum` of integers are such.
///
/// # Errors
/// When a column is not of integers.
pub fn int_rows(batches: &[RecordBatch]) -> Result<Vec<Vec<Option<i64>>>> {
    let mut rows = Vec::new();
    for batch in batches {
        let mut columns = Vec::new();
        for column in batch.columns() {
            columns.push(arrow_cast::cast(column, &DataType::Int64)?);
        }
        for row in 0..batch.num_rows() {
            let mut values = Vec::new();
            for column in &columns {
                let column = column
                    .as_any()
                    .downcast_ref::<Int64Array>()
                    .context("the cast gives integers")?;
                values.push(column.is_valid(row).then(|| column.value(row)));
            }
            rows.push(values);
        }
    }
    Ok(rows)
}

/// The batches of a chunk, whose checksum is checked.
///
/// # Errors
/// When the bytes are not what the chunk says.
pub fn read_chunk(chunk: &v1::Chunk, into: &mut Vec<RecordBatch>) -> Result<()> {
    if let Some(expected) = chunk.crc32c
        && crc32c::crc32c(&chunk.data) != expected
    {
        bail!("a chunk came with a wrong checksum");
    }
    for batch in StreamReader::try_new(&chunk.data[..], None)? {
        into.push(batch?);
    }
    Ok(())
}

/// A column of text, by name, over all batches.
///
/// # Errors
/// When there is no such column.
pub fn texts(batches: &[RecordBatch], name: &str) -> Result<Vec<String>> {
    let mut values = Vec::new();
    for batch in batches {
        let column = named(batch, name)?;
        let column = arrow_cast::cast(&column, &DataType::Utf8)?;
        let column = column
            .as_any()
            .downcast_ref::<StringArray>()
            .context("the cast gives text")?;
        values.extend(
            column
                .iter()
                .map(|value| value.unwrap_or_default().to_owned()),
        );
    }
    Ok(values)
}

/// A column of numbers, by name, over all batches; NaN where there is none.
///
/// # Errors
/// When there is no such column.
pub fn numbers(batches: &[RecordBatch], name: &str) -> Result<Vec<f64>> {
    let mut values = Vec::new();
    for batch in batches {
        let column = named(batch, name)?;
        let column = arrow_cast::cast(&column, &DataType::Float64)?;
        let column = column
            .as_any()
            .downcast_ref::<Float64Array>()
            .context("the cast gives numbers")?;
        values.extend(column.iter().map(|value| value.unwrap_or(f64::NAN)));
    }
    Ok(values)
}

fn named(batch: &RecordBatch, name: &str) -> Result<Arc<dyn arrow_array::Array>> {
    let column = batch.column_by_name(name);
    column.cloned().with_context(|| {
        let schema = batch.schema();
        let names = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect::<Vec<_>>();
        format!("expected a column {name:?}, found {names:?}")
    })
}
