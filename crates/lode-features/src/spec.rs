//! The declaration of a feature view, as it is written, stored and shown.
//!
//! Says nothing about datasets: whether their columns exist is found by `View::check`.

use serde::Serialize;

/// A named set of features of customers at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ViewSpec {
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Datasets of events; the first is the one that a feature means if it names none.
    pub events: Vec<String>,
    /// The dataset of customers, for `attribute` features and the population `known`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customers: Option<String>,
    /// Who gets a row at t.
    pub population: Population,
    /// Whether `GetCustomer` computes it without being asked to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub online: bool,
    /// What is computed, in the order of the columns.
    pub features: Vec<FeatureSpec>,
}

/// Who gets a row at a time t.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Population {
    /// Customers with an event at or before t in any of the view's datasets of events.
    #[default]
    Active,
    /// Those, and all customers that the customers dataset knows at t.
    Known,
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureSpec {
    /// Name of its column, or what its columns' names begin with.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How it is computed.
    #[serde(skip_serializing_if = "Params::is_empty")]
    pub params: Params,
    /// Which events count; all conditions must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<Condition>,
    /// The dataset of events, when it is not the view's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<String>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal: $takes:expr),+ $(,)?) => {
        /// What a feature is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$doc])* $variant),+ }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in a declaration.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The kind that `word` names.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }

            /// The parameters it takes; one with a `!` must be there.
            pub(crate) fn takes(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &$takes),+ }
            }
        }
    };
}

kinds! {
    /// Days from the last event to t. Null without an event.
    Recency = "recency": ["window"],
    /// Orders (`of: orders`, the default where the dataset has role order), events or days
    /// with an event. 0 without an event.
    Frequency = "frequency": ["of", "window"],
    /// Sum (default) or mean of the amount. Sum 0 and mean null without an amount.
    Monetary = "monetary": ["stat", "column", "window"],
    /// Days from the first event to t. Null without an event.
    Tenure = "tenure": [],
    /// Days between events at different times: mean (default), std, cv (std by mean: the
    /// smaller, the more regular) or last. Null with fewer gaps than it needs: 1, and 2 for
    /// std and cv.
    InterPurchaseGap = "inter_purchase_gap": ["stat", "window"],
    /// Count, sum, mean, max, min, std or trend of a column over the window. Count and sum are
    /// 0 of no values, the others null; std needs 2 values, trend 2 different times.
    Window = "window": ["window!", "stat!", "column"],
    /// How many different values a column (default: role item) has. 0 without one.
    Distinct = "distinct": ["column", "window"],
    /// Part of the events (default) or of a column's sum whose column has the value; 0 to 1.
    /// Null where the whole is 0.
    Share = "share": ["column!", "value!", "of", "window"],
    /// The item of the last event that has one. Null without.
    LastItem = "last_item": ["window"],
    /// The amount of the last event that has one. Null without.
    LastAmount = "last_amount": ["column", "window"],
    /// The last value of a column. Null without.
    LastValue = "last_value": ["column!", "window"],
    /// 24 columns `NAME_00` to `NAME_23`: part of the events in each hour of the day, UTC.
    /// Null without an event.
    HourProfile = "hour_profile": ["window"],
    /// 7 columns `NAME_mon` to `NAME_sun`: part of the events on each weekday, UTC. Null
    /// without an event.
    WeekdayProfile = "weekday_profile": ["window"],
    /// Events whose column has the value. 0 without one.
    CountOf = "count_of": ["column!", "value!", "window"],
    /// Days from the last event whose column has the value to t. Null without one.
    DaysSince = "days_since": ["column!", "value!", "window"],
    /// A column of the customers dataset, as it was valid at t. Null where it was, and for a
    /// customer that was not known at t.
    Attribute = "attribute": ["column!"],
    /// One feature by another. Null where one is null or the divisor is 0.
    Ratio = "ratio": ["numerator!", "denominator!"],
    /// Two features together: their product, their ratio, or their texts joined by `|`. Null
    /// where one is null.
    Cross = "cross": ["left!", "right!", "op!"],
    /// The columns of a SELECT that gives customer_id and one row a customer, all datasets
    /// seen as of t; columns `NAME_COLUMN`, or `NAME` where there is one. Null for a customer
    /// that it does not give.
    Sql = "sql": ["sql!"],
}

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// The word in a declaration.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The one that `word` names.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

