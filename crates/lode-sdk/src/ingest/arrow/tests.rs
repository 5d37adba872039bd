//! Arrow sources: chunks hold the rows in order, from any row on, whatever the batches.

use std::io::Write;
use std::sync::Arc;

use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_ipc::writer::FileWriter;
use arrow_ipc::writer::StreamWriter;

use super::IpcFile;
use super::Memory;
use crate::ingest::source::Source;
use crate::table::decode;

fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
    let text: Vec<String> = rows.clone().map(|row| format!("row {row}")).collect();
    RecordBatch::try_from_iter([
        (
            "n",
            Arc::new(Int64Array::from_iter_values(rows)) as arrow_array::ArrayRef,
        ),
        ("text", Arc::new(StringArray::from(text))),
    ])
    .unwrap()
}

fn rows(source: &dyn Source, position: u64, max_bytes: usize) -> Vec<i64> {
    let mut chunks = source.open(position, max_bytes).unwrap();
    let (mut all, mut end) = (Vec::new(), position);
    while let Some(chunk) = chunks.next_chunk().unwrap() {
        assert!(chunk.data.len() <= max_bytes);
        let (_, batches) = decode(&chunk.data).unwrap();
        let n_rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        end += n_rows as u64;
        assert_eq!(chunk.position, end);
        assert_eq!(u64::from(chunk.n_rows), n_rows as u64);
        for batch in batches {
            all.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
        }
    }
    all
}

#[test]
fn memory_resumes_at_any_row() {
    let source = Memory::new(vec![batch(0..10), batch(10..10), batch(10..1000)]).unwrap();
    for position in [0, 1, 9, 10, 11, 500, 999, 1000, 2000] {
        let expected: Vec<i64> = (i64::try_from(position).unwrap()..1000).collect();
        assert_eq!(rows(&source, position, 4096), expected);
        assert_eq!(rows(&source, position, 1 << 20), expected);
    }
}

#[test]
fn files_and_streams_read_alike() {
    let dir = tempfile::tempdir().unwrap();
    let batches = [batch(0..300), batch(300..700)];
    let schema = batches[0].schema();
    let mut stream = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    let mut file = FileWriter::try_new(Vec::new(), &schema).unwrap();
    for batch in &batches {
        stream.write(batch).unwrap();
        file.write(batch).unwrap();
    }
    for (name, bytes) in [
        ("a.arrows", stream.into_inner().unwrap()),
        ("a.arrow", file.into_inner().unwrap()),
    ] {
        let path = dir.path().join(name);
        std::fs::File::create(&path)
            .unwrap()
            .write_all(&bytes)
            .unwrap();
        let source = IpcFile::open(&path).unwrap();
        assert_eq!(rows(&source, 250, 4096), (250..700).collect::<Vec<i64>>());
        assert!(source.default_id().unwrap().starts_with(name));
    }
}

#[test]
fn same_rows_same_id() {
    let id = |to| {
        Memory::new(vec![batch(0..to)])
            .unwrap()
            .default_id()
            .unwrap()
    };
    assert_eq!(id(10), id(10));
    assert_ne!(id(10), id(11));
}

#[test]
fn a_row_above_the_limit_is_refused() {
    let source = Memory::new(vec![batch(0..10)]).unwrap();
    let mut chunks = source.open(0, 100).unwrap();
    let error = chunks.next_chunk().unwrap_err().to_string();
    assert!(error.contains("rows of at most 100 bytes"), "{error}");
}

#[test]
fn what_is_no_arrow_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.arrow");
    std::fs::write(&path, b"id,name\n1,2\n").unwrap();
    let error = IpcFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("an Arrow IPC file or stream"), "{error}");
}
