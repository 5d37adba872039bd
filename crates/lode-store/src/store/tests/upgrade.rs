//! Directories of every format that was released: opened, upgraded in place, every row found.

use std::path::Path;
use std::process::Command;

use arrow_array::types::Float64Type;

use super::*;

/// Unpacks a directory that a released engine wrote.
fn fixture(name: &str) -> TempDir {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    let dir = TempDir::new().unwrap();
    let unpacked = Command::new("tar")
        .arg("-xzf")
        .arg(&archive)
        .arg("-C")
        .arg(dir.path())
        .status()
        .unwrap();
    assert!(unpacked.success(), "{}", archive.display());
    dir
}

fn column(store: &Store, id: &str, name: &str) -> Vec<ArrayRef> {
    let snapshot = store.pin(&dataset(id), None).unwrap();
    let files = snapshot.files().unwrap();
    let table = Table::open(files.into_iter().map(|file| file.file).collect()).unwrap();
    let at = table.schema().index_of(name).unwrap();
    table
        .batches()
        .map(|batch| Arc::clone(batch.unwrap().column(at)))
        .collect()
}

fn floats(store: &Store, id: &str, name: &str) -> Vec<f64> {
    column(store, id, name)
        .iter()
        .flat_map(|values| values.as_primitive::<Float64Type>().values().to_vec())
        .collect()
}

fn texts(store: &Store, id: &str, name: &str) -> Vec<String> {
    column(store, id, name)
        .iter()
        .flat_map(|values| {
            let values = values.as_string::<i32>().iter();
            values.map(|text| text.unwrap_or_default().to_owned())
        })
        .collect::<Vec<_>>()
}

#[test]
fn a_directory_of_format_1_is_upgraded_and_has_every_row() {
    let dir = fixture("format-1.tar.gz");
    let data = dir.path().join("data");
    let format = || std::fs::read_to_string(data.join("FORMAT")).unwrap();
    assert_eq!(format(), "lode-store 1\n");
    for _ in 0..2 {
        let store = Store::open(&data, Options::default()).unwrap();
        assert_eq!(format(), "lode-store 2\n");
        check_rows(&store);
        check_history(&store);
        store.close().unwrap();
    }
}

/// What the blocks held is the history from the newest version on; nothing is made older.
fn check_history(store: &Store) {
    let people = store.pin(&dataset("people"), None).unwrap();
    let as_of = |time: i64| {
        let files = people.files_as_of(Timestamp(time)).unwrap();
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        (
            rows,
            Table::open(files.into_iter().map(|file| file.file).collect()).unwrap(),
        )
    };
    let committed = people.dataset().update_time.0;
    assert_eq!(as_of(committed - 1).0, 0);
    let (rows, table) = as_of(committed);
    assert_eq!(rows, 260);
    let now = people.files().unwrap();
    let now = Table::open(now.into_iter().map(|file| file.file).collect()).unwrap();
    let all = |table: &Table| -> Vec<RecordBatch> { table.batches().map(|b| b.unwrap()).collect() };
    assert_eq!(all(&table), all(&now));
    if let Ok(first) = store.pin(&dataset("people"), Some(1)) {
        let error = first.files_as_of(Timestamp(committed)).unwrap_err();
        assert_eq!(error.reason(), "HISTORY_UNKNOWN");
    }
}

fn check_rows(store: &Store) {
    let known: Vec<(String, u64, u64)> = store
        .datasets()
        .unwrap()
        .into_iter()
        .map(|d| (d.id.as_str().to_owned(), d.row_count, d.version))
        .collect();
    let expected = [
        ("friends", 100, 1),
        ("goods", 17, 1),
        ("notes", 50, 1),
        ("orders", 600, 2),
        ("people", 260, 2),
    ];
    assert_eq!(
        known,
        expected.map(|(id, rows, version)| (id.to_owned(), rows, version))
    );

    let mut people: Vec<(String, f64)> = std::iter::zip(
        texts(store, "people", "customer_id"),
        floats(store, "people", "wave"),
    )
    .collect();
    people.sort_by(|a, b| a.0.cmp(&b.0));
    let expected: Vec<(String, f64)> = (0..260)
        .map(|i| (format!("c{i:03}"), if i < 60 { 0.0 } else { 1.0 }))
        .collect();
    assert_eq!(people, expected);

    let items: Vec<String> = (0..600).map(|i| format!("item{}", i % 300 % 17)).collect();
    assert_eq!(texts(store, "orders", "item"), items);
    let first = store.pin(&dataset("orders"), Some(1)).unwrap();
    assert_eq!(
        first.files().unwrap().iter().map(|f| f.rows).sum::<u64>(),
        300
    );
    let prices: Vec<f64> = (0..17).map(|i| f64::from(i) * 1.25).collect();
    assert_eq!(floats(store, "goods", "price"), prices);
    let notes: Vec<String> = (0..50).map(|i| format!("note {i}")).collect();
    assert_eq!(texts(store, "notes", "note"), notes);
    assert_eq!(texts(store, "friends", "source").len(), 100);

    let tags = store.tags(&customer("c061")).unwrap();
    assert_eq!(tags.len(), 1);
    assert_eq!(tags[0].key, "segment.rfm/tier");
    let jobs = store.docs(Space::Jobs, b"", None, 10, false).unwrap();
    let models = store.docs(Space::Models, b"", None, 10, false).unwrap();
    // Each has its record and its place in the order of time.
    assert_eq!((jobs.len(), models.len()), (4, 2));
    let model = store.open_file(Area::Models, "2-1.model").unwrap();
    assert_eq!(model.metadata().unwrap().len(), 585);
    for output in [
        "1-1-rfm.arrow",
        "1-1-tiers.arrow",
        "2-1-segments.arrow",
        "2-1-centers.arrow",
    ] {
        let file = store.open_file(Area::Outputs, output).unwrap();
        assert!(Table::open(vec![file]).unwrap().rows() > 0, "{output}");
    }
}
