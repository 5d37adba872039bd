//! Compacted datasets show the same rows at each version, against a naive model, through
//! kills at each step; and what they cost is bounded.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::CustomerRows;
use crate::NewRows;
use crate::compact::due;
use crate::compact::free;
use crate::compact::step;
use crate::kv::Span;
use crate::runs::Piece;

impl Bench {
    fn number(&self, id: &DatasetId) -> u32 {
        crate::catalog::number(&self.inner().core().trees, id).unwrap()
    }

    fn records(&self, prefix: &[u8]) -> usize {
        let trees = &self.inner().core().trees;
        trees.scan(Tree::Meta, &Span::prefix(prefix)).unwrap().len()
    }
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

/// Files in the directory of a dataset's parts.
fn of_number(bench: &Bench, id: &DatasetId) -> usize {
    let dir = bench.inner().home().parts_of(bench.number(id));
    let is_part = |path: &std::path::PathBuf| path.to_string_lossy().contains(".arrow");
    let files = crate::home::list(&dir).unwrap();
    files.into_iter().filter(is_part).count()
}

/// `n` rows of few customers, all different.
fn some_rows(dice: &mut Dice, n: u64, next: &mut i64) -> Vec<Row> {
    (0..n)
        .map(|_| {
            *next += 1;
            let text = if dice.below(4) == 0 { "" } else { "text" };
            row(&format!("c{}", dice.below(9)), *next, text)
        })
        .collect()
}

#[test]
fn a_compaction_changes_how_rows_lie_and_not_which() {
    let bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    let (mut dice, mut next) = (Dice(1), 0);
    let mut all = Vec::new();
    for load in 0..5 {
        let (one, two) = (
            some_rows(&mut dice, 40, &mut next),
            some_rows(&mut dice, 9, &mut next),
        );
        bench.load(&id, &format!("load-{load}"), &[&one, &two]);
        all.extend(one.into_iter().chain(two));
    }
    bench.inner().set_run_file_rows(100);
    let before = bench.pin(&id, Some(3)).unwrap();
    let newest = bench.pin(&id, None).unwrap();
    let bytes = newest.dataset().size_bytes;
    let expected: Vec<Row> = all[..3 * 49].to_vec();
    assert_eq!(rows(&before), expected);

    let spent = bench.compact(&id).unwrap();
    assert_eq!((spent.runs, spent.rows), (1, 245));
    assert_eq!((spent.read_bytes, spent.loaded_bytes), (bytes, bytes));
    assert_eq!(bench.compact(&id).unwrap(), spent, "nothing is left to do");
    // A reader of before and one of now both see what they did.
    assert_eq!(rows(&before), expected);
    let found = rows(&newest);
    assert_eq!(sorted(found.clone()), sorted(all.clone()));
    // Sorted by customer, and within one as they were stored.
    let mut stored = all.clone();
    stored.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(found, stored);
    let files = newest.files().unwrap();
    let run = files[0].run;
    assert!(files.len() > 1 && run.is_some() && files.iter().all(|file| file.run == run));
    let now = bench.pin(&id, None).unwrap();
    assert_eq!(now.dataset().size_bytes, spent.written_bytes);

    // Nothing goes while it may be read, or is younger than an hour.
    let number = bench.number(&id);
    let parts = bench.parts_on_disk();
    assert_eq!(free(bench.inner(), number).unwrap(), 0);
    bench.clock.0.fetch_add(3_600_000_001, Ordering::SeqCst);
    assert_eq!(
        free(bench.inner(), number).unwrap(),
        0,
        "version 3 is pinned"
    );
    drop(before);
    assert_eq!(free(bench.inner(), number).unwrap(), 10);
    assert_eq!(bench.parts_on_disk(), parts - 10);
    assert_eq!(free(bench.inner(), number).unwrap(), 0);
    assert_eq!(rows(&newest), stored);
    match bench.pin(&id, Some(3)).unwrap_err() {
        Error::VersionNotFound {
            oldest,
            newest,
            found,
            ..
        } => {
            assert_eq!((oldest, newest, found), (5, 5, 3));
        }
        other => panic!("{other}"),
    }
    // Roles that change take the mark of a sorted run away, not the rows.
    let mut columns = schema().columns().to_vec();
    columns[0].role = None;
    let change = DatasetChange {
        columns: Some(Schema::new(columns).unwrap()),
        ..DatasetChange::default()
    };
    drop((newest, now));
    bench.update_dataset(&id, change).unwrap();
    let pinned = bench.pin(&id, None).unwrap();
    assert!(
        pinned
            .files()
            .unwrap()
            .iter()
            .all(|file| file.run.is_none())
    );
    assert_eq!(rows(&pinned), stored);
    drop(pinned);
    bench.delete_dataset(&id, false).unwrap();
    for prefix in [
        key::runs(number),
        key::all_run_parts(),
        key::retired_of(number),
        key::compaction(number),
    ] {
        assert_eq!(bench.records(&prefix), 0);
    }
}

#[test]
fn random_histories_show_each_version_as_it_was() {
    for seed in 0..3 {
        let mut bench = Bench::new();
        let id = bench.make("e", DatasetKind::Events);
        let number = bench.number(&id);
        bench.inner().set_run_file_rows(20);
        let (mut dice, mut next) = (Dice(seed + 1), 0);
        // The rows of each version.
        let mut model: Vec<Vec<Row>> = vec![Vec::new()];
        let mut pinned = Vec::new();
        for action in 0..40 {
            match dice.below(10) {
                0..3 => {
                    let n = 1 + dice.below(30);
                    let new = some_rows(&mut dice, n, &mut next);
                    bench.load(&id, &format!("load-{action}"), &[&new]);
                    let now = [model.last().unwrap().clone(), new].concat();
                    model.push(now);
                }
                3..6 => {
                    let n = 1 + dice.below(4);
                    let new = some_rows(&mut dice, n, &mut next);
                    let new_rows = NewRows {
                        dataset: id.clone(),
                        request: ingest_id(&format!("put-{action}")),
                        rows: batch(&new),
                        rejected_rows: 0,
                    };
                    bench.put_rows(new_rows).unwrap();
                    let now = [model.last().unwrap().clone(), new].concat();
                    model.push(now);
                }
                6 => {
                    bench.compact(&id).unwrap();
                }
                7 => while step(bench.inner(), number, &|| false).unwrap() {},
                8 => {
                    bench.clock.0.fetch_add(2_000_000_000, Ordering::SeqCst);
                    free(bench.inner(), number).unwrap();
                }
                _ => match dice.below(4) {
                    0 => {
                        pinned.clear();
                        bench.inner().set_run_file_rows(1 + dice.below(60) as usize);
                    }
                    1 => {
                        pinned.clear();
                        bench.crash();
                    }
                    _ => pinned.push(bench.pin(&id, None).unwrap()),
                },
            }
            let newest = model.len() as u64 - 1;
            let mut oldest = newest;
            for version in 0..=newest {
                let Ok(snapshot) = bench.pin(&id, Some(version)) else {
                    continue;
                };
                oldest = oldest.min(version);
                let expected = &model[version as usize];
                assert_eq!(
                    sorted(rows(&snapshot)),
                    sorted(expected.clone()),
                    "seed {seed}, action {action}, version {version}"
                );
                let who = customer(&format!("c{}", dice.below(9)));
                let found = snapshot
                    .customer_rows(&who, &CustomerRows::default())
                    .unwrap();
                let of_one: Vec<Row> = expected
                    .iter()
                    .filter(|row| row.id == who.as_str())
                    .cloned()
                    .collect();
                assert_eq!(sorted(rows_of(&found)), sorted(of_one));
            }
            assert!(bench.pin(&id, Some(newest)).is_ok());
            for snapshot in &pinned {
                assert!(snapshot.version() >= oldest);
                assert_eq!(
                    sorted(rows(snapshot)),
                    sorted(model[snapshot.version() as usize].clone())
                );
            }
        }
        bench.assert_no_blobs();
    }
}

#[test]
fn each_row_is_rewritten_only_so_often() {
    let bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    let number = bench.number(&id);
    let (mut dice, mut next) = (Dice(9), 0);
    let (mut loaded, mut most) = (0_u64, 0);
    for load in 0..100 {
        let n = 1 + dice.below(12);
        bench.load(
            &id,
            &format!("load-{load}"),
            &[&some_rows(&mut dice, n, &mut next)],
        );
        loaded += n;
        while step(bench.inner(), number, &|| false).unwrap() {}
        let trees = &bench.inner().core().trees;
        let pieces = crate::runs::pieces(trees, number, u64::MAX - 1).unwrap();
        most = most.max(pieces.len());
    }
    // Powers of four up to all rows.
    let classes = u64::from(loaded.ilog2() / 2 + 1);
    let spent = bench.compaction(&id).unwrap();
    assert!(
        spent.rows <= loaded * classes,
        "{} of {loaded} rows",
        spent.rows
    );
    assert!(spent.rows > loaded, "{} of {loaded} rows", spent.rows);
    // Three of each class at most are left beside each other, in descending order of size.
    assert!(most as u64 <= 4 * classes, "{most} pieces");
}

#[test]
fn what_is_due_goes_by_size() {
    let piece = |rows: u64, run: bool| Piece {
        from: 1,
        to: 1,
        rows,
        run: run.then_some(1),
        loads: Vec::new(),
    };
    let plan = |rows: &[u64]| {
        due(&rows
            .iter()
            .map(|rows| piece(*rows, true))
            .collect::<Vec<_>>())
    };
    assert_eq!(plan(&[]), None);
    assert_eq!(plan(&[10, 10, 10]), None);
    assert_eq!(plan(&[10, 10, 10, 10]), Some((0, 4)));
    // Larger ones are left alone, smaller ones between go along.
    assert_eq!(plan(&[900, 10, 11, 1, 12, 13, 900]), Some((1, 6)));
    assert_eq!(plan(&[10, 10, 900, 10, 10]), None);
    assert_eq!(plan(&[900, 10, 900, 900, 10, 900]), Some((0, 6)));
    // A large load is sorted by itself, a large run is not.
    assert_eq!(due(&[piece(5, true), piece(1 << 20, false)]), Some((1, 2)));
    assert_eq!(plan(&[1 << 20]), None);
}

#[test]
fn one_customers_rows_are_in_order_and_cut_to_what_is_wanted() {
    let bench = Bench::new();
    let id = dataset("visits");
    let new = NewDataset {
        display_name: String::new(),
        kind: DatasetKind::Events,
        schema: Schema::new(vec![
            Column::new("who", ColumnType::Int64).with_role(Role::CustomerId),
            Column::new("at", ColumnType::Timestamp).with_role(Role::EventTime),
            Column::new("n", ColumnType::Int64),
        ])
        .unwrap(),
        labels: BTreeMap::new(),
    };
    bench.create_dataset(&id, new).unwrap();
    let arrow = Arc::new(bench.dataset(&id).unwrap().schema.to_arrow());
    let mut dice = Dice(4);
    let mut all: Vec<(Option<i64>, Option<i64>, i64)> = Vec::new();
    for load in 0..3 {
        let new: Vec<(Option<i64>, Option<i64>, i64)> = (0..500)
            .map(|n| {
                let who = (dice.below(10) > 0).then(|| dice.below(30) as i64);
                let at = (dice.below(10) > 0).then(|| dice.below(50) as i64 * 1_000_000);
                (who, at, load * 500 + n)
            })
            .collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter(new.iter().map(|row| row.0))),
            Arc::new(
                TimestampMicrosecondArray::from_iter(new.iter().map(|row| row.1))
                    .with_timezone("UTC"),
            ),
            Arc::new(Int64Array::from_iter_values(new.iter().map(|row| row.2))),
        ];
        let rows = RecordBatch::try_new(Arc::clone(&arrow), columns).unwrap();
        let ingest = bench.start(&id, &format!("load-{load}"));
        let staged = bench.stage_chunk(&id, &ingest, 0, &rows).unwrap();
        bench
            .record(&id, &ingest, 0, Some(staged), Vec::new())
            .unwrap();
        bench.commit_ingest(&id, &ingest, 1).unwrap();
        all.extend(new);
    }
    for compacted in [false, true] {
        if compacted {
            bench.compact(&id).unwrap();
        }
        let pinned = bench.pin(&id, None).unwrap();
        for who in 0..31 {
            for (from, before, limit) in [
                (None, None, None),
                (Some(10), Some(30), None),
                (None, Some(20), Some(3)),
                (None, None, Some(5)),
            ] {
                let micros = |seconds: Option<i64>| seconds.map(|s| Timestamp(s * 1_000_000));
                let wanted = CustomerRows {
                    columns: Some(vec![2]),
                    from: micros(from),
                    before: micros(before),
                    limit,
                };
                let found = pinned
                    .customer_rows(&customer(&who.to_string()), &wanted)
                    .unwrap();
                let mut expected: Vec<_> = all
                    .iter()
                    .filter(|row| row.0 == Some(who))
                    .filter(|row| {
                        from.is_none() && before.is_none()
                            || row.1.is_some_and(|at| {
                                from.is_none_or(|from| at >= from * 1_000_000)
                                    && before.is_none_or(|before| at < before * 1_000_000)
                            })
                    })
                    .collect();
                expected.sort_by_key(|row| (row.1.is_none(), row.1, row.2));
                let expected: Vec<i64> = expected.iter().map(|row| row.2).collect();
                let expected =
                    &expected[expected.len().saturating_sub(limit.unwrap_or(usize::MAX))..];
                assert_eq!(found.num_columns(), 1);
                assert_eq!(
                    found.column(0).as_primitive::<Int64Type>().values(),
                    expected
                );
            }
        }
        let none = pinned
            .customer_rows(&customer("no number"), &CustomerRows::default())
            .unwrap();
        assert_eq!(none.num_rows(), 0);
    }
    let people = bench.make("people", DatasetKind::Customers);
    let refused = bench
        .pin(&people, None)
        .unwrap()
        .customer_rows(&customer("1"), &CustomerRows::default());
    assert_eq!(refused.unwrap_err().reason(), "NO_CUSTOMER_COLUMN");
}

