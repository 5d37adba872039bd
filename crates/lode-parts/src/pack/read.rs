//! A packed file under its map: where each buffer lies, and its columns on demand.
//!
//! Everything that a file says of itself is checked here: buffers against the file, counts
//! against each other, texts for UTF-8.

mod frame;

use std::ops::Range;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::OnceLock;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Decimal128Array;
use arrow_array::Float64Array;
use arrow_array::StringArray;
use arrow_array::StringViewArray;
use arrow_array::UInt32Array;
use arrow_buffer::ArrowNativeType;
use arrow_buffer::BooleanBuffer;
use arrow_buffer::Buffer;
use arrow_buffer::NullBuffer;
use arrow_buffer::OffsetBuffer;
use arrow_buffer::ScalarBuffer;
use arrow_ipc::Block;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_select::take::take;

use super::Code;
use super::ColumnNote;
use super::CustomersNote;
use super::FORM;
use super::Note;
use super::decode;
use super::decode::Offsets;
use super::note::check_lists;
use super::note::zone;
use super::read_type_word;
use super::rows;
use super::rows::Rows;
use crate::Customer;
use crate::Error;
use crate::Result;
use crate::Strings;
use crate::Zone;
use crate::filter;
use frame::find_texts;
use frame::read_batch;

/// A packed file.
pub(crate) struct Packed {
    bytes: Buffer,
    columns: Vec<Column>,
    /// Rows and, of each column, its buffers, of each batch.
    batches: Vec<(usize, Vec<Buffers>)>,
    zones: Vec<Vec<Zone>>,
    filter: Option<Range<usize>>,
    customers: Option<CustomersNote>,
}

struct Column {
    /// What readers see.
    data_type: DataType,
    /// What is in the file.
    stored: DataType,
    note: ColumnNote,
    dictionary: OnceLock<Dictionary>,
    /// Where the dictionary's texts lie.
    texts: Option<(usize, Buffers)>,
}

/// Byte ranges of a column in one batch.
#[derive(Clone, Debug, Default)]
struct Buffers {
    nulls: Option<Range<usize>>,
    /// Values, bits, keys or offsets.
    first: Range<usize>,
    /// The bytes of plain texts.
    second: Range<usize>,
    /// Of runs: where they end, and how many there are; `first` has a value of each.
    runs: Option<(Range<usize>, usize)>,
}

/// The texts of a column.
pub(super) struct Dictionary {
    pub(super) texts: Arc<StringArray>,
    views: OnceLock<StringViewArray>,
}

impl Dictionary {
    pub(super) fn views(&self) -> &StringViewArray {
        self.views
            .get_or_init(|| StringViewArray::from(&*self.texts))
    }
}

