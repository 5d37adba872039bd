//! Why a query was refused or failed, in words for the person who wrote it.
//!
//! DataFusion's own texts carry prefixes of the layers that an error passed; here they are
//! taken off, `wording` turns the rest into what was expected and found, and an unknown
//! column is answered with the names that come near.

use std::io::ErrorKind;

use datafusion::arrow::error::ArrowError;
use datafusion::common::Column;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

use crate::wording;

/// A refusal as it is sent to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Failed {
    /// A statement that is no SELECT.
    pub(crate) fn not_a_query(found: &str) -> Self {
        Self {
            reason: "SQL_NOT_A_QUERY",
            message: format!("expected one SELECT, found {found}"),
        }
    }

    /// A query that cannot be planned.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            reason: "SQL_INVALID",
            message: message.into(),
        }
    }

    /// Expressions that would not fit on a stack.
    pub(crate) fn too_deep() -> Self {
        Self::invalid("expected expressions nested less deeply")
    }

    /// A panic in the query engine.
    pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        if is_too_long(text) {
            return Self::too_long(text);
        }
        // Stacks are memory too.
        if text.contains("can't spawn worker thread") {
            return Self {
                reason: "SQL_OUT_OF_MEMORY",
                message: "expected a query that runs in the memory it has, found one that leaves none for a thread".to_owned(),
            };
        }
        Self {
            reason: "SQL_PANICKED",
            message: format!("the query engine panicked: {}", clean(text)),
        }
    }

    /// Texts or lists that cannot be in memory, whatever its limit.
    fn too_long(text: &str) -> Self {
        let text = clean(text);
        Self {
            reason: "SQL_OUT_OF_MEMORY",
            message: format!(
                "expected texts and lists of less than 2 GiB together in a batch of rows, found longer ones: {text}"
            ),
        }
    }

    /// What planning refused.
    pub(crate) fn planning(error: &DataFusionError) -> Self {
        Self::of(error, "SQL_INVALID")
    }

    /// What running ran into.
    pub(crate) fn running(error: &DataFusionError) -> Self {
        Self::of(error, "SQL_FAILED")
    }

    pub(crate) fn parsing(error: &ParserError) -> Self {
        Self::invalid(parser_text(error))
    }

    fn of(error: &DataFusionError, reason: &'static str) -> Self {
        let root = root(error);
        if is_disk_full(root) {
            return Self {
                reason: "SQL_SPILL_FULL",
                message: "expected a query whose sorts, aggregates and joins fit into the memory and the disk it may use, found one that needs more of both".to_owned(),
            };
        }
        let message = text(root);
        if is_too_long(&message) {
            return Self::too_long(&message);
        }
        let reason = match root {
            DataFusionError::ResourcesExhausted(_) => "SQL_OUT_OF_MEMORY",
            // What the pool did not account for.
            _ if message.contains("memory allocator returned an error") => "SQL_OUT_OF_MEMORY",
            _ if is_overflow(root) => "SQL_OVERFLOW",
            _ => reason,
        };
        Self { reason, message }
    }
}

/// The error under the layers that only add to its text.
fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, root),
        DataFusionError::External(inner) => match inner.downcast_ref() {
            Some(inner) => root(inner),
            None => error,
        },
        DataFusionError::ArrowError(inner, _) => match &**inner {
            ArrowError::ExternalError(inner) => match inner.downcast_ref() {
                Some(inner) => root(inner),
                None => error,
            },
            _ => error,
        },
        _ => error,
    }
}

/// Whether what did not fit into memory did not fit onto the disk either.
fn is_disk_full(error: &DataFusionError) -> bool {
    let full = |error: &std::io::Error| {
        matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        )
    };
    match error {
        DataFusionError::ResourcesExhausted(text) => is_over_limit(text),
        // DataFusion's own limit comes out of its writer as an error of the disk.
        DataFusionError::IoError(error) => full(error) || is_over_limit(&error.to_string()),
        DataFusionError::ArrowError(error, _) => {
            matches!(&**error, ArrowError::IoError(_, error)
                if full(error) || is_over_limit(&error.to_string()))
        }
        _ => false,
    }
}

fn is_over_limit(text: &str) -> bool {
    text.contains("used disk space during the spilling")
}

/// Whether an array would be longer than its offsets or the address space allow.
fn is_too_long(text: &str) -> bool {
    let text = text.to_lowercase();
    let tells = [
        "size overflow",
        "offset overflow",
        "offset would overflow",
        "capacity overflow",
        "capacity integer overflow",
    ];
    tells.iter().any(|tell| text.contains(tell))
}

/// Whether a number did not fit its type; functions of DataFusion's own say so in their texts.
fn is_overflow(error: &DataFusionError) -> bool {
    let says_so = |text: &str| text.to_lowercase().contains("overflow");
    match error {
        DataFusionError::ArrowError(error, _) => match &**error {
            ArrowError::ArithmeticOverflow(_) => true,
            ArrowError::ComputeError(text) | ArrowError::CastError(text) => says_so(text),
            _ => false,
        },
        DataFusionError::Execution(text) => says_so(text),
        _ => false,
    }
}

