//! Snapshots as of a time against a naive filter over random histories, and what must not leak.

use std::os::unix::fs::FileExt;

use arrow_array::types::Date32Type;
use arrow_array::types::TimestampMicrosecondType;
use lode_parts::Manifest;

use super::*;
use crate::NewRows;
use crate::TableFile;

const DAY: i64 = 86_400_000_000;
/// In every row that is planted in the future.
const PLANTED: &str = "not known yet";

/// A row as the naive version keeps it: who, when, when it was heard of, what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    id: String,
    at: Option<i64>,
    arrived: Option<i64>,
    note: String,
}

/// What a dataset of the test has of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    No,
    Event,
    EventDay,
    EventAndArrival,
}

fn columns(times: Times) -> Schema {
    let at = match times {
        Times::EventDay => ColumnType::Date,
        _ => ColumnType::Timestamp,
    };
    let mut at = Column::new("at", at);
    let mut arrived = Column::new("arrived", ColumnType::Timestamp);
    if times != Times::No {
        at = at.with_role(Role::EventTime);
    }
    if times == Times::EventAndArrival {
        arrived = arrived.with_role(Role::ArrivalTime);
    }
    Schema::new(vec![
        Column::new("id", ColumnType::String)
            .with_role(Role::CustomerId)
            .required(),
        at,
        arrived,
        Column::new("note", ColumnType::String),
    ])
    .unwrap()
}

fn to_batch(schema: &Schema, rows: &[Seen]) -> RecordBatch {
    let at: ArrayRef = match schema.columns()[1].column_type {
        ColumnType::Date => {
            Arc::new(Date32Array::from_iter(rows.iter().map(|row| {
                row.at.map(|at| i32::try_from(at.div_euclid(DAY)).unwrap())
            })))
        }
        _ => Arc::new(
            TimestampMicrosecondArray::from_iter(rows.iter().map(|row| row.at))
                .with_timezone("UTC"),
        ),
    };
    let arrived = TimestampMicrosecondArray::from_iter(rows.iter().map(|row| row.arrived));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.id))),
        at,
        Arc::new(arrived.with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.note))),
    ];
    RecordBatch::try_new(Arc::new(schema.to_arrow()), columns).unwrap()
}

fn from_files(files: &[TableFile]) -> Vec<Seen> {
    let handles = files.iter().map(|file| file.file.try_clone().unwrap());
    let table = Table::open(handles.collect()).unwrap();
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    assert_eq!(table.rows(), rows);
    let mut seen = Vec::new();
    for batch in table.batches() {
        let batch = batch.unwrap();
        let at: Vec<Option<i64>> = match batch.column(1).as_primitive_opt::<Date32Type>() {
            Some(days) => days
                .iter()
                .map(|day| day.map(|day| i64::from(day) * DAY))
                .collect(),
            None => batch
                .column(1)
                .as_primitive::<TimestampMicrosecondType>()
                .iter()
                .collect(),
        };
        let arrived = batch.column(2).as_primitive::<TimestampMicrosecondType>();
        for (i, at) in at.iter().enumerate() {
            seen.push(Seen {
                id: batch.column(0).as_string::<i32>().value(i).to_owned(),
                at: *at,
                arrived: arrived.is_valid(i).then(|| arrived.value(i)),
                note: batch.column(3).as_string::<i32>().value(i).to_owned(),
            });
        }
    }
    seen
}

impl Bench {
    fn make_timed(&self, id: &str, kind: DatasetKind, times: Times) -> DatasetId {
        let id = dataset(id);
        let new = NewDataset {
            schema: columns(times),
            ..new_dataset(kind)
        };
        self.create_dataset(&id, new).unwrap();
        id
    }

    /// A commit of one chunk a slice, at a time of the clock.
    fn load_seen(&self, dataset: &DatasetId, now: i64, chunks: &[&[Seen]]) {
        self.clock.0.store(now, Ordering::SeqCst);
        let schema = self.dataset(dataset).unwrap().schema;
        let version = self.dataset(dataset).unwrap().version;
        let id = self.start(dataset, &format!("load-{version}"));
        for (seq, rows) in (0..).zip(chunks) {
            let staged = self
                .stage_chunk(dataset, &id, seq, &to_batch(&schema, rows))
                .unwrap();
            self.record(dataset, &id, seq, Some(staged), Vec::new())
                .unwrap();
        }
        self.commit_ingest(dataset, &id, chunks.len() as u64)
            .unwrap();
    }

