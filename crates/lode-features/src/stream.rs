//! The events that pass a stream's conditions, as plain columns, segment by segment.

use crate::block::Seen;
use crate::block::short;
use crate::cells::Cell;
use crate::cells::Column;
use crate::numbers::days;
use crate::plan::DAY;
use crate::plan::Literals;
use crate::plan::Number;
use crate::plan::Stream;
use crate::plan::Test;
use crate::plan::Value;
use crate::rows::Place;
use crate::spec::Op;
use crate::work::Event;
use crate::work::View;

/// No event before it in its segment has the same value.
pub(crate) const NEVER: u32 = u32::MAX;

/// The events of a stream, each segment in the order of time; the columns that it needs.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) times: Vec<i64>,
    pub(crate) ints: Vec<i128>,
    pub(crate) floats: Vec<f64>,
    pub(crate) places: Vec<Place>,
    /// The event before with the same value, or `NEVER`.
    pub(crate) before: Vec<u32>,
    /// Days between events at different times, all segments.
    pub(crate) gaps: Vec<f64>,
    /// Gaps up to each event.
    pub(crate) steps: Vec<u32>,
    /// Where each segment ends.
    pub(crate) ends: Vec<u32>,
}

impl Events {
    /// Reads a stream's events; with their gaps if those are asked for.
    pub(crate) fn read(plan: &Stream, views: &[View<'_>], seen: &Seen, has_gaps: bool) -> Self {
        let mut stream = Self::default();
        match plan.value {
            Value::Time => stream.fill(plan, views, seen, |_, _| true),
            Value::Number(column, Number::Float) => {
                stream.fill(plan, views, seen, |stream, event| {
                    let value = at(views, column, event.place).float();
                    stream.floats.extend(value);
                    value.is_some()
                });
            }
            Value::Number(column, _) => stream.fill(plan, views, seen, |stream, event| {
                let value = at(views, column, event.place).digits();
                stream.ints.extend(value);
                value.is_some()
            }),
            Value::Product(a, b, Number::Float) => {
                stream.fill(plan, views, seen, |stream, event| {
                    let a = at(views, a, event.place).as_float();
                    let product = a.zip(at(views, b, event.place).as_float());
                    stream.floats.extend(product.map(|(a, b)| a * b));
                    product.is_some()
                });
            }
            Value::Product(a, b, number) => stream.fill(plan, views, seen, |stream, event| {
                let a = at(views, a, event.place).digits();
                let both = a.zip(at(views, b, event.place).digits());
                let product = both.and_then(|(a, b)| a.checked_mul(b)).filter(|product| {
                    // A product that does not fit its column is no value.
                    number != Number::Int || i64::try_from(*product).is_ok()
                });
                stream.ints.extend(product);
                product.is_some()
            }),
            Value::Code(column) => stream.read_codes(plan, views, seen, column),
            Value::Day => {
                let mut codes = Vec::new();
                stream.fill(plan, views, seen, |_, event| {
                    codes.push(event.time.div_euclid(DAY));
                    true
                });
                stream.link(&codes);
            }
            Value::Place(column) => stream.fill(plan, views, seen, |stream, event| {
                let is_there = !at(views, column, event.place).is_null();
                if is_there {
                    stream.places.push(event.place);
                }
                is_there
            }),
        }
        if has_gaps {
            stream.read_gaps();
        }
        stream
    }

    /// The bounds of a segment.
    pub(crate) fn segment(&self, segment: u32) -> (usize, usize) {
        let segment = segment as usize;
        let start = segment.checked_sub(1).map_or(0, |before| self.ends[before]);
        (start as usize, self.ends[segment] as usize)
    }

    /// Goes through the events that pass and have a value, which `push` finds and keeps.
    fn fill(
        &mut self,
        plan: &Stream,
        views: &[View<'_>],
        seen: &Seen,
        mut push: impl FnMut(&mut Self, &Event) -> bool,
    ) {
        self.times.reserve(seen.events.len());
        self.ends.reserve(seen.ends.len());
        let mut start = 0;
        for &end in &seen.ends {
            for event in &seen.events[start..end as usize] {
                let passes = plan.tests.iter().all(|test| passes(test, views, event));
                if passes && push(self, event) {
                    self.times.push(event.time);
                }
            }
            start = end as usize;
            self.ends.push(short(self.times.len()));
        }
    }

    fn read_codes(&mut self, plan: &Stream, views: &[View<'_>], seen: &Seen, column: usize) {
        let first = seen.events.first();
        match first.map(|event| at(views, column, event.place).column) {
            Some(Column::Text(_)) => {
                let mut codes = Vec::new();
                self.fill(plan, views, seen, |_, event| {
                    let text = at(views, column, event.place).text();
                    codes.extend(text);
                    text.is_some()
                });
                self.link(&codes);
            }
            Some(Column::Decimal(_)) => {
                let mut codes = Vec::new();
                self.fill(plan, views, seen, |_, event| {
                    let digits = at(views, column, event.place).digits();
                    codes.extend(digits);
                    digits.is_some()
                });
                self.link(&codes);
            }
            _ => {
                let mut codes = Vec::new();
                self.fill(plan, views, seen, |_, event| {
                    let code = at(views, column, event.place).code();
                    codes.extend(code);
                    code.is_some()
                });
                self.link(&codes);
            }
        }
    }

    /// Finds for each event the one before it in its segment with the same value: by sorting,
    /// which no choice of values makes slow.
    fn link<K: Ord + Copy>(&mut self, codes: &[K]) {
        self.before.resize(codes.len(), NEVER);
        let mut order: Vec<(K, u32)> = Vec::new();
        let mut start = 0;
        for &end in &self.ends {
            order.clear();
            let codes = codes[start as usize..end as usize].iter().copied();
            order.extend(codes.zip(start..));
            order.sort_unstable();
            for pair in order.windows(2) {
                if pair[0].0 == pair[1].0 {
                    self.before[pair[1].1 as usize] = pair[0].1;
                }
            }
            start = end;
        }
    }

    fn read_gaps(&mut self) {
        let mut steps = 0;
        let mut start = 0;
        for &end in &self.ends {
            for i in start..end as usize {
                if i > start && self.times[i] != self.times[i - 1] {
                    self.gaps.push(days(self.times[i] - self.times[i - 1]));
                    steps += 1;
                }
                self.steps.push(steps);
            }
            start = end as usize;
        }
    }
}

/// A column at a row.
#[derive(Clone, Copy)]
struct At<'a> {
    column: Column<'a>,
    row: usize,
}

fn at<'a>(views: &[View<'a>], column: usize, place: Place) -> At<'a> {
    At {
        column: views[place.batch as usize].columns[column],
        row: place.row as usize,
    }
}

