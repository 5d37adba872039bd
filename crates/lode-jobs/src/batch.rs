//! Scores everybody with a model, says why and what to do, and makes a list of whom to contact.
//!
//! Rows go through a worker piece by piece, and their scores with reasons go to a scratch file as
//! they come ([`score`]); only score, margin, customer and item of each stay in memory, about 80
//! bytes a row, from which ranks are made ([`subjects`], [`contacts`]). Tables are then written in
//! one pass over the scratch file ([`tables`]). Invariant: equal inputs give equal bytes, and who
//! must not be contacted is on no list of contacts.

mod actions;
mod contacts;
pub(crate) mod offers;
mod score;
mod subjects;
mod tables;

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use lode_parts::Table;
use lode_store::Area;
use lode_types::Outcome;
use lode_types::OutputSpec;

use crate::BatchScore;
use crate::Error;
use crate::EventKind;
use crate::Job;
use crate::Metric;
use crate::Output;
use crate::Result;
use crate::card;
use crate::check::Checked;
use crate::check::CheckedBatch;
use crate::profile::Drift;
use crate::run::Bench;
use crate::run::Bounds;
use crate::run::Keep;
use crate::run::Made;
use crate::tags;

pub(crate) use actions::Actions;
use contacts::Contacts;
use score::Scored;
use score::Scoring;
use subjects::Ranks;

/// Reasons of a customer when the spec does not say.
const DEFAULT_REASONS: u32 = 3;
/// Parts of the progress bar: until rows are read, scored, and written.
const READ: f64 = 0.05;
const SCORED: f64 = 0.85;
const WRITTEN: f64 = 0.95;

