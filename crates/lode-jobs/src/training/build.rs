//! Makes the table of a training set: one pass over the events for all dates, batch by batch
//! into a file without a name.
//!
//! A sample of rows without the event needs one pass more, which counts them; candidates one
//! that counts their buyers. Memory is that of a feature view, whatever the rows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::TimeUnit;
use lode_features::Customers;
use lode_features::Kind;
use lode_features::Sampling;
use lode_features::ViewSpec;
use lode_features::buyers;
use lode_parts::Table;
use lode_query::Sql;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::Class;
use lode_types::DatasetId;
use lode_types::Role;
use lode_types::Timestamp;
use serde_json::Value as Json;

use super::dates::length;
use super::dates::short;
use super::resolve::Resolved;
use super::resolve::TrainingSource;
use super::wrong;
use crate::Error;
use crate::PinnedView;
use crate::Result;

/// A table that was made.
pub(crate) struct Built {
    file: File,
    dates: Vec<DateSummary>,
}

/// What one date gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DateSummary {
    pub(crate) as_of: Timestamp,
    pub(crate) label_end: Timestamp,
    /// Whether it judges.
    pub(crate) judges: bool,
    /// Rows of the table.
    pub(crate) rows: u64,
    /// What they weigh together: all rows that there are.
    pub(crate) weight: f64,
    /// Rows with the event, or with an amount other than 0; none for a label of words.
    pub(crate) positives: Option<u64>,
    /// Sum of the labels, by weight.
    pub(crate) label_sum: f64,
    /// Rows of new customers.
    pub(crate) new: u64,
}

impl TrainingSource {
    /// The table's file, made when it is not there yet.
    pub(crate) fn file(
        &self,
        store: &Store,
        sql: &Sql,
        threads: usize,
        stopped: &AtomicBool,
    ) -> Result<File> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match built.take() {
            Some(made) => made,
            None => self.build(store, sql, threads, stopped)?,
        };
        let file = made.file.try_clone().map_err(|error| {
            let message = format!("the file of a training set cannot be opened again: {error}");
            Error::new(Class::Unavailable, "FILE_FAILED", message)
        })?;
        *built = Some(made);
        Ok(file)
    }

    /// What each date gave, once the table was made.
    pub(crate) fn summary(&self) -> Vec<DateSummary> {
        let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        built
            .as_ref()
            .map(|made| made.dates.clone())
            .unwrap_or_default()
    }

    fn build(
        &self,
        store: &Store,
        sql: &Sql,
        threads: usize,
        stopped: &AtomicBool,
    ) -> Result<Built> {
        let resolved = &self.resolved;
        let dates = &resolved.as_of;
        let mut input = self.view.input(sql, dates, None, threads)?;
        if resolved.candidates.is_some() {
            input.training.buyers = buyers(self.view.view(), &input, stopped)?;
        }
        input.training.excluded =
            excluded(&self.excluded, resolved.bounded.then_some(resolved.bound))?;
        if resolved.negatives > 0.0 {
            let rates = self.rates(store, sql, threads, stopped, &input.training.excluded)?;
            let seed = resolved.seed;
            input.training.sampling = Some(Sampling { seed, rates });
        }
        let file = store.scratch_file()?;
        let mut count = Count::new(resolved)?;
        lode_features::write(self.view.view(), &input, stopped, &file, &mut |batch| {
            count.add(batch);
        })?;
        let dates = count.dates;
        if dates.iter().all(|date| date.rows == 0) {
            return Err(self.empty(&dates));
        }
        self.check_labels(&dates, store, sql, threads, stopped)?;
        Ok(Built { file, dates })
    }

    /// The part of the rows without the event that each date keeps.
    fn rates(
        &self,
        store: &Store,
        sql: &Sql,
        threads: usize,
        stopped: &AtomicBool,
        excluded: &Customers,
    ) -> Result<Vec<f64>> {
        let resolved = &self.resolved;
        let declaration = needed(&serde_json::from_str(&self.declaration)?, &resolved.rows)?;
        let held = self.snapshots();
        let counting = resolved.pin(store, sql, &declaration, true, &mut |id| of(&held, id))?;
        let mut input = counting.input(sql, &resolved.as_of, None, threads)?;
        input.training.excluded = excluded.clone();
        let mut count = Count::new(resolved)?;
        counting.compute(&input, stopped, &mut |batch| {
            count.add(&batch);
            Ok(())
        })?;
        let rates = count.dates.iter().map(|date| {
            let positives = date.positives.unwrap_or(0);
            let negatives = date.rows - positives;
            if date.judges || negatives == 0 {
                return 1.0;
            }
            // At least one for a date without the event: such a date has something to say too.
            let wanted = (positives as f64 * resolved.negatives).max(1.0);
            (wanted / negatives as f64).min(1.0)
        });
        Ok(rates.collect())
    }

    fn empty(&self, dates: &[DateSummary]) -> Error {
        let at = match dates {
            [only] => format!("at {}", short(only.as_of)),
            [first, .., last] => format!(
                "at the dates {} to {}",
                short(first.as_of),
                short(last.as_of)
            ),
            [] => String::new(),
        };
        let (field, of) = match (
            &self.resolved.rows,
            self.resolved.exclude_customers.is_empty(),
        ) {
            (Json::Null, true) => ("feature_view", "customers that the view gives"),
            (Json::Null, false) => ("exclude_customers", "customers who are not excluded"),
            (Json::Array(list), true) if list.is_empty() => {
                ("feature_view", "customers that the view gives")
            }
            _ => ("where", "customers whose features pass the conditions"),
        };
        wrong(
            field,
            format!("{of} {at}"),
            "none: the training set would be empty",
        )
    }
}

