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

/// A feature's value in words.
///
/// `name` is the column's, `description` its exact meaning as [`crate::FeatureInfo`] gives it
/// (empty: not known), `value` as people write it (none: no value), and `typical` what most
/// customers have there, which stands in brackets behind what differs from it.
pub fn words(name: &str, description: &str, value: Option<&str>, typical: Option<&str>) -> String {
    let meaning = meaning(name, description);
    let Some(value) = value else {
        return unknown(name, &meaning);
    };
    let number = value.parse::<f64>().ok().filter(|value| value.is_finite());
    let usual = typical.and_then(|typical| typical.parse::<f64>().ok());
    match (number, &meaning) {
        (Some(number), Meaning::Recency { thing }) => {
            // Whoever was here lately is told by when, whoever was not by how long.
            let long = usual.is_none_or(|usual| number > usual);
            let said = match long {
                true => format!("no {} for {}", thing.one(), days(number)),
                false => format!("last {} {} ago", thing.one(), days(number)),
            };
            beside(said, &days(number), usual.map(days))
        }
        (Some(number), Meaning::First { thing }) => {
            let said = format!("first {} {} ago", thing.one(), days(number));
            beside(said, &days(number), usual.map(days))
        }
        (Some(number), Meaning::Count { thing, over }) => {
            let said = format!("{} {}{over}", plain(number), thing.many(number));
            beside(said, &plain(number), usual.map(plain))
        }
        (Some(number), Meaning::Trend { of, over }) => {
            let said = match number {
                0.0 => format!("{of} neither rises nor falls{over}"),
                fall if fall < 0.0 => format!("{of} falls by {} a day{over}", plain(-fall)),
                rise => format!("{of} rises by {} a day{over}", plain(rise)),
            };
            beside(said, &plain(number), usual.map(plain))
        }
        (Some(number), Meaning::Share { of, over }) => {
            let share = |share: f64| format!("{}%", plain(share * 100.0));
            let said = format!("{} of {of}{over}", share(number));
            beside(said, &share(number), usual.map(share))
        }
        (Some(number), Meaning::Days { what, over }) => {
            let said = format!("{what} {}{over}", days(number));
            beside(said, &days(number), usual.map(days))
        }
        (Some(number), Meaning::Value { what, over }) => {
            let said = format!("{what} {}{over}", plain(number));
            beside(said, &plain(number), usual.map(plain))
        }
        (Some(number), Meaning::Named) => {
            let said = format!("{}: {}", name_words(name), plain(number));
            beside(said, &plain(number), usual.map(plain))
        }
        (None, meaning) => {
            let shown = yes_or_no(value);
            let said = match meaning {
                Meaning::Value { what, over } => format!("{what} {shown}{over}"),
                _ => format!("{}: {shown}", name_words(name)),
            };
            beside(said, shown, typical.map(|word| yes_or_no(word).to_owned()))
        }
    }
}

/// What no value says.
fn unknown(name: &str, meaning: &Meaning) -> String {
    match meaning {
        Meaning::Recency { thing } | Meaning::First { thing } => format!("never {}", thing.any()),
        Meaning::Count { thing, over } => format!("no {}{over}", thing.many(0.0)),
        Meaning::Trend { of, over } => format!("no trend of {of}{over}"),
        Meaning::Share { of, over } => format!("no share of {of}{over}"),
        Meaning::Days { what, over } | Meaning::Value { what, over } => {
            format!("{what} not known{over}")
        }
        Meaning::Named => format!("{}: not known", name_words(name)),
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
