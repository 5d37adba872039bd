//! Makes the profile of a model: column by column, so that one column of all rows is the most
//! that is in memory.

use std::collections::BTreeMap;
use std::collections::HashMap;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use lode_numeric::metrics;
use lode_parts::Table;
use lode_types::Role;

use super::Bins;
use super::Distribution;
use super::FeatureProfile;
use super::Profile;
use super::Values;
use super::number_at;
use super::word_at;
use crate::Error;
use crate::Result;
use crate::SignatureColumn;
use crate::check::BoundInput;
use crate::check::BoundSource;

/// Bins of a number, without that for no value.
const NUMBER_BINS: usize = 10;
/// Words with a bin of their own.
const LEVELS: usize = 20;
/// Different words that are counted; what comes later is one of the others.
const MOST_WORDS: usize = 10_000;
/// Longest word with a bin of its own, in bytes.
const LONGEST_WORD: usize = 100;
/// Most words of a column that are kept beyond those with a bin.
const MOST_OTHER_WORDS: usize = 1_000;
/// Most such words of all columns, so that a card stays small.
const MOST_OTHER_WORDS_OF_ALL: usize = 20_000;
/// Most features of a profile; more are left out, so that a card stays small.
const MOST_FEATURES: usize = 2_000;

/// The rows that a model was made from.
pub(crate) struct Rows<'a> {
    /// The first input of the fit.
    pub(crate) table: &'a Table,
    /// Its columns as they were bound.
    pub(crate) columns: &'a [SignatureColumn],
    /// Meanings by column.
    pub(crate) descriptions: &'a BTreeMap<String, String>,
    /// The table of scores, a row for each of `table`, and its column.
    pub(crate) scores: Option<(&'a Table, &'a str)>,
}

/// Makes a profile. Rows without a label did not teach, and do not count; others count by
/// their weight.
pub(crate) fn make(rows: &Rows<'_>) -> Result<Profile> {
    let weights = weights(rows)?;
    let mut features = Vec::new();
    let mut room = MOST_OTHER_WORDS_OF_ALL;
    for column in rows.columns {
        if features.len() >= MOST_FEATURES || !matches!(column.role, None | Some(Role::Item)) {
            continue;
        }
        let Some(made) = distribution(rows.table, &column.name, &weights)? else {
            continue;
        };
        let other_words = made.other_words.filter(|words| words.len() <= room);
        room -= other_words.as_ref().map_or(0, Vec::len);
        features.push(FeatureProfile {
            other_words,
            name: column.name.clone(),
            description: rows
                .descriptions
                .get(&column.name)
                .cloned()
                .unwrap_or_default(),
            typical: made.typical,
            values: made.values,
        });
    }
    let mut score = None;
    if let Some((table, column)) = rows.scores
        && table.rows() == rows.table.rows()
    {
        score = distribution(table, column, &weights)?.map(|made| made.values);
    }
    Ok(Profile {
        rows: weights.iter().filter(|weight| **weight > 0.0).count() as u64,
        score,
        features,
    })
}

/// What the columns of an input mean, where that is known.
pub(crate) fn descriptions(input: &BoundInput) -> BTreeMap<String, String> {
    let view = match &input.source {
        BoundSource::Features { view, .. } => view.view(),
        BoundSource::TrainingSet(set) => set.view.view(),
        _ => return BTreeMap::new(),
    };
    let mut descriptions = BTreeMap::new();
    for feature in view.features() {
        for (column, _) in &feature.columns {
            descriptions.insert(column.clone(), feature.description.clone());
        }
    }
    descriptions
}

struct Made {
    values: Distribution,
    typical: Option<String>,
    /// As [`FeatureProfile::other_words`].
    other_words: Option<Vec<String>>,
}

/// What each row counts.
fn weights(rows: &Rows<'_>) -> Result<Vec<f64>> {
    let named = |role: Role| {
        let mut columns = rows.columns.iter();
        let column = columns.find(|column| column.role == Some(role));
        column.map(|column| column.name.as_str())
    };
    let mut weights = Vec::with_capacity(usize::try_from(rows.table.rows()).unwrap_or(0));
    let schema = rows.table.schema();
    let label = named(Role::Label).map(|name| schema.index_of(name));
    let weight = named(Role::Weight).map(|name| schema.index_of(name));
    let (label, weight) = (label.transpose()?, weight.transpose()?);
    let projection: Vec<usize> = label.iter().chain(&weight).copied().collect();
    for i in 0..rows.table.n_batches() {
        if projection.is_empty() {
            weights.extend(std::iter::repeat_n(1.0, rows.table.batch_rows(i)?));
            continue;
        }
        let batch = rows.table.batch(i, Some(&projection))?;
        let labels = label.map(|_| batch.column(0).clone());
        let given = match weight {
            Some(_) => {
                let last = batch.column(projection.len() - 1);
                Some(arrow_cast::cast(last, &DataType::Float64)?)
            }
            None => None,
        };
        for row in 0..batch.num_rows() {
            let known = labels.as_ref().is_none_or(|labels| labels.is_valid(row));
            let weight = match &given {
                Some(given) => number_at(given.as_primitive::<Float64Type>(), row),
                None => Some(1.0),
            };
            weights.push(if known { weight.unwrap_or(0.0) } else { 0.0 });
        }
    }
    Ok(weights)
}

