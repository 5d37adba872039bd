//! A short list of things, in rows and columns: datasets, jobs, models.

use comfy_table::CellAlignment;
use comfy_table::ColumnConstraint;
use comfy_table::LineStyle;
use comfy_table::Table;
use comfy_table::TableStyle;
use comfy_table::Width;
use serde::Serialize;

use crate::failure::Result;
use crate::output::Cell;
use crate::output::Format;
use crate::output::print;
use crate::output::print_json;

/// Widest column of a table for people, in characters; longer text is wrapped.
const MAX_WIDTH: u16 = 72;

/// Rows under named columns.
#[derive(Clone, Debug)]
pub(crate) struct List {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl List {
    /// An empty list with these columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// An empty list with these columns.
    pub(crate) fn with_columns(columns: Vec<String>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Prints the list, or `json` where JSON is asked for; `empty` tells people that there
    /// is nothing and what to do.
    pub(crate) fn print(&self, format: Format, json: &impl Serialize, empty: &str) -> Result<()> {
        match format {
            Format::Json => print_json(json),
            Format::Csv => print(&self.to_csv()),
            Format::Table if self.rows.is_empty() => print(empty),
            Format::Table => print(&self.to_table()),
        }
    }

    /// The list as a table for people.
    pub(crate) fn to_table(&self) -> String {
        let mut table = Table::new();
        table.load_style(style()).set_header(&self.columns);
        for row in &self.rows {
            let cells = row.iter().map(|cell| {
                let shown = comfy_table::Cell::new(visible(&cell.display()));
                match cell.is_number() {
                    true => shown.set_alignment(CellAlignment::Right),
                    false => shown,
                }
            });
            table.add_row(cells);
        }
        for (i, _) in self.columns.iter().enumerate() {
            let is_number = self
                .rows
                .iter()
                .any(|row| row.get(i).is_some_and(Cell::is_number));
            if let Some(column) = table.column_mut(i) {
                column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(MAX_WIDTH)));
                if is_number {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        table.trim_fmt()
    }

    /// The list as CSV with a header line.
    pub(crate) fn to_csv(&self) -> String {
        let mut text = String::new();
        push_csv(&mut text, self.columns.iter().map(String::as_str));
        for row in &self.rows {
            let fields: Vec<String> = row.iter().map(Cell::plain).collect();
            push_csv(&mut text, fields.iter().map(String::as_str));
        }
        text
    }
}

/// A line under the header, nothing else: dense, and plain when it is pasted somewhere.
fn style() -> TableStyle {
    TableStyle::new().header_separator(LineStyle::new('-', '-', '-', '-'))
}

/// Adds one CSV record.
pub(crate) fn push_csv<'f>(text: &mut String, fields: impl Iterator<Item = &'f str>) {
    for (i, field) in fields.enumerate() {
        if i > 0 {
            text.push(',');
        }
        let quote = field.contains(['"', ',', '\n', '\r']);
        if quote {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(field);
        }
    }
    text.push('\n');
}

/// Text without control characters, which could move a terminal's cursor.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}
