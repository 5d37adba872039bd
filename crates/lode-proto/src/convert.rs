//! Proto messages to and from the words of `lode-types`.
//!
//! From the wire is checked (`TryFrom`-like functions that name the field), to the wire cannot fail.

use std::collections::BTreeMap;

use lode_types::Class;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Failure;
use lode_types::Fault;
use lode_types::Features;
use lode_types::PrivacyClass;
use lode_types::Role;
use lode_types::Schema;
use lode_types::SchemaError;
use lode_types::TagKind;
use lode_types::Timestamp;
use lode_types::Value;

use crate::v1;

/// A message that says something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct ConvertError {
    field: String,
    expected: &'static str,
    found: String,
}

impl Failure for ConvertError {
    fn class(&self) -> Class {
        Class::Invalid
    }
    fn reason(&self) -> &'static str {
        "INVALID_FIELD"
    }
    fn field(&self) -> &str {
        &self.field
    }
}

fn unknown(field: &str, expected: &'static str, found: i32) -> ConvertError {
    ConvertError {
        field: field.to_owned(),
        expected,
        found: found.to_string(),
    }
}

macro_rules! pairs {
    ($to:ident, $from:ident, $what:literal, $word:ty, $wire:ty, $(($a:path, $b:path)),+ $(,)?) => {
        #[doc = concat!("The wire's form of ", $what, ".")]
        pub fn $to(word: $word) -> $wire {
            match word { $($a => $b),+ }
        }

        #[doc = concat!("The ", $what, " that the wire's number stands for; none when unspecified or unknown.")]
        pub fn $from(number: i32) -> Option<$word> {
            match <$wire>::try_from(number) { $(Ok($b) => Some($a),)+ _ => None }
        }
    };
}

pairs!(
    role_to_wire,
    role_from_wire,
    "a role",
    Role,
    v1::Role,
    (Role::CustomerId, v1::Role::CustomerId),
    (Role::EventTime, v1::Role::EventTime),
    (Role::Item, v1::Role::Item),
    (Role::Order, v1::Role::Order),
    (Role::Amount, v1::Role::Amount),
    (Role::Quantity, v1::Role::Quantity),
    (Role::UnitPrice, v1::Role::UnitPrice),
    (Role::Label, v1::Role::Label),
    (Role::Text, v1::Role::Text),
    (Role::Treatment, v1::Role::Treatment),
    (Role::Channel, v1::Role::Channel),
    (Role::Source, v1::Role::Source),
    (Role::Target, v1::Role::Target),
    (Role::ArrivalTime, v1::Role::ArrivalTime),
    (Role::Weight, v1::Role::Weight),
    (Role::Duration, v1::Role::Duration),
    (Role::EventKind, v1::Role::EventKind),
    (Role::Rating, v1::Role::Rating),
);

pairs!(
    kind_to_wire,
    kind_from_wire,
    "a dataset kind",
    DatasetKind,
    v1::DatasetKind,
    (DatasetKind::Customers, v1::DatasetKind::Customers),
    (DatasetKind::Events, v1::DatasetKind::Events),
    (DatasetKind::Items, v1::DatasetKind::Items),
    (DatasetKind::Links, v1::DatasetKind::Links),
    (DatasetKind::Other, v1::DatasetKind::Other),
);

pairs!(
    privacy_to_wire,
    privacy_from_wire,
    "a privacy class",
    PrivacyClass,
    v1::PrivacyClass,
    (PrivacyClass::None, v1::PrivacyClass::None),
    (PrivacyClass::Identifier, v1::PrivacyClass::Identifier),
    (PrivacyClass::Personal, v1::PrivacyClass::Personal),
    (PrivacyClass::Sensitive, v1::PrivacyClass::Sensitive),
);

pairs!(
    features_to_wire,
    features_from_wire,
    "what becomes of other columns",
    Features,
    v1::Features,
    (Features::Ignored, v1::Features::Ignored),
    (Features::Numeric, v1::Features::Numeric),
    (Features::All, v1::Features::All),
);

pairs!(
    tag_kind_to_wire,
    tag_kind_from_wire,
    "a tag's kind",
    TagKind,
    v1::TagKind,
    (TagKind::Score, v1::TagKind::Score),
    (TagKind::Label, v1::TagKind::Label),
    (TagKind::Segment, v1::TagKind::Segment),
);

