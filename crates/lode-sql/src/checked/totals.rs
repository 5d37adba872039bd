//! Sums of integers and decimals that are exact however they are divided and put together.
//!
//! A sum is kept as what its own type holds, wrapped around, and how often it wrapped. Only
//! the end decides whether it fits, so that the order of rows does not matter. What is rare
//! is kept apart: groups that never wrap cost what they cost without the check.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::ArrowNativeTypeOp;
use arrow_array::ArrowNumericType;
use arrow_array::BooleanArray;
use arrow_array::Int64Array;
use arrow_array::PrimitiveArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use datafusion::arrow::buffer::NullBuffer;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::EmitTo;
use datafusion::logical_expr::GroupsAccumulator;
use datafusion::physical_expr::NullState;

use super::type_name;

/// A type that is summed: whether a total is one of its values.
pub(super) type Fits<T> = fn(<T as arrow_array::ArrowPrimitiveType>::Native, &DataType) -> bool;

/// A sum that is beyond its type.
pub(super) fn overflow(data_type: &DataType) -> DataFusionError {
    let name = type_name(data_type);
    let text = format!("expected a result of sum that fits {name}, found one beyond it");
    DataFusionError::ArrowError(Box::new(ArrowError::ArithmeticOverflow(text)), None)
}

/// Adds a value; gives how often the sum wrapped around, upwards.
fn add<N: ArrowNativeTypeOp>(sum: &mut N, value: N) -> i64 {
    match sum.add_checked(value) {
        Ok(exact) => {
            *sum = exact;
            0
        }
        Err(_) => {
            *sum = sum.add_wrapping(value);
            if value.is_lt(N::ZERO) { -1 } else { 1 }
        }
    }
}

/// Takes a value away, as [`add`] adds it.
fn subtract<N: ArrowNativeTypeOp>(sum: &mut N, value: N) -> i64 {
    match sum.sub_checked(value) {
        Ok(exact) => {
            *sum = exact;
            0
        }
        Err(_) => {
            *sum = sum.sub_wrapping(value);
            if value.is_lt(N::ZERO) { 1 } else { -1 }
        }
    }
}

/// One sum; also of a window that moves, since what was added can be taken away exactly.
pub(super) struct Total<T: ArrowNumericType> {
    low: T::Native,
    wraps: i64,
    /// Values that are in it.
    count: u64,
    data_type: DataType,
    fits: Fits<T>,
}

impl<T: ArrowNumericType> Total<T> {
    pub(super) fn new(data_type: DataType, fits: Fits<T>) -> Self {
        Self {
            low: T::default_value(),
            wraps: 0,
            count: 0,
            data_type,
            fits,
        }
    }

    pub(super) fn add(&mut self, value: T::Native) {
        self.wraps += add(&mut self.low, value);
        self.count += 1;
    }

    pub(super) fn subtract(&mut self, value: T::Native) {
        self.wraps += subtract(&mut self.low, value);
        self.count -= 1;
    }
}

/// Hands out the values that are there.
pub(super) fn each_value<T: ArrowNumericType>(
    array: &PrimitiveArray<T>,
    mut take: impl FnMut(T::Native),
) {
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => array.values().iter().for_each(|value| take(*value)),
        Some(nulls) => {
            for row in nulls.valid_indices() {
                take(array.values()[row]);
            }
        }
    }
}

impl<T: ArrowNumericType> fmt::Debug for Total<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Total").finish_non_exhaustive()
    }
}

