//! Dates, texts, aggregates, joins and sets, each against plain loops.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anyhow::Result;
use lode_client::Client;

use super::shop::Buy;
use super::shop::DAY;
use super::shop::SECOND;
use super::shop::START;
use super::shop::check;
use super::shop::civil;
use super::shop::iso;
use super::shop::money;
use super::shop::open_shop;
use super::shop::or_null;
use super::shop::people;
use super::shop::rows as rows_of;

const N: usize = 3_000;

/// One expression for each row, in the order of time.
async fn each(
    client: &Client,
    buys: &[Buy],
    expression: &str,
    expected: impl Fn(&Buy) -> String,
) -> Result<()> {
    let mut buys: Vec<&Buy> = buys.iter().collect();
    buys.sort_by_key(|row| row.at);
    let expected: Vec<String> = buys.into_iter().map(expected).collect();
    let sql = format!("select {expression} from buys order by at");
    check(client, &sql, &expected).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_are_what_a_calendar_says() -> Result<()> {
    let (_engine, client, buys) = open_shop(N).await?;
    let day_of = |at: i64| at.div_euclid(DAY);
    let midnight = |days: i64| iso(days * DAY);
    let year_start = START / DAY;
    each(&client, &buys, "date_trunc('day', at)", |row| {
        midnight(day_of(row.at))
    })
    .await?;
    each(&client, &buys, "date_trunc('hour', at)", |row| {
        iso(row.at - row.at % (3_600 * SECOND))
    })
    .await?;
    // The year starts on a Monday, as weeks do.
    each(&client, &buys, "date_trunc('week', at)", |row| {
        midnight(day_of(row.at) - (day_of(row.at) - year_start) % 7)
    })
    .await?;
    each(&client, &buys, "date_trunc('month', at)", |row| {
        let (_, _, day) = civil(day_of(row.at));
        midnight(day_of(row.at) - day + 1)
    })
    .await?;
    let parts = "date_part('year', at), extract(month from at), extract(day from at), \
                 date_part('hour', at), extract(dow from at), extract(doy from at), \
                 extract(quarter from at), cast(extract(epoch from at) as bigint)";
    each(&client, &buys, parts, |row| {
        let days = day_of(row.at);
        let (year, month, day) = civil(days);
        let hour = row.at % DAY / (3_600 * SECOND);
        // Day 0 of the week is Sunday; 1970-01-01 was a Thursday.
        let (weekday, of_year) = ((days + 4) % 7, days - year_start + 1);
        let quarter = (month + 2) / 3;
        let epoch = row.at / SECOND;
        format!("{year}|{month}|{day}|{hour}|{weekday}|{of_year}|{quarter}|{epoch}")
    })
    .await?;
    each(
        &client,
        &buys,
        "at + interval '1 day 2 hours', at - interval '90 minutes', cast(at as date) as day, \
         to_char(at, '%Y/%m/%d %H:%M')",
        |row| {
            let (year, month, day) = civil(day_of(row.at));
            let minute = row.at % DAY / (60 * SECOND);
            let (hour, minute) = (minute / 60, minute % 60);
            format!(
                "{}|{}|{year}-{month:02}-{day:02}|{year}/{month:02}/{day:02} {hour:02}:{minute:02}",
                iso(row.at + DAY + 7_200 * SECOND),
                iso(row.at - 5_400 * SECOND),
            )
        },
    )
    .await?;
    each(&client, &buys, "at + interval '1 month'", |row| {
        // The last day of the month when there are not so many.
        let (year, month, day) = civil(day_of(row.at));
        let (year, month) = (year + month / 12, month % 12 + 1);
        let next = (0..62).map(|ahead| day_of(row.at) + ahead);
        let next = next.filter(|days| {
            let (y, m, d) = civil(*days);
            (y, m) == (year, month) && d <= day
        });
        iso(next.max().expect("a month has days") * DAY + row.at % DAY)
    })
    .await?;
    each(
        &client,
        &buys,
        "date_bin(interval '6 hours', at), cast(heard as date) - cast(at as date), heard > at + interval '1 day'",
        |row| {
            format!(
                "{}|{}|{}",
                iso(row.at - row.at % (6 * 3_600 * SECOND)),
                day_of(row.heard) - day_of(row.at),
                row.heard - row.at > DAY
            )
        },
    )
    .await?;
    let in_may = buys
        .iter()
        .filter(|row| civil(day_of(row.at)).1 == 5)
        .count();
    for filter in [
        "at >= '2024-05-01' and at < '2024-06-01'",
        "at >= timestamp '2024-05-01' and at < timestamp '2024-05-01' + interval '1 month'",
        "at between make_date(2024, 5, 1) and to_timestamp('2024-05-31T23:59:59')",
        "date_trunc('month', at) = date '2024-05-01'",
        "extract(month from at) = 5",
    ] {
        let sql = format!("select count(*) from buys where {filter}");
        check(&client, &sql, &[in_may.to_string()]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_are_cut_searched_and_put_together() -> Result<()> {
    let (_engine, client, buys) = open_shop(N).await?;
    let note = |row: &Buy, change: fn(&str) -> String| or_null(row.note.as_deref().map(change));
    let first = |text: &str, n| text.chars().take(n).collect::<String>();
    each(&client, &buys, "lower(note), upper(note)", |row| {
        format!(
            "{}|{}",
            note(row, |text| text.to_lowercase()),
            note(row, |text| text.to_uppercase())
        )
    })
    .await?;
    each(
        &client,
        &buys,
        "trim(note), length(note), octet_length(note), reverse(note), replace(note, '-', '_')",
        |row| {
            [
                note(row, |text| text.trim().to_owned()),
                note(row, |text| text.chars().count().to_string()),
                note(row, |text| text.len().to_string()),
                note(row, |text| text.chars().rev().collect()),
                note(row, |text| text.replace('-', "_")),
            ]
            .join("|")
        },
    )
    .await?;
    each(
        &client,
        &buys,
        "substr(note, 3, 4), left(note, 2), right(customer, 2), strpos(note, 'f'), split_part(note, '-', 2), \
         lpad(item, 5, '0'), starts_with(note, 'gift')",
        |row| {
            [
                note(row, |text| text.chars().skip(2).take(4).collect()),
                or_null(row.note.as_deref().map(|text| first(text, 2))),
                row.customer[1..].to_owned(),
                note(row, |text| text.find('f').map_or(0, |at| at + 1).to_string()),
                note(row, |text| text.split('-').nth(1).unwrap_or_default().to_owned()),
                format!("{:0>5}", row.item),
                note(row, |text| text.starts_with("gift").to_string()),
            ]
            .join("|")
        },
    )
    .await?;
    each(
        &client,
        &buys,
        "note like '%ift%', note ilike 'gift%', note not like '_-%', note like '%100\\%'",
        |row| {
            [
                note(row, |text| text.contains("ift").to_string()),
                note(row, |text| {
                    text.to_lowercase().starts_with("gift").to_string()
                }),
                note(row, |text| (text.chars().nth(1) != Some('-')).to_string()),
                note(row, |text| text.ends_with("100%").to_string()),
            ]
            .join("|")
        },
    )
    .await?;
    each(
        &client,
        &buys,
        "regexp_like(note, '^[Gg]ift'), regexp_replace(item, '^i(\\d+)$', 'item-$1'), \
         regexp_count(note, '[a-c]'), note ~ '文', regexp_match(customer, '\\d+')[1]",
        |row| {
            [
                note(row, |text| {
                    (text.starts_with("gift") || text.starts_with("Gift")).to_string()
                }),
                format!("item-{}", &row.item[1..]),
                note(row, |text| {
                    text.matches(['a', 'b', 'c']).count().to_string()
                }),
                note(row, |text| text.contains('文').to_string()),
                row.customer[1..].to_owned(),
            ]
            .join("|")
        },
    )
    .await?;
    each(
        &client,
        &buys,
        "customer || '/' || item, concat(note, '!'), concat_ws('-', customer, note, item), \
         coalesce(note, 'none'), nullif(item, 'i0'), cast(qty as varchar) || 'x'",
        |row| {
            let joined: Vec<&str> = [Some(&row.customer), row.note.as_ref(), Some(&row.item)]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            [
                format!("{}/{}", row.customer, row.item),
                // As elsewhere, concat takes null for nothing.
                format!("{}!", row.note.as_deref().unwrap_or_default()),
                joined.join("-"),
                row.note.clone().unwrap_or("none".to_owned()),
                if row.item == "i0" {
                    String::new()
                } else {
                    row.item.clone()
                },
                or_null(row.qty.map(|qty| format!("{qty}x"))),
            ]
            .join("|")
        },
    )
    .await?;
    each(
        &client,
        &buys,
        "case when qty is null then 'none' when qty < 0 then 'back' when qty between 0 and 2 then 'few' \
         else 'many' end, greatest(qty, 3), qty in (1, 3, 5), abs(qty), qty % 3, round(price, 1)",
        |row| {
            let class = match row.qty {
                None => "none",
                Some(..0) => "back",
                Some(0..=2) => "few",
                Some(_) => "many",
            };
            [
                class.to_owned(),
                row.qty.map_or(3, |qty| qty.max(3)).to_string(),
                or_null(row.qty.map(|qty| [1, 3, 5].contains(&qty))),
                or_null(row.qty.map(i64::abs)),
                or_null(row.qty.map(|qty| qty % 3)),
                format!("~{}", (row.price * 10.0).round() / 10.0),
            ]
            .join("|")
        },
    )
    .await
}

/// Groups by a key.
fn by<K: Ord>(buys: &[Buy], key: impl Fn(&Buy) -> K) -> BTreeMap<K, Vec<&Buy>> {
    let mut groups = BTreeMap::<K, Vec<&Buy>>::new();
    for row in buys {
        groups.entry(key(row)).or_default().push(row);
    }
    groups
}

fn qty_sum(rows: &[&Buy]) -> Option<i64> {
    let known: Vec<i64> = rows.iter().filter_map(|row| row.qty).collect();
    (!known.is_empty()).then(|| known.iter().sum())
}

fn cents(rows: &[&Buy]) -> i128 {
    rows.iter().map(|row| row.cents).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_agree_with_plain_sums() -> Result<()> {
    let (_engine, client, buys) = open_shop(N).await?;
    let expected = by(&buys, |row| row.item.clone())
        .into_iter()
        .map(|(item, rows)| {
            let customers: BTreeSet<&str> = rows.iter().map(|row| row.customer.as_str()).collect();
            let prices = || rows.iter().map(|row| row.price);
            let most = rows
                .iter()
                .map(|row| row.cents)
                .max()
                .expect("a group has rows");
            let back = rows
                .iter()
                .filter(|row| row.qty < Some(0) && row.qty.is_some())
                .count();
            [
                item,
                rows.len().to_string(),
                rows.iter()
                    .filter(|row| row.qty.is_some())
                    .count()
                    .to_string(),
                customers.len().to_string(),
                or_null(qty_sum(&rows)),
                money(cents(&rows)),
                money(most),
                format!("~{:?}", prices().sum::<f64>()),
                format!("~{:?}", prices().sum::<f64>() / rows.len() as f64),
                iso(rows
                    .iter()
                    .map(|row| row.at)
                    .min()
                    .expect("a group has rows")),
                back.to_string(),
            ]
            .join("|")
        });
    let sql = "select item, count(*), count(qty), count(distinct customer), sum(qty), sum(money), max(money), \
               sum(price), avg(price), min(at), count(*) filter (where qty < 0) from buys group by item order by item";
    check(&client, sql, &expected.collect::<Vec<_>>()).await?;
    // Products of exact numbers are exact.
    let total: i128 = buys
        .iter()
        .filter_map(|row| Some(row.cents * i128::from(row.qty?)))
        .sum();
    check(
        &client,
        "select sum(money * qty) from buys",
        &[money(total)],
    )
    .await?;
    let having = by(&buys, |row| row.customer.clone()).into_iter();
    let having = having.filter(|(_, rows)| qty_sum(rows) > Some(150));
    let having: Vec<String> = having
        .map(|(customer, rows)| format!("{customer}|{}", or_null(qty_sum(&rows))))
        .collect();
    assert!(!having.is_empty());
    let sql = "select customer, sum(qty) as pieces from buys group by customer having sum(qty) > 150 order by 1";
    check(&client, sql, &having).await?;
    let listed = by(&buys, |row| row.customer.clone())
        .into_iter()
        .map(|(customer, mut rows)| {
            rows.sort_by_key(|row| row.at);
            let items: Vec<&str> = rows.iter().take(3).map(|row| row.item.as_str()).collect();
            format!("{customer}|{}|[{}]", items.join("+"), items.join(", "))
        });
    let sql = "select customer, string_agg(item, '+' order by at), array_agg(item order by at) from \
               (select *, row_number() over (partition by customer order by at) n from buys) x where n <= 3 \
               group by customer order by customer";
    check(&client, sql, &listed.collect::<Vec<_>>()).await
}

/// The value at a share of sorted values, between two of them when it must be.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quantiles_and_distincts_are_near_or_exact() -> Result<()> {
    let (_engine, client, buys) = open_shop(N).await?;
    let mut prices: Vec<f64> = buys.iter().map(|row| row.price).collect();
    prices.sort_by(f64::total_cmp);
    let mean = prices.iter().sum::<f64>() / prices.len() as f64;
    let squares: f64 = prices.iter().map(|price| (price - mean).powi(2)).sum();
    let exact = [
        quantile(&prices, 0.5),
        quantile(&prices, 0.25),
        quantile(&prices, 0.9),
        (squares / (prices.len() - 1) as f64).sqrt(),
        squares / prices.len() as f64,
    ];
    let exact: Vec<String> = exact.iter().map(|value| format!("~{value:?}")).collect();
    let sql = "select median(price), percentile_cont(0.25) within group (order by price), \
               percentile_cont(price, 0.9), stddev(price), var_pop(price) from buys";
    check(&client, sql, &[exact.join("|")]).await?;
    // The share of smaller values may differ by a hundredth.
    for share in [0.05, 0.5, 0.95, 0.99] {
        let sql = format!(
            "select approx_percentile_cont(price, {share}), approx_median(price) from buys"
        );
        let found = rows_of(&client, &sql).await?;
        let found: f64 = found[0].split('|').next().unwrap_or_default().parse()?;
        let smaller = prices.iter().filter(|price| **price <= found).count();
        let rank = smaller as f64 / prices.len() as f64;
        assert!((rank - share).abs() < 0.01, "{share}: {found} is at {rank}");
    }
    for (what, exact) in [
        (
            "customer",
            buys.iter()
                .map(|row| &row.customer)
                .collect::<BTreeSet<_>>()
                .len(),
        ),
        (
            "item",
            buys.iter()
                .map(|row| &row.item)
                .collect::<BTreeSet<_>>()
                .len(),
        ),
        ("at", N),
    ] {
        let found = rows_of(
            &client,
            &format!("select approx_distinct({what}) from buys"),
        )
        .await?;
        let error = found[0].parse::<f64>()? / exact as f64 - 1.0;
        assert!(error.abs() < 0.04, "{what}: {} for {exact}", found[0]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_sets_and_subqueries_agree_with_loops() -> Result<()> {
    let (_engine, client, buys) = open_shop(N).await?;
    let people = people();
    let city = |customer: &str| people.iter().find(|row| row.0 == customer).map(|row| row.1);
    let by_city = by(&buys, |row| city(&row.customer).expect("all are people"));
    let expected = by_city
        .iter()
        .map(|(city, rows)| format!("{city}|{}|{}", rows.len(), money(cents(rows))));
    let sql = "select p.city, count(*), sum(b.money) from buys b join people p on p.customer = b.customer \
               group by p.city order by p.city";
    check(&client, sql, &expected.collect::<Vec<_>>()).await?;
    let per_person = by(&buys, |row| row.customer.clone());
    let bought = |id: &str| per_person.get(id).map_or(0, Vec::len);
    let left = people
        .iter()
        .map(|(id, _, age)| format!("{id}|{}|{}", or_null(*age), bought(id)));
    let sql = "with n as (select customer, count(*) as n from buys group by customer) \
               select p.customer, p.age, coalesce(n.n, 0) from people p left join n using (customer) order by 1";
    check(&client, sql, &left.collect::<Vec<_>>()).await?;
    let none: Vec<String> = people
        .iter()
        .map(|row| row.0.clone())
        .filter(|id| bought(id) == 0)
        .collect();
    assert_eq!(none.len(), 5);
    for sql in [
        "select customer from people p where not exists (select 1 from buys b where b.customer = p.customer) order by 1",
        "select customer from people where customer not in (select customer from buys) order by 1",
        "select customer from people except select customer from buys order by 1",
        "select p.customer from people p left anti join buys b on p.customer = b.customer order by 1",
        "select p.customer from buys b full join people p on p.customer = b.customer where b.item is null order by 1",
    ] {
        check(&client, sql, &none).await?;
    }
    let old: Vec<String> = people
        .iter()
        .filter(|row| row.2 > Some(50))
        .map(|row| row.0.clone())
        .collect();
    let both: BTreeSet<String> = old.iter().filter(|id| bought(id) > 0).cloned().collect();
    let sql =
        "select customer from people where age > 50 intersect select customer from buys order by 1";
    check(&client, sql, &both.into_iter().collect::<Vec<_>>()).await?;
    let sql = "select count(*) from (select customer from people where age > 50 union all select customer from buys)";
    check(&client, sql, &[(old.len() + N).to_string()]).await?;
    let above = by(&buys, |row| row.customer.clone())
        .into_values()
        .map(|rows| {
            let mean = rows.iter().map(|row| row.price).sum::<f64>() / rows.len() as f64;
            rows.iter().filter(|row| row.price > mean).count()
        });
    let sql = "select count(*) from buys b where price > (select avg(price) from buys a where a.customer = b.customer)";
    check(&client, sql, &[above.sum::<usize>().to_string()]).await?;
    let tree = "with recursive n as (select 1 as i union all select i * 3 from n where i < 1000) \
                select count(*), max(i) from n";
    check(&client, tree, &["8|2187"]).await?;
    grouping_sets(&client, &buys).await
}

async fn grouping_sets(client: &Client, buys: &[Buy]) -> Result<()> {
    let few: Vec<Buy> = buys
        .iter()
        .filter(|row| row.customer.as_str() < "c03")
        .cloned()
        .collect();
    let mut expected = Vec::new();
    let line = |customer: &str, item: &str, level: usize, rows: &[&Buy]| {
        format!(
            "{customer}|{item}|{level}|{}|{}",
            rows.len(),
            money(cents(rows))
        )
    };
    let both = by(&few, |row| (row.customer.clone(), row.item.clone()));
    expected.extend(both.iter().map(|((c, i), rows)| line(c, i, 0, rows)));
    let customers = by(&few, |row| row.customer.clone());
    expected.extend(customers.iter().map(|(c, rows)| line(c, "", 1, rows)));
    let items = by(&few, |row| row.item.clone());
    let of_items: Vec<String> = items.iter().map(|(i, rows)| line("", i, 2, rows)).collect();
    let all = line("", "", 3, &few.iter().collect::<Vec<_>>());
    let sql = |sets: &str| {
        format!(
            "select customer, item, grouping(customer) * 2 + grouping(item) as level, count(*), sum(money) \
             from buys where customer < 'c03' group by {sets} \
             order by level, customer, item"
        )
    };
    let mut rollup = expected.clone();
    rollup.push(all.clone());
    check(client, &sql("rollup (customer, item)"), &rollup).await?;
    expected.extend(of_items);
    expected.push(all);
    check(client, &sql("cube (customer, item)"), &expected).await?;
    check(
        client,
        &sql("grouping sets ((customer, item), (customer), (item), ())"),
        &expected,
    )
    .await
}
