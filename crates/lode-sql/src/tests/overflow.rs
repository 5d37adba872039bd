//! Sums and products that do not fit are errors; those that fit are exact, in any order.

use std::sync::Arc;

use arrow_array::Decimal128Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use lode_parts::Table;
use lode_worker::sql::RunOptions;
use lode_worker::sql::Scratch;

use super::MEMORY;
use super::check;
use super::options;
use super::refused;
use super::run;
use super::run_over;
use crate::table::Provided;

/// Two columns of which the second is null once.
const ENDS: &str =
    "(values (9223372036854775807, 2), (-9223372036854775808, -1), (5, null)) v(a, b)";

#[test]
fn what_does_not_fit_is_told() {
    for (sql, part) in [
        (
            "9223372036854775807 + 1",
            "result of + that fits int64, found 9223372036854775807 + 1",
        ),
        (
            "-9223372036854775808 - 1",
            "result of - that fits int64, found -9223372036854775808 - 1",
        ),
        (
            "3037000500 * 3037000500",
            "result of * that fits int64, found 3037000500 * 3037000500",
        ),
        ("a + b from V", "found 9223372036854775807 + 2"),
        ("a - 1 from V", "found -9223372036854775808 - 1"),
        ("-1 + a from V", "found -1 + -9223372036854775808"),
        ("a * b from V", "found 9223372036854775807 * 2"),
        ("-a from V", "found -(-9223372036854775808)"),
        ("a / b from V", "found -9223372036854775808 / -1"),
        ("abs(a) from V", "abs"),
        ("count(*) from V where a * 2 > b", "result of *"),
        ("b from V order by a + a", "result of +"),
        ("b from V group by b, a + a", "result of +"),
        ("(select max(a) + 1 from V)", "result of +"),
        ("max(a) over (order by b) + 1 from V", "result of +"),
        (
            "sum(a) from V where a > 0 group by b having sum(a) + 1 > 0",
            "result of +",
        ),
        (
            "sum(a) from (select 9223372036854775807 a union all select 1)",
            "result of sum that fits int64",
        ),
        (
            "sum(distinct a) from (select 9223372036854775807 a union all select 1)",
            "result of sum that fits int64",
        ),
        (
            "sum(distinct a), count(distinct b) from (select 9223372036854775807 a, 1 b union all select 1, 2)",
            "result of sum",
        ),
        (
            "sum(a) from (select 9223372036854775807 a, 7 b union all select 1, 7) group by b",
            "result of sum",
        ),
        (
            "sum(a) over (order by b) from (select 9223372036854775807 a, 7 b union all select 1, 8)",
            "result of sum",
        ),
        (
            "sum(a) over (order by b rows 1 preceding) from (select 9223372036854775807 a, 7 b union all select 1, 8)",
            "result of sum",
        ),
        ("factorial(30)", "30"),
        // decimals
        (
            "cast('99999999999999999999999999999999999999' as decimal(38,0)) + 1",
            "result of + that fits decimal(38,0), found 99999999999999999999999999999999999999 + 1",
        ),
        (
            "x * x from (select cast('12345678901234567890.12' as decimal(22,2)) x)",
            "result of * that fits decimal(38,4), found 12345678901234567890.12 * 12345678901234567890.12",
        ),
        (
            "sum(x) from (select cast('99999999999999999999999999999999999999' as decimal(38,0)) x union all select 1)",
            "result of sum that fits decimal(38,0)",
        ),
        (
            "sum(x) from (select cast('9999999999999999999999999999999999999.9' as decimal(38,1)) x from generate_series(1, 40))",
            "result of sum that fits decimal(38,1)",
        ),
        (
            "sum(distinct x) from (select cast('99999999999999999999999999999999999999' as decimal(38,0)) x union all select 1)",
            "result of sum that fits decimal(38,0)",
        ),
    ] {
        let sql = format!("select {}", sql.replace('V', ENDS));
        let Err(failed) = run(&sql) else {
            panic!("{sql} should be refused");
        };
        assert_eq!(failed.reason, "SQL_OVERFLOW", "{sql}: {}", failed.message);
        assert!(failed.message.contains(part), "{sql}: {}", failed.message);
    }
    // Casts say themselves what they cannot hold.
    for (sql, part) in [
        ("cast(1e30 as bigint)", "1e30"),
        ("cast(a as int) from V", "9223372036854775807"),
        (
            "cast('9223372036854775808' as bigint)",
            "9223372036854775808",
        ),
        ("cast(1000 as decimal(5,3))", "1000"),
    ] {
        let sql = format!("select {}", sql.replace('V', ENDS));
        let failed = run(&sql).err().unwrap_or_else(|| panic!("{sql} passed"));
        assert!(failed.message.contains(part), "{sql}: {}", failed.message);
    }
}

