//! Wrong statements and what the person who wrote them is told.

use super::run;

/// Statement, reason, and what the message must hold.
const WRONG: [(&str, &str, &[&str]); 38] = [
    (
        "",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "an empty text"],
    ),
    (
        "-- nothing",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "an empty text"],
    ),
    (
        "select 1; select 2",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "2 statements"],
    ),
    (
        "delete from sales",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "DELETE"],
    ),
    (
        "insert into sales values (1)",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "INSERT"],
    ),
    (
        "update sales set quantity = 1",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "UPDATE"],
    ),
    (
        "with x as (select 1) insert into sales select * from x",
        "SQL_NOT_A_QUERY",
        &["INSERT"],
    ),
    (
        "create table t (a int)",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "CREATE"],
    ),
    (
        "drop table sales",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "DROP"],
    ),
    (
        "copy sales to '/tmp/x'",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "COPY"],
    ),
    (
        "set datafusion.execution.batch_size = 1",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "SET"],
    ),
    (
        "explain analyze delete from sales",
        "SQL_NOT_A_QUERY",
        &["EXPLAIN", "--explain"],
    ),
    (
        "select * into t from sales",
        "SQL_NOT_A_QUERY",
        &["SELECT INTO"],
    ),
    (
        "selct * from sales",
        "SQL_NOT_A_QUERY",
        &["expected one SELECT", "selct"],
    ),
    ("select quantity frm sales where", "SQL_INVALID", &["found"]),
    (
        "select (1 + 2 from sales",
        "SQL_INVALID",
        &["expected", "found"],
    ),
    (
        "select 'open from sales",
        "SQL_INVALID",
        &["unterminated string"],
    ),
    (
        "select quantty from sales",
        "SQL_INVALID",
        &["quantty", "did you mean", "Quantity"],
    ),
    (
        "select s.qantity from sales s",
        "SQL_INVALID",
        &["qantity", "Quantity"],
    ),
    (
        "select zzz from sales",
        "SQL_INVALID",
        &["zzz", "expected one of", "StockCode"],
    ),
    (
        "select x.quantity from sales s",
        "SQL_INVALID",
        &["no table \"x\"", "expected one of \"s\""],
    ),
    (
        "select stockcode from sales join items on true",
        "SQL_INVALID",
        &["StockCode", "more than one"],
    ),
    (
        "select quantity, sum(unitprice) from sales",
        "SQL_INVALID",
        &["Quantity", "GROUP BY"],
    ),
    (
        "select sum(stockcode) from sales",
        "SQL_INVALID",
        &["expected decimal", "int64", "for sum, found text"],
    ),
    (
        "select nosuch(quantity) from sales",
        "SQL_INVALID",
        &["nosuch"],
    ),
    (
        "select date_trunc(invoicedate) from sales",
        "SQL_INVALID",
        &["expected 2 arguments for date_trunc, found 1"],
    ),
    (
        "select stockcode + interval '1 day' from sales",
        "SQL_INVALID",
        &["text", "interval"],
    ),
    (
        "select quantity from sales where stockcode",
        "SQL_INVALID",
        &["true or false", "which is text"],
    ),
    ("select 1 union select 1, 2", "SQL_INVALID", &["column"]),
    (
        "select a.b.sales.quantity from a.b.sales",
        "SQL_INVALID",
        &["dataset's name alone", "a.b.sales"],
    ),
    (
        "select * from nosuch(1)",
        "SQL_INVALID",
        &["no table function \"nosuch\"", "expected a dataset"],
    ),
    (
        "select * from as_of(sales)",
        "SQL_INVALID",
        &["as_of(DATASET, TIME)", "one argument"],
    ),
    (
        "select * from as_of(sales, 5)",
        "SQL_INVALID",
        &["as_of(sales, 5)", "a timestamp, a date", "5"],
    ),
    (
        "select * from as_of(sales, 'soon')",
        "SQL_INVALID",
        &["a timestamp, a date", "soon"],
    ),
    (
        "select * from as_of(sales, invoicedate)",
        "SQL_INVALID",
        &["constants", "invoicedate"],
    ),
    (
        "select * from version(sales, 'one')",
        "SQL_INVALID",
        &["a version number", "one"],
    ),
    (
        "select * from sales where quantity > $least",
        "SQL_INVALID",
        &["$least", "expected a value"],
    ),
    (
        "select * from sales where quantity > ?",
        "SQL_INVALID",
        &["$name or $1", "?"],
    ),
];

#[test]
fn a_wrong_statement_is_told_what_was_expected() {
    let mut unclear = Vec::new();
    for (sql, reason, parts) in WRONG {
        let Err(failed) = run(sql) else {
            unclear.push(format!("{sql}\n    was not refused"));
            continue;
        };
        println!("{sql}\n    {}: {}", failed.reason, failed.message);
        let message = failed.message.to_lowercase();
        let missing = parts
            .iter()
            .find(|part| !message.contains(&part.to_lowercase()));
        if failed.reason != reason || missing.is_some() {
            unclear.push(format!(
                "{sql}\n    {failed:?} lacks {reason} or {missing:?}"
            ));
        }
    }
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
}