    /// A commit of a few rows at a time of the clock.
    fn put_seen(&self, dataset: &DatasetId, now: i64, rows: &[Seen]) {
        self.clock.0.store(now, Ordering::SeqCst);
        let found = self.dataset(dataset).unwrap();
        let put = self.put_rows(NewRows {
            dataset: dataset.clone(),
            request: ingest_id(&format!("put-{}", found.version)),
            rows: to_batch(&found.schema, rows),
            rejected_rows: 0,
        });
        assert_eq!(put.unwrap().version, found.version + 1);
    }

    fn as_of(&self, dataset: &DatasetId, version: Option<u64>, time: i64) -> Vec<Seen> {
        let snapshot = self.pin(dataset, version).unwrap();
        from_files(&snapshot.files_as_of(Timestamp(time)).unwrap())
    }
}

fn seen(id: &str, at: i64, arrived: i64, note: &str) -> Seen {
    Seen {
        id: id.to_owned(),
        at: Some(at),
        arrived: Some(arrived),
        note: note.to_owned(),
    }
}

/// A row in a random order of times, with many of the same moment and some without one.
fn random_row(dice: &mut Dice, n: usize) -> Seen {
    let moment = |dice: &mut Dice| {
        let moment = i64::try_from(dice.below(12)).unwrap() * DAY / 2 - 2 * DAY;
        (dice.below(10) > 0).then_some(moment)
    };
    let at = moment(dice);
    Seen {
        id: format!("c{}", dice.below(9)),
        at,
        arrived: moment(dice).map(|late| late + at.unwrap_or(0)),
        note: format!("row {n}"),
    }
}

#[test]
fn events_are_those_that_a_naive_filter_keeps() {
    for seed in 1..=8 {
        let times = [Times::Event, Times::EventDay, Times::EventAndArrival][seed as usize % 3];
        let mut dice = Dice(seed * 7919);
        let bench = Bench::new();
        let id = bench.make_timed("e", DatasetKind::Events, times);
        let mut history: Vec<Vec<Seen>> = Vec::new();
        let mut n = 0;
        let with_puts = seed % 2 == 0;
        for commit in 0..2 + dice.below(5) {
            if with_puts && dice.below(2) == 0 {
                n += 1;
                let rows = vec![random_row(&mut dice, n)];
                bench.put_seen(&id, i64::try_from(commit).unwrap(), &rows);
                history.push(rows);
                if dice.below(3) == 0 {
                    crate::recent::roll(bench.inner(), 1).unwrap();
                }
                continue;
            }
            let mut chunks = Vec::new();
            for _ in 0..1 + dice.below(3) {
                // Some chunks lie wholly at one moment, so that zones pass or skip them.
                let fixed = (dice.below(2) == 0).then(|| random_row(&mut dice, 0));
                let mut rows = Vec::new();
                for _ in 0..1 + dice.below(30) {
                    let mut row = random_row(&mut dice, n);
                    if let Some(fixed) = &fixed {
                        (row.at, row.arrived) = (fixed.at, fixed.arrived);
                    }
                    n += 1;
                    rows.push(row);
                }
                chunks.push(rows);
            }
            let slices: Vec<&[Seen]> = chunks.iter().map(Vec::as_slice).collect();
            bench.load_seen(&id, i64::try_from(commit).unwrap(), &slices);
            history.push(chunks.concat());
        }
        if times == Times::EventDay {
            for row in history.iter_mut().flatten() {
                row.at = row.at.map(|at| at.div_euclid(DAY) * DAY);
            }
        }
        let whole = history.len() as u64;
        for version in 1..=whole {
            let known = history[..usize::try_from(version).unwrap()].concat();
            for half_day in -5..14 {
                for off in [0, 1] {
                    let time = half_day * DAY / 2 + off;
                    let before = |moment: Option<i64>| moment.is_some_and(|moment| moment <= time);
                    let mut naive: Vec<Seen> = known
                        .iter()
                        .filter(|row| {
                            before(row.at)
                                && (times != Times::EventAndArrival || before(row.arrived))
                        })
                        .cloned()
                        .collect();
                    let mut found = bench.as_of(&id, Some(version), time);
                    if with_puts {
                        // Small writes are gathered behind the loads among them.
                        naive.sort();
                        found.sort();
                    }
                    assert_eq!(found, naive, "seed {seed}, version {version}, time {time}");
                }
            }
        }
    }
}

