//! A full disk, for real: a small file system in a file. Needs the right to mount, and says so
//! where it is missing.

use std::io::Write as _;
use std::path::Path;

use super::mounted::Mounted;
use super::*;

/// Takes all the room there is.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for bytes in [1 << 20, 4096] {
        while file.write_all(&vec![1; bytes]).is_ok() {}
    }
    // What the page cache took and the disk has no room for is of no matter.
    drop(file.sync_all());
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    let Some(disk) = Mounted::make("a_full_disk_refuses_writes") else {
        return;
    };
    let mut bench = Bench::new();
    let store = Store::open(&disk.at().join("data"), bench.options()).unwrap();
    bench.store = Some(store);
    let events = bench.make("e", DatasetKind::Events);
    let customers = bench.make("c", DatasetKind::Customers);
    let some: Vec<Row> = (0..2000)
        .map(|i| row(&format!("c{i}"), i, "before"))
        .collect();
    bench.load(&events, "one", &[&some]);
    bench.load(&customers, "one", &[&some]);
    let before = rows(&bench.pin(&customers, None).unwrap());
    let filler = disk.at().join("filler");
    for round in 0..3_i64 {
        fill(&filler);
        let name = format!("load-{round}");
        let load = bench.start(&events, &name);
        let many: Vec<Row> = (0..20_000)
            .map(|i| row(&format!("r{i}"), i, "text"))
            .collect();
        let error = bench.append(&events, &load, 0, &many).unwrap_err();
        assert_eq!(error.reason(), "STORE_FULL", "{error}");
        assert_eq!(error.class(), lode_types::Class::Limit);
        assert_eq!(rows(&bench.pin(&customers, None).unwrap()), before);
        let known = bench.dataset(&events).unwrap().row_count;
        assert_eq!(rows(&bench.pin(&events, None).unwrap()).len() as u64, known);
        // Room again: the same call works, without a restart.
        std::fs::remove_file(&filler).unwrap();
        bench.append(&events, &load, 0, &many).unwrap();
        bench.commit_ingest(&events, &load, 1).unwrap();
        let after = rows(&bench.pin(&events, None).unwrap()).len() as u64;
        assert_eq!(after, known + 20_000);
    }
    let loaded = bench.load(&customers, "two", &[&some]);
    assert_eq!(loaded.replaced_rows, 2000);
    bench.store.take().unwrap().close().unwrap();
    let checked = crate::check(&disk.at().join("data")).unwrap();
    assert_eq!(checked.problems, []);
}
