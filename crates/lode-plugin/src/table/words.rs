//! A column of text as words: codes of a vocabulary that the model keeps.
//!
//! A word is a run of letters and digits of any script (Unicode alphabetic or numeric), in
//! lower case; everything else separates, so that `don't` is `don` and `t`. There is no
//! stemming, no list of stop words and no normalization: text is expected in composed form
//! (NFC), as nearly all is. Invariant: codes depend on the vocabulary and the text alone.

use std::collections::HashMap;

use serde::Deserialize;
use serde::Serialize;

use crate::Column;
use crate::Result;

/// Which words are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordOptions {
    /// A word has to occur this often in all rows together.
    pub min_count: u64,
    /// Most words; the most frequent are taken, of equals the first by text.
    pub max_words: usize,
}

impl Default for WordOptions {
    fn default() -> Self {
        Self {
            min_count: 2,
            max_words: 50_000,
        }
    }
}

/// The words that have a code, sorted; it is serializable, for the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vocabulary {
    words: Vec<String>,
}

/// The words of each row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    offsets: Vec<usize>,
    codes: Vec<u32>,
}

impl Vocabulary {
    /// Collects the words of a column of text.
    ///
    /// One pass over the text, a sort of the different words.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the column is not text.
    pub fn learn(column: &Column<'_>, options: &WordOptions) -> Result<Self> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        let mut word = String::new();
        for text in column.text_iter()?.flatten() {
            each_word(text, &mut word, |word| match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(word.to_owned(), 1);
                }
            });
        }
        let mut counts: Vec<(String, u64)> = counts
            .into_iter()
            .filter(|(_, count)| *count >= options.min_count)
            .collect();
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        // Codes have 32 bits.
        counts.truncate(options.max_words.min(u32::MAX as usize));
        let mut words: Vec<String> = counts.into_iter().map(|(word, _)| word).collect();
        words.sort_unstable();
        Ok(Self { words })
    }

    /// The words, sorted; a code is an index into them.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The code of a word in lower case.
    pub fn code(&self, word: &str) -> Option<u32> {
        let found = self.words.binary_search_by(|w| w.as_str().cmp(word)).ok()?;
        u32::try_from(found).ok()
    }

    /// The words of each row as codes, in the order of the text. A word that is not in the
    /// vocabulary is left out; a null has no words.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the column is not text.
    pub fn encode(&self, column: &Column<'_>) -> Result<Words> {
        let codes_of: HashMap<&str, u32> = self.words.iter().map(String::as_str).zip(0..).collect();
        let mut offsets = vec![0];
        let mut codes = Vec::new();
        let mut word = String::new();
        for text in column.text_iter()? {
            each_word(text.unwrap_or_default(), &mut word, |word| {
                codes.extend(codes_of.get(word));
            });
            offsets.push(codes.len());
        }
        Ok(Words { offsets, codes })
    }
}

impl Words {
    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The codes of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.codes[self.offsets[row]..self.offsets[row + 1]]
    }
}

/// Gives each word of a text, written into `word`.
fn each_word(text: &str, word: &mut String, mut found: impl FnMut(&str)) {
    for part in text.split(|letter: char| !letter.is_alphanumeric()) {
        if part.is_empty() {
            continue;
        }
        word.clear();
        word.extend(part.chars().flat_map(char::to_lowercase));
        found(word);
    }
}

#[cfg(test)]
mod tests;
