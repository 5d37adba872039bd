//! The form in which a reader wants strings: plain, as views, or as keys into a dictionary.
//!
//! Columns that are stored as dictionaries by someone else (a job's output) stay as they are.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_array::StringArray;
use arrow_array::StringViewArray;
use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;

use crate::Result;

/// How the strings of a batch come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strings {
    /// `Utf8`: offsets and bytes.
    #[default]
    Plain,
    /// `Utf8View`: sixteen bytes a row that point at the text.
    View,
    /// `Dictionary(Int32, Utf8)`: which text. A text may stand in the dictionary twice, and
    /// two batches may have other dictionaries.
    Dictionary,
}

impl Strings {
    fn data_type(self) -> DataType {
        match self {
            Self::Plain => DataType::Utf8,
            Self::View => DataType::Utf8View,
            Self::Dictionary => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            }
        }
    }
}

/// The schema with its string columns in another form.
pub(crate) fn schema_as(schema: &SchemaRef, strings: Strings) -> SchemaRef {
    if strings == Strings::Plain {
        return Arc::clone(schema);
    }
    let fields: Vec<Arc<Field>> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(strings.data_type())),
            _ => Arc::clone(field),
        })
        .collect();
    Arc::new(Schema::new(fields).with_metadata(schema.metadata().clone()))
}

/// The batch with its plain string columns in another form.
pub(crate) fn as_strings(batch: RecordBatch, strings: Strings) -> Result<RecordBatch> {
    if strings == Strings::Plain {
        return Ok(batch);
    }
    let schema = schema_as(&batch.schema(), strings);
    let rows = batch.num_rows();
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.as_string_opt::<i32>() {
            Some(plain) => convert(plain, strings),
            None => Ok(Arc::clone(column)),
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

pub(crate) fn convert(plain: &StringArray, strings: Strings) -> Result<ArrayRef> {
    Ok(match strings {
        Strings::Plain => Arc::new(plain.clone()),
        Strings::View => Arc::new(StringViewArray::from(plain)),
        Strings::Dictionary => {
            let mut keys =
                StringDictionaryBuilder::<Int32Type>::with_capacity(plain.len(), 64, 1024);
            for text in plain {
                match text {
                    None => keys.append_null(),
                    Some(text) => {
                        keys.append(text)?;
                    }
                }
            }
            Arc::new(keys.finish())
        }
    })
}