const CHILD_DIR: &str = "LODE_STORE_COMPACT_DIR";

/// Loads, compacts and frees, over and over; not a test by itself.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD_DIR) else {
        return;
    };
    let mut bench = Bench::new();
    bench.store = Some(Store::open(Path::new(&dir), bench.options()).unwrap());
    let id = bench.make("e", DatasetKind::Events);
    bench.inner().set_run_file_rows(100);
    for round in 0..6_i64 {
        let new: Vec<Row> = (0..200)
            .map(|i| row(&format!("c{}", i % 60), round * 200 + i, "x"))
            .collect();
        bench.load(&id, &format!("load-{round}"), &[&new]);
        bench.compact(&id).unwrap();
        bench.clock.0.fetch_add(4_000_000_000, Ordering::SeqCst);
        free(bench.inner(), bench.number(&id)).unwrap();
    }
}

/// Each step, and after how many passages: two in the short form, all in the long.
const STEPS: [(&str, [u64; 6]); 4] = [
    ("compact.written", [1, 7, 3, 12, 20, 30]),
    ("compact.renamed", [2, 9, 1, 15, 25, 40]),
    ("compact.flip", [1, 4, 2, 3, 5, 6]),
    ("compact.free", [1, 3, 2, 4, 5, 6]),
];

