//! Checks sums against plain recomputation, scores against the stated rule, times against
//! known instants.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use lode_numeric::Rng;
use lode_plugin::Error;
use lode_plugin::Inputs;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::testing;
use lode_plugin::testing::Fit;

use super::Rfm;
use super::time;
use super::time::DAY_MICROS;

/// One line of a purchase.
#[derive(Clone, Debug, Default)]
struct Line {
    who: Option<i64>,
    day: Option<i64>,
    order: Option<i64>,
    pieces: Option<f64>,
    price: Option<f64>,
}

fn line(who: i64, day: i64, order: i64, pieces: f64, price: f64) -> Line {
    Line {
        who: Some(who),
        day: Some(day),
        order: Some(order),
        pieces: Some(pieces),
        price: Some(price),
    }
}

fn table(lines: &[Line]) -> RecordBatch {
    let who: Int64Array = lines.iter().map(|l| l.who).collect();
    let when: TimestampMicrosecondArray = lines
        .iter()
        .map(|l| l.day.map(|d| d * DAY_MICROS))
        .collect();
    let order: Int64Array = lines.iter().map(|l| l.order).collect();
    let pieces: Float64Array = lines.iter().map(|l| l.pieces).collect();
    let price: Float64Array = lines.iter().map(|l| l.price).collect();
    testing::batch(&[
        ("who", Some(Role::CustomerId), Arc::new(who)),
        ("when", Some(Role::EventTime), Arc::new(when)),
        ("order", Some(Role::Order), Arc::new(order)),
        ("pieces", Some(Role::Quantity), Arc::new(pieces)),
        ("price", Some(Role::UnitPrice), Arc::new(price)),
    ])
}

/// A shop of `n` lines with gaps, returns and free lines.
fn shop(n: usize) -> Vec<Line> {
    let mut rng = Rng::new(3);
    let mut lines = Vec::new();
    for _ in 0..n {
        let who = rng.below(60).min(rng.below(60)) as i64;
        let day = 1 + rng.below(300) as i64;
        let pieces = rng.below(8) as f64 - 1.0;
        lines.push(Line {
            who: (!rng.chance(0.2)).then_some(who),
            day: Some(day),
            order: Some(day * 100 + who),
            pieces: Some(pieces),
            price: Some(rng.below(5) as f64 * 0.75),
        });
    }
    lines
}

fn fit(params: &str, batch: RecordBatch) -> Result<Fit> {
    testing::fit::<Rfm>(params, Inputs::new().with("events", batch.into()), 1, 1)
}

fn floats(batch: &RecordBatch, column: &str) -> Vec<f64> {
    let column = batch[column].as_primitive::<Float64Type>();
    column.iter().map(|v| v.unwrap_or(f64::NAN)).collect()
}

fn integers(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch[column].as_primitive::<Int64Type>().values().to_vec()
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch[column].as_string::<i32>();
    column.iter().map(|v| v.unwrap().to_owned()).collect()
}

fn message(result: Result<Fit>) -> String {
    match result.unwrap_err() {
        Error::Invalid { field, message } => format!("{field}: {message}"),
        other => panic!("expected an invalid input, found {other:?}"),
    }
}

#[test]
fn the_description_is_whole() {
    assert_eq!(testing::check_spec::<Rfm>(), Vec::<String>::new());
}

#[test]
fn values_are_those_of_plain_sums() {
    let lines = shop(3_000);
    let fit = fit("{}", table(&lines)).unwrap();
    let mut expected: BTreeMap<String, (i64, BTreeSet<i64>, f64)> = BTreeMap::new();
    let mut n_bad = 0;
    for line in lines.iter().filter(|l| l.who.is_some()) {
        let amount = line.pieces.unwrap() * line.price.unwrap();
        if amount <= 0.0 {
            n_bad += 1;
            continue;
        }
        let entry = expected.entry(line.who.unwrap().to_string()).or_default();
        entry.0 = entry.0.max(line.day.unwrap());
        entry.1.insert(line.order.unwrap());
        entry.2 += amount;
    }
    let rfm = fit.table("rfm");
    let ids: Vec<String> = expected.keys().cloned().collect();
    assert_eq!(texts(rfm, "customer_id"), ids);
    let frequencies = expected.values().map(|e| e.1.len() as i64);
    assert_eq!(integers(rfm, "frequency"), frequencies.collect::<Vec<_>>());
    for (found, expected) in floats(rfm, "monetary").iter().zip(expected.values()) {
        assert!((found - expected.2).abs() < 1e-9);
    }
    // One day after the latest row that has a customer.
    let known = lines.iter().filter(|l| l.who.is_some());
    let last = known.map(|l| l.day.unwrap()).max().unwrap() + 1;
    for (found, expected) in floats(rfm, "recency_days").iter().zip(expected.values()) {
        assert!((found - (last - expected.0) as f64).abs() < 1e-12);
    }
    let unknown = lines.iter().filter(|l| l.who.is_none()).count();
    assert_eq!(fit.metrics["rows_without_customer"] as usize, unknown);
    assert_eq!(fit.metrics["rows_not_positive"] as usize, n_bad);
    assert_eq!(fit.metrics["rows_used"] as usize, 3_000 - unknown - n_bad);
}

