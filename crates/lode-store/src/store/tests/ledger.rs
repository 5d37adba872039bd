//! The ledger of ingests: chunks in order and once, options said once, rejected rows kept.

use super::*;
use crate::CsvOptions;
use crate::IngestState;

fn rejected(row: u32) -> RejectedRow {
    RejectedRow {
        seq: 0,
        row,
        column: "number".to_owned(),
        reason: "NOT_AN_INTEGER".to_owned(),
        message: "expected an integer, found \"x\"".to_owned(),
        row_json: format!("{{\"id\":\"{}\"}}", "j".repeat(3000)),
    }
}

#[test]
fn chunks_come_in_order_and_once() {
    let mut bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    let load = bench.start(&id, "load");
    let first = [row("a", 1, "x"), row("b", None, "")];
    let appended = bench.append(&id, &load, 0, &first).unwrap();
    assert_eq!(
        appended,
        Appended {
            duplicate: false,
            accepted_rows: 2,
            rejected_rows: 0
        }
    );
    let again = bench.append(&id, &load, 0, &first).unwrap();
    assert_eq!(
        again,
        Appended {
            duplicate: true,
            accepted_rows: 2,
            rejected_rows: 0
        }
    );
    let error = bench.append(&id, &load, 2, &first).unwrap_err();
    assert_eq!(error.reason(), "CHUNK_OUT_OF_ORDER");
    assert_eq!(error.to_string(), "expected chunk 1, found chunk 2");
    // Neither the duplicate nor the refused chunk left a file.
    assert_eq!(bench.parts_on_disk(), 1);
    assert_eq!(rows(&bench.pin(&id, None).unwrap()), vec![]);
    bench.crash();
    let found = bench.open_ingest(&id, &load, options()).unwrap();
    assert_eq!((found.next_seq, found.accepted_rows), (1, 2));
    assert_eq!(found.source_position, b"after 0");
    bench.append(&id, &load, 1, &[row("c", 3, "z")]).unwrap();
    let error = bench.commit_ingest(&id, &load, 3).unwrap_err();
    assert_eq!(error.reason(), "CHUNKS_MISSING");
    let done = bench.commit_ingest(&id, &load, 2).unwrap();
    assert_eq!((done.state, done.version), (IngestState::Committed, 1));
    assert_eq!(bench.commit_ingest(&id, &load, 2).unwrap(), done);
    assert!(bench.append(&id, &load, 1, &first).unwrap().duplicate);
    assert_eq!(
        bench.append(&id, &load, 2, &first).unwrap_err().reason(),
        "INGEST_COMMITTED"
    );
    assert_eq!(
        bench.abort_ingest(&id, &load).unwrap_err().reason(),
        "INGEST_COMMITTED"
    );
    bench.reopen();
    let snapshot = bench.pin(&id, None).unwrap();
    // A row without a value in a nullable column is a row.
    assert_eq!(
        rows(&snapshot),
        vec![row("a", 1, "x"), row("b", None, ""), row("c", 3, "z")]
    );
    assert_eq!(bench.parts_on_disk(), 2);
}

#[test]
fn options_are_said_once() {
    let bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    let mut wide = options();
    wide.column_mapping = (0..1000)
        .map(|i| {
            (
                format!("source {i} {}", "s".repeat(100)),
                format!("column {i}"),
            )
        })
        .collect();
    wide.csv = Some(CsvOptions {
        header: vec!["id".to_owned(), "number".to_owned()],
        delimiter: b';',
    });
    let opened = bench
        .open_ingest(&id, &ingest_id("x"), wide.clone())
        .unwrap();
    assert_eq!(opened.options, wide);
    assert_eq!(bench.ingest(&id, &ingest_id("x")).unwrap(), opened);
    assert_eq!(
        bench
            .open_ingest(&id, &ingest_id("x"), wide.clone())
            .unwrap(),
        opened
    );
    wide.csv = None;
    assert_eq!(
        bench
            .open_ingest(&id, &ingest_id("x"), wide)
            .unwrap_err()
            .to_string(),
        "ingest \"x\" exists with another csv"
    );
    assert_eq!(
        bench.ingest(&id, &ingest_id("y")).unwrap_err().reason(),
        "INGEST_NOT_FOUND"
    );
    bench.assert_no_blobs();
}