/// One of the snapshots that are held.
pub(super) fn of(held: &[Arc<Snapshot>], id: &DatasetId) -> Result<Arc<Snapshot>> {
    let mut held = held.iter();
    let found = held.find(|snapshot| snapshot.dataset().id == *id);
    found
        .cloned()
        .ok_or_else(|| Error::bug("a dataset was not pinned"))
}

/// A view's declaration with the features alone that conditions read.
fn needed(declaration: &Json, rows: &Json) -> Result<Json> {
    let mut spec = ViewSpec::from_json(declaration)?;
    let columns = lode_features::Condition::read("where", rows)?;
    let mut names: BTreeSet<String> = BTreeSet::new();
    for condition in columns {
        // A column is called as its feature, or as that with more behind.
        let of = |name: &str| {
            condition.column == name || condition.column.starts_with(&format!("{name}_"))
        };
        let features = spec.features.iter().filter(|feature| of(&feature.name));
        names.extend(features.map(|feature| feature.name.clone()));
    }
    loop {
        let before = names.len();
        for feature in &spec.features {
            if names.contains(&feature.name) && matches!(feature.kind, Kind::Ratio | Kind::Cross) {
                let p = &feature.params;
                let reads = [&p.numerator, &p.denominator, &p.left, &p.right];
                for column in reads.into_iter().flatten() {
                    let of = |name: &str| column == name || column.starts_with(&format!("{name}_"));
                    let read = spec.features.iter().filter(|feature| of(&feature.name));
                    names.extend(read.map(|feature| feature.name.clone()));
                }
            }
        }
        if names.len() == before {
            break;
        }
    }
    if names.is_empty() {
        // A view has a feature; the first costs no more than any.
        names.extend(spec.features.first().map(|feature| feature.name.clone()));
        let derived = spec
            .features
            .first()
            .is_some_and(|f| matches!(f.kind, Kind::Ratio | Kind::Cross));
        if derived {
            return Ok(declaration.clone());
        }
    }
    spec.features
        .retain(|feature| names.contains(&feature.name));
    Ok(spec.to_json())
}

/// The customers of datasets, at a time if one is said.
pub(super) fn excluded(snapshots: &[Arc<Snapshot>], at: Option<Timestamp>) -> Result<Customers> {
    let mut customers = Customers::default();
    for snapshot in snapshots {
        let Some(key) = snapshot.dataset().schema.with_role(Role::CustomerId) else {
            continue;
        };
        let files = match at {
            Some(time) => snapshot.files_as_of(time)?,
            None => snapshot.files()?,
        };
        let table = Table::open(files.into_iter().map(|file| file.file).collect())?;
        let column = table.schema().index_of(&key.name)?;
        for i in 0..table.n_batches() {
            customers.add(table.batch(i, Some(&[column]))?.column(0));
        }
    }
    Ok(customers)
}

