//! Answers of an open model: complete, each row for itself, and adding up.

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_cast::cast;
use arrow_schema::DataType;
use lode_types::Task;

use super::Case;
use super::Check;
use super::Run;
use super::models::models_or_skip;
use crate::compare;
use crate::counted::Source;
use crate::subject::How;
use crate::subject::Opened;
use crate::subject::ROWS;
use crate::subject::decent_failure;
use crate::variants;
use crate::verdict::Checked;
use crate::verdict::Stop;
use crate::verdict::failed;
use crate::verdict::skipped;

/// Rows that are scored.
const ASKED: usize = 60;
/// How exactly contributions add up.
const SUM_TOLERANCE: f64 = 1e-9;

pub(super) const SCORES: Check = Check {
    name: "scores",
    about: "an open model answers each row, and no row at all; what it took is released",
    run: Run::One(scores),
};

fn scores(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let (how, opened, (name, question)) = open(case)?;
    let answer = opened.scored(&how, &name, question.clone())?;
    let column = number(&answer, "score")?;
    if column.null_count() > 0 || column.values().iter().any(|score| !score.is_finite()) {
        return Err(failed("column \"score\": expected numbers, found others"));
    }
    if subject.spec.task != Task::Recommendation && answer.num_rows() != question.num_rows() {
        return Err(failed(format!(
            "expected {} scores, found {}",
            question.num_rows(),
            answer.num_rows()
        )));
    }
    if subject.spec.task == Task::Recommendation && answer.column_by_name("item").is_none() {
        return Err(failed("expected a column \"item\", found none"));
    }
    (case.step)("score no row");
    let none = opened.scored(&how, &name, question.slice(0, 0))?;
    if none.num_rows() != 0 {
        return Err(failed(format!(
            "expected no score for no row, found {}",
            none.num_rows()
        )));
    }
    let scored = opened.score(&how, &name, Source::of(question));
    let (_, unreleased) =
        scored.map_err(|_| failed("the same rows were refused the second time"))?;
    if let Some(problem) = unreleased.first() {
        return Err(failed(format!("after a score: {problem}")));
    }
    Ok(format!("{} rows", answer.num_rows()))
}

pub(super) const ROWS_ALONE: Check = Check {
    name: "rows-alone",
    about: "a row's score does not depend on the rows beside it, nor on their order",
    run: Run::One(rows_alone),
};

fn rows_alone(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    models_or_skip(subject)?;
    if subject.spec.task == Task::Recommendation {
        return Err(skipped("it answers requests: see offers"));
    }
    let (how, opened, (name, question)) = open(case)?;
    let whole = opened.scored(&how, &name, question.clone())?;
    let backwards: Vec<usize> = (0..question.num_rows()).rev().collect();
    let turned = opened.scored(&how, &name, variants::taken(&question, &backwards)?)?;
    let turned = variants::taken(&turned, &backwards)?;
    if let Some(words) = compare::tables(&whole, &turned, 0.0) {
        return Err(failed(format!("in another order: {words}")));
    }
    for row in 0..question.num_rows() {
        let alone = opened.scored(&how, &name, question.slice(row, 1))?;
        if let Some(words) = compare::tables(&whole.slice(row, 1), &alone, 0.0) {
            return Err(failed(format!("row {row} alone: {words}")));
        }
    }
    Ok(format!("{ASKED} rows"))
}

pub(super) const CONTRIBUTIONS: Check = Check {
    name: "contributions",
    about: "base plus contributions is the margin, or a recommender's score",
    run: Run::One(contributions),
};

