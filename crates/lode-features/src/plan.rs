//! What a checked view computes: streams of events, ranges of them, numbers of ranges, columns.
//!
//! Built by `check`, run by `eval`. Equal streams, ranges and numbers are kept once, so that
//! `sum` and `mean` of one window cost one sum.

use arrow_schema::DataType;

use crate::spec::Op;
use crate::spec::Population;

pub(crate) const DAY: i64 = 86_400_000_000;

/// All that is computed for a customer.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) sources: Vec<SourcePlan>,
    pub(crate) lookups: Vec<LookupPlan>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) ranges: Vec<Range>,
    pub(crate) accs: Vec<Acc>,
    /// In an order in which each comes after those it reads.
    pub(crate) outs: Vec<Out>,
    /// The out of each column after `customer_id` and `as_of`.
    pub(crate) columns: Vec<usize>,
    pub(crate) population: Population,
    /// What makes a training set of the rows, if they are to be one.
    pub(crate) training: Option<TrainingPlan>,
}

/// What is read of a dataset of events.
#[derive(Debug)]
pub(crate) struct SourcePlan {
    pub(crate) dataset: String,
    /// Names and types of the columns read.
    pub(crate) columns: Vec<(String, DataType)>,
    pub(crate) id: usize,
    pub(crate) time: usize,
    pub(crate) arrival: Option<usize>,
    /// Whether it is read for what happened after t alone: then it gives nobody a row, and when
    /// its events arrived does not matter up to `known_by`.
    pub(crate) is_outcome: bool,
    /// Whether its customers get rows.
    pub(crate) counts: bool,
    /// Events that arrived later do not exist.
    pub(crate) known_by: i64,
}

/// A table with one row a customer for each time: attributes, or the answer of a query.
#[derive(Debug)]
pub(crate) struct LookupPlan {
    /// For messages.
    pub(crate) name: String,
    /// The feature whose query it is; none for the customers dataset.
    pub(crate) feature: Option<String>,
    pub(crate) columns: Vec<(String, DataType)>,
    pub(crate) id: usize,
    /// How long after t it is read: 0 for all but a label's.
    pub(crate) ahead: i64,
}

/// Events of a source that pass the conditions and have the value, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stream {
    pub(crate) source: usize,
    pub(crate) tests: Vec<Test>,
    pub(crate) value: Value,
}

/// What a stream keeps of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Its time.
    Time,
    /// A number.
    Number(usize, Number),
    /// The product of two numbers: of two integers an integer, of a decimal and an integer a
    /// decimal, else a float.
    Product(usize, usize, Number),
    /// Which of the different values of a column.
    Code(usize),
    /// Which day, UTC.
    Day,
    /// Its place, so that a column can be read.
    Place(usize),
}

/// How a number is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int,
    Float,
    /// With its scale.
    Decimal(i8),
}

/// A condition on a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Test {
    pub(crate) column: usize,
    pub(crate) op: Op,
    pub(crate) values: Literals,
}

/// Constants in the column's own type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literals {
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    Decimal(Vec<i128>),
    Text(Vec<String>),
}

/// Events of a stream in (u - window, u], or all up to u, with u = t + ahead.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) stream: usize,
    pub(crate) window: Option<i64>,
    /// 0 for features; a label's is its horizon.
    pub(crate) ahead: i64,
}

/// A number of a range that takes a pass over it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Acc {
    pub(crate) range: usize,
    pub(crate) kind: AccKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum AccKind {
    Sum,
    Min,
    Max,
    Std,
    Trend,
    Distinct,
    GapStd,
    Hours,
    Weekdays,
}

/// A column.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) expr: Expr,
}

/// How a column's value is made; numbers are indexes of ranges, accs or outs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expr {
    Count(usize),
    Acc(usize),
    /// Sum by count.
    Mean(usize, usize),
    SinceLast(usize),
    SinceFirst(usize),
    GapMean(usize),
    GapLast(usize),
    GapCv(usize, usize),
    /// The value at the last place.
    Last(usize),
    ShareCount(usize, usize),
    ShareSum(usize, usize),
    /// A bin of a profile.
    Bin(usize, usize, usize),
    /// A column of a lookup.
    Lookup(usize, usize),
    Ratio(usize, usize),
    Product(usize, usize),
    Concat(usize, usize),
}

/// What makes a training set of the rows; numbers are indexes of outs.
#[derive(Debug)]
pub(crate) struct TrainingPlan {
    /// Conditions on the features that a row must pass; the column of each is an out.
    pub(crate) tests: Vec<Test>,
    pub(crate) label: Option<LabelPlan>,
    /// Of each dataset of events: how many within `new_within`, how many in all.
    pub(crate) new: Vec<(usize, usize)>,
    pub(crate) items: Option<ItemsPlan>,
    /// Whether a column holds each row's weight.
    pub(crate) weighs: bool,
}

/// What a row's label is.
#[derive(Debug)]
pub(crate) struct LabelPlan {
    pub(crate) horizon: i64,
    pub(crate) form: LabelForm,
    pub(crate) data_type: DataType,
}

/// How a label is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LabelForm {
    /// Whether the count is 0.
    None(usize),
    /// Whether the count is not 0.
    Some(usize),
    /// A number as a float.
    Sum(usize),
    /// As it is.
    Value(usize),
    /// Whether the candidate has no event ahead.
    NoItem,
    /// Whether the candidate has an event ahead.
    Item,
}

/// A row for each candidate.
#[derive(Debug)]
pub(crate) struct ItemsPlan {
    /// Places of the events with an item, as they are known at t.
    pub(crate) known: Stream,
    /// The same for what happens after t; none without a label.
    pub(crate) ahead: Option<Stream>,
    /// The item's column.
    pub(crate) name: String,
    pub(crate) values: Literals,
    pub(crate) data_type: DataType,
    /// Leave out candidates that the customer has at t.
    pub(crate) exclude_owned: bool,
}

impl Plan {
    pub(crate) fn stream(&mut self, stream: Stream) -> usize {
        keep(&mut self.streams, stream)
    }

    pub(crate) fn range(&mut self, stream: Stream, window: Option<i64>) -> usize {
        let stream = self.stream(stream);
        let ahead = 0;
        keep(
            &mut self.ranges,
            Range {
                stream,
                window,
                ahead,
            },
        )
    }

    /// Events of a stream in (t, t + horizon].
    pub(crate) fn range_ahead(&mut self, stream: Stream, horizon: i64) -> usize {
        let stream = self.stream(stream);
        let range = Range {
            stream,
            window: Some(horizon),
            ahead: horizon,
        };
        keep(&mut self.ranges, range)
    }

    /// Adds a number that is no column of its own.
    pub(crate) fn hidden(&mut self, name: &str, data_type: DataType, expr: Expr) -> usize {
        self.outs.push(Out {
            name: name.to_owned(),
            data_type,
            expr,
        });
        self.outs.len() - 1
    }

    pub(crate) fn acc(&mut self, range: usize, kind: AccKind) -> usize {
        keep(&mut self.accs, Acc { range, kind })
    }
}

impl Literals {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Decimal(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }
}

impl SourcePlan {
    pub(crate) fn column(&mut self, name: &str, data_type: &DataType) -> usize {
        keep(&mut self.columns, (name.to_owned(), data_type.clone()))
    }
}

fn keep<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    match list.iter().position(|other| *other == item) {
        Some(at) => at,
        None => {
            list.push(item);
            list.len() - 1
        }
    }
}

/// 10^scale, for turning decimals into floats.
pub(crate) fn power(scale: i8) -> f64 {
    10_f64.powi(i32::from(scale))
}
