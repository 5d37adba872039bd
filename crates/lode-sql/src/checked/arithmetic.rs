//! `+ - * /` and unary minus that fail when a result does not fit its type.
//!
//! Arrow's kernels do the work; over int64, the type that datasets have, a loop without
//! branches comes first. Null slots may hold anything, so only a kernel that knows them
//! decides that there is an overflow.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Datum;
use arrow_array::Int64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal32Type;
use arrow_array::types::Decimal64Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Decimal256Type;
use arrow_array::types::DecimalType;
use arrow_array::types::Int64Type;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::FieldRef;
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::common::internal_err;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::physical_expr_common::datum;

use super::type_name;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Negate,
}

impl Operation {
    /// The operation of an operator that may overflow.
    pub(super) fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            Operator::Divide => Some(Self::Divide),
            _ => None,
        }
    }

    fn operator(self) -> Operator {
        match self {
            Self::Add => Operator::Plus,
            Self::Subtract | Self::Negate => Operator::Minus,
            Self::Multiply => Operator::Multiply,
            Self::Divide => Operator::Divide,
        }
    }
}

/// One operation over one type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Arithmetic {
    operation: Operation,
    result: DataType,
    /// Whether values of the result may have more digits than its type.
    may_outgrow: bool,
    signature: Signature,
}

impl Arithmetic {
    /// The function for operands of these types, if it is to be checked.
    pub(super) fn binary(operation: Operation, types: &[DataType; 2]) -> Result<Option<Self>> {
        let [left, right] = types;
        let digits = match (left, right) {
            // Arrow's own division of integers is checked.
            _ if left.is_integer() && left == right && operation != Operation::Divide => None,
            (DataType::Decimal32(p, s), DataType::Decimal32(q, t))
            | (DataType::Decimal64(p, s), DataType::Decimal64(q, t))
            | (DataType::Decimal128(p, s), DataType::Decimal128(q, t))
            | (DataType::Decimal256(p, s), DataType::Decimal256(q, t)) => {
                Some(digits(operation, (*p, *s), (*q, *t)))
            }
            _ => return Ok(None),
        };
        let operator = operation.operator();
        let result = BinaryTypeCoercer::new(left, &operator, right).get_result_type()?;
        let may_outgrow = digits.is_some_and(|digits| digits > precision(&result));
        Ok(Some(Self {
            operation,
            may_outgrow,
            result,
            signature: Signature::any(2, Volatility::Immutable),
        }))
    }

    /// Unary minus, for types whose smallest value has no opposite.
    pub(super) fn negation(data_type: &DataType) -> Option<Self> {
        data_type.is_signed_integer().then(|| Self {
            operation: Operation::Negate,
            result: data_type.clone(),
            may_outgrow: false,
            signature: Signature::any(1, Volatility::Immutable),
        })
    }

    /// A call of it.
    pub(super) fn call(self, operands: Vec<Expr>) -> Expr {
        let function = Arc::new(ScalarUDF::from(self));
        Expr::ScalarFunction(ScalarFunction::new_udf(function, operands))
    }

    fn apply(&self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        if let Some(done) = quick(self.operation, left, right) {
            return Ok(done);
        }
        match self.try_apply(left, right) {
            Err(ArrowError::ArithmeticOverflow(_)) => Err(self.overflow(left, right)),
            other => other,
        }
    }

    fn try_apply(&self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        let array = match self.operation {
            Operation::Add => numeric::add(left, right)?,
            Operation::Subtract => numeric::sub(left, right)?,
            Operation::Multiply => numeric::mul(left, right)?,
            Operation::Divide => numeric::div(left, right)?,
            Operation::Negate => numeric::neg(left.get().0)?,
        };
        if self.may_outgrow && !fits(&array) {
            return Err(ArrowError::ArithmeticOverflow(String::new()));
        }
        Ok(array)
    }

    /// Names the first row that overflows.
    fn overflow(&self, left: &dyn Datum, right: &dyn Datum) -> ArrowError {
        let ((left, left_is_one), (right, right_is_one)) = (left.get(), right.get());
        let rows = left.len().max(right.len());
        let at =
            |array: &dyn Array, is_one: bool, row| array.slice(if is_one { 0 } else { row }, 1);
        let mut found = "a larger one".to_owned();
        for row in 0..rows {
            let one = (at(left, left_is_one, row), at(right, right_is_one, row));
            let operands: (&dyn Array, &dyn Array) = (&one.0, &one.1);
            let Err(ArrowError::ArithmeticOverflow(_)) = self.try_apply(&operands.0, &operands.1)
            else {
                continue;
            };
            let shown = |array: &dyn Array| array_value_to_string(array, 0).unwrap_or_default();
            found = match self.operation {
                Operation::Negate => format!("-({})", shown(operands.0)),
                other => format!(
                    "{} {} {}",
                    shown(operands.0),
                    other.operator(),
                    shown(operands.1)
                ),
            };
            break;
        }
        let operator = self.operation.operator();
        let name = type_name(&self.result);
        ArrowError::ArithmeticOverflow(format!(
            "expected a result of {operator} that fits {name}, found {found}"
        ))
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &'static str {
        match self.operation {
            Operation::Add => "add",
            Operation::Subtract => "subtract",
            Operation::Multiply => "multiply",
            Operation::Divide => "divide",
            Operation::Negate => "negate",
        }
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [one] => format!("(- {one})"),
            [left, right] => format!("{left} {} {right}", self.operation.operator()),
            _ => self.name().to_owned(),
        })
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [one] => format!("(- {})", one.schema_name()),
            [left, right] => format!(
                "{} {} {}",
                left.schema_name(),
                self.operation.operator(),
                right.schema_name()
            ),
            _ => self.name().to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        let field = Field::new(self.name(), self.result.clone(), nullable);
        Ok(Arc::new(match args.arg_fields {
            // As DataFusion's own minus does.
            [one] => field.with_metadata(one.metadata().clone()),
            _ => field,
        }))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [left, right] => datum::apply(left, right, |left, right| self.apply(left, right)),
            [ColumnarValue::Array(array)] => {
                let array: &dyn Array = array.as_ref();
                Ok(ColumnarValue::Array(self.apply(&array, &array)?))
            }
            [ColumnarValue::Scalar(value)] => {
                let array = value.to_array()?;
                let array: &dyn Array = array.as_ref();
                let negative = self.apply(&array, &array)?;
                let negative = ScalarValue::try_from_array(&negative, 0)?;
                Ok(ColumnarValue::Scalar(negative))
            }
            other => internal_err!("expected one or two operands, found {}", other.len()),
        }
    }
}

