//! Rows as they were loaded come back bit for bit, with zones that hold, in few bytes.

use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;

use super::*;
use crate::Manifest;
use crate::Strings;
use crate::Table;
use crate::naive::Chance;
use crate::naive::batch;
use crate::naive::folder;
use crate::naive::open;
use crate::naive::picks;
use crate::naive::row_text;
use crate::naive::rows;

fn manifest() -> Manifest {
    Manifest {
        format: 1,
        dataset: "d".to_owned(),
        kind: "events".to_owned(),
        ingest: "load".to_owned(),
        seq: 0,
        run: None,
    }
}

#[test]
fn rows_come_back_as_they_were() {
    for (texts, nulls, sizes) in [
        (true, 0, vec![3_000]),
        (false, 25, vec![1_000, 1, 40_000]),
        (true, 100, vec![50, 60]),
        (false, 0, vec![0, 10]),
    ] {
        let mut chance = Chance(nulls);
        let batches: Vec<RecordBatch> = sizes
            .iter()
            .map(|n| batch(&mut chance, *n, 0, texts, nulls))
            .collect();
        let expected: Vec<String> = batches
            .iter()
            .flat_map(|batch| (0..batch.num_rows()).map(|row| row_text(batch, row)))
            .collect();
        let dir = folder(&format!("loaded-{texts}-{nulls}"));
        let schema = batches[0].schema();
        let info = crate::write(&dir, "0.arrow", &schema, &batches, &manifest()).unwrap();
        assert_eq!(info.rows, expected.len() as u64);
        let table = Table::open(open(&dir, std::slice::from_ref(&info))).unwrap();
        assert_eq!(table.schema().fields(), schema.fields());
        for strings in [Strings::Plain, Strings::View, Strings::Dictionary] {
            assert!(rows(&table, strings) == expected, "{texts} {nulls}");
        }
        // It is not said to be sorted.
        assert_eq!(table.order().unwrap(), None);
        for i in 0..table.n_batches() {
            if table.batch_rows(i).unwrap() > 0 {
                picks::check_zones(&table, i);
            }
        }
        if sizes.iter().all(|n| *n > 0) {
            picks::check(&table, &mut chance);
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}

#[test]
fn numbers_take_the_bytes_that_they_need() {
    let n = 60_000_i64;
    let id = Int64Array::from_iter_values((0..n).map(|i| 7_000_000_000 + i * 7919 % 60_000));
    let seconds = (0..n).map(|i| 1_700_000_000_000_000 + i * 31 % 86_400 * 1_000_000);
    let at = TimestampMicrosecondArray::from_iter_values(seconds).with_timezone("UTC");
    let word = StringArray::from_iter_values((0..n).map(|i| (i % 10).to_string()));
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(id)),
        ("at", Arc::new(at)),
        ("word", Arc::new(word)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let dir = folder("loaded-narrow");
    let schema = batch.schema();
    let info = crate::write(&dir, "0.arrow", &schema, &[batch], &manifest()).unwrap();
    // Two bytes, four (two and a bit), and five of text and offset; and a little for the rest.
    assert!(info.bytes < 60_000 * 11 + 8_000, "{}", info.bytes);
    std::fs::remove_dir_all(dir).unwrap();
}
