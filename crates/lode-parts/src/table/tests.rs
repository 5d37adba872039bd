//! Parts come back as written and without a copy; damaged files are errors, never crashes.

use std::io::Write;

use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_schema::Field;
use lode_types::Failure;

use super::*;
use crate::Bound;
use crate::Manifest;
use crate::check;
use crate::empty_file;
use crate::manifest;
use crate::memfd;
use crate::write;
use arrow_schema::Schema;
use std::collections::HashMap;

fn batch(from: i64, n: i64) -> RecordBatch {
    let ids = Int64Array::from_iter_values(from..from + n);
    let names =
        StringArray::from_iter((from..from + n).map(|i| (i % 3 != 0).then(|| format!("c{i}"))));
    let spend = Float64Array::from_iter_values((from..from + n).map(|i| i as f64 / 2.0));
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("spend", DataType::Float64, false),
    ]);
    RecordBatch::try_new(
        Arc::new(schema),
        vec![Arc::new(ids), Arc::new(names), Arc::new(spend)],
    )
    .unwrap()
}

fn folder(name: &str) -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("lode-parts-{}-{name}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn about(seq: u64) -> Manifest {
    Manifest {
        format: 1,
        dataset: "retail".to_owned(),
        kind: "events".to_owned(),
        ingest: "load-1".to_owned(),
        seq,
        run: None,
    }
}

