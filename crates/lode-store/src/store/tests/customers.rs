//! Customers: the last row of a key wins, old versions stay while pinned, one layout whatever the loads.

use super::*;
use crate::bucket::hash;
use crate::kv::Span;
use lode_types::TagKind;
use lode_types::Value;

/// Customers in the order that a snapshot promises.
fn in_order(map: &BTreeMap<String, Row>) -> Vec<Row> {
    let mut rows: Vec<Row> = map.values().cloned().collect();
    rows.sort_by_key(|row| (hash(&row.id), row.id.clone()));
    rows
}

fn many(n: u64, from: u64, text: &str) -> Vec<Row> {
    (from..from + n)
        .map(|i| row(&format!("customer {i}"), i64::try_from(i).unwrap(), text))
        .collect()
}

fn blocks(bench: &Bench) -> usize {
    let trees = &bench.inner().core().trees;
    trees.scan(Tree::Blocks, &Span::prefix(b"")).unwrap().len()
}

#[test]
fn the_last_row_of_a_customer_wins() {
    let bench = Bench::new();
    let id = bench.make("c", DatasetKind::Customers);
    let one = bench.load(
        &id,
        "one",
        &[
            &[row("a", 1, "x"), row("b", 1, "x"), row("a", 2, "")],
            &[row("b", 3, "y")],
        ],
    );
    assert_eq!((one.accepted_rows, one.replaced_rows), (4, 2));
    let before = bench.pin(&id, None).unwrap();
    let two = bench.load(&id, "two", &[&[row("b", None, "z"), row("c", 9, "")]]);
    assert_eq!(two.replaced_rows, 1);
    let after = bench.pin(&id, None).unwrap();
    assert_eq!((before.version(), after.version()), (1, 2));
    let sorted = |snapshot: &Snapshot| {
        let mut rows = rows(snapshot);
        rows.sort();
        rows
    };
    assert_eq!(sorted(&before), vec![row("a", 2, ""), row("b", 3, "y")]);
    assert_eq!(
        sorted(&after),
        vec![row("a", 2, ""), row("b", None, "z"), row("c", 9, "")]
    );
    let one = |snapshot: &Snapshot, id: &str| {
        snapshot
            .customer(&customer(id))
            .unwrap()
            .map(|b| rows_of(&b))
    };
    assert_eq!(one(&before, "b"), Some(vec![row("b", 3, "y")]));
    assert_eq!(one(&after, "b"), Some(vec![row("b", None, "z")]));
    assert_eq!(one(&before, "c"), None);
    // Merged chunks stay as the dataset's history.
    assert_eq!(bench.parts_on_disk(), 3);
}

#[test]
fn buckets_grow_and_old_versions_stay() {
    let mut bench = Bench::new();
    let id = bench.make("c", DatasetKind::Customers);
    let mut naive = BTreeMap::new();
    let mut pinned = Vec::new();
    for round in 0..6_u64 {
        let load = many(40 << round, round * 10, &format!("text of round {round}"));
        naive.extend(load.iter().map(|row| (row.id.clone(), row.clone())));
        bench.load(&id, &format!("load {round}").replace(' ', "-"), &[&load]);
        pinned.push((bench.pin(&id, None).unwrap(), in_order(&naive)));
        let layout = crate::catalog::head(&bench.inner().core().trees, 1)
            .unwrap()
            .layout;
        assert!(layout.generation >= 1);
    }
    let head = crate::catalog::head(&bench.inner().core().trees, 1).unwrap();
    assert!(head.layout.generation > 1, "{:?}", head.layout);
    assert!(head.layout.bits >= 4, "{:?}", head.layout);
    let mean = head.bytes >> head.layout.bits;
    assert!((500..4096).contains(&mean), "{mean}");
    for (snapshot, expected) in &pinned {
        assert_eq!(rows(snapshot), *expected);
    }
    // Unpinned versions go with the next commit, and their blocks with them.
    let all = blocks(&bench);
    pinned.clear();
    bench.load(&id, "last", &[&[row("customer 1", 5, "")]]);
    naive.insert("customer 1".to_owned(), row("customer 1", 5, ""));
    assert_eq!(rows(&bench.pin(&id, None).unwrap()), in_order(&naive));
    assert!(blocks(&bench) < all);
    assert_eq!(blocks(&bench), naive_blocks(&bench, &id));
    assert_eq!(
        bench.pin(&id, Some(3)).unwrap_err().to_string(),
        "dataset \"c\": expected a version from 7 to 7, found 3"
    );
    bench.reopen();
    assert_eq!(rows(&bench.pin(&id, None).unwrap()), in_order(&naive));
    bench.assert_no_blobs();
}

/// Blocks that the newest version needs, counted page by page.
fn naive_blocks(bench: &Bench, id: &DatasetId) -> usize {
    let trees = &bench.inner().core().trees;
    let known = crate::catalog::known(trees, id).unwrap();
    crate::bucket::Blocks::new(
        trees,
        known.number,
        known.head.layout,
        known.head.version,
        0,
        u32::MAX,
    )
    .map(|stored| usize::from(stored.unwrap().pages()))
    .sum()
}