#[test]
fn scores_follow_the_rule_and_equal_values_score_alike() {
    for bins in [2, 5, 7] {
        let fit = fit(&format!(r#"{{"bins": {bins}}}"#), table(&shop(2_000))).unwrap();
        let rfm = fit.table("rfm");
        let negated: Vec<f64> = floats(rfm, "recency_days").iter().map(|v| -v).collect();
        let frequency = integers(rfm, "frequency");
        let pairs = [
            ("r_score", negated),
            ("f_score", frequency.iter().map(|v| *v as f64).collect()),
            ("m_score", floats(rfm, "monetary")),
        ];
        for (column, values) in pairs {
            for (value, score) in values.iter().zip(integers(rfm, column)) {
                let below = values.iter().filter(|v| *v < value).count();
                assert_eq!(score, 1 + (bins * below / values.len()) as i64);
            }
        }
    }
}

#[test]
fn tiers_add_up_to_all_customers() {
    let fit = fit("{}", table(&shop(2_000))).unwrap();
    let (rfm, tiers) = (fit.table("rfm"), fit.table("tiers"));
    assert_eq!(tiers.num_rows(), 8);
    let customers = integers(tiers, "customers");
    assert_eq!(customers.iter().sum::<i64>() as usize, rfm.num_rows());
    assert_eq!(fit.metrics["customers"] as usize, rfm.num_rows());
    let revenue: f64 = floats(tiers, "revenue").iter().sum();
    assert!((revenue - fit.metrics["revenue"]).abs() < 1e-9);
    assert!((floats(tiers, "revenue_share").iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert!((floats(tiers, "share").iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let names = texts(rfm, "tier");
    for (row, tier) in texts(tiers, "tier").iter().enumerate() {
        let members: Vec<usize> = (0..names.len()).filter(|i| names[*i] == *tier).collect();
        assert_eq!(members.len() as i64, customers[row]);
        if !members.is_empty() {
            let recency = floats(rfm, "recency_days");
            let mean = members.iter().map(|i| recency[*i]).sum::<f64>() / members.len() as f64;
            assert!((mean - floats(tiers, "mean_recency_days")[row]).abs() < 1e-9);
        }
    }
}

#[test]
fn the_best_and_the_lost_are_where_they_belong() {
    // Ten customers: the higher the number, the later, the oftener and the more they bought.
    let mut lines = Vec::new();
    for who in 0..10 {
        for order in 0..=who {
            lines.push(line(who, 10 * who + 1, who * 100 + order, 1.0, 5.0));
        }
    }
    let fit = fit("{}", table(&lines)).unwrap();
    let tiers = texts(fit.table("rfm"), "tier");
    assert_eq!(tiers[0], "lost");
    assert_eq!(tiers[9], "champions");
    assert_eq!(
        integers(fit.table("rfm"), "r_score"),
        [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    );
}

#[test]
fn returns_are_left_out_or_netted() {
    let lines = [
        line(1, 1, 1, 2.0, 10.0),
        line(1, 5, 2, -1.0, 10.0),
        line(1, 6, 3, -1.0, -2.0),
        line(2, 2, 4, 1.0, 7.0),
        line(3, 3, 5, -1.0, 7.0),
    ];
    let ignored = fit("{}", table(&lines)).unwrap();
    assert_eq!(floats(ignored.table("rfm"), "monetary"), vec![20.0, 7.0]);
    let netted = fit(r#"{"returns": "net"}"#, table(&lines)).unwrap();
    assert_eq!(floats(netted.table("rfm"), "monetary"), vec![8.0, 7.0]);
    for fit in [ignored, netted] {
        assert_eq!(floats(fit.table("rfm"), "recency_days"), vec![6.0, 5.0]);
        assert_eq!(integers(fit.table("rfm"), "frequency"), [1, 1]);
        assert_eq!(fit.metrics["rows_not_positive"] as usize, 3);
    }
}

#[test]
fn gaps_are_counted_by_reason() {
    let whole = line(1, 1, 1, 1.0, 1.0);
    let lines = [
        whole.clone(),
        Line {
            who: None,
            ..whole.clone()
        },
        Line {
            day: None,
            ..whole.clone()
        },
        Line {
            price: None,
            ..whole.clone()
        },
        Line {
            order: None,
            ..whole.clone()
        },
        Line {
            day: Some(40),
            ..whole.clone()
        },
    ];
    let params = r#"{"reference_time": "1970-02-01T00:00:00Z"}"#;
    let fit = fit(params, table(&lines)).unwrap();
    for (name, count) in [
        ("rows_used", 2),
        ("rows_without_customer", 1),
        ("rows_without_time", 1),
        ("rows_without_amount", 1),
        ("rows_after_reference", 1),
    ] {
        assert_eq!(fit.metrics[name] as usize, count, "{name}");
    }
    // A row without an order is an order of its own.
    assert_eq!(integers(fit.table("rfm"), "frequency"), [2]);
    assert_eq!(floats(fit.table("rfm"), "recency_days"), vec![30.0]);
}

#[test]
fn an_amount_column_is_taken_as_it_is() {
    let who: ArrayRef = Arc::new(StringArray::from(vec!["b", "a", "b"]));
    let when: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0, 0, 0]));
    let paid: ArrayRef = Arc::new(Int64Array::from(vec![5, 2, 4]));
    let batch = testing::batch(&[
        ("who", Some(Role::CustomerId), who),
        ("when", Some(Role::EventTime), when),
        ("paid", Some(Role::Amount), paid),
    ]);
    let fit = fit("{}", batch).unwrap();
    assert_eq!(floats(fit.table("rfm"), "monetary"), vec![2.0, 9.0]);
    assert_eq!(integers(fit.table("rfm"), "frequency"), [1, 2]);
}

#[test]
fn bytes_do_not_depend_on_threads_or_batches() {
    let batch = table(&shop(3_000));
    let run = |rows: usize, threads| {
        let inputs = Inputs::new().with("events", testing::rebatch(&batch, rows));
        testing::fit::<Rfm>("{}", inputs, 1, threads).unwrap()
    };
    let one = run(3_000, 1);
    for (rows, threads) in [(3_000, 2), (3_000, 8), (7, 1), (500, 8)] {
        let other = run(rows, threads);
        assert_eq!(other.tables, one.tables);
        assert_eq!(other.metrics, one.metrics);
    }
}

/// The states of the rows between these cuts.
fn parts(params: &str, batch: &RecordBatch, cuts: &[usize]) -> Vec<Vec<u8>> {
    let ranges = cuts
        .windows(2)
        .map(|cut| batch.slice(cut[0], cut[1] - cut[0]));
    let part = |rows: RecordBatch| {
        let inputs = Inputs::new().with("events", rows.into());
        testing::partial::<Rfm>(params, inputs, 1, 1).unwrap()
    };
    ranges.map(part).collect()
}

#[test]
fn parts_in_any_order_and_grouping_give_the_whole() {
    // Orders and customers reach over parts; sums of 0.75 and of 0.1 and 0.2 need exactness.
    let mut lines = shop(3_000);
    for (index, line) in lines.iter_mut().enumerate() {
        line.price = line.price.map(|price| price + [0.1, 0.2, 0.7][index % 3]);
        line.order = line.order.filter(|_| index % 9 != 0);
    }
    let batch = table(&lines);
    for params in [
        "{}",
        r#"{"returns": "net"}"#,
        r#"{"reference_time": "1970-06-01", "bins": 3}"#,
    ] {
        let whole = fit(params, batch.clone()).unwrap();
        for cuts in [
            &[0, 3_000][..],
            &[0, 0, 1, 1_500, 3_000],
            &[0, 700, 701, 2_000, 3_000],
        ] {
            let parts = parts(params, &batch, cuts);
            let mut states: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let none = testing::merge::<Rfm>(params, &[]).unwrap();
            for turn in 0..states.len() {
                states.rotate_left(1);
                let (left, right) = states.split_at(turn);
                let left = testing::merge::<Rfm>(params, left).unwrap();
                let right = testing::merge::<Rfm>(params, right).unwrap();
                let all = testing::merge::<Rfm>(params, &[&right, &none, &left]).unwrap();
                let found = testing::finish::<Rfm>(params, &all, 1, 1).unwrap();
                assert_eq!(found.tables, whole.tables);
                assert_eq!(found.metrics, whole.metrics);
            }
        }
    }
}

#[test]
fn equal_sums_score_alike_in_any_order_of_rows() {
    // Added from left to right, 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in the last bit.
    let lines: Vec<Line> = [(1, [0.1, 0.2, 0.3]), (2, [0.3, 0.2, 0.1])]
        .into_iter()
        .flat_map(|(who, prices)| prices.map(|price| line(who, 1, 1, 1.0, price)))
        .collect();
    let fit = fit("{}", table(&lines)).unwrap();
    let money = floats(fit.table("rfm"), "monetary");
    assert_eq!(money[0].to_bits(), money[1].to_bits());
    assert_eq!(integers(fit.table("rfm"), "m_score"), [1, 1]);
}

#[test]
fn the_state_of_no_rows_ends_as_a_fit_of_none_does() {
    let none = testing::merge::<Rfm>("{}", &[]).unwrap();
    assert_eq!(
        message(testing::finish::<Rfm>("{}", &none, 1, 1)),
        "inputs.events: expected at least one row, found none"
    );
    let of_returns = table(&[line(1, 1, 1, -1.0, 1.0), line(1, 1, 1, -1.0, 1.0)]);
    let parts = parts("{}", &of_returns, &[0, 1, 2]);
    let both = testing::merge::<Rfm>("{}", &[&parts[0], &parts[1]]).unwrap();
    let found = message(testing::finish::<Rfm>("{}", &both, 1, 1));
    assert!(found.ends_with("found none in 2 rows"), "{found}");
}

#[test]
fn bad_input_is_refused() {
    let batch = table(&shop(50));
    assert_eq!(
        message(fit("{}", batch.slice(0, 0))),
        "inputs.events: expected at least one row, found none"
    );
    assert_eq!(
        message(fit("{}", table(&[line(1, 1, 1, -1.0, 1.0)]))),
        "inputs.events: expected at least one purchase (a row with a customer, a time and an \
         amount above 0), found none in 1 rows"
    );
    assert!(
        message(fit("{}", batch.project(&[0, 1]).unwrap()))
            .contains("expected a column with role amount, or columns with roles quantity")
    );
    assert!(message(fit("{}", table(&[line(1, 1, 1, f64::INFINITY, 1.0)]))).ends_with("in row 0"));
    let large = message(fit("{}", table(&[line(1, 1, 1, 1.0, 1e300)])));
    assert!(
        large.ends_with("expected amounts of at most 1e288, found 1e300 in row 0"),
        "{large}"
    );
    for (params, part) in [
        (r#"{"bins": 1}"#, "params.bins: expected 2 to 100, found 1"),
        (
            r#"{"reference_time": "soon"}"#,
            "expected a time such as 2011-12-10T00:00:00Z, found \"soon\"",
        ),
        (r#"{"bin": 5}"#, "unknown field `bin`"),
        (r#"{"returns": "keep"}"#, "unknown variant `keep`"),
    ] {
        let found = message(fit(params, batch.clone()));
        assert!(found.contains(part), "{found}");
    }
    let cancelled = testing::fit_cancelled::<Rfm>("{}", Inputs::new().with("events", batch.into()));
    assert!(matches!(cancelled, Err(Error::Cancelled)));
}

#[test]
fn times_are_read() {
    // Seconds since 1970 as `date -u -d ... +%s` gives them.
    for (text, seconds) in [
        ("1970-01-01", 0),
        ("2011-12-10", 1_323_475_200),
        ("2000-02-29T23:59:59Z", 951_868_799),
        ("2011-12-09T12:50:00+02:00", 1_323_427_800),
        ("2011-12-09 12:50:00-05:30", 1_323_454_800),
        ("1969-12-31T23:59:59z", -1),
        ("1600-03-01T00:00:00Z", -11_670_912_000),
    ] {
        assert_eq!(time::parse(text), Some(seconds * 1_000_000), "{text}");
    }
    assert_eq!(time::parse("1970-01-01T00:00:00.25Z"), Some(250_000));
    assert_eq!(time::parse("1970-01-01T00:00:00.000001999Z"), Some(1));
    for text in [
        "",
        "soon",
        "2011-13-01",
        "2011-02-29",
        "2011-00-10",
        "2011-1-1",
        "2011-12-10T",
        "2011-12-10T12:00Z",
        "2011-12-10T12:00:00",
        "2011-12-10T24:00:00Z",
        "2011-12-10T12:00:60Z",
        "2011-12-10T12:00:00Zulu",
        "2011-12-10T12:00:00+2:00",
        "2011-12-10T12:00:00.Z",
        "+011-12-10",
        "2011-12-1\u{e9}",
    ] {
        assert_eq!(time::parse(text), None, "{text}");
    }
}
