//! Conditions on the value of a reason: "above 3", "= premium", "in a, b", "missing".

use std::fmt;

/// Words for what can be written.
const FORMS: &str = "expected \"above N\", \"at least N\", \"below N\", \"at most N\", \
     \"= VALUE\", \"!= VALUE\", \"in A, B\", \"missing\" or \"known\"";

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    /// As it was written.
    text: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Above(f64),
    AtLeast(f64),
    Below(f64),
    AtMost(f64),
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    Missing,
    Known,
}

/// How a condition starts; longer signs before those that they start with.
const SIGNS: [(&str, Sign); 16] = [
    (">=", Sign::AtLeast),
    ("<=", Sign::AtMost),
    ("!=", Sign::NoneOf),
    ("==", Sign::OneOf),
    (">", Sign::Above),
    ("<", Sign::Below),
    ("=", Sign::OneOf),
    ("at least ", Sign::AtLeast),
    ("at most ", Sign::AtMost),
    ("above ", Sign::Above),
    ("below ", Sign::Below),
    ("is not ", Sign::NoneOf),
    ("is ", Sign::OneOf),
    ("not in ", Sign::NoneOfList),
    ("not ", Sign::NoneOf),
    ("in ", Sign::List),
];

#[derive(Clone, Copy)]
enum Sign {
    Above,
    AtLeast,
    Below,
    AtMost,
    OneOf,
    NoneOf,
    List,
    NoneOfList,
}

impl Condition {
    /// Reads a condition.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
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
        let Some((sign, kind)) = SIGNS.iter().find(|(sign, _)| lower.starts_with(sign)) else {
            return Err(refused(""));
        };
        // The signs are ASCII, so the rest starts at a letter.
        let rest = text[sign.len()..].trim();
        let number = || {
            let number = rest.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| refused(": no number behind it"))
        };
        let values = |list: bool| {
            let parts: Vec<&str> = match list {
                true => rest.split(',').collect(),
                false => vec![rest],
            };
            let values: Vec<String> = parts.iter().map(|part| plain(part)).collect();
            match values.iter().any(String::is_empty) {
                true => Err(refused(": no value behind it")),
                false => Ok(values),
            }
        };
        made(match kind {
            Sign::Above => Test::Above(number()?),
            Sign::AtLeast => Test::AtLeast(number()?),
            Sign::Below => Test::Below(number()?),
            Sign::AtMost => Test::AtMost(number()?),
            Sign::OneOf => Test::OneOf(values(false)?),
            Sign::NoneOf => Test::NoneOf(values(false)?),
            Sign::List => Test::OneOf(values(true)?),
            Sign::NoneOfList => Test::NoneOf(values(true)?),
        })
    }

    /// Whether only a number can meet it.
    pub(super) fn is_of_numbers(&self) -> bool {
        matches!(
            self.test,
            Test::Above(_) | Test::AtLeast(_) | Test::Below(_) | Test::AtMost(_)
        )
    }

    /// Whether a value meets it; one that is missing meets only "missing".
    pub(super) fn holds(&self, value: Option<&str>) -> bool {
        let Some(value) = value else {
            return self.test == Test::Missing;
        };
        let number = value.parse::<f64>().ok();
        let with = |test: &dyn Fn(f64) -> bool| number.is_some_and(test);
        match &self.test {
            Test::Above(than) => with(&|number| number > *than),
            Test::AtLeast(than) => with(&|number| number >= *than),
            Test::Below(than) => with(&|number| number < *than),
            Test::AtMost(than) => with(&|number| number <= *than),
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

/// Equal as numbers, as yes and no, or as texts.
fn same(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.total_cmp(&other).is_eq(),
        _ => matches!(
            (one, other),
            ("yes", "true") | ("no", "false") | ("true", "yes") | ("false", "no")
        ),
    }
}

#[cfg(test)]
mod tests;