/// The wire's form of a column type; a decimal's digits go beside it.
pub fn type_to_wire(column_type: ColumnType) -> v1::Type {
    match column_type {
        ColumnType::Bool => v1::Type::Bool,
        ColumnType::Int64 => v1::Type::Int64,
        ColumnType::Float64 => v1::Type::Float64,
        ColumnType::String => v1::Type::String,
        ColumnType::Timestamp => v1::Type::Timestamp,
        ColumnType::Date => v1::Type::Date,
        ColumnType::Decimal { .. } => v1::Type::Decimal,
    }
}

/// The column type that the wire's number stands for, of a decimal with these digits; none
/// when it is unspecified or unknown, or when no decimal has such digits.
pub fn type_from_wire(number: i32, precision: u32, scale: u32) -> Option<ColumnType> {
    Some(match v1::Type::try_from(number).ok()? {
        v1::Type::Unspecified => return None,
        v1::Type::Bool => ColumnType::Bool,
        v1::Type::Int64 => ColumnType::Int64,
        v1::Type::Float64 => ColumnType::Float64,
        v1::Type::String => ColumnType::String,
        v1::Type::Timestamp => ColumnType::Timestamp,
        v1::Type::Date => ColumnType::Date,
        v1::Type::Decimal => {
            ColumnType::decimal(u8::try_from(precision).ok()?, u8::try_from(scale).ok()?)?
        }
    })
}

fn digits(column_type: ColumnType) -> (u32, u32) {
    match column_type {
        ColumnType::Decimal { precision, scale } => (precision.into(), scale.into()),
        _ => (0, 0),
    }
}

/// A schema on the wire.
pub fn schema_to_wire(schema: &Schema) -> v1::Schema {
    let columns = schema.columns().iter().map(|column| v1::Column {
        name: column.name.clone(),
        r#type: type_to_wire(column.column_type).into(),
        nullable: column.nullable,
        role: column.role.map_or(0, |role| role_to_wire(role).into()),
        privacy_class: privacy_to_wire(column.privacy_class).into(),
        description: column.description.clone(),
        decimal_precision: digits(column.column_type).0,
        decimal_scale: digits(column.column_type).1,
    });
    v1::Schema {
        columns: columns.collect(),
    }
}

/// The schema that a message holds, checked.
///
/// # Errors
/// `INVALID_FIELD` for an unknown type or role, `INVALID_SCHEMA` for columns that make no schema.
pub fn schema_from_wire(schema: &v1::Schema) -> Result<Schema, Fault> {
    let mut columns = Vec::with_capacity(schema.columns.len());
    for (i, column) in schema.columns.iter().enumerate() {
        let field = |name: &str| format!("dataset.schema.columns[{i}].{name}");
        let (precision, scale) = (column.decimal_precision, column.decimal_scale);
        let column_type = type_from_wire(column.r#type, precision, scale).ok_or_else(|| {
            if column.r#type == i32::from(v1::Type::Decimal) {
                return ConvertError {
                    field: field("decimal_precision"),
                    expected: "a precision of 1 to 38 and a scale of 0 to the precision",
                    found: format!("{precision} and {scale}"),
                };
            }
            unknown(
                &field("type"),
                "TYPE_BOOL, TYPE_INT64, TYPE_FLOAT64, TYPE_STRING, TYPE_TIMESTAMP, TYPE_DATE or TYPE_DECIMAL",
                column.r#type,
            )
        })?;
        let role = match column.role {
            0 => None,
            number => Some(
                role_from_wire(number)
                    .ok_or_else(|| unknown(&field("role"), "a value of Role", number))?,
            ),
        };
        columns.push(Column {
            name: column.name.clone(),
            column_type,
            nullable: column.nullable,
            role,
            privacy_class: privacy_from_wire(column.privacy_class).unwrap_or(PrivacyClass::None),
            description: column.description.clone(),
        });
    }
    Schema::new(columns).map_err(|error: SchemaError| Fault::of(&error))
}

/// A value on the wire; null is a message without a kind.
pub fn value_to_wire(value: &Value) -> v1::Value {
    use v1::value::Kind;
    let kind = match value {
        Value::Null => None,
        Value::Bool(v) => Some(Kind::BoolValue(*v)),
        Value::Int(v) => Some(Kind::IntValue(*v)),
        Value::Float(v) => Some(Kind::DoubleValue(*v)),
        Value::Text(v) => Some(Kind::StringValue(v.clone())),
        Value::Time(v) => Some(Kind::TimestampValue(time_to_wire(*v))),
        Value::List(v) => Some(Kind::ListValue(v1::ListValue {
            values: v.iter().map(value_to_wire).collect(),
        })),
        Value::Map(v) => Some(Kind::MapValue(v1::MapValue {
            fields: v
                .iter()
                .map(|(k, v)| (k.clone(), value_to_wire(v)))
                .collect(),
        })),
    };
    v1::Value { kind }
}