fn contributions(case: &Case<'_>) -> Checked {
    let (how, opened, (name, question)) = open(case)?;
    let asked = with_explain(&question)?;
    let answer = opened.scored(&how, &name, asked)?;
    let Some(lists) = answer.column_by_name("contributions") else {
        return Err(skipped("it gives no contributions"));
    };
    let lists = lists
        .as_list_opt::<i32>()
        .ok_or_else(|| failed("column \"contributions\": expected lists of structs"))?;
    // A recommender's reasons are those of its score.
    let recommends = case.subject.spec.task == Task::Recommendation;
    let of = if recommends { "score" } else { "margin" };
    let (margins, bases) = (number(&answer, of)?, number(&answer, "base")?);
    let mut worst: f64 = 0.0;
    for row in 0..answer.num_rows() {
        // A request that did not ask for reasons has none.
        if recommends && lists.is_null(row) {
            continue;
        }
        let list = lists.value(row);
        let parts = list
            .as_struct_opt()
            .and_then(|parts| parts.column_by_name("contribution").cloned())
            .ok_or_else(|| failed("contributions: expected a field \"contribution\""))?;
        let parts = cast(&parts, &DataType::Float64).map_err(|e| failed(e.to_string()))?;
        let sum: f64 = parts.as_primitive::<Float64Type>().iter().flatten().sum();
        let margin = margins.value(row);
        let off = (bases.value(row) + sum - margin).abs() / (1.0 + margin.abs());
        worst = worst.max(off);
        if off.is_nan() || off > SUM_TOLERANCE {
            return Err(failed(format!(
                "row {row}: base {} plus contributions {sum} is not the {of} {margin}",
                bases.value(row)
            )));
        }
    }
    Ok(format!("within {worst:.1e}"))
}

pub(super) const HOSTILE_ROWS: Check = Check {
    name: "hostile-scores",
    about: "nulls, extremes and missing columns in a question: an answer, or words",
    run: Run::One(hostile_rows),
};

fn hostile_rows(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let (how, opened, (name, question)) = open(case)?;
    let mut questions: Vec<(String, RecordBatch)> = vec![
        ("nulls alone".to_owned(), variants::all_null(&question)?),
        ("extreme numbers".to_owned(), variants::extreme(&question)?),
        ("odd text".to_owned(), variants::odd_text(&question)?),
        ("more columns".to_owned(), variants::extra(&question)?),
        (
            "reordered columns".to_owned(),
            variants::reordered(&question)?,
        ),
    ];
    for column in 0..question.num_columns() {
        let schema = question.schema();
        let named = schema.field(column).name();
        questions.push((
            format!("no column {named:?}"),
            variants::without(&question, column)?,
        ));
        for which in 0..4 {
            let wrong = variants::wrong_type(&question, column, which)?;
            let of_type = wrong.column(column).data_type().to_string();
            questions.push((format!("{named:?} as {of_type}"), wrong));
        }
    }
    for (what, asked) in questions {
        (case.step)(&format!("score rows with {what}"));
        let rows = asked.num_rows();
        match opened.score(&how, &name, Source::of(asked)) {
            Err(fail) => decent_failure(&fail, &format!("scoring rows with {what}"))?,
            Ok((answer, _)) => {
                let all = answer.num_rows() == rows;
                if subject.spec.task != Task::Recommendation && !all {
                    return Err(failed(format!(
                        "rows with {what}: expected {rows} scores, found {}",
                        answer.num_rows()
                    )));
                }
            }
        }
    }
    (case.step)("score a table of another name");
    if let Err(fail) = opened.score(&how, "kit unknown", Source::of(question)) {
        decent_failure(&fail, "scoring a table of another name")?;
    }
    Ok(String::new())
}

/// An open model of an ordinary fit, and what it is asked.
pub(super) fn open<'a>(case: &Case<'a>) -> Result<(How, Opened<'a>, (String, RecordBatch)), Stop> {
    let subject = case.subject;
    models_or_skip(subject)?;
    let how = subject.how();
    let model = subject.model(&how, ROWS)?;
    let opened = subject.opened(&how, &model)?;
    Ok((how, opened, subject.question(ASKED)))
}

fn with_explain(batch: &RecordBatch) -> Result<RecordBatch, Stop> {
    let mut metadata = batch.schema_ref().metadata().clone();
    metadata.insert("lode.explain".to_owned(), "true".to_owned());
    let schema = batch.schema_ref().as_ref().clone().with_metadata(metadata);
    let batch = batch.clone().with_schema(schema.into());
    batch.map_err(|error| failed(error.to_string()))
}

pub(super) fn number(batch: &RecordBatch, name: &str) -> Result<arrow_array::Float64Array, Stop> {
    let column = batch.column_by_name(name).ok_or_else(|| {
        failed(format!(
            "expected a column {name:?} in the answer, found none"
        ))
    })?;
    let column = cast(column, &DataType::Float64)
        .map_err(|error| failed(format!("column {name:?}: {error}")))?;
    Ok(column.as_primitive::<Float64Type>().clone())
}
