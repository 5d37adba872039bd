//! The parts of scores as a plugin gives them, and their words.
//!
//! Invariant: parts are passed on as they came, in their order and to the last bit, so that
//! base and parts still add up to the margin.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::ListArray;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Fields;
use lode_features::Phrase;
use lode_types::Class;

use crate::Error;
use crate::Reason;
use crate::Result;
use crate::profile::Profile;

/// The column of a plugin's answer.
pub(crate) const CONTRIBUTIONS: &str = "contributions";

/// The contributions of some rows.
pub(crate) struct Contributions {
    lists: ListArray,
    features: StringArray,
    values: StringArray,
    parts: Float64Array,
}

/// One part of a margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part<'a> {
    /// The feature.
    pub(crate) feature: &'a str,
    /// Its value as people write it.
    pub(crate) value: Option<&'a str>,
    /// What it adds.
    pub(crate) contribution: f64,
}

impl Contributions {
    /// Those of a plugin's answer; none when it gives none.
    pub(crate) fn of(answer: &RecordBatch) -> Result<Option<Self>> {
        let column = answer.column_by_name(CONTRIBUTIONS);
        let Some(lists) = column.and_then(|column| column.as_list_opt::<i32>()) else {
            return Ok(None);
        };
        let structs = lists
            .values()
            .as_struct_opt()
            .ok_or_else(|| failed("expected contributions as structs"))?;
        let column = |name: &str, data_type: &DataType| {
            let column = structs
                .column_by_name(name)
                .ok_or_else(|| failed(format!("expected {name:?} in contributions, found none")))?;
            Ok::<_, Error>(arrow_cast::cast(column, data_type)?)
        };
        Ok(Some(Self {
            features: column("feature", &DataType::Utf8)?.as_string().clone(),
            values: column("value", &DataType::Utf8)?.as_string().clone(),
            parts: column("contribution", &DataType::Float64)?
                .as_primitive::<Float64Type>()
                .clone(),
            lists: lists.clone(),
        }))
    }

    /// The parts of a row, in the plugin's order: the largest first.
    pub(crate) fn row(&self, row: usize) -> impl Iterator<Item = Part<'_>> {
        let offsets = self.lists.value_offsets();
        let place = |offset: i32| usize::try_from(offset).unwrap_or(0);
        (place(offsets[row])..place(offsets[row + 1])).map(|i| Part {
            feature: self.features.value(i),
            value: self.values.is_valid(i).then(|| self.values.value(i)),
            contribution: self.parts.value(i),
        })
    }

    /// All of them as one column of the type that tables of scores have.
    pub(crate) fn column(&self) -> Result<ArrayRef> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.features.clone()),
            Arc::new(self.values.clone()),
            Arc::new(self.parts.clone()),
        ];
        let structs = StructArray::try_new(part_fields(), columns, None)?;
        let offsets = self.lists.offsets().clone();
        let nulls = self.lists.nulls().cloned();
        let lists = ListArray::try_new(item_field(), offsets, Arc::new(structs), nulls)?;
        Ok(Arc::new(lists))
    }
}

/// The reasons of some rows as the same column.
pub(crate) fn column_of<'a>(rows: impl Iterator<Item = &'a [Reason]> + Clone) -> Result<ArrayRef> {
    let all = || rows.clone().flatten();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            all().map(|reason| reason.feature.as_str()),
        )),
        Arc::new(
            all()
                .map(|reason| reason.value.as_deref())
                .collect::<StringArray>(),
        ),
        Arc::new(Float64Array::from_iter_values(
            all().map(|reason| reason.contribution),
        )),
    ];
    let structs = StructArray::try_new(part_fields(), columns, None)?;
    let offsets = OffsetBuffer::from_lengths(rows.map(<[Reason]>::len));
    let lists = ListArray::try_new(item_field(), offsets, Arc::new(structs), None)?;
    Ok(Arc::new(lists))
}

/// The column of contributions of a table of scores.
pub(crate) fn contributions_field() -> Field {
    Field::new(CONTRIBUTIONS, DataType::List(item_field()), true)
}

fn item_field() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(part_fields()), true))
}

fn part_fields() -> Fields {
    Fields::from(vec![
        Field::new("feature", DataType::Utf8, true),
        Field::new("value", DataType::Utf8, true),
        Field::new("contribution", DataType::Float64, true),
    ])
}

/// What is known of a model's features, to tell their values in words.
#[derive(Debug, Default)]
pub(crate) struct Glossary {
    phrases: HashMap<String, Phrase>,
}

impl Glossary {
    /// Of the features of a profile; of no profile nothing is known but names.
    pub(crate) fn of(profile: Option<&Profile>) -> Self {
        let features = profile.iter().flat_map(|profile| &profile.features);
        let phrases = features.map(|feature| {
            let typical = feature.typical.as_deref();
            let phrase = Phrase::new(&feature.name, &feature.description, typical);
            (feature.name.clone(), phrase)
        });
        Self {
            phrases: phrases.collect(),
        }
    }

    /// A part in words.
    pub(crate) fn words(&self, part: &Part<'_>) -> String {
        match self.phrases.get(part.feature) {
            Some(phrase) => phrase.say(part.value),
            None => lode_features::words(part.feature, "", part.value, None),
        }
    }
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(Class::Bug, "PLUGIN_FAILED", message)
}