impl<T: ArrowNumericType> Accumulator for Total<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each_value(values[0].as_primitive::<T>(), |value| self.add(value));
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each_value(values[0].as_primitive::<T>(), |value| self.subtract(value));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)?;
        each_value(states[1].as_primitive::<Int64Type>(), |wraps| {
            self.wraps += wraps;
        });
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let low = (self.count > 0).then_some(self.low);
        Ok(vec![
            ScalarValue::new_primitive::<T>(low, &self.data_type)?,
            ScalarValue::Int64(Some(self.wraps)),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = (self.count > 0).then_some(self.low);
        if self.wraps != 0 || sum.is_some_and(|sum| !(self.fits)(sum, &self.data_type)) {
            return Err(overflow(&self.data_type));
        }
        ScalarValue::new_primitive::<T>(sum, &self.data_type)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The sums of groups.
pub(super) struct GroupTotals<T: ArrowNumericType> {
    lows: Vec<T::Native>,
    /// How often the sums of groups wrapped around, of those that did.
    wraps: BTreeMap<usize, i64>,
    /// Groups without a value.
    nulls: NullState,
    data_type: DataType,
    fits: Fits<T>,
}

/// What one more entry of the map of wraps takes, about.
const WRAP_BYTES: usize = 32;

impl<T: ArrowNumericType + Send> GroupTotals<T> {
    pub(super) fn new(data_type: DataType, fits: Fits<T>) -> Self {
        Self {
            lows: Vec::new(),
            wraps: BTreeMap::new(),
            nulls: NullState::new(),
            data_type,
            fits,
        }
    }

    fn add(
        &mut self,
        values: &PrimitiveArray<T>,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        n_groups: usize,
    ) {
        self.lows.resize(n_groups, T::default_value());
        let (lows, wraps) = (&mut self.lows, &mut self.wraps);
        let add = |group: usize, value| {
            let wrapped = add(&mut lows[group], value);
            if wrapped != 0 {
                *wraps.entry(group).or_default() += wrapped;
            }
        };
        self.nulls.accumulate(groups, values, filter, n_groups, add);
    }

    /// The first sums, or all, and the wraps among them; the rest moves up.
    fn take(&mut self, emit_to: EmitTo) -> (PrimitiveArray<T>, BTreeMap<usize, i64>) {
        let lows = emit_to.take_needed(&mut self.lows);
        let nulls = self.nulls.build(emit_to);
        let mut wraps = mem::take(&mut self.wraps);
        let rest = wraps.split_off(&lows.len()).into_iter();
        self.wraps = rest.map(|(group, n)| (group - lows.len(), n)).collect();
        let lows = PrimitiveArray::<T>::new(lows.into(), nulls);
        (lows.with_data_type(self.data_type.clone()), wraps)
    }
}

impl<T: ArrowNumericType + Send> GroupsAccumulator for GroupTotals<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let values = values[0].as_primitive::<T>();
        self.add(values, group_indices, opt_filter, total_num_groups);
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)?;
        let wraps = values[1].as_primitive::<Int64Type>();
        for (group, wrapped) in group_indices.iter().zip(wraps.values()) {
            if *wrapped != 0 {
                *self.wraps.entry(*group).or_default() += wrapped;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (sums, wraps) = self.take(emit_to);
        let mut all_fit = wraps.values().all(|wrapped| *wrapped == 0);
        each_value(&sums, |sum| all_fit &= (self.fits)(sum, &self.data_type));
        match all_fit {
            true => Ok(Arc::new(sums)),
            false => Err(overflow(&self.data_type)),
        }
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, wraps) = self.take(emit_to);
        let mut counts = vec![0; sums.len()];
        for (group, wrapped) in wraps {
            counts[group] = wrapped;
        }
        Ok(vec![Arc::new(sums), Arc::new(Int64Array::from(counts))])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let (_, sums, mut nulls) = values[0].as_primitive::<T>().clone().into_parts();
        if let Some(filter) = opt_filter {
            let (passes, unknown) = filter.clone().into_parts();
            nulls = NullBuffer::union(nulls.as_ref(), Some(&NullBuffer::new(passes)));
            nulls = NullBuffer::union(nulls.as_ref(), unknown.as_ref());
        }
        let sums = PrimitiveArray::<T>::new(sums, nulls).with_data_type(self.data_type.clone());
        let wraps = Int64Array::from(vec![0; sums.len()]);
        Ok(vec![Arc::new(sums), Arc::new(wraps)])
    }

    fn size(&self) -> usize {
        self.lows.capacity() * size_of::<T::Native>()
            + self.nulls.size()
            + self.wraps.len() * WRAP_BYTES
    }
}
