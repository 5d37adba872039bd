//! Sends rows to a worker piece by piece and makes of its answers rows of a table of scores.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::new_null_array;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use lode_host::Scorer;
use lode_host::ScorerCall;
use lode_parts::Table;
use lode_store::Area;
use lode_types::Class;
use lode_types::Role;

use super::Actions;
use super::subjects::Subjects;
use crate::BatchScore;
use crate::Error;
use crate::Result;
use crate::card::Card;
use crate::check::Checked;
use crate::check::CheckedBatch;
use crate::check::ScoredColumn;
use crate::profile::Tally;
use crate::reasons;
use crate::reasons::Contributions;
use crate::reasons::Glossary;
use crate::reasons::Part;
use crate::run::Bench;
use crate::run::Bounds;
use crate::serving::answer;
use crate::serving::rows as request_rows;

/// Rows that a worker scores at once: enough to make the call cheap, few enough that the reasons
/// of wide rows fit into one answer.
const PIECE_ROWS: usize = 4096;
/// Longest that one piece may take; a worker that hangs is not waited for until the job's end.
const PIECE_TIME: Duration = Duration::from_secs(120);

/// Rows of one batch of a table.
pub(super) struct Piece {
    batch: usize,
    pub(super) rows: Range<usize>,
}

/// All rows of a table in pieces, in order.
pub(super) fn pieces(table: &Table) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    for batch in 0..table.n_batches() {
        let n = table.batch_rows(batch)?;
        let starts = (0..n).step_by(PIECE_ROWS);
        pieces.extend(starts.map(|start| Piece {
            batch,
            rows: start..(start + PIECE_ROWS).min(n),
        }));
    }
    Ok(pieces)
}

/// What was scored.
pub(super) struct Scored {
    pub(super) subjects: Subjects,
    pub(super) reasons: FirstReasons,
    pub(super) tally: Option<Tally>,
}

/// Of a feature that is the first reason, and the action: customers and the sum of what it adds.
pub(super) type FirstReasons = BTreeMap<(String, String), (u64, f64)>;

/// A model that scores in a worker.
pub(super) struct Scoring<'a> {
    batch: &'a CheckedBatch,
    spec: &'a BatchScore,
    card: &'a Card,
    glossary: Glossary,
    scorer: Scorer,
    deadline: Instant,
    n_reasons: usize,
    /// Column of the items, of a model that has them.
    item: Option<&'a str>,
    schema: SchemaRef,
    /// What the algorithm says beside, by name: as its first answer has it.
    details: Option<Vec<Field>>,
    /// The batch that was read last.
    read: Option<(usize, RecordBatch)>,
    scored: Scored,
    /// Counted by the features' places, whose names need no copy for each row.
    firsts: HashMap<(String, Option<String>), (u64, f64)>,
}

impl<'a> Scoring<'a> {
    /// Opens the model.
    pub(super) fn open(
        bench: &Bench<'_>,
        checked: &'a Checked,
        batch: &'a CheckedBatch,
        spec: &'a BatchScore,
        card: &'a Card,
        n_reasons: u32,
        bounds: Bounds,
    ) -> Result<Self> {
        let model = &batch.model;
        let call = ScorerCall {
            algorithm: model.algorithm.clone(),
            params_json: model.provenance.params_json.clone(),
            model: bench.store.open_file(Area::Models, &model.file)?,
            seed: model.seed,
            threads: bounds.threads,
            memory_bytes: bounds.memory_bytes,
        };
        let scorer = bench.host.open_scorer_with(&checked.algorithm, call)?;
        let mut columns = batch.columns.iter();
        let item = columns.find(|column| column.of_model.role == Some(Role::Item));
        let item = item.map(|column| column.source.as_str());
        let profile = card.profile.as_ref();
        Ok(Self {
            batch,
            spec,
            card,
            glossary: Glossary::of(profile),
            scorer,
            deadline: bounds.deadline,
            n_reasons: n_reasons as usize,
            item,
            schema: schema(item.is_some(), n_reasons as usize, &[]),
            details: None,
            read: None,
            scored: Scored {
                subjects: Subjects::new(item.is_some()),
                reasons: FirstReasons::new(),
                tally: profile.map(Tally::new),
            },
            firsts: HashMap::new(),
        })
    }

