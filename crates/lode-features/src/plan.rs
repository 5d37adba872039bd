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

/// Events of a stream in (t - window, t], or all up to t.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) stream: usize,
    pub(crate) window: Option<i64>,
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

impl Plan {
    pub(crate) fn stream(&mut self, stream: Stream) -> usize {
        keep(&mut self.streams, stream)
    }

    pub(crate) fn range(&mut self, stream: Stream, window: Option<i64>) -> usize {
        let stream = self.stream(stream);
        keep(&mut self.ranges, Range { stream, window })
    }

    pub(crate) fn acc(&mut self, range: usize, kind: AccKind) -> usize {
        keep(&mut self.accs, Acc { range, kind })
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
