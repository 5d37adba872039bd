//! The tables of a batch score, from the scratch file of scores and the order of its rows.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::FieldRef;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use lode_parts::Table;
use lode_types::Outcome;

use super::Actions;
use super::contacts::Contacts;
use super::score::FirstReasons;
use super::subjects::Ranks;
use crate::Error;
use crate::Result;
use crate::profile::Drift;
use crate::reasons::CONTRIBUTIONS;

/// Columns that are made here, which nothing of a plugin's may be called.
pub(super) const OWN: [&str; 6] = [
    "decile",
    "rank",
    "expected_gain",
    "cumulative_gain",
    "cumulative_cost",
    "action_description",
];
/// Contacts that are put together at once.
const CONTACTS_AT_ONCE: usize = 4096;

/// The columns of the table of scores: those of the scratch file, the decile behind the base.
pub(super) fn scores_schema(scratch: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<FieldRef> = scratch.fields().iter().map(Arc::clone).collect();
    let decile = Arc::new(Field::new("decile", DataType::Int64, false));
    fields.insert(decile_at(scratch), decile);
    Arc::new(Schema::new(fields))
}

/// The rows of the table of scores.
pub(super) fn scores<'a>(
    scratch: &'a Table,
    schema: &'a SchemaRef,
    ranks: &'a Ranks,
) -> impl Iterator<Item = Result<RecordBatch>> + 'a {
    let at = decile_at(&scratch.schema());
    let mut before = 0;
    scratch.batches().map(move |batch| {
        let batch = batch?;
        let rows = before..before + batch.num_rows();
        before = rows.end;
        let deciles = Int64Array::from_iter_values(rows.map(|row| ranks.decile(row)));
        let mut columns = batch.columns().to_vec();
        columns.insert(at, Arc::new(deciles));
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    })
}

fn decile_at(scratch: &SchemaRef) -> usize {
    scratch.index_of("base").map_or(0, |base| base + 1)
}

/// What moves whom: the first reasons, the most frequent one in front.
pub(super) fn reasons(firsts: &FirstReasons) -> Result<RecordBatch> {
    let mut rows: Vec<_> = firsts.iter().collect();
    // Stable: equal counts stay in the order of feature and action.
    rows.sort_by_key(|(_, (n, _))| std::cmp::Reverse(*n));
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let features = rows.iter().map(|((feature, _), _)| text(feature));
    let actions = rows.iter().map(|((_, action), _)| text(action));
    let counts = rows
        .iter()
        .map(|(_, (n, _))| i64::try_from(*n).unwrap_or(i64::MAX));
    let means = rows.iter().map(|(key, (n, sum))| {
        let is_reason = !key.0.is_empty();
        is_reason.then(|| sum / *n as f64)
    });
    table(vec![
        ("feature", Arc::new(features.collect::<StringArray>())),
        ("action", Arc::new(actions.collect::<StringArray>())),
        ("customers", Arc::new(Int64Array::from_iter_values(counts))),
        (
            "mean_contribution",
            Arc::new(means.collect::<Float64Array>()),
        ),
    ])
}

/// The columns of the list of contacts: rank, who, why, and what it costs and brings.
pub(super) fn contacts_schema(scratch: &SchemaRef, with_description: bool) -> SchemaRef {
    let number = |name: &str| Arc::new(Field::new(name, DataType::Float64, false));
    let mut fields = vec![Arc::new(Field::new("rank", DataType::Int64, false))];
    for field in scratch.fields() {
        match field.name().as_str() {
            "margin" | "base" | CONTRIBUTIONS => {}
            "score" => {
                fields.push(Arc::clone(field));
                fields.extend(["expected_gain", "cumulative_gain", "cumulative_cost"].map(number));
            }
            _ => fields.push(Arc::clone(field)),
        }
    }
    if with_description {
        let description = Field::new("action_description", DataType::Utf8, true);
        fields.push(Arc::new(description));
    }
    Arc::new(Schema::new(fields))
}

