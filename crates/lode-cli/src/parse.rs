//! Reads the small languages of the command line: `name=value`, `INPUT=SOURCE`, roles.

use std::path::PathBuf;
use std::str::FromStr;

use lode_sdk::Input;
use lode_sdk::TrainingSet;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Timestamp;
use lode_types::Value;
use serde_json::Value as Json;

/// An input as typed; the name may be left out where an algorithm has one input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InputArg {
    pub(crate) name: Option<String>,
    pub(crate) input: Input,
}

/// `[INPUT.]WHAT` with a value: a role or a column of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleArg {
    pub(crate) input: Option<String>,
    pub(crate) role: Role,
    pub(crate) column: String,
}

/// A length of time, like `90s`, `30m`, `1h` or `7d`, in milliseconds.
pub(crate) fn millis(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected a time like 90s, 30m, 1h or 7d, found {text}");
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let unit = match unit {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

/// A length of time in weeks, days or hours, as training sets have them.
pub(crate) fn length(text: &str) -> Result<String, String> {
    let number = text.strip_suffix(['w', 'd', 'h']).unwrap_or_default();
    match number.parse::<u32>() {
        Ok(1..) => Ok(text.to_owned()),
        _ => Err("expected a whole number above 0 and w, d or h, such as 90d".to_owned()),
    }
}

/// The same as a duration.
pub(crate) fn window(text: &str) -> Result<std::time::Duration, String> {
    let text = length(text)?;
    let (number, unit) = text.split_at(text.len() - 1);
    let hours = match unit {
        "w" => 7 * 24,
        "d" => 24,
        _ => 1,
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a whole number".to_owned())?;
    Ok(std::time::Duration::from_secs(number * hours * 3600))
}

/// The distance between dates: a length, or 1 to 12 months.
pub(crate) fn step(text: &str) -> Result<String, String> {
    let months = text.strip_suffix("mo").map(str::parse::<u32>);
    match (months, length(text)) {
        (Some(Ok(1..=12)), _) | (_, Ok(_)) => Ok(text.to_owned()),
        _ => Err(
            "expected 1mo to 12mo, or a whole number above 0 and w, d or h, such as 2w".to_owned(),
        ),
    }
}

/// A count of something that there is.
pub(crate) fn at_least_one<N: FromStr + From<u8> + PartialOrd>(text: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| *number >= N::from(1));
    number.ok_or_else(|| "expected a whole number above 0".to_owned())
}

/// A number that is not negative.
pub(crate) fn at_least_zero(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    let number = number.filter(|number: &f64| *number >= 0.0 && number.is_finite());
    number.ok_or_else(|| "expected a number of at least 0".to_owned())
}

/// `name=value`, the value read as JSON when it is JSON, else as text; a number may start with
/// its point.
pub(crate) fn param(text: &str) -> Result<(String, Value), String> {
    let (name, value) = pair(text, "name=value")?;
    let value = match serde_json::from_str::<Json>(&value) {
        Ok(json) => json_value(json).map_err(|found| format!("parameter {name}: {found}"))?,
        Err(_) => match fraction(&value) {
            Some(number) => Value::Float(number),
            None => Value::Text(value),
        },
    };
    Ok((name, value))
}

/// `.5` and `-.5`, which JSON does not have.
fn fraction(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text).strip_prefix('.')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// `DATASET`, `INPUT=DATASET`, `INPUT=sql:SELECT ...`, `INPUT=output:JOB/NAME`,
/// `INPUT=features:VIEW` or `INPUT=training:FILE`.
pub(crate) fn input(text: &str) -> Result<InputArg, String> {
    let forms = ["sql:", "output:", "features:", "training:"];
    let is_bare = forms.iter().any(|form| text.starts_with(form));
    let (name, source) = match text.split_once('=') {
        Some((name, source)) if !is_bare => (Some(name.trim().to_owned()), source),
        _ => (None, text),
    };
    if name.as_deref().is_some_and(str::is_empty) || source.trim().is_empty() {
        return Err(
            "expected INPUT=DATASET, INPUT=sql:\"select ...\", INPUT=output:JOB/NAME, INPUT=features:VIEW or INPUT=training:FILE"
                .to_owned(),
        );
    }
    let input = if let Some(sql) = source.strip_prefix("sql:") {
        Input::sql(unquoted(sql.trim()))
    } else if let Some(output) = source.strip_prefix("output:") {
        let Some((job, name)) = output.split_once('/') else {
            return Err(format!("expected output:JOB/NAME, found output:{output}"));
        };
        Input::output(job, name)
    } else if let Some(view) = source.strip_prefix("features:") {
        Input::features(view.trim())
    } else if let Some(file) = source.strip_prefix("training:") {
        let text = std::fs::read_to_string(file.trim())
            .map_err(|error| format!("cannot read {}: {error}", file.trim()))?;
        let set = TrainingSet::from_json(&text);
        Input::training_set(set.map_err(|error| format!("{}: {error}", file.trim()))?)
    } else {
        Input::dataset(source.trim())
    };
    Ok(InputArg { name, input })
}

/// The statement without quotes around it, which a shell leaves when the whole argument was
/// quoted: no statement starts with one.
fn unquoted(sql: &str) -> &str {
    let inner = sql.strip_prefix('"').and_then(|sql| sql.strip_suffix('"'));
    inner.unwrap_or(sql)
}

/// `ROLE=COLUMN`.
pub(crate) fn role(text: &str) -> Result<(Role, String), String> {
    let (word, column) = pair(text, "ROLE=COLUMN")?;
    Ok((role_word(&word)?, column))
}

/// `[INPUT.]ROLE=COLUMN`.
pub(crate) fn input_role(text: &str) -> Result<RoleArg, String> {
    let (word, column) = pair(text, "INPUT.ROLE=COLUMN")?;
    let (input, word) = match word.rsplit_once('.') {
        Some((input, word)) => (Some(input.to_owned()), word.to_owned()),
        None => (None, word),
    };
    Ok(RoleArg {
        input,
        role: role_word(&word)?,
        column,
    })
}

/// `COLUMN=TYPE`.
pub(crate) fn column_type(text: &str) -> Result<(String, ColumnType), String> {
    let Some((column, word)) = text.rsplit_once('=') else {
        return Err("expected COLUMN=TYPE".to_owned());
    };
    let column_type = ColumnType::parse(word).ok_or_else(|| {
        let words = join(ColumnType::WORDS.into_iter());
        format!("expected one of the types {words}, found {word:?}")
    })?;
    Ok((column.to_owned(), column_type))
}

/// A kind of dataset.
pub(crate) fn kind(word: &str) -> Result<DatasetKind, String> {
    DatasetKind::parse(word).ok_or_else(|| {
        let words = DatasetKind::ALL.iter().map(|kind| kind.as_str());
        format!("expected one of the kinds {}, found {word:?}", join(words))
    })
}

/// `NAME=NAME`.
pub(crate) fn names(text: &str) -> Result<(String, String), String> {
    pair(text, "FROM=TO")
}

/// `OUTPUT=FILE`.
pub(crate) fn out(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = pair(text, "OUTPUT=FILE")?;
    let file = PathBuf::from(file);
    crate::output::check_file(&file).map_err(|error| error.to_string())?;
    Ok((name, file))
}

/// An instant: a date, or a date and a time of day, UTC without a zone.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| {
        format!("expected a time such as 2026-11-21 or 2026-11-21T20:15:00Z, found {text:?}")
    })
}

