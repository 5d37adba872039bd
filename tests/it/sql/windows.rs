//! Functions over windows of rows, each against a plain loop.

use std::collections::BTreeMap;

use anyhow::Result;

use super::shop::Buy;
use super::shop::SECOND;
use super::shop::check;
use super::shop::iso;
use super::shop::money;
use super::shop::open_shop;
use super::shop::or_null;

const N: usize = 2_000;

/// The purchases of each customer, in the order of time.
fn histories(buys: &[Buy]) -> BTreeMap<&str, Vec<&Buy>> {
    let mut histories = BTreeMap::<&str, Vec<&Buy>>::new();
    for row in buys {
        histories.entry(&row.customer).or_default().push(row);
    }
    for rows in histories.values_mut() {
        rows.sort_by_key(|row| row.at);
    }
    histories
}

/// One line for each purchase, from its history and its place there.
fn lines(buys: &[Buy], line: impl Fn(&[&Buy], usize) -> String) -> Vec<String> {
    let histories = histories(buys);
    let histories = histories.values();
    histories
        .flat_map(|rows| (0..rows.len()).map(|i| line(rows, i)).collect::<Vec<_>>())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_see_what_came_before() -> Result<()> {
    let (_engine, client, buys) = open_shop(N).await?;
    let select = |what: &str| {
        format!(
            "select {what} from buys window w as (partition by customer order by at) order by customer, at"
        )
    };
    let expected = lines(&buys, |rows, i| {
        [
            (i + 1).to_string(),
            or_null((i > 0).then(|| rows[i.saturating_sub(1)].item.clone())),
            rows.get(i + 2)
                .map_or("end", |row| row.item.as_str())
                .to_owned(),
            iso(rows[0].at),
            or_null((i > 0).then(|| (rows[i].at - rows[i.saturating_sub(1)].at) / SECOND)),
        ]
        .join("|")
    });
    let what = "row_number() over w, lag(item) over w, lead(item, 2, 'end') over w, first_value(at) over w, \
                cast(extract(epoch from at) - extract(epoch from lag(at) over w) as bigint)";
    check(&client, &select(what), &expected).await?;
    let expected = lines(&buys, |rows, i| {
        let known = |rows: &[&Buy]| -> Option<i64> {
            let known: Vec<i64> = rows.iter().filter_map(|row| row.qty).collect();
            (!known.is_empty()).then(|| known.iter().sum())
        };
        let around = &rows[i.saturating_sub(2)..rows.len().min(i + 2)];
        let mean = around.iter().map(|row| row.price).sum::<f64>() / around.len() as f64;
        [
            or_null(known(&rows[..=i])),
            or_null(known(around)),
            money(rows[..=i].iter().map(|row| row.cents).sum()),
            money(around.iter().map(|row| row.cents).sum()),
            format!("~{mean:?}"),
            format!("~{:?}", around.iter().map(|row| row.price).sum::<f64>()),
            money(around.iter().map(|row| row.cents).max().expect("its own")),
        ]
        .join("|")
    });
    let near = "(partition by customer order by at rows between 2 preceding and 1 following)";
    let what = format!(
        "sum(qty) over w, sum(qty) over {near}, sum(money) over w, sum(money) over {near}, \
         avg(price) over {near}, sum(price) over {near}, max(money) over {near}"
    );
    check(&client, &select(&what), &expected).await?;
    // The last thirty days by time, not by rows.
    let expected = lines(&buys, |rows, i| {
        let since = rows[i].at - 30 * 86_400 * SECOND;
        let recent = rows[..=i].iter().filter(|row| row.at >= since);
        recent.count().to_string()
    });
    let what = "count(*) over (partition by customer order by at range between interval '30 days' preceding \
                and current row)";
    check(&client, &select(what), &expected).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranks_and_tiles_deal_fairly() -> Result<()> {
    let (_engine, client, buys) = open_shop(N).await?;
    let mut spent = BTreeMap::<&str, i128>::new();
    for row in &buys {
        *spent.entry(&row.customer).or_default() += row.cents;
    }
    let mut spent: Vec<(&str, i128)> = spent.into_iter().collect();
    spent.sort_by_key(|(customer, cents)| (-cents, *customer));
    let n = spent.len();
    // The first of 40 customers in seven tiles: five of six, then two of five.
    let tile = |i: usize| {
        let (size, larger) = (n / 7, n % 7);
        match i < larger * (size + 1) {
            true => i / (size + 1) + 1,
            false => (i - larger) / size + 1,
        }
    };
    let expected: Vec<String> = (0..)
        .zip(&spent)
        .map(|(i, (customer, cents)): (usize, _)| {
            let share = (i as f64) / (n - 1) as f64;
            let up_to = (i + 1) as f64 / n as f64;
            format!(
                "{customer}|{}|{}|{}|~{share:?}|~{up_to:?}",
                money(*cents),
                i + 1,
                tile(i)
            )
        })
        .collect();
    let sql = "with s as (select customer, sum(money) as spent from buys group by customer) \
               select customer, spent, rank() over w, ntile(7) over w, percent_rank() over w, cume_dist() over w \
               from s window w as (order by spent desc, customer) order by spent desc, customer";
    check(&client, sql, &expected).await?;
    // Ties share a rank; the next rank counts them, dense_rank does not.
    let mut tied: Vec<(Option<i64>, i64)> = buys.iter().map(|row| (row.qty, row.at)).collect();
    tied.sort_by_key(|(qty, at)| (qty.is_none(), *qty, *at));
    let expected: Vec<String> = tied
        .iter()
        .map(|(qty, _)| {
            let key = (qty.is_none(), *qty);
            let before: Vec<_> = tied
                .iter()
                .map(|(q, _)| (q.is_none(), *q))
                .filter(|q| *q < key)
                .collect();
            let mut distinct = before.clone();
            distinct.dedup();
            format!(
                "{}|{}|{}",
                or_null(*qty),
                before.len() + 1,
                distinct.len() + 1
            )
        })
        .collect();
    let sql = "select qty, rank() over (order by qty), dense_rank() over (order by qty) from buys order by qty, at";
    check(&client, sql, &expected).await?;
    // The largest purchase of each customer, three ways.
    let mut largest = BTreeMap::<&str, &Buy>::new();
    for row in &buys {
        let best = largest.entry(&row.customer).or_insert(row);
        if (row.cents, -row.at) > (best.cents, -best.at) {
            *best = row;
        }
    }
    let expected: Vec<String> = largest
        .iter()
        .map(|(id, row)| format!("{id}|{}|{}", row.item, money(row.cents)))
        .collect();
    for sql in [
        "select customer, item, money from buys qualify row_number() over (partition by customer order by money desc, at) = 1 order by 1",
        "select distinct on (customer) customer, item, money from buys order by customer, money desc, at",
        "select customer, first_value(item order by money desc, at), max(money) from buys group by customer order by customer",
    ] {
        check(&client, sql, &expected).await?;
    }
    Ok(())
}
