//! Whole queries over small tables, held against values worked out by hand or by plain loops.

use std::sync::Arc;

use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_ipc::reader::StreamReader;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;
use datafusion::arrow::util::display::array_value_to_string;
use lode_parts::Table;
use lode_worker::sql::Bound;
use lode_worker::sql::NamedTable;
use lode_worker::sql::RunOptions;

use crate::engine;
use crate::engine::Ended;
use crate::failure::Failed;
use crate::table::Provided;

const MEMORY: usize = 64 << 20;

fn sales() -> Table {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let item = Field::new("StockCode", DataType::Utf8, true);
    let item = item.with_metadata([("lode.role".to_owned(), "item".to_owned())].into());
    let schema = Arc::new(Schema::new(vec![
        item,
        Field::new("Quantity", DataType::Int64, true),
        Field::new("UnitPrice", DataType::Float64, true),
        Field::new("InvoiceDate", utc, true),
        Field::new("customer", DataType::Int64, true),
    ]));
    let day = 86_400_000_000_i64;
    let batches = [0_i64, 4].map(|first| {
        let rows = || first..first + 4;
        let codes = rows().map(|i| ["85123A", "71053", "84406B"][i as usize % 3]);
        let customers = rows().map(|i| (i != 3).then_some(17850 + i % 2));
        RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(StringArray::from_iter_values(codes)),
                Arc::new(Int64Array::from_iter_values(rows().map(|i| i - 1))),
                Arc::new(Float64Array::from_iter_values(
                    rows().map(|i| 0.5 * i as f64),
                )),
                Arc::new(
                    TimestampMicrosecondArray::from_iter_values(
                        rows().map(|i| 15_000 * day + i * day),
                    )
                    .with_timezone("UTC"),
                ),
                Arc::new(Int64Array::from_iter(customers)),
            ],
        )
        .unwrap()
    });
    let file = lode_parts::memfd("sales", &schema, batches).unwrap();
    Table::open(vec![file]).unwrap()
}

fn items() -> Table {
    let schema = Arc::new(Schema::new(vec![
        Field::new("StockCode", DataType::Utf8, true),
        Field::new("Month", DataType::Utf8, true),
    ]));
    let codes = StringArray::from(vec!["85123A", "71053"]);
    let months = StringArray::from(vec!["Feb", "May"]);
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(codes), Arc::new(months)]).unwrap();
    Table::open(vec![lode_parts::memfd("items", &schema, [batch]).unwrap()]).unwrap()
}

pub(crate) struct Answer {
    schema: SchemaRef,
    pub(crate) rows: Vec<String>,
    truncated: bool,
    largest: usize,
}

pub(crate) fn options(threads: u32) -> RunOptions {
    RunOptions {
        threads,
        // 2026-11-21 20:00 UTC.
        now_micros: 1_795_291_200_000_000,
        ..RunOptions::default()
    }
}

fn names(opened: &engine::Opened) -> Vec<String> {
    let tables = opened.tables().iter();
    tables.map(|table| table.dataset.clone()).collect()
}

fn provided(named: &NamedTable, table: Table) -> Provided {
    Provided {
        name: named.name.clone(),
        n_files: 1,
        bound: named.as_of_micros.map(|at_micros| Bound {
            columns: vec!["InvoiceDate".to_owned()],
            at_micros,
        }),
        table,
    }
}

fn run_with(
    sql: &str,
    options: &RunOptions,
    memory: usize,
    limit: Option<u64>,
    batch_bytes: u64,
) -> Result<Answer, Failed> {
    let opened = engine::open(sql, options, memory)?;
    let tables = opened.tables().to_vec();
    let tables = tables.iter().map(|named| {
        let table = match named.dataset.to_lowercase().as_str() {
            "sales" | "online-retail" | "big-sales-2" => sales(),
            "items" => items(),
            other => panic!("the query should not name {other}"),
        };
        provided(named, table)
    });
    run_over(sql, options, memory, tables.collect(), limit, batch_bytes)
}

pub(crate) fn run_over(
    sql: &str,
    options: &RunOptions,
    memory: usize,
    tables: Vec<Provided>,
    limit: Option<u64>,
    batch_bytes: u64,
) -> Result<Answer, Failed> {
    let planned = engine::open(sql, options, memory)?.plan(tables)?;
    let schema = planned.schema();
    let mut rows = Vec::new();
    let mut largest = 0;
    let (n, truncated) = planned
        .execute(limit, batch_bytes, &mut |body| {
            largest = largest.max(body.len());
            for batch in StreamReader::try_new(body, None)? {
                let batch = batch?;
                assert_eq!(batch.schema(), schema);
                for row in 0..batch.num_rows() {
                    let values = batch.columns().iter();
                    let values = values.map(|column| array_value_to_string(column, row).unwrap());
                    rows.push(values.collect::<Vec<_>>().join("|"));
                }
            }
            Ok(())
        })
        .map_err(|ended| match ended {
            Ended::Failed(failed) => failed,
            Ended::Closed(error) => panic!("nothing is closed here: {error}"),
        })?;
    assert_eq!(n, rows.len() as u64);
    Ok(Answer {
        schema,
        rows,
        truncated,
        largest,
    })
}

