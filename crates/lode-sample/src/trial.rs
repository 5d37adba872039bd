//! Small made tables that fit what an algorithm declares: one for each input, by role.
//!
//! A library is tried on them before its algorithms may serve, and the conformance kit starts
//! from them. They are plausible, not real: customers come back, amounts are skewed, a label
//! depends on a feature, some features are missing. Every declared input and role is there,
//! optional ones too. Invariant: the same description, number of rows and seed give the same
//! tables; columns with a role have no nulls; from two rows on a label has both its values.

mod columns;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_array::builder::ListBuilder;
use arrow_array::builder::StringBuilder;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::FieldRef;
use arrow_schema::Schema;
use lode_types::AlgorithmSpec;
use lode_types::ColumnType;
use lode_types::Features;
use lode_types::InputSpec;
use lode_types::ROLE_KEY;
use lode_types::Role;
use lode_types::Task;
use lode_types::role_of;

use columns::Made;

/// A column of a table that is being made.
type Named = (FieldRef, ArrayRef);

/// A table for every input of the algorithm, in the order of its description.
///
/// Columns with a role are named by it and carry it in their metadata; an input that takes
/// features gets numbers (`visits`, `spend`, `tenure`), a flag (`active`) and, where text is a
/// feature too, categories (`tariff`, `region`), each with some values missing. Any other
/// input gets one number (`value`) that the algorithm has to leave alone.
pub fn inputs(spec: &AlgorithmSpec, rows: usize, seed: u64) -> Vec<(String, RecordBatch)> {
    let inputs = spec.inputs.iter();
    inputs
        .map(|input| (input.name.clone(), table(input, rows, seed)))
        .collect()
}

/// What an open model of the algorithm is asked: the name of the input and its rows.
///
/// A recommender gets some requests, of customers of [`inputs`] and of others, the others the
/// first input as `made`, without its label.
pub fn question(spec: &AlgorithmSpec, made: &[(String, RecordBatch)]) -> (String, RecordBatch) {
    if spec.task == Task::Recommendation {
        return ("requests".to_owned(), requests());
    }
    let Some((_, batch)) = made.first() else {
        return ("customers".to_owned(), requests());
    };
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns
        .filter(|(field, _)| role_of(field) != Some(Role::Label))
        .map(|(field, column)| (Arc::clone(field), Arc::clone(column)))
        .collect();
    ("customers".to_owned(), batch_of(columns))
}

fn table(input: &InputSpec, rows: usize, seed: u64) -> RecordBatch {
    let made = Made::new(input, rows, seed);
    let mut columns: Vec<Named> = Vec::new();
    for wanted in &input.columns {
        let can = wanted.role.types();
        let kind = wanted.types.iter().find(|kind| can.contains(kind));
        let kind = kind.or_else(|| can.first()).copied();
        let kind = kind.unwrap_or(ColumnType::String);
        let field = Field::new(wanted.role.as_str(), kind.to_arrow(), false);
        let role = (ROLE_KEY.to_owned(), wanted.role.as_str().to_owned());
        let field = field.with_metadata(HashMap::from([role]));
        columns.push((Arc::new(field), made.role(wanted.role, kind)));
    }
    let features = match input.features {
        Features::Ignored => vec![("value", made.spend())],
        Features::Numeric => made.numbers(),
        Features::All => [made.numbers(), made.categories()].concat(),
    };
    for (name, column) in features {
        let field = Field::new(name, column.data_type().clone(), true);
        columns.push((Arc::new(field), column));
    }
    batch_of(columns)
}

/// As the engine asks a recommender: for a customer; for one with a session, with reasons; for
/// nobody known, with variety; for everything, owned items too.
fn requests() -> RecordBatch {
    let customers: ArrayRef = Arc::new(StringArray::from(vec![
        Some("c1"),
        Some("c2"),
        None,
        Some("stranger"),
    ]));
    let sessions: [&[&str]; 4] = [
        &["item-1"],
        &["item-3", "item-4", "item-3"],
        &["item-5"],
        &[],
    ];
    let excluded: [&[&str]; 4] = [&["item-2"], &[], &["item-1", "nothing"], &["item-0"]];
    let role = (ROLE_KEY.to_owned(), Role::CustomerId.as_str().to_owned());
    let who = Field::new("customer_id", DataType::Utf8, true);
    let variety = Float64Array::from(vec![None, None, Some(0.3), None]);
    batch_of(vec![
        (
            Arc::new(who.with_metadata(HashMap::from([role]))),
            customers,
        ),
        named("session_items", lists(&sessions), false),
        named("exclude_items", lists(&excluded), false),
        named(
            "limit",
            Arc::new(Int64Array::from(vec![5, 3, 4, 1000])),
            false,
        ),
        named(
            "explain",
            Arc::new(BooleanArray::from(vec![false, true, true, true])),
            false,
        ),
        named(
            "allow_owned",
            Arc::new(BooleanArray::from(vec![false, false, false, true])),
            false,
        ),
        named("diversity", Arc::new(variety), true),
    ])
}

/// As the engine asks a recommender for items like some.
pub fn similar() -> RecordBatch {
    let items: ArrayRef = Arc::new(StringArray::from(vec!["item-1", "item-2", "nothing"]));
    batch_of(vec![
        named("item", items, false),
        named("exclude_items", lists(&[&["item-2"], &[], &[]]), false),
        named("limit", Arc::new(Int64Array::from(vec![5, 1000, 3])), false),
    ])
}

fn named(name: &str, column: ArrayRef, nullable: bool) -> Named {
    let field = Field::new(name, column.data_type().clone(), nullable);
    (Arc::new(field), column)
}

fn lists(lists: &[&[&str]]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for items in lists {
        builder.append_value(items.iter().map(|item| Some(*item)));
    }
    Arc::new(builder.finish())
}

fn batch_of(columns: Vec<Named>) -> RecordBatch {
    if columns.is_empty() {
        return RecordBatch::new_empty(Arc::new(Schema::empty()));
    }
    RecordBatch::from(StructArray::from(columns))
}

#[cfg(test)]
mod tests;
