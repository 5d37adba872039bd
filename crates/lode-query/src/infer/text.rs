//! What the values of a CSV column say of its type.
//!
//! A type stands only while every value that is not blank fits it. Digits that a number would
//! not keep (leading zeros, a plus sign, more than 64 bits) speak for text.

use std::collections::HashSet;

use lode_types::ColumnType;

use crate::infer::MAX_DISTINCT;
use crate::infer::names::Names;
use crate::parse;

/// A column as seen so far.
pub(super) struct Evidence {
    values: u64,
    int: bool,
    float: bool,
    /// Floats without a fraction so far, e.g. `17850.0`.
    whole: bool,
    /// The only number so far, by its bits.
    only: Option<u64>,
    varies: bool,
    date: bool,
    compact_date: bool,
    timestamp: bool,
    word: bool,
    utf8: bool,
    /// Values seen, where repeats matter.
    seen: Option<HashSet<Vec<u8>>>,
    repeats: bool,
}

impl Evidence {
    /// Nothing seen; with a set, values are watched for repeats.
    pub(super) fn new(seen: Option<HashSet<Vec<u8>>>) -> Self {
        Self {
            values: 0,
            int: true,
            float: true,
            whole: true,
            only: None,
            varies: false,
            date: true,
            compact_date: true,
            timestamp: true,
            word: true,
            utf8: true,
            seen,
            repeats: false,
        }
    }

    /// Takes in one field.
    pub(super) fn see(&mut self, field: &[u8]) {
        let text = field.trim_ascii();
        if text.is_empty() {
            return;
        }
        self.values += 1;
        if let Some(seen) = &mut self.seen
            && !self.repeats
            && seen.len() < MAX_DISTINCT
        {
            self.repeats = !seen.insert(text.to_vec());
        }
        if self.float {
            self.see_number(text);
        }
        if self.date || self.compact_date {
            let day = matches!(text.len(), 8 | 10) && parse::date(text).is_ok();
            self.date &= day;
            self.compact_date &= day && text.len() == 8 && in_living_memory(text);
        }
        self.timestamp = self.timestamp && parse::timestamp(text).is_ok();
        self.word = self.word
            && (text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false"));
        self.utf8 = self.utf8 && std::str::from_utf8(text).is_ok();
    }

    /// Whether a watched value came twice.
    pub(super) fn repeats(&self) -> bool {
        self.repeats
    }

    /// The type, and why when it is not plain.
    pub(super) fn column_type(
        &self,
        names: &Names,
        column: usize,
    ) -> (ColumnType, Option<&'static str>) {
        let numeric = self.float;
        if self.values == 0 {
            return (ColumnType::String, Some("no value in the sample"));
        }
        if !self.utf8 {
            let note = "has text that is not UTF-8; such rows will be refused";
            return (ColumnType::String, Some(note));
        }
        if numeric && names.is_code(column) {
            let note = "ids of items and orders may have letters further on";
            return (ColumnType::String, Some(note));
        }
        if self.compact_date && names.is_time(column) {
            return (ColumnType::Date, Some("digits that are days, by its name"));
        }
        if numeric && self.whole && names.is_customer(column) {
            let note = "whole numbers written with a fraction of zero";
            return (ColumnType::Int64, (!self.int).then_some(note));
        }
        if self.int {
            let id = names.is_customer(column) || names.is_label(column);
            if names.is_measure(column) && !id {
                let note = "whole so far, but by its name it may have fractions";
                return (ColumnType::Float64, Some(note));
            }
            if self.values > 1 && !self.varies && !id {
                let note = "one number alone in the sample, so it may have fractions";
                return (ColumnType::Float64, Some(note));
            }
            return (ColumnType::Int64, None);
        }
        let column_type = match self {
            Self { float: true, .. } => ColumnType::Float64,
            Self { date: true, .. } => ColumnType::Date,
            Self {
                timestamp: true, ..
            } => ColumnType::Timestamp,
            Self { word: true, .. } => ColumnType::Bool,
            _ => ColumnType::String,
        };
        (column_type, None)
    }

    fn see_number(&mut self, text: &[u8]) {
        if text.eq_ignore_ascii_case(b"nan") {
            self.int = false;
            self.whole = false;
            return;
        }
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let keeps_digits = match digits {
            [b'0', next, ..] => !next.is_ascii_digit(),
            [first, ..] => first.is_ascii_digit() || *first == b'.',
            [] => false,
        };
        let is_whole = digits.iter().all(u8::is_ascii_digit);
        let value = match keeps_digits {
            true => parse::float(text).ok().flatten(),
            false => None,
        };
        let int = parse::int(text).ok();
        match value {
            Some(_) if is_whole && int.is_none() => self.float = false,
            Some(value) => {
                self.int &= is_whole;
                self.whole &= int.is_some();
                let first = *self.only.get_or_insert(value.to_bits());
                self.varies |= first != value.to_bits();
            }
            None => self.float = false,
        }
        self.int &= self.float;
    }
}

/// Whether eight digits are a day of 1900 to 2100 and not just a number.
fn in_living_memory(text: &[u8]) -> bool {
    matches!(parse::int(text), Ok(19_000_101..=21_001_231))
}
