//! Finds words that no row had that taught: a model says nothing of them.
//!
//! Invariant: what is called unseen certainly is; a column with too many words to keep has none.

use arrow_array::Array;
use arrow_array::RecordBatch;

use super::Bins;
use super::Profile;
use super::Values;
use super::word_at;
use crate::Result;

/// The columns of `rows` with an unseen word, and in which rows they have one.
pub(crate) fn unseen<'a>(
    profile: &'a Profile,
    rows: &RecordBatch,
) -> Result<Vec<(&'a str, Vec<usize>)>> {
    let mut found = Vec::new();
    for feature in &profile.features {
        let is_told = feature.other_words.is_some();
        if !is_told || !matches!(feature.values.bins, Bins::Levels(_)) {
            continue;
        }
        let column = rows.column_by_name(&feature.name);
        let Some(Values::Words(words)) = column.map(Values::of).transpose()?.flatten() else {
            continue;
        };
        let is_unseen = |row: &usize| word_at(&words, *row).is_some_and(|w| feature.is_unseen(w));
        let places: Vec<usize> = (0..words.len()).filter(is_unseen).collect();
        if !places.is_empty() {
            found.push((feature.name.as_str(), places));
        }
    }
    Ok(found)
}
