//! Says what DataFusion says of wrong statements so that it tells what was expected and found.
//!
//! Texts that are not known here stay as they are, so a new release of DataFusion may only
//! make a message less clear, never wrong.

/// Functions that make sense over windows alone.
const WINDOW_FUNCTIONS: [&str; 9] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "nth_value",
];

/// A message in words of ours.
pub(crate) fn reworded(text: &str) -> String {
    let text = plain_types(text);
    let known: [fn(&str) -> Option<String>; 13] = [
        condition,
        operands,
        grouped,
        in_where,
        set_columns,
        order_by,
        limit,
        function,
        table_function,
        signature,
        subquery,
        regex,
        granularity,
    ];
    known
        .iter()
        .find_map(|reword| reword(&text))
        .unwrap_or(text)
}

/// What stands between two texts, and what follows the second.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(before)?.1.split_once(after)
}

fn condition(text: &str) -> Option<String> {
    let (found, data_type) = between(
        text,
        "create filter with non-boolean predicate '",
        "' returning ",
    )?;
    Some(format!(
        "expected a condition that is true or false, found {found}, which is {data_type}"
    ))
}

fn operands(text: &str) -> Option<String> {
    let (found, _) = between(
        text,
        "annot coerce arithmetic expression ",
        " to valid types",
    )?;
    Some(format!(
        "expected operands that go together, found {found}; CAST(x AS TYPE) changes one"
    ))
}

fn grouped(text: &str) -> Option<String> {
    let (column, _) = between(text, "column \"", "\" must appear in the GROUP BY clause")?;
    Some(format!(
        "expected column \"{column}\" in GROUP BY or within an aggregate such as max({column}), found it alone"
    ))
}

fn in_where(text: &str) -> Option<String> {
    text.contains("ggregate functions are not allowed in the WHERE clause").then(|| {
        "expected a condition on single rows in WHERE, found an aggregate such as sum; HAVING may have it".to_owned()
    })
}

fn set_columns(text: &str) -> Option<String> {
    let (operation, _) = text.split_once(" queries have different number of columns")?;
    Some(format!(
        "expected as many columns on both sides of {}, found different numbers of them",
        operation.to_uppercase()
    ))
}

fn order_by(text: &str) -> Option<String> {
    let (found, most) = between(text, "rder by column out of bounds, specified: ", ", max: ")?;
    Some(format!(
        "expected ORDER BY a column or its number from 1 to {most}, found {found}"
    ))
}

fn limit(text: &str) -> Option<String> {
    let (found, _) = between(text, " must be >= 0, '", "' was provided")?;
    let clause = if text.contains("OFFSET") {
        "OFFSET"
    } else {
        "LIMIT"
    };
    Some(format!("expected {clause} 0 or more, found {found}"))
}

fn function(text: &str) -> Option<String> {
    let (name, rest) = between(text, "nvalid function '", "'")?;
    if WINDOW_FUNCTIONS.contains(&name.to_lowercase().as_str()) {
        return Some(format!(
            "expected {name}(...) OVER (...), found {name} without OVER"
        ));
    }
    Some(match between(rest, "Did you mean '", "'") {
        Some((near, _)) => format!("no function \"{name}\"; did you mean \"{near}\"?"),
        None => format!("no function \"{name}\""),
    })
}

fn table_function(text: &str) -> Option<String> {
    let (name, _) = between(text, "able function '", "' not found")?;
    Some(format!(
        "no table function \"{name}\"; expected a dataset, as_of(DATASET, TIME), version(DATASET, NUMBER) or generate_series(FROM, TO)"
    ))
}

/// Arguments that no form of a function takes: DataFusion says it of each form in turn.
fn signature(text: &str) -> Option<String> {
    let (name, forms) = between(text, "unction '", "' failed to match any signature")?;
    let mut wanted: Vec<&str> = Vec::new();
    let mut found = None;
    let mut rest = forms;
    while let Some((form, after)) = between(rest, "requires ", ", but received ") {
        let (given, after) = after.split_once(['.', ';', ',']).unwrap_or((after, ""));
        found = Some(given.to_owned());
        if !wanted.contains(&form) {
            wanted.push(form);
        }
        rest = after;
    }
    let mut rest = forms;
    while let Some((form, after)) = between(rest, " expects ", " but received ") {
        let digits = after.chars().take_while(char::is_ascii_digit);
        found.get_or_insert(digits.collect::<String>());
        if !wanted.contains(&form) {
            wanted.push(form);
        }
        rest = after;
    }
    let (last, others) = wanted.split_last()?;
    let wanted = match others.is_empty() {
        true => (*last).to_owned(),
        false => format!("{} or {last}", others.join(", ")),
    };
    let wanted = wanted.to_lowercase();
    Some(format!(
        "expected {wanted} for {name}, found {}",
        found.unwrap_or_default()
    ))
}

fn subquery(text: &str) -> Option<String> {
    let more = text.contains("calar subquery returned more than one row");
    more.then(|| {
        "expected at most one row from a subquery that stands for a value, found more".to_owned()
    })
}

fn regex(text: &str) -> Option<String> {
    let (_, why) = text.split_once("egex parse error: ")?;
    Some(format!("expected a regular expression, found {why}"))
}

fn granularity(text: &str) -> Option<String> {
    let (found, values) = between(text, "granularity: '", "'. Supported values are: ")?;
    Some(format!(
        "expected one of {values} for date_trunc, found '{found}'"
    ))
}

/// The text with the types' names as people know them.
fn plain_types(text: &str) -> String {
    const NAMES: [(&str, &str); 14] = [
        ("Timestamp(µs, \"UTC\")", "timestamp"),
        ("Timestamp(µs)", "timestamp"),
        ("Timestamp(ns)", "timestamp"),
        ("Timestamp(ms)", "timestamp"),
        ("Timestamp(s)", "timestamp"),
        ("Interval(MonthDayNano)", "interval"),
        ("Interval(DayTime)", "interval"),
        ("Interval(YearMonth)", "interval"),
        ("Decimal128(", "decimal("),
        ("Int64", "int64"),
        ("Int32", "int32"),
        ("Float64", "float64"),
        ("Date32", "date"),
        ("Boolean", "bool"),
    ];
    let mut plain = text.replace("UInt64", "uint64");
    for (name, ours) in NAMES {
        plain = plain.replace(name, ours);
    }
    plain
}
