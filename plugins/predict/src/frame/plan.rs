//! How each feature is read: what a model keeps of the table that it was made from.
//!
//! Kept as JSON. Invariant: levels are sorted by name and come from the learned rows alone.

use lode_plugin::Context;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Values;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use super::Raw;
use crate::params::Common;

/// Fewer numbers among the words of a column may be codes.
const ALMOST_NUMBERS: usize = 20;

/// The features in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub struct Plan {
    /// One a feature.
    pub features: Vec<Planned>,
}

/// A feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub struct Planned {
    /// The column's name.
    pub name: String,
    /// How it is read.
    pub kind: Kind,
}

/// How a column is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
pub enum Kind {
    /// A number, or a boolean as 0 and 1.
    Number,
    /// A text, by these levels.
    Category {
        /// Sorted.
        levels: Vec<String>,
    },
    /// The column of role item, text or integers, by these levels.
    Item {
        /// Sorted.
        levels: Vec<String>,
    },
}

impl Kind {
    /// The levels of a category.
    pub fn levels(&self) -> Option<&[String]> {
        match self {
            Self::Number => None,
            Self::Category { levels } | Self::Item { levels } => Some(levels),
        }
    }
}

impl Plan {
    /// Plans `features` by what the rows `learned` have, and warns of those that teach nothing.
    pub(crate) fn learn(
        features: &[Raw],
        learned: &[usize],
        params: &Common,
        cx: &Context<'_>,
    ) -> Result<Self> {
        let mut plan = Self::default();
        for raw in features {
            cx.check_cancelled()?;
            let kind = match &raw.values {
                Values::Number(values) => {
                    warn_of_numbers(&raw.name, values, learned, cx);
                    Kind::Number
                }
                Values::Category { codes, names } => {
                    let most = match raw.is_item {
                        true => params.max_items,
                        false => params.max_levels,
                    };
                    let (levels, n_found) = levels(codes, names, learned, most);
                    warn_of_levels(&raw.name, (levels.len(), n_found), codes, learned, cx);
                    warn_of_almost_numbers(&raw.name, names, cx);
                    match raw.is_item {
                        true => Kind::Item { levels },
                        false => Kind::Category { levels },
                    }
                }
            };
            plan.features.push(Planned {
                name: raw.name.clone(),
                kind,
            });
        }
        Ok(plan)
    }
}

/// The most frequent levels, ties by name, in the order of their names; and how many there are.
fn levels(
    codes: &[u32],
    names: &[String],
    learned: &[usize],
    max_levels: usize,
) -> (Vec<String>, usize) {
    let mut counts = vec![0_usize; names.len()];
    for row in learned {
        if let Some(count) = counts.get_mut(codes[*row] as usize) {
            *count += 1;
        }
    }
    let mut kept: Vec<usize> = (0..names.len()).filter(|name| counts[*name] > 0).collect();
    let n_found = kept.len();
    kept.sort_by(|a, b| counts[*b].cmp(&counts[*a]).then(a.cmp(b)));
    kept.truncate(max_levels);
    kept.sort_unstable();
    (
        kept.iter().map(|name| names[*name].clone()).collect(),
        n_found,
    )
}

fn warn_of_numbers(name: &str, values: &[f64], learned: &[usize], cx: &Context<'_>) {
    let mut present = learned
        .iter()
        .map(|row| values[*row])
        .filter(|value| !value.is_nan());
    let Some(first) = present.next() else {
        return cx.warn(&empty(name));
    };
    let is_constant = present.all(|value| value.total_cmp(&first).is_eq());
    let has_missing = learned.iter().any(|row| values[*row].is_nan());
    if is_constant && !has_missing {
        cx.warn(&constant(name));
    }
}

fn warn_of_levels(
    name: &str,
    (n_kept, n_found): (usize, usize),
    codes: &[u32],
    learned: &[usize],
    cx: &Context<'_>,
) {
    let has_missing = || learned.iter().any(|row| codes[*row] == Ids::NONE);
    if n_found == 0 {
        cx.warn(&empty(name));
    } else if n_found == 1 && !has_missing() {
        cx.warn(&constant(name));
    } else if n_found > n_kept {
        cx.warn(&format!(
            "column {name:?} has {n_found} values; the {n_kept} most frequent are kept, the \
             others count as never seen (max_levels, max_items)"
        ));
    }
}

/// A column of numbers that a few other words made text, such as "inf" or "n/a".
fn warn_of_almost_numbers(name: &str, names: &[String], cx: &Context<'_>) {
    let is_number = |word: &&String| word.trim().parse::<f64>().is_ok_and(f64::is_finite);
    let n_numbers = names.iter().filter(is_number).count();
    let other = names.iter().find(|word| !is_number(word));
    if let Some(other) = other
        && n_numbers >= ALMOST_NUMBERS
        && n_numbers * 10 >= names.len() * 9
    {
        let other: String = other.chars().take(30).collect();
        cx.warn(&format!(
            "column {name:?} is read as text, a level for each value, though {n_numbers} of its {} \
             values are numbers: {other:?} is none",
            names.len()
        ));
    }
}

fn empty(name: &str) -> String {
    format!("column {name:?} has no value in the rows with a label: it teaches nothing")
}

fn constant(name: &str) -> String {
    format!("column {name:?} has one value in all rows with a label: it teaches nothing")
}
