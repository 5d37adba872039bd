//! Every kind against a naive computation over random histories, to the last bit; what must not
//! change a number; and what is refused with which words.

mod declarations;
mod naive;
mod training;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::ArrayRef;
use arrow_array::Decimal128Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;
use lode_types::ROLE_KEY;
use lode_types::Timestamp;

use crate::Error;
use crate::Input;
use crate::Rows;
use crate::Schemas;
use crate::TrainingInput;
use crate::View;
use crate::ViewSpec;
use naive::Event;
use naive::Value;

const DAY: i64 = 86_400_000_000;

/// A view with every kind but sql.
const ALL: &str = r#"{
  "events": ["sales"], "customers": "people", "population": "known",
  "features": [
    {"name": "recency", "kind": "recency"},
    {"name": "orders", "kind": "frequency"},
    {"name": "days", "kind": "frequency", "params": {"of": "days", "window": "40d"}},
    {"name": "events", "kind": "frequency", "params": {"of": "events"}},
    {"name": "spend", "kind": "monetary"},
    {"name": "mean", "kind": "monetary", "params": {"stat": "mean"}},
    {"name": "exact", "kind": "monetary", "params": {"column": "fee", "window": "30d"}},
    {"name": "tenure", "kind": "tenure"},
    {"name": "gap", "kind": "inter_purchase_gap"},
    {"name": "gap_std", "kind": "inter_purchase_gap", "params": {"stat": "std", "window": "60d"}},
    {"name": "gap_cv", "kind": "inter_purchase_gap", "params": {"stat": "cv"}},
    {"name": "gap_last", "kind": "inter_purchase_gap", "params": {"stat": "last"}},
    {"name": "n_12h", "kind": "window", "params": {"window": "12h", "stat": "count"}},
    {"name": "sum_30d", "kind": "window", "params": {"window": "30d", "stat": "sum"}},
    {"name": "mean_30d", "kind": "window", "params": {"window": "30d", "stat": "mean"}},
    {"name": "max_30d", "kind": "window", "params": {"window": "30d", "stat": "max"}},
    {"name": "min_30d", "kind": "window", "params": {"window": "30d", "stat": "min", "column": "pieces"}},
    {"name": "std_45d", "kind": "window", "params": {"window": "45d", "stat": "std"}},
    {"name": "trend_45d", "kind": "window", "params": {"window": "45d", "stat": "trend"}},
    {"name": "ratio", "kind": "ratio", "params": {"numerator": "sum_30d", "denominator": "spend"}},
    {"name": "items", "kind": "distinct", "params": {"window": "50d"}},
    {"name": "share_n", "kind": "share", "params": {"column": "type", "value": "return"}},
    {"name": "share_amount", "kind": "share", "params": {"column": "type", "value": "sale", "of": "amount", "window": "60d"}},
    {"name": "last_item", "kind": "last_item"},
    {"name": "last_amount", "kind": "last_amount"},
    {"name": "hours", "kind": "hour_profile", "params": {"window": "60d"}},
    {"name": "week", "kind": "weekday_profile"},
    {"name": "returns", "kind": "count_of", "params": {"column": "type", "value": "return"}},
    {"name": "since_complaint", "kind": "days_since", "params": {"column": "type", "value": "complaint"}},
    {"name": "big", "kind": "monetary", "filter": [{"column": "amount", "at_least": 5}, {"column": "type", "in": ["sale", "gift"]}]},
    {"name": "plan", "kind": "attribute", "params": {"column": "plan"}},
    {"name": "crossed", "kind": "cross", "params": {"left": "plan", "right": "last_item", "op": "concat"}},
    {"name": "product", "kind": "cross", "params": {"left": "orders", "right": "mean", "op": "product"}}
  ]
}"#;