/// Counts rows by date.
struct Count {
    dates: Vec<DateSummary>,
    at: BTreeMap<i64, usize>,
}

impl Count {
    fn new(resolved: &Resolved) -> Result<Self> {
        let horizon = length("horizon", &resolved.horizon)?.micros();
        let dates = resolved.as_of.iter().zip(&resolved.judging);
        let dates = dates.map(|(&as_of, &judges)| DateSummary {
            as_of,
            label_end: Timestamp(as_of.0 + horizon),
            judges,
            positives: Some(0),
            ..DateSummary::default()
        });
        let dates: Vec<DateSummary> = dates.collect();
        let at = dates.iter().enumerate().map(|(i, date)| (date.as_of.0, i));
        Ok(Self {
            at: at.collect(),
            dates,
        })
    }

    fn add(&mut self, batch: &RecordBatch) {
        let column = |name: &str| batch.column_by_name(name);
        let times = column("as_of").and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let (Some(times), Some(label)) = (times, column("label")) else {
            return;
        };
        let labels = numbers(label);
        let weights = column("weight").and_then(|c| c.as_primitive_opt::<Float64Type>());
        let new = column("is_new").and_then(|c| c.as_boolean_opt());
        for row in 0..batch.num_rows() {
            let Some(&at) = self.at.get(&times.value(row)) else {
                continue;
            };
            let date = &mut self.dates[at];
            let weight = weights.map_or(1.0, |weights| weights.value(row));
            date.rows += 1;
            date.weight += weight;
            date.new += u64::from(new.is_some_and(|new| new.value(row)));
            match &labels {
                None => date.positives = None,
                Some(labels) => {
                    let label = labels.value(row);
                    date.label_sum += weight * label;
                    if let Some(positives) = &mut date.positives {
                        *positives += u64::from(label != 0.0);
                    }
                }
            }
        }
    }
}

/// A label as numbers; none of words.
fn numbers(label: &ArrayRef) -> Option<Float64Array> {
    if *label.data_type() == DataType::Utf8 {
        return None;
    }
    let cast = arrow_cast::cast(label, &DataType::Float64).ok()?;
    Some(cast.as_primitive::<Float64Type>().clone())
}

/// What each date gave, as a table for people.
pub(crate) fn summary_table(dates: &[DateSummary]) -> Result<RecordBatch> {
    let time = |of: &dyn Fn(&DateSummary) -> Timestamp| -> ArrayRef {
        let values = dates.iter().map(|date| of(date).0);
        Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    let count = |of: &dyn Fn(&DateSummary) -> Option<u64>| -> ArrayRef {
        let values = dates.iter().map(|date| i64::try_from(of(date)?).ok());
        Arc::new(values.collect::<Int64Array>())
    };
    let float = |of: &dyn Fn(&DateSummary) -> Option<f64>| -> ArrayRef {
        Arc::new(dates.iter().map(of).collect::<Float64Array>())
    };
    let mean = |date: &DateSummary| {
        let known = date.positives.is_some() && date.weight > 0.0;
        known.then(|| date.label_sum / date.weight)
    };
    let judges = dates.iter().map(|date| Some(date.judges));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("as_of", time(&|date| date.as_of)),
        ("label_end", time(&|date| date.label_end)),
        ("judges", Arc::new(judges.collect::<BooleanArray>())),
        ("rows", count(&|date| Some(date.rows))),
        ("weight", float(&|date| Some(date.weight))),
        ("positives", count(&|date| date.positives)),
        ("mean_label", float(&mean)),
        ("new", count(&|date| Some(date.new))),
    ];
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")));
    let fields = columns.iter().map(|(name, column)| {
        let data_type = match column.data_type() {
            DataType::Timestamp(_, _) => utc.clone(),
            other => other.clone(),
        };
        Field::new(*name, data_type, true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    Ok(RecordBatch::try_new(schema, arrays)?)
}

impl std::fmt::Debug for TrainingSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let view: &PinnedView = &self.view;
        f.debug_struct("TrainingSource")
            .field("view", view)
            .field("resolved", &self.resolved)
            .finish_non_exhaustive()
    }
}