impl Packed {
    /// Reads what the note and the batch headers say; gives the schema that readers see too.
    pub(crate) fn open(
        bytes: &Buffer,
        note: &str,
        schema: &Schema,
        dictionary_ids: &[Option<i64>],
        blocks: &[Block],
        dictionaries: &[Block],
    ) -> Result<(Self, Schema)> {
        let note: Note = serde_json::from_str(note)
            .map_err(|error| Error::damaged("a packed part's note", error.to_string()))?;
        if note.form != FORM {
            return Err(Error::damaged(
                format!("a packed part of form {FORM}"),
                format!("form {}", note.form),
            ));
        }
        if note.columns.len() != schema.fields().len() {
            return Err(Error::damaged(
                format!("notes of {} columns", schema.fields().len()),
                format!("{}", note.columns.len()),
            ));
        }
        let mut fields = Vec::with_capacity(note.columns.len());
        let mut columns = Vec::with_capacity(note.columns.len());
        for (i, (field, note)) in schema.fields().iter().zip(note.columns).enumerate() {
            let data_type = read_type_word(&note.kind)
                .ok_or_else(|| Error::damaged("a column type", note.kind.clone()))?;
            check_lists(&note, blocks.len())?;
            fields.push(
                Field::new(field.name(), data_type.clone(), field.is_nullable())
                    .with_metadata(field.metadata().clone()),
            );
            let texts = match values_of(field.data_type()) {
                DataType::Dictionary(_, _) => Some(find_texts(
                    bytes,
                    dictionaries,
                    dictionary_ids.get(i).copied().flatten(),
                )?),
                _ => None,
            };
            columns.push(Column {
                data_type,
                stored: field.data_type().clone(),
                note,
                dictionary: OnceLock::new(),
                texts,
            });
        }
        let stored: Vec<&DataType> = columns.iter().map(|column| &column.stored).collect();
        let batches = blocks
            .iter()
            .map(|block| read_batch(bytes, block, &stored))
            .collect::<Result<Vec<_>>>()?;
        let (filter, customers) = match &note.customers {
            None => (None, None),
            Some(customers) => {
                let range = usize::try_from(customers.offset)
                    .ok()
                    .zip(usize::try_from(customers.length).ok())
                    .and_then(|(start, len)| Some(start..start.checked_add(len)?))
                    .filter(|range| {
                        range.end <= bytes.len() && range.len() % filter::BLOCK_BYTES == 0
                    })
                    .filter(|_| {
                        customers.column < columns.len()
                            && customers.time.is_none_or(|time| time < columns.len())
                    })
                    .ok_or_else(|| {
                        Error::damaged("a filter within the file", format!("{customers:?}"))
                    })?;
                (Some(range), Some(customers.clone()))
            }
        };
        let zones = (0..batches.len())
            .map(|batch| {
                std::iter::zip(&fields, &columns)
                    .filter_map(|(field, column)| {
                        zone(field.name(), &column.note, &column.data_type, batch)
                    })
                    .collect()
            })
            .collect();
        let packed = Self {
            bytes: bytes.clone(),
            columns,
            batches,
            zones,
            filter,
            customers,
        };
        let schema = Schema::new(fields).with_metadata(schema.metadata().clone());
        Ok((packed, schema))
    }

    pub(crate) fn rows(&self, batch: usize) -> usize {
        self.batches[batch].0
    }

    /// Whether a column is stored as keys of texts.
    pub(crate) fn has_dictionary(&self) -> bool {
        self.columns.iter().any(|column| column.texts.is_some())
    }

    pub(crate) fn zones(&self, batch: usize) -> &[Zone] {
        &self.zones[batch]
    }

    /// By which columns the rows are sorted, and how many customers there are.
    pub(crate) fn customers(&self) -> Option<&CustomersNote> {
        self.customers.as_ref()
    }

    /// Whether rows of the customer may be here.
    pub(crate) fn may_hold(&self, customer: Customer<'_>) -> bool {
        match &self.filter {
            None => true,
            Some(range) => filter::may_hold(&self.bytes[range.clone()], customer.hash()),
        }
    }

    /// Some rows of a column of a batch, which must fit it.
    pub(crate) fn column(
        &self,
        batch: usize,
        column: usize,
        rows: &Rows<'_>,
        strings: Strings,
    ) -> Result<ArrayRef> {
        let buffers = &self.batches[batch].1[column];
        let column = &self.columns[column];
        if column.note.code == Code::Plain {
            let array = self.plain(column, buffers, rows.span(), strings)?;
            return pick(&array, rows);
        }
        let nulls = self.nulls(buffers, rows)?;
        let base = column.note.base(batch);
        match column.note.code {
            Code::Offset => {
                let offsets = self.offsets(&column.stored, buffers, rows)?;
                decode::typed_ints(&column.data_type, &offsets, base, column.note.step, nulls)
            }
            Code::Scaled => {
                let offsets = self.offsets(&column.stored, buffers, rows)?;
                let (step, note) = (column.note.step, &column.note);
                decode::scaled_floats(&offsets, (base, step), note.digits, note.single, nulls)
            }
            Code::Single => decode::single_floats(&self.expanded::<f32>(buffers, rows)?, nulls),
            Code::Dictionary | Code::Plain => {
                let keys = self.offsets(&column.stored, buffers, rows)?;
                decode::texts(&keys, self.dictionary(column)?, nulls, strings)
            }
        }
    }

