//! SIGKILL, counted: at every step of every commit, and at any time, under loads, small
//! writes and rolls; what was acknowledged is there once, what was not is whole or absent.
//!
//! Twelve rounds, or two hundred with `LODE_SLOW_TESTS=1`, or as many as `LODE_KILL_ROUNDS` says.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use super::*;
use crate::NewRows;

const CHILD_DIR: &str = "LODE_STORE_KILL_DIR";
const FIRST: &str = "LODE_STORE_KILL_FIRST";
/// Each step of a commit, and after how many passages at most.
const STEPS: [(&str, u64); 9] = [
    ("part.written", 12),
    ("part.renamed", 12),
    ("txn.applied", 40),
    ("txn.flushed", 40),
    ("txn.synced", 40),
    ("marker.written", 4),
    ("commit.blocks", 3),
    ("commit.flip", 4),
    ("roll.flip", 1),
];
/// Rounds in one directory.
const TOGETHER: u64 = 10;
const OPERATIONS: u64 = 150;

/// What operation `i` writes, and where: all of it follows from its number.
fn operation(i: u64) -> (&'static str, bool, Vec<Row>) {
    let number = i.cast_signed();
    let rows = |n: u64, from: u64| {
        (from..from + n)
            .map(|k| row(&format!("c{}", k % 700), number, "a text"))
            .collect::<Vec<_>>()
    };
    match i % 10 {
        0 => ("e", true, rows(40, i)),
        3 => ("c", true, rows(120, i * 13)),
        1 | 5 | 7 => ("e", false, rows(9000, i)),
        2 | 8 => ("c", false, rows(3, i * 31)),
        9 => ("c", false, rows(300, i * 7)),
        _ => ("e", false, rows(1 + i % 3, i)),
    }
}

fn run_operation(bench: &Bench, i: u64) {
    let (name, is_load, rows) = operation(i);
    let (id, name) = (dataset(name), format!("op-{i}"));
    if !is_load {
        let put = bench.put_rows(NewRows {
            dataset: id,
            request: ingest_id(&name),
            rows: batch(&rows),
            rejected_rows: 0,
        });
        assert_eq!(put.unwrap().accepted_rows, rows.len() as u64);
        return;
    }
    let load = bench.start(&id, &name);
    let next = bench.ingest(&id, &load).unwrap().next_seq;
    for (seq, rows) in (0..).zip(rows.chunks(rows.len() / 2)) {
        if seq >= next {
            bench.append(&id, &load, seq, rows).unwrap();
        }
    }
    bench.commit_ingest(&id, &load, 2).unwrap();
}

/// Not a test by itself: what the child of the test below does.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD_DIR) else {
        return;
    };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let mut bench = Bench::new();
    bench.store = Some(Store::open(Path::new(&dir), bench.options()).unwrap());
    bench.make("e", DatasetKind::Events);
    bench.make("c", DatasetKind::Customers);
    let acks = Path::new(&dir).with_extension("acks");
    let mut acks = File::options()
        .append(true)
        .create(true)
        .open(acks)
        .unwrap();
    for i in first..first + OPERATIONS {
        run_operation(&bench, i);
        writeln!(acks, "{i}").unwrap();
    }
}

/// Starts the child at operation `first` and sees it end; whether it was killed.
fn killed(dir: &Path, first: u64, failpoint: &str, pause: Option<Duration>) -> bool {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::kills::child"])
        .env(CHILD_DIR, dir)
        .env(FIRST, first.to_string())
        .env("LODE_FAILPOINTS", failpoint)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if let Some(pause) = pause {
        std::thread::sleep(pause);
        child.kill().unwrap();
    }
    !child.wait().unwrap().success()
}

