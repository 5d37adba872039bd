//! Sorted runs against a naive sort: same rows, same order, no customer in two files.

use std::sync::Arc;

use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::StringViewArray;
use arrow_array::TimestampMicrosecondArray;
use lode_types::Failure;

use super::*;
use crate::Customer;
use crate::memfd;
use crate::naive::Chance;
use crate::naive::Key;
use crate::naive::batch;
use crate::naive::folder;
use crate::naive::keys;
use crate::naive::open;
use crate::naive::picks;
use crate::naive::row_text;
use crate::naive::rows;
use crate::naive::run;

#[test]
fn runs_are_what_a_naive_sort_gives() {
    let orders = [
        (Some(0), Some(1)),
        (Some(0), None),
        (None, Some(1)),
        (None, None),
    ];
    for (case, (customer, time)) in orders.into_iter().enumerate() {
        for (texts, nulls, n) in [
            (false, 0, 3000),
            (true, 20, 2500),
            (true, 0, 3000),
            (false, 30, 23_000),
            (true, 0, 1),
        ] {
            if n > 20_000 && case > 0 {
                continue;
            }
            let order = Order { customer, time };
            let mut chance = Chance(case as u64 + nulls);
            let batches: Vec<RecordBatch> = (0..3)
                .map(|i| batch(&mut chance, n, (i * n) as i64, texts, nulls))
                .collect();
            let files: Vec<File> = batches
                .iter()
                .map(|batch| memfd("in", &batch.schema(), [batch.clone()]).unwrap())
                .collect();
            let again: Vec<File> = files.iter().map(|f| f.try_clone().unwrap()).collect();
            let plain =
                Table::open(files.iter().map(|f| f.try_clone().unwrap()).collect()).unwrap();
            let mut expected: Vec<(Key, String)> = batches
                .iter()
                .flat_map(|batch| {
                    let texts: Vec<String> = (0..batch.num_rows())
                        .map(|row| row_text(batch, row))
                        .collect();
                    keys(batch, order)
                        .into_iter()
                        .zip(texts)
                        .collect::<Vec<_>>()
                })
                .collect();
            expected.sort();
            let expected: Vec<String> = expected.into_iter().map(|(_, text)| text).collect();

            let dir = folder(&format!("naive-{case}-{texts}-{n}"));
            let file_rows = if n > 20_000 { 1 << 20 } else { 700 };
            let parts = run(&dir, files, order, file_rows);
            assert_eq!(parts.iter().map(|p| p.rows).sum::<u64>(), plain.rows());
            let table = Table::open(open(&dir, &parts)).unwrap();
            assert_eq!(table.schema(), plain.schema());
            for strings in [Strings::Plain, Strings::View, Strings::Dictionary] {
                let found = rows(&table, strings);
                assert!(found == expected, "{case} {texts} {nulls} {strings:?}");
            }
            // Zones hold what they say.
            for i in 0..table.n_batches() {
                picks::check_zones(&table, i);
            }
            picks::check(&table, &mut chance);
            assert_eq!(table.order().unwrap(), customer.map(|_| order));
            // No customer is in two files.
            if customer.is_some() {
                let mut last = None;
                for i in 0..table.n_batches() {
                    let batch = table.batch(i, None).unwrap();
                    for key in keys(&batch, order).into_iter().filter(|key| !key.0) {
                        let here = (key.1, table.file_of(i).unwrap());
                        if let Some((id, file)) = &last {
                            assert!(*id != here.0 || *file == here.1);
                        }
                        last = Some(here);
                    }
                }
            }
            // The same inputs give the same bytes, and a sorted run sorted again too.
            let twice = folder(&format!("twice-{case}-{texts}-{n}"));
            assert_eq!(run(&twice, again, order, file_rows), parts);
            let whole = folder(&format!("whole-{case}-{texts}-{n}"));
            let one = run(&whole, open(&dir, &parts), order, 1 << 20);
            let table = Table::open(open(&whole, &one)).unwrap();
            assert!(rows(&table, Strings::Plain) == expected);
            for dir in [dir, twice, whole] {
                std::fs::remove_dir_all(dir).unwrap();
            }
        }
    }
}