    /// Those of the rows whose value lies in the range, without decoding it; none when the
    /// column is not stored as offsets of integers.
    pub(crate) fn within(
        &self,
        batch: usize,
        column: usize,
        among: &Rows<'_>,
        range: &RangeInclusive<i64>,
    ) -> Result<Option<Vec<u32>>> {
        let buffers = &self.batches[batch].1[column];
        let column = &self.columns[column];
        let is_int = !matches!(column.data_type, DataType::Decimal128(_, _));
        if column.note.code != Code::Offset || !is_int {
            return Ok(None);
        }
        let step = i128::from(column.note.step);
        let distance = |value: i64| i128::from(value) - i128::from(column.note.base(batch));
        // The smallest offset that is not below the range, and the largest that is not above.
        let low = distance(*range.start()).max(0).div_euclid(step)
            + i128::from(distance(*range.start()).max(0).rem_euclid(step) != 0);
        let high = distance(*range.end()).div_euclid(step);
        let (Ok(low), Ok(high)) = (u64::try_from(low), u64::try_from(high)) else {
            return Ok(Some(Vec::new()));
        };
        if low > high {
            return Ok(Some(Vec::new()));
        }
        let range = low..=high;
        let mut found = match (among, &buffers.runs) {
            (Rows::Range(rows), Some(_)) => {
                self.runs_within(&column.stored, buffers, rows, &range)?
            }
            _ => {
                let offsets = self.offsets(&column.stored, buffers, among)?;
                rows::within(&offsets, among, &range)
            }
        };
        let span = among.span();
        if let Some(valid) = self.nulls(buffers, &Rows::Range(span.clone()))? {
            found.retain(|row| valid.is_valid(*row as usize - span.start));
        }
        Ok(Some(found))
    }

    fn runs_within(
        &self,
        stored: &DataType,
        buffers: &Buffers,
        rows: &Range<usize>,
        range: &RangeInclusive<u64>,
    ) -> Result<Vec<u32>> {
        let (ends, n) = buffers.runs.clone().unwrap_or_default();
        let ends = self.values::<i16>(&ends, &(0..n))?;
        macro_rules! of {
            ($width:ty) => {{
                let values = self.values::<$width>(&buffers.first, &(0..n))?;
                rows::runs_within(&ends, &values, rows, range)
            }};
        }
        match values_of(stored) {
            DataType::UInt8 => of!(u8),
            DataType::UInt16 => of!(u16),
            DataType::UInt32 => of!(u32),
            DataType::UInt64 => of!(u64),
            other => Err(decode::mismatch("offsets", other)),
        }
    }

    /// The rows of a batch that hold the customer, by halving; the file must be sorted.
    pub(crate) fn find(&self, batch: usize, customer: Customer<'_>) -> Result<Range<usize>> {
        let column = self
            .customers
            .as_ref()
            .ok_or_else(|| Error::damaged("a sorted part", "an unsorted one"))?
            .column;
        let buffers = &self.batches[batch].1[column];
        let column = &self.columns[column];
        let note = &column.note;
        // Rows without a customer are the last.
        let nulls = note.nulls.get(batch).copied().unwrap_or(0) as usize;
        let rows = 0..self.rows(batch).saturating_sub(nulls);
        let none = Ok(0..0);
        match (customer, note.code) {
            (Customer::Int(id), Code::Offset) => {
                let ends = note
                    .min
                    .get(batch)
                    .copied()
                    .flatten()
                    .zip(note.max.get(batch).copied().flatten());
                let Some((min, max)) = ends.filter(|(min, max)| (*min..=*max).contains(&id)) else {
                    return none;
                };
                let distance = id.abs_diff(min);
                if distance % note.step != 0 || id > max {
                    return none;
                }
                let offsets = self.offsets(&column.stored, buffers, &Rows::Range(rows))?;
                Ok(halve(&offsets, distance / note.step))
            }
            (Customer::Text(id), Code::Dictionary) => {
                let texts = &self.dictionary(column)?.texts;
                let key = partition(texts.len(), |key| texts.value(key) < id);
                let ends = note
                    .min
                    .get(batch)
                    .copied()
                    .flatten()
                    .zip(note.max.get(batch).copied().flatten());
                let is_within = ends.is_none_or(|(min, max)| (min..=max).contains(&(key as i64)));
                if key == texts.len() || texts.value(key) != id || !is_within {
                    return none;
                }
                let keys = self.offsets(&column.stored, buffers, &Rows::Range(rows))?;
                Ok(halve(&keys, key as u64))
            }
            (Customer::Text(id), Code::Plain) => {
                let array = self.plain(column, buffers, rows, Strings::Plain)?;
                let texts = array
                    .as_any()
                    .downcast_ref::<StringArray>()
                    .ok_or_else(|| decode::mismatch("texts", &column.data_type))?;
                let start = partition(texts.len(), |row| texts.value(row) < id);
                let end = partition(texts.len(), |row| texts.value(row) <= id);
                Ok(start..end)
            }
            _ => none,
        }
    }

