//! Datasets' schemas: columns with a type, a role and a privacy class, and their Arrow form.
//!
//! Invariant: a [`Schema`] that exists is valid: names are unique, a role is held once, and
//! each role sits on a type that can carry it.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::TimeUnit;
use serde::Deserialize;
use serde::Serialize;

use crate::Class;
use crate::Failure;

/// Key of the Arrow field metadata that carries a column's role to workers and plugins.
pub const ROLE_KEY: &str = "lode.role";

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$vdoc])* $variant),+
        }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in files, metadata and on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The one that `word` names.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// What a column means to algorithms.
    Role {
        /// Who.
        CustomerId = "customer_id",
        /// When it happened.
        EventTime = "event_time",
        /// What: a product, page or offer.
        Item = "item",
        /// The order, invoice, basket or session of the row.
        Order = "order",
        /// Money of the whole row.
        Amount = "amount",
        /// Pieces; negative on returns.
        Quantity = "quantity",
        /// Money of one piece.
        UnitPrice = "unit_price",
        /// The outcome that a supervised algorithm learns.
        Label = "label",
        /// Free text.
        Text = "text",
        /// The arm of an experiment.
        Treatment = "treatment",
        /// The channel of a contact.
        Channel = "channel",
        /// Where a link starts.
        Source = "source",
        /// Where a link ends.
        Target = "target",
        /// When the row became known to the company.
        ArrivalTime = "arrival_time",
        /// How much the row counts in learning and in judging.
        Weight = "weight",
        /// How long the subject of the row was watched.
        Duration = "duration",
        /// What kind of event the row is: a view, a purchase, a complaint.
        EventKind = "event_kind",
        /// What the customer said the item is worth to him: stars, points.
        Rating = "rating",
    }
);

words!(
    /// How a dataset's rows are stored and keyed.
    DatasetKind {
        /// One row a customer; the latest row of a key wins.
        Customers = "customers",
        /// What customers did; appended.
        Events = "events",
        /// What can be offered; appended.
        Items = "items",
        /// Edges between two things; appended.
        Links = "links",
        /// Anything else; appended.
        Other = "other",
    }
);

words!(
    /// How personal a column is.
    PrivacyClass {
        /// Not personal.
        None = "none",
        /// Names a person by itself.
        Identifier = "identifier",
        /// About a person, does not name them.
        Personal = "personal",
        /// Health, belief, ethnicity and the like.
        Sensitive = "sensitive",
    }
);

/// A column's type; as text `int64`, `decimal(12,2)` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// 64-bit signed integer.
    Int64,
    /// 64-bit float; a finite number, or null.
    Float64,
    /// UTF-8 text.
    String,
    /// Microseconds since the Unix epoch, UTC.
    Timestamp,
    /// Days since the Unix epoch.
    Date,
    /// An exact number: at most `precision` digits, `scale` of them after the point.
    Decimal {
        /// 1 to 38.
        precision: u8,
        /// 0 to `precision`.
        scale: u8,
    },
}

impl ColumnType {
    /// How the types are written, for messages: `P` and `S` stand for numbers.
    pub const WORDS: [&str; 7] = [
        "bool",
        "int64",
        "float64",
        "string",
        "timestamp",
        "date",
        "decimal(P,S)",
    ];

