//! Offers for everybody: each customer's best items, as they may be offered now.
//!
//! Customers are asked some hundred at a time, in the order of their ids, in the way that a call of
//! one is. Invariant: equal inputs give equal bytes.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use lode_host::Scorer;
use lode_host::ScorerCall;
use lode_parts::Table;
use lode_store::Area;
use lode_types::CustomerId;
use lode_types::ROLE_KEY;
use lode_types::Role;

use super::READ;
use super::WRITTEN;
use super::Writing;
use super::warn;
use crate::Arm;
use crate::Error;
use crate::Job;
use crate::Metric;
use crate::Offer;
use crate::OfferList;
use crate::Result;
use crate::check::Checked;
use crate::check::CheckedForAll;
use crate::offering::ask::Asked;
use crate::offering::ask::Got;
use crate::offering::ask::Manner;
use crate::offering::fresh::Since;
use crate::offering::sieve::For;
use crate::offering::sieve::Sieve;
use crate::offering::table::Items;
use crate::reasons;
use crate::run::Bench;
use crate::run::Keep;
use crate::run::Made;

/// Customers that are asked at once.
const PIECE: usize = 512;
/// Longest that one piece may take.
const PIECE_TIME: Duration = Duration::from_secs(120);
/// Offers of a customer when the spec does not say.
const DEFAULT_LIMIT: u32 = 10;
/// Reasons of an offer in words.
const N_REASONS: usize = 3;

/// Items and customers as they were pinned.
struct Pinned<'a> {
    offers: &'a CheckedForAll,
    items: OnceCell<Arc<Items>>,
}

impl Pinned<'_> {
    fn items(&self) -> Result<Arc<Items>> {
        if let Some(items) = self.items.get() {
            return Ok(Arc::clone(items));
        }
        let known = self.offers.catalogue.items.as_ref();
        let known = known.zip(self.offers.items.as_ref());
        let (known, snapshot) = known.ok_or_else(|| Error::bug("a filter on no items"))?;
        known.check(snapshot)?;
        let items = Arc::new(Items::read(snapshot, &known.id)?);
        Ok(Arc::clone(self.items.get_or_init(|| items)))
    }

    fn customer(&self, id: &CustomerId) -> Result<Option<RecordBatch>> {
        match &self.offers.customers {
            Some(snapshot) => Ok(snapshot.customer(id)?),
            None => Ok(None),
        }
    }
}

/// What was made so far.
#[derive(Default)]
struct Tally {
    offers: u64,
    without: u64,
    control: u64,
    /// Customers who get nothing, by why.
    why: BTreeMap<String, u64>,
}

