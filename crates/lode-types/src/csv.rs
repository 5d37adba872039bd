//! How CSV text is read: said once for a load, kept with it.

use serde::Deserialize;
use serde::Serialize;

/// How CSV chunks are read; a chunk has no header of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvOptions {
    /// Names of the fields, in order. A field without a name is called `column_N`, N from 1.
    pub header: Vec<String>,
    /// What separates fields, an ASCII character.
    pub delimiter: u8,
}