    fn plain(
        &self,
        column: &Column,
        buffers: &Buffers,
        rows: Range<usize>,
        strings: Strings,
    ) -> Result<ArrayRef> {
        let nulls = self.nulls(buffers, &Rows::Range(rows.clone()))?;
        if column.stored != column.data_type {
            return Err(decode::mismatch("itself", &column.data_type));
        }
        Ok(match &column.data_type {
            DataType::Boolean => {
                let bits = self.bits(&buffers.first, &rows)?;
                Arc::new(BooleanArray::new(bits, nulls))
            }
            DataType::Float64 => {
                let values = self.values::<f64>(&buffers.first, &rows)?;
                Arc::new(Float64Array::try_new(values, nulls)?)
            }
            DataType::Decimal128(_, _) => {
                let values = self.values::<i128>(&buffers.first, &rows)?;
                Arc::new(
                    Decimal128Array::try_new(values, nulls)?
                        .with_data_type(column.data_type.clone()),
                )
            }
            DataType::Utf8 => {
                let texts = self.strings(buffers, rows, nulls)?;
                crate::strings::convert(&texts, strings)?
            }
            other => return Err(decode::mismatch("itself", other)),
        })
    }

    fn dictionary<'a>(&self, column: &'a Column) -> Result<&'a Dictionary> {
        if let Some(dictionary) = column.dictionary.get() {
            return Ok(dictionary);
        }
        let (n, buffers) = column
            .texts
            .as_ref()
            .ok_or_else(|| Error::damaged("a dictionary", "none"))?;
        let texts = self.strings(buffers, 0..*n, None)?;
        Ok(column.dictionary.get_or_init(|| Dictionary {
            texts: Arc::new(texts),
            views: OnceLock::new(),
        }))
    }

    fn strings(
        &self,
        buffers: &Buffers,
        rows: Range<usize>,
        nulls: Option<NullBuffer>,
    ) -> Result<StringArray> {
        let offsets = if rows.is_empty() {
            ScalarBuffer::from(vec![0_i32])
        } else {
            self.values::<i32>(&buffers.first, &(rows.start..rows.end + 1))?
        };
        if offsets[0] < 0 || offsets.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(Error::damaged("offsets of texts in order", "others"));
        }
        // No more bytes than those of the rows, since all of them are checked.
        let (start, end) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
        if end > buffers.second.len() {
            return Err(short(end, buffers.second.len()));
        }
        let bytes = self
            .bytes
            .slice_with_length(buffers.second.start + start, end - start);
        let offsets = match start {
            0 => offsets,
            _ => offsets.iter().map(|offset| offset - start as i32).collect(),
        };
        StringArray::try_new(OffsetBuffer::new(offsets), bytes, nulls)
            .map_err(|error| Error::damaged("texts", error.to_string()))
    }

    fn nulls(&self, buffers: &Buffers, rows: &Rows<'_>) -> Result<Option<NullBuffer>> {
        let Some(range) = &buffers.nulls else {
            return Ok(None);
        };
        let span = rows.span();
        let bits = self.bits(range, &span)?;
        Ok(Some(NullBuffer::new(match rows {
            Rows::Range(_) => bits,
            Rows::Picked(rows) => BooleanBuffer::collect_bool(rows.len(), |i| {
                bits.value(rows[i] as usize - span.start)
            }),
        })))
    }

    fn bits(&self, range: &Range<usize>, rows: &Range<usize>) -> Result<BooleanBuffer> {
        if range.len() < rows.end.div_ceil(8) {
            return Err(short(rows.end.div_ceil(8), range.len()));
        }
        let buffer = self.bytes.slice_with_length(range.start, range.len());
        Ok(BooleanBuffer::new(buffer, rows.start, rows.len()))
    }

    fn offsets(&self, stored: &DataType, buffers: &Buffers, rows: &Rows<'_>) -> Result<Offsets> {
        let stored = match values_of(stored) {
            DataType::Dictionary(keys, _) => keys,
            other => other,
        };
        Ok(match stored {
            DataType::UInt8 => Offsets::U8(self.expanded(buffers, rows)?),
            DataType::UInt16 => Offsets::U16(self.expanded(buffers, rows)?),
            DataType::UInt32 => Offsets::U32(self.expanded(buffers, rows)?),
            DataType::UInt64 => Offsets::U64(self.expanded(buffers, rows)?),
            other => return Err(decode::mismatch("offsets", other)),
        })
    }

    /// The values of those rows, each run as often as it is long.
    fn expanded<T: ArrowNativeType>(
        &self,
        buffers: &Buffers,
        rows: &Rows<'_>,
    ) -> Result<ScalarBuffer<T>> {
        if let Some((ends, n)) = &buffers.runs {
            let ends = self.values::<i16>(ends, &(0..*n))?;
            let values = self.values::<T>(&buffers.first, &(0..*n))?;
            let rows = match rows {
                Rows::Range(rows) => decode::expand(&ends, &values, rows),
                Rows::Picked(rows) => rows::pick_runs(&ends, &values, rows),
            };
            return rows.map(ScalarBuffer::from);
        }
        let span = rows.span();
        let values = self.values::<T>(&buffers.first, &span)?;
        Ok(match rows {
            Rows::Range(_) => values,
            Rows::Picked(rows) => rows
                .iter()
                .map(|row| values[*row as usize - span.start])
                .collect(),
        })
    }

    fn values<T: ArrowNativeType>(
        &self,
        range: &Range<usize>,
        rows: &Range<usize>,
    ) -> Result<ScalarBuffer<T>> {
        let width = size_of::<T>();
        let end = rows.end.saturating_mul(width);
        if range.len() < end {
            return Err(short(end, range.len()));
        }
        let start = range.start + rows.start * width;
        if !(self.bytes.as_ptr() as usize + start).is_multiple_of(align_of::<T>()) {
            return Err(Error::damaged(
                "aligned values",
                format!("values at {start}"),
            ));
        }
        let bytes = self.bytes.slice_with_length(start, rows.len() * width);
        Ok(ScalarBuffer::new(bytes, 0, rows.len()))
    }
}

