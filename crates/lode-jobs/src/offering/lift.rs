//! What came of impressions: how many were followed by an event of an offered item, against the
//! control arm.
//!
//! An impression is followed when the same customer has an event of one of its items later than it
//! and at most the window after it. The share of an arm is followed / impressions; since those of
//! one customer go together, its variance is that of a ratio over customers:
//! C/(C-1) * sum over customers of (followed - share * impressions)^2 / (all impressions)^2.
//! Intervals are 1.96 standard errors either way, and of a difference the variances add.
//! Source: Cochran, Sampling Techniques, 3rd edition, 1977, section 6.3. Impressions of nobody are left
//! out. Invariant: no event counts before the moment it is said to follow.

use std::collections::HashMap;

use arrow_array::Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use lode_parts::Table;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::Class;
use lode_types::DatasetId;
use lode_types::Failure;
use lode_types::ModelRef;
use lode_types::Role;
use lode_types::Timestamp;

use super::Arm;
use super::impressions;
use crate::Error;
use crate::Result;

/// Standard errors either side of a 95% interval.
const Z: f64 = 1.959_963_984_540_054;

/// What is asked.
#[derive(Clone, Debug)]
pub struct LiftCall {
    /// An alias: calls by this name, whatever it pointed at. A model: what it answered, by whatever
    /// name.
    pub model: ModelRef,
    /// How long after an impression an event counts, in microseconds.
    pub window_micros: i64,
    /// What followed; the events that the model was made from if it is not said.
    pub events: Option<DatasetId>,
    /// Impressions at or after it.
    pub from: Option<Timestamp>,
    /// Impressions whose window ended at or before it; now if it is not said.
    pub until: Option<Timestamp>,
}

/// What came of one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ArmLift {
    /// Impressions.
    pub impressions: u64,
    /// Different customers.
    pub customers: u64,
    /// Impressions that were followed.
    pub followed: u64,
    /// followed / impressions; 0 of none.
    pub share: f64,
    /// Lower end of the 95% interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What came of the impressions of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lift {
    /// Offers by the model.
    pub model: ArmLift,
    /// Popular items.
    pub control: ArmLift,
    /// Share of the model less that of the control.
    pub difference: Option<f64>,
    /// Its 95% interval.
    pub interval: Option<(f64, f64)>,
    /// Left out, since their window was not over.
    pub open: u64,
}

/// One impression.
#[derive(Debug)]
pub(super) struct Impression {
    pub(super) time: i64,
    pub(super) arm: Arm,
    pub(super) items: Vec<String>,
    pub(super) followed: bool,
}

/// Impressions by customer.
pub(super) type ByCustomer = HashMap<String, Vec<Impression>>;

