//! A disk that turns read-only, for real: by hand, by an error of its file system, and in the
//! middle of a write. Needs the right to mount, and says so where it is missing.

use std::sync::atomic::AtomicI64;

use super::mounted::Mounted;
use super::*;
use crate::NewRows;

fn put(store: &Store, id: &DatasetId, number: i64) -> Result<()> {
    let rows = NewRows {
        dataset: id.clone(),
        request: ingest_id(&format!("put-{number}")),
        rows: batch(&[row(&format!("c{number}"), number, "put")]),
        rejected_rows: 0,
    };
    store.put_rows(rows).map(|_| ())
}

fn is_read_only<T: fmt::Debug>(result: Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.reason(), "STORE_READ_ONLY", "{error}");
    assert_eq!(error.class(), lode_types::Class::Unavailable);
}

/// Parts may lie on a disk of their own, which can be made read-only and writable by hand while
/// an engine runs: no part is open for writing once it is written.
#[test]
fn parts_on_a_read_only_disk_are_read_and_written_again_without_a_restart() {
    let Some(disk) = Mounted::make("parts_on_a_read_only_disk") else {
        return;
    };
    let mut bench = Bench::new();
    bench.store.take().unwrap().close().unwrap();
    std::fs::remove_dir(bench.path("parts")).unwrap();
    std::os::unix::fs::symlink(disk.at(), bench.path("parts")).unwrap();
    std::fs::remove_dir(disk.at().join("lost+found")).unwrap();
    bench.open().unwrap();
    let events = bench.make("e", DatasetKind::Events);
    let customers = bench.make("c", DatasetKind::Customers);
    let some: Vec<Row> = (0..500).map(|i| row(&format!("c{i}"), i, "x")).collect();
    for id in [&events, &customers] {
        bench.load(id, "one", &[&some]);
    }
    let load = bench.start(&events, "two");
    bench.append(&events, &load, 0, &some).unwrap();
    for round in 0..2 {
        disk.remount("ro");
        // A part, and the file of a commit.
        let seq = 1 + round;
        is_read_only(bench.append(&events, &load, seq, &some));
        is_read_only(bench.commit_ingest(&events, &load, seq));
        is_read_only(bench.compact(&events));
        // What needs no part goes on, and so do reads.
        put(&bench, &events, round.cast_signed()).unwrap();
        let known = bench.dataset(&events).unwrap().row_count;
        assert_eq!(known, 501 + round);
        assert_eq!(rows(&bench.pin(&events, None).unwrap()).len() as u64, known);
        assert_eq!(rows(&bench.pin(&customers, None).unwrap()).len(), 500);
        disk.remount("rw");
        bench.append(&events, &load, seq, &some).unwrap();
    }
    bench.commit_ingest(&events, &load, 3).unwrap();
    bench.compact(&events).unwrap();
    assert_eq!(bench.dataset(&events).unwrap().row_count, 2002);
    bench.reopen();
    assert_eq!(rows(&bench.pin(&events, None).unwrap()).len(), 2002);
    bench.store.take().unwrap().close().unwrap();
    assert_eq!(crate::check(&bench.path("")).unwrap().problems, []);
}

