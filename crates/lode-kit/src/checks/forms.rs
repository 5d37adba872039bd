//! The same rows in another form of Arrow: the result is the same, or the form is refused in
//! words; and what was taken is given back.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_schema::DataType;
use lode_numeric::Rng;
use lode_types::Features;

use super::Case;
use super::Check;
use super::Run;
use crate::compare::difference;
use crate::compare::results;
use crate::counted::End;
use crate::counted::Source;
use crate::subject::How;
use crate::subject::ROWS;
use crate::subject::plain;
use crate::variants;
use crate::variants::Tables;
use crate::verdict::Checked;
use crate::verdict::Stop;
use crate::verdict::failed;

pub(super) const EXTRA_COLUMNS: Check = Check {
    name: "extra-columns",
    about: "columns of types that nobody asked for change nothing",
    run: Run::One(|case| {
        let tables = case.subject.tables(ROWS);
        let extra = variants::each(&tables, variants::extra)?;
        same(
            case,
            tables,
            plain(extra),
            "with columns that nobody asked for",
            true,
        )
    }),
};

pub(super) const REORDERED_COLUMNS: Check = Check {
    name: "reordered-columns",
    about: "columns are found by role and name, not by their place",
    run: Run::One(reordered_columns),
};

fn reordered_columns(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let tables = subject.tables(ROWS);
    let other = variants::each(&tables, variants::reordered)?;
    let by_place = subject.spec.inputs.iter();
    let by_place = by_place
        .clone()
        .any(|input| input.features != Features::Ignored);
    if !by_place {
        return same(case, tables, plain(other), "with reordered columns", true);
    }
    // Features keep the order of the table, so that sums may differ in their last bits.
    let whole = subject
        .fit(&subject.how(), plain(tables))
        .success("a fit")?;
    let turned = subject.fit(&subject.how(), plain(other));
    let turned = turned.success("a fit with reordered columns")?;
    for (name, batch) in &whole.outputs {
        let rows = turned.outputs.get(name).map_or(0, |other| other.num_rows());
        if rows != batch.num_rows() {
            return Err(failed(format!(
                "output {name:?}: {} rows, and {rows} with reordered columns",
                batch.num_rows()
            )));
        }
    }
    Ok("rows alone: features come in the table's order".to_owned())
}

pub(super) const CHUNKS: Check = Check {
    name: "chunks",
    about: "however the rows are cut into batches, the result is the same",
    run: Run::One(chunks),
};

fn chunks(case: &Case<'_>) -> Checked {
    for turn in 0..3 {
        let tables = case.subject.tables(ROWS);
        let mut rng = Rng::stream(case.subject.seed, turn);
        let cut = tables
            .iter()
            .map(|(name, batch)| (name.clone(), variants::rechunked(batch, &mut rng)));
        let cut: Vec<(String, Source)> = cut.collect();
        let lengths: Vec<usize> = cut.iter().map(|(_, s)| s.batches.len()).collect();
        same(case, tables, cut, &format!("in {lengths:?} batches"), true)?;
    }
    Ok(String::new())
}

pub(super) const SLICES: Check = Check {
    name: "slices",
    about: "arrays that begin in the middle of their buffers are read from there",
    run: Run::One(|case| {
        let tables = case.subject.tables(ROWS);
        let slices = variants::each(&tables, variants::sliced)?;
        same(
            case,
            tables,
            plain(slices),
            "on slices of longer arrays",
            true,
        )
    }),
};

pub(super) const ENCODINGS: Check = Check {
    name: "encodings",
    about: "dictionaries, large strings and views give the same result, or are refused in words",
    run: Run::One(encodings),
};

fn encodings(case: &Case<'_>) -> Checked {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let mut words = Vec::new();
    for (from, to, what) in [
        (DataType::Utf8, dictionary, "dictionaries"),
        (DataType::Utf8, DataType::LargeUtf8, "large strings"),
        (DataType::Utf8, DataType::Utf8View, "string views"),
        (DataType::Int64, DataType::Int32, "int32"),
        (DataType::Float64, DataType::Float32, "float32"),
    ] {
        let tables = case.subject.tables(ROWS);
        let encoded = variants::each(&tables, |batch| variants::retyped(batch, &from, &to))?;
        // Half the bits are another number.
        let exact = to != DataType::Float32;
        let said = same(
            case,
            tables,
            plain(encoded),
            &format!("with {what}"),
            !exact,
        )
        .map(|words| if words.is_empty() { "same" } else { "refused" });
        match said {
            Ok(said) => words.push(format!("{what} {said}")),
            Err(Stop::Failed(why)) if why.starts_with("refused") && exact => {
                words.push(format!("{what} refused"));
            }
            Err(stop) if exact => return Err(stop),
            Err(_) => words.push(format!("{what} taken")),
        }
    }
    Ok(words.join(", "))
}

