//! Keeps the bad rows of a chunk, each with its reason and its original text.
//!
//! Invariant: `row_json` is always a whole JSON object of at most 3 KiB: values that do not
//! fit are cut, further ones are left out.

use std::borrow::Cow;

use crate::Error;
use crate::Result;
use crate::parse::Problem;

/// Longest `row_json`.
const MAX_ROW_BYTES: usize = 3 << 10;
/// Most bad rows that are kept of one chunk.
const MAX_ROWS: usize = 250_000;
/// Most bytes of text that are kept of one chunk's bad rows.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// A row that was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// Number of the row within its chunk, from 0.
    pub row: u32,
    /// The offending column as the dataset spells it; empty when no one column is to blame.
    pub column: String,
    /// UPPER_SNAKE_CASE, e.g. `NOT_A_NUMBER`.
    pub reason: &'static str,
    /// What was expected and what was found.
    pub message: String,
    /// A JSON object of source column to text, cut at 3 KiB.
    pub row_json: String,
}

/// The bad rows so far.
#[derive(Default)]
pub(super) struct Rejects {
    rows: Vec<RejectedRow>,
    text_bytes: usize,
}

impl Rejects {
    /// Sets a row aside. `fields` are the source's columns and their text, none for null.
    pub(super) fn add<'a>(
        &mut self,
        row: u32,
        column: &str,
        problem: &Problem,
        found: &str,
        fields: impl Iterator<Item = (Cow<'a, str>, Option<Cow<'a, str>>)>,
    ) -> Result<()> {
        let message = problem.message(found);
        let row_json = row_json(fields);
        self.text_bytes += column.len() + message.len() + row_json.len();
        if self.rows.len() == MAX_ROWS {
            return Err(Error::TooManyRejected {
                unit: "rows",
                limit: MAX_ROWS as u64,
            });
        }
        if self.text_bytes > MAX_TEXT_BYTES {
            return Err(Error::TooManyRejected {
                unit: "bytes",
                limit: MAX_TEXT_BYTES as u64,
            });
        }
        self.rows.push(RejectedRow {
            row,
            column: column.to_owned(),
            reason: problem.reason(),
            message,
            row_json,
        });
        Ok(())
    }

    /// All of them, in the order they were added.
    pub(super) fn into_rows(self) -> Vec<RejectedRow> {
        self.rows
    }
}

fn row_json<'a>(fields: impl Iterator<Item = (Cow<'a, str>, Option<Cow<'a, str>>)>) -> String {
    let mut json = String::from("{");
    for (name, value) in fields {
        let start = json.len();
        if start > 1 {
            json.push(',');
        }
        // Room for the value's quotes, the colon and the closing brace.
        let fits = push_text(&mut json, &name, MAX_ROW_BYTES - 8);
        json.push(':');
        let fits = fits
            && match value {
                Some(value) => push_text(&mut json, &value, MAX_ROW_BYTES - 2),
                None => {
                    json.push_str("null");
                    json.len() < MAX_ROW_BYTES
                }
            };
        if !fits {
            // A cut value is worth keeping, a cut name is not.
            if !json.ends_with('"') {
                json.truncate(start);
            }
            break;
        }
    }
    json.push('}');
    json
}

/// Adds a JSON string as far as `json` stays within `limit` before its closing quote; tells
/// whether all of it went in.
fn push_text(json: &mut String, text: &str, limit: usize) -> bool {
    json.push('"');
    for c in text.chars() {
        let mut plain = [0; 4];
        let escaped: Cow<'_, str> = match c {
            '"' => "\\\"".into(),
            '\\' => "\\\\".into(),
            '\n' => "\\n".into(),
            '\r' => "\\r".into(),
            '\t' => "\\t".into(),
            '\0'..='\u{1f}' => format!("\\u{:04x}", u32::from(c)).into(),
            _ => Cow::from(&*c.encode_utf8(&mut plain)),
        };
        if json.len() + escaped.len() > limit {
            json.push('"');
            return false;
        }
        json.push_str(&escaped);
    }
    json.push('"');
    true
}
