//! What an earlier process left: locks, junk, half commits, orphans, poison.

use super::*;
use crate::failpoint::Failpoints;
use crate::ingest::Place;
use crate::record::Intent;
use crate::record::Layout;
use crate::record::State;

#[test]
fn a_second_engine_is_kept_out() {
    let bench = Bench::new();
    let dir = bench.path("");
    let error = Store::open(&dir, bench.options()).unwrap_err();
    assert_eq!(error.reason(), "STORE_LOCKED");
    assert!(
        error.to_string().contains(&*dir.to_string_lossy()),
        "{error}"
    );
}

#[test]
fn other_directories_are_refused_untouched() {
    let dir = TempDir::new().unwrap();
    let open = || Store::open(dir.path(), Options::default());
    std::fs::write(dir.path().join("photo.jpg"), "x").unwrap();
    assert_eq!(open().unwrap_err().reason(), "STORE_FOREIGN");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    std::fs::remove_file(dir.path().join("photo.jpg")).unwrap();
    std::fs::write(dir.path().join("FORMAT"), "lode-store 3\n").unwrap();
    let error = open().unwrap_err();
    assert_eq!(error.reason(), "STORE_TOO_NEW");
    assert!(
        error
            .to_string()
            .starts_with("expected storage format 2 or older in "),
        "{error}"
    );
    std::fs::write(dir.path().join("FORMAT"), "something else\n").unwrap();
    assert_eq!(open().unwrap_err().reason(), "STORE_FOREIGN");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn unfinished_and_truncated_snapshots_do_not_matter() {
    let mut bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    bench.load(&id, "one", &[&[row("a", 1, "x")]]);
    // sled writes a snapshot of its index when it recovers.
    bench.reopen();
    bench.load(&id, "two", &[&[row("b", 2, "y")]]);
    bench.store.take().unwrap().close().unwrap();
    std::fs::write(bench.path("sled/snap.00FF.generating"), "junk").unwrap();
    let mut cut = 0;
    for entry in std::fs::read_dir(bench.path("sled")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("snap.") && !name.ends_with(".generating") {
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            cut += 1;
        }
    }
    assert!(cut > 0);
    bench.open().unwrap();
    assert_eq!(std::fs::read_dir(bench.path("aside")).unwrap().count(), cut);
    assert!(!bench.path("sled/snap.00FF.generating").exists());
    assert_eq!(
        rows(&bench.pin(&id, None).unwrap()),
        vec![row("a", 1, "x"), row("b", 2, "y")]
    );
}

#[test]
fn a_poisoned_store_reads_but_does_not_write() {
    let bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    bench.load(&id, "one", &[&[row("a", 1, "x")]]);
    let load = bench.start(&id, "two");
    let staged = bench
        .stage_chunk(&id, &load, 0, &batch(&[row("b", 2, "")]))
        .unwrap();
    bench.inner().core().poison("the disk is on fire");
    let error = bench
        .record(&id, &load, 0, Some(staged), vec![])
        .unwrap_err();
    assert_eq!(
        (error.reason(), error.class()),
        ("STORE_POISONED", lode_types::Class::Unavailable)
    );
    assert_eq!(
        error.to_string(),
        "the store refuses writes since the disk is on fire; restart the engine"
    );
    assert!(bench.stage_chunk(&id, &load, 0, &batch(&[])).is_err());
    assert!(bench.write_docs(vec![]).is_err());
    assert!(bench.commit_ingest(&id, &load, 0).is_err());
    assert_eq!(rows(&bench.pin(&id, None).unwrap()), vec![row("a", 1, "x")]);
    assert_eq!(bench.close().unwrap_err().reason(), "STORE_POISONED");
    assert!(!bench.path("CLEAN").exists());
}

#[test]
fn a_closed_store_refuses_writes() {
    let bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    bench.close().unwrap();
    assert!(bench.path("CLEAN").exists());
    assert_eq!(
        bench.write_docs(vec![]).unwrap_err().reason(),
        "STORE_CLOSED"
    );
    assert_eq!(bench.dataset(&id).unwrap().version, 0);
}

#[test]
fn a_damaged_part_is_found() {
    let mut bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    bench.load(&id, "one", &[&[row("a", 1, "x")]]);
    bench.reopen();
    let part = bench.parts().remove(0);
    let mut bytes = std::fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let error = bench.pin(&id, None).unwrap().files().unwrap_err();
    assert_eq!(
        (error.reason(), error.class()),
        ("PART_DAMAGED", lode_types::Class::Corrupt)
    );
}

#[test]
fn half_commits_are_undone_at_the_next_start() {
    let mut bench = Bench::new();
    let id = bench.make("c", DatasetKind::Customers);
    let rows_before: Vec<Row> = (0..300)
        .map(|i| row(&format!("c{i}"), i, "before"))
        .collect();
    bench.load(&id, "one", &[&rows_before]);
    let before = rows(&bench.pin(&id, None).unwrap());
    let load = bench.start(&id, "two");
    let changes: Vec<Row> = (100..400)
        .map(|i| row(&format!("c{i}"), i, "after"))
        .collect();
    bench.append(&id, &load, 0, &changes).unwrap();
    let blocks = |bench: &Bench| {
        let trees = &bench.inner().core().trees;
        trees
            .scan(Tree::Blocks, &crate::kv::Span::prefix(b""))
            .unwrap()
            .len()
    };
    let n_before = blocks(&bench);
    for relayout in [false, true] {
        // What a commit does before its flip, and then nothing more.
        let inner = bench.inner();
        let trees = &inner.core().trees;
        let head = crate::catalog::head(trees, 1).unwrap();
        let definition = crate::catalog::definition(trees, 1).unwrap();
        let place = Place {
            dataset: 1,
            ingest: 1,
        };
        let after = Layout {
            generation: head.layout.generation + u32::from(relayout),
            bits: head.layout.bits + u8::from(relayout),
        };
        let intent = Intent {
            ingest: 1,
            version: 2,
            before: head.layout,
            after,
        };
        inner
            .committer()
            .run(move |txn| {
                let mut progress = ingest::progress(txn, place)?;
                progress.state = State::Committing;
                ingest::put_progress(txn, place, &progress)?;
                txn.put(Tree::Meta, key::intent(1), intent.encode())
            })
            .unwrap();
        let mut files = Vec::new();
        snapshot::open_parts(inner, place, &mut files).unwrap();
        let files = files.into_iter().map(|file| file.file).collect();
        let merge = crate::merge::Merge::new(
            inner.core(),
            inner.committer(),
            1,
            &definition,
            &head,
            files,
        );
        assert!(merge.unwrap().run(after).unwrap().blocks > 1);
        assert!(blocks(&bench) > n_before);
        assert_eq!(rows(&bench.pin(&id, None).unwrap()), before);
        let error = bench.append(&id, &load, 1, &changes).unwrap_err();
        assert_eq!(error.reason(), "INGEST_COMMITTING");
        bench.crash();
        assert_eq!(blocks(&bench), n_before);
        assert_eq!(rows(&bench.pin(&id, None).unwrap()), before);
    }
    bench.append(&id, &load, 1, &[row("new", 1, "")]).unwrap();
    let done = bench.commit_ingest(&id, &load, 2).unwrap();
    assert_eq!((done.version, done.replaced_rows), (2, 200));
    assert_eq!(rows(&bench.pin(&id, None).unwrap()).len(), 401);
}

#[test]
fn a_commit_that_fails_can_be_repeated() {
    let bench = Bench::new();
    let id = bench.make("c", DatasetKind::Customers);
    let load = bench.start(&id, "one");
    bench.append(&id, &load, 0, &[row("a", 1, "x")]).unwrap();
    let part = bench.parts().remove(0);
    let aside = bench.path("part");
    std::fs::rename(&part, &aside).unwrap();
    assert_eq!(
        bench.commit_ingest(&id, &load, 1).unwrap_err().reason(),
        "PART_DAMAGED"
    );
    assert_eq!(
        bench.ingest(&id, &load).unwrap().state,
        crate::IngestState::Open
    );
    std::fs::rename(&aside, &part).unwrap();
    assert_eq!(bench.commit_ingest(&id, &load, 1).unwrap().version, 1);
    assert_eq!(rows(&bench.pin(&id, None).unwrap()), vec![row("a", 1, "x")]);
}

#[test]
fn parts_without_a_record_go_to_the_trash_after_an_orderly_end() {
    let mut bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    bench.load(&id, "one", &[&[row("a", 1, "x")]]);
    let load = bench.start(&id, "two");
    bench.append(&id, &load, 0, &[row("b", 1, "")]).unwrap();
    bench
        .stage_chunk(&id, &load, 1, &batch(&[row("c", 1, "")]))
        .unwrap()
        .keep();
    bench.crash();
    assert_eq!(bench.parts_on_disk(), 3);
    bench.reopen();
    // The part of the load that is still open has a record, and stays.
    assert_eq!(bench.parts_on_disk(), 2);
    assert_eq!(std::fs::read_dir(bench.path("trash")).unwrap().count(), 1);
    bench.append(&id, &load, 1, &[row("d", 1, "")]).unwrap();
    bench.commit_ingest(&id, &load, 2).unwrap();
    assert_eq!(
        rows(&bench.pin(&id, None).unwrap()),
        vec![row("a", 1, "x"), row("b", 1, ""), row("d", 1, "")]
    );
}

#[test]
fn failpoints_are_read_from_text() {
    let points = Failpoints::parse("txn.fdatasync=skip; txn.flushed=kill@1000;junk;x=y");
    assert!(points.pass("txn.fdatasync"));
    assert!(!points.pass("txn.flushed"));
    assert!(!points.pass("txn.applied"));
    assert!(!points.pass("x"));
}