/// Whether a fit on `sources` gives what one on `tables` does. One that is refused in words
/// fails with words that begin with "refused", unless `must`, when it is a failure of its own.
fn same(
    case: &Case<'_>,
    tables: Tables,
    sources: Vec<(String, Source)>,
    what: &str,
    must: bool,
) -> Checked {
    let subject = case.subject;
    (case.step)("fit on ordinary rows");
    let ordinary = tables.clone();
    let whole = subject.fit(&subject.how(), plain(tables));
    let whole = whole.success("a fit on ordinary rows")?;
    let schemas: Vec<_> = sources.iter().map(|(_, s)| Arc::clone(&s.schema)).collect();
    (case.step)(&format!("fit {what}"));
    let ended = subject.fit(&subject.how(), sources);
    ended.decent(what)?;
    if !ended.ok {
        let why = crate::subject::why(&ended.heard.fail);
        return Err(failed(match must {
            true => format!("{what}: {why}"),
            false => format!("refused {what}: {why}"),
        }));
    }
    let columns = |schema: &arrow_schema::SchemaRef| {
        let fields = schema.fields().iter();
        let mut columns: Vec<_> = fields
            .map(|f| (f.name().clone(), f.data_type().clone()))
            .collect();
        columns.sort_by(|a, b| a.0.cmp(&b.0));
        columns
    };
    let same_columns = ordinary
        .iter()
        .zip(&schemas)
        .all(|((_, batch), schema)| columns(&batch.schema()) == columns(schema));
    let compare = if same_columns { difference } else { results };
    match compare(&whole, &ended.heard, 0.0) {
        None => Ok(String::new()),
        Some(words) => Err(failed(format!("{what}: another result: {words}"))),
    }
}

pub(super) const RELEASES: Check = Check {
    name: "releases",
    about: "each stream, schema and batch that was taken is released exactly once",
    run: Run::One(releases),
};

fn releases(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let tables = subject.tables(ROWS);
    let mut rng = Rng::new(subject.seed);
    let cut = |rng: &mut Rng| -> Vec<(String, Source)> {
        let tables = tables.iter();
        tables
            .map(|(name, batch)| (name.clone(), variants::rechunked(batch, rng)))
            .collect()
    };
    let cancelled = || {
        let how = subject.how();
        how.cancel.store(true, std::sync::atomic::Ordering::SeqCst);
        how
    };
    let cancelling = |rng: &mut Rng| {
        let flag = Arc::new(AtomicBool::new(false));
        let how = How {
            cancel: Arc::clone(&flag),
            ..subject.how()
        };
        let mut sources = cut(rng);
        for (_, source) in &mut sources {
            source.end = End::Cancels(Arc::clone(&flag));
        }
        (how, sources)
    };
    let mut broken = cut(&mut rng);
    for (_, source) in &mut broken {
        source.end = End::Broken(Arc::default());
    }
    let (how, sources) = cancelling(&mut rng);
    for (what, how, sources) in [
        ("after a result", subject.how(), cut(&mut rng)),
        (
            "after parameters that are no JSON",
            subject.how().with_params("{"),
            cut(&mut rng),
        ),
        ("after a broken stream", subject.how(), broken),
        (
            "after a call that was cancelled before it began",
            cancelled(),
            cut(&mut rng),
        ),
        (
            "after a call that was cancelled while it read",
            how,
            sources,
        ),
    ] {
        (case.step)(&format!("fit, and releases {what}"));
        let ended = subject.fit(&how, sources);
        if let Some(problem) = ended.unreleased.first() {
            return Err(failed(format!("{what}: {problem}")));
        }
    }
    Ok(String::new())
}
