//! Parameters, datasets as they were, skipped batches, limits, threads and spilling.

use std::collections::BTreeMap;

use lode_types::Timestamp;
use lode_types::Value;
use lode_worker::sql::RunOptions;
use lode_worker::sql::Scratch;

use super::MEMORY;
use super::options;
use super::provided;
use super::run;
use super::run_with;
use super::sales;
use crate::engine;

fn with(sql: &str, values: &[(&str, Value)]) -> Result<Vec<String>, String> {
    let options = RunOptions {
        parameters: values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect::<BTreeMap<_, _>>(),
        ..options(2)
    };
    match run_with(sql, &options, MEMORY, None, 1 << 20) {
        Ok(answer) => Ok(answer.rows),
        Err(failed) => Err(failed.message),
    }
}

#[test]
fn parameters_stand_for_values_and_never_for_sql() {
    let text = Value::Text("71053' or 1=1 --".to_owned());
    let count = "select count(*) from sales where stockcode = $code";
    assert_eq!(with(count, &[("code", text)]).unwrap(), ["0"]);
    let text = Value::Text("71053".to_owned());
    assert_eq!(with(count, &[("code", text)]).unwrap(), ["3"]);
    let day = 86_400_000_000;
    let rows = with(
        "select $1, count(*) from sales where invoicedate >= $2 and quantity > $3",
        &[
            ("1", Value::Int(i64::MIN)),
            ("2", Value::Time(Timestamp(15_002 * day))),
            ("3", Value::Float(-0.5)),
        ],
    );
    assert_eq!(rows.unwrap(), ["-9223372036854775808|6"]);
    let ids = Value::List(vec![Value::Int(1), Value::Int(5), Value::Null]);
    let rows = with(
        "select quantity from sales where quantity in ($q) order by 1",
        &[("q", ids)],
    );
    assert_eq!(rows.unwrap(), ["1", "5"]);
    let unused = with("select 1", &[("x", Value::Null)]).unwrap_err();
    assert!(
        unused.contains("\"x\"") && unused.contains("none"),
        "{unused}"
    );
}

#[test]
fn a_dataset_as_it_was_shows_no_later_row() {
    let sql = "select count(*), max(quantity) from as_of(sales, DATE '2011-01-28')";
    // 15,000 days after 1970 is 2011-01-26: three of the eight days.
    assert_eq!(with(sql, &[]).unwrap(), ["3|1"]);
    let sql = "select (select count(*) from sales) as now, count(*) \
        from as_of(SALES, $t) a join as_of('sales', $t + interval '2 days') b using (invoicedate)";
    let at = Value::Time(Timestamp(15_001 * 86_400_000_000));
    assert_eq!(with(sql, &[("t", at)]).unwrap(), ["8|2"]);
    let all = "select count(*) from as_of(big-sales-2, now() - interval '1 day')";
    assert_eq!(with(all, &[]).unwrap(), ["8"]);
    let opened = engine::open(all, &options(1), MEMORY).unwrap();
    let table = &opened.tables()[0];
    assert_eq!(table.dataset, "big-sales-2");
    let day = 86_400_000_000;
    assert_eq!(table.as_of_micros, Some(options(1).now_micros - day));
    let sql = "select version.x from (select 1 x) version, version(sales, 1 + 2)";
    let opened = engine::open(sql, &options(1), MEMORY).unwrap();
    assert_eq!(opened.tables()[0].version, Some(3));
}

#[test]
fn a_cut_answer_says_so() {
    let limited = |limit| {
        let sql = "select * from sales";
        run_with(sql, &options(2), MEMORY, Some(limit), 1 << 20).unwrap()
    };
    let answer = limited(7);
    assert_eq!((answer.rows.len(), answer.truncated), (7, true));
    let answer = limited(8);
    assert_eq!((answer.rows.len(), answer.truncated), (8, false));
}

#[test]
fn an_explanation_counts_what_is_read() {
    let sql = "select quantity from sales where invoicedate < timestamp '2011-01-27'";
    let opened = engine::open(sql, &options(2), MEMORY).unwrap();
    let table = provided(&opened.tables()[0].clone(), sales());
    let planned = opened.plan(vec![table]).unwrap();
    let explained = planned.explain(true, None).unwrap();
    assert_eq!(explained.rows, Some((1, false)));
    let [scan] = explained.scans.as_slice() else {
        panic!("one scan, not {:?}", explained.scans);
    };
    assert_eq!(scan.columns, ["Quantity", "InvoiceDate"]);
    assert_eq!(scan.filters.len(), 1);
    assert_eq!(scan.files[0].batches, 2);
    assert_eq!(scan.files[0].skipped + scan.files[0].rows_read / 4, 2);
    assert!(explained.plan.contains("Scan: sales"), "{}", explained.plan);
}