/// Measures what came of impressions; `events` is what follows.
pub(crate) fn measure(
    store: &Store,
    call: &LiftCall,
    events: &DatasetId,
    now: Timestamp,
) -> Result<Lift> {
    let snapshot = match store.pin(&impressions::dataset()?, None) {
        Ok(snapshot) => snapshot,
        Err(error) if error.class() == Class::NotFound => {
            return Err(Error::new(
                Class::State,
                "NO_IMPRESSIONS",
                "no impression was recorded yet: call Recommend with record",
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let until = call.until.unwrap_or(now);
    let (mut shown, open) = shown(&snapshot, call, until)?;
    follow(&store.pin(events, None)?, call.window_micros, &mut shown)?;
    let mut lift = of(&shown);
    lift.open = open;
    Ok(lift)
}

/// The impressions that are meant and whose window is over, and how many are still open.
fn shown(snapshot: &Snapshot, call: &LiftCall, until: Timestamp) -> Result<(ByCustomer, u64)> {
    let table = table(snapshot)?;
    let mut by_id: HashMap<String, (String, Impression)> = HashMap::new();
    let mut open = std::collections::HashSet::new();
    let (of, wanted) = match &call.model {
        ModelRef::Alias(_) => ("called", call.model.to_string()),
        ModelRef::Id(id) => ("model", id.as_str().to_owned()),
    };
    for batch in table.batches() {
        let batch = batch?;
        let text = |name: &str| text(&batch, name);
        let (ids, customers, items) = (text("impression_id")?, text("customer_id")?, text("item")?);
        let (names, arms, times) = (text(of)?, text("arm")?, times(&batch, "time")?);
        for row in 0..batch.num_rows() {
            let time = times.value(row);
            let is_early = call.from.is_some_and(|from| time < from.0);
            if names.value(row) != wanted || customers.is_null(row) || is_early {
                continue;
            }
            if time.saturating_add(call.window_micros) > until.0 {
                open.insert(ids.value(row).to_owned());
                continue;
            }
            let item = items.value(row).to_owned();
            match by_id.get_mut(ids.value(row)) {
                Some((_, impression)) => impression.items.push(item),
                None => {
                    let arm = match arms.value(row) {
                        "control" => Arm::Control,
                        _ => Arm::Model,
                    };
                    let impression = Impression {
                        time,
                        arm,
                        items: vec![item],
                        followed: false,
                    };
                    let customer = customers.value(row).to_owned();
                    by_id.insert(ids.value(row).to_owned(), (customer, impression));
                }
            }
        }
    }
    let mut shown = ByCustomer::new();
    for (customer, impression) in by_id.into_values() {
        shown.entry(customer).or_default().push(impression);
    }
    Ok((shown, open.len() as u64))
}

/// Marks the impressions that were followed.
fn follow(snapshot: &Snapshot, window: i64, shown: &mut ByCustomer) -> Result<()> {
    let schema = &snapshot.dataset().schema;
    let named = |role: Role| {
        let column = schema.with_role(role).map(|column| column.name.clone());
        column.ok_or_else(|| {
            Error::invalid(
                "MISSING_ROLE",
                "events",
                format!(
                    "expected a column of role {role} in dataset {}, found none",
                    snapshot.dataset().id
                ),
            )
        })
    };
    let (customer, item) = (named(Role::CustomerId)?, named(Role::Item)?);
    let time = named(Role::EventTime)?;
    let table = table(snapshot)?;
    let whole = table.schema();
    let wanted = [&customer, &item, &time].map(|name| whole.index_of(name));
    let [Ok(a), Ok(b), Ok(c)] = wanted else {
        return Err(Error::bug("a column of the schema is not in the table"));
    };
    for i in 0..table.n_batches() {
        let batch = table.batch(i, Some(&[a, b, c]))?;
        let (customers, items) = (text(&batch, &customer)?, text(&batch, &item)?);
        let times = times(&batch, &time)?;
        for row in 0..batch.num_rows() {
            if customers.is_null(row) || items.is_null(row) || times.is_null(row) {
                continue;
            }
            let Some(impressions) = shown.get_mut(customers.value(row)) else {
                continue;
            };
            let (item, time) = (items.value(row), times.value(row));
            for impression in impressions {
                let end = impression.time.saturating_add(window);
                impression.followed |= impression.time < time
                    && time <= end
                    && impression.items.iter().any(|offered| offered == item);
            }
        }
    }
    Ok(())
}

/// The numbers of both arms.
pub(super) fn of(shown: &ByCustomer) -> Lift {
    let (model, model_variance) = arm(shown, Arm::Model);
    let (control, control_variance) = arm(shown, Arm::Control);
    let both = model.impressions > 0 && control.impressions > 0;
    let difference = both.then_some(model.share - control.share);
    let variance = model_variance.zip(control_variance);
    let interval = difference.zip(variance).map(|(difference, (a, b))| {
        let reach = Z * (a + b).sqrt();
        (difference - reach, difference + reach)
    });
    Lift {
        model,
        control,
        difference,
        interval,
        open: 0,
    }
}

/// One arm and the variance of its share, of 2 customers or more.
fn arm(shown: &ByCustomer, arm: Arm) -> (ArmLift, Option<f64>) {
    // Counts are whole numbers, so that no order of customers makes a difference.
    let mut counts: HashMap<(u64, u64), u64> = HashMap::new();
    let mut lift = ArmLift::default();
    for impressions in shown.values() {
        let of_arm = impressions.iter().filter(|one| one.arm == arm);
        let n = of_arm.clone().count() as u64;
        if n == 0 {
            continue;
        }
        let followed = of_arm.filter(|one| one.followed).count() as u64;
        lift.impressions += n;
        lift.followed += followed;
        lift.customers += 1;
        *counts.entry((followed, n)).or_default() += 1;
    }
    if lift.impressions == 0 {
        return (lift, None);
    }
    let all = lift.impressions as f64;
    lift.share = lift.followed as f64 / all;
    (lift.low, lift.high) = (lift.share, lift.share);
    if lift.customers < 2 {
        return (lift, None);
    }
    let mut counts: Vec<((u64, u64), u64)> = counts.into_iter().collect();
    counts.sort_unstable();
    let squares = counts.iter().map(|((followed, n), customers)| {
        let off = *followed as f64 - lift.share * *n as f64;
        off * off * *customers as f64
    });
    let customers = lift.customers as f64;
    let variance = customers / (customers - 1.0) * squares.sum::<f64>() / (all * all);
    let reach = Z * variance.sqrt();
    lift.low = (lift.share - reach).max(0.0);
    lift.high = (lift.share + reach).min(1.0);
    (lift, Some(variance))
}

fn table(snapshot: &Snapshot) -> Result<Table> {
    let files = snapshot.files()?.into_iter().map(|file| file.file);
    Ok(Table::open(files.collect())?)
}

fn text(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    let column = batch.column_by_name(name);
    let column = column.ok_or_else(|| {
        Error::new(
            Class::State,
            "IMPRESSIONS_TAKEN",
            format!("expected a column {name:?} in what lift is measured from, found none"),
        )
    })?;
    let text = arrow_cast::cast(column, &DataType::Utf8)?;
    Ok(text.as_string::<i32>().clone())
}

fn times(batch: &RecordBatch, name: &str) -> Result<Int64Array> {
    let column = batch.column_by_name(name);
    let column = column.ok_or_else(|| Error::bug(format!("no column {name:?} of times")))?;
    let micros = arrow_cast::cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let micros = arrow_cast::cast(&micros, &DataType::Int64)?;
    Ok(micros.as_primitive::<Int64Type>().clone())
}