/// `DATASET=N`: a version of a dataset.
pub(crate) fn version(text: &str) -> Result<(String, u64), String> {
    let (dataset, number) = pair(text, "DATASET=N")?;
    match number.parse() {
        Ok(number) => Ok((dataset, number)),
        Err(_) => Err(format!("expected a version number, found {number:?}")),
    }
}

/// NAME=VALUE of a label; without a value the label is to go.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("expected NAME=VALUE, found {text:?}")),
    }
}

/// A field separator: one character, or `tab`.
pub(crate) fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(format!("expected one character or \"tab\", found {text:?}")),
    }
}

fn pair(text: &str, form: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err(format!("expected {form}, found {text:?}")),
    }
}

fn role_word(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| {
        let words = Role::ALL.iter().map(|role| role.as_str());
        format!("expected one of the roles {}, found {word:?}", join(words))
    })
}

/// A JSON value as a typed one; integers keep 64 bits or are refused.
pub(crate) fn json_value(json: Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(v) => Value::Bool(v),
        Json::Number(number) => match (number.as_i64(), number.is_u64(), number.as_f64()) {
            (Some(v), _, _) => Value::Int(v),
            (None, false, Some(v)) => Value::Float(v),
            _ => return Err(format!("expected an integer below 2^63, found {number}")),
        },
        Json::String(v) => Value::Text(v),
        Json::Array(v) => Value::List(v.into_iter().map(json_value).collect::<Result<_, _>>()?),
        Json::Object(v) => Value::Map(
            v.into_iter()
                .map(|(k, v)| Ok((k, json_value(v)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

fn join<'w>(words: impl Iterator<Item = &'w str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