#[test]
fn answers_do_not_depend_on_threads_or_batches() {
    let sql = "select value % 997 g, sum(value * 3) s, min(arrow_cast(value, 'Utf8')) t, \
        count(*) n, sum(cast(value as decimal(20, 4)) / 8) d \
        from generate_series(1, 50000) group by 1 order by 1";
    let mut answers = Vec::new();
    for (threads, batch_rows) in [(1, 0), (2, 0), (8, 0), (2, 17), (8, 1000)] {
        let options = RunOptions {
            batch_rows,
            ..options(threads)
        };
        answers.push(run_with(sql, &options, MEMORY, None, 1 << 20).unwrap().rows);
    }
    assert_eq!(answers[0].len(), 997);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    // Sums of floats: within 1e-12 of each other, relatively, for this many terms.
    let sql = "select sum(1.0 / value) from generate_series(1, 50000)";
    let sums = [1, 2, 8].map(|threads| {
        let answer = run_with(sql, &options(threads), MEMORY, None, 1 << 20);
        answer.unwrap().rows[0].parse::<f64>().unwrap()
    });
    for sum in sums {
        assert!((sum / sums[0] - 1.0).abs() < 1e-12, "{sums:?}");
    }
}

#[test]
fn what_does_not_fit_into_memory_goes_to_the_scratch_directory() {
    let dir = std::env::temp_dir().join(format!("lode-sql-spill-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let spilling = |bytes| RunOptions {
        scratch: Some(Scratch {
            dir: dir.display().to_string(),
            bytes,
        }),
        ..options(1)
    };
    let sort = "select value, repeat('x', 30) y from generate_series(1, 400000) \
        order by value * 7919 % 1000003";
    let answer = run_with(sort, &spilling(1 << 30), 16 << 20, None, 1 << 20);
    assert_eq!(answer.unwrap().rows.len(), 400_000);
    let Err(failed) = run_with(sort, &spilling(1 << 20), 16 << 20, None, 1 << 20) else {
        panic!("a megabyte of disk is not enough");
    };
    assert_eq!(failed.reason, "SQL_SPILL_FULL", "{}", failed.message);
    assert_eq!(
        std::fs::read_dir(&dir).unwrap().count(),
        0,
        "all is tidied up"
    );
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn the_functions_that_people_expect_work() {
    for (expr, expected) in [
        (
            "date_trunc('month', timestamp '2011-05-17 10:00:00')",
            "2011-05-01T00:00:00Z",
        ),
        ("date_part('year', date '2011-05-17')", "2011"),
        ("to_char(date '2011-05-17', '%d.%m.%Y')", "17.05.2011"),
        ("date '2011-05-17' - date '2011-05-01'", "16"),
        ("regexp_replace('a1b22', '[0-9]+', '#', 'g')", "a#b#"),
        ("regexp_like('lode', '^l.*e$')", "true"),
        ("upper(trim('  x ')) || lpad('7', 3, '0')", "X007"),
        ("split_part('a-b-c', '-', 2)", "b"),
        (
            "(select abs(approx_percentile_cont(value, 0.5) - 51) < 1 from generate_series(1, 101))",
            "true",
        ),
        (
            "(select median(value) = 51 from generate_series(1, 101))",
            "true",
        ),
        (
            "(select approx_distinct(value % 10) from generate_series(1, 101))",
            "10",
        ),
        (
            "(select stddev_pop(value) from generate_series(1, 2))",
            "0.5",
        ),
        (
            "(select round(corr(value, value * 2), 6) = 1 from generate_series(1, 9))",
            "true",
        ),
        (
            "(select string_agg(cast(value as varchar), ',' order by value) from generate_series(1, 3))",
            "1,2,3",
        ),
        (
            "(select array_agg(value order by value desc) from generate_series(1, 3))",
            "[3, 2, 1]",
        ),
        (
            "(select max(d) from (select value - lag(value) over (order by value) d from generate_series(0, 9, 3)))",
            "3",
        ),
    ] {
        match run(&format!("select {expr}")) {
            Ok(answer) => assert_eq!(answer.rows, [expected], "{expr}"),
            Err(failed) => panic!("{expr}: {failed:?}"),
        }
    }
}
