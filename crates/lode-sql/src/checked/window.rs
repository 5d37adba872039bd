//! Sums over windows that move.
//!
//! Taking a float away from a sum of floats leaves an error as large as what was taken, so
//! floats are never taken away: the values that are to leave first are kept as the sums of
//! themselves and all that follow them. Each value is added twice, whatever the window.

use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::common::internal_err;
use datafusion::logical_expr::Accumulator;

use super::totals::Total;
use super::totals::each_value;

/// What is wanted of a window of floats.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    Sum,
    Mean,
}

/// The sum or mean of a window of floats.
#[derive(Debug)]
pub(super) struct FloatWindow {
    wanted: Wanted,
    /// For each value that leaves first, the sum from it on; the next to leave is last.
    leaving: Vec<f64>,
    /// Values that came after those.
    came: Vec<f64>,
    came_sum: f64,
}

impl FloatWindow {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            leaving: Vec::new(),
            came: Vec::new(),
            came_sum: 0.0,
        }
    }

    fn leave(&mut self) {
        if self.leaving.is_empty() {
            let mut sum = 0.0;
            for value in self.came.drain(..).rev() {
                sum += value;
                self.leaving.push(sum);
            }
            self.came_sum = 0.0;
        }
        self.leaving.pop();
    }
}

impl Accumulator for FloatWindow {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each_value(values[0].as_primitive::<Float64Type>(), |value| {
            self.came.push(value);
            self.came_sum += value;
        });
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let n = values[0].len() - values[0].null_count();
        (0..n).for_each(|_| self.leave());
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let count = self.leaving.len() + self.came.len();
        let sum = self.leaving.last().unwrap_or(&0.0) + self.came_sum;
        let value = match self.wanted {
            Wanted::Sum => sum,
            Wanted::Mean => sum / count as f64,
        };
        Ok(ScalarValue::Float64((count > 0).then_some(value)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("expected a window's sum to be taken whole")
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("expected a window's sum to be taken whole")
    }

    fn size(&self) -> usize {
        let floats = self.leaving.capacity() + self.came.capacity();
        size_of_val(self) + floats * size_of::<f64>()
    }
}

/// The sum of the different values of a window of int64.
#[derive(Debug)]
pub(super) struct DistinctWindow {
    counts: BTreeMap<i64, u64>,
    total: Total<Int64Type>,
}

impl DistinctWindow {
    pub(super) fn new() -> Self {
        Self {
            counts: BTreeMap::new(),
            total: Total::new(DataType::Int64, |_, _| true),
        }
    }
}

impl Accumulator for DistinctWindow {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each_value(values[0].as_primitive::<Int64Type>(), |value| {
            let count = self.counts.entry(value).or_default();
            if *count == 0 {
                self.total.add(value);
            }
            *count += 1;
        });
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each_value(values[0].as_primitive::<Int64Type>(), |value| {
            let Some(count) = self.counts.get_mut(&value) else {
                return;
            };
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&value);
                self.total.subtract(value);
            }
        });
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.total.evaluate()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("expected a window's sum to be taken whole")
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("expected a window's sum to be taken whole")
    }

    fn size(&self) -> usize {
        // A node of the tree is filled by half at least.
        size_of_val(self) + self.counts.len() * 2 * size_of::<(i64, u64)>()
    }
}