/// Carries out offers for everybody.
pub(crate) fn carry_out(
    bench: &Bench<'_>,
    job: &Job,
    checked: &Checked,
    offers: &CheckedForAll,
) -> Result<Made> {
    let bounds = bench.bounds(job);
    let spec = job.spec.batch_score.as_ref();
    let spec = spec.ok_or_else(|| Error::bug("offers without their spec"))?;
    let list = spec.offers.clone().unwrap_or_default();
    let model = &offers.model;
    bench.progress("read customers", 0.0);
    let input = checked.inputs.first();
    let input = input.ok_or_else(|| Error::bug("offers for nobody"))?;
    let ids = customers(
        &Table::open(bench.open_input(input, bounds)?.files)?,
        &offers.customer,
    )?;
    let call = ScorerCall {
        algorithm: model.algorithm.clone(),
        params_json: model.provenance.params_json.clone(),
        model: bench.store.open_file(Area::Models, &model.file)?,
        seed: model.seed,
        threads: bounds.threads,
        memory_bytes: bounds.memory_bytes,
    };
    let mut making = Making {
        bench,
        offers,
        present: Pinned {
            offers,
            items: OnceCell::new(),
        },
        scorer: bench.host.open_scorer_with(&checked.algorithm, call)?,
        deadline: bounds.deadline,
        manner: Manner {
            similar: false,
            explain: list.explain,
            allow_owned: list.allow_owned,
            diversity: list.diversity,
            attributes: &offers.catalogue.attributes,
        },
        called: spec.model.to_string(),
        schema: schema(&list, offers.catalogue.control_share > 0.0),
        list,
        tally: Tally::default(),
    };
    let mut writing = Writing {
        bench,
        keep: Keep::new(bench.store, Area::Outputs),
        stem: format!("{}-{}", job.number, job.provenance.attempts),
        outputs: Vec::new(),
    };
    let total = ids.len().max(1) as f64;
    let mut done = 0.0;
    let schema = Arc::clone(&making.schema);
    let rows = ids.chunks(PIECE).map(|piece| {
        done += piece.len() as f64;
        bench.progress("offer", READ + (WRITTEN - READ) * done / total);
        making.piece(piece)
    });
    writing.table("offers", "table", &schema, rows)?;
    let tally = making.tally;
    for (why, n) in &tally.why {
        warn(bench, format!("{n} customers get no offer: {why}"));
    }
    let metrics = [
        ("control_customers", tally.control as f64),
        ("customers", ids.len() as f64),
        ("customers_without", tally.without as f64),
        ("offers", tally.offers as f64),
    ];
    let metrics = metrics.into_iter().map(|(name, value)| Metric {
        name: name.to_owned(),
        value,
    });
    Ok(Made {
        outputs: writing.done(),
        models: Vec::new(),
        metrics: metrics.collect(),
        written_back: 0,
        provenance: None,
    })
}

struct Making<'a> {
    bench: &'a Bench<'a>,
    offers: &'a CheckedForAll,
    present: Pinned<'a>,
    scorer: Scorer,
    deadline: Instant,
    manner: Manner<'a>,
    list: OfferList,
    /// The name by which the model is called, which the arm depends on.
    called: String,
    schema: SchemaRef,
    tally: Tally,
}

