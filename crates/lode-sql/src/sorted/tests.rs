//! Aggregates over sorted parts, against the same rows as they were loaded.
//!
//! The rows as loaded go through DataFusion's hash tables, so the two sides share no code that
//! finds groups. Prices are quarters: sums of them are exact in any order.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::TimeUnit;
use lode_parts::Manifest;
use lode_parts::Order;
use lode_parts::RunPart;
use lode_parts::Table;
use lode_parts::Target;
use lode_worker::sql::RunOptions;

use crate::engine;
use crate::table::Provided;
use crate::tests::options;
use crate::tests::run_over;

const MEMORY: usize = 512 << 20;
const HOUR: i64 = 3_600_000_000;

/// Numbers that are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.0 >> 33) % n) as i64
    }
}

/// Lines of some customers; the first has a third of them, some have none.
fn lines(rows: usize, texts: bool) -> RecordBatch {
    let mut chance = Chance(rows as u64);
    let mut customers = Vec::new();
    let (mut times, mut orders, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut quantities, mut prices) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let customer = match chance.below(3) {
            0 => Some(0),
            _ => Some(chance.below(rows as u64 / 8 + 3)).filter(|id| id % 11 != 5),
        };
        customers.push(customer);
        let order = chance.below(40);
        orders.push((chance.below(20) > 0).then_some(order));
        notes.push((chance.below(9) > 0).then(|| match order % 3 {
            0 => format!("order {order}"),
            1 => format!("a text longer than twelve bytes, of order {}", order / 2),
            _ => String::new(),
        }));
        times.push((chance.below(30) > 0).then(|| chance.below(2_000) * HOUR));
        quantities.push((chance.below(15) > 0).then(|| chance.below(9) - 2));
        prices.push((chance.below(15) > 0).then(|| chance.below(400) as f64 / 4.0));
    }
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let customer = if texts {
        DataType::Utf8
    } else {
        DataType::Int64
    };
    let schema = Arc::new(Schema::new(vec![
        Field::new("customer", customer, true),
        Field::new("at", utc, true),
        Field::new("invoice", DataType::Int64, true),
        Field::new("note", DataType::Utf8, true),
        Field::new("qty", DataType::Int64, true),
        Field::new("price", DataType::Float64, true),
    ]));
    let customers: arrow_array::ArrayRef = match texts {
        true => {
            let texts = customers
                .iter()
                .map(|id| id.map(|id| format!("customer {id}")));
            Arc::new(StringArray::from_iter(texts))
        }
        false => Arc::new(Int64Array::from(customers)),
    };
    let columns: Vec<arrow_array::ArrayRef> = vec![
        customers,
        Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
        Arc::new(Int64Array::from(orders)),
        Arc::new(StringArray::from_iter(notes)),
        Arc::new(Int64Array::from(quantities)),
        Arc::new(Float64Array::from(prices)),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

/// The same rows as they were loaded, and sorted into files of that many rows.
struct Both {
    loaded: Table,
    sorted: Table,
    folder: PathBuf,
}

impl Both {
    fn new(name: &str, rows: &RecordBatch, file_rows: usize) -> Self {
        let file = || lode_parts::memfd("lines", &rows.schema(), [rows.clone()]).unwrap();
        let folder = std::env::temp_dir().join(format!("lode-sql-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let order = Order {
            customer: Some(0),
            time: Some(1),
        };
        let run = RunPart {
            number: 1,
            from: 1,
            to: 1,
            rows: rows.num_rows() as u64,
        };
        let part = |n: u64| {
            let manifest = Manifest {
                format: 1,
                dataset: "lines".to_owned(),
                kind: "events".to_owned(),
                ingest: String::new(),
                seq: n,
                run: Some(run),
            };
            (format!("{n}.arrow"), manifest)
        };
        let target = Target {
            dir: &folder,
            part: &part,
            after: &|_| {},
            stop: &|| false,
            file_rows: Some(file_rows),
        };
        let parts = lode_parts::sort(vec![file()], order, &target).unwrap();
        let files = parts
            .iter()
            .map(|part| std::fs::File::open(folder.join(&part.name)).unwrap());
        Self {
            loaded: Table::open(vec![file()]).unwrap(),
            sorted: Table::open(files.collect()).unwrap(),
            folder,
        }
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn provided(table: &Table) -> Vec<Provided> {
    vec![Provided {
        name: "lines".to_owned(),
        table: table.clone(),
        n_files: 1,
        bound: None,
    }]
}

fn rows(sql: &str, options: &RunOptions, table: &Table) -> Vec<String> {
    match run_over(sql, options, MEMORY, provided(table), None, 1 << 20) {
        Ok(answer) => answer.rows,
        Err(failed) => panic!("{sql}: {failed:?}"),
    }
}

fn plan(sql: &str, table: &Table) -> String {
    let opened = engine::open(sql, &options(2), MEMORY).unwrap();
    let mut tables = provided(table);
    tables[0].n_files = 64;
    let planned = opened.plan(tables).unwrap();
    planned.explain(false, None).unwrap().plan
}

/// Aggregates that need no hash table over sorted rows.
const SIDE_BY_SIDE: &[&str] = &[
    "select customer, count(*), sum(qty), max(at), min(note) from lines group by customer",
    "select customer, count(distinct invoice), sum(qty * price), max(at) from lines group by customer",
    "select customer, count(distinct note), count(distinct at), avg(price) from lines group by customer",
    "select customer, count(distinct note) filter (where qty > 1) d, sum(price) filter (where at > \
     timestamp '1970-02-01') s from lines where at <= timestamp '1970-03-01' group by customer",
    "select customer, approx_distinct(invoice), array_agg(qty order by at, qty, price, invoice, note) \
     is null from lines where qty = 3 and customer is not null group by customer",
    "select c, n from (select customer c, count(*) n from lines where price > 10 or note like 'order%' \
     group by customer) where n > 2",
    "select distinct customer from lines where qty between 2 and 4",
    "select count(distinct customer), max(customer) from lines",
    "select customer, date_trunc('day', at) d, sum(price) from lines group by 2, 1",
    "select customer, at, count(*) from lines group by customer, at",
    "select median(n), count(*) from (select customer, count(distinct note) n from lines group by 1)",
    "with per as (select customer as who, qty * 2 as double, price from lines where invoice > 5) \
     select who, sum(double), stddev(price) > 1 from per group by who",
];

/// Others, whose answers must be the same all the same.
const OTHERS: &[&str] = &[
    "select invoice, count(*), count(distinct customer) from lines group by invoice",
    "select a.customer, count(*) from lines a join lines b on a.customer = b.customer and a.at = b.at \
     and a.invoice < b.invoice group by a.customer",
    "select customer, at, qty, row_number() over (partition by customer order by at, qty, price, \
     invoice, note) from lines where qty > 5",
    "select customer, invoice, sum(qty) from lines group by grouping sets ((customer), (invoice), ())",
    "select customer, first_value(qty order by at desc, qty, price) from lines group by customer",
    "select a.customer, a.n, b.m from (select customer, count(*) n from lines group by customer) a \
     full join (select customer, sum(qty) m from lines where qty > 4 group by customer) b \
     on a.customer = b.customer",
    "select count(*) from lines where customer in (select customer from lines where qty = 6 \
     group by customer having count(*) > 1)",
    "select qty, price from lines where at >= timestamp '1970-01-20' and at < timestamp '1970-01-21'",
    "select customer, count(*) from lines group by customer order by customer nulls first limit 5",
    "select distinct customer from lines order by customer desc nulls last limit 7",
    "select dense_rank() over (order by customer nulls first) r, customer from lines \
     group by customer order by r limit 4",
    "select qty from lines where qty > 9223372036854775806 or qty < -9223372036854775807",
];

#[test]
fn answers_are_those_of_the_rows_as_loaded() {
    for (n, file_rows, texts) in [(4_000, 900, true), (4_000, 900, false), (300, 4_000, true)] {
        let name = format!("answers-{n}-{texts}");
        let both = Both::new(&name, &lines(n, texts), file_rows);
        for sql in SIDE_BY_SIDE.iter().chain(OTHERS) {
            let mut expected = rows(sql, &options(2), &both.loaded);
            expected.sort();
            for (threads, batch_rows) in [(1, 0), (2, 7), (8, 64), (3, 8_192)] {
                let options = RunOptions {
                    batch_rows,
                    ..options(threads)
                };
                let mut found = rows(sql, &options, &both.sorted);
                found.sort();
                assert_eq!(
                    found, expected,
                    "{sql} with {threads} threads, {batch_rows} rows"
                );
            }
        }
    }
}

#[test]
fn groups_by_customer_need_no_hash_table() {
    let both = Both::new("plans", &lines(2_000, true), 500);
    for sql in SIDE_BY_SIDE {
        let plan = plan(sql, &both.sorted);
        let ordered = sql.contains("order by at");
        let is_sorted = plan.contains("SortedAggregate");
        assert!(is_sorted != ordered, "{sql}\n{plan}");
        let plan = self::plan(sql, &both.loaded);
        assert!(!plan.contains("SortedAggregate"), "{sql}\n{plan}");
    }
    for sql in OTHERS.iter().take(1) {
        let plan = plan(sql, &both.sorted);
        assert!(!plan.contains("SortedAggregate"), "{sql}\n{plan}");
    }
    // The order of rows serves, too.
    let sql = "select * from lines order by customer nulls last, at nulls last";
    let plan = plan(sql, &both.sorted);
    assert!(!plan.contains("SortExec"), "{plan}");
}

#[test]
fn one_customer_may_have_nearly_all_rows() {
    let rows_of = |mostly: Option<i64>, n: i64| {
        let batch = lines(70_000, false);
        let rows = (0..70_000_i64).map(|i| if i % 70_000 < n { Some(i) } else { mostly });
        let mut columns = batch.columns().to_vec();
        columns[0] = Arc::new(Int64Array::from_iter(rows));
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    };
    for mostly in [Some(3), None, Some(1 << 40)] {
        let both = Both::new(&format!("skew-{mostly:?}"), &rows_of(mostly, 50), 1 << 20);
        let sql = "select customer, count(*), count(distinct note), count(distinct at), sum(qty) \
                   from lines group by customer order by 1 nulls last";
        let expected = rows(sql, &options(1), &both.loaded);
        for threads in [1, 2, 8] {
            assert_eq!(
                rows(sql, &options(threads), &both.sorted),
                expected,
                "{mostly:?}"
            );
        }
    }
}