/// The rows of the list of contacts, in their order.
pub(super) fn contacts<'a>(
    scratch: &'a Table,
    schema: &'a SchemaRef,
    contacts: &'a Contacts,
    described: Option<&'a Actions>,
) -> impl Iterator<Item = Result<RecordBatch>> + 'a {
    let starts = (0..contacts.rows.len()).step_by(CONTACTS_AT_ONCE);
    let mut gain = 0.0;
    starts.map(move |start| {
        let end = (start + CONTACTS_AT_ONCE).min(contacts.rows.len());
        let picked = Picked::of(scratch, &contacts.rows[start..end])?;
        let gains = &contacts.gains[start..end];
        let mut sums = Vec::with_capacity(gains.len());
        for one in gains {
            gain += one;
            sums.push(gain);
        }
        let costs = (start..end).map(|i| contacts.cost_per_contact * (i + 1) as f64);
        let ranks = (start..end).map(|i| i64::try_from(i + 1).unwrap_or(i64::MAX));
        let mut columns: Vec<ArrayRef> = Vec::new();
        for field in schema.fields() {
            columns.push(match field.name().as_str() {
                "rank" => Arc::new(Int64Array::from_iter_values(ranks.clone())),
                "expected_gain" => Arc::new(Float64Array::from(gains.to_vec())),
                "cumulative_gain" => Arc::new(Float64Array::from(sums.clone())),
                "cumulative_cost" => Arc::new(Float64Array::from_iter_values(costs.clone())),
                "action_description" => {
                    let actions = picked.column("action")?;
                    let actions = actions.as_string::<i32>().iter();
                    let words = actions.map(|action| described?.description(action?));
                    Arc::new(words.collect::<StringArray>())
                }
                name => picked.column(name)?,
            });
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    })
}

/// Rows of a table from wherever they lie, in a given order. What a batch maps is not copied.
struct Picked {
    batches: Vec<RecordBatch>,
    /// Batch and row of each.
    places: Vec<(usize, usize)>,
}

impl Picked {
    fn of(table: &Table, rows: &[u32]) -> Result<Self> {
        let mut ends = Vec::with_capacity(table.n_batches());
        let mut end = 0;
        for batch in 0..table.n_batches() {
            end += table.batch_rows(batch)?;
            ends.push(end);
        }
        // Only the batches that are needed are read.
        let mut used = vec![None; ends.len()];
        let mut batches = Vec::new();
        let mut places = Vec::with_capacity(rows.len());
        for &row in rows {
            let row = row as usize;
            let batch = ends.partition_point(|end| *end <= row);
            let start = batch.checked_sub(1).map_or(0, |before| ends[before]);
            let at = match used.get(batch).copied().flatten() {
                Some(at) => at,
                None => {
                    batches.push(table.batch(batch, None)?);
                    used[batch] = Some(batches.len() - 1);
                    batches.len() - 1
                }
            };
            places.push((at, row - start));
        }
        Ok(Self { batches, places })
    }

    fn column(&self, name: &str) -> Result<ArrayRef> {
        let columns = self.batches.iter().map(|batch| {
            let column = batch.column_by_name(name);
            column
                .map(|column| column.as_ref() as &dyn Array)
                .ok_or_else(|| Error::bug(format!("no column {name:?} among the scores")))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(interleave(&columns, &self.places)?)
    }
}

/// What is to be expected, after each tenth of the list.
pub(super) fn expected(contacts: &Contacts, outcome: Outcome) -> Result<RecordBatch> {
    let steps = &contacts.expected;
    let numbers = |of: &dyn Fn(usize) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..steps.len()).map(of)))
    };
    let counts = steps.iter();
    let counts = counts.map(|step| i64::try_from(step.contacted).unwrap_or(i64::MAX));
    let profits = steps.iter().map(|step| step.profit);
    let expected = match outcome {
        Outcome::Amount => "expected_amount",
        _ => "expected_positives",
    };
    table(vec![
        ("contacted", Arc::new(Int64Array::from_iter_values(counts))),
        ("share", numbers(&|i| steps[i].share)),
        (expected, numbers(&|i| steps[i].expected)),
        ("reached", numbers(&|i| steps[i].reached)),
        ("cost", numbers(&|i| steps[i].cost)),
        ("gain", numbers(&|i| steps[i].gain)),
        ("profit", Arc::new(profits.collect::<Float64Array>())),
    ])
}

/// How far the rows are from those that the model was made from.
pub(super) fn drift(drifts: &[Drift]) -> Result<RecordBatch> {
    let numbers = |of: &dyn Fn(&Drift) -> Option<f64>| -> ArrayRef {
        Arc::new(drifts.iter().map(of).collect::<Float64Array>())
    };
    let names = drifts.iter().map(|drift| drift.name.as_str());
    let unseen = drifts.iter().map(|drift| drift.unseen_now as i64);
    let unseen: ArrayRef = Arc::new(Int64Array::from_iter_values(unseen));
    let verdicts = drifts.iter().map(|drift| drift.verdict);
    table(vec![
        ("name", Arc::new(StringArray::from_iter_values(names))),
        ("psi", numbers(&|drift| drift.psi)),
        ("missing_then", numbers(&|drift| Some(drift.missing_then))),
        ("missing_now", numbers(&|drift| Some(drift.missing_now))),
        ("mean_then", numbers(&|drift| drift.mean_then)),
        ("mean_now", numbers(&|drift| drift.mean_now)),
        ("unseen_now", unseen),
        ("verdict", Arc::new(StringArray::from_iter_values(verdicts))),
    ])
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let columns = columns
        .into_iter()
        .map(|(name, column)| (name, column, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}
