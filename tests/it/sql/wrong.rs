//! Statements that are refused, each with a reason, the field and a message that helps.

use anyhow::Result;
use lode_tests::Engine;
use lode_tests::settings;
use tonic::Code;

use super::shop::open_shop;
use super::shop::refusal;
use super::shop::request;

const INVALID: &str = "SQL_INVALID";
const NOT_A_QUERY: &str = "SQL_NOT_A_QUERY";
const FAILED: &str = "SQL_FAILED";
const OVERFLOW: &str = "SQL_OVERFLOW";

/// Statement, reason, and what the message must hold.
const WRONG: [(&str, &str, &[&str]); 58] = [
    ("", NOT_A_QUERY, &["expected one SELECT", "an empty text"]),
    ("selct 1", NOT_A_QUERY, &["expected one SELECT", "selct"]),
    ("select 1; select 2", NOT_A_QUERY, &["2 statements"]),
    // writes
    (
        "insert into buys values (1)",
        NOT_A_QUERY,
        &["expected one SELECT", "INSERT"],
    ),
    (
        "update buys set qty = 1",
        NOT_A_QUERY,
        &["expected one SELECT", "UPDATE"],
    ),
    (
        "delete from buys",
        NOT_A_QUERY,
        &["expected one SELECT", "DELETE"],
    ),
    (
        "create table t as select * from buys",
        NOT_A_QUERY,
        &["CREATE"],
    ),
    (
        "create external table t stored as csv location '/etc/passwd'",
        NOT_A_QUERY,
        &["CREATE"],
    ),
    (
        "create function f() returns int return 1",
        NOT_A_QUERY,
        &["CREATE"],
    ),
    ("drop table buys", NOT_A_QUERY, &["DROP"]),
    ("alter table buys add column x int", NOT_A_QUERY, &["ALTER"]),
    ("truncate table buys", NOT_A_QUERY, &["TRUNCATE"]),
    ("copy buys to '/tmp/x.csv'", NOT_A_QUERY, &["COPY"]),
    (
        "set datafusion.execution.batch_size = 1",
        NOT_A_QUERY,
        &["SET"],
    ),
    ("begin", NOT_A_QUERY, &["expected one SELECT"]),
    (
        "merge into buys using people on true when matched then delete",
        NOT_A_QUERY,
        &["MERGE"],
    ),
    ("select * into t from buys", NOT_A_QUERY, &["SELECT INTO"]),
    (
        "with x as (select 1) insert into buys select * from x",
        NOT_A_QUERY,
        &["INSERT"],
    ),
    ("explain select 1", NOT_A_QUERY, &["EXPLAIN", "--explain"]),
    ("show tables", NOT_A_QUERY, &["SHOW"]),
    // spelling and grammar
    ("select qty frm buys where", INVALID, &["expected", "found"]),
    ("select qty buys where qty > 1", INVALID, &["qty"]),
    (
        "select (1 + 2 from buys",
        INVALID,
        &["expected", ")", "found"],
    ),
    ("select 'open from buys", INVALID, &["unterminated string"]),
    (
        "select * from buys group qty",
        INVALID,
        &["expected", "found"],
    ),
    // names
    (
        "select qyt from buys",
        INVALID,
        &["\"qyt\"", "did you mean", "\"qty\""],
    ),
    (
        "select zzz from buys",
        INVALID,
        &["\"zzz\"", "expected one of", "\"customer\""],
    ),
    (
        "select x.qty from buys b",
        INVALID,
        &["no table \"x\"", "\"b\""],
    ),
    ("select \"QTY\" from buys", INVALID, &["\"QTY\"", "\"qty\""]),
    (
        "select customer from buys join people on true",
        INVALID,
        &["\"customer\"", "more than one"],
    ),
    ("select nosuch(qty) from buys", INVALID, &["nosuch"]),
    ("select * from nosuch(1)", INVALID, &["nosuch"]),
    (
        "select * from public.buys",
        INVALID,
        &["dataset's name alone", "public.buys"],
    ),
    (
        "select * from information_schema.tables",
        INVALID,
        &["dataset's name alone"],
    ),
    // types
    (
        "select sum(item) from buys",
        INVALID,
        &["for sum, found text"],
    ),
    (
        "select item + 1 from buys",
        INVALID,
        &["expected operands", "text + int64"],
    ),
    (
        "select qty from buys where item",
        INVALID,
        &["expected", "true or false", "text"],
    ),
    ("select at + 1 from buys", INVALID, &["timestamp", "int64"]),
    (
        "select item + interval '1 day' from buys",
        INVALID,
        &["text", "interval"],
    ),
    ("select date_trunc(at) from buys", INVALID, &["date_trunc"]),
    (
        "select date_trunc('fortnight', at) from buys",
        FAILED,
        &["fortnight"],
    ),
    (
        "select qty from buys where at > 'yesterday'",
        INVALID,
        &["yesterday"],
    ),
    // groups, unions, subqueries
    (
        "select qty, sum(price) from buys",
        INVALID,
        &["qty\"", "GROUP BY"],
    ),
    (
        "select item from buys where sum(qty) > 1",
        INVALID,
        &["sum", "WHERE", "HAVING"],
    ),
    ("select 1 union select 1, 2", INVALID, &["columns"]),
    (
        "select (select qty from buys) from buys",
        FAILED,
        &["at most one row from a subquery"],
    ),
    (
        "select item from buys order by 7",
        INVALID,
        &["7", "column"],
    ),
    ("select qty from buys limit -1", INVALID, &["LIMIT", "-1"]),
    (
        "select row_number() from buys",
        INVALID,
        &["row_number", "OVER"],
    ),
    // times, versions, parameters
    (
        "select * from as_of(buys)",
        INVALID,
        &["as_of(DATASET, TIME)", "one argument"],
    ),
    (
        "select * from as_of(buys, 'soon')",
        INVALID,
        &["a timestamp, a date", "soon"],
    ),
    (
        "select * from version(buys, 'one')",
        INVALID,
        &["a version number", "one"],
    ),
    (
        "select * from buys where qty > $least",
        INVALID,
        &["$least", "expected a value"],
    ),
    (
        "select * from buys where qty > ?",
        INVALID,
        &["$name or $1", "?"],
    ),
    // what only running shows
    (
        "select 1 / (qty - qty) from buys",
        FAILED,
        &["divisor other than zero"],
    ),
    (
        "select qty + 9223372036854775807 from buys",
        OVERFLOW,
        &["result of +", "int64", "9223372036854775807"],
    ),
    (
        "select cast(item as bigint) from buys",
        FAILED,
        &["cannot cast string 'i", "Int64"],
    ),
    (
        "select regexp_like(item, '(') from buys",
        INVALID,
        &["regular expression"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_statement_is_told_what_was_expected() -> Result<()> {
    let (engine, client, _) = open_shop(300).await?;
    let mut unclear = Vec::new();
    for (sql, reason, parts) in WRONG {
        let found = refusal(&client, request(sql)).await;
        settings::say(&format!(
            "sql: {sql}\n    {} {}",
            found.reason, found.message
        ));
        let message = found.message.to_lowercase();
        let lacks = parts
            .iter()
            .find(|part| !message.contains(&part.to_lowercase()));
        let noise = [
            "datafusion",
            "arrow",
            "error {",
            "utf8view",
            "panicked",
            "\n",
        ];
        let noise = noise.iter().find(|noise| message.contains(*noise));
        if (found.code, &*found.reason, &*found.field) != (Code::InvalidArgument, reason, "sql")
            || lacks.is_some()
            || noise.is_some()
        {
            unclear.push(format!(
                "{sql}\n    lacks {lacks:?}, has {noise:?}: {found:?}"
            ));
        }
    }
    assert!(
        unclear.is_empty(),
        "{} unclear:\n{}",
        unclear.len(),
        unclear.join("\n")
    );
    by_the_command(&engine)
}

/// The command prints the same, and what to do next.
fn by_the_command(engine: &Engine) -> Result<()> {
    for (sql, parts) in [
        ("select qyt from buys", ["did you mean", "lode dataset"]),
        ("select * from bys", ["no dataset \"bys\"", "lode datasets"]),
        (
            "select qty + 9223372036854775807 from buys",
            ["that fits int64", "DECIMAL(38, 0)"],
        ),
        (
            "delete from buys",
            ["expected one SELECT, found DELETE", "lode dataset"],
        ),
    ] {
        let finished = engine.lode(["query", sql])?;
        let stderr = finished.failure()?;
        for part in parts {
            assert!(stderr.contains(part), "{sql}: {stderr}");
        }
        assert!(finished.stdout.is_empty(), "{sql}: {}", finished.stdout);
    }
    Ok(())
}
