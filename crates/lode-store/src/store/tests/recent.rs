//! Small writes: exactly once, visible at once, rolled into parts, every version as it was.

use std::collections::BTreeMap;

use super::*;
use crate::NewRows;
use crate::Put;

impl Bench {
    fn put(&self, dataset: &DatasetId, request: &str, rows: &[Row]) -> Result<Put> {
        self.put_rows(NewRows {
            dataset: dataset.clone(),
            request: ingest_id(request),
            rows: batch(rows),
            rejected_rows: 0,
        })
    }

    fn roll(&self, number: u32) -> bool {
        crate::recent::roll(self.inner(), number).unwrap()
    }

    fn at(&self, dataset: &DatasetId, version: u64) -> Vec<Row> {
        rows(&self.pin(dataset, Some(version)).unwrap())
    }
}

#[test]
fn a_request_is_done_once() {
    let mut bench = Bench::new();
    for (kind, replaced) in [(DatasetKind::Events, 0), (DatasetKind::Customers, 1)] {
        let id = bench.make(kind.as_str(), kind);
        let first = bench.put(&id, "one", &[row("a", 1, "x")]).unwrap();
        assert_eq!(
            first,
            Put {
                duplicate: false,
                version: 1,
                accepted_rows: 1,
                rejected_rows: 0,
                replaced_rows: 0
            }
        );
        let second = bench.put(&id, "two", &[row("a", 2, "y")]).unwrap();
        assert_eq!((second.version, second.replaced_rows), (2, replaced));
        let expected = match kind {
            DatasetKind::Customers => vec![row("a", 2, "y")],
            _ => vec![row("a", 1, "x"), row("a", 2, "y")],
        };
        for _ in 0..2 {
            let again = bench.put(&id, "one", &[row("a", 1, "x")]).unwrap();
            assert_eq!(
                again,
                Put {
                    duplicate: true,
                    ..first
                }
            );
            let error = bench.put(&id, "one", &[row("a", 3, "x")]).unwrap_err();
            assert_eq!(error.reason(), "REQUEST_EXISTS");
            assert_eq!(rows(&bench.pin(&id, None).unwrap()), expected);
            assert_eq!(bench.dataset(&id).unwrap().version, 2);
            bench.crash();
        }
    }
    bench.assert_no_blobs();
}

#[test]
fn every_version_is_as_it_was_before_and_after_a_roll() {
    let mut bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    let mut expected: Vec<Row> = Vec::new();
    let mut versions = vec![Vec::new()];
    let mut dice = Dice(11);
    for i in 0..60_u64 {
        let n = dice.below(5) + 1;
        let new: Vec<Row> = (0..n)
            .map(|k| {
                row(
                    &format!("c{}", dice.below(9)),
                    i64::try_from(i * 10 + k).unwrap(),
                    "",
                )
            })
            .collect();
        match i % 7 {
            3 => drop(bench.load(&id, &format!("load-{i}"), &[&new])),
            _ => drop(bench.put(&id, &format!("put-{i}"), &new).unwrap()),
        }
        expected.extend(new);
        versions.push(expected.clone());
        if dice.below(12) == 0 {
            assert_eq!(
                bench.roll(1),
                i % 7 != 3 || bench.dataset(&id).unwrap().version > i
            );
        }
        if dice.below(12) == 0 {
            bench.crash();
        }
    }
    let check = |bench: &Bench| {
        for (version, expected) in (0..).zip(&versions) {
            let mut found = bench.at(&id, version);
            let mut expected = expected.clone();
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "version {version}");
        }
        // What came between two versions is what they differ by.
        for (to, now) in (0..).zip(&versions).step_by(7) {
            let snapshot = bench.pin(&id, Some(to)).unwrap();
            for (from, before) in (0..=to).zip(&versions) {
                let since = snapshot.rows_since(from, &[0, 1, 2], u64::MAX).unwrap();
                let since = since.expect("nothing was compacted");
                let mut found: Vec<Row> = since.iter().flat_map(rows_of).collect();
                let mut expected = now[before.len()..].to_vec();
                found.sort();
                expected.sort();
                assert_eq!(found, expected, "{from} to {to}");
            }
        }
    };
    check(&bench);
    bench.roll(1);
    assert!(!bench.roll(1), "nothing is left to roll");
    check(&bench);
    bench.reopen();
    check(&bench);
    let waiting = crate::kv::Span::prefix(&key::recents(1));
    let left = bench
        .inner()
        .core()
        .trees
        .scan(Tree::Meta, &waiting)
        .unwrap();
    assert!(left.is_empty(), "{} blocks of rolled rows", left.len());

    // Once the rows are sorted and what they were is freed, the same or no answer.
    bench.compact(&id).unwrap();
    let put = bench.put(&id, "after", &[row("c1", 7, "")]).unwrap();
    let snapshot = bench.pin(&id, None).unwrap();
    let last = snapshot.rows_since(put.version - 1, &[0, 1], 10).unwrap();
    assert_eq!(last.expect("it has its own block")[0].num_rows(), 1);
    assert_eq!(snapshot.rows_since(0, &[0], 10).unwrap(), None, "too many");
    for (from, before) in (0..put.version).zip(&versions) {
        if let Some(since) = snapshot.rows_since(from, &[0, 1, 2], u64::MAX).unwrap() {
            let n: usize = since.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(n, expected.len() + 1 - before.len(), "since {from}");
        }
    }
}

