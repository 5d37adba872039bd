//! Makes a block's rows the rows of a training set: conditions, labels, candidates, weights.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::TimeUnit;
use arrow_select::take::take;
use lode_types::Role;

use super::field;
use super::items::Tallies;
use crate::Result;
use crate::block::Block;
use crate::block::short;
use crate::cells::Column;
use crate::eval;
use crate::numbers::days;
use crate::plan::ItemsPlan;
use crate::plan::LabelForm;
use crate::plan::Literals;
use crate::plan::TrainingPlan;
use crate::stream::fits;
use crate::work::View;
use crate::work::Work;

/// The columns of a training set after the customer and the time.
pub(crate) fn fields(
    plan: &TrainingPlan,
    features: impl Iterator<Item = Field>,
    fields: &mut Vec<Field>,
) {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")));
    if let Some(items) = &plan.items {
        fields.push(field("item", items.data_type.clone(), Role::Item));
    }
    fields.extend(features);
    if plan.items.is_some() {
        fields.push(Field::new("item_events", DataType::Int64, false));
        fields.push(Field::new("item_days_since", DataType::Float64, true));
        fields.push(Field::new("item_share", DataType::Float64, true));
        fields.push(Field::new("item_buyers", DataType::Float64, true));
    }
    if let Some(label) = &plan.label {
        fields.push(field("label", label.data_type.clone(), Role::Label));
        if plan.weighs {
            fields.push(field("weight", DataType::Float64, Role::Weight));
        }
        fields.push(Field::new("label_end", utc, false));
    }
    fields.push(Field::new("is_new", DataType::Boolean, false));
}

/// A row of the set: a row of the block and, with candidates, one of these.
#[derive(Clone, Copy)]
struct Pick {
    row: u32,
    item: u32,
    /// The label of a yes or no; of an amount, whether there is one.
    yes: bool,
    weight: f64,
}