#[test]
fn a_kill_at_any_step_leaves_the_old_or_the_new() {
    let slow = std::env::var("LODE_SLOW_TESTS").is_ok_and(|slow| slow == "1");
    let mut bench = Bench::new();
    let mut kills = 0;
    for (step, passages) in &STEPS {
        for at in &passages[..if slow { 6 } else { 2 }] {
            killed_at(&mut bench, &format!("{step}=kill@{at}"));
            kills += 1;
        }
    }
    let text = format!(
        "\ncompaction: {kills} kills at {} steps, none lost or doubled\n",
        STEPS.len()
    );
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

fn killed_at(bench: &mut Bench, failpoint: &str) {
    let dir = bench.dir.path().join(failpoint);
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["store::tests::compaction::child", "--exact"])
        .env(CHILD_DIR, &dir)
        .env("LODE_FAILPOINTS", failpoint)
        .output()
        .unwrap()
        .status;
    assert!(!status.success(), "{failpoint} was not passed");
    drop(bench.store.take());
    bench.store = Some(Store::open(&dir, bench.options()).unwrap());
    let id = dataset("e");
    let loads = bench.dataset(&id).unwrap().version as i64;
    assert!(loads >= 1);
    let expected: Vec<Row> = (0..loads * 200)
        .map(|n| row(&format!("c{}", n % 200 % 60), n, "x"))
        .collect();
    assert_eq!(
        sorted(rows(&bench.pin(&id, None).unwrap())),
        sorted(expected.clone()),
        "{failpoint}"
    );
    // It goes on from there, and after an orderly end no file is without an owner.
    bench.compact(&id).unwrap();
    bench.clock.0.fetch_add(i64::MAX / 4, Ordering::SeqCst);
    free(bench.inner(), bench.number(&id)).unwrap();
    bench.store.take().unwrap().close().unwrap();
    bench.store = Some(Store::open(&dir, bench.options()).unwrap());
    assert_eq!(
        sorted(rows(&bench.pin(&id, None).unwrap())),
        sorted(expected),
        "{failpoint}"
    );
    assert_eq!(
        of_number(bench, &id),
        bench.records(&key::all_run_parts()),
        "{failpoint}"
    );
    bench.clock.0.store(0, Ordering::SeqCst);
}

