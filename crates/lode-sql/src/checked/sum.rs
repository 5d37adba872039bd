//! `sum` that is exact or an error over integers and decimals; `sum` and `avg` of windows.
//!
//! Signatures, types and everything over floats are DataFusion's own; `avg` of decimals is
//! exact there.

use arrow_array::ArrayRef;
use arrow_array::ArrowNumericType;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal32Type;
use arrow_array::types::Decimal64Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Decimal256Type;
use arrow_array::types::DecimalType;
use arrow_array::types::DurationMicrosecondType;
use arrow_array::types::DurationMillisecondType;
use arrow_array::types::DurationNanosecondType;
use arrow_array::types::DurationSecondType;
use arrow_array::types::Int64Type;
use arrow_array::types::UInt64Type;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::FieldRef;
use arrow_schema::TimeUnit;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::average;
use datafusion::functions_aggregate::sum;
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::AggregateUDFImpl;
use datafusion::logical_expr::GroupsAccumulator;
use datafusion::logical_expr::ReversedUDAF;
use datafusion::logical_expr::SetMonotonicity;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::function::StateFieldsArgs;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::utils::format_state_name;

use super::totals::GroupTotals;
use super::totals::Total;
use super::totals::each_value;
use super::window::DistinctWindow;
use super::window::FloatWindow;
use super::window::Wanted;

/// `sum`.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    inner: sum::Sum,
}

/// Evaluates to a call of a function that is generic over the summed type, or to none for
/// types that are not exact.
macro_rules! exact {
    ($data_type:expr, $function:ident) => {{
        let data_type: &DataType = $data_type;
        match data_type {
            DataType::Int64 => Some($function::<Int64Type>(data_type, always)),
            DataType::UInt64 => Some($function::<UInt64Type>(data_type, always)),
            DataType::Decimal32(_, _) => Some($function::<Decimal32Type>(
                data_type,
                has_digits::<Decimal32Type>,
            )),
            DataType::Decimal64(_, _) => Some($function::<Decimal64Type>(
                data_type,
                has_digits::<Decimal64Type>,
            )),
            DataType::Decimal128(_, _) => Some($function::<Decimal128Type>(
                data_type,
                has_digits::<Decimal128Type>,
            )),
            DataType::Decimal256(_, _) => Some($function::<Decimal256Type>(
                data_type,
                has_digits::<Decimal256Type>,
            )),
            DataType::Duration(TimeUnit::Second) => {
                Some($function::<DurationSecondType>(data_type, always))
            }
            DataType::Duration(TimeUnit::Millisecond) => {
                Some($function::<DurationMillisecondType>(data_type, always))
            }
            DataType::Duration(TimeUnit::Microsecond) => {
                Some($function::<DurationMicrosecondType>(data_type, always))
            }
            DataType::Duration(TimeUnit::Nanosecond) => {
                Some($function::<DurationNanosecondType>(data_type, always))
            }
            _ => None,
        }
    }};
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let data_type = args.return_type().clone();
        if args.is_distinct {
            let inner = self.inner.accumulator(args)?;
            let Some(total) = exact!(&data_type, distinct_total) else {
                return Ok(inner);
            };
            return Ok(Box::new(Distinct { inner, total }));
        }
        match exact!(&data_type, total) {
            Some(total) => Ok(total),
            None => self.inner.accumulator(args),
        }
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        let data_type = args.return_type();
        if args.is_distinct {
            return match data_type {
                DataType::Int64 => Ok(Box::new(DistinctWindow::new())),
                _ => self.inner.create_sliding_accumulator(args),
            };
        }
        if *data_type == DataType::Float64 {
            return Ok(Box::new(FloatWindow::new(Wanted::Sum)));
        }
        match exact!(data_type, total) {
            Some(total) => Ok(total),
            None => self.inner.create_sliding_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if args.is_distinct || exact!(args.return_type(), total).is_none() {
            return self.inner.state_fields(args);
        }
        let sum = Field::new(
            format_state_name(args.name, "sum"),
            args.return_type().clone(),
            true,
        );
        let wraps = format_state_name(args.name, "wraps");
        let wraps = Field::new(wraps, DataType::Int64, false);
        Ok(vec![sum.into(), wraps.into()])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match exact!(args.return_type(), group_totals) {
            Some(totals) => Ok(totals),
            None => self.inner.create_groups_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.set_monotonicity(data_type)
    }
}

fn always<N>(_: N, _: &DataType) -> bool {
    true
}

fn has_digits<T: DecimalType>(sum: T::Native, data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal32(precision, _)
        | DataType::Decimal64(precision, _)
        | DataType::Decimal128(precision, _)
        | DataType::Decimal256(precision, _) => T::is_valid_decimal_precision(sum, *precision),
        _ => true,
    }
}

fn total<T: ArrowNumericType>(
    data_type: &DataType,
    fits: fn(T::Native, &DataType) -> bool,
) -> Box<dyn Accumulator> {
    Box::new(Total::<T>::new(data_type.clone(), fits))
}

fn group_totals<T: ArrowNumericType + Send>(
    data_type: &DataType,
    fits: fn(T::Native, &DataType) -> bool,
) -> Box<dyn GroupsAccumulator> {
    Box::new(GroupTotals::<T>::new(data_type.clone(), fits))
}

/// Sums the rows of an array.
type SumArray = Box<dyn Fn(&ArrayRef) -> Result<ScalarValue> + Send + Sync>;

fn distinct_total<T: ArrowNumericType>(
    data_type: &DataType,
    fits: fn(T::Native, &DataType) -> bool,
) -> SumArray {
    let data_type = data_type.clone();
    Box::new(move |values| {
        let mut total = Total::<T>::new(data_type.clone(), fits);
        each_value(values.as_primitive::<T>(), |value| total.add(value));
        total.evaluate()
    })
}

/// `sum(DISTINCT ...)`: DataFusion finds the values, we add them.
struct Distinct {
    inner: Box<dyn Accumulator>,
    total: SumArray,
}

impl std::fmt::Debug for Distinct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Distinct").finish_non_exhaustive()
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.inner.state()?.as_slice() {
            [ScalarValue::List(values)] => (self.total)(values.values()),
            _ => self.inner.evaluate(),
        }
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

/// `avg`.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Avg {
    inner: average::Avg,
}

impl AggregateUDFImpl for Avg {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        let floats = args.expr_fields[0].data_type() == &DataType::Float64;
        match floats && !args.is_distinct {
            true => Ok(Box::new(FloatWindow::new(Wanted::Mean))),
            false => self.inner.create_sliding_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_expr()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }
}
