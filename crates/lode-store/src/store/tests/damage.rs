//! Damage of every kind of file, a lost part, a lost catalog: what is lost, what is said.

use std::path::PathBuf;

use super::*;
use crate::NewRows;

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

impl Bench {
    fn put_one(&self, dataset: &DatasetId, request: &str, new: Row) {
        let rows = NewRows {
            dataset: dataset.clone(),
            request: ingest_id(request),
            rows: batch(&[new]),
            rejected_rows: 0,
        };
        self.put_rows(rows).unwrap();
    }

    fn stop(&mut self) {
        self.store.take().unwrap().close().unwrap();
    }

    fn check(&self) -> crate::Checked {
        crate::check(&self.path("")).unwrap()
    }

    fn rebuild(&self, force: bool) -> Result<crate::Rebuilt> {
        crate::rebuild(&self.path(""), force)
    }

    fn marker(&self, dataset: u32, version: u64) -> PathBuf {
        self.path(&format!("parts/{dataset:08x}/{version:016x}.commit"))
    }
}

/// Events of three loads, a roll and a row that waits; customers of two loads, a roll and a row.
fn furnished() -> (Bench, DatasetId, DatasetId) {
    let bench = Bench::new();
    let events = bench.make("e", DatasetKind::Events);
    let customers = bench.make("c", DatasetKind::Customers);
    for id in [&events, &customers] {
        bench.load(
            id,
            "one",
            &[&[row("a", 1, "x"), row("b", 2, "")], &[row("c", 3, "y")]],
        );
        bench.load(id, "two", &[&[row("a", 4, "z")]]);
        bench.put_one(id, "p1", row("p", 5, "put"));
        bench.put_one(id, "p2", row("q", 6, "put"));
        bench.load(id, "between", &[&[row("p", 50, "newer than p1")]]);
        bench.put_one(id, "p2b", row("q", 60, "put"));
        let number = if id == &events { 1 } else { 2 };
        assert!(crate::recent::roll(bench.inner(), number).unwrap());
        bench.load(id, "three", &[&[row("d", 7, "")]]);
        let open = bench.start(id, "open");
        bench.append(id, &open, 0, &[row("never", 0, "")]).unwrap();
    }
    (bench, events, customers)
}

fn all(bench: &Bench, id: &DatasetId, versions: std::ops::RangeInclusive<u64>) -> Vec<Vec<Row>> {
    versions
        .map(|version| {
            let mut rows = rows(&bench.pin(id, Some(version)).unwrap());
            rows.sort();
            rows
        })
        .collect()
}

#[test]
fn a_lost_part_comes_back_with_its_chunk() {
    for deleted in [false, true] {
        let (mut bench, events, _) = furnished();
        let before = all(&bench, &events, 0..=7);
        let part = bench.parts().remove(0);
        bench.stop();
        match deleted {
            true => std::fs::remove_file(&part).unwrap(),
            false => flip(&part, 700),
        }
        let name = part.file_name().unwrap().to_str().unwrap().to_owned();
        let problems = bench.check().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(
            (problems[0].what.as_str(), problems[0].rows),
            (&*format!("part {name}"), 2)
        );
        bench.open().unwrap();
        for _ in 0..2 {
            let error = bench.pin(&events, None).unwrap().files().unwrap_err();
            assert_eq!(error.reason(), "PART_DAMAGED");
            let text = error.to_string();
            assert!(
                text.contains(&name) && text.contains("\"e\"") && text.contains("2 rows"),
                "{text}"
            );
            bench.reopen();
        }
        let lost = bench.lost_parts(&events).unwrap();
        assert_eq!(
            (lost.len(), lost[0].part.as_str(), lost[0].rows),
            (1, &*name, 2)
        );
        assert_eq!(
            bench.path(&format!("aside/00000001-{name}")).exists(),
            !deleted
        );

        // The owner may read the rest.
        let labels = BTreeMap::from([("damaged-parts".to_owned(), "skip".to_owned())]);
        let change = DatasetChange {
            labels: Some(labels),
            ..DatasetChange::default()
        };
        bench.update_dataset(&events, change).unwrap();
        let files = bench.pin(&events, None).unwrap().files().unwrap();
        assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 7);
        bench.stop();
        assert_eq!(bench.check().problems.len(), 1, "still told");
        bench.open().unwrap();

        // Another chunk is refused, the same one taken.
        let load = ingest_id("one");
        assert_eq!(bench.lost_chunks(&events, &load).unwrap(), [0]);
        let chunk = [row("a", 1, "x"), row("b", 2, "")];
        let staged = bench
            .stage_chunk(&events, &load, 0, &batch(&chunk))
            .unwrap();
        let done = bench
            .record(&events, &load, 0, Some(staged), vec![])
            .unwrap();
        assert!(!done.duplicate);
        assert_eq!(all(&bench, &events, 0..=7), before);
        assert!(bench.lost_parts(&events).unwrap().is_empty());
        bench.reopen();
        assert_eq!(all(&bench, &events, 0..=7), before);
        bench.stop();
        assert_eq!(bench.check().problems, []);
    }
}