#[test]
fn files_that_do_not_follow_each_other_have_no_order() {
    let order = Order {
        customer: Some(0),
        time: Some(1),
    };
    let mut chance = Chance(3);
    let rows = batch(&mut chance, 2_000, 0, false, 10);
    let file = || memfd("in", &rows.schema(), [rows.clone()]).unwrap();
    let dir = folder("order");
    let parts = run(&dir, vec![file()], order, 700);
    assert!(parts.len() > 2);
    let opened = |places: &[usize]| {
        let parts: Vec<PartInfo> = places.iter().map(|i| parts[*i].clone()).collect();
        Table::open(open(&dir, &parts)).unwrap().order().unwrap()
    };
    assert_eq!(opened(&[0, 1, 2]), Some(order));
    assert_eq!(opened(&[0, 2]), Some(order));
    assert_eq!(opened(&[1, 0]), None);
    assert_eq!(opened(&[1, 1]), None);
    // What was loaded since stands behind it.
    let mut files = open(&dir, &parts);
    files.push(file());
    assert_eq!(Table::open(files).unwrap().order().unwrap(), None);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_customer_is_found_by_halving() {
    for texts in [false, true] {
        let mut chance = Chance(7);
        let one = batch(&mut chance, 4000, 0, texts, 10);
        let dir = folder(&format!("find-{texts}"));
        let order = Order {
            customer: Some(0),
            time: Some(1),
        };
        let parts = run(
            &dir,
            vec![memfd("in", &one.schema(), [one.clone()]).unwrap()],
            order,
            500,
        );
        let table = Table::open(open(&dir, &parts)).unwrap();
        let distinct: u64 = (0..parts.len())
            .map(|file| table.customers(file).unwrap())
            .sum();
        assert_eq!(distinct, 300);
        let mut wrong = 0;
        for n in 0..400_i64 {
            let id = n * 1_000_003 - 40;
            let name = format!("c-{id}");
            let customer = if texts {
                Customer::Text(&name)
            } else {
                Customer::Int(id)
            };
            let expected = keys(&one, order)
                .iter()
                .filter(|key| !key.0 && (key.1 == (id, String::new()) || key.1.1 == name))
                .count();
            let mut found = 0;
            for i in 0..table.n_batches() {
                let rows = table.find(i, customer).unwrap().unwrap();
                let may = table.may_hold(table.file_of(i).unwrap(), customer);
                assert!(may || rows.is_empty());
                wrong += usize::from(may && rows.is_empty());
                let picked = table
                    .rows_as(i, rows.clone(), Some(&[0, 1]), Strings::Plain)
                    .unwrap();
                let all = table.batch(i, Some(&[0, 1])).unwrap();
                assert_eq!(picked, all.slice(rows.start, rows.len()));
                found += rows.len();
            }
            assert_eq!(found, expected, "{name}");
        }
        assert!(wrong < 200, "{wrong}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}

#[test]
fn packed_columns_are_narrow() {
    let mut chance = Chance(3);
    let n = 50_000;
    let id = Int64Array::from_iter_values((0..n).map(|_| chance.below(200) as i64 + 5_000_000_000));
    let cents = Float64Array::from_iter_values((0..n).map(|_| chance.below(60_000) as f64 / 100.0));
    let seconds = TimestampMicrosecondArray::from_iter_values(
        (0..n).map(|_| 1_700_000_000_000_000 + chance.below(60_000) as i64 * 1_000_000),
    )
    .with_timezone("UTC");
    let word = StringArray::from_iter_values((0..n).map(|_| format!("word-{}", chance.below(100))));
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(id) as ArrayRef),
        ("cents", Arc::new(cents)),
        ("at", Arc::new(seconds)),
        ("word", Arc::new(word)),
    ])
    .unwrap();
    let dir = folder("narrow");
    let order = Order {
        customer: Some(0),
        time: Some(2),
    };
    let parts = run(
        &dir,
        vec![memfd("in", &batch.schema(), [batch]).unwrap()],
        order,
        1 << 20,
    );
    // One byte, two, two, one; and at most a little for the rest.
    assert!(parts[0].bytes < 50_000 * 6 + 8_000, "{}", parts[0].bytes);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_damaged_packed_part_is_an_error_and_never_a_crash() {
    let mut chance = Chance(11);
    let one = batch(&mut chance, 600, 0, true, 10);
    let dir = folder("damage");
    let order = Order {
        customer: Some(0),
        time: Some(1),
    };
    let parts = run(
        &dir,
        vec![memfd("in", &one.schema(), [one.clone()]).unwrap()],
        order,
        1000,
    );
    let whole = std::fs::read(dir.join(&parts[0].name)).unwrap();
    let path = dir.join("damaged");
    let mut refused = 0;
    let mut attempt = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let read = || -> Result<()> {
            let table = Table::open(vec![File::open(&path).unwrap()])?;
            for strings in [Strings::Plain, Strings::View, Strings::Dictionary] {
                for i in 0..table.n_batches() {
                    table.batch_as(i, None, strings)?;
                    table.find(i, Customer::Text("c-40"))?;
                }
            }
            table.may_hold(0, Customer::Text("c-40"));
            Ok(())
        };
        if let Err(error) = read() {
            assert!(
                [
                    "TABLE_DAMAGED",
                    "TABLE_ENCODE_FAILED",
                    "TABLE_SCHEMA_DIFFERS"
                ]
                .contains(&error.reason()),
                "{error}"
            );
            refused += 1;
        }
    };
    for round in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + chance.below(4) {
            // The footer and the headers are where lies do most harm.
            let at = if round % 2 == 0 {
                bytes.len() - 1 - chance.below(9000.min(bytes.len() as u64 - 1)) as usize
            } else {
                chance.below(bytes.len() as u64) as usize
            };
            bytes[at] = chance.next() as u8;
        }
        attempt(&bytes);
    }
    for _ in 0..200 {
        attempt(&whole[..chance.below(whole.len() as u64) as usize]);
    }
    // A note that lies in numbers alone: each digit of it in turn.
    let text = String::from_utf8_lossy(&whole).into_owned();
    let note = text
        .find("{\"form\":1")
        .map(|_| ())
        .and_then(|()| whole.windows(9).position(|window| window == b"{\"form\":1"));
    let start = note.unwrap();
    for at in (start..whole.len()).filter(|at| whole[*at].is_ascii_digit()) {
        let mut bytes = whole.clone();
        bytes[at] = b'0' + (bytes[at] - b'0' + 1 + chance.below(8) as u8) % 10;
        attempt(&bytes);
    }
    assert!(refused > 1000, "{refused}");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn sorting_stops_when_asked() {
    let mut chance = Chance(1);
    let one = batch(&mut chance, 100, 0, false, 0);
    let dir = folder("stop");
    let part = |_| unreachable!("nothing is written");
    let target = Target {
        dir: &dir,
        part: &part,
        after: &|_| {},
        stop: &|| true,
        file_rows: None,
    };
    let order = Order {
        customer: Some(0),
        time: None,
    };
    let stopped = sort(
        vec![memfd("in", &one.schema(), [one]).unwrap()],
        order,
        &target,
    );
    assert_eq!(stopped.unwrap_err().reason(), "STOPPED");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn views_point_into_the_dictionary() {
    // Long texts are not copied row by row.
    let long = "a text that is longer than twelve bytes";
    let words = StringArray::from_iter_values((0..1000).map(|i| format!("{long} {}", i % 3)));
    let batch = RecordBatch::try_from_iter([("word", Arc::new(words) as ArrayRef)]).unwrap();
    let dir = folder("views");
    let parts = run(
        &dir,
        vec![memfd("in", &batch.schema(), [batch]).unwrap()],
        Order::default(),
        5000,
    );
    let table = Table::open(open(&dir, &parts)).unwrap();
    let found = table.batch_as(0, None, Strings::View).unwrap();
    let views: &StringViewArray = found.column(0).as_string_view();
    let bytes: usize = views.data_buffers().iter().map(|buffer| buffer.len()).sum();
    assert!(bytes < 1000, "{bytes}");
    std::fs::remove_dir_all(dir).unwrap();
}