/// The type that a replaced expression gives; none for other expressions.
pub(super) fn result_type(expr: &Expr) -> Option<&DataType> {
    let Expr::ScalarFunction(call) = expr else {
        return None;
    };
    let function = call.func.inner().downcast_ref::<Arithmetic>()?;
    Some(&function.result)
}

/// Digits that a result over decimals may need.
fn digits(operation: Operation, (p, s): (u8, i8), (q, t): (u8, i8)) -> i32 {
    let ((p, s), (q, t)) = ((i32::from(p), i32::from(s)), (i32::from(q), i32::from(t)));
    match operation {
        Operation::Multiply => p + q,
        // The smallest divisor is one in its last digit.
        Operation::Divide => p + t + 4,
        _ => (p - s).max(q - t) + s.max(t) + 1,
    }
}

fn precision(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(precision, _)
        | DataType::Decimal64(precision, _)
        | DataType::Decimal128(precision, _)
        | DataType::Decimal256(precision, _) => i32::from(*precision),
        _ => i32::MAX,
    }
}

/// Whether all decimals of an array have at most the digits of its type.
fn fits(array: &ArrayRef) -> bool {
    fn all<T: DecimalType>(array: &ArrayRef, precision: u8) -> bool {
        let array = array.as_primitive::<T>();
        array.validate_decimal_precision(precision).is_ok()
    }
    match array.data_type() {
        DataType::Decimal32(precision, _) => all::<Decimal32Type>(array, *precision),
        DataType::Decimal64(precision, _) => all::<Decimal64Type>(array, *precision),
        DataType::Decimal128(precision, _) => all::<Decimal128Type>(array, *precision),
        DataType::Decimal256(precision, _) => all::<Decimal256Type>(array, *precision),
        _ => true,
    }
}

/// The operation over int64 unless something, perhaps a null's slot, overflows.
fn quick(operation: Operation, left: &dyn Datum, right: &dyn Datum) -> Option<ArrayRef> {
    // The second number is negative if the first is not the true result.
    match operation {
        Operation::Add => quickly(left, right, |a, b| {
            let sum = a.wrapping_add(b);
            (sum, (a ^ sum) & (b ^ sum))
        }),
        Operation::Subtract => quickly(left, right, |a, b| {
            let difference = a.wrapping_sub(b);
            (difference, (a ^ b) & (a ^ difference))
        }),
        Operation::Multiply => quickly(left, right, |a, b| {
            let (product, overflows) = a.overflowing_mul(b);
            (product, -i64::from(overflows))
        }),
        Operation::Divide | Operation::Negate => None,
    }
}

fn quickly(
    left: &dyn Datum,
    right: &dyn Datum,
    compute: impl Fn(i64, i64) -> (i64, i64),
) -> Option<ArrayRef> {
    let ((left, left_is_one), (right, right_is_one)) = (left.get(), right.get());
    let left = left.as_primitive_opt::<Int64Type>()?;
    let right = right.as_primitive_opt::<Int64Type>()?;
    let mut signs = 0;
    let mut one = |a: i64, b: i64| {
        let (value, sign) = compute(a, b);
        signs |= sign;
        value
    };
    let (values, nulls): (Vec<i64>, _) = match (left_is_one, right_is_one) {
        (true, false) if left.null_count() == 0 => {
            let a = left.value(0);
            let values = right.values().iter().map(|b| one(a, *b));
            (values.collect(), right.nulls().cloned())
        }
        (false, true) if right.null_count() == 0 => {
            let b = right.value(0);
            let values = left.values().iter().map(|a| one(*a, b));
            (values.collect(), left.nulls().cloned())
        }
        (false, false) if left.len() == right.len() => {
            let pairs = left.values().iter().zip(right.values());
            let values = pairs.map(|(a, b)| one(*a, *b));
            (
                values.collect(),
                NullBuffer::union(left.nulls(), right.nulls()),
            )
        }
        _ => return None,
    };
    (signs >= 0).then(|| Arc::new(Int64Array::new(values.into(), nulls)) as ArrayRef)
}