#[test]
fn what_fits_is_as_before() {
    let v = |sql: &str| sql.replace('V', ENDS);
    check(
        "select -9223372036854775808, 9223372036854775807",
        &["-9223372036854775808|9223372036854775807"],
    );
    check(
        &v("select a - b, a + 0, b * 2, -b from V where a > 0 order by b nulls last"),
        &["9223372036854775805|9223372036854775807|4|-2", "|5||"],
    );
    // A null's slot holds no number.
    check(&v("select a + nullif(a, a) from V"), &["", "", ""]);
    // A branch that is not taken does not fail.
    check(
        &v("select case when a < 100 and a > 0 then a * a * a end from V order by a"),
        &["", "125", ""],
    );
    check(&v("select sum(a), sum(b), avg(b) from V"), &["4|1|0.5"]);
    check(&v("select sum(a) filter (where b > 5) from V"), &[""]);
    check("select sum(x) from (select 1 x where false)", &[""]);
    check(
        "select sum(distinct x) from (values (2), (2), (3), (null)) v(x)",
        &["5"],
    );
    check(
        "select sum(x) over (order by i rows 1 preceding) from \
         (values (1, 9223372036854775807), (2, -1), (3, 4), (4, null)) v(i, x) order by i",
        &["9223372036854775807", "9223372036854775806", "3", "4"],
    );
    check(
        "select sum(distinct x) over (order by i rows 2 preceding) from \
         (values (1, 5), (2, 5), (3, 4), (4, null), (5, null)) v(i, x) order by i",
        &["5", "5", "9", "9", "4"],
    );
    check(
        "select x * 3, x / 4, x - 2, x + x, -x, sum(x) over () from (select cast('10.25' as decimal(20,2)) x)",
        &["30.75|2.562500|8.25|20.50|-10.25|10.25"],
    );
    // Names and types of columns stay what they were.
    let answer = run("select 1 + 1, sum(quantity * 2) from sales").unwrap();
    let names: Vec<_> = answer
        .schema
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .collect();
    assert_eq!(names, ["1 + 1", "sum(quantity * 2)"]);
}

#[test]
fn a_window_of_floats_forgets_what_left_it() {
    check(
        "select sum(x) over (order by i rows 1 preceding), avg(x) over (order by i rows 1 preceding) from \
         (values (1, 1e300), (2, 1.5), (3, 2.5), (4, null), (5, null), (6, 0.25)) v(i, x) order by i",
        &[
            "1e300|1e300",
            "1e300|5e299",
            "4.0|2.0",
            "2.5|2.5",
            "|",
            "0.25|0.25",
        ],
    );
    check(
        "select sum(x) over (order by i rows between 1 following and 2 following) from \
         (values (1, 1e300), (2, cast('inf' as double)), (3, 2.5), (4, 1.0)) v(i, x) order by i",
        &["inf", "3.5", "1.0", ""],
    );
}

/// A generator of numbers, the same each time.
struct Lcg(u64);

impl Lcg {
    fn draw(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 11
    }
}

const GROUPS: u64 = 97;

/// Rows whose prefixes overflow in each group of each order, whose sums do not.
fn extremes() -> (Table, Vec<i128>) {
    let mut rng = Lcg(7);
    let mut sums = vec![0_i128; GROUPS as usize];
    let mut rows: Vec<(u64, Option<i64>)> = Vec::new();
    for i in 0..6_000 {
        let group = rng.draw() % GROUPS;
        let large = i64::MAX - (rng.draw() % 1000) as i64;
        let small = (rng.draw() % 1000) as i64 - 500;
        for value in [large, -large, small] {
            rows.push((group, Some(value)));
        }
        sums[group as usize] += i128::from(small);
        if i % 10 == 0 {
            rows.push((group, None));
        }
    }
    for i in (1..rows.len()).rev() {
        rows.swap(i, rng.draw() as usize % (i + 1));
    }
    let schema = Arc::new(Schema::new(vec![
        Field::new("g", DataType::Int64, false),
        Field::new("x", DataType::Int64, true),
        Field::new("money", DataType::Decimal128(38, 2), true),
    ]));
    let batches = rows.chunks(1_000).map(|rows| {
        let groups = rows.iter().map(|(group, _)| *group as i64);
        // Of 38 digits, so that two of them are beyond the type and three beyond 128 bits.
        let scale = 10_i128.pow(19);
        let money = rows.iter().map(|(_, x)| x.map(|x| i128::from(x) * scale));
        let money = money.collect::<Decimal128Array>();
        RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(Int64Array::from_iter_values(groups)),
                Arc::new(rows.iter().map(|(_, x)| *x).collect::<Int64Array>()),
                Arc::new(money.with_precision_and_scale(38, 2).unwrap()),
            ],
        )
        .unwrap()
    });
    let files = batches.collect::<Vec<_>>();
    let files = files
        .chunks(4)
        .map(|batches| lode_parts::memfd("extremes", &schema, batches.iter().cloned()).unwrap());
    (Table::open(files.collect()).unwrap(), sums)
}

fn over_extremes(sql: &str, table: &Table, options: &RunOptions) -> Result<Vec<String>, String> {
    let table = Provided {
        name: "t".to_owned(),
        table: table.clone(),
        n_files: 5,
        bound: None,
    };
    let memory = if options.scratch.is_some() {
        8 << 20
    } else {
        MEMORY
    };
    match run_over(sql, options, memory, vec![table], None, 1 << 20) {
        Ok(answer) => Ok(answer.rows),
        Err(failed) => Err(format!("{}: {}", failed.reason, failed.message)),
    }
}