#[test]
fn the_thread_compacts_what_is_left_alone() {
    let mut bench = Bench::new();
    let options = Options {
        compact: true,
        ..bench.options()
    };
    drop(bench.store.take());
    bench.store = Some(Store::open(&bench.path(""), options).unwrap());
    let id = bench.make("e", DatasetKind::Events);
    let (mut dice, mut next) = (Dice(2), 0);
    for load in 0..4 {
        bench.load(
            &id,
            &format!("load-{load}"),
            &[&some_rows(&mut dice, 20, &mut next)],
        );
    }
    let started = Instant::now();
    while bench.compaction(&id).unwrap().runs == 0 {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "nothing was compacted"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(bench.pin(&id, None).unwrap().dataset().row_count, 80);
    assert_eq!(rows(&bench.pin(&id, None).unwrap()).len(), 80);
    // The directory is free once the last handle is gone.
    bench.crash();
}

#[test]
fn a_lost_catalog_is_rebuilt_from_runs() {
    for freed in [false, true] {
        let mut bench = Bench::new();
        let id = bench.make("e", DatasetKind::Events);
        let (mut dice, mut next) = (Dice(3), 0);
        let mut all = Vec::new();
        for load in 0..3 {
            let some = some_rows(&mut dice, 90, &mut next);
            bench.load(&id, &format!("load-{load}"), &[&some]);
            all.extend(some);
        }
        bench.inner().set_run_file_rows(100);
        bench.compact(&id).unwrap();
        let later = some_rows(&mut dice, 7, &mut next);
        bench.load(&id, "later", &[&later]);
        if freed {
            bench.clock.0.fetch_add(3_600_000_001, Ordering::SeqCst);
            assert_eq!(free(bench.inner(), bench.number(&id)).unwrap(), 3);
        }
        let mut expected = all.clone();
        expected.extend(later);
        bench.store.take().unwrap().close().unwrap();
        assert_eq!(crate::check(&bench.path("")).unwrap().problems, []);
        assert_eq!(
            crate::check(&bench.path("")).unwrap().orphans,
            Vec::<std::path::PathBuf>::new()
        );

        std::fs::remove_dir_all(bench.path("sled")).unwrap();
        let rebuilt = crate::rebuild(&bench.path(""), false).unwrap();
        assert_eq!(rebuilt.problems, []);
        assert_eq!(rebuilt.datasets, [("e".to_owned(), 4, 277)]);
        bench.store = Some(Store::open(&bench.path(""), bench.options()).unwrap());
        let newest = bench.pin(&id, None).unwrap();
        assert_eq!(sorted(rows(&newest)), sorted(expected.clone()));
        let third = bench.pin(&id, Some(3)).unwrap();
        assert_eq!(sorted(rows(&third)), sorted(all.clone()));
        // It is still known by which columns they are sorted.
        assert!(third.files().unwrap().iter().all(|f| f.run.is_some()));
        // The versions below went with their parts, or are there as they were.
        match bench.pin(&id, Some(1)) {
            Ok(first) => {
                assert!(!freed);
                assert_eq!(rows(&first), all[..90]);
            }
            Err(error) => assert!(freed, "{error}"),
        }
        drop((newest, third));
        // Compacted again it is one run, and old parts go in time.
        bench.compact(&id).unwrap();
        bench.clock.0.fetch_add(i64::MAX / 4, Ordering::SeqCst);
        free(bench.inner(), bench.number(&id)).unwrap();
        bench.clock.0.store(0, Ordering::SeqCst);
        let pinned = bench.pin(&id, None).unwrap();
        assert!(pinned.files().unwrap().iter().all(|f| f.run.is_some()));
        assert_eq!(sorted(rows(&pinned)), sorted(expected));
        drop(pinned);
        bench.store.take().unwrap().close().unwrap();
        assert_eq!(crate::check(&bench.path("")).unwrap().problems, []);
    }
}