#[test]
fn parts_come_back_as_written() {
    let dir = folder("roundtrip");
    let (one, two) = (batch(0, 100), batch(100, 7));
    let schema = one.schema();
    let a = write(
        &dir,
        "a.arrow",
        &schema,
        &[one.clone(), two.clone()],
        &about(0),
    )
    .unwrap();
    let b = write(&dir, "b.arrow", &schema, &[batch(107, 3)], &about(1)).unwrap();
    assert_eq!((a.rows, b.rows), (107, 3));
    assert_eq!(
        a.bytes,
        std::fs::metadata(dir.join("a.arrow")).unwrap().len()
    );
    assert_eq!(
        a.crc32c,
        crc32c::crc32c(&std::fs::read(dir.join("a.arrow")).unwrap())
    );
    assert_eq!(a.zones[0].min, Some(Bound::Int(0)));
    assert_eq!(a.zones[0].max, Some(Bound::Int(106)));
    assert_eq!(a.zones[1].max, Some(Bound::Float(53.0)));

    let file = File::open(dir.join("b.arrow")).unwrap();
    check(&file, b.bytes, b.crc32c).unwrap();
    assert_eq!(
        check(&file, b.bytes, 1).unwrap_err().reason(),
        "TABLE_DAMAGED"
    );
    assert_eq!(manifest(&file).unwrap(), (about(1), b.zones.clone()));

    let table = Table::open(vec![File::open(dir.join("a.arrow")).unwrap(), file]).unwrap();
    assert_eq!((table.rows(), table.n_batches()), (110, 3));
    assert_eq!(table.schema(), schema);
    let read: Vec<_> = table.batches().map(Result::unwrap).collect();
    assert_eq!(read, vec![one, two, batch(107, 3)]);
    let names = table.batch(2, Some(&[1])).unwrap();
    assert_eq!(names.num_columns(), 1);
    assert_eq!(names.column(0).null_count(), 1);
    assert_eq!(
        table.batch(9, None).unwrap_err().reason(),
        "TABLE_NO_SUCH_BATCH"
    );
    assert_eq!(
        table.batch(0, Some(&[3])).unwrap_err().reason(),
        "TABLE_NO_SUCH_COLUMN"
    );
    let leftovers = std::fs::read_dir(&dir).unwrap().filter(|e| {
        e.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with(".tmp")
    });
    assert_eq!(leftovers.count(), 0);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn reads_are_zero_copy_and_aligned() {
    let file = memfd("t", &batch(0, 1).schema(), [batch(0, 1000)]).unwrap();
    let table = Table::open(vec![file]).unwrap();
    let (one, two) = (table.batch(0, None).unwrap(), table.batch(0, None).unwrap());
    for i in 0..3 {
        let (one, two) = (one.column(i).to_data(), two.column(i).to_data());
        for (one, two) in one.buffers().iter().zip(two.buffers()) {
            assert_eq!(one.as_ptr(), two.as_ptr());
            assert_eq!(one.as_ptr() as usize % 64, 0);
        }
    }
}

#[test]
fn memory_files_are_sealed() {
    let mut file = memfd("t", &batch(0, 1).schema(), [batch(0, 10)]).unwrap();
    assert!(file.write_all(b"x").is_err());
    assert!(file.set_len(3).is_err());
    let empty = empty_file(&batch(0, 1).schema()).unwrap();
    let table = Table::open(vec![empty]).unwrap();
    assert_eq!((table.rows(), table.n_batches()), (0, 0));
    assert_eq!(table.schema(), batch(0, 1).schema());
}

#[test]
fn roles_of_the_first_file_hold_for_all() {
    let plain = batch(0, 4);
    let fields: Vec<Field> = plain
        .schema()
        .fields()
        .iter()
        .map(|f| {
            f.as_ref()
                .clone()
                .with_metadata(HashMap::from([("lode.role".to_owned(), "item".to_owned())]))
        })
        .collect();
    let named = Arc::new(Schema::new(fields));
    let first = empty_file(&named).unwrap();
    let second = memfd("t", &plain.schema(), [plain.clone()]).unwrap();
    let table = Table::open(vec![first, second]).unwrap();
    assert_eq!(table.schema(), named);
    assert_eq!(table.batch(0, None).unwrap().schema(), named);
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let one = memfd("t", &batch(0, 1).schema(), [batch(0, 1)]).unwrap();
    let other = batch(0, 1).project(&[0]).unwrap();
    let two = memfd("t", &other.schema(), [other.clone()]).unwrap();
    let error = Table::open(vec![one, two]).unwrap_err();
    assert_eq!(error.reason(), "TABLE_SCHEMA_DIFFERS");
    assert_eq!(
        error.to_string(),
        "tables do not fit: expected (id Int64, name Utf8, spend Float64), found (id Int64)"
    );
    assert_eq!(
        memfd("t", &batch(0, 1).schema(), [other])
            .unwrap_err()
            .reason(),
        "TABLE_SCHEMA_DIFFERS"
    );
    assert!(Table::open(vec![]).is_err());
}

/// Every truncation and a change of every byte: an error or a table, never a panic that escapes.
#[test]
fn damage_is_an_error() {
    let file = memfd("t", &batch(0, 1).schema(), [batch(0, 5)]).unwrap();
    let bytes = {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    let dir = folder("damage");
    let path = dir.join("x");
    let read = |bytes: &[u8]| -> Result<u64> {
        drop(std::fs::remove_file(&path));
        std::fs::write(&path, bytes).unwrap();
        let table = Table::open(vec![File::open(&path).unwrap()])?;
        let mut rows = 0;
        for batch in table.batches() {
            rows += batch?.num_rows() as u64;
        }
        Ok(rows)
    };
    assert_eq!(read(&bytes).unwrap(), 5);
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len]).is_err(), "cut at {len}");
    }
    for i in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[i] ^= [0xff, 0x01, 0x80][i % 3];
        if let Err(error) = read(&bad) {
            assert_eq!(error.class(), lode_types::Class::Corrupt, "{i}: {error}");
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn strings_come_in_the_form_asked_for() {
    let dir = folder("strings");
    let one = batch(0, 100);
    write(
        &dir,
        "a.arrow",
        &one.schema(),
        std::slice::from_ref(&one),
        &about(0),
    )
    .unwrap();
    let plain = memfd("plain", &one.schema(), [batch(100, 5)]).unwrap();
    let part = File::open(dir.join("a.arrow")).unwrap();
    let table = Table::open(vec![part, plain]).unwrap();
    assert_eq!(
        (table.file_of(0).unwrap(), table.file_of(1).unwrap()),
        (0, 1)
    );
    assert!(table.file_of(2).is_err());
    assert_eq!(table.zones(0).unwrap()[0].max, Some(Bound::Int(99)));
    assert_eq!(table.zones(1), None);
    let names = |strings| {
        let batch = table.batch_as(0, Some(&[1]), strings).unwrap();
        let expected = table.schema_as(strings).field(1).clone();
        assert_eq!(batch.schema().field(0), &expected);
        batch.column(0).clone()
    };
    let expected: Vec<_> = one.column(1).as_string::<i32>().iter().collect();
    let views = names(Strings::View);
    assert_eq!(views.as_string_view().iter().collect::<Vec<_>>(), expected);
    let keys = names(Strings::Dictionary);
    let keys = keys.as_dictionary::<Int32Type>();
    let texts = keys.downcast_dict::<StringArray>().unwrap();
    assert_eq!(texts.into_iter().collect::<Vec<_>>(), expected);
}
