//! Finds where CSV records end, so that a text can be cut into chunks of whole records.
//!
//! Follows the quoting that the engine reads by (RFC 4180): a quote opens only at the start
//! of a field, `""` inside is a quote, line ends inside quotes belong to the field. Does not
//! split records into fields. Invariant: the state after `n` bytes does not depend on how
//! the bytes were handed over.

/// Where in a record the scanner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside quotes: the end of the field, or the first half of `""`.
    QuoteInQuoted,
}

/// A scanner of CSV text that remembers its place between calls.
#[derive(Clone, Debug)]
pub(crate) struct Cutter {
    delimiter: u8,
    state: State,
}

impl Cutter {
    /// A scanner that stands at the start of a record.
    pub(crate) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            state: State::FieldStart,
        }
    }

    /// Reads on over `bytes`; gives the offset after the last record that ends in them, if
    /// one does. A record ends after its line feed.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut last_end = None;
        let mut state = self.state;
        for (i, &byte) in bytes.iter().enumerate() {
            state = match (state, byte) {
                (State::Quoted, b'"') => State::QuoteInQuoted,
                (State::Quoted, _) => State::Quoted,
                (_, b'\n') => {
                    last_end = Some(i + 1);
                    State::FieldStart
                }
                // A carriage return ends the record too; the line feed after it is blank.
                (_, b'\r') => State::FieldStart,
                (_, byte) if byte == self.delimiter => State::FieldStart,
                (State::FieldStart | State::QuoteInQuoted, b'"') => State::Quoted,
                (_, _) => State::Plain,
            };
        }
        self.state = state;
        last_end
    }

    /// Reads on over `bytes` and stops after the first record that ends in them.
    pub(crate) fn scan_one(&mut self, bytes: &[u8]) -> Option<usize> {
        for i in 0..bytes.len() {
            if self.scan(&bytes[i..=i]).is_some() {
                return Some(i + 1);
            }
        }
        None
    }

    /// Whether the text so far ends inside quotes.
    pub(crate) fn is_inside_quotes(&self) -> bool {
        self.state == State::Quoted
    }
}

#[cfg(test)]
pub(crate) mod tests;
