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

#[test]
fn a_directory_of_format_2_has_every_row() {
    let dir = fixture("format-2.tar.gz");
    let data = dir.path().join("data");
    assert_eq!(crate::check(&data).unwrap().problems, []);
    for round in 0..3 {
        let options = Options {
            compact: false,
            ..Options::default()
        };
        let store = Store::open(&data, options).unwrap();
        check_visits(&store, round == 0);
        check_people(&store);
        check_rest(&store);
        // Written as of today it says the same.
        store.compact(&dataset("visits")).unwrap();
        store.close().unwrap();
    }
    assert_eq!(crate::check(&data).unwrap().problems, []);
}

/// A packed run, a plain part, rows that wait; versions within the run.
fn check_visits(store: &Store, is_untouched: bool) {
    let visits = dataset("visits");
    let pinned = store.pin(&visits, None).unwrap();
    assert_eq!((pinned.version(), pinned.dataset().row_count), (11, 608));
    let files = pinned.files().unwrap();
    let sizes: Vec<(bool, u64)> = files.iter().map(|f| (f.run.is_some(), f.rows)).collect();
    if is_untouched {
        assert_eq!(sizes, [(true, 505), (false, 100), (false, 3)]);
        assert_eq!(files[2].name, "recent");
    } else {
        assert_eq!(sizes, [(true, 608)]);
    }
    let mut found: Vec<(String, String, f64)> = std::iter::zip(
        texts(store, "visits", "customer"),
        std::iter::zip(
            texts(store, "visits", "item"),
            floats(store, "visits", "amount"),
        ),
    )
    .map(|(customer, (item, amount))| (customer, item, amount))
    .collect();
    let mut expected: Vec<(String, String, f64)> = (0..608)
        .map(|i| {
            let item = match i {
                605.. => format!("waits-in-sled-{i}"),
                _ => format!("item-{}", i % 17),
            };
            let amount = f64::from(i % 40) + 0.25;
            (format!("c{:03}", i % 150), item, amount)
        })
        .collect();
    for rows in [&mut found, &mut expected] {
        rows.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)).then(a.2.total_cmp(&b.2)));
    }
    assert_eq!(found, expected);
    // Two loads, five small writes, a load, three small writes.
    for (version, rows) in [(1, 400), (2, 500), (4, 502), (7, 505), (8, 605), (10, 607)] {
        let pinned = store.pin(&visits, Some(version)).unwrap();
        let files = pinned.files().unwrap();
        assert_eq!(files.iter().map(|f| f.rows).sum::<u64>(), rows, "{version}");
    }
    assert!(store.compaction(&visits).unwrap().loaded_bytes > 0);
}

fn check_people(store: &Store) {
    let pinned = store.pin(&dataset("people"), None).unwrap();
    assert_eq!((pinned.version(), pinned.dataset().row_count), (5, 180));
    let mut people: Vec<(String, f64)> = std::iter::zip(
        texts(store, "people", "customer"),
        floats(store, "people", "wave"),
    )
    .collect();
    people.sort_by(|a, b| a.0.cmp(&b.0));
    let wave = |i| match i {
        0..60 => 1.0,
        60..177 => 2.0,
        _ => 3.0,
    };
    let expected: Vec<(String, f64)> = (0..180).map(|i| (format!("c{i:03}"), wave(i))).collect();
    assert_eq!(people, expected);
    // Their history has what was replaced.
    let first = pinned.dataset().create_time;
    assert_eq!(pinned.files_as_of(first).unwrap()[0].rows, 0);
    let newest = pinned.files_as_of(Timestamp(i64::MAX)).unwrap();
    assert_eq!(newest.iter().map(|file| file.rows).sum::<u64>(), 180);
}

fn check_rest(store: &Store) {
    let ids: Vec<String> = store
        .datasets()
        .unwrap()
        .into_iter()
        .map(|dataset| dataset.id.as_str().to_owned())
        .collect();
    assert_eq!(ids, ["goods", "people", "visits"]);
    let prices: Vec<f64> = (0..17).map(|i| f64::from(i) * 1.25).collect();
    assert_eq!(floats(store, "goods", "price"), prices);
    assert_eq!(store.tags(&customer("c007")).unwrap().len(), 1);
    let count = |space| store.docs(space, b"", None, 10, false).unwrap().len();
    // Each job and model has its record and its place in the order of time.
    assert_eq!((count(Space::Jobs), count(Space::Models)), (4, 2));
    assert_eq!(count(Space::Views), 1);
    for (area, n) in [(Area::Outputs, 2), (Area::Models, 1)] {
        let mut found = 0;
        for path in crate::home::list(&store.dir().join(area.as_str())).unwrap() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            store.open_file(area, &name).unwrap();
            found += 1;
        }
        assert!(found >= n, "{found} files of {}", area.as_str());
    }
}