#[test]
fn customers_are_those_whose_row_was_valid() {
    for seed in 1..=8 {
        let times = [
            Times::No,
            Times::Event,
            Times::EventDay,
            Times::EventAndArrival,
        ][seed as usize % 4];
        let mut dice = Dice(seed * 104_729);
        let mut bench = Bench::new();
        let id = bench.make_timed("c", DatasetKind::Customers, times);
        // Each row with the time of its commit, in the order of commits.
        let mut history: Vec<Vec<(i64, Seen)>> = Vec::new();
        let mut pins = Vec::new();
        let mut n = 0;
        let mut now = 0;
        for _ in 0..1 + dice.below(6) {
            // Two commits may have one time.
            now += i64::try_from(dice.below(3)).unwrap() * DAY;
            let rows: Vec<Seen> = (0..1 + dice.below(12))
                .map(|_| {
                    n += 1;
                    random_row(&mut dice, n)
                })
                .collect();
            if dice.below(2) == 0 {
                bench.put_seen(&id, now, &rows);
            } else {
                let half = rows.len() / 2;
                bench.load_seen(&id, now, &[&rows[..half], &rows[half..]]);
            }
            if dice.below(3) == 0 {
                crate::recent::roll(bench.inner(), 1).unwrap();
            }
            history.push(rows.into_iter().map(|row| (now, row)).collect());
            pins.push(bench.pin(&id, None).unwrap());
        }
        let day = |at: i64| match times {
            Times::EventDay => at.div_euclid(DAY) * DAY,
            _ => at,
        };
        let check = |version: u64, snapshot: &Snapshot| {
            let known = history[..usize::try_from(version).unwrap()].concat();
            for half_day in (-5..30).step_by(2) {
                for off in [0, 1] {
                    let time = half_day * DAY / 2 + off;
                    let mut naive: BTreeMap<String, (i64, Seen)> = BTreeMap::new();
                    for (committed, row) in &known {
                        let mut row = row.clone();
                        row.at = row.at.map(day);
                        let since = match times {
                            Times::No => *committed,
                            _ => row.at.unwrap_or(*committed),
                        };
                        let arrived = match times {
                            Times::EventAndArrival => row.arrived.unwrap_or(*committed),
                            _ => since,
                        };
                        let wins = naive.get(&row.id).is_none_or(|(best, _)| *best <= since);
                        if since <= time && arrived <= time && wins {
                            naive.insert(row.id.clone(), (since, row));
                        }
                    }
                    let mut naive: Vec<Seen> = naive.into_values().map(|(_, row)| row).collect();
                    naive.sort_by_key(|row| (crate::bucket::hash(&row.id), row.id.clone()));
                    let found = snapshot.files_as_of(Timestamp(time)).unwrap();
                    assert_eq!(
                        from_files(&found),
                        naive,
                        "seed {seed}, version {version}, time {time}"
                    );
                    // Where commits alone date the rows, the end of time is the present.
                    if times == Times::No && half_day == 29 {
                        assert_eq!(from_files(&snapshot.files().unwrap()), naive);
                    }
                }
            }
        };
        for (version, snapshot) in (1..).zip(&pins) {
            check(version, snapshot);
        }
        pins.clear();
        bench.reopen();
        let version = history.len() as u64;
        check(version, &bench.pin(&id, None).unwrap());
    }
}

/// What is after the time is in no byte of what is handed out, and changes nothing of it.
#[test]
fn the_future_does_not_leak() {
    for kind in [DatasetKind::Events, DatasetKind::Customers] {
        let clean = Bench::new();
        let dirty = Bench::new();
        let past: Vec<Seen> = (0..200)
            .map(|i| seen(&format!("c{i}"), i * DAY / 20, i * DAY / 20, "known"))
            .collect();
        let time = 10 * DAY;
        // Of every customer something later, and something earlier that arrived later.
        let future: Vec<Seen> = (0..200)
            .flat_map(|i| {
                let id = format!("c{i}");
                [
                    seen(&id, time + 1, time + 1, PLANTED),
                    seen(&id, i * DAY / 20, time + 1 + i, PLANTED),
                ]
            })
            .collect();
        let ids = [&clean, &dirty].map(|b| b.make_timed("d", kind, Times::EventAndArrival));
        clean.load_seen(&ids[0], 5, &[&past]);
        // Before, after and among the rows that are known.
        dirty.load_seen(&ids[1], 1, &[&future]);
        let mixed: Vec<Seen> = past
            .iter()
            .zip(&future)
            .flat_map(|(a, b)| [b.clone(), a.clone()])
            .collect();
        dirty.load_seen(&ids[1], 5, &[&mixed]);
        dirty.load_seen(&ids[1], 9, &[&future]);
        let files = dirty
            .pin(&ids[1], None)
            .unwrap()
            .files_as_of(Timestamp(time))
            .unwrap();
        assert_eq!(from_files(&files), clean.as_of(&ids[0], None, time));
        for file in &files {
            let mut bytes = vec![0; usize::try_from(file.bytes).unwrap()];
            file.file.read_exact_at(&mut bytes, 0).unwrap();
            let planted = PLANTED.as_bytes();
            assert!(!bytes.windows(planted.len()).any(|bytes| bytes == planted));
        }
        // Later it is there.
        let later = dirty.as_of(&ids[1], None, time + 1000);
        assert!(later.iter().any(|row| row.note == PLANTED));
    }
}

