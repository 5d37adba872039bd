//! The events of one customer that pass a stream's conditions, as plain columns.

use std::collections::HashMap;

use crate::cells::Cell;
use crate::plan::DAY;
use crate::plan::Literals;
use crate::plan::Number;
use crate::plan::Stream;
use crate::plan::Test;
use crate::plan::Value;
use crate::plan::power;
use crate::rows::Place;
use crate::spec::Op;
use crate::work::Event;
use crate::work::View;

/// No event before it has the same value.
pub(crate) const NEVER: u32 = u32::MAX;
/// Different values that are compared one by one before a map is made.
const FEW: usize = 16;

/// The events of a stream, in the order of time; the columns that the stream needs.
#[derive(Debug, Default)]
pub(crate) struct Events<'a> {
    pub(crate) times: Vec<i64>,
    pub(crate) ints: Vec<i128>,
    pub(crate) floats: Vec<f64>,
    pub(crate) places: Vec<Place>,
    /// The event before with the same value, or `NEVER`.
    pub(crate) before: Vec<u32>,
    /// Different times up to here, without the first.
    pub(crate) steps: Vec<u32>,
    seen: Vec<(Same<'a>, u32)>,
    map: HashMap<Same<'a>, u32>,
}

/// A value that can be the same as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Same<'a> {
    Digits(i128),
    Text(&'a str),
}

impl<'a> Events<'a> {
    pub(crate) fn clear(&mut self) {
        self.times.clear();
        self.ints.clear();
        self.floats.clear();
        self.places.clear();
        self.before.clear();
        self.steps.clear();
        self.seen.clear();
        if !self.map.is_empty() {
            self.map.clear();
        }
    }

    /// Adds an event if it passes and has the value.
    pub(crate) fn push(&mut self, plan: &Stream, views: &[View<'a>], event: &Event) {
        let view = &views[event.place.batch as usize];
        let row = event.place.row as usize;
        if !plan.tests.iter().all(|test| passes(test, view, row)) {
            return;
        }
        let cell = |column: usize| view.columns[column].cell(row);
        match plan.value {
            Value::Time => {}
            Value::Number(column, number) => {
                if !self.push_number(number, &cell(column)) {
                    return;
                }
            }
            Value::Product(a, b, number) => {
                let product = product(
                    number,
                    (&cell(a), scale(view, a)),
                    (&cell(b), scale(view, b)),
                );
                if !self.push_number(number, &product) {
                    return;
                }
            }
            Value::Code(column) => {
                let same = match cell(column) {
                    Cell::Null | Cell::Owned(_) => return,
                    Cell::Int(value) => Same::Digits(i128::from(value)),
                    Cell::Float(value) => Same::Digits(i128::from(value.to_bits())),
                    Cell::Decimal(value) => Same::Digits(value),
                    Cell::Bool(value) => Same::Digits(i128::from(value)),
                    Cell::Text(text) => Same::Text(text),
                };
                self.push_same(same);
            }
            Value::Day => self.push_same(Same::Digits(i128::from(event.time.div_euclid(DAY)))),
            Value::Place(column) => {
                if cell(column) == Cell::Null {
                    return;
                }
                self.places.push(event.place);
            }
        }
        self.times.push(event.time);
    }

    /// Counts the different times, for gaps.
    pub(crate) fn count_steps(&mut self) {
        let mut steps = 0;
        self.steps.clear();
        for i in 0..self.times.len() {
            if i > 0 && self.times[i] != self.times[i - 1] {
                steps += 1;
            }
            self.steps.push(steps);
        }
    }

    fn push_number(&mut self, number: Number, cell: &Cell<'_>) -> bool {
        match (number, cell) {
            (Number::Float, Cell::Float(value)) => self.floats.push(*value),
            (Number::Int, Cell::Int(value)) => self.ints.push(i128::from(*value)),
            (Number::Decimal(_), Cell::Decimal(value)) => self.ints.push(*value),
            _ => return false,
        }
        true
    }

    fn push_same(&mut self, same: Same<'a>) {
        let now = u32::try_from(self.before.len()).unwrap_or(NEVER);
        let before = if self.seen.len() < FEW {
            match self.seen.iter_mut().find(|(other, _)| *other == same) {
                Some((_, last)) => std::mem::replace(last, now),
                None => {
                    self.seen.push((same, now));
                    if self.seen.len() == FEW {
                        self.map.extend(self.seen.iter().copied());
                    }
                    NEVER
                }
            }
        } else {
            self.map.insert(same, now).unwrap_or(NEVER)
        };
        self.before.push(before);
    }
}

/// The scale of a decimal column.
fn scale(view: &View<'_>, column: usize) -> i8 {
    match view.columns[column] {
        crate::cells::Column::Decimal(array) => array.scale(),
        _ => 0,
    }
}

/// Null when one is null, or when digits do not fit.
fn product<'a>(number: Number, a: (&Cell<'_>, i8), b: (&Cell<'_>, i8)) -> Cell<'a> {
    let digits = |cell: &Cell<'_>| match cell {
        Cell::Int(value) => Some(i128::from(*value)),
        Cell::Decimal(value) => Some(*value),
        _ => None,
    };
    let float = |(cell, scale): (&Cell<'_>, i8)| match cell {
        Cell::Int(value) => Some(*value as f64),
        Cell::Decimal(value) => Some(*value as f64 / power(scale)),
        Cell::Float(value) => Some(*value),
        _ => None,
    };
    let exact = || digits(a.0)?.checked_mul(digits(b.0)?);
    match number {
        Number::Int => {
            let value = exact().and_then(|value| i64::try_from(value).ok());
            value.map_or(Cell::Null, Cell::Int)
        }
        Number::Decimal(_) => exact().map_or(Cell::Null, Cell::Decimal),
        Number::Float => match (float(a), float(b)) {
            (Some(a), Some(b)) => Cell::Float(a * b),
            _ => Cell::Null,
        },
    }
}

fn passes(test: &Test, view: &View<'_>, row: usize) -> bool {
    match (view.columns[test.column].cell(row), &test.values) {
        (Cell::Text(found), Literals::Text(values)) => {
            let is_in = values.iter().any(|value| value == found);
            is_in != (test.op == Op::NotEquals)
        }
        (Cell::Bool(found), Literals::Bool(values)) => {
            values.contains(&found) != (test.op == Op::NotEquals)
        }
        (Cell::Int(found), Literals::Int(values)) => holds(test.op, &found, values),
        (Cell::Float(found), Literals::Float(values)) => holds(test.op, &found, values),
        (Cell::Decimal(found), Literals::Decimal(values)) => holds(test.op, &found, values),
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
