//! What a feature's value says of a customer, in plain words: "no order for 143 days (typical:
//! 20)".
//!
//! Reads the sentences that `describe` writes; a column that comes with another description,
//! or with none, is told by its name. Invariant: the value itself is always in the words, and
//! equal arguments give equal words.

mod meaning;
mod number;

use meaning::Meaning;
use meaning::meaning;
use meaning::name_words;
use number::days;
use number::plain;

/// A feature's value in words; see [`Phrase`].
pub fn words(name: &str, description: &str, value: Option<&str>, typical: Option<&str>) -> String {
    Phrase::new(name, description, typical).say(value)
}

/// A feature that is ready to be told of many customers.
#[derive(Debug)]
pub struct Phrase {
    /// The column's name in words.
    name: String,
    meaning: Meaning,
    typical: Option<String>,
}

impl Phrase {
    /// Reads what there is to say of a feature: `name` is the column's, `description` its exact
    /// meaning as [`crate::FeatureInfo`] gives it (empty: not known), `typical` what most customers
    /// have there, as people write it.
    pub fn new(name: &str, description: &str, typical: Option<&str>) -> Self {
        Self {
            name: name_words(name),
            meaning: meaning(name, description),
            typical: typical.map(str::to_owned),
        }
    }

    /// The words for a value as people write it (none: no value). What is typical stands in
    /// brackets behind what differs from it.
    pub fn say(&self, value: Option<&str>) -> String {
        let Some(value) = value else {
            return unknown(&self.name, &self.meaning);
        };
        let number = value.parse::<f64>().ok().filter(|value| value.is_finite());
        match number {
            Some(number) => self.number(number),
            None => self.word(value),
        }
    }

    fn number(&self, number: f64) -> String {
        let usual = self
            .typical
            .as_deref()
            .and_then(|typical| typical.parse::<f64>().ok());
        let in_days = |said: String| beside(said, &days(number), usual.map(days));
        let as_is = |said: String| beside(said, &plain(number), usual.map(plain));
        match &self.meaning {
            Meaning::Recency { thing } => {
                // Whoever was here lately is told by when, whoever was not by how long.
                let long = usual.is_none_or(|usual| number > usual);
                in_days(match long {
                    true => format!("no {} for {}", thing.one(), days(number)),
                    false => format!("last {} {} ago", thing.one(), days(number)),
                })
            }
            Meaning::First { thing } => {
                in_days(format!("first {} {} ago", thing.one(), days(number)))
            }
            Meaning::Count { thing, over } => {
                as_is(format!("{} {}{over}", plain(number), thing.many(number)))
            }
            Meaning::Trend { of, over } => as_is(match number {
                0.0 => format!("{of} neither rises nor falls{over}"),
                fall if fall < 0.0 => format!("{of} falls by {} a day{over}", plain(-fall)),
                rise => format!("{of} rises by {} a day{over}", plain(rise)),
            }),
            Meaning::Share { of, over } => {
                let share = |share: f64| format!("{}%", plain(share * 100.0));
                let said = format!("{} of {of}{over}", share(number));
                beside(said, &share(number), usual.map(share))
            }
            Meaning::Days { what, over } => in_days(format!("{what} {}{over}", days(number))),
            Meaning::Spent { with, over } => as_is(format!("spent {}{with}{over}", plain(number))),
            Meaning::Value { what, over } => as_is(format!("{what} {}{over}", plain(number))),
            Meaning::Named => as_is(format!("{}: {}", self.name, plain(number))),
        }
    }

    fn word(&self, value: &str) -> String {
        let shown = yes_or_no(value);
        let said = match &self.meaning {
            Meaning::Value { what, over } => format!("{what} {shown}{over}"),
            _ => format!("{}: {shown}", self.name),
        };
        let typical = self
            .typical
            .as_deref()
            .map(|word| yes_or_no(word).to_owned());
        beside(said, shown, typical)
    }
}

/// What no value says.
fn unknown(name: &str, meaning: &Meaning) -> String {
    match meaning {
        Meaning::Recency { thing } | Meaning::First { thing } => format!("never {}", thing.any()),
        Meaning::Count { thing, over } => format!("no {}{over}", thing.many(0.0)),
        Meaning::Trend { of, over } => format!("no trend of {of}{over}"),
        Meaning::Share { of, over } => format!("no share of {of}{over}"),
        Meaning::Spent { with, over } => format!("amount spent{with} not known{over}"),
        Meaning::Days { what, over } | Meaning::Value { what, over } => {
            format!("{what} not known{over}")
        }
        Meaning::Named => format!("{name}: not known"),
    }
}

/// With what is usual, where that reads otherwise.
fn beside(said: String, shown: &str, typical: Option<String>) -> String {
    match typical.filter(|typical| typical != shown) {
        Some(typical) => format!("{said} (typical: {typical})"),
        None => said,
    }
}

fn yes_or_no(value: &str) -> &str {
    match value {
        "true" => "yes",
        "false" => "no",
        other => other,
    }
}
