//! Rows that no company has: a call ends with a result or with words, and never otherwise.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;

use super::Case;
use super::Check;
use super::Run;
use crate::counted::End;
use crate::counted::Source;
use crate::subject::ROWS;
use crate::subject::plain;
use crate::variants;
use crate::variants::Tables;
use crate::verdict::Checked;
use crate::verdict::Stop;
use crate::verdict::failed;

/// Rows of a hostile table.
const SOME: usize = 90;

pub(super) const FEW_ROWS: Check = Check {
    name: "few-rows",
    about: "no row, one row, two rows: a result, or words that blame the input",
    run: Run::One(few_rows),
};

fn few_rows(case: &Case<'_>) -> Checked {
    let ordinary = case.subject.tables(ROWS);
    for n in [0, 1, 2] {
        let tables = variants::each(&ordinary, |batch| Ok(batch.slice(0, n)))?;
        decent(case, tables, &format!("on {n} rows"))?;
    }
    // Tables without any batch at all.
    let empty = ordinary.into_iter().map(|(name, batch)| {
        let source = Source {
            batches: Vec::new(),
            ..Source::of(batch)
        };
        (name, source)
    });
    let what = "on streams without a batch";
    (case.step)(&format!("fit {what}"));
    let ended = case.subject.fit(&case.subject.how(), empty.collect());
    ended.decent(what)?;
    Ok(String::new())
}

pub(super) const NULLS: Check = Check {
    name: "nulls",
    about: "tables and columns without a single value: a result, or words",
    run: Run::One(nulls),
};

fn nulls(case: &Case<'_>) -> Checked {
    let tables = case.subject.tables(SOME);
    decent(
        case,
        variants::each(&tables, variants::all_null)?,
        "on nulls alone",
    )?;
    each_column(&tables, |tables, words| {
        decent(case, tables, &format!("with nulls in {words}"))
    })
}

/// Gives `then` the tables once for each column, which has no value.
fn each_column(tables: &Tables, mut then: impl FnMut(Tables, &str) -> Result<(), Stop>) -> Checked {
    for (at, (name, batch)) in tables.iter().enumerate() {
        for column in 0..batch.num_columns() {
            let nulls = variants::all_null(batch)?;
            let changed = variants::with_column_of(batch, &nulls, column)?;
            let mut changed_tables = tables.clone();
            changed_tables[at].1 = changed;
            let schema = batch.schema();
            then(
                changed_tables,
                &format!("{name}.{}", schema.field(column).name()),
            )?;
        }
    }
    Ok(String::new())
}

pub(super) const EXTREMES: Check = Check {
    name: "extremes",
    about: "NaN, infinities, the largest and smallest numbers and times: a result, or words",
    run: Run::One(extremes),
};

fn extremes(case: &Case<'_>) -> Checked {
    let tables = case.subject.tables(SOME);
    decent(
        case,
        variants::each(&tables, variants::extreme)?,
        "on extreme numbers",
    )?;
    for (at, (name, batch)) in tables.iter().enumerate() {
        for column in 0..batch.num_columns() {
            let extreme = variants::extreme(batch)?;
            let mut changed = tables.clone();
            changed[at].1 = variants::with_column_of(batch, &extreme, column)?;
            let schema = batch.schema();
            let column = schema.field(column).name();
            decent(
                case,
                changed,
                &format!("on extreme numbers in {name}.{column}"),
            )?;
        }
    }
    Ok(String::new())
}

pub(super) const TEXTS: Check = Check {
    name: "texts",
    about: "empty, long, combining and right-to-left text: a result, or words",
    run: Run::One(texts),
};

fn texts(case: &Case<'_>) -> Checked {
    let tables = case.subject.tables(SOME);
    let odd = variants::each(&tables, variants::odd_text)?;
    decent(case, odd, "on odd text")?;
    Ok(String::new())
}

pub(super) const MISSING_COLUMNS: Check = Check {
    name: "missing-columns",
    about: "a table without a required column, or an input that is not there, is refused with its name",
    run: Run::One(missing_columns),
};

fn missing_columns(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let tables = subject.tables(SOME);
    for (at, input) in subject.spec.inputs.iter().enumerate() {
        let (name, batch) = &tables[at];
        for (column, role) in variants::with_roles(batch) {
            let required = input
                .columns
                .iter()
                .any(|wanted| !wanted.optional && wanted.role.as_str() == role);
            let mut changed = tables.clone();
            changed[at].1 = variants::without(batch, column)?;
            let what = format!("without {name}'s column of role {role}");
            refused_if(case, changed, &what, required && !input.optional)?;
        }
        let mut changed = tables.clone();
        changed.remove(at);
        let what = format!("without the input {name:?}");
        refused_if(case, changed, &what, !input.optional)?;
    }
    Ok(String::new())
}

fn refused_if(case: &Case<'_>, tables: Tables, what: &str, needed: bool) -> Result<(), Stop> {
    (case.step)(&format!("fit {what}"));
    let ended = case.subject.fit(&case.subject.how(), plain(tables));
    ended.decent(what)?;
    if needed && ended.ok {
        return Err(failed(format!(
            "{what}: it gave a result, and the description says that it is required"
        )));
    }
    Ok(())
}

pub(super) const WRONG_TYPES: Check = Check {
    name: "wrong-types",
    about: "columns of types that they cannot have: a result, or words",
    run: Run::One(wrong_types),
};

fn wrong_types(case: &Case<'_>) -> Checked {
    let tables = case.subject.tables(SOME);
    for (at, (name, batch)) in tables.iter().enumerate() {
        for column in 0..batch.num_columns() {
            for which in 0..4 {
                let mut changed = tables.clone();
                changed[at].1 = variants::wrong_type(batch, column, which)?;
                let of_type = changed[at].1.column(column).data_type().to_string();
                let schema = batch.schema();
                let column = schema.field(column).name();
                decent(case, changed, &format!("with {name}.{column} as {of_type}"))?;
            }
        }
    }
    Ok(String::new())
}

pub(super) const BROKEN_STREAMS: Check = Check {
    name: "broken-streams",
    about: "an input that breaks half-way fails the call, and everything is released",
    run: Run::One(broken_streams),
};

fn broken_streams(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let tables = subject.tables(SOME);
    for broken in 0..tables.len() {
        let met = Arc::new(AtomicBool::new(false));
        let sources = tables.iter().enumerate().map(|(at, (name, batch))| {
            let half = |batch: &RecordBatch| batch.slice(0, batch.num_rows() / 2);
            let source = match at == broken {
                true => Source {
                    end: End::Broken(Arc::clone(&met)),
                    ..Source::of(half(batch))
                },
                false => Source::of(batch.clone()),
            };
            (name.clone(), source)
        });
        let what = format!("on an input {:?} that breaks half-way", tables[broken].0);
        (case.step)(&format!("fit {what}"));
        let ended = subject.fit(&subject.how(), sources.collect());
        // Who does not read an input does not meet its end.
        if ended.ok && met.load(Ordering::SeqCst) {
            return Err(failed(format!(
                "{what}: it gave a result, from half of the rows"
            )));
        }
        ended.decent(&what)?;
        if let Some(problem) = ended.unreleased.first() {
            return Err(failed(format!("{what}: {problem}")));
        }
    }
    Ok(String::new())
}

fn decent(case: &Case<'_>, tables: Tables, what: &str) -> Result<(), Stop> {
    (case.step)(&format!("fit {what}"));
    let ended = case.subject.fit(&case.subject.how(), plain(tables));
    ended.decent(what)
}
