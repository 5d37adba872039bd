//! Datasets: made once, changed only where it is harmless, deleted when nobody reads them.

use super::*;

#[test]
fn datasets_are_made_once() {
    let mut bench = Bench::new();
    bench.clock.0.store(5, Ordering::SeqCst);
    let id = dataset("retail");
    let (made, replayed) = bench
        .create_dataset(&id, new_dataset(DatasetKind::Events))
        .unwrap();
    assert!(!replayed);
    assert_eq!((made.display_name.as_str(), made.version), ("retail", 0));
    assert_eq!(made.create_time, Timestamp(5));
    let (again, replayed) = bench
        .create_dataset(&id, new_dataset(DatasetKind::Events))
        .unwrap();
    assert!(replayed);
    assert_eq!(again, made);
    let error = bench
        .create_dataset(&id, new_dataset(DatasetKind::Items))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "dataset \"retail\" exists with another kind"
    );
    bench.reopen();
    assert_eq!(bench.datasets().unwrap(), vec![made]);
    assert_eq!(
        bench.dataset(&dataset("nobody")).unwrap_err().reason(),
        "DATASET_NOT_FOUND"
    );
}

#[test]
fn customers_need_a_key() {
    let bench = Bench::new();
    let mut new = new_dataset(DatasetKind::Customers);
    new.schema = Schema::new(vec![Column::new("id", ColumnType::String)]).unwrap();
    let error = bench.create_dataset(&dataset("c"), new).unwrap_err();
    assert_eq!(
        (error.reason(), error.field()),
        ("INVALID_SCHEMA", "dataset.schema")
    );
}

#[test]
fn roles_change_and_columns_do_not() {
    let bench = Bench::new();
    let id = bench.make("e", DatasetKind::Events);
    bench.load(&id, "one", &[&[row("a", 1, "x")]]);
    let mut columns = schema().columns().to_vec();
    columns[2] = columns[2].clone().with_role(Role::Item);
    let change = DatasetChange {
        columns: Some(Schema::new(columns.clone()).unwrap()),
        display_name: Some("Events".to_owned()),
        ..DatasetChange::default()
    };
    let changed = bench.update_dataset(&id, change).unwrap();
    assert_eq!(changed.display_name, "Events");
    // Parts written before carry the old roles; readers see the new ones.
    let snapshot = bench.pin(&id, None).unwrap();
    assert_eq!(rows(&snapshot), vec![row("a", 1, "x")]);
    columns[1].column_type = ColumnType::Float64;
    let change = DatasetChange {
        columns: Some(Schema::new(columns).unwrap()),
        ..DatasetChange::default()
    };
    assert_eq!(
        bench.update_dataset(&id, change).unwrap_err().to_string(),
        "expected the columns, their types, nullability and key to stay, \
         found column \"number\" of type float64 for int64"
    );
}

#[test]
fn wide_schemas_are_kept_in_pieces() {
    let mut bench = Bench::new();
    let columns = (0..1000)
        .map(|i| {
            let mut column = Column::new(format!("column {i}"), ColumnType::Int64);
            column.description = "d".repeat(900);
            column
        })
        .collect();
    let mut new = new_dataset(DatasetKind::Other);
    new.schema = Schema::new(columns).unwrap();
    let (made, _) = bench.create_dataset(&dataset("wide"), new).unwrap();
    bench.reopen();
    assert_eq!(bench.dataset(&dataset("wide")).unwrap(), made);
    bench.assert_no_blobs();
}

#[test]
fn deletion_waits_for_readers_and_leaves_nothing() {
    let mut bench = Bench::new();
    for kind in [DatasetKind::Events, DatasetKind::Customers] {
        let id = bench.make("d", kind);
        bench.load(&id, "one", &[&[row("a", 1, "x")], &[row("b", 2, "")]]);
        let open = bench.start(&id, "two");
        bench.append(&id, &open, 0, &[row("c", 3, "")]).unwrap();
        let snapshot = bench.pin(&id, None).unwrap();
        assert_eq!(
            bench.delete_dataset(&id, false).unwrap_err().reason(),
            "DATASET_IN_USE"
        );
        assert_eq!(rows(&snapshot).len(), 2);
        drop(snapshot);
        bench.delete_dataset(&id, false).unwrap();
        assert_eq!(
            bench.pin(&id, None).unwrap_err().reason(),
            "DATASET_NOT_FOUND"
        );
        assert_eq!(
            bench
                .append(&id, &open, 1, &[row("c", 3, "")])
                .unwrap_err()
                .reason(),
            "DATASET_NOT_FOUND"
        );
        assert_eq!(
            bench.delete_dataset(&id, false).unwrap_err().reason(),
            "DATASET_NOT_FOUND"
        );
        bench.delete_dataset(&id, true).unwrap();
        assert_eq!(bench.parts_on_disk(), 0);
        let trees = &bench.inner().core().trees;
        let left = |tree| trees.scan(tree, &crate::kv::Span::prefix(b"")).unwrap();
        assert_eq!(left(Tree::Blocks), vec![]);
        // The counters of datasets, of starts and of groups are all that stays.
        assert_eq!(left(Tree::Meta).len(), 3);
        bench.reopen();
        let again = bench.make("d", kind);
        assert_eq!(rows(&bench.pin(&again, None).unwrap()), vec![]);
        bench.delete_dataset(&again, false).unwrap();
    }
}