#[test]
fn outputs_and_models_are_sealed() {
    let mut bench = Bench::new();
    for (area, name) in [(Area::Outputs, "o.arrow"), (Area::Models, "m.model")] {
        let mut file = bench.create_file(area, name).unwrap();
        std::io::Write::write_all(&mut file, &[7; 5000]).unwrap();
        bench.adopt_file(area, name).unwrap();
        bench.stop();
        flip(&bench.path(&format!("{}/{name}", area.as_str())), 4000);
        assert_eq!(bench.check().problems.len(), 1);
        bench.open().unwrap();
        let error = bench.open_file(area, name).unwrap_err();
        assert_eq!(error.reason(), "FILE_DAMAGED");
        assert!(
            bench
                .path(&format!("aside/{}-{name}", area.as_str()))
                .exists()
        );
        // And so it is told to whoever comes later.
        let again = bench.open_file(area, name).unwrap_err();
        assert_eq!(again.reason(), "FILE_DAMAGED");
        bench.remove_file(area, name).unwrap();
    }
}

#[test]
fn a_lost_catalog_is_rebuilt_version_by_version() {
    let (mut bench, events, customers) = furnished();
    let before = (all(&bench, &events, 0..=7), all(&bench, &customers, 7..=7));
    // Rows that wait are in sled alone.
    bench.put_one(&events, "p3", row("waits", 8, ""));
    bench.stop();
    assert_eq!(bench.rebuild(false).unwrap_err().reason(), "CATALOG_WHOLE");
    assert_eq!(bench.check().problems, []);
    std::fs::remove_dir_all(bench.path("sled")).unwrap();
    assert!(!bench.check().problems.is_empty());
    assert_eq!(
        Store::open(&bench.path(""), bench.options())
            .unwrap_err()
            .reason(),
        "CATALOG_BEHIND"
    );

    let rebuilt = bench.rebuild(false).unwrap();
    let names = [("e".to_owned(), 7, 9), ("c".to_owned(), 7, 6)];
    let mut found = rebuilt.datasets.clone();
    found.sort_by_key(|dataset| std::cmp::Reverse(dataset.0.clone()));
    assert_eq!(found, names);
    assert_eq!(
        rebuilt.problems.len(),
        2,
        "the open loads' parts: {:?}",
        rebuilt.problems
    );
    bench.open().unwrap();
    assert_eq!(
        (all(&bench, &events, 0..=7), all(&bench, &customers, 7..=7)),
        before
    );
    assert_eq!(bench.lost_parts(&events).unwrap(), []);
    let load = bench.ingest(&events, &ingest_id("two")).unwrap();
    assert_eq!((load.version, load.accepted_rows), (2, 1));
    assert!(bench.ingest(&events, &ingest_id("open")).is_err());
    // Life goes on with the next version.
    assert_eq!(
        bench.load(&events, "four", &[&[row("e", 9, "")]]).version,
        8
    );
    assert_eq!(
        bench
            .load(&customers, "four", &[&[row("a", 9, "")]])
            .replaced_rows,
        1
    );
    bench.stop();
    assert_eq!(bench.check().problems, []);
}

#[test]
fn a_catalog_is_rebuilt_around_a_lost_part_and_a_lost_marker() {
    let (mut bench, events, customers) = furnished();
    let part = bench.parts().remove(0);
    bench.stop();
    std::fs::remove_dir_all(bench.path("sled")).unwrap();
    std::fs::remove_file(&part).unwrap();
    flip(&bench.marker(2, 1), 40);
    let rebuilt = bench.rebuild(false).unwrap();
    let told: Vec<&str> = rebuilt.problems.iter().map(|p| p.what.as_str()).collect();
    assert!(
        told.iter().any(|what| what.starts_with("part ")),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|what| what.ends_with("0000000000000001.commit")),
        "{told:?}"
    );
    bench.open().unwrap();
    let error = bench.pin(&events, None).unwrap().files().unwrap_err();
    assert_eq!(error.reason(), "PART_DAMAGED");
    // The customers of the load that nobody knows any more are gone, the others are there.
    let ids: Vec<String> = all(&bench, &customers, 7..=7)
        .remove(0)
        .into_iter()
        .map(|row| row.id)
        .collect();
    assert_eq!(ids, ["a", "d", "p", "q"]);
}

/// Goes on with what sled still has; it had more.
fn accept(bench: &Bench) {
    let (expected, found) = crate::accept(&bench.path("")).unwrap();
    assert!(found < expected, "{found} of {expected}");
    let again = crate::accept(&bench.path("")).unwrap_err();
    assert_eq!(again.reason(), "CATALOG_WHOLE");
}