    /// The type that `word` names, if its numbers are in range.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "bool" => Self::Bool,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "string" => Self::String,
            "timestamp" => Self::Timestamp,
            "date" => Self::Date,
            _ => {
                let inner = word.strip_prefix("decimal(")?.strip_suffix(')')?;
                let (precision, scale) = inner.split_once(',')?;
                let number = |text: &str| text.trim().parse().ok();
                Self::decimal(number(precision)?, number(scale)?)?
            }
        })
    }

    /// A decimal, if `precision` is 1 to 38 and `scale` is 0 to `precision`.
    pub fn decimal(precision: u8, scale: u8) -> Option<Self> {
        let fits = (1..=38).contains(&precision) && scale <= precision;
        fits.then_some(Self::Decimal { precision, scale })
    }

    /// Whether a column of this type can be had where one of `wanted` is: an exact decimal
    /// also stands where a float64 is wanted, and is converted on its way to the algorithm.
    pub fn serves(self, wanted: &[Self]) -> bool {
        wanted.contains(&self)
            || (matches!(self, Self::Decimal { .. }) && wanted.contains(&Self::Float64))
    }

    /// The type in which an algorithm sees the column.
    #[must_use]
    pub fn for_algorithms(self) -> Self {
        match self {
            Self::Decimal { .. } => Self::Float64,
            other => other,
        }
    }

    /// The Arrow type that stores it.
    pub fn to_arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::String => DataType::Utf8,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
            Self::Date => DataType::Date32,
            Self::Decimal { precision, scale } => {
                DataType::Decimal128(precision, scale.cast_signed())
            }
        }
    }

    /// The column type that holds values of an Arrow type without loss, if there is one.
    pub fn from_arrow(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Boolean => Some(Self::Bool),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64 => Some(Self::Int64),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(Self::Float64),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::String),
            DataType::Timestamp(_, _) => Some(Self::Timestamp),
            DataType::Date32 | DataType::Date64 => Some(Self::Date),
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => {
                Self::decimal(*precision, u8::try_from(*scale).ok()?)
            }
            DataType::Dictionary(_, values) => Self::from_arrow(values),
            _ => None,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::String => "string",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Decimal { precision, scale } => {
                return write!(f, "decimal({precision},{scale})");
            }
        })
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.to_string()
    }
}

impl TryFrom<String> for ColumnType {
    type Error = String;
    fn try_from(word: String) -> Result<Self, String> {
        let expected = Self::WORDS.join(", ");
        Self::parse(&word).ok_or_else(|| format!("expected a type of {expected}, found {word:?}"))
    }
}

impl Role {
    /// The types that can carry the role; see [`ColumnType::serves`] for decimals.
    pub fn types(self) -> &'static [ColumnType] {
        match self {
            Self::CustomerId | Self::Item | Self::Order | Self::Source | Self::Target => {
                &[ColumnType::String, ColumnType::Int64]
            }
            Self::EventTime | Self::ArrivalTime => &[ColumnType::Timestamp, ColumnType::Date],
            Self::Amount
            | Self::Quantity
            | Self::UnitPrice
            | Self::Weight
            | Self::Duration
            | Self::Rating => &[ColumnType::Float64, ColumnType::Int64],
            Self::Label | Self::Treatment => &[
                ColumnType::Bool,
                ColumnType::Int64,
                ColumnType::String,
                ColumnType::Float64,
            ],
            Self::Text | Self::Channel | Self::EventKind => &[ColumnType::String],
        }
    }
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As the source spells it; 1 to 128 bytes.
    pub name: String,
    /// What it holds.
    pub column_type: ColumnType,
    /// Whether a row without a value is a good row.
    pub nullable: bool,
    /// What it means to algorithms.
    pub role: Option<Role>,
    /// How personal it is.
    pub privacy_class: PrivacyClass,
    /// For people.
    pub description: String,
}

impl Column {
    /// A nullable column without role, privacy class or description.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self {
            name: name.into(),
            column_type,
            nullable: true,
            role: None,
            privacy_class: PrivacyClass::None,
            description: String::new(),
        }
    }

    /// The same column, carrying `role`.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// The same column, refusing rows without a value.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.nullable = false;
        self
    }
}

/// A dataset's columns, in order; valid by construction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Column>", into = "Vec<Column>")]
pub struct Schema {
    columns: Vec<Column>,
}

