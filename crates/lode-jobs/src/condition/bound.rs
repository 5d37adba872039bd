//! A filter bound to the columns of the tables it speaks of: checked once, evaluated often.
//!
//! Truth has three values: what is said of a missing value is unknown, and so is its opposite; an
//! item passes only what is true. So no rule lets pass what it cannot know, unless it says so.

use lode_types::Schema;
use lode_types::Timestamp;

use super::filter::Filter;
use super::filter::Named;
use super::filter::Node;
use super::filter::Of;
use super::filter::Operand;
use super::filter::Test;
use super::op::Op;
use super::op::yes_or_no;
use super::values::Cell;
use super::values::Columns;
use super::values::Sort;
use super::words::Wrong;
use crate::Error;

/// A table that a filter may speak of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'a> {
    /// The dataset, for messages.
    pub(crate) name: &'a str,
    pub(crate) schema: &'a Schema,
}

/// The tables that a filter may speak of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sides<'a> {
    pub(crate) items: Option<Side<'a>>,
    pub(crate) customers: Option<Side<'a>>,
}

/// A filter whose columns have their places.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    node: Part,
    /// Whether it speaks of items and of customers.
    of_items: bool,
    of_customers: bool,
}

#[derive(Clone, Debug)]
enum Part {
    Test(Check),
    Not(Box<Part>),
    All(Vec<Part>),
    Any(Vec<Part>),
    Said(Option<bool>),
}

#[derive(Clone, Debug)]
struct Check {
    left: Place,
    op: Op,
    right: Vec<Value>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    of: Of,
    column: usize,
}

#[derive(Clone, Debug)]
enum Value {
    Number(f64),
    Words(String),
    Flag(bool),
    Time(i64),
    Missing,
    Column(Place),
}

/// A row of a table; none where there is no such row.
type Row<'a> = Option<(&'a Columns, usize)>;

impl Bound {
    /// Finds the columns of a filter and reads its values by their types.
    ///
    /// # Errors
    /// `COLUMN_NOT_FOUND`, `INVALID_FILTER`, `NO_ITEMS`, `NO_CUSTOMERS`; without a field.
    pub(crate) fn new(filter: &Filter, sides: Sides<'_>) -> crate::Result<Self> {
        Ok(Self {
            node: part(&filter.node, filter, sides)?,
            of_items: !filter.columns(Of::Item).is_empty(),
            of_customers: !filter.columns(Of::Customer).is_empty(),
        })
    }

    pub(crate) fn is_of_items(&self) -> bool {
        self.of_items
    }

    pub(crate) fn is_of_customers(&self) -> bool {
        self.of_customers
    }

    /// The same for one customer: what is said of the customer is settled. A row that is not there
    /// has all its values missing.
    pub(crate) fn for_customer(&self, customer: Row<'_>) -> Self {
        Self {
            node: settle(&self.node, customer),
            of_items: self.of_items,
            of_customers: false,
        }
    }

    /// Its truth when nothing of items is needed to know it.
    pub(crate) fn settled(&self) -> Option<Option<bool>> {
        match self.node {
            Part::Said(truth) => Some(truth),
            _ => None,
        }
    }

    /// Whether it holds of an item; a row that is not there has all its values missing.
    pub(crate) fn holds(&self, item: Row<'_>) -> bool {
        truth(&self.node, item, None) == Some(true)
    }

    /// Tells filters that say different things apart.
    pub(crate) fn key(&self) -> String {
        let mut key = String::new();
        write_key(&self.node, &mut key);
        key
    }
}

/// `INVALID_FILTER` at a place.
pub(crate) fn invalid(text: &str, wrong: &Wrong) -> Error {
    let message = format!("{wrong}, in {text:?}");
    Error::invalid("INVALID_FILTER", "", message)
}

fn part(node: &Node, filter: &Filter, sides: Sides<'_>) -> crate::Result<Part> {
    let all = |nodes: &[Node]| -> crate::Result<Vec<Part>> {
        nodes.iter().map(|node| part(node, filter, sides)).collect()
    };
    Ok(match node {
        Node::Test(test) => Part::Test(check(test, filter, sides)?),
        Node::Not(node) => Part::Not(Box::new(part(node, filter, sides)?)),
        Node::All(nodes) => Part::All(all(nodes)?),
        Node::Any(nodes) => Part::Any(all(nodes)?),
    })
}