fn field(name: &str, data_type: DataType, role: &str) -> Field {
    let role = (!role.is_empty()).then(|| (ROLE_KEY.to_owned(), role.to_owned()));
    Field::new(name, data_type, true).with_metadata(role.into_iter().collect())
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

fn sales_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        field("who", DataType::Utf8, "customer_id"),
        field("when", utc(), "event_time"),
        field("known", utc(), "arrival_time"),
        field("invoice", DataType::Utf8, "order"),
        field("what", DataType::Utf8, "item"),
        field("amount", DataType::Float64, "amount"),
        field("pieces", DataType::Int64, ""),
        field("fee", DataType::Decimal128(12, 2), ""),
        field("type", DataType::Utf8, ""),
    ]))
}

fn people_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        field("id", DataType::Utf8, "customer_id"),
        field("plan", DataType::Utf8, ""),
    ]))
}

fn schemas() -> Schemas {
    Schemas {
        datasets: BTreeMap::from([
            ("sales".to_owned(), sales_schema()),
            ("people".to_owned(), people_schema()),
        ]),
        queries: BTreeMap::new(),
    }
}

fn sales(events: &[Event]) -> RecordBatch {
    let texts = |of: &dyn Fn(&Event) -> Option<String>| -> ArrayRef {
        Arc::new(events.iter().map(of).collect::<StringArray>())
    };
    let times = |of: &dyn Fn(&Event) -> i64| -> ArrayRef {
        let values = events.iter().map(of);
        Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    let fees = events.iter().map(|e| e.fee).collect::<Decimal128Array>();
    let columns: Vec<ArrayRef> = vec![
        texts(&|e| Some(e.who.clone())),
        times(&|e| e.time),
        times(&|e| e.arrival),
        texts(&|e| Some(e.order.clone())),
        texts(&|e| e.item.clone()),
        Arc::new(events.iter().map(|e| e.amount).collect::<Float64Array>()),
        Arc::new(events.iter().map(|e| e.pieces).collect::<Int64Array>()),
        Arc::new(fees.with_precision_and_scale(12, 2).unwrap()),
        texts(&|e| Some(e.kind.to_owned())),
    ];
    RecordBatch::try_new(sales_schema(), columns).unwrap()
}

fn people(plans: &BTreeMap<String, String>) -> Vec<RecordBatch> {
    let ids: StringArray = plans.keys().map(Some).collect();
    let plans: StringArray = plans.values().map(Some).collect();
    vec![RecordBatch::try_new(people_schema(), vec![Arc::new(ids), Arc::new(plans)]).unwrap()]
}

/// Numbers that look random and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn history(seed: u64, n: u64, late: bool) -> Vec<Event> {
    let mut chance = Chance(seed | 1);
    // The large history has more customers than one task.
    let customers = if n > 20_000 { n / 4 } else { 1 + n / 12 };
    let mut events = Vec::new();
    for i in 0..n {
        // Whole hours, so that several events share a time.
        let time = i64::try_from(chance.below(100 * 24)).unwrap() * (DAY / 24);
        let delay = match (late, chance.below(4)) {
            (true, 0) => i64::try_from(chance.below(30)).unwrap() * DAY,
            _ => 0,
        };
        let cents = i64::try_from(chance.below(100_000)).unwrap();
        let null = |chance: &mut Chance| chance.below(9) == 0;
        events.push(Event {
            who: format!("customer-{}", chance.below(customers)),
            time,
            arrival: time + delay,
            order: format!("o{}", i / 3),
            item: (!null(&mut chance)).then(|| format!("item {}", chance.below(20))),
            amount: (!null(&mut chance)).then(|| f64::from(u32::try_from(cents).unwrap()) / 700.0),
            pieces: (!null(&mut chance)).then(|| i64::try_from(chance.below(9)).unwrap() - 2),
            fee: (!null(&mut chance)).then_some(i128::from(cents)),
            kind: ["sale", "return", "complaint", "gift"]
                [usize::try_from(chance.below(4)).unwrap()],
        });
    }
    events
}

fn times() -> Vec<i64> {
    vec![
        -DAY,
        0,
        10 * DAY,
        33 * DAY,
        33 * DAY + 1,
        64 * DAY,
        99 * DAY,
        200 * DAY,
    ]
}