impl Schema {
    /// Checks the columns.
    ///
    /// # Errors
    /// [`SchemaError`], which names the column.
    pub fn new(columns: Vec<Column>) -> Result<Self, SchemaError> {
        if columns.is_empty() || columns.len() > 1000 {
            return Err(SchemaError::ColumnCount {
                found: columns.len(),
            });
        }
        let mut names = HashSet::new();
        let mut roles = HashMap::new();
        for column in &columns {
            if column.name.is_empty() || column.name.len() > 128 {
                return Err(SchemaError::NameLength {
                    name: column.name.clone(),
                });
            }
            if column.description.len() > 1024 {
                return Err(SchemaError::DescriptionLength {
                    name: column.name.clone(),
                });
            }
            if !names.insert(column.name.as_str()) {
                return Err(SchemaError::DuplicateName {
                    name: column.name.clone(),
                });
            }
            if let ColumnType::Decimal { precision, scale } = column.column_type
                && ColumnType::decimal(precision, scale).is_none()
            {
                return Err(SchemaError::DecimalRange {
                    name: column.name.clone(),
                    precision,
                    scale,
                });
            }
            let Some(role) = column.role else { continue };
            if !column.column_type.serves(role.types()) {
                return Err(SchemaError::RoleType {
                    name: column.name.clone(),
                    role,
                    found: column.column_type,
                });
            }
            if let Some(first) = roles.insert(role, column.name.as_str()) {
                return Err(SchemaError::DuplicateRole {
                    role,
                    first: first.to_owned(),
                    second: column.name.clone(),
                });
            }
        }
        Ok(Self { columns })
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of that exact name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column that holds `role`.
    pub fn with_role(&self, role: Role) -> Option<&Column> {
        self.columns.iter().find(|column| column.role == Some(role))
    }

    /// The Arrow schema in which rows are stored: roles in the fields' metadata.
    pub fn to_arrow(&self) -> arrow_schema::Schema {
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|column| {
                let field =
                    Field::new(&column.name, column.column_type.to_arrow(), column.nullable);
                match column.role {
                    Some(role) => field.with_metadata(HashMap::from([(
                        ROLE_KEY.to_owned(),
                        role.as_str().to_owned(),
                    )])),
                    None => field,
                }
            })
            .collect();
        arrow_schema::Schema::new(fields)
    }
}

impl TryFrom<Vec<Column>> for Schema {
    type Error = SchemaError;
    fn try_from(columns: Vec<Column>) -> Result<Self, SchemaError> {
        Self::new(columns)
    }
}

impl From<Schema> for Vec<Column> {
    fn from(schema: Schema) -> Self {
        schema.columns
    }
}

/// The role that an Arrow field carries in its metadata.
pub fn role_of(field: &Field) -> Option<Role> {
    field
        .metadata()
        .get(ROLE_KEY)
        .and_then(|word| Role::parse(word))
}

/// Columns that make no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// None, or too many.
    #[error("expected 1 to 1000 columns, found {found}")]
    ColumnCount {
        /// How many.
        found: usize,
    },
    /// A name that is empty or too long.
    #[error("expected a column name of 1 to 128 bytes, found {name:?}")]
    NameLength {
        /// The name.
        name: String,
    },
    /// A description that is too long.
    #[error("expected a description of at most 1024 bytes on column {name:?}")]
    DescriptionLength {
        /// The column.
        name: String,
    },
    /// A decimal that no column can be.
    #[error(
        "column {name:?}: expected a precision of 1 to 38 and a scale of 0 to the precision, found decimal({precision},{scale})"
    )]
    DecimalRange {
        /// The column.
        name: String,
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// Two columns of one name.
    #[error("expected unique column names, found {name:?} twice")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Two columns of one role.
    #[error("expected one column with role {role}, found {first:?} and {second:?}")]
    DuplicateRole {
        /// The role.
        role: Role,
        /// One holder.
        first: String,
        /// The other.
        second: String,
    },
    /// A role on a type that cannot carry it.
    #[error("role {role} on column {name:?}: expected type {}, found {found}", words(.role.types()))]
    RoleType {
        /// The column.
        name: String,
        /// The role.
        role: Role,
        /// Its type.
        found: ColumnType,
    },
}

impl Failure for SchemaError {
    fn class(&self) -> Class {
        Class::Invalid
    }
    fn reason(&self) -> &'static str {
        "INVALID_SCHEMA"
    }
    fn field(&self) -> &str {
        "dataset.schema"
    }
}

fn words(types: &[ColumnType]) -> String {
    let words: Vec<String> = types.iter().map(ToString::to_string).collect();
    words.join(" or ")
}