impl Making<'_> {
    /// Offers for some customers.
    fn piece(&mut self, ids: &[CustomerId]) -> Result<RecordBatch> {
        let catalogue = &self.offers.catalogue;
        let limit = match self.list.limit {
            0 => DEFAULT_LIMIT,
            limit => limit,
        };
        let mut since = vec![Since::default(); ids.len()];
        if let (Some(fresh), Some(events)) = (&catalogue.fresh, &self.offers.events) {
            since = fresh.at(events, self.bench.store, ids)?;
        }
        let mut asked = Vec::with_capacity(ids.len());
        let mut arms = Vec::with_capacity(ids.len());
        let filter = self.offers.filter.as_deref();
        let needs_row = catalogue.needs_customer(filter);
        for (id, since) in ids.iter().zip(since) {
            let row = match needs_row {
                true => self.present.customer(id)?,
                false => None,
            };
            let whom = For::Customer(row.as_ref());
            let sieve = Sieve::new(catalogue, filter, whom, &|| self.present.items())?;
            let arm = Arm::of(id.as_str(), &self.called, catalogue.control_share);
            let mut request = Asked {
                subject: Some(id.as_str().to_owned()),
                session: since.items,
                exclude: since.disliked,
                attributes: row.map(|row| catalogue.attributes_of(&row)).transpose()?,
                limit: limit.into(),
            };
            if arm == Arm::Control {
                self.tally.control += 1;
                let mut owned = Vec::new();
                if let (Some(fresh), Some(events)) = (&catalogue.fresh, &self.offers.events) {
                    owned = fresh.owned(events, id)?;
                }
                request.make_control(self.manner.allow_owned, owned);
            }
            if let Sieve::Nothing(note) = &sieve {
                *self.tally.why.entry(note.message.clone()).or_default() += 1;
            }
            asked.push((request, sieve));
            arms.push(arm);
        }
        let deadline = self.deadline;
        let scorer = &mut self.scorer;
        let input = self.manner.input();
        let mut score = |batch: RecordBatch| {
            let until = deadline.min(Instant::now() + PIECE_TIME);
            Ok(scorer.score(vec![(input.to_owned(), batch.into())], until)?)
        };
        let got = self.manner.ask(&asked, &mut score)?;
        for got in &got {
            self.tally.offers += got.offers.len() as u64;
            self.tally.without += u64::from(got.offers.is_empty());
        }
        self.rows(ids, &arms, &got)
    }

    fn rows(&self, ids: &[CustomerId], arms: &[Arm], got: &[Got]) -> Result<RecordBatch> {
        let each = || {
            let all = ids.iter().zip(arms).zip(got);
            all.flat_map(|((id, arm), got)| {
                let offers = got.offers.iter().zip(1_i64..);
                offers.map(move |(offer, rank)| (id, *arm, got.personal, rank, offer))
            })
        };
        let offers = || each().map(|(.., offer)| offer);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(
                each().map(|(id, ..)| id.as_str()),
            )),
            Arc::new(Int64Array::from_iter_values(each().map(|row| row.3))),
            Arc::new(StringArray::from_iter_values(
                offers().map(|offer| offer.item.as_str()),
            )),
            Arc::new(Float64Array::from_iter_values(
                offers().map(|offer| offer.score),
            )),
            Arc::new(each().map(|row| Some(row.2)).collect::<BooleanArray>()),
        ];
        if self.offers.catalogue.control_share > 0.0 {
            let arms = each().map(|(_, arm, ..)| arm.as_str());
            columns.push(Arc::new(StringArray::from_iter_values(arms)));
        }
        if self.manner.explain {
            let bases = offers().map(|offer| offer.base);
            columns.push(Arc::new(Float64Array::from_iter_values(bases)));
            for n in 0..N_REASONS {
                let text = |offer: &Offer| Some(offer.reasons.get(n)?.text.clone());
                let texts: Vec<Option<String>> = offers().map(text).collect();
                columns.push(Arc::new(StringArray::from(texts)));
            }
            let parts = offers().map(|offer| offer.reasons.as_slice());
            columns.push(reasons::column_of(parts)?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// The customers of a table, each once, in the order of their ids.
fn customers(table: &Table, column: &str) -> Result<Vec<CustomerId>> {
    let at = table.schema().index_of(column)?;
    let mut ids = BTreeSet::new();
    for i in 0..table.n_batches() {
        let batch = table.batch(i, Some(&[at]))?;
        let texts = arrow_cast::cast(batch.column(0), &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        for text in texts.iter().flatten() {
            if !ids.contains(text) {
                ids.insert(text.to_owned());
            }
        }
    }
    // What is no id cannot be asked for.
    Ok(ids
        .into_iter()
        .filter_map(|id| CustomerId::parse(id).ok())
        .collect())
}

fn schema(list: &OfferList, with_arms: bool) -> SchemaRef {
    let with = |field: Field, role: Role| {
        field.with_metadata(HashMap::from([(
            ROLE_KEY.to_owned(),
            role.as_str().to_owned(),
        )]))
    };
    let mut fields = vec![
        with(
            Field::new("customer_id", DataType::Utf8, false),
            Role::CustomerId,
        ),
        Field::new("rank", DataType::Int64, false),
        with(Field::new("item", DataType::Utf8, false), Role::Item),
        Field::new("score", DataType::Float64, false),
        Field::new("personal", DataType::Boolean, false),
    ];
    if with_arms {
        fields.push(Field::new("arm", DataType::Utf8, false));
    }
    if list.explain {
        fields.push(Field::new("base", DataType::Float64, false));
        let reasons = (1..=N_REASONS).map(|n| format!("reason_{n}"));
        fields.extend(reasons.map(|name| Field::new(name, DataType::Utf8, true)));
        fields.push(reasons::contributions_field());
    }
    Arc::new(Schema::new(fields))
}