    /// The columns of the scratch file; known once the first piece was scored.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Scores one piece.
    pub(super) fn piece(&mut self, table: &Table, piece: &Piece) -> Result<RecordBatch> {
        let rows = self.rows(table, piece)?;
        let n = rows.num_rows();
        let request = request(&self.batch.columns, &rows)?;
        let deadline = self.deadline.min(Instant::now() + PIECE_TIME);
        let told = request_rows::with_option(request.clone(), "explain", true)?;
        let answer = self
            .scorer
            .score(vec![("customers".to_owned(), told.into())], deadline);
        let answer = answer.map_err(|error| self.late(error.into()))?;
        if answer.num_rows() != n {
            let found = answer.num_rows();
            return Err(answer::failed(format!(
                "expected {n} scores, found {found}"
            )));
        }
        let details = self.details(&answer)?;
        let given = answer::given(&answer)?;
        let scores = given.final_scores(&self.batch.model);
        if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
            return Err(answer::failed(format!(
                "expected finite scores, found {} for row {row} of a piece",
                scores[row]
            )));
        }
        let customers = text(&rows, &self.batch.customer)?;
        let items = self.item.map(|item| text(&rows, item)).transpose()?;
        if let (Some(profile), Some(tally)) = (&self.card.profile, &mut self.scored.tally) {
            tally.add(profile, &request, &scores)?;
        }
        let margins = &given.margins;
        self.scored
            .subjects
            .add(&scores, margins, &customers, items.as_ref())?;
        let contributions = Contributions::of(&answer)?;
        let why = self.why(contributions.as_ref(), n);
        let mut columns: Vec<ArrayRef> = vec![Arc::new(customers)];
        columns.extend(items.map(|items| Arc::new(items) as ArrayRef));
        columns.push(Arc::new(Float64Array::from(scores)));
        columns.push(Arc::new(given.margins));
        columns.push(Arc::new(given.bases));
        columns.extend(details);
        columns.extend(why);
        columns.push(match &contributions {
            Some(contributions) => contributions.column()?,
            None => new_null_array(reasons::contributions_field().data_type(), n),
        });
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// What an answer says beside scores and reasons. The first one decides which columns the
    /// table has.
    fn details(&mut self, answer: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let fields = match self.details.take() {
            Some(fields) => fields,
            None => {
                // Which of several it is, where it is that.
                let label = answer.schema_ref().field_with_name("label").ok();
                let label = label.filter(|field| *field.data_type() == DataType::Utf8);
                let fields = label
                    .into_iter()
                    .chain(answer::details(answer))
                    .filter(|field| self.schema.index_of(field.name()).is_err())
                    .filter(|field| !super::tables::OWN.contains(&field.name().as_str()))
                    .map(|field| field.clone().with_nullable(true))
                    .collect::<Vec<Field>>();
                self.schema = schema(self.item.is_some(), self.n_reasons, &fields);
                fields
            }
        };
        let columns = fields.iter().map(|field| {
            let column = answer.column_by_name(field.name());
            let same = column.filter(|column| column.data_type() == field.data_type());
            same.cloned().ok_or_else(|| {
                answer::failed(format!(
                    "expected a column {:?} of type {} in every answer",
                    field.name(),
                    field.data_type()
                ))
            })
        });
        let columns = columns.collect();
        self.details = Some(fields);
        columns
    }

    /// Everything is scored; the worker ends.
    pub(super) fn done(mut self) -> Scored {
        for ((feature, action), (n, sum)) in self.firsts {
            let key = (feature, action.unwrap_or_default());
            self.scored.reasons.insert(key, (n, sum));
        }
        self.scored
    }

    /// The rows of a piece, with the columns that are needed.
    fn rows(&mut self, table: &Table, piece: &Piece) -> Result<RecordBatch> {
        let known = self.read.take_if(|(batch, _)| *batch == piece.batch);
        let rows = match known {
            Some((_, rows)) => rows,
            None => {
                let schema = table.schema();
                let mut names: Vec<&str> = self
                    .batch
                    .columns
                    .iter()
                    .map(|c| c.source.as_str())
                    .collect();
                names.push(&self.batch.customer);
                let mut wanted = Vec::new();
                for name in names {
                    let at = schema.index_of(name)?;
                    if !wanted.contains(&at) {
                        wanted.push(at);
                    }
                }
                table.batch(piece.batch, Some(&wanted))?
            }
        };
        let slice = rows.slice(piece.rows.start, piece.rows.len());
        self.read = Some((piece.batch, rows));
        Ok(slice)
    }

