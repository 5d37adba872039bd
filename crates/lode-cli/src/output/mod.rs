//! Prints answers to stdout: tables for people, JSON and CSV for programs.
//!
//! Messages go to stderr, never here, so that what is printed can be piped.

mod cells;
mod list;
mod rows;
mod words;

use std::io;
use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::Result;

pub(crate) use cells::Cell;
pub(crate) use cells::cell;
pub(crate) use cells::json as cell_json;
pub(crate) use cells::json_rows;
pub(crate) use cells::number;
pub(crate) use cells::value_cell;
pub(crate) use list::List;
pub(crate) use rows::check_file;
pub(crate) use rows::print_rows;
pub(crate) use rows::write_file;
pub(crate) use words::count;
pub(crate) use words::duration;
pub(crate) use words::of;
pub(crate) use words::size;
pub(crate) use words::time;

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs; one value or one array
    Json,
    /// For spreadsheets; a header line, then rows
    Csv,
}

/// Prints text to stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text)
}