/// Carries out a batch score.
pub(crate) fn carry_out(
    bench: &Bench<'_>,
    job: &Job,
    checked: &Checked,
    batch: &CheckedBatch,
) -> Result<Made> {
    let bounds = bench.bounds(job);
    let spec = job
        .spec
        .batch_score
        .as_ref()
        .ok_or_else(|| Error::bug("a batch score without its spec"))?;
    for feature in batch.actions.unknown() {
        warn(
            bench,
            format!("the table of actions names {feature:?}, which is no feature of the model"),
        );
    }
    let card = card::read(bench.store, &batch.model.file)?;
    if card.profile.is_none() {
        warn(
            bench,
            "the model was made before distributions were kept: no drift, and no typical values"
                .to_owned(),
        );
    }
    bench.progress("read customers", 0.0);
    let input = checked.inputs.first();
    let input = input.ok_or_else(|| Error::bug("a batch score without rows"))?;
    let table = Table::open(bench.open_input(input, bounds)?.files)?;
    let n_reasons = match spec.reasons {
        0 => DEFAULT_REASONS,
        n => n,
    };
    let scratch = bench.store.scratch_file()?;
    let scored = score(
        bench, checked, batch, spec, &card, &table, n_reasons, bounds, &scratch,
    )?;
    drop(table);

    bench.progress("rank", SCORED);
    let ranks = Ranks::of(&scored.subjects)?;
    let blocked = contacts::blocked(&batch.do_not_contact)?;
    let contacts = spec
        .contacts
        .as_ref()
        .map(|list| Contacts::of(list, batch.outcome, &blocked, &scored.subjects, &ranks));
    if scored.subjects.len() == 0 {
        (bench.report)(EventKind::Log {
            level: "warn".to_owned(),
            message: "nobody is scored: at that time no customer is in the population of the model"
                .to_owned(),
        });
    }
    if let Some(contacts) = &contacts {
        let unknown = blocked.len() as u64 - contacts.n_blocked;
        if unknown > 0 {
            (bench.report)(EventKind::Log {
                level: "warn".to_owned(),
                message: format!(
                    "{unknown} of the {} customers not to contact are none of those scored; ids are \
                     compared as text, so 00123 and 123.0 are not 123",
                    blocked.len()
                ),
            });
        }
    }
    let scores = Table::open(vec![scratch])?;
    let mut writing = Writing {
        bench,
        keep: Keep::new(bench.store, Area::Outputs),
        stem: format!("{}-{}", job.number, job.provenance.attempts),
        outputs: Vec::new(),
    };
    bench.progress("write tables", SCORED);
    let schema = tables::scores_schema(&scores.schema());
    let rows = tables::scores(&scores, &schema, &ranks);
    let score_table = writing.table("scores", "table", &schema, rows)?;
    let reasons = tables::reasons(&scored.reasons)?;
    writing.batch("reasons", "bar", reasons)?;
    if let Some(contacts) = &contacts {
        let described = batch.actions.has_descriptions().then_some(&batch.actions);
        let schema = tables::contacts_schema(&scores.schema(), described.is_some());
        let rows = tables::contacts(&scores, &schema, contacts, described);
        writing.table("contacts", "table", &schema, rows)?;
        let expected = tables::expected(contacts, batch.outcome)?;
        writing.batch("expected", "line", expected)?;
    }
    let drifts = match (&card.profile, &scored.tally) {
        (Some(profile), Some(tally)) => tally.drifts(profile),
        _ => Vec::new(),
    };
    writing.batch("drift", "bar", tables::drift(&drifts)?)?;
    for drift in drifts.iter().filter(|drift| drift.unseen_now > 0) {
        let Drift {
            name, unseen_now, ..
        } = drift;
        let rows = scored.subjects.len();
        let message = format!(
            "column {name:?}: {unseen_now} of {rows} rows have a word that the model was not made \
             from; it says nothing of them"
        );
        warn(bench, message);
    }

    bench.check_cancelled()?;
    let mut written_back = 0;
    if job.spec.write_back {
        bench.progress("write back", WRITTEN);
        let by = tags::By {
            job: &job.id,
            algorithm: &batch.model.algorithm,
            time: bench.clock.now(),
        };
        let outputs = checked.algorithm.spec.outputs.iter();
        let columns = outputs.flat_map(|output| output.write_back.clone());
        let table = Table::open(vec![score_table])?;
        let schema = table.schema();
        let written = OutputSpec {
            name: "scores".to_owned(),
            description: String::new(),
            chart_hint: String::new(),
            // Nobody scored: what the algorithm says beside the score has no column then.
            write_back: columns
                .filter(|wanted| schema.index_of(&wanted.column).is_ok())
                .collect(),
        };
        let best = |row: usize| ranks.is_best(row);
        let n = tags::write_back(bench.store, by, &written, &table, Some(&best))?;
        written_back = n.customers;
    }
    let mut metrics = metrics(&scored, &ranks, contacts.as_ref(), batch.outcome);
    let of_score = drifts.first().filter(|drift| drift.name == "score");
    if let Some(psi) = of_score.and_then(|drift| drift.psi) {
        metrics.insert("psi_score", psi);
    }
    let metrics = metrics.into_iter().map(|(name, value)| Metric {
        name: name.to_owned(),
        value,
    });
    Ok(Made {
        outputs: writing.done(),
        models: Vec::new(),
        metrics: metrics.collect(),
        written_back,
        provenance: None,
    })
}

/// Scores all rows into a scratch file.
#[expect(
    clippy::too_many_arguments,
    reason = "one call, each named by its type"
)]
fn score(
    bench: &Bench<'_>,
    checked: &Checked,
    batch: &CheckedBatch,
    spec: &BatchScore,
    card: &card::Card,
    table: &Table,
    n_reasons: u32,
    bounds: Bounds,
    scratch: &File,
) -> Result<Scored> {
    let mut scoring = Scoring::open(bench, checked, batch, spec, card, n_reasons, bounds)?;
    let total = table.rows().max(1) as f64;
    let mut done = 0.0;
    let mut told = Instant::now();
    let mut pieces = score::pieces(table)?.into_iter();
    // The first answer says which columns there are.
    let first = pieces.next().map(|piece| scoring.piece(table, &piece));
    let first = first.transpose()?;
    let schema = scoring.schema();
    done += first.as_ref().map_or(0, RecordBatch::num_rows) as f64;
    let more = pieces.map(|piece| {
        bench.check_cancelled()?;
        let answer = scoring.piece(table, &piece)?;
        done += piece.rows.len() as f64;
        if told.elapsed().as_millis() >= 200 {
            told = Instant::now();
            bench.progress("score", READ + (SCORED - READ) * done / total);
        }
        Ok(answer)
    });
    write(scratch, &schema, first.map(Ok).into_iter().chain(more))?;
    Ok(scoring.done())
}