#[test]
fn the_same_rows_in_other_loads_give_the_same_file() {
    let bench = Bench::new();
    let load = many(500, 0, "same");
    let bytes = |name: &str, chunks: &[&[Row]]| {
        use std::os::unix::fs::FileExt;
        let id = bench.make(name, DatasetKind::Customers);
        bench.load(&id, "a", &[]);
        for (i, chunk) in chunks.iter().enumerate() {
            bench.load(&id, &format!("load-{i}"), &[chunk]);
        }
        let file = bench.pin(&id, None).unwrap().files().unwrap().remove(0);
        let mut bytes = vec![0; usize::try_from(file.bytes).unwrap()];
        file.file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    let reversed: Vec<Row> = load.iter().rev().cloned().collect();
    let whole = bytes("whole", &[&load]);
    assert_eq!(
        bytes("cut", &[&load[..100], &load[100..101], &load[101..]]),
        whole
    );
    assert_eq!(bytes("reversed", &[&reversed]), whole);
}

#[test]
fn rows_wider_than_a_page_work() {
    let mut bench = Bench::new();
    let id = bench.make("c", DatasetKind::Customers);
    let wide: Vec<Row> = (0..20)
        .map(|i| row(&format!("wide {i}"), i, &format!("{i} ").repeat(5000)))
        .collect();
    bench.load(&id, "wide", &[&wide]);
    bench.load(&id, "one", &[&[row("wide 3", 33, &"w".repeat(50_000))]]);
    let mut naive: BTreeMap<String, Row> =
        wide.into_iter().map(|row| (row.id.clone(), row)).collect();
    naive.insert("wide 3".to_owned(), row("wide 3", 33, &"w".repeat(50_000)));
    bench.reopen();
    assert_eq!(rows(&bench.pin(&id, None).unwrap()), in_order(&naive));
    // The block of 50,000 bytes was replaced as a whole.
    bench.load(&id, "small", &[&[row("wide 3", 3, "small")]]);
    naive.insert("wide 3".to_owned(), row("wide 3", 3, "small"));
    assert_eq!(rows(&bench.pin(&id, None).unwrap()), in_order(&naive));
    assert_eq!(blocks(&bench), naive_blocks(&bench, &id));
    bench.assert_no_blobs();
}

#[test]
fn int64_keys_are_decimal_text() {
    let bench = Bench::new();
    let mut new = new_dataset(DatasetKind::Customers);
    new.schema = Schema::new(vec![
        Column::new("n", ColumnType::Int64)
            .with_role(Role::CustomerId)
            .required(),
        Column::new("since", ColumnType::Date),
        Column::new("seen", ColumnType::Timestamp),
        Column::new("vip", ColumnType::Bool),
        Column::new("spend", ColumnType::Float64),
    ])
    .unwrap();
    let id = dataset("ints");
    let arrow = Arc::new(new.schema.to_arrow());
    bench.create_dataset(&id, new).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values([-5, 12346, i64::MIN])),
        Arc::new(Date32Array::from(vec![Some(1), None, Some(-3)])),
        Arc::new(
            TimestampMicrosecondArray::from(vec![None, Some(7), Some(8)]).with_timezone("UTC"),
        ),
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        Arc::new(Float64Array::from(vec![1.5, -0.0, 2.0])),
    ];
    let batch = RecordBatch::try_new(arrow, columns).unwrap();
    let load = bench.start(&id, "load");
    let staged = bench.stage_chunk(&id, &load, 0, &batch).unwrap();
    bench.record(&id, &load, 0, Some(staged), vec![]).unwrap();
    bench.commit_ingest(&id, &load, 1).unwrap();
    let snapshot = bench.pin(&id, None).unwrap();
    for (i, key) in ["-5", "12346", "-9223372036854775808"].iter().enumerate() {
        let found = snapshot.customer(&customer(key)).unwrap().unwrap();
        assert_eq!(found, batch.slice(i, 1));
    }
    assert_eq!(snapshot.customer(&customer("+5")).unwrap(), None);
}

#[test]
fn tags_replace_by_key_and_lie_beside() {
    let mut bench = Bench::new();
    let tag = |key: &str, value: f64, job: &str| Tag {
        key: key.to_owned(),
        kind: TagKind::Score,
        value: Value::Float(value),
        job: job.to_owned(),
        time: Timestamp(1),
    };
    let mut written = Vec::new();
    for i in 0..3000 {
        written.push((
            customer(&format!("c{i}")),
            tag("churn/score", f64::from(i), "job-1"),
        ));
    }
    written.push((customer("c7"), tag("churn/score", 0.5, "job-1")));
    written.push((customer("c7"), tag("a/first", 0.25, "job-1")));
    bench.write_tags(written).unwrap();
    bench
        .write_tags(vec![(customer("c8"), tag("churn/score", 0.75, "job-2"))])
        .unwrap();
    bench.write_tags(vec![]).unwrap();
    bench.crash();
    assert_eq!(
        bench.tags(&customer("c7")).unwrap(),
        vec![
            tag("a/first", 0.25, "job-1"),
            tag("churn/score", 0.5, "job-1")
        ]
    );
    assert_eq!(
        bench.tags(&customer("c8")).unwrap(),
        vec![tag("churn/score", 0.75, "job-2")]
    );
    for i in (9..3000).step_by(97) {
        let found = bench.tags(&customer(&format!("c{i}"))).unwrap();
        assert_eq!(found, vec![tag("churn/score", f64::from(i), "job-1")]);
    }
    assert_eq!(bench.tags(&customer("nobody")).unwrap(), vec![]);
    bench.assert_no_blobs();
}