fn run(sql: &str) -> Result<Answer, Failed> {
    run_with(sql, &options(2), MEMORY, None, 1 << 20)
}

fn check(sql: &str, expected: &[&str]) {
    match run(sql) {
        Ok(answer) => assert_eq!(answer.rows, expected, "{sql}"),
        Err(failed) => panic!("{sql}: {failed:?}"),
    }
}

fn refused(sql: &str, reason: &str, part: &str) {
    let Err(failed) = run(sql) else {
        panic!("{sql} should be refused");
    };
    assert_eq!(failed.reason, reason, "{sql}: {}", failed.message);
    assert!(failed.message.contains(part), "{sql}: {}", failed.message);
    for noise in ["DataFusion", "Error", "ParserError", "{ ", "\n"] {
        assert!(!failed.message.contains(noise), "{sql}: {}", failed.message);
    }
}

#[test]
fn aggregates_agree_with_plain_sums() {
    // Quantity is -1..=6, UnitPrice 0.0..=3.5 by halves.
    let expected: f64 = (0..8).map(|i| f64::from(i - 1) * 0.5 * f64::from(i)).sum();
    let text = format!("{expected:?}");
    check("select count(*) from sales", &["8"]);
    check("SELECT COUNT(*) FROM sales", &["8"]);
    check(
        r#"select sum("Quantity" * "UnitPrice") from sales"#,
        &[text.as_str()],
    );
    check("select count(distinct StockCode) from sales", &["3"]);
    check("select count(customer) from sales", &["7"]);
    check("select approx_distinct(stockcode) from sales", &["3"]);
    check(
        "select min(unitprice), max(unitprice), avg(unitprice) from sales",
        &["0.0|3.5|1.75"],
    );
    check(
        "select stockcode, sum(quantity) as pieces from sales group by stockcode order by pieces desc, 1",
        &["71053|9", "85123A|6", "84406B|5"],
    );
}

#[test]
fn unquoted_names_find_their_spelling_in_every_clause() {
    check(
        "with big as (select stockcode code, quantity from sales where QUANTITY > 3) \
         select b.CODE, i.month from big B join Items I on b.code = i.STOCKCODE order by b.quantity",
        &["85123A|Feb", "71053|May"],
    );
    check(
        "select s.quantity from sales s join items using (STOCKCODE) order by 1 limit 2",
        &["-1", "0"],
    );
    check(
        "select * exclude (quantity, unitprice, invoicedate, customer) from sales order by 1 desc limit 1",
        &["85123A"],
    );
    check(
        "select quantity, row_number() over (partition by stockcode order by quantity desc) as rn \
         from sales order by QUANTITY limit 3",
        &["-1|3", "0|3", "1|2"],
    );
    check("select max(sales.quantity) from sales", &["6"]);
    check(
        "select q from (select quantity q from sales) x(Q) where q > 5",
        &["6"],
    );
}

#[test]
fn results_keep_the_spelling_and_role_of_columns() {
    let answer =
        run("select stockcode, count(*) as TotalLines from SALES group by stockcode").unwrap();
    let names: Vec<_> = answer
        .schema
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .collect();
    assert_eq!(names, ["StockCode", "TotalLines"]);
    let role = answer.schema.field(0).metadata().get("lode.role");
    assert_eq!(role.map(String::as_str), Some("item"));
    let answer = run("select stockcode as thing from sales").unwrap();
    assert_eq!(answer.schema.field(0).metadata().len(), 1);
}

#[test]
fn columns_without_a_name_are_called_by_their_text() {
    let names = |sql: &str| -> Vec<String> {
        let answer = run(sql).unwrap();
        let fields = answer.schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    };
    assert_eq!(
        names(
            "select 1, count(*), SUM(quantity * 2), 'it''s', max(sales.QUANTITY) as most from sales"
        ),
        ["1", "count(*)", "SUM(quantity * 2)", "'it''s'", "most"]
    );
    assert_eq!(names("(select -1 union all select 2)"), ["-1"]);
    assert_eq!(
        names("select 1 + 1, s.* from items s")[1..],
        ["StockCode", "Month"]
    );
    assert_eq!(
        names("select sales.quantity from sales order by 1 + quantity"),
        ["Quantity"]
    );
}