fn view(json: &str) -> View {
    View::check(ViewSpec::parse(json).unwrap(), &schemas()).unwrap()
}

type Plans = BTreeMap<String, String>;

fn input(rows: Vec<Rows>, plans: &[Plans], times: &[i64], threads: usize) -> Input {
    Input {
        events: vec![rows],
        lookups: vec![plans.iter().map(people).collect()],
        as_of: times.iter().copied().map(Timestamp).collect(),
        threads,
        training: TrainingInput::default(),
    }
}

fn run(view: &View, input: &Input) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    let mut sink = |batch| {
        batches.push(batch);
        Ok::<(), Error>(())
    };
    crate::compute(view, input, &AtomicBool::new(false), &mut sink).unwrap();
    batches
}

fn plans(seed: u64, n: usize) -> Vec<Plans> {
    let mut chance = Chance(seed | 1);
    let mut all = Vec::new();
    for _ in 0..n {
        let mut plans = Plans::new();
        for customer in 0..40 {
            if chance.below(2) == 0 {
                let plan = format!("plan {}", chance.below(3));
                plans.insert(format!("customer-{customer}"), plan);
            }
        }
        all.push(plans);
    }
    all
}

#[test]
fn every_kind_is_what_a_plain_loop_gives() {
    let view = view(ALL);
    let mut values = 0;
    for seed in 1..15 {
        let events = history(seed * 7919, seed * 30, seed % 2 == 0);
        let plans = plans(seed, times().len());
        let batches = run(
            &view,
            &input(
                vec![Rows::Batches(vec![sales(&events)])],
                &plans,
                &times(),
                1,
            ),
        );
        let found: Vec<_> = batches.iter().flat_map(naive::rows).collect();
        let mut expected = Vec::new();
        let mut customers: Vec<&String> = events.iter().map(|event| &event.who).collect();
        customers.extend(plans.iter().flat_map(BTreeMap::keys));
        customers.sort();
        customers.dedup();
        for who in customers {
            for (date, &t) in times().iter().enumerate() {
                if let Some(row) = naive::features(&events, who, t, plans[date].get(who)) {
                    expected.push(row);
                }
            }
        }
        assert_eq!(found.len(), expected.len(), "seed {seed}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found["customer_id"], expected["customer_id"]);
            for (name, value) in expected {
                values += 1;
                let at = (&expected["customer_id"], &expected["as_of"]);
                assert!(
                    naive::same(&found[name], value),
                    "seed {seed}, {at:?}, {name}: expected {value:?}, found {:?}",
                    found[name]
                );
            }
        }
    }
    assert!(values > 20_000, "{values}");
}

#[test]
fn threads_and_cuts_of_the_input_change_nothing() {
    let view = view(ALL);
    let events = history(99, 24_000, true);
    let plans = plans(3, times().len());
    let whole = run(
        &view,
        &input(
            vec![Rows::Batches(vec![sales(&events)])],
            &plans,
            &times(),
            1,
        ),
    );
    assert!(whole.len() > 1);
    for threads in [2, 8] {
        let rows = vec![Rows::Batches(vec![sales(&events)])];
        assert_eq!(run(&view, &input(rows, &plans, &times(), threads)), whole);
    }
    // Stored order is kept within equal times, so pieces in order are the same rows.
    let pieces = events.chunks(7001).map(sales).collect();
    let rows = vec![Rows::Batches(pieces)];
    assert_eq!(run(&view, &input(rows, &plans, &times(), 3)), whole);

    // A sorted run in small batches, and one of the first half beside the rest as it came.
    let table = |events: &[Event], step: usize| {
        let batches: Vec<_> = events.chunks(step).map(sales).collect();
        let file = lode_parts::memfd("sorted", &sales_schema(), batches).unwrap();
        lode_parts::Table::open(vec![file]).unwrap()
    };
    let mut sorted = events.clone();
    sorted.sort_by(|a, b| (&a.who, a.time).cmp(&(&b.who, b.time)));
    for step in [100, 4096, 1 << 20] {
        let rows = vec![Rows::Sorted(table(&sorted, step))];
        assert_eq!(run(&view, &input(rows, &plans, &times(), 2)), whole);
    }
    let (first, rest) = events.split_at(9_000);
    let mut first = first.to_vec();
    first.sort_by(|a, b| (&a.who, a.time).cmp(&(&b.who, b.time)));
    let rows = vec![
        Rows::Sorted(table(&first, 999)),
        Rows::Unsorted(table(rest, 5000)),
    ];
    assert_eq!(run(&view, &input(rows, &plans, &times(), 2)), whole);
}