/// Of an array that holds the shortest stretch around the rows, the rows.
fn pick(array: &ArrayRef, rows: &Rows<'_>) -> Result<ArrayRef> {
    let Rows::Picked(picked) = rows else {
        return Ok(Arc::clone(array));
    };
    let first = rows.span().start as u32;
    let places = UInt32Array::from_iter_values(picked.iter().map(|row| row - first));
    Ok(take(array, &places, None)?)
}

fn short(expected: usize, found: usize) -> Error {
    Error::damaged(
        format!("a buffer of {expected} bytes or more"),
        format!("{found} bytes"),
    )
}

/// What a column of runs has a value of each run of; other columns are their own.
fn values_of(stored: &DataType) -> &DataType {
    match stored {
        DataType::RunEndEncoded(_, values) => values.data_type(),
        other => other,
    }
}

/// The rows whose offset is `wanted`, in ascending offsets.
fn halve(offsets: &Offsets, wanted: u64) -> Range<usize> {
    let start = partition(offsets.len(), |row| offsets.get(row) < wanted);
    let end = partition(offsets.len(), |row| offsets.get(row) <= wanted);
    start..end
}

/// The first of `n` for which `below` does not hold.
fn partition(n: usize, below: impl Fn(usize) -> bool) -> usize {
    let (mut start, mut end) = (0, n);
    while start < end {
        let middle = start + (end - start) / 2;
        if below(middle) {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    start
}
