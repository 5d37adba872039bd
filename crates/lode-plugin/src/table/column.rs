//! One column of a table, read into plain vectors.
//!
//! Types near the wanted one are cast without loss of meaning (Int32 to numbers, views and
//! dictionaries to text); anything else is an error that names the column.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_cast::cast::CastOptions;
use arrow_cast::cast::cast_with_options;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::TimeUnit;
use lode_types::ColumnType;
use lode_types::Features;

use crate::Error;
use crate::Feature;
use crate::Ids;
use crate::Result;
use crate::Table;
use crate::Values;
use crate::table::ids;

/// A column of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    table: &'a Table,
    index: usize,
}

impl<'a> Column<'a> {
    pub(crate) fn new(table: &'a Table, index: usize) -> Self {
        Self { table, index }
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        self.field().name()
    }

    /// Its name, type and metadata.
    pub fn field(&self) -> &'a Field {
        self.table.schema().field(self.index)
    }

    /// Its values, an array a batch.
    pub fn arrays(&self) -> impl Iterator<Item = &'a ArrayRef> {
        let index = self.index;
        self.table
            .batches()
            .iter()
            .map(move |batch| batch.column(index))
    }

    /// Its values as codes of sorted names. Integers become decimal text and booleans
    /// `false` and `true`; a null becomes [`Ids::NONE`].
    ///
    /// # Errors
    /// `INPUT_INVALID` when the type is neither text, integer nor boolean.
    pub fn ids(&self) -> Result<Ids> {
        match ColumnType::from_arrow(self.field().data_type()) {
            Some(ColumnType::Int64) => {
                let arrays = self.cast(&DataType::Int64)?;
                let values = arrays
                    .iter()
                    .flat_map(|array| array.as_primitive::<Int64Type>().iter());
                Ok(ids::of_integers(values, self.table.n_rows()))
            }
            Some(ColumnType::String | ColumnType::Bool) => {
                let arrays = self.cast(&DataType::Utf8)?;
                let values = arrays
                    .iter()
                    .flat_map(|array| array.as_string::<i32>().iter());
                Ok(ids::of_texts(values, self.table.n_rows()))
            }
            _ => Err(self.wrong_type("text or integer")),
        }
    }

    /// Its values as numbers: booleans become 0 and 1, a null becomes NaN.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the type is neither a number nor boolean.
    pub fn numbers(&self) -> Result<Vec<f64>> {
        if !self.is_numeric() {
            return Err(self.wrong_type("a number"));
        }
        let mut numbers = Vec::with_capacity(self.table.n_rows());
        for array in self.cast(&DataType::Float64)? {
            let array = array.as_primitive::<Float64Type>();
            if array.null_count() == 0 {
                numbers.extend_from_slice(array.values());
            } else {
                numbers.extend(array.iter().map(|value| value.unwrap_or(f64::NAN)));
            }
        }
        Ok(numbers)
    }

    /// Its values as integers.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the type is not an integer.
    pub fn integers(&self) -> Result<Vec<Option<i64>>> {
        if ColumnType::from_arrow(self.field().data_type()) != Some(ColumnType::Int64) {
            return Err(self.wrong_type("an integer"));
        }
        let arrays = self.cast(&DataType::Int64)?;
        let arrays = arrays.iter().map(|array| array.as_primitive::<Int64Type>());
        Ok(arrays.flat_map(Int64Array::iter).collect())
    }

    /// Its values as microseconds since the Unix epoch, UTC; a date is its midnight.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the type is neither timestamp nor date.
    pub fn times(&self) -> Result<Vec<Option<i64>>> {
        let zone = match self.field().data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            DataType::Date32 | DataType::Date64 => None,
            _ => return Err(self.wrong_type("timestamp or date")),
        };
        let arrays = self.cast(&DataType::Timestamp(TimeUnit::Microsecond, zone))?;
        let times = arrays
            .iter()
            .flat_map(|array| array.as_primitive::<TimestampMicrosecondType>().iter());
        Ok(times.collect())
    }

    /// Its values as text. Integers and booleans are written out.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the type is neither text, integer nor boolean.
    pub fn texts(&self) -> Result<Vec<Option<String>>> {
        match ColumnType::from_arrow(self.field().data_type()) {
            Some(ColumnType::String | ColumnType::Int64 | ColumnType::Bool) => {}
            _ => return Err(self.wrong_type("text or integer")),
        }
        let arrays = self.cast(&DataType::Utf8)?;
        let arrays = arrays.iter().map(|array| array.as_string::<i32>());
        Ok(arrays
            .flat_map(StringArray::iter)
            .map(|text| text.map(str::to_owned))
            .collect())
    }

    /// Its values as they lie in memory, a slice a batch: for algorithms that stream over
    /// large columns. None unless it is of type float64 and has no null; read
    /// [`Column::numbers`] then, which copies.
    pub fn float_slices(&self) -> Option<Vec<&'a [f64]>> {
        self.arrays()
            .map(|array| {
                let array = array.as_primitive_opt::<Float64Type>()?;
                (array.null_count() == 0).then(|| array.values().as_ref())
            })
            .collect()
    }

    /// Its texts where they lie in memory, one a row; nothing is copied.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the type is not text, plain, large, view or dictionary.
    pub fn text_iter(&self) -> Result<impl Iterator<Item = Option<&'a str>> + use<'a>> {
        let iterators: Option<Vec<Texts<'a>>> = self.arrays().map(texts_of).collect();
        let is_text = iterators.is_some()
            && ColumnType::from_arrow(self.field().data_type()) == Some(ColumnType::String);
        match iterators {
            Some(iterators) if is_text => Ok(iterators.into_iter().flatten()),
            _ => Err(self.wrong_type("text")),
        }
    }

    /// Its values as lists of text; a null list is an empty one, a null in a list is left out.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the type is not a list of text or integers.
    pub fn text_lists(&self) -> Result<Vec<Vec<String>>> {
        let wanted = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
        if !matches!(
            self.field().data_type(),
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _)
        ) {
            return Err(self.wrong_type("a list of text"));
        }
        let mut lists = Vec::with_capacity(self.table.n_rows());
        for array in self.cast(&wanted)? {
            lists.extend(array.as_list::<i32>().iter().map(|list| {
                list.map_or_else(Vec::new, |list| {
                    let texts = list.as_string::<i32>().iter();
                    texts.flatten().map(str::to_owned).collect()
                })
            }));
        }
        Ok(lists)
    }

    /// The column as a feature, or none when `which` does not take its type.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the values cannot be read.
    pub fn feature(&self, which: Features) -> Result<Option<Feature>> {
        let values = match which {
            Features::Numeric | Features::All if self.is_numeric() => {
                Values::Number(self.numbers()?)
            }
            Features::All
                if ColumnType::from_arrow(self.field().data_type()) == Some(ColumnType::String) =>
            {
                let Ids { codes, names } = self.ids()?;
                Values::Category { codes, names }
            }
            _ => return Ok(None),
        };
        Ok(Some(Feature {
            name: self.name().to_owned(),
            values,
        }))
    }

    /// Whether it holds numbers or booleans.
    pub fn is_numeric(&self) -> bool {
        match self.field().data_type() {
            DataType::Decimal32(_, _)
            | DataType::Decimal64(_, _)
            | DataType::Decimal128(_, _)
            | DataType::Decimal256(_, _) => true,
            other => matches!(
                ColumnType::from_arrow(other),
                Some(ColumnType::Bool | ColumnType::Int64 | ColumnType::Float64)
            ),
        }
    }

    fn cast(&self, wanted: &DataType) -> Result<Vec<ArrayRef>> {
        // A value that does not fit is an error, not a null.
        let options = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        self.arrays()
            .map(|array| {
                if array.data_type() == wanted {
                    return Ok(Arc::clone(array));
                }
                cast_with_options(array, wanted, &options)
                    .map_err(|error| Error::invalid(self.path(), error.to_string()))
            })
            .collect()
    }

    fn wrong_type(&self, expected: &str) -> Error {
        Error::invalid(
            self.path(),
            format!("expected {expected}, found {}", self.field().data_type()),
        )
    }

    fn path(&self) -> String {
        format!("{}.{}", self.table.path(), self.name())
    }
}

/// Texts of one array, in place.
type Texts<'a> = Box<dyn Iterator<Item = Option<&'a str>> + 'a>;

fn texts_of(array: &ArrayRef) -> Option<Texts<'_>> {
    if let Some(texts) = array.as_string_opt::<i32>() {
        return Some(Box::new(texts.iter()));
    }
    if let Some(texts) = array.as_string_opt::<i64>() {
        return Some(Box::new(texts.iter()));
    }
    if let Some(texts) = array.as_string_view_opt() {
        return Some(Box::new(texts.iter()));
    }
    // The words are few: they are looked up once, a row is an index.
    let dictionary = array.as_any_dictionary_opt()?;
    let words: Vec<Option<&str>> = texts_of(dictionary.values())?.collect();
    let keys = dictionary.normalized_keys().into_iter().enumerate();
    let nulls = dictionary.keys();
    Some(Box::new(keys.map(move |(row, key)| {
        words
            .get(key)
            .copied()
            .flatten()
            .filter(|_| nulls.is_valid(row))
    })))
}