#[test]
fn what_was_not_known_changes_nothing() {
    let view = view(ALL);
    for seed in [5, 6, 7] {
        let events = history(seed, 3000, true);
        let t = 50 * DAY;
        let plans = plans(seed, 1);
        let compute = |events: &[Event]| {
            run(
                &view,
                &input(vec![Rows::Batches(vec![sales(events)])], &plans, &[t], 2),
            )
        };
        let known: Vec<Event> = events
            .iter()
            .filter(|e| e.time <= t && e.arrival <= t)
            .cloned()
            .collect();
        assert!(known.len() < events.len());
        let expected = compute(&known);
        // All rows, those from the future and the late ones too.
        assert_eq!(compute(&events), expected);
        // The same with absurd values planted in what was not known.
        let mut planted = events.clone();
        for event in &mut planted {
            if event.time > t || event.arrival > t {
                event.amount = Some(1e300);
                event.item = Some("from the future".to_owned());
                event.fee = Some(99_999_999);
                event.kind = "complaint";
            }
        }
        assert_eq!(compute(&planted), expected);
        // And one known a moment later does change something.
        let mut late = events.clone();
        let changed = late.iter_mut().filter(|e| e.time <= t && e.arrival > t);
        assert!(changed.map(|event| event.arrival = t).count() > 0);
        assert_ne!(compute(&late), expected);
    }
}

#[test]
fn the_window_is_open_at_its_begin_and_closed_at_its_end() {
    let view = view(
        r#"{"events": ["sales"], "features": [
        {"name": "n", "kind": "window", "params": {"window": "10d", "stat": "count"}}]}"#,
    );
    let event = |time: i64| Event {
        who: "a".to_owned(),
        time,
        arrival: time,
        ..history(1, 1, false).remove(0)
    };
    let events = [event(0), event(10 * DAY)];
    let at = |t: i64| {
        let input = Input {
            events: vec![vec![Rows::Batches(vec![sales(&events)])]],
            lookups: Vec::new(),
            as_of: vec![Timestamp(t)],
            threads: 1,
            training: TrainingInput::default(),
        };
        let rows: Vec<_> = run(&view, &input).iter().flat_map(naive::rows).collect();
        rows.first().map(|row| row["n"].clone())
    };
    assert_eq!(at(-1), None);
    assert_eq!(at(0), Some(Value::Int(1)));
    assert_eq!(at(10 * DAY - 1), Some(Value::Int(1)));
    assert_eq!(at(10 * DAY), Some(Value::Int(1)));
    assert_eq!(at(20 * DAY - 1), Some(Value::Int(1)));
    assert_eq!(at(20 * DAY), Some(Value::Int(0)));
}

#[test]
fn a_run_that_is_not_sorted_is_refused() {
    let view = view(ALL);
    let mut events = history(3, 500, false);
    events.sort_by(|a, b| b.who.cmp(&a.who));
    let file = lode_parts::memfd("unsorted", &sales_schema(), [sales(&events)]).unwrap();
    let rows = vec![Rows::Sorted(lode_parts::Table::open(vec![file]).unwrap())];
    let input = input(rows, &plans(1, 1), &[DAY], 2);
    let mut sink = |_| Ok::<(), Error>(());
    let error = crate::compute(&view, &input, &AtomicBool::new(false), &mut sink).unwrap_err();
    assert!(matches!(error, Error::Unsorted { .. }), "{error}");
}