fn check(test: &Test, filter: &Filter, sides: Sides<'_>) -> crate::Result<Check> {
    let (left, sort) = place(&test.column, test.at, filter, sides)?;
    let refused = |at: usize, expected: String, found: String| {
        let wrong = Wrong {
            at,
            expected,
            found,
        };
        Err(invalid(filter.text(), &wrong))
    };
    let name = &test.column.name;
    if test.op.is_order() && !matches!(sort, Sort::Number | Sort::Time) {
        let kind = if sort == Sort::Words {
            "words"
        } else {
            "yes or no"
        };
        return refused(
            test.at,
            format!("\"=\", \"!=\", \"in\" or \"missing\" of column {name:?}, which is of {kind}"),
            format!("{:?}", test.op.sign()),
        );
    }
    let mut right = Vec::new();
    for operand in &test.values {
        right.push(match operand {
            Operand::Column(column, at) => {
                let (place, other) = place(column, *at, filter, sides)?;
                if other != sort {
                    return refused(
                        *at,
                        format!("a column of the same kind as {name:?}"),
                        format!("{:?}", column.name),
                    );
                }
                Value::Column(place)
            }
            Operand::Value { text, at } => match value(text, sort) {
                Some(value) => value,
                None => {
                    let expected = match sort {
                        Sort::Number => "a number",
                        Sort::Time => "a date or time such as 2024-05-31",
                        Sort::Flag => "yes, no, true or false",
                        Sort::Words => "words",
                    };
                    return refused(
                        *at,
                        format!("{expected} for column {name:?}"),
                        format!("{text:?}"),
                    );
                }
            },
        });
    }
    if test.op == Op::True && matches!(sort, Sort::Time) {
        return refused(
            test.at,
            format!("a comparison of column {name:?}, which is of times"),
            "the column alone".to_owned(),
        );
    }
    Ok(Check {
        left,
        op: test.op,
        right,
    })
}

fn place(
    named: &Named,
    at: usize,
    filter: &Filter,
    sides: Sides<'_>,
) -> crate::Result<(Place, Sort)> {
    let (side, reason, what) = match named.of {
        Of::Item => (sides.items, "NO_ITEMS", "items"),
        Of::Customer => (sides.customers, "NO_CUSTOMERS", "customers"),
    };
    let Some(side) = side else {
        let word = match named.of {
            Of::Item => named.name.clone(),
            Of::Customer => format!("customer.{}", named.name),
        };
        return Err(Error::invalid(
            reason,
            "",
            format!(
                "at letter {at}: {word:?} is of the {what}, of which the model has no dataset: give the job the input {what:?}, or name it in its offering; in {:?}",
                filter.text()
            ),
        ));
    };
    let columns = side.schema.columns();
    let Some(column) = columns.iter().position(|column| column.name == named.name) else {
        let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        return Err(Error::invalid(
            "COLUMN_NOT_FOUND",
            "",
            format!(
                "at letter {at}: no column {:?} in dataset {} of the {what}: expected one of {}; in {:?}",
                named.name,
                side.name,
                known.join(", "),
                filter.text()
            ),
        ));
    };
    let sort = Sort::of(columns[column].column_type);
    let of = named.of;
    Ok((Place { of, column }, sort))
}

fn value(text: &str, sort: Sort) -> Option<Value> {
    match sort {
        Sort::Number => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            // Flags are often kept as 0 and 1.
            let number = number.or_else(|| yes_or_no(text).map(|yes| f64::from(u8::from(yes))));
            number.map(Value::Number)
        }
        Sort::Words => Some(Value::Words(text.to_owned())),
        Sort::Flag => match text {
            "1" => Some(Value::Flag(true)),
            "0" => Some(Value::Flag(false)),
            _ => yes_or_no(text).map(Value::Flag),
        },
        Sort::Time => Timestamp::parse(text).map(|time| Value::Time(time.0)),
    }
}

/// Settles what is said of the customer.
fn settle(node: &Part, customer: Row<'_>) -> Part {
    match node {
        Part::Said(truth) => Part::Said(*truth),
        Part::Test(check) => {
            let of_items = check.left.of == Of::Item
                || check
                    .right
                    .iter()
                    .any(|value| matches!(value, Value::Column(place) if place.of == Of::Item));
            if !of_items {
                return Part::Said(truth(node, None, customer));
            }
            let mut check = check.clone();
            if check.left.of == Of::Customer {
                // Turned around, so that the item's column stands on the left.
                return match turned(&check, customer) {
                    Some(check) => Part::Test(check),
                    None => Part::Said(None),
                };
            }
            for value in &mut check.right {
                if let Value::Column(place) = value
                    && place.of == Of::Customer
                {
                    *value = owned(cell(*place, None, customer));
                }
            }
            Part::Test(check)
        }
        Part::Not(node) => match settle(node, customer) {
            Part::Said(truth) => Part::Said(truth.map(|truth| !truth)),
            other => Part::Not(Box::new(other)),
        },
        Part::All(nodes) => joined(nodes, customer, false),
        Part::Any(nodes) => joined(nodes, customer, true),
    }
}

/// Parts that are joined, without those that are settled; `decides` is the truth that settles all.
fn joined(nodes: &[Part], customer: Row<'_>, decides: bool) -> Part {
    let mut left = Vec::new();
    let mut unknown = false;
    for node in nodes {
        match settle(node, customer) {
            Part::Said(Some(truth)) if truth == decides => return Part::Said(Some(decides)),
            Part::Said(Some(_)) => {}
            Part::Said(None) => unknown = true,
            other => left.push(other),
        }
    }
    if left.is_empty() {
        return Part::Said(match unknown {
            true => None,
            false => Some(!decides),
        });
    }
    if unknown {
        left.push(Part::Said(None));
    }
    match decides {
        true => Part::Any(left),
        false => Part::All(left),
    }
}

