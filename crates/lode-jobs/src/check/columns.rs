//! The columns that a table offers to an algorithm.

use lode_types::ColumnType;
use lode_types::role_of;

use super::BoundColumn;
use crate::Error;
use crate::Result;

/// The columns of a query's answer, a job's output or a view's rows.
pub(super) fn arrow_columns(schema: &arrow_schema::Schema) -> Result<Vec<BoundColumn>> {
    let mut columns = Vec::new();
    for field in schema.fields() {
        // A column of a type that no algorithm takes is left out, not an error: a query
        // may select it for people.
        if let Some(column_type) = ColumnType::from_arrow(field.data_type()) {
            if columns
                .iter()
                .any(|c: &BoundColumn| c.name == *field.name())
            {
                return Err(Error::invalid(
                    "DUPLICATE_COLUMN",
                    "",
                    format!(
                        "expected unique column names, found {:?} twice: name them with AS",
                        field.name()
                    ),
                ));
            }
            columns.push(BoundColumn {
                name: field.name().clone(),
                column_type,
                role: role_of(field),
            });
        }
    }
    Ok(columns)
}