impl<'a> At<'a> {
    fn is_null(self) -> bool {
        self.column.is_null(self.row)
    }

    /// The value of a float column.
    fn float(self) -> Option<f64> {
        match self.column {
            Column::Float(_) => self.column.number(self.row),
            _ => None,
        }
    }

    /// An integer, decimal or float as a float.
    fn as_float(self) -> Option<f64> {
        match self.column {
            Column::Int(_) | Column::Float(_) | Column::Decimal(_) => self.column.number(self.row),
            _ => None,
        }
    }

    /// An integer, or the digits of a decimal.
    fn digits(self) -> Option<i128> {
        match (self.column, self.is_null()) {
            (Column::Int(array), false) => Some(i128::from(array.value(self.row))),
            (Column::Decimal(array), false) => Some(array.value(self.row)),
            _ => None,
        }
    }

    fn text(self) -> Option<&'a str> {
        match (self.column, self.is_null()) {
            (Column::Text(array), false) => Some(array.value(self.row)),
            _ => None,
        }
    }

    /// A number of 64 bits that is another for each value.
    fn code(self) -> Option<i64> {
        match self.column.cell(self.row) {
            Cell::Int(value) => Some(value),
            Cell::Float(value) => Some(value.to_bits().cast_signed()),
            Cell::Bool(value) => Some(i64::from(value)),
            _ => None,
        }
    }
}

fn passes(test: &Test, views: &[View<'_>], event: &Event) -> bool {
    let At { column, row } = at(views, test.column, event.place);
    fits(test, &column.cell(row))
}

/// Whether a value is what a condition asks for.
pub(crate) fn fits(test: &Test, cell: &Cell<'_>) -> bool {
    match (cell, &test.values) {
        (Cell::Text(found), Literals::Text(values)) => {
            let is_in = values.iter().any(|value| value == *found);
            is_in != (test.op == Op::NotEquals)
        }
        (Cell::Bool(found), Literals::Bool(values)) => {
            values.contains(found) != (test.op == Op::NotEquals)
        }
        (Cell::Int(found), Literals::Int(values)) => holds(test.op, found, values),
        (Cell::Float(found), Literals::Float(values)) => holds(test.op, found, values),
        (Cell::Decimal(found), Literals::Decimal(values)) => holds(test.op, found, values),
        // A null passes no condition.
        _ => false,
    }
}

fn holds<T: PartialOrd>(op: Op, found: &T, values: &[T]) -> bool {
    let Some(value) = values.first() else {
        return false;
    };
    match op {
        Op::Equals => found == value,
        Op::NotEquals => found != value,
        Op::In => values.contains(found),
        Op::AtLeast => found >= value,
        Op::AtMost => found <= value,
        Op::Above => found > value,
        Op::Below => found < value,
    }
}