/// Whether what the store shows is what the operations below `acked` made, and of `acked`
/// itself all or nothing.
fn verify(bench: &Bench, first: u64, acked: u64, what: &str) {
    if bench.datasets().unwrap().len() < 2 {
        assert_eq!(acked, first, "{what}: the datasets are lost");
        return;
    }
    let mut seen: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for row in rows(&bench.pin(&dataset("e"), None).unwrap()) {
        seen.entry(row.number.unwrap()).or_default().push(row.id);
    }
    let mut people: BTreeMap<String, Row> = BTreeMap::new();
    let found: BTreeSet<Row> = rows(&bench.pin(&dataset("c"), None).unwrap())
        .into_iter()
        .collect();
    for i in first..=acked {
        let (name, _, written) = operation(i);
        if name == "e" {
            let mut expected: Vec<String> = written.into_iter().map(|row| row.id).collect();
            let mut shown = seen.remove(&i.cast_signed()).unwrap_or_default();
            expected.sort();
            shown.sort();
            let absent = i == acked && shown.is_empty();
            assert!(shown == expected || absent, "{what}: rows of operation {i}");
        } else {
            let before = people.clone();
            people.extend(written.into_iter().map(|row| (row.id.clone(), row)));
            if i == acked && found != people.values().cloned().collect() {
                people = before;
            }
        }
    }
    assert!(
        seen.is_empty(),
        "{what}: rows of operations that never were"
    );
    assert_eq!(found, people.into_values().collect(), "{what}: customers");
}

#[test]
fn no_kill_loses_or_doubles_anything() {
    let slow = std::env::var("LODE_SLOW_TESTS").is_ok_and(|slow| slow == "1");
    let rounds = std::env::var("LODE_KILL_ROUNDS").map_or(if slow { 200 } else { 12 }, |rounds| {
        rounds.parse().unwrap()
    });
    let mut dice = Dice(20_261_121);
    let mut table: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut bench = Bench::new();
    let (mut first, mut acked, mut waited) = (0, 0, Duration::ZERO);
    for round in 0..rounds {
        if round % TOGETHER == 0 {
            bench = Bench::new();
            first = acked + 1;
            acked = first;
        }
        drop(bench.store.take());
        let dir = bench.path("");
        let acks = dir.with_extension("acks");
        // Each step in turn, and every fourth time no step but a moment.
        let step = usize::try_from(round % 12).unwrap();
        let (name, failpoint, pause) = match STEPS.get(step) {
            Some((name, most)) => {
                let at = 1 + dice.below(*most);
                (*name, format!("{name}=kill@{at}"), None)
            }
            None => {
                let pause = Duration::from_millis(30 + dice.below(900));
                ("any time", String::new(), Some(pause))
            }
        };
        let what = format!("round {round}, {failpoint} {pause:?}, from {acked}");
        let mut is_killed = killed(&dir, acked, &failpoint, pause);
        let done = std::fs::read_to_string(&acks).unwrap_or_default();
        if let Some(last) = done.lines().last() {
            acked = acked.max(last.parse::<u64>().unwrap() + 1);
        }
        let start = Instant::now();
        bench.open().unwrap();
        waited += start.elapsed();
        verify(&bench, first, acked, &what);
        if !is_killed {
            // The step was passed less often than thought: once more, at the first passage.
            drop(bench.store.take());
            is_killed = killed(&dir, acked, &format!("{name}=kill@1"), None);
            let done = std::fs::read_to_string(&acks).unwrap_or_default();
            if let Some(last) = done.lines().last() {
                acked = acked.max(last.parse::<u64>().unwrap() + 1);
            }
            bench.open().unwrap();
            verify(&bench, first, acked, &what);
        }
        let entry = table.entry(name).or_default();
        entry.0 += u64::from(is_killed);
        entry.1 += 1;
        bench.assert_no_blobs();
    }
    let mut text =
        format!("\nkills: {rounds} rounds, {acked} writes acknowledged, none lost or doubled;");
    text.push_str(&format!(
        " opened again in {:.1} ms on average\n",
        waited.as_secs_f64() * 1000.0 / f64::from(u32::try_from(rounds).unwrap())
    ));
    for (name, (killed, tried)) in &table {
        text.push_str(&format!("  {name:<16} {killed:>4} of {tried}\n"));
        assert!(*killed == *tried, "{name}: killed {killed} of {tried}");
    }
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