#[test]
fn names_with_hyphens_may_stand_without_quotes() {
    check("select count(*) from online-retail", &["8"]);
    check(r#"select count(*) from "online-retail""#, &["8"]);
    check(
        "select count(*) from items i join Big-Sales-2 b on i.stockcode = b.stockcode",
        &["6"],
    );
    check("select max(customer-quantity) from sales", &["17851"]);
    check(
        "select max(extract(year from invoicedate)-quantity) from sales",
        &["2012"],
    );
    let opened = engine::open("select 1 from Online-Retail, \"B\"", &options(1), MEMORY).unwrap();
    assert_eq!(names(&opened), ["Online-Retail", "B"]);
}

#[test]
fn tables_are_those_that_are_read() {
    let tables = |sql: &str| names(&engine::open(sql, &options(1), MEMORY).unwrap());
    assert_eq!(
        tables("with a as (select * from b) select * from a, c"),
        ["b", "c"]
    );
    assert_eq!(tables("with t as (select * from t) select * from t"), ["t"]);
    assert_eq!(
        tables(
            "select (select max(x) from d) from e where y in (select y from F) union select 1 from f"
        ),
        ["d", "e", "F"]
    );
    assert_eq!(
        tables(
            "with recursive n as (select 1 i union all select i + 1 from n where i < 3) select * from n"
        ),
        [""; 0]
    );
    assert_eq!(tables("select * from generate_series(1, 3) g"), [""; 0]);
    assert_eq!(tables("select 1"), [""; 0]);
}

#[test]
fn queries_without_tables_work() {
    check("select 1 + 1, 'a' || 'b'", &["2|ab"]);
    check("values (1, 'x'), (2, 'y')", &["1|x", "2|y"]);
    check(
        "with recursive n as (select 1 i union all select i + 1 from n where i < 3) select sum(i) from n",
        &["6"],
    );
}

#[test]
fn dates_and_text_functions_are_there() {
    check(
        "select date_trunc('month', invoicedate) from sales limit 1",
        &["2011-01-01T00:00:00Z"],
    );
    check(
        "select date_part('year', max(InvoiceDate)) from sales",
        &["2011"],
    );
    check(
        "select count(*) from sales where InvoiceDate >= '2011-01-28'",
        &["6"],
    );
    check(
        "select count(*) from sales where invoicedate < timestamp '2011-01-28 00:00:00'",
        &["2"],
    );
    check(
        "select upper(substr(stockcode, 1, 2)) from sales where stockcode like '%B' limit 1",
        &["84"],
    );
    check(
        "select count(*) from sales where regexp_like(stockcode, '^[0-9]+$')",
        &["3"],
    );
    check(
        "select sum(quantity) over (order by quantity rows 1 preceding) from sales order by quantity limit 3",
        &["-1", "-1", "1"],
    );
    check(
        "select cast('12' as bigint) + 1, round(2.567, 2), coalesce(null, 3)",
        &["13|2.57|3"],
    );
}

#[test]
fn results_have_plain_types() {
    let answer = run(
        "select arrow_cast('x', 'Utf8View') a, arrow_cast(1, 'UInt8') b, arrow_cast(1.5, 'Float32') c, \
         arrow_cast('y', 'Dictionary(Int32, Utf8)') d, now() e, [arrow_cast('z', 'LargeUtf8')] f",
    )
    .unwrap();
    let types: Vec<_> = answer
        .schema
        .fields()
        .iter()
        .map(|f| f.data_type().to_string())
        .collect();
    assert_eq!(types[..4], ["Utf8", "Int64", "Float64", "Utf8"]);
    assert_eq!(types[4], "Timestamp(µs, \"UTC\")");
    assert!(
        types[5].starts_with("List(Utf8") || types[5].contains("Utf8"),
        "{}",
        types[5]
    );
    assert!(!types[5].contains("LargeUtf8"), "{}", types[5]);
}

#[test]
fn a_row_limit_ends_the_rows_early_and_batches_are_cut() {
    let answer = run_with(
        "select * from sales order by quantity",
        &options(1),
        MEMORY,
        Some(3),
        1 << 20,
    );
    assert_eq!(answer.unwrap().rows.len(), 3);
    let sql = "select value, repeat('x', 100) from generate_series(1, 20000)";
    let answer = run_with(sql, &options(1), MEMORY, None, 100_000).unwrap();
    assert_eq!(answer.rows.len(), 20_000);
    assert!(answer.largest <= 100_000, "{}", answer.largest);
    assert!(answer.rows[19_999].starts_with("20000|xxx"));
    let answer = run_with("select repeat('x', 5000)", &options(1), MEMORY, None, 1000).unwrap();
    assert_eq!(answer.rows.len(), 1);
}

#[test]
fn one_thread_gives_one_order() {
    let sql = "select stockcode, customer, sum(unitprice) from sales group by 1, 2";
    let first = run_with(sql, &options(1), MEMORY, None, 1 << 20)
        .unwrap()
        .rows;
    for _ in 0..3 {
        assert_eq!(
            run_with(sql, &options(1), MEMORY, None, 1 << 20)
                .unwrap()
                .rows,
            first
        );
    }
}

#[test]
fn statements_that_write_are_refused() {
    for (sql, found) in [
        ("insert into sales values (1)", "INSERT"),
        ("drop table sales", "DROP"),
        ("create table x as select * from sales", "CREATE"),
        ("copy sales to 'x.csv'", "COPY"),
        ("update sales set quantity = 1", "UPDATE"),
        ("delete from sales", "DELETE"),
        ("set a = 1", "SET"),
        ("explain select 1", "EXPLAIN"),
        ("select * into x from sales", "SELECT INTO"),
        ("show tables", "SHOW"),
        (
            "create external table t stored as csv location '/etc/passwd'",
            "CREATE",
        ),
        ("select 1; select 2", "2 statements"),
        ("", "an empty text"),
        ("-- nothing\n;", "an empty text"),
        ("hello", "\"hello\""),
    ] {
        refused(
            sql,
            "SQL_NOT_A_QUERY",
            &format!("expected one SELECT, found {found}"),
        );
    }
}

#[test]
fn errors_say_what_is_wrong() {
    for (sql, part) in [
        (
            "select quantty from sales",
            "no column \"quantty\"; did you mean \"Quantity\"?",
        ),
        (
            "select s.nothing from sales s",
            "expected one of \"StockCode\", \"Quantity\"",
        ),
        (
            "select \"quantity\" from sales",
            "did you mean \"Quantity\"?",
        ),
        ("select foo(1)", "no function \"foo\""),
        ("select quantity from sales where", "found: EOF"),
        ("select 'abc", "nterminated string literal"),
        (
            "select * from public.sales",
            "expected a dataset's name alone, found public.sales",
        ),
        ("select stockcode, sum(quantity) from sales", "GROUP BY"),
    ] {
        refused(sql, "SQL_INVALID", part);
    }
    refused(
        "select 1 / (quantity - quantity) from sales",
        "SQL_FAILED",
        "expected a divisor other than zero",
    );
    refused(
        "select cast(stockcode as bigint) from sales",
        "SQL_FAILED",
        "cannot cast string",
    );
}

#[test]
fn files_cannot_be_read_by_name() {
    for sql in [
        "select * from '/etc/passwd'",
        "select * from \"/etc/passwd\"",
    ] {
        let opened = engine::open(sql, &options(1), MEMORY).unwrap();
        assert_eq!(names(&opened), ["/etc/passwd"]);
        assert_eq!(opened.plan(Vec::new()).err().unwrap().reason, "SQL_INVALID");
    }
    for sql in [
        "select * from read_csv('/etc/passwd')",
        "select * from information_schema.tables",
    ] {
        let planned =
            engine::open(sql, &options(1), MEMORY).and_then(|opened| opened.plan(Vec::new()));
        assert_eq!(planned.err().unwrap().reason, "SQL_INVALID");
    }
}

#[test]
fn a_query_that_needs_more_memory_than_it_has_is_refused() {
    let sql = "select value from generate_series(1, 2000000) order by value % 7, value";
    let Err(failed) = run_with(sql, &options(1), 1 << 20, None, 1 << 20) else {
        panic!("a sort of 16 MB does not fit");
    };
    assert_eq!(failed.reason, "SQL_OUT_OF_MEMORY", "{}", failed.message);
}

#[test]
fn deep_queries_run_or_are_refused_within_the_stack_of_a_process() {
    let on_a_main_stack = std::thread::Builder::new().stack_size(8 << 20);
    on_a_main_stack.spawn(deep_queries).unwrap().join().unwrap();
}

fn deep_queries() {
    let deep = format!("select {}1{}", "(".repeat(5000), ")".repeat(5000));
    refused(&deep, "SQL_INVALID", "nested less deeply");
    let sum = |n: usize| format!("select {}quantity from sales limit 1", "1 + ".repeat(n));
    refused(&sum(20_000), "SQL_INVALID", "nested less deeply");
    refused(
        &format!("{}(", sum(20_000)),
        "SQL_INVALID",
        "nested less deeply",
    );
    let unions = format!("select 1 {}", "union all select 1 ".repeat(5000));
    refused(&unions, "SQL_INVALID", "nested less deeply");
    let nested = format!(
        "select {}1{}",
        "1 + 1 + 1 + 1 + 1 + 1 + (".repeat(90),
        ")".repeat(90)
    );
    refused(&nested, "SQL_INVALID", "nested less deeply");
    check(&sum(400), &["399"]);
    let many: Vec<String> = (0..200).map(|i| format!("{i} + 1")).collect();
    check(&format!("select 7 in ({})", many.join(", ")), &["true"]);
}

mod overflow;
mod past;
mod wrong;