/// A check of a customer's column against one of the item's, seen from the item.
fn turned(check: &Check, customer: Row<'_>) -> Option<Check> {
    let [Value::Column(place)] = check.right[..] else {
        // A list of columns: rare enough to be asked one by one.
        return None;
    };
    let op = match check.op {
        Op::Above => Op::Below,
        Op::AtLeast => Op::AtMost,
        Op::Below => Op::Above,
        Op::AtMost => Op::AtLeast,
        other => other,
    };
    Some(Check {
        left: place,
        op,
        right: vec![owned(cell(check.left, None, customer))],
    })
}

fn owned(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Missing => Value::Missing,
        Cell::Number(number) => Value::Number(number),
        Cell::Words(words) => Value::Words(words.to_owned()),
        Cell::Flag(flag) => Value::Flag(flag),
        Cell::Time(time) => Value::Time(time),
    }
}

fn cell<'a>(place: Place, item: Row<'a>, customer: Row<'a>) -> Cell<'a> {
    let row = match place.of {
        Of::Item => item,
        Of::Customer => customer,
    };
    row.map_or(Cell::Missing, |(columns, row)| {
        columns.cell(place.column, row)
    })
}

fn truth(node: &Part, item: Row<'_>, customer: Row<'_>) -> Option<bool> {
    match node {
        Part::Said(truth) => *truth,
        Part::Test(check) => said(check, item, customer),
        Part::Not(node) => truth(node, item, customer).map(|truth| !truth),
        Part::All(nodes) => {
            let mut all = Some(true);
            for node in nodes {
                match truth(node, item, customer) {
                    Some(false) => return Some(false),
                    Some(true) => {}
                    None => all = None,
                }
            }
            all
        }
        Part::Any(nodes) => {
            let mut any = Some(false);
            for node in nodes {
                match truth(node, item, customer) {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => any = None,
                }
            }
            any
        }
    }
}

fn said(check: &Check, item: Row<'_>, customer: Row<'_>) -> Option<bool> {
    let left = cell(check.left, item, customer);
    match check.op {
        Op::Missing => return Some(left == Cell::Missing),
        Op::Known => return Some(left != Cell::Missing),
        Op::True => {
            return match left {
                Cell::Missing | Cell::Time(_) => None,
                Cell::Flag(flag) => Some(flag),
                Cell::Number(number) => Some(number.total_cmp(&0.0).is_ne()),
                Cell::Words(words) => match words {
                    "1" => Some(true),
                    "0" => Some(false),
                    _ => yes_or_no(words),
                },
            };
        }
        _ => {}
    }
    if left == Cell::Missing {
        return None;
    }
    let mut any = Some(false);
    for value in &check.right {
        let order = match value {
            Value::Column(place) => compare(left, cell(*place, item, customer)),
            Value::Number(number) => compare(left, Cell::Number(*number)),
            Value::Words(words) => compare(left, Cell::Words(words)),
            Value::Flag(flag) => compare(left, Cell::Flag(*flag)),
            Value::Time(time) => compare(left, Cell::Time(*time)),
            Value::Missing => None,
        };
        match order.map(|order| check.op.meets(order)) {
            Some(true) => {
                any = Some(true);
                break;
            }
            Some(false) => {}
            None => any = None,
        }
    }
    match check.op {
        Op::NoneOf => any.map(|any| !any),
        _ => any,
    }
}

fn compare(left: Cell<'_>, right: Cell<'_>) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Cell::Number(left), Cell::Number(right)) => left.partial_cmp(&right),
        (Cell::Words(left), Cell::Words(right)) => Some(left.cmp(right)),
        (Cell::Flag(left), Cell::Flag(right)) => Some(left.cmp(&right)),
        (Cell::Time(left), Cell::Time(right)) => Some(left.cmp(&right)),
        _ => None,
    }
}

fn write_key(node: &Part, key: &mut String) {
    use std::fmt::Write;
    let list = |nodes: &[Part], sign: char, key: &mut String| {
        key.push(sign);
        key.push('(');
        for node in nodes {
            write_key(node, key);
            key.push(',');
        }
        key.push(')');
    };
    match node {
        Part::Said(truth) => key.push(match truth {
            Some(true) => 'y',
            Some(false) => 'n',
            None => 'u',
        }),
        Part::Not(node) => list(std::slice::from_ref(node), '!', key),
        Part::All(nodes) => list(nodes, '&', key),
        Part::Any(nodes) => list(nodes, '|', key),
        // Writing to a string cannot fail.
        Part::Test(Check { left, op, right }) => drop(write!(key, "{left:?}{op:?}{right:?}")),
    }
}
