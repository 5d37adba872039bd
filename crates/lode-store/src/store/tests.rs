//! A harness over a temporary directory, and the tests by theme.

mod asof;
mod catalog;
mod compaction;
mod crash;
mod customers;
mod damage;
mod full;
mod kills;
mod ledger;
mod model;
mod mounted;
mod read_only;
mod recent;
mod recovery;
mod shelf;
mod upgrade;

use std::collections::BTreeMap;
use std::sync::mpsc::channel;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use lode_parts::Table;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Failure;
use lode_types::Role;
use lode_types::Schema;
use tempfile::TempDir;

use super::*;
use crate::Area;
use crate::BadRows;
use crate::DocWrite;
use crate::Space;
use crate::Tag;
use lode_types::CustomerId;
use std::fs::File;

/// A clock that stands still until it is set.
#[derive(Default)]
struct TestClock(std::sync::atomic::AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A row: the key, a number that may be missing, a text that may be missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    id: String,
    number: Option<i64>,
    text: Option<String>,
}

fn row(id: &str, number: impl Into<Option<i64>>, text: &str) -> Row {
    Row {
        id: id.to_owned(),
        number: number.into(),
        text: (!text.is_empty()).then(|| text.to_owned()),
    }
}

struct Bench {
    dir: TempDir,
    clock: Arc<TestClock>,
    store: Option<Store>,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            dir: TempDir::new().unwrap(),
            clock: Arc::default(),
            store: None,
        };
        bench.open().unwrap();
        bench
    }

    fn open(&mut self) -> Result<()> {
        self.store = Some(Store::open(&self.dir.path().join("data"), self.options())?);
        Ok(())
    }

    fn options(&self) -> Options {
        Options {
            cache_bytes: 16 << 20,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            // The tests compact when they want to.
            compact: false,
            keep_versions: Duration::from_secs(3600),
        }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join("data").join(path)
    }

    /// Ends in order and opens again.
    fn reopen(&mut self) {
        self.store.take().unwrap().close().unwrap();
        self.open().unwrap();
    }

    /// Ends without the mark of an orderly end and opens again.
    fn crash(&mut self) {
        drop(self.store.take());
        self.open().unwrap();
    }

    /// No value was so large that sled wrote a file for it.
    fn assert_no_blobs(&self) {
        let blobs = std::fs::read_dir(self.path("sled/blobs")).unwrap().count();
        assert_eq!(blobs, 0);
    }
}

impl std::ops::Deref for Bench {
    type Target = Store;
    fn deref(&self) -> &Store {
        self.store.as_ref().unwrap()
    }
}

fn dataset(id: &str) -> DatasetId {
    DatasetId::parse(id).unwrap()
}

fn ingest_id(id: &str) -> IngestId {
    IngestId::parse(id).unwrap()
}

fn customer(id: &str) -> CustomerId {
    CustomerId::parse(id).unwrap()
}

fn schema() -> Schema {
    Schema::new(vec![
        Column::new("id", ColumnType::String)
            .with_role(Role::CustomerId)
            .required(),
        Column::new("number", ColumnType::Int64),
        Column::new("text", ColumnType::String),
    ])
    .unwrap()
}

fn new_dataset(kind: DatasetKind) -> NewDataset {
    NewDataset {
        display_name: String::new(),
        kind,
        schema: schema(),
        labels: BTreeMap::new(),
    }
}

fn options() -> IngestOptions {
    IngestOptions {
        bad_rows: BadRows::Quarantine,
        max_rejected_rows: 100,
        column_mapping: BTreeMap::new(),
        csv: None,
    }
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.id))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|r| r.number))),
        Arc::new(StringArray::from_iter(rows.iter().map(|r| r.text.clone()))),
    ];
    RecordBatch::try_new(Arc::new(schema().to_arrow()), columns).unwrap()
}

fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let (ids, numbers) = (batch.column(0).as_string::<i32>(), batch.column(1));
    let numbers = numbers.as_primitive::<Int64Type>();
    let texts = batch.column(2).as_string::<i32>();
    (0..batch.num_rows())
        .map(|i| Row {
            id: ids.value(i).to_owned(),
            number: numbers.is_valid(i).then(|| numbers.value(i)),
            text: texts.is_valid(i).then(|| texts.value(i).to_owned()),
        })
        .collect()
}

fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let files = snapshot.files().unwrap();
    let counted: u64 = files.iter().map(|file| file.rows).sum();
    let table = Table::open(files.into_iter().map(|file| file.file).collect()).unwrap();
    assert_eq!(table.rows(), counted);
    assert_eq!(counted, snapshot.dataset().row_count);
    assert_eq!(
        *table.schema(),
        snapshot.dataset().schema.to_arrow(),
        "columns and roles"
    );
    table.batches().flat_map(|b| rows_of(&b.unwrap())).collect()
}

impl Bench {
    fn make(&self, id: &str, kind: DatasetKind) -> DatasetId {
        let id = dataset(id);
        self.create_dataset(&id, new_dataset(kind)).unwrap();
        id
    }

    fn start(&self, dataset: &DatasetId, id: &str) -> IngestId {
        let id = ingest_id(id);
        self.open_ingest(dataset, &id, options()).unwrap();
        id
    }

    fn append(
        &self,
        dataset: &DatasetId,
        id: &IngestId,
        seq: u64,
        rows: &[Row],
    ) -> Result<Appended> {
        let staged = self.stage_chunk(dataset, id, seq, &batch(rows))?;
        self.record(dataset, id, seq, Some(staged), Vec::new())
    }

    fn record(
        &self,
        dataset: &DatasetId,
        id: &IngestId,
        seq: u64,
        staged: Option<Staged>,
        rejected: Vec<RejectedRow>,
    ) -> Result<Appended> {
        let (sender, receiver) = channel();
        let chunk = NewChunk {
            dataset: dataset.clone(),
            ingest: id.clone(),
            seq,
            chunk_crc32c: 7,
            chunk_bytes: 100,
            staged,
            rejected,
            repeated_rows: 0,
            source_position: format!("after {seq}").into_bytes(),
        };
        self.record_chunk(chunk, move |result| sender.send(result).unwrap());
        receiver.recv().unwrap()
    }

    /// A whole load: one chunk a slice.
    fn load(&self, dataset: &DatasetId, id: &str, chunks: &[&[Row]]) -> Ingest {
        let id = self.start(dataset, id);
        for (seq, rows) in (0..).zip(chunks) {
            self.append(dataset, &id, seq, rows).unwrap();
        }
        self.commit_ingest(dataset, &id, chunks.len() as u64)
            .unwrap()
    }

    fn parts_on_disk(&self) -> usize {
        self.parts().len()
    }

    /// The part files, in the order of datasets and names.
    fn parts(&self) -> Vec<std::path::PathBuf> {
        let mut parts = Vec::new();
        for dir in crate::home::list(&self.path("parts")).unwrap() {
            let files = crate::home::list(&dir).unwrap();
            let is_part =
                |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "arrow");
            parts.extend(files.into_iter().filter(is_part));
        }
        parts
    }
}

/// A small generator of its own, so that a seed says all.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}