/// How the values of one column lie; none for a column that is neither numbers nor words.
fn distribution(table: &Table, name: &str, weights: &[f64]) -> Result<Option<Made>> {
    let column = table.schema().index_of(name)?;
    let mut numbers: Vec<(f64, f64)> = Vec::new();
    let mut words: HashMap<String, f64> = HashMap::new();
    let (mut others, mut missing) = (0.0, 0.0);
    let mut is_words = false;
    let mut is_complete = true;
    let mut from = 0;
    for i in 0..table.n_batches() {
        let batch = table.batch(i, Some(&[column]))?;
        let Some(values) = Values::of(batch.column(0))? else {
            return Ok(None);
        };
        let weights = weights
            .get(from..from + values.len())
            .ok_or_else(|| Error::bug("a table has more rows than it said"))?;
        from += values.len();
        match values {
            Values::Numbers(array) => {
                for (row, &weight) in weights.iter().enumerate() {
                    match number_at(&array, row) {
                        _ if weight <= 0.0 => {}
                        Some(value) => numbers.push((value, weight)),
                        None => missing += weight,
                    }
                }
            }
            Values::Words(array) => {
                is_words = true;
                for (row, &weight) in weights.iter().enumerate() {
                    match word_at(&array, row) {
                        _ if weight <= 0.0 => {}
                        None => missing += weight,
                        Some(word) if word.len() > LONGEST_WORD => {
                            is_complete = false;
                            others += weight;
                        }
                        Some(word) => {
                            if let Some(sum) = words.get_mut(word) {
                                *sum += weight;
                            } else if words.len() < MOST_WORDS {
                                words.insert(word.to_owned(), weight);
                            } else {
                                is_complete = false;
                                others += weight;
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(Some(match is_words {
        true => of_words(words, others, missing, is_complete),
        false => of_numbers(numbers, missing)?,
    }))
}

fn of_numbers(mut numbers: Vec<(f64, f64)>, missing: f64) -> Result<Made> {
    let total: f64 = numbers.iter().map(|(_, weight)| weight).sum();
    let sum: f64 = numbers.iter().map(|(value, weight)| value * weight).sum();
    numbers.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (values, row_weights): (Vec<f64>, Vec<f64>) = numbers.iter().copied().unzip();
    let edges = metrics::number_edges(&values, Some(&row_weights), NUMBER_BINS)
        .map_err(|error| Error::bug(error.to_string()))?;
    drop((values, row_weights));
    let bins = Bins::Edges(edges);
    let mut weights = vec![0.0; bins.len()];
    for (value, weight) in &numbers {
        weights[bins.of_number(Some(*value))] += weight;
    }
    if let Some(last) = weights.last_mut() {
        *last = missing;
    }
    // A count keeps its whole number.
    let mut passed = 0.0;
    let median = numbers.iter().find(|(_, weight)| {
        passed += weight;
        passed * 2.0 >= total
    });
    Ok(Made {
        typical: median.map(|(value, _)| value.to_string()),
        values: Distribution {
            bins,
            weights,
            mean: (total > 0.0)
                .then(|| sum / total)
                .filter(|mean| mean.is_finite()),
        },
        other_words: None,
    })
}

fn of_words(words: HashMap<String, f64>, mut others: f64, missing: f64, is_complete: bool) -> Made {
    let mut words: Vec<(String, f64)> = words.into_iter().collect();
    words.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let typical = words.first().map(|(word, _)| word.clone());
    let mut other_words = Vec::new();
    if words.len() > LEVELS {
        // In the order of the words: sums of weights are then the same each time.
        for (word, weight) in words.drain(LEVELS..) {
            others += weight;
            other_words.push(word);
        }
        other_words.sort_unstable();
    }
    words.sort_by(|a, b| a.0.cmp(&b.0));
    let (levels, mut weights): (Vec<String>, Vec<f64>) = words.into_iter().unzip();
    weights.extend([others, missing]);
    Made {
        typical,
        values: Distribution {
            bins: Bins::Levels(levels),
            weights,
            mean: None,
        },
        other_words: (is_complete && other_words.len() <= MOST_OTHER_WORDS).then_some(other_words),
    }
}