/// Zones let a file through as it is, so that a large past costs nothing.
#[test]
fn whole_files_pass_by_descriptor() {
    let bench = Bench::new();
    let id = bench.make_timed("e", DatasetKind::Events, Times::Event);
    let of_day = |day: i64| -> Vec<Seen> {
        (0..50)
            .map(|i| seen("c", day * DAY + i, 0, "note"))
            .collect()
    };
    bench.load_seen(&id, 1, &[&of_day(1), &of_day(2), &of_day(3), &of_day(4)]);
    let snapshot = bench.pin(&id, None).unwrap();
    let inode =
        |file: &TableFile| std::os::unix::fs::MetadataExt::ino(&file.file.metadata().unwrap());
    let all: Vec<u64> = snapshot.files().unwrap().iter().map(inode).collect();
    let files = snapshot.files_as_of(Timestamp(3 * DAY + 10)).unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!([inode(&files[0]), inode(&files[1])], all[..2]);
    assert_eq!(files[2].rows, 11);
    let files = snapshot.files_as_of(Timestamp(0)).unwrap();
    assert_eq!((files.len(), files[0].rows), (1, 0));
}

#[test]
fn what_has_no_times_is_refused_or_dated_by_its_commits() {
    let bench = Bench::new();
    let events = bench.make_timed("e", DatasetKind::Events, Times::No);
    let error = bench
        .pin(&events, None)
        .unwrap()
        .files_as_of(Timestamp(0))
        .unwrap_err();
    assert_eq!((error.reason(), error.field()), ("AS_OF_NO_TIME", "as_of"));
    assert_eq!(
        error.to_string(),
        "dataset \"e\" cannot be seen as of a time: expected a column with role event_time, found none"
    );
    let items = bench.make_timed("i", DatasetKind::Items, Times::No);
    for day in 1..4 {
        bench.load_seen(&items, day * DAY, &[&[seen("c", 0, 0, &day.to_string())]]);
    }
    let notes = |time| -> Vec<String> {
        let rows = bench.as_of(&items, None, time);
        rows.into_iter().map(|row| row.note).collect()
    };
    assert_eq!(notes(DAY - 1), [""; 0]);
    assert_eq!(notes(2 * DAY), ["1", "2"]);
    assert_eq!(notes(9 * DAY), ["1", "2", "3"]);
}

/// A history is made of parts that say where they belong, and goes with its dataset.
#[test]
fn the_history_is_parts_and_goes_with_its_dataset() {
    let bench = Bench::new();
    let id = bench.make_timed("c", DatasetKind::Customers, Times::Event);
    for day in 0..3 {
        bench.load_seen(&id, day, &[&[seen("a", day, 0, "x")], &[]]);
    }
    assert_eq!(bench.parts_on_disk(), 6);
    let mut manifests: Vec<Manifest> = Vec::new();
    for part in bench.parts() {
        let file = File::open(part).unwrap();
        manifests.push(lode_parts::manifest(&file).unwrap().0);
    }
    manifests.sort_by_key(|manifest| (manifest.ingest.clone(), manifest.seq));
    let named: Vec<String> = manifests
        .iter()
        .map(|m| format!("{} {} {}", m.kind, m.ingest, m.seq))
        .collect();
    assert_eq!(named[0], "customers load-0 0");
    assert_eq!(named[5], "customers load-2 1");
    bench.delete_dataset(&id, false).unwrap();
    assert_eq!(bench.parts_on_disk(), 0);
}