#[test]
fn customers_are_the_last_rows_whether_put_or_loaded() {
    let mut bench = Bench::new();
    let id = bench.make("c", DatasetKind::Customers);
    let mut model: BTreeMap<String, Row> = BTreeMap::new();
    let mut dice = Dice(5);
    for i in 0..120_u64 {
        let n = match dice.below(10) {
            0 => 400,
            _ => dice.below(6) + 1,
        };
        let new: Vec<Row> = (0..n)
            .map(|k| {
                let id = format!("c{}", dice.below(600));
                row(&id, i64::try_from(i * 1000 + k).unwrap(), "some text")
            })
            .collect();
        let before = model.len() as u64;
        for row in &new {
            model.insert(row.id.clone(), row.clone());
        }
        let replaced = before + n - model.len() as u64;
        if dice.below(8) == 0 {
            let done = bench.load(&id, &format!("load-{i}"), &[&new]);
            assert_eq!(done.replaced_rows, replaced);
        } else {
            let request = format!("put-{i}");
            let put = bench.put(&id, &request, &new).unwrap();
            assert_eq!((put.version, put.replaced_rows), (i + 1, replaced));
            let again = bench.put(&id, &request, &new).unwrap();
            assert!(again.duplicate && again.version == i + 1);
        }
        if dice.below(20) == 0 {
            bench.crash();
        }
        if dice.below(20) == 0 {
            bench.roll(1);
        }
    }
    let mut found = rows(&bench.pin(&id, None).unwrap());
    found.sort();
    assert_eq!(found, model.into_values().collect::<Vec<_>>());
    bench.assert_no_blobs();
}

#[test]
fn many_writers_at_once_lose_and_double_nothing() {
    let bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    let customers = bench.make("c", DatasetKind::Customers);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (bench, id, customers) = (&bench, &id, &customers);
            scope.spawn(move || {
                for i in 0..40 {
                    let new = [row(&format!("w{writer}-{i}"), i, "")];
                    let request = format!("r-{writer}-{i}");
                    for _ in 0..2 {
                        bench.put(id, &request, &new).unwrap();
                        bench.put(customers, &request, &new).unwrap();
                    }
                }
            });
        }
        let (bench, customers) = (&bench, &customers);
        scope.spawn(move || {
            for i in 0..4 {
                let new: Vec<Row> = (0..300).map(|k| row(&format!("l{k}"), i, "")).collect();
                bench.load(customers, &format!("load-{i}"), &[&new]);
                bench.roll(1);
            }
        });
    });
    for (id, more) in [(&id, 0), (&customers, 300)] {
        let mut ids: Vec<String> = rows(&bench.pin(id, None).unwrap())
            .into_iter()
            .map(|row| row.id)
            .collect();
        ids.sort();
        let n = ids.len();
        ids.dedup();
        assert_eq!((n, ids.len()), (320 + more, 320 + more));
    }
    assert_eq!(bench.dataset(&id).unwrap().version, 320);
    assert_eq!(bench.dataset(&customers).unwrap().version, 324);
}

#[test]
fn old_answers_are_forgotten_and_too_many_rows_refused() {
    let bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    bench.put(&id, "old", &[row("a", 1, "")]).unwrap();
    bench
        .clock
        .0
        .store(8 * 24 * 3600 * 1_000_000, Ordering::SeqCst);
    bench.put(&id, "new", &[row("b", 1, "")]).unwrap();
    assert!(bench.put(&id, "new", &[row("b", 1, "")]).unwrap().duplicate);
    assert!(!bench.put(&id, "old", &[row("a", 1, "")]).unwrap().duplicate);
    let many: Vec<Row> = (0..10_001).map(|i| row("a", i, "")).collect();
    let error = bench.put(&id, "many", &many).unwrap_err();
    assert_eq!(error.reason(), "TOO_MANY_ROWS");
    let nothing = bench.put(&id, "nothing", &[]).unwrap();
    assert_eq!((nothing.version, nothing.accepted_rows), (3, 0));
}

#[test]
fn rows_that_fill_a_part_are_rolled_by_themselves() {
    let mut bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    let many: Vec<Row> = (0..9000).map(|i| row(&format!("c{i}"), i, "t")).collect();
    for i in 0..8 {
        bench.put(&id, &format!("p{i}"), &many).unwrap();
    }
    assert_eq!(bench.parts_on_disk(), 1);
    bench.crash();
    assert_eq!(rows(&bench.pin(&id, None).unwrap()).len(), 72_000);
    assert_eq!(rows(&bench.pin(&id, Some(3)).unwrap()).len(), 27_000);
}