/// The rows of a block; none when no row is left.
pub(crate) fn rows(
    of: Work<'_>,
    plan: &TrainingPlan,
    views: &[View<'_>],
    block: &Block<'_, '_>,
) -> Result<Option<RecordBatch>> {
    let outs = eval::outs(of.plan, views, block)?;
    let n = block.times.len();
    let mut kept = vec![true; n];
    for test in &plan.tests {
        let column = Column::new(&outs[test.column]);
        for (row, kept) in kept.iter_mut().enumerate() {
            *kept &= column.is_some_and(|column| fits(test, &column.cell(row)));
        }
    }
    let form = plan.label.as_ref().map(|label| label.form);
    if let Some(LabelForm::Value(out)) = form {
        // Who has no label can neither teach nor judge.
        for (row, kept) in kept.iter_mut().enumerate() {
            *kept &= outs[out].is_valid(row);
        }
    }
    let tallies = plan.items.as_ref().map(|items| {
        let horizon = plan.label.as_ref().map_or(0, |label| label.horizon);
        Tallies::of(items, horizon, views, block)
    });
    let picks = picks(of, plan, block, &kept, &outs, tallies.as_ref());
    if picks.is_empty() {
        return Ok(None);
    }

    let whole = tallies.is_none() && picks.len() == n;
    let indices: UInt32Array = picks.iter().map(|pick| pick.row).collect();
    let picked = |column: &ArrayRef| -> Result<ArrayRef> {
        if whole {
            return Ok(Arc::clone(column));
        }
        Ok(take(column, &indices, None)?)
    };
    let mut columns = Vec::with_capacity(of.schema.fields().len());
    for subject in eval::subjects(of.schema, block) {
        columns.push(picked(&subject)?);
    }
    if let Some(items) = &plan.items {
        columns.push(item_values(items, &picks));
    }
    for &out in &of.plan.columns {
        columns.push(picked(&outs[out])?);
    }
    if let Some(tallies) = &tallies {
        item_columns(of, block, tallies, &picks, &mut columns);
    }
    if let Some(label) = &plan.label {
        columns.push(match label.form {
            LabelForm::Sum(out) => {
                let sums = Column::new(&outs[out]);
                let sum = |pick: &Pick| sums.and_then(|sums| sums.number(pick.row as usize));
                let sums = picks.iter().map(|pick| sum(pick).unwrap_or(0.0));
                Arc::new(Float64Array::from_iter_values(sums))
            }
            LabelForm::Value(out) => picked(&outs[out])?,
            _ => Arc::new(BooleanArray::from_iter(
                picks.iter().map(|pick| Some(pick.yes)),
            )),
        });
        if plan.weighs {
            let weights = picks.iter().map(|pick| pick.weight);
            columns.push(Arc::new(Float64Array::from_iter_values(weights)));
        }
        let ends = picks.iter().map(|pick| {
            let t = block.times[pick.row as usize];
            t.saturating_add(label.horizon)
        });
        let ends = TimestampMicrosecondArray::from_iter_values(ends);
        columns.push(Arc::new(ends.with_timezone("UTC")));
    }
    let new = is_new(plan, &outs, n);
    let new = picks.iter().map(|pick| Some(new[pick.row as usize]));
    columns.push(Arc::new(BooleanArray::from_iter(new)));
    Ok(Some(RecordBatch::try_new(Arc::clone(of.schema), columns)?))
}

/// Chooses the rows, in order.
fn picks(
    of: Work<'_>,
    plan: &TrainingPlan,
    block: &Block<'_, '_>,
    kept: &[bool],
    outs: &[ArrayRef],
    tallies: Option<&Tallies>,
) -> Vec<Pick> {
    let form = plan.label.as_ref().map(|label| label.form);
    let counts = |out: usize| outs[out].as_primitive_opt::<Int64Type>();
    let yes = |row: usize, item: usize| match form {
        Some(LabelForm::None(out)) => counts(out).is_some_and(|counts| counts.value(row) == 0),
        Some(LabelForm::Some(out)) => counts(out).is_some_and(|counts| counts.value(row) > 0),
        Some(LabelForm::Sum(out)) => {
            let sum = Column::new(&outs[out]).and_then(|sums| sums.number(row));
            sum.is_some_and(|sum| sum != 0.0)
        }
        Some(LabelForm::Item) => tallies.is_some_and(|tallies| tallies.ahead(row, item) > 0),
        Some(LabelForm::NoItem) => tallies.is_some_and(|tallies| tallies.ahead(row, item) == 0),
        Some(LabelForm::Value(_)) | None => true,
    };
    let n_items = tallies.map_or(1, Tallies::n_items);
    let owned = plan.items.as_ref().is_some_and(|items| items.exclude_owned);
    let mut picks = Vec::new();
    for (row, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
        for item in 0..n_items {
            if owned && tallies.is_some_and(|tallies| tallies.known(row, item) > 0) {
                continue;
            }
            let yes = yes(row, item);
            let mut weight = 1.0;
            if !yes && let Some(sampling) = &of.training.sampling {
                let (date, t) = (block.dates[row], block.times[row]);
                match sampling.weight(date, t, block.keys[row], short(item)) {
                    Some(drawn) => weight = drawn,
                    None => continue,
                }
            }
            picks.push(Pick {
                row: short(row),
                item: short(item),
                yes,
                weight,
            });
        }
    }
    picks
}

/// Whether all events of each row's customer are of late.
fn is_new(plan: &TrainingPlan, outs: &[ArrayRef], n: usize) -> Vec<bool> {
    let (mut late, mut all) = (vec![0; n], vec![0; n]);
    for &(within, whole) in &plan.new {
        for (sums, out) in [(&mut late, within), (&mut all, whole)] {
            if let Some(counts) = outs[out].as_primitive_opt::<Int64Type>() {
                for (sum, count) in sums.iter_mut().zip(counts.values()) {
                    *sum += count;
                }
            }
        }
    }
    let both = late.into_iter().zip(all);
    both.map(|(late, all)| all > 0 && late == all).collect()
}

fn item_values(items: &ItemsPlan, picks: &[Pick]) -> ArrayRef {
    match &items.values {
        Literals::Int(values) => {
            let values = picks.iter().map(|pick| values[pick.item as usize]);
            Arc::new(Int64Array::from_iter_values(values))
        }
        Literals::Text(values) => {
            let values = picks.iter().map(|pick| &values[pick.item as usize]);
            Arc::new(StringArray::from_iter_values(values))
        }
        // The check lets no other type pass.
        _ => arrow_array::new_null_array(&items.data_type, picks.len()),
    }
}

fn item_columns(
    of: Work<'_>,
    block: &Block<'_, '_>,
    tallies: &Tallies,
    picks: &[Pick],
    columns: &mut Vec<ArrayRef>,
) {
    let at = |pick: &Pick| (pick.row as usize, pick.item as usize);
    let events = picks.iter().map(|pick| {
        let (row, item) = at(pick);
        i64::from(tallies.known(row, item))
    });
    columns.push(Arc::new(Int64Array::from_iter_values(events)));
    let since: Float64Array = picks
        .iter()
        .map(|pick| {
            let (row, item) = at(pick);
            let last = tallies.last(row, item)?;
            Some(days(block.times[row] - last))
        })
        .collect();
    columns.push(Arc::new(since));
    let share: Float64Array = picks
        .iter()
        .map(|pick| {
            let (row, item) = at(pick);
            let all = tallies.with_item(row);
            (all > 0).then(|| f64::from(tallies.known(row, item)) / f64::from(all))
        })
        .collect();
    columns.push(Arc::new(share));
    let buyers: Float64Array = picks
        .iter()
        .map(|pick| {
            let (row, item) = at(pick);
            let date = of.training.buyers.get(block.dates[row] as usize)?;
            date.get(item).copied()
        })
        .collect();
    columns.push(Arc::new(buyers));
}
