//! A child process is killed at each failpoint; what it acknowledged must be there, the rest
//! must be finished by doing the same again.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::IngestState;

const CHILD_DIR: &str = "LODE_STORE_CRASH_DIR";
/// The first few are always tried.
const FAILPOINTS: [&str; 11] = [
    "part.renamed=kill@5",
    "commit.flip=kill@3",
    "commit.blocks=kill@3",
    "part.written=kill@2",
    "txn.applied=kill@14",
    "txn.flushed=kill@9",
    "txn.synced=kill@11",
    "commit.blocks=kill@1",
    "commit.flip=kill@1",
    "txn.synced=kill@31",
    "txn.applied=kill@33",
];
const LOADS: u64 = 3;
const CHUNKS: u64 = 3;

fn chunk(load: u64, seq: u64) -> Vec<Row> {
    let from = load * 40 + seq * 60;
    (from..from + 120)
        .map(|i| {
            row(
                &format!("c{i}"),
                load.cast_signed(),
                &format!("{load} {seq} {i}"),
            )
        })
        .collect()
}

/// Loads both datasets from wherever they stand, saying what is acknowledged.
fn work(bench: &Bench, said: &mut dyn FnMut(&str)) {
    for (name, kind) in [("e", DatasetKind::Events), ("c", DatasetKind::Customers)] {
        let id = bench.make(name, kind);
        for load in 0..LOADS {
            let ingest = bench.start(&id, &format!("load-{load}"));
            let next = bench.ingest(&id, &ingest).unwrap().next_seq;
            for seq in next..CHUNKS {
                bench.append(&id, &ingest, seq, &chunk(load, seq)).unwrap();
                said(&format!("{name} {load} {}", seq + 1));
            }
            bench.commit_ingest(&id, &ingest, CHUNKS).unwrap();
            said(&format!("{name} {load} committed"));
        }
    }
}

/// Not a test by itself: what the child of the test below does.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD_DIR) else {
        return;
    };
    let mut bench = Bench::new();
    let store = Store::open(Path::new(&dir), bench.options()).unwrap();
    bench.store = Some(store);
    let mut out = File::create(Path::new(&dir).with_extension("acks")).unwrap();
    work(&bench, &mut |line| writeln!(out, "{line}").unwrap());
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_partial_is_seen() {
    let events: Vec<Row> = (0..LOADS)
        .flat_map(|load| (0..CHUNKS).flat_map(move |seq| chunk(load, seq)))
        .collect();
    let customers: BTreeMap<String, Row> = events
        .iter()
        .map(|row| (row.id.clone(), row.clone()))
        .collect();
    let all = std::env::var("LODE_SLOW_TESTS").is_ok();
    for failpoint in FAILPOINTS
        .iter()
        .take(if all { FAILPOINTS.len() } else { 3 })
    {
        let mut bench = Bench::new();
        drop(bench.store.take());
        let dir = bench.path("");
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::crash::child"])
            .env(CHILD_DIR, &dir)
            .env("LODE_FAILPOINTS", failpoint)
            .output()
            .unwrap()
            .status;
        assert!(!status.success(), "{failpoint}: not killed");
        bench.open().unwrap();
        let acks = std::fs::read_to_string(dir.with_extension("acks")).unwrap();
        for line in acks.lines() {
            let [name, load, said] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let load = ingest_id(&format!("load-{load}"));
            let found = bench.ingest(&dataset(name), &load).unwrap();
            match said.parse::<u64>() {
                Ok(next) => assert!(found.next_seq >= next, "{failpoint}: {line}"),
                Err(_) => assert_eq!(found.state, IngestState::Committed, "{failpoint}: {line}"),
            }
        }
        for known in bench.datasets().unwrap() {
            // Whole loads only: what is seen is what the version's loads make.
            let snapshot = bench.pin(&known.id, None).unwrap();
            let loads = snapshot.version() * CHUNKS * 120;
            let seen = rows(&snapshot);
            let expected = &events[..usize::try_from(loads).unwrap()];
            if known.kind == DatasetKind::Events {
                assert_eq!(seen, expected, "{failpoint}");
            } else {
                let map: BTreeMap<_, _> =
                    expected.iter().map(|r| (r.id.clone(), r.clone())).collect();
                let seen: BTreeMap<_, _> = seen.into_iter().map(|r| (r.id.clone(), r)).collect();
                assert_eq!(seen, map, "{failpoint}");
            }
        }
        work(&bench, &mut |_| {});
        assert_eq!(rows(&bench.pin(&dataset("e"), None).unwrap()), events);
        let seen = rows(&bench.pin(&dataset("c"), None).unwrap());
        assert_eq!(seen.len(), customers.len());
        assert!(
            seen.iter().all(|row| customers.get(&row.id) == Some(row)),
            "{failpoint}"
        );
        bench.reopen();
        assert_eq!(bench.dataset(&dataset("c")).unwrap().version, LOADS);
        // The history of the customers tells the same as their blocks, whatever was killed.
        let snapshot = bench.pin(&dataset("c"), None).unwrap();
        let files = snapshot.files_as_of(Timestamp(i64::MAX)).unwrap();
        let table = Table::open(files.into_iter().map(|file| file.file).collect()).unwrap();
        let known: Vec<Row> = table.batches().flat_map(|b| rows_of(&b.unwrap())).collect();
        assert_eq!(known, rows(&snapshot), "{failpoint}");
        drop(snapshot);
        // Parts of events stay, and those of customers as their history; strays are in the trash.
        bench.reopen();
        let n = usize::try_from(2 * LOADS * CHUNKS).unwrap();
        assert_eq!(bench.parts_on_disk(), n, "{failpoint}");
        bench.assert_no_blobs();
    }
}