#[test]
fn a_disk_that_turns_read_only_refuses_writes_serves_reads_and_poisons_nothing() {
    let test = "a_disk_that_turns_read_only_refuses_writes";
    let Some(disk) = Mounted::make(test) else {
        return;
    };
    let mut bench = Bench::new();
    let data = disk.at().join("data");
    bench.store = Some(Store::open(&data, bench.options()).unwrap());
    let events = bench.make("e", DatasetKind::Events);
    let customers = bench.make("c", DatasetKind::Customers);
    let some: Vec<Row> = (0..500).map(|i| row(&format!("c{i}"), i, "x")).collect();
    bench.load(&events, "one", &[&some]);
    bench.load(&customers, "one", &[&some]);
    let load = bench.start(&events, "two");
    put(&bench, &events, 1).unwrap();
    // What was answered before it was synced is now, and sled has nothing left to write.
    std::thread::sleep(Duration::from_millis(700));
    if !disk.fail(test) {
        return drop(bench.store.take());
    }
    for _ in 0..2 {
        is_read_only(put(&bench, &events, 2));
        is_read_only(put(&bench, &customers, 2));
        is_read_only(bench.append(&events, &load, 0, &some));
        is_read_only(bench.create_dataset(&dataset("f"), new_dataset(DatasetKind::Events)));
        assert_eq!(rows(&bench.pin(&events, None).unwrap()).len(), 501);
        assert_eq!(rows(&bench.pin(&customers, None).unwrap()).len(), 500);
        assert!(
            bench
                .pin(&customers, None)
                .unwrap()
                .customer(&customer("c7"))
                .unwrap()
                .is_some()
        );
    }
    drop(bench.store.take());
    // Nor does an engine start on it.
    is_read_only(Store::open(&data, bench.options()));
    // The kernel lets nobody write to such a file system before it is mounted anew.
    disk.mount_again();
    bench.store = Some(Store::open(&data, bench.options()).unwrap());
    put(&bench, &events, 2).unwrap();
    bench.append(&events, &load, 0, &some).unwrap();
    bench.commit_ingest(&events, &load, 1).unwrap();
    assert_eq!(rows(&bench.pin(&events, None).unwrap()).len(), 1002);
    bench.store.take().unwrap().close().unwrap();
    assert_eq!(crate::check(&data).unwrap().problems, []);
}

#[test]
fn a_disk_that_turns_read_only_in_a_write_loses_nothing_that_was_acknowledged() {
    let test = "a_disk_that_turns_read_only_in_a_write";
    let Some(disk) = Mounted::make(test) else {
        return;
    };
    let mut bench = Bench::new();
    let data = disk.at().join("data");
    bench.store = Some(Store::open(&data, bench.options()).unwrap());
    let events = bench.make("e", DatasetKind::Events);
    let some: Vec<Row> = (0..500).map(|i| row(&format!("l{i}"), -1, "x")).collect();
    bench.load(&events, "one", &[&some]);
    let acked = AtomicI64::new(0);
    let store = bench.store.take().unwrap();
    let (told, has_failed) = std::thread::scope(|scope| {
        let writer = std::thread::Builder::new().spawn_scoped(scope, || {
            for number in 0.. {
                if let Err(error) = put(&store, &events, number) {
                    return error;
                }
                acked.store(number + 1, Ordering::SeqCst);
            }
            unreachable!("numbers end later than disks")
        });
        while acked.load(Ordering::SeqCst) < 50 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let has_failed = disk.fail(test);
        if !has_failed {
            // The writer has to end; a closed store refuses.
            drop(store.close());
        }
        (writer.unwrap().join().unwrap(), has_failed)
    });
    if !has_failed {
        return;
    }
    // Between two groups it is refused; within one nobody knows what is on the disk.
    let reasons = ["STORE_READ_ONLY", "STORE_POISONED"];
    assert!(reasons.contains(&told.reason()), "{told}");
    let again = put(&store, &events, 1_000_000).unwrap_err();
    assert_eq!(again.reason(), told.reason());
    let acked = acked.load(Ordering::SeqCst);
    // Reads go on, unless sled itself met the error: then it answers nothing until a restart.
    match store.pin(&events, None) {
        Ok(pinned) => {
            let seen = rows(&pinned).len() as i64;
            assert!(seen == 500 + acked || seen == 501 + acked, "{seen} {acked}");
        }
        Err(error) => {
            let text = lode_types::chain(&error);
            assert!(text.contains("Read-only file system"), "{text}");
        }
    }
    drop(store);
    disk.mount_again();
    bench.store = Some(Store::open(&data, bench.options()).unwrap());
    let mut numbers: Vec<i64> = rows(&bench.pin(&events, None).unwrap())
        .into_iter()
        .filter_map(|row| row.number.filter(|number| *number >= 0))
        .collect();
    numbers.sort_unstable();
    // The one that was not answered may be there.
    let written = numbers.len() as i64;
    assert!(
        written == acked || written == acked + 1,
        "{written} {acked}"
    );
    assert_eq!(numbers, (0..written).collect::<Vec<_>>());
    put(&bench, &events, written).unwrap();
    bench.store.take().unwrap().close().unwrap();
    assert_eq!(crate::check(&data).unwrap().problems, []);
}
