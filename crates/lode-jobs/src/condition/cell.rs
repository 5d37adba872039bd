//! Conditions on the value of a reason: "above 3", "= premium", "in a, b", "missing".

use std::fmt;

use super::op::Op;
use super::op::SIGNS;
use super::op::WORDS;
use super::op::yes_or_no;

/// Words for what can be written.
const FORMS: &str = "expected \"above N\", \"at least N\", \"below N\", \"at most N\", \
     \"= VALUE\", \"!= VALUE\", \"in A, B\", \"missing\" or \"known\"";

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    /// As it was written.
    text: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Size(Op, f64),
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    Missing,
    Known,
}

/// Words that only stand before the whole rest of a cell.
const LISTS: [(&str, Op); 3] = [
    ("not in", Op::NoneOf),
    ("not", Op::NoneOf),
    ("in", Op::OneOf),
];

impl Condition {
    /// Reads a condition.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let refused = |why: &str| format!("{FORMS} as condition, found {text:?}{why}");
        let made = |test: Test| {
            let text = text.to_owned();
            Ok(Self { text, test })
        };
        match lower.as_str() {
            "missing" | "is missing" => return made(Test::Missing),
            "known" | "is known" | "not missing" | "is not missing" => return made(Test::Known),
            _ => {}
        }
        let Some((length, op, is_list)) = sign(&lower) else {
            return Err(refused(""));
        };
        // The signs are ASCII, so the rest starts at a letter.
        let rest = text[length..].trim();
        if op.is_order() {
            let number = rest.parse::<f64>().ok().filter(|number| number.is_finite());
            return match number {
                Some(number) => made(Test::Size(op, number)),
                None => Err(refused(": no number behind it")),
            };
        }
        let parts: Vec<&str> = match is_list {
            true => rest.split(',').collect(),
            false => vec![rest],
        };
        let values: Vec<String> = parts.iter().map(|part| plain(part)).collect();
        if values.iter().any(String::is_empty) {
            return Err(refused(": no value behind it"));
        }
        made(match op {
            Op::OneOf => Test::OneOf(values),
            _ => Test::NoneOf(values),
        })
    }

    /// Whether only a number can meet it.
    pub(crate) fn is_of_numbers(&self) -> bool {
        matches!(self.test, Test::Size(..))
    }

    /// Whether a value meets it; one that is missing meets only "missing".
    pub(crate) fn holds(&self, value: Option<&str>) -> bool {
        let Some(value) = value else {
            return self.test == Test::Missing;
        };
        match &self.test {
            Test::Size(op, than) => {
                let number = value.parse::<f64>().ok();
                let order = number.and_then(|number| number.partial_cmp(than));
                order.is_some_and(|order| op.meets(order))
            }
            Test::OneOf(values) => values.iter().any(|one| same(one, value)),
            Test::NoneOf(values) => !values.iter().any(|one| same(one, value)),
            Test::Missing => false,
            Test::Known => true,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// A value without blanks and quotes around it.
fn plain(text: &str) -> String {
    let text = text.trim();
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    inner.unwrap_or(text).to_owned()
}

/// How a condition starts: the length of that, what it says, and whether a list follows.
fn sign(lower: &str) -> Option<(usize, Op, bool)> {
    let word = |word: &str| {
        lower
            .strip_prefix(word)
            .is_some_and(|rest| rest.starts_with(' '))
    };
    let signs = SIGNS.iter().find(|(sign, _)| lower.starts_with(sign));
    if let Some((sign, op)) = signs {
        return Some((sign.len(), *op, false));
    }
    let found = WORDS.iter().find(|(words, _)| word(words));
    if let Some((words, op)) = found {
        return Some((words.len(), *op, false));
    }
    let found = LISTS.iter().find(|(words, _)| word(words));
    found.map(|(words, op)| (words.len(), *op, words.ends_with("in")))
}

/// Equal as numbers, as yes and no, or as texts.
fn same(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.total_cmp(&other).is_eq(),
        _ => matches!(
            (yes_or_no(one), yes_or_no(other)),
            (Some(one), Some(other)) if one == other
        ),
    }
}

#[cfg(test)]
mod tests;
