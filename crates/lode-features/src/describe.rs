//! The exact meaning of each feature in one sentence, for people and for reasons of scores.

use crate::spec::Condition;
use crate::spec::CrossOp;
use crate::spec::FeatureSpec;
use crate::spec::Kind;
use crate::spec::Literal;
use crate::spec::Op;
use crate::spec::Stat;

/// Names that were found when the feature was checked.
#[derive(Default)]
pub(crate) struct Words {
    pub(crate) column: String,
    pub(crate) of: String,
}

/// A feature of events.
pub(crate) fn events(spec: &FeatureSpec, dataset: &str, words: &Words) -> String {
    let p = &spec.params;
    let column = &words.column;
    let value = p.value.as_ref().map(literal).unwrap_or_default();
    let named = p.column.as_deref().unwrap_or_default();
    let what = match spec.kind {
        Kind::Recency => "Days from the last event to the as-of time".to_owned(),
        Kind::Tenure => "Days from the first event to the as-of time".to_owned(),
        Kind::Frequency => match words.of.as_str() {
            "orders" => "Number of different orders".to_owned(),
            "days" => "Number of days (UTC) with an event".to_owned(),
            _ => "Number of events".to_owned(),
        },
        Kind::Monetary | Kind::Window => match p.stat.unwrap_or(Stat::Sum) {
            Stat::Count if column.is_empty() => "Number of events".to_owned(),
            Stat::Count => format!("Number of events with a value of {column}"),
            Stat::Mean => format!("Mean of {column}"),
            Stat::Max => format!("Largest {column}"),
            Stat::Min => format!("Smallest {column}"),
            Stat::Std => format!("Sample standard deviation of {column}"),
            Stat::Trend => format!("Least-squares slope per day of {column}"),
            Stat::Sum | Stat::Cv | Stat::Last => format!("Sum of {column}"),
        },
        Kind::InterPurchaseGap => match p.stat.unwrap_or(Stat::Mean) {
            Stat::Std => {
                "Sample standard deviation of the days between consecutive events".to_owned()
            }
            Stat::Cv => {
                "Standard deviation by mean of the days between consecutive events".to_owned()
            }
            Stat::Last => "Days between the last two events".to_owned(),
            _ => "Mean of the days between consecutive events".to_owned(),
        },
        Kind::Distinct => format!("Number of different values of {column}"),
        Kind::Share if words.of == "count" => {
            format!("Share of the events with {named} = {value} in all events")
        }
        Kind::Share => format!(
            "Share of the events with {named} = {value} in the sum of {}",
            words.of
        ),
        Kind::LastItem | Kind::LastAmount | Kind::LastValue => {
            format!("{column} of the last event that has one")
        }
        Kind::HourProfile => "Share of the events in each hour of the day (UTC)".to_owned(),
        Kind::WeekdayProfile => "Share of the events on each weekday (UTC)".to_owned(),
        Kind::CountOf => format!("Number of events with {named} = {value}"),
        Kind::DaysSince => {
            format!("Days from the last event with {named} = {value} to the as-of time")
        }
        Kind::Attribute | Kind::Ratio | Kind::Cross | Kind::Sql => String::new(),
    };
    let over = match p.window {
        Some(window) => format!("over the {} up to the as-of time", window.words()),
        None if matches!(spec.kind, Kind::Recency | Kind::Tenure | Kind::DaysSince) => {
            format!("in {dataset}")
        }
        None => "over all time up to the as-of time".to_owned(),
    };
    let of = match p.window {
        None if over.starts_with("in ") => String::new(),
        _ => format!(", of {dataset}"),
    };
    let conditions: Vec<String> = spec.filter.iter().map(condition).collect();
    let only = if conditions.is_empty() {
        String::new()
    } else {
        format!(", only events with {}", conditions.join(" and "))
    };
    format!("{what} {over}{of}{only}")
}

pub(crate) fn attribute(dataset: &str, column: &str) -> String {
    format!("{column} of the customer in {dataset}, as it was valid at the as-of time")
}

pub(crate) fn query(sql: &str) -> String {
    let line: Vec<&str> = sql.split_whitespace().collect();
    format!(
        "Answer of the query, with all datasets as of the as-of time: {}",
        line.join(" ")
    )
}

pub(crate) fn cross(op: CrossOp, a: &str, b: &str) -> String {
    match op {
        CrossOp::Ratio => format!("{a} divided by {b}"),
        CrossOp::Product => format!("{a} times {b}"),
        CrossOp::Concat => format!("{a} and {b} joined by |"),
    }
}

fn condition(condition: &Condition) -> String {
    let sign = match condition.op {
        Op::Equals => "=",
        Op::NotEquals => "!=",
        Op::In => "in",
        Op::AtLeast => ">=",
        Op::AtMost => "<=",
        Op::Above => ">",
        Op::Below => "<",
    };
    let values: Vec<String> = condition.values.iter().map(literal).collect();
    format!("{} {sign} {}", condition.column, values.join(", "))
}

fn literal(literal: &Literal) -> String {
    match literal {
        Literal::Bool(value) => value.to_string(),
        Literal::Int(value) => value.to_string(),
        Literal::Float(value) => value.to_string(),
        Literal::Text(value) => format!("{value:?}"),
    }
}