fn text(error: &DataFusionError) -> String {
    match error {
        DataFusionError::SchemaError(error, _) => schema_text(error),
        DataFusionError::SQL(error, _) => parser_text(error),
        DataFusionError::ArrowError(error, _) => arrow_text(error),
        DataFusionError::External(error) => match error.downcast_ref::<lode_parts::Error>() {
            Some(error) => lode_types::chain(error),
            None => clean(&error.to_string()),
        },
        DataFusionError::NotImplemented(text) => format!("not supported: {}", clean(text)),
        DataFusionError::ResourcesExhausted(text) => {
            // What follows are the pool's books.
            let text = clean(text);
            let text = text.split(" with ").next().unwrap_or(&text);
            format!(
                "expected a query that runs in the memory it has, found one that needs more: {text}"
            )
        }
        DataFusionError::Plan(text)
        | DataFusionError::Execution(text)
        | DataFusionError::Internal(text)
        | DataFusionError::Configuration(text) => clean(text),
        other => clean(&other.message()),
    }
}

fn arrow_text(error: &ArrowError) -> String {
    match error {
        ArrowError::DivideByZero => {
            "expected a divisor other than zero, found zero; nullif(x, 0) gives null then"
                .to_owned()
        }
        ArrowError::ArithmeticOverflow(text) => match text.strip_prefix("Overflow happened on: ") {
            Some(found) => format!("expected a result that fits its type, found {found}"),
            None => text.clone(),
        },
        other => clean(&other.to_string()),
    }
}

fn parser_text(error: &ParserError) -> String {
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => clean(text),
        ParserError::RecursionLimitExceeded => "expected expressions nested less deeply".to_owned(),
    }
}

fn schema_text(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => missing(field, valid_fields),
        SchemaError::AmbiguousReference { field } => {
            let name = &field.name;
            format!(
                "expected a table's name before column {name:?}, found more than one column of that name"
            )
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            format!("expected different column names, found {name:?} twice; name one with AS")
        }
    }
}

/// The answer to a column that is not there.
fn missing(field: &Column, valid: &[Column]) -> String {
    if let Some(table) = &field.relation {
        let mut tables: Vec<&str> = Vec::new();
        for known in valid.iter().filter_map(|column| column.relation.as_ref()) {
            if !tables.contains(&known.table()) {
                tables.push(known.table());
            }
        }
        if !tables.is_empty() && !tables.contains(&table.table()) {
            let tables: Vec<_> = tables.iter().map(|table| format!("{table:?}")).collect();
            let (name, table) = (&field.name, table.table());
            return format!(
                "no table {table:?} for column {name:?}; expected one of {}",
                tables.join(", ")
            );
        }
    }
    let wanted = field.name.to_lowercase();
    let mut near: Vec<(usize, &str)> = valid
        .iter()
        .map(|column| {
            let name = column.name.to_lowercase();
            let part = name.contains(&wanted) || wanted.contains(&name);
            let distance = match part {
                true => 1,
                false => distance(&name, &wanted),
            };
            (distance, column.name.as_str())
        })
        .collect();
    near.sort();
    near.dedup();
    let close = near
        .iter()
        .take_while(|(distance, _)| *distance <= 1 + wanted.chars().count() / 3);
    let close: Vec<String> = close.take(5).map(|(_, name)| format!("{name:?}")).collect();
    let found = match &field.relation {
        Some(table) => format!("{:?} of {:?}", field.name, table.table()),
        None => format!("{:?}", field.name),
    };
    if !close.is_empty() {
        return format!("no column {found}; did you mean {}?", close.join(" or "));
    }
    let names: Vec<String> = valid
        .iter()
        .take(20)
        .map(|column| format!("{:?}", column.name))
        .collect();
    match names.as_slice() {
        [] => format!("no column {found}: the query reads no table there"),
        names => format!("no column {found}; expected one of {}", names.join(", ")),
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// One line without the prefixes of layers, starting in lower case, without a final period.
fn clean(text: &str) -> String {
    const LAYERS: [&str; 16] = [
        "Cast error: ",
        "Parser error: ",
        "DataFusion error: ",
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "External error: ",
        "External: ",
        "Internal error: ",
        "Schema error: ",
        "SQL error: ",
        "Optimizer error: ",
        "type_coercion caused by ",
        "Invalid argument error: ",
        "Compute error: ",
        "Invalid or Unsupported Configuration: ",
    ];
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let text = text
        .split(".\nThis issue was likely caused by a bug")
        .next()
        .unwrap_or(text);
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // What the layers below said of each way to call a function.
    let joined = joined
        .replace("errors: Error during planning: ", "")
        .replace(",Error during planning: ", "; ")
        .replace(" (DataType: Utf8View)", "")
        .replace("received String", "received text")
        .replace("Utf8View", "text")
        .replace("LargeUtf8", "text")
        .replace("Utf8", "text");
    let mut text = joined.as_str();
    while let Some(rest) = LAYERS.iter().find_map(|layer| text.strip_prefix(layer)) {
        text = rest;
    }
    let text = wording::reworded(text.trim_end_matches('.'));
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            let rest: String = text.chars().skip(1).collect();
            format!("{}{rest}", first.to_lowercase())
        }
        _ => text,
    }
}
