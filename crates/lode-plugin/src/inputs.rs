//! The tables that a call was given, by the names that the spec declares.

use crate::Error;
use crate::Result;
use crate::Table;

/// The input tables of a call.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    tables: Vec<Table>,
}

impl Inputs {
    /// No tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same tables and one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, table: Table) -> Self {
        self.tables.push(table.named(name.into()));
        self
    }

    /// The table of that name.
    ///
    /// # Errors
    /// `INPUT_INVALID` when the call was not given it.
    pub fn table(&self, name: &str) -> Result<&Table> {
        self.optional(name).ok_or_else(|| {
            Error::invalid(
                format!("inputs.{name}"),
                format!("expected an input named {name:?}, found none"),
            )
        })
    }

    /// The table of that name, if the call was given it.
    pub fn optional(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name() == name)
    }
}