#[test]
fn rejected_rows_are_kept_and_paged() {
    let bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    let load = bench.start(&id, "load");
    bench
        .record(&id, &load, 0, None, (0..60).map(rejected).collect())
        .unwrap();
    let staged = bench
        .stage_chunk(&id, &load, 1, &batch(&[row("a", 1, "")]))
        .unwrap();
    let appended = bench
        .record(&id, &load, 1, Some(staged), (5..45).map(rejected).collect())
        .unwrap();
    assert_eq!(appended.rejected_rows, 40);
    let error = bench
        .record(&id, &load, 2, None, vec![rejected(0)])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected at most 100 rejected rows in the load, found 101"
    );
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|row: &RejectedRow| (row.seq, row.row));
        let page = bench.rejected_rows(&id, &load, after, 7).unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    let expected: Vec<RejectedRow> = (0..60)
        .map(|i| (0, i))
        .chain((5..45).map(|i| (1, i)))
        .map(|(seq, i)| RejectedRow { seq, ..rejected(i) })
        .collect();
    assert_eq!(found, expected);
    let mut strict = options();
    strict.bad_rows = BadRows::Fail;
    let load = ingest_id("strict");
    bench.open_ingest(&id, &load, strict).unwrap();
    let error = bench
        .record(&id, &load, 0, None, vec![rejected(3)])
        .unwrap_err();
    assert_eq!((error.reason(), error.field()), ("BAD_ROW", "number"));
    assert_eq!(bench.ingest(&id, &load).unwrap().next_seq, 0);
    bench.assert_no_blobs();
}

#[test]
fn aborted_loads_leave_nothing() {
    let bench = Bench::new();
    for kind in [DatasetKind::Events, DatasetKind::Customers] {
        let id = bench.make(kind.as_str(), kind);
        let load = bench.start(&id, "load");
        bench.append(&id, &load, 0, &[row("a", 1, "")]).unwrap();
        bench
            .record(&id, &load, 1, None, vec![rejected(0)])
            .unwrap();
        let aborted = bench.abort_ingest(&id, &load).unwrap();
        assert_eq!(aborted.state, IngestState::Aborted);
        assert_eq!(bench.abort_ingest(&id, &load).unwrap(), aborted);
        assert_eq!(bench.parts_on_disk(), 0);
        assert_eq!(bench.rejected_rows(&id, &load, None, 10).unwrap(), vec![]);
        assert_eq!(
            bench
                .append(&id, &load, 2, &[row("a", 1, "")])
                .unwrap_err()
                .reason(),
            "INGEST_ABORTED"
        );
        assert_eq!(
            bench.commit_ingest(&id, &load, 2).unwrap_err().reason(),
            "INGEST_ABORTED"
        );
        assert_eq!(bench.dataset(&id).unwrap().version, 0);
    }
}

#[test]
fn empty_commits_make_a_version() {
    let bench = Bench::new();
    for kind in [DatasetKind::Events, DatasetKind::Customers] {
        let id = bench.make(kind.as_str(), kind);
        assert_eq!(bench.load(&id, "none", &[]).version, 1);
        assert_eq!(bench.load(&id, "some", &[&[row("a", 1, "")]]).version, 2);
        assert_eq!(bench.load(&id, "no-rows", &[&[]]).version, 3);
        let load = bench.start(&id, "bad-rows-only");
        bench
            .record(&id, &load, 0, None, vec![rejected(0)])
            .unwrap();
        bench.commit_ingest(&id, &load, 1).unwrap();
        assert_eq!(rows(&bench.pin(&id, None).unwrap()), vec![row("a", 1, "")]);
    }
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let bench = Bench::new();
    let id = bench.make("c", DatasetKind::Customers);
    let load = bench.start(&id, "load");
    let good = batch(&[row("a", 1, "")]);
    let error = bench
        .stage_chunk(&id, &load, 0, &good.project(&[0, 1]).unwrap())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected rows of the dataset's columns, found columns id, number"
    );
    let nameless = RecordBatch::try_from_iter_with_nullable([
        (
            "id",
            Arc::new(StringArray::from(vec![Some("a"), None])) as ArrayRef,
            true,
        ),
        (
            "number",
            Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef,
            true,
        ),
        (
            "text",
            Arc::new(StringArray::from(vec!["", ""])) as ArrayRef,
            true,
        ),
    ])
    .unwrap();
    let error = bench.stage_chunk(&id, &load, 0, &nameless).unwrap_err();
    assert_eq!(error.reason(), "MISSING_VALUE");
    assert_eq!(bench.parts_on_disk(), 0);
}

#[test]
fn chunks_staged_by_many_threads_are_recorded_in_order() {
    let bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    let load = bench.start(&id, "load");
    let chunk = |seq: u64| vec![row(&format!("id {seq}"), i64::try_from(seq).unwrap(), "")];
    let mut staged: Vec<(u64, Staged)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (bench, id, load) = (&bench, &id, &load);
                scope.spawn(move || {
                    (0..20)
                        .filter(|seq| seq % 4 == worker)
                        .map(|seq| {
                            (
                                seq,
                                bench
                                    .stage_chunk(id, load, seq, &batch(&chunk(seq)))
                                    .unwrap(),
                            )
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|w| w.join().unwrap())
            .collect()
    });
    staged.sort_by_key(|(seq, _)| *seq);
    for (seq, staged) in staged {
        bench.record(&id, &load, seq, Some(staged), vec![]).unwrap();
    }
    bench.commit_ingest(&id, &load, 20).unwrap();
    let expected: Vec<Row> = (0..20).flat_map(chunk).collect();
    assert_eq!(rows(&bench.pin(&id, None).unwrap()), expected);
}