    /// The reasons in words and the action of each row.
    fn why(&mut self, contributions: Option<&Contributions>, n: usize) -> Vec<ArrayRef> {
        let mut texts: Vec<StringBuilder> =
            (0..self.n_reasons).map(|_| StringBuilder::new()).collect();
        let mut actions = StringBuilder::new();
        let mut parts: Vec<Part<'_>> = Vec::new();
        for row in 0..n {
            parts.clear();
            if let Some(contributions) = contributions {
                let either = self.spec.reasons_either_way;
                let counts = |part: &Part<'_>| {
                    part.contribution > 0.0 || (either && part.contribution < 0.0)
                };
                let reasons = contributions.row(row).filter(counts);
                parts.extend(reasons.take(self.n_reasons));
            }
            for (i, text) in texts.iter_mut().enumerate() {
                let part = parts.get(i);
                text.append_option(part.map(|part| self.glossary.words(part)));
            }
            let action = choose(&self.batch.actions, &parts);
            actions.append_option(action);
            let (feature, adds) = parts
                .first()
                .map_or(("", 0.0), |part| (part.feature, part.contribution));
            let key = (feature.to_owned(), action.map(str::to_owned));
            let (count, sum) = self.firsts.entry(key).or_default();
            *count += 1;
            *sum += adds;
        }
        let texts = texts
            .into_iter()
            .map(|mut text| Arc::new(text.finish()) as ArrayRef);
        texts
            .chain([Arc::new(actions.finish()) as ArrayRef])
            .collect()
    }

    fn late(&self, error: Error) -> Error {
        match lode_types::Failure::class(&error) {
            Class::Deadline if Instant::now() < self.deadline => Error::new(
                Class::Deadline,
                "MODEL_TOO_SLOW",
                format!(
                    "model {:?} of {} did not score {PIECE_ROWS} rows within {PIECE_TIME:?}",
                    self.batch.model.id.as_str(),
                    self.batch.model.algorithm
                ),
            ),
            Class::Deadline => Error::new(
                Class::Deadline,
                "JOB_DEADLINE_EXCEEDED",
                "the job's time ran out while customers were scored",
            ),
            _ => error,
        }
    }
}

fn choose<'r>(actions: &'r Actions, parts: &[Part<'_>]) -> Option<&'r str> {
    actions.choose(parts.iter().copied())
}

/// The columns of the scratch file: those of the output, but for the decile.
fn schema(with_item: bool, n_reasons: usize, details: &[Field]) -> SchemaRef {
    let role =
        |role: Role| HashMap::from([(lode_types::ROLE_KEY.to_owned(), role.as_str().to_owned())]);
    let customer = Field::new("customer_id", DataType::Utf8, true);
    let mut fields = vec![customer.with_metadata(role(Role::CustomerId))];
    if with_item {
        let item = Field::new("item", DataType::Utf8, true);
        fields.push(item.with_metadata(role(Role::Item)));
    }
    fields.push(Field::new("score", DataType::Float64, false));
    fields.push(Field::new("margin", DataType::Float64, true));
    fields.push(Field::new("base", DataType::Float64, true));
    fields.extend(details.iter().cloned());
    let reasons = (1..=n_reasons).map(|n| format!("reason_{n}"));
    fields.extend(reasons.map(|name| Field::new(name, DataType::Utf8, true)));
    fields.push(Field::new("action", DataType::Utf8, true));
    fields.push(reasons::contributions_field());
    Arc::new(Schema::new(fields))
}

/// The rows as the model takes them.
fn request(columns: &[ScoredColumn], rows: &RecordBatch) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for column in columns {
        let array = rows
            .column_by_name(&column.source)
            .ok_or_else(|| Error::bug(format!("no column {:?} to score", column.source)))?;
        let field = request_rows::field(&column.of_model);
        // Exact decimals, and integers where the model learned floats.
        arrays.push(match array.data_type() == field.data_type() {
            true => Arc::clone(array),
            false => arrow_cast::cast(array, field.data_type())?,
        });
        fields.push(field);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn text(rows: &RecordBatch, name: &str) -> Result<StringArray> {
    let column = rows
        .column_by_name(name)
        .ok_or_else(|| Error::bug(format!("no column {name:?} among the rows")))?;
    let text = arrow_cast::cast(column, &DataType::Utf8)?;
    Ok(text.as_string::<i32>().clone())
}
