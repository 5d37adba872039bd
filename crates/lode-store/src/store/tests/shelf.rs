//! Documents and files of the layer above.

use std::io::Read as _;
use std::io::Write as _;

use super::*;

fn put(space: Space, key: &[u8], bytes: &[u8]) -> DocWrite {
    DocWrite::Put {
        space,
        key: key.to_vec(),
        bytes: bytes.to_vec(),
    }
}

#[test]
fn documents_of_any_size_come_back() {
    let mut bench = Bench::new();
    let sizes = [0, 1, 4089, 4090, 4091, 8186, 8187, 100_000, 600_000];
    let bytes = |size: usize, salt: usize| -> Vec<u8> {
        (0..size).map(|i| ((i * 31 + salt) % 251) as u8).collect()
    };
    for salt in 0..2 {
        for (i, size) in sizes.iter().enumerate() {
            // Keys that begin with each other; each is rewritten in another size.
            let key = vec![0; i];
            let size = sizes[(i + salt) % sizes.len()].max(*size) - *size / 2 * salt;
            bench
                .write_docs(vec![put(Space::Models, &key, &bytes(size, salt))])
                .unwrap();
            assert_eq!(
                bench.doc(Space::Models, &key).unwrap(),
                Some(bytes(size, salt))
            );
        }
    }
    bench.reopen();
    let all = bench.docs(Space::Models, b"", None, 100, false).unwrap();
    assert_eq!(all.len(), sizes.len());
    assert_eq!(
        bench.docs(Space::Jobs, b"", None, 100, false).unwrap(),
        vec![]
    );
    let deletes = (0..sizes.len())
        .map(|i| DocWrite::Delete {
            space: Space::Models,
            key: vec![0; i],
        })
        .collect();
    bench.write_docs(deletes).unwrap();
    let trees = &bench.inner().core().trees;
    let left = trees
        .scan(Tree::Docs, &crate::kv::Span::prefix(b""))
        .unwrap();
    assert_eq!(left, vec![]);
    bench.assert_no_blobs();
}

#[test]
fn listing_pages_both_ways() {
    let bench = Bench::new();
    let mut writes = Vec::new();
    let mut keys = Vec::new();
    for i in 0..300_u64 {
        let key = [b"n".as_slice(), &(i * 257).to_be_bytes()].concat();
        writes.push(put(
            Space::Jobs,
            &key,
            &vec![1; usize::try_from(i * 37).unwrap()],
        ));
        keys.push(key);
    }
    writes.push(put(Space::Jobs, b"m", b"other"));
    writes.push(put(Space::Jobs, b"o", b"other"));
    bench.write_docs(writes).unwrap();
    for newest_first in [false, true] {
        let mut expected = keys.clone();
        if newest_first {
            expected.reverse();
        }
        let mut found: Vec<Vec<u8>> = Vec::new();
        loop {
            let after = found.last().map(Vec::as_slice);
            let page = bench
                .docs(Space::Jobs, b"n", after, 7, newest_first)
                .unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page.into_iter().map(|(key, _)| key));
        }
        assert_eq!(found, expected);
    }
    let limited = bench.docs(Space::Jobs, b"n", None, 0, false).unwrap();
    assert_eq!(limited, vec![]);
}

#[test]
fn writes_are_all_or_nothing() {
    let bench = Bench::new();
    let long_key = vec![1; 513];
    let error = bench
        .write_docs(vec![
            put(Space::Jobs, b"a", b"1"),
            put(Space::Jobs, &long_key, b"2"),
        ])
        .unwrap_err();
    assert_eq!(error.reason(), "TOO_LONG");
    assert_eq!(bench.doc(Space::Jobs, b"a").unwrap(), None);
}

#[test]
fn lazy_writes_are_seen_at_once_and_kept() {
    let mut bench = Bench::new();
    for i in 0..50_u8 {
        bench
            .write_docs_lazily(vec![put(Space::JobEvents, &[i], &[i; 10])])
            .unwrap();
        assert_eq!(
            bench.doc(Space::JobEvents, &[i]).unwrap(),
            Some(vec![i; 10])
        );
    }
    bench.crash();
    assert_eq!(
        bench
            .docs(Space::JobEvents, b"", None, 99, false)
            .unwrap()
            .len(),
        50
    );
}

#[test]
fn files_are_adopted_and_orphans_go_to_the_trash() {
    let mut bench = Bench::new();
    let write = |bench: &Bench, name: &str| {
        let mut file = bench.create_file(Area::Outputs, name).unwrap();
        file.write_all(name.as_bytes()).unwrap();
    };
    write(&bench, "kept.arrow");
    bench.adopt_file(Area::Outputs, "kept.arrow").unwrap();
    bench.adopt_file(Area::Outputs, "kept.arrow").unwrap();
    write(&bench, "unadopted.arrow");
    write(&bench, "gone.arrow");
    bench.adopt_file(Area::Outputs, "gone.arrow").unwrap();
    bench.remove_file(Area::Outputs, "gone.arrow").unwrap();
    bench.remove_file(Area::Outputs, "gone.arrow").unwrap();
    let error = bench.open_file(Area::Outputs, "gone.arrow").unwrap_err();
    assert_eq!(
        (error.reason(), error.to_string().as_str()),
        (
            "FILE_NOT_FOUND",
            "file \"gone.arrow\" of outputs does not exist"
        )
    );
    assert_eq!(
        bench
            .adopt_file(Area::Models, "never")
            .unwrap_err()
            .reason(),
        "FILE_NOT_FOUND"
    );
    for bad in ["", "a/b", "..", ".x", "x.tmp", "é"] {
        let error = bench.create_file(Area::Models, bad).unwrap_err();
        assert_eq!(error.reason(), "INVALID_FILE_NAME");
    }
    let mut scratch = bench.scratch_file().unwrap();
    scratch.write_all(b"x").unwrap();
    drop(scratch);

    // After a crash nothing is swept.
    bench.crash();
    assert!(bench.path("outputs/unadopted.arrow.tmp").exists());
    bench.clock.0.store(1_000_000, Ordering::SeqCst);
    bench.reopen();
    assert!(!bench.path("outputs/unadopted.arrow.tmp").exists());
    let trash = || std::fs::read_dir(bench.path("trash")).unwrap().count();
    assert_eq!(trash(), 1);
    let mut text = String::new();
    let mut kept = bench.open_file(Area::Outputs, "kept.arrow").unwrap();
    kept.read_to_string(&mut text).unwrap();
    assert_eq!(text, "kept.arrow");
    let week = 7 * 24 * 3600 * 1_000_000;
    bench.clock.0.store(1_000_000 + week, Ordering::SeqCst);
    bench.reopen();
    assert_eq!(std::fs::read_dir(bench.path("trash")).unwrap().count(), 1);
    bench.clock.0.store(1_000_001 + week, Ordering::SeqCst);
    bench.reopen();
    assert_eq!(std::fs::read_dir(bench.path("trash")).unwrap().count(), 0);
}