#[test]
fn sums_are_the_same_for_any_threads_and_batches() {
    let (table, sums) = extremes();
    let by_group = "select g, sum(x), sum(money) from t group by g order by g";
    let expected: Vec<String> = (0..)
        .zip(&sums)
        .map(|(group, sum)| {
            // The amounts are the numbers times 10^19 at a scale of two.
            let sign = if *sum < 0 { "-" } else { "" };
            let money = match sum {
                0 => "0.00".to_owned(),
                sum => format!("{sign}{}{}.00", sum.abs(), "0".repeat(17)),
            };
            format!("{group}|{sum}|{money}")
        })
        .collect();
    let all: i128 = sums.iter().sum();
    let too_large = "select g, sum(x) from t where x > 0 group by g order by g";
    let money_too_large = "select sum(money) from t where x > 0";
    let partly = "select sum(x) filter (where x between -500 and 500) from t";
    for threads in [1, 2, 8] {
        for batch_rows in [0, 1, 7, 1024] {
            let options = RunOptions {
                batch_rows,
                ..options(threads)
            };
            let run = |sql: &str| over_extremes(sql, &table, &options);
            let text = format!("{threads} threads, batches of {batch_rows}");
            assert_eq!(run(by_group).unwrap(), expected, "{text}");
            let total = format!("{all}");
            assert_eq!(
                run("select sum(x) from t").unwrap(),
                [total.as_str()],
                "{text}"
            );
            assert_eq!(run(partly).unwrap(), [total.as_str()], "{text}");
            for sql in [too_large, money_too_large] {
                let error = run(sql).unwrap_err();
                assert!(
                    error.starts_with("SQL_OVERFLOW: expected a result of sum"),
                    "{text}: {error}"
                );
            }
        }
    }
}

#[test]
fn sums_that_spill_stay_exact() {
    let dir = std::env::temp_dir().join(format!("lode-sums-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (table, sums) = extremes();
    // Some thousands of groups for each number of the series, in which extremes meet their opposites.
    let sql = "select count(*), sum(s) from (select n, sum(x) s from t, \
               (select value n from generate_series(1, 16)) group by n, g, abs(x))";
    let expected = sums.iter().sum::<i128>() * 16;
    let options = RunOptions {
        scratch: Some(Scratch {
            dir: dir.display().to_string(),
            bytes: 1 << 30,
        }),
        ..options(1)
    };
    let rows = over_extremes(sql, &table, &options);
    std::fs::remove_dir_all(&dir).unwrap();
    let rows = rows.unwrap();
    assert!(rows[0].ends_with(&format!("|{expected}")), "{rows:?}");
}

#[test]
fn numbers_with_a_point_are_as_exact_as_what_they_stand_beside() {
    let amounts = "(select cast(a as decimal(12,2)) amt, cast(a as decimal(30,2)) wide, b from \
                   (values ('80000.01', 1), ('9999999999.99', 9007199254740993), ('-0.10', 3)) v(a, b))";
    for (condition, expected) in [
        ("amt = 80000.01", "1"),
        ("amt in (80000.01, 9999999999.99, -0.1)", "3"),
        ("amt between 80000.005 and 9999999999.99", "2"),
        ("amt >= 9999999999.99", "1"),
        ("9999999999.99 <= wide", "1"),
        ("-0.1 = amt", "1"),
        ("wide * 1.1 = 88000.011", "1"),
        ("amt <> 80000.01", "2"),
        // Beside an integer a comparison is exact too.
        ("b = 9007199254740992.0", "0"),
        ("b > 9007199254740992.5", "1"),
        ("b * 0.5 = 1.5", "1"),
    ] {
        check(
            &format!("select count(*) from {amounts} where {condition}"),
            &[expected],
        );
    }
    // Everywhere else they are floats.
    check(
        "select arrow_typeof(1.5), 1.5 + 2.25, 0.1 + 0.2",
        &["Float64|3.75|0.30000000000000004"],
    );
    check(
        "select arrow_typeof(max(unitprice * 1.1)) from sales",
        &["Float64"],
    );
    check(
        "select count(*) from sales where unitprice > 1.25 and unitprice < 1e308",
        &["5"],
    );
    check("select x * 2 from (select 1.5 x)", &["3.0"]);
    check(
        "select round(2.567, 2), coalesce(null, 2.5), 123456789012345678901234567890123456789.5 > 1.0",
        &["2.57|2.5|true"],
    );
}

#[test]
fn what_a_parser_would_misread_is_refused() {
    for sql in [
        "select count(*) from sales where quantity is not distinct from 1 and unitprice > 0",
        "select count(*) from sales where quantity is distinct from 1 or unitprice > 0",
    ] {
        refused(sql, "SQL_INVALID", "expected parentheses around");
    }
    check(
        "select count(*) from sales where (quantity is not distinct from 1) and unitprice > 0",
        &["1"],
    );
}