fn metrics(
    scored: &Scored,
    ranks: &Ranks,
    contacts: Option<&Contacts>,
    outcome: Outcome,
) -> BTreeMap<&'static str, f64> {
    let subjects = &scored.subjects;
    let mut metrics = BTreeMap::from([
        ("rows", subjects.len() as f64),
        ("customers", ranks.customers() as f64),
    ]);
    if subjects.len() > 0 {
        metrics.insert("mean_score", subjects.total_score() / subjects.len() as f64);
    }
    if let Some(contacts) = contacts {
        metrics.insert("contacts", contacts.rows.len() as f64);
        metrics.insert("do_not_contact", contacts.n_blocked as f64);
        let end = contacts.end();
        let expected = match outcome {
            Outcome::Amount => "expected_amount",
            _ => "expected_positives",
        };
        metrics.insert(expected, end.expected);
        metrics.insert("expected_reached", end.reached);
        metrics.insert("expected_gain", end.gain);
        metrics.insert("expected_cost", end.cost);
        if let Some(profit) = end.profit {
            metrics.insert("expected_profit", profit);
        }
    }
    metrics
}

/// The output tables of the job while they are written.
struct Writing<'a> {
    bench: &'a Bench<'a>,
    keep: Keep<'a>,
    stem: String,
    outputs: Vec<Output>,
}

impl Writing<'_> {
    /// Writes a table; gives its file once more.
    fn table(
        &mut self,
        name: &str,
        chart_hint: &str,
        schema: &SchemaRef,
        rows: impl Iterator<Item = Result<RecordBatch>>,
    ) -> Result<File> {
        let file = self.keep.create(&format!("{}-{name}.arrow", self.stem))?;
        let mut cancelled = Ok(());
        let rows = rows.take_while(|_| {
            cancelled = self.bench.check_cancelled();
            cancelled.is_ok()
        });
        let n = write(&file, schema, rows)?;
        cancelled?;
        let copy = file.try_clone().map_err(|error| {
            Error::new(
                lode_types::Class::Unavailable,
                "FILE_FAILED",
                error.to_string(),
            )
        })?;
        let output = self.keep.adopt(&self.stem, name, chart_hint, n, file)?;
        self.outputs.push(output);
        Ok(copy)
    }

    fn batch(&mut self, name: &str, chart_hint: &str, batch: RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let rows = std::iter::once(Ok(batch));
        self.table(name, chart_hint, &schema, rows).map(drop)
    }

    /// The tables stay.
    fn done(mut self) -> Vec<Output> {
        self.keep.release();
        self.outputs
    }
}

/// Writes rows as they come; the first error ends it.
fn write(
    file: &File,
    schema: &SchemaRef,
    rows: impl Iterator<Item = Result<RecordBatch>>,
) -> Result<u64> {
    let mut failure = None;
    let rows = rows.map_while(|batch| match batch {
        Ok(batch) => Some(Ok(batch)),
        Err(error) => {
            failure = Some(error);
            None
        }
    });
    let written = lode_parts::write_ipc(file, schema, rows);
    match failure {
        Some(error) => Err(error),
        None => Ok(written?.rows),
    }
}

fn warn(bench: &Bench<'_>, message: String) {
    (bench.report)(EventKind::Log {
        level: "warn".to_owned(),
        message,
    });
}