#[test]
fn a_loss_of_nothing_but_small_writes_is_noticed() {
    for in_order in [true, false] {
        let (mut bench, events, customers) = furnished();
        let before = (all(&bench, &events, 0..=7), all(&bench, &customers, 7..=7));
        bench.stop();
        let db = bench.path("sled/db");
        let bytes = std::fs::read(&db).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        bench.open().unwrap();
        bench.put_one(&events, "p3", row("waits", 8, ""));
        match in_order {
            true => bench.stop(),
            false => drop(bench.store.take()),
        }
        // The log ends where it had ended before.
        let mut bytes = std::fs::read(&db).unwrap();
        bytes[end..].fill(0);
        std::fs::write(&db, bytes).unwrap();
        for _ in 0..3 {
            let error = bench.open().unwrap_err();
            assert_eq!(error.reason(), "CATALOG_SHORT", "{error}");
        }
        let problems = bench.check().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].what, "the catalog");
        accept(&bench);
        bench.open().unwrap();
        assert_eq!(
            (all(&bench, &events, 0..=7), all(&bench, &customers, 7..=7)),
            before
        );
        bench.put_one(&events, "p3", row("waits", 8, ""));
        bench.reopen();
        assert_eq!(bench.dataset(&events).unwrap().version, 8);
    }
}

/// Damages a stopped engine's log; gives back whether a start noticed, and checks that what
/// was committed is there, at once or after a rebuild.
fn with_damaged_log(damage: impl Fn(&mut Vec<u8>), keep_snapshots: bool) -> bool {
    let (mut bench, events, customers) = furnished();
    let before = (all(&bench, &events, 0..=7), all(&bench, &customers, 7..=7));
    bench.stop();
    let db = bench.path("sled/db");
    let mut bytes = std::fs::read(&db).unwrap();
    damage(&mut bytes);
    std::fs::write(&db, bytes).unwrap();
    for path in crate::home::list(&bench.path("sled")).unwrap() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("snap.") && !keep_snapshots {
            std::fs::remove_file(path).unwrap();
        }
    }
    let seen = |bench: &Bench| {
        let events = bench
            .pin(&events, None)
            .and_then(|snapshot| snapshot.files());
        events.and_then(|_| bench.pin(&customers, None)?.files())
    };
    let opened = bench.open().and_then(|()| seen(&bench).map(|_| ()));
    let noticed = opened.is_err();
    if let Err(error) = opened {
        let reasons = [
            "CATALOG_BEHIND",
            "CATALOG_SHORT",
            "STORE_DAMAGED",
            "STORE_IO_FAILED",
            "DATASET_NOT_FOUND",
        ];
        assert!(reasons.contains(&error.reason()), "{error}");
        drop(bench.store.take());
        assert!(!bench.check().problems.is_empty());
        if error.reason() == "CATALOG_SHORT" {
            assert_eq!(bench.rebuild(false).unwrap_err().reason(), "CATALOG_SHORT");
            accept(&bench);
        } else {
            bench.rebuild(false).unwrap();
        }
        bench.open().unwrap();
    }
    let after = (all(&bench, &events, 0..=7), all(&bench, &customers, 7..=7));
    assert_eq!(after, before);
    noticed
}

#[test]
fn a_cut_log_is_noticed_and_rebuilt() {
    let mut noticed = 0;
    for percent in [1, 10, 30, 60, 95] {
        let cut = |bytes: &mut Vec<u8>| {
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            bytes.truncate(end * percent / 100);
        };
        noticed += usize::from(with_damaged_log(cut, percent % 2 == 0));
    }
    assert!(noticed > 0);
}

#[test]
fn a_flipped_byte_in_the_log_is_noticed_or_harmless() {
    let mut noticed = 0;
    for percent in [2, 20, 45, 70, 90, 99] {
        let flip = |bytes: &mut Vec<u8>| {
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            bytes[end * percent / 100] ^= 0x10;
        };
        noticed += usize::from(with_damaged_log(flip, percent % 2 == 0));
    }
    assert!(noticed > 0);
}

#[test]
fn a_flipped_byte_in_any_small_file_is_told_or_harmless() {
    let (mut bench, events, customers) = furnished();
    let before = (all(&bench, &events, 0..=7), all(&bench, &customers, 7..=7));
    bench.stop();
    flip(&bench.path("FORMAT"), 3);
    let error = Store::open(&bench.path(""), bench.options()).unwrap_err();
    assert_eq!(error.reason(), "STORE_FOREIGN");
    assert_eq!(
        crate::check(&bench.path("")).unwrap_err().reason(),
        "STORE_FOREIGN"
    );
    flip(&bench.path("FORMAT"), 3);
    for name in ["CLEAN", "LOCK"] {
        std::fs::write(bench.path(name), "junk").unwrap();
    }
    flip(&bench.path("MARK"), 7);
    flip(&bench.marker(1, 2), 60);
    let problems = bench.check().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    bench.open().unwrap();
    assert_eq!(
        (all(&bench, &events, 0..=7), all(&bench, &customers, 7..=7)),
        before
    );
}

#[test]
fn an_open_directory_is_neither_checked_nor_rebuilt() {
    let (bench, ..) = furnished();
    assert_eq!(
        crate::check(&bench.path("")).unwrap_err().reason(),
        "STORE_LOCKED"
    );
    assert_eq!(bench.rebuild(true).unwrap_err().reason(), "STORE_LOCKED");
    let empty = TempDir::new().unwrap();
    assert_eq!(
        crate::check(empty.path()).unwrap_err().reason(),
        "STORE_FOREIGN"
    );
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}
