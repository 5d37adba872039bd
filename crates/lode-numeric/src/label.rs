//! Which of a label's two values is the outcome, and which classes it has where there are more:
//! one rule for algorithms and for their judge.
//!
//! Does not guess: values that are not plainly yes and no are refused with what was found.

use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::Error;
use crate::Result;

/// Words that mean the outcome happened, in lower case.
const POSITIVE_WORDS: [&str; 7] = ["1", "true", "yes", "y", "t", "churned", "left"];

/// Reads labels as text into outcomes.
///
/// `positive` names the value that counts as the outcome. Without it, the outcome is the
/// one value that reads (in any case) 1, true, yes, y, t, churned or left. Blanks around a
/// value do not count, nor does the `.0` of a whole number. Null stays null.
/// There must be exactly two different values.
///
/// # Errors
/// [`Error::Label`] with the values found, at most five of them.
pub fn binary<'a>(
    labels: impl Iterator<Item = Option<&'a str>> + Clone,
    positive: Option<&str>,
) -> Result<Vec<Option<bool>>> {
    let labels = labels.map(|label| label.map(plain));
    let mut values: Vec<&str> = Vec::new();
    for label in labels.clone().flatten() {
        if values.len() <= 5 && !values.contains(&label) {
            values.push(label);
        }
    }
    values.sort_unstable();
    let refused = |expected: String| Error::Label {
        expected,
        found: values
            .iter()
            .take(5)
            .map(|&value| value.to_owned())
            .collect(),
    };
    if values.len() != 2 {
        return Err(refused("a label with exactly two values".to_owned()));
    }
    let outcome = match positive {
        Some(word) => values.iter().find(|&&value| value == plain(word)).copied(),
        None => {
            let mut candidates = values
                .iter()
                .filter(|value| POSITIVE_WORDS.contains(&value.to_lowercase().as_str()));
            match (candidates.next(), candidates.next()) {
                (Some(&only), None) => Some(only),
                _ => None,
            }
        }
    };
    let Some(outcome) = outcome else {
        return Err(refused(match positive {
            Some(word) => format!("a label with the value {word:?}"),
            None => "a label of which one value reads 1, true, yes, churned or left; \
                     or name the value with the parameter \"positive\""
                .to_owned(),
        }));
    };
    Ok(labels
        .map(|label| label.map(|label| label == outcome))
        .collect())
}

/// Reads labels as text into classes: the number of each row's class, and the classes by name,
/// in order.
///
/// As [`binary`] blanks around a value do not count, nor does the `.0` of a whole number. Null and
/// empty text stay null.
pub fn classes<'a>(
    labels: impl Iterator<Item = Option<&'a str>> + Clone,
) -> (Vec<Option<u32>>, Vec<String>) {
    let labels = labels.map(|label| label.map(plain).filter(|label| !label.is_empty()));
    let names: BTreeSet<&str> = labels.clone().flatten().collect();
    let numbers: HashMap<&str, u32> = names.iter().copied().zip(0..).collect();
    let classes = labels.map(|label| label.map(|label| numbers[label]));
    (
        classes.collect(),
        names.into_iter().map(str::to_owned).collect(),
    )
}

fn plain(label: &str) -> &str {
    let label = label.trim();
    label.strip_suffix(".0").unwrap_or(label)
}

#[cfg(test)]
mod tests;