word_enum!(
    /// A statistic of values within a window.
    Stat {
        /// Events, or values of the column that are there.
        Count = "count",
        /// Their sum: exact for integers and decimals, in the order of the events for floats.
        Sum = "sum",
        /// Their sum by their count.
        Mean = "mean",
        /// The largest.
        Max = "max",
        /// The smallest.
        Min = "min",
        /// Sample standard deviation, sqrt(sum((v - mean)^2) / (n - 1)).
        Std = "std",
        /// Least-squares slope per day: sum((x - mx)(v - mv)) / sum((x - mx)^2), x in days.
        Trend = "trend",
        /// Standard deviation by mean; of gaps alone.
        Cv = "cv",
        /// The last; of gaps alone.
        Last = "last",
    }
);

word_enum!(
    /// How two features are crossed.
    CrossOp {
        /// One times the other.
        Product = "product",
        /// One by the other.
        Ratio = "ratio",
        /// Text, `|`, text.
        Concat = "concat",
    }
);

word_enum!(
    /// What a condition asks of a value. A null passes none.
    Op {
        /// The same.
        Equals = "equals",
        /// Another.
        NotEquals = "not_equals",
        /// One of a list.
        In = "in",
        /// The same or larger.
        AtLeast = "at_least",
        /// The same or smaller.
        AtMost = "at_most",
        /// Larger.
        Above = "above",
        /// Smaller.
        Below = "below",
    }
);

/// Parameters of a feature; which are taken depends on the kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Params {
    /// Length of the window (t - w, t], e.g. `30d`; without one, all events up to t.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The column whose values count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The statistic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stat: Option<Stat>,
    /// `orders`, `events` or `days` of a frequency; `count` or a column of a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The value that `column` must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Literal>,
    /// A feature of the view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numerator: Option<String>,
    /// A feature of the view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denominator: Option<String>,
    /// A feature of the view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// A feature of the view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<String>,
    /// How `left` and `right` are crossed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<CrossOp>,
    /// A SELECT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
}

impl Params {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One condition on an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Column of the events.
    pub column: String,
    /// What is asked of it.
    pub op: Op,
    /// The value, or values of `in`.
    pub values: Vec<Literal>,
}

impl Serialize for Condition {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = out.serialize_map(Some(2))?;
        map.serialize_entry("column", &self.column)?;
        match (self.op, self.values.as_slice()) {
            (Op::In, values) => map.serialize_entry(self.op.as_str(), values)?,
            (_, [value]) => map.serialize_entry(self.op.as_str(), value)?,
            (_, values) => map.serialize_entry(self.op.as_str(), values)?,
        }
        map.end()
    }
}

/// A constant in a declaration.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Literal {
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    micros: i64,
}

const UNITS: [(&str, &str, i64); 5] = [
    ("w", "week", 604_800_000_000),
    ("d", "day", 86_400_000_000),
    ("h", "hour", 3_600_000_000),
    ("m", "minute", 60_000_000),
    ("s", "second", 1_000_000),
];

impl Window {
    /// Reads a whole number of weeks, days, hours, minutes or seconds: `4w`, `30d`, `12h`.
    pub fn parse(text: &str) -> Option<Self> {
        let (_, _, unit) = UNITS.iter().find(|(word, _, _)| text.ends_with(word))?;
        let number = &text[..text.len() - 1];
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let micros = number.parse::<i64>().ok()?.checked_mul(*unit)?;
        // A century: longer ones would not differ from having no window.
        (micros > 0 && micros <= 36_525 * 86_400_000_000).then_some(Self { micros })
    }

    /// Its length in microseconds.
    pub fn micros(self) -> i64 {
        self.micros
    }

    /// For people: `30 days`.
    pub fn words(self) -> String {
        let (_, word, unit) = self.unit();
        let n = self.micros / unit;
        let s = if n == 1 { "" } else { "s" };
        format!("{n} {word}{s}")
    }

    fn unit(self) -> (&'static str, &'static str, i64) {
        // Days before weeks: people say 28 days.
        let fits = |unit: &&(&str, &str, i64)| self.micros % unit.2 == 0;
        *UNITS[1..].iter().find(fits).unwrap_or(&UNITS[4])
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (word, _, unit) = self.unit();
        write!(f, "{}{word}", self.micros / unit)
    }
}

impl Serialize for Window {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}