/// The value that a message holds.
pub fn value_from_wire(value: &v1::Value) -> Value {
    value_into(value.clone())
}

/// Named values on the wire.
pub fn values_to_wire(values: &BTreeMap<String, Value>) -> BTreeMap<String, v1::Value> {
    values
        .iter()
        .map(|(k, v)| (k.clone(), value_to_wire(v)))
        .collect()
}

/// The named values that a message holds.
pub fn values_from_wire(values: &BTreeMap<String, v1::Value>) -> BTreeMap<String, Value> {
    values_into(values.clone())
}

/// A value that a message held.
fn value_into(value: v1::Value) -> Value {
    use v1::value::Kind;
    match value.kind {
        None => Value::Null,
        Some(Kind::BoolValue(v)) => Value::Bool(v),
        Some(Kind::IntValue(v)) => Value::Int(v),
        Some(Kind::DoubleValue(v)) => Value::Float(v),
        Some(Kind::StringValue(v)) => Value::Text(v),
        Some(Kind::TimestampValue(v)) => Value::Time(time_from_wire(&v)),
        Some(Kind::ListValue(v)) => Value::List(v.values.into_iter().map(value_into).collect()),
        Some(Kind::MapValue(v)) => Value::Map(values_into(v.fields)),
    }
}

/// The named values that a message held, not copied.
pub fn values_into(values: BTreeMap<String, v1::Value>) -> BTreeMap<String, Value> {
    values
        .into_iter()
        .map(|(k, v)| (k, value_into(v)))
        .collect()
}

/// An instant on the wire.
pub fn time_to_wire(time: Timestamp) -> prost_types::Timestamp {
    let nanos = time.0.rem_euclid(1_000_000) * 1000;
    prost_types::Timestamp {
        seconds: time.0.div_euclid(1_000_000),
        nanos: i32::try_from(nanos).unwrap_or(0),
    }
}

/// The instant that a message holds, cut to microseconds.
pub fn time_from_wire(time: &prost_types::Timestamp) -> Timestamp {
    Timestamp(
        time.seconds
            .saturating_mul(1_000_000)
            .saturating_add(i64::from(time.nanos) / 1000),
    )
}

/// google.rpc.Code of a class; with `lode-engine`'s status the only mapping there is.
pub fn code_of(class: Class) -> tonic::Code {
    match class {
        Class::Invalid => tonic::Code::InvalidArgument,
        Class::NotFound => tonic::Code::NotFound,
        Class::Exists => tonic::Code::AlreadyExists,
        Class::State => tonic::Code::FailedPrecondition,
        Class::Limit => tonic::Code::ResourceExhausted,
        Class::Cancelled => tonic::Code::Cancelled,
        Class::Deadline => tonic::Code::DeadlineExceeded,
        Class::Denied => tonic::Code::PermissionDenied,
        Class::Unavailable => tonic::Code::Unavailable,
        Class::Corrupt => tonic::Code::DataLoss,
        Class::Bug => tonic::Code::Internal,
    }
}

/// The class of a google.rpc.Code.
pub fn class_of(code: tonic::Code) -> Class {
    match code {
        tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Class::Invalid,
        tonic::Code::NotFound | tonic::Code::Unimplemented => Class::NotFound,
        tonic::Code::AlreadyExists => Class::Exists,
        tonic::Code::FailedPrecondition | tonic::Code::Aborted => Class::State,
        tonic::Code::ResourceExhausted => Class::Limit,
        tonic::Code::Cancelled => Class::Cancelled,
        tonic::Code::DeadlineExceeded => Class::Deadline,
        tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => Class::Denied,
        tonic::Code::Unavailable => Class::Unavailable,
        tonic::Code::DataLoss => Class::Corrupt,
        tonic::Code::Ok | tonic::Code::Unknown | tonic::Code::Internal => Class::Bug,
    }
}

/// A fault on the wire.
pub fn fault_to_wire(fault: &Fault) -> v1::Error {
    v1::Error {
        code: code_of(fault.class).into(),
        reason: fault.reason.clone(),
        message: fault.message.clone(),
        field: fault.field.clone(),
    }
}

/// The fault that a message holds.
pub fn fault_from_wire(error: &v1::Error) -> Fault {
    Fault {
        class: class_of(tonic::Code::from(error.code)),
        reason: error.reason.clone(),
        message: error.message.clone(),
        field: error.field.clone(),
    }
}
