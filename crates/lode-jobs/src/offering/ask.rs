//! Asks a plugin for offers until enough of them pass.
//!
//! Requests go as the rows of one table, and those that got too few go again for more: at first as
//! many as should do by the share of the items that pass, then eight times as many, and so on,
//! until the plugin has no more to give. Invariant: what is kept is in the plugin's order.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::builder::ListBuilder;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::new_null_array;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_select::concat::concat;
use lode_types::Class;
use lode_types::ROLE_KEY;
use lode_types::Role;

use super::sieve::Sieve;
use crate::Error;
use crate::Offer;
use crate::Reason;
use crate::Result;
use crate::reasons::Contributions;
use crate::reasons::Part;
use crate::serving::answer;

/// Each time so many times as many are asked for.
const STEP: u64 = 8;
/// More than any catalogue has.
const MOST: u64 = 1 << 30;

/// One request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Whom for; or what the items are to be like.
    pub(crate) subject: Option<String>,
    pub(crate) session: Vec<String>,
    pub(crate) exclude: Vec<String>,
    /// What is known of the customer now, a row of each of [`Manner::attributes`]; none when nothing
    /// is.
    pub(crate) attributes: Option<Vec<ArrayRef>>,
    pub(crate) limit: u64,
}

/// What holds for all requests of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner<'a> {
    pub(crate) similar: bool,
    pub(crate) explain: bool,
    pub(crate) allow_owned: bool,
    pub(crate) diversity: f64,
    /// Of customers, as the algorithm knows them.
    pub(crate) attributes: &'a [(usize, Field)],
}

/// What came of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Got {
    pub(crate) offers: Vec<Offer>,
    pub(crate) personal: bool,
    /// Whether the plugin gave anything, passing or not.
    pub(crate) any: bool,
}

impl Asked {
    /// Makes it one for the most popular items: nothing is said of the customer but what they have.
    pub(crate) fn make_control(&mut self, allow_owned: bool, owned: Vec<String>) {
        self.subject = None;
        self.attributes = None;
        let session = std::mem::take(&mut self.session);
        if !allow_owned {
            self.exclude.extend(session);
            self.exclude.extend(owned);
        }
    }
}

impl Manner<'_> {
    /// The plugin's input.
    pub(crate) fn input(self) -> &'static str {
        match self.similar {
            true => "similar",
            false => "requests",
        }
    }

    /// Answers all requests, each through its sieve; `score` asks the plugin.
    pub(crate) fn ask(
        self,
        asked: &[(Asked, Sieve)],
        score: &mut dyn FnMut(RecordBatch) -> Result<RecordBatch>,
    ) -> Result<Vec<Got>> {
        let mut got = vec![Got::default(); asked.len()];
        let mut pending: Vec<(usize, u64)> = Vec::new();
        for (i, (request, sieve)) in asked.iter().enumerate() {
            if !matches!(sieve, Sieve::Nothing(_)) {
                pending.push((i, sieve.first_ask(request.limit)));
            }
        }
        while !pending.is_empty() {
            let rows = pending.iter().map(|(i, limit)| (&asked[*i].0, *limit));
            let answer = score(self.table(&rows.collect::<Vec<_>>())?)?;
            let answer = Answer::read(&answer, self.explain)?;
            let ranges = answer.ranges(pending.len())?;
            let mut again = Vec::new();
            for ((i, limit), range) in pending.drain(..).zip(ranges) {
                let (request, sieve) = &asked[i];
                let given = range.len() as u64;
                let held = &mut got[i];
                held.any = !range.is_empty();
                held.personal = range.clone().next().is_some_and(|row| answer.personal(row));
                let wanted = usize::try_from(request.limit).unwrap_or(usize::MAX);
                let passing = range.filter(|row| sieve.passes(answer.items.value(*row)));
                let rows: Vec<usize> = passing.take(wanted).collect();
                let too_few = (rows.len() as u64) < request.limit && sieve.may_pass();
                if too_few && given >= limit && limit < MOST {
                    again.push((i, limit.saturating_mul(STEP).min(MOST)));
                } else {
                    held.offers = rows.into_iter().map(|row| answer.offer(row)).collect();
                }
            }
            pending = again;
        }
        Ok(got)
    }

    fn table(self, rows: &[(&Asked, u64)]) -> Result<RecordBatch> {
        let lists = |items: &dyn Fn(&Asked) -> &[String]| -> ArrayRef {
            let mut list = ListBuilder::new(StringBuilder::new());
            for (asked, _) in rows {
                list.append_value(items(asked).iter().map(|item| Some(item.as_str())));
            }
            Arc::new(list.finish())
        };
        let subjects = rows.iter().map(|(asked, _)| asked.subject.as_deref());
        let subjects: ArrayRef = Arc::new(subjects.collect::<StringArray>());
        let exclude = lists(&|asked| &asked.exclude);
        let limits = rows
            .iter()
            .map(|(_, limit)| i64::try_from(*limit).unwrap_or(i64::MAX));
        let limits: ArrayRef = Arc::new(Int64Array::from_iter_values(limits));
        let (name, role) = match self.similar {
            true => ("item", Role::Item),
            false => ("customer_id", Role::CustomerId),
        };
        let role = HashMap::from([(ROLE_KEY.to_owned(), role.as_str().to_owned())]);
        let mut fields = vec![Field::new(name, DataType::Utf8, true).with_metadata(role)];
        let mut columns = vec![subjects];
        let mut add = |name: &str, column: ArrayRef| {
            fields.push(Field::new(name, column.data_type().clone(), false));
            columns.push(column);
        };
        if !self.similar {
            add("session_items", lists(&|asked| &asked.session));
        }
        add("exclude_items", exclude);
        add("limit", limits);
        for (i, (_, field)) in self.attributes.iter().enumerate() {
            let none = new_null_array(field.data_type(), 1);
            let each = rows.iter().map(|(asked, _)| match &asked.attributes {
                Some(all) => all[i].as_ref(),
                None => none.as_ref(),
            });
            let column = concat(&each.collect::<Vec<_>>())?;
            fields.push(field.clone());
            columns.push(column);
        }
        let mut add = |name: &str, column: ArrayRef| {
            fields.push(Field::new(name, column.data_type().clone(), false));
            columns.push(column);
        };
        let flags = || Arc::new(BooleanArray::from(vec![true; rows.len()]));
        if self.explain {
            add("explain", flags());
        }
        if self.allow_owned {
            add("allow_owned", flags());
        }
        if self.diversity > 0.0 {
            let all = vec![self.diversity; rows.len()];
            add("diversity", Arc::new(Float64Array::from(all)));
        }
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns,
        )?)
    }
}

/// A plugin's answer.
struct Answer {
    requests: Int64Array,
    items: StringArray,
    scores: Float64Array,
    personal: Option<BooleanArray>,
    why: Option<(Float64Array, Contributions)>,
}

impl Answer {
    fn read(batch: &RecordBatch, explain: bool) -> Result<Self> {
        let missing =
            |name: &str| answer::failed(format!("expected a column {name:?}, found none"));
        let requests = batch.column_by_name("request");
        let requests = requests.ok_or_else(|| missing("request"))?;
        let requests = arrow_cast::cast(requests, &DataType::Int64)?;
        let personal = batch.column_by_name("personal");
        let mut why = None;
        if explain {
            let base = answer::number(batch, "base")?;
            let contributions = Contributions::of(batch)?;
            why = base.zip(contributions);
            if why.is_none() && batch.num_rows() > 0 {
                return Err(Error::new(
                    Class::State,
                    "NO_REASONS",
                    "expected a model whose algorithm gives reasons of its offers, found one that gives none",
                )
                .at("explain"));
            }
        }
        Ok(Self {
            requests: requests.as_primitive::<Int64Type>().clone(),
            items: answer::text(batch, "item")?.ok_or_else(|| missing("item"))?,
            scores: answer::number(batch, "score")?.ok_or_else(|| missing("score"))?,
            personal: personal.and_then(|column| column.as_boolean_opt().cloned()),
            why,
        })
    }

    /// The rows of each of `n` requests, which must stand in their order.
    fn ranges(&self, n: usize) -> Result<Vec<std::ops::Range<usize>>> {
        let mut ranges = Vec::with_capacity(n);
        let mut start = 0;
        for request in 0..n {
            let mut end = start;
            while end < self.requests.len()
                && usize::try_from(self.requests.value(end)) == Ok(request)
            {
                end += 1;
            }
            ranges.push(start..end);
            start = end;
        }
        if start < self.requests.len() {
            return Err(answer::failed(format!(
                "expected the numbers of {n} requests in order, found {} in row {start}",
                self.requests.value(start)
            )));
        }
        Ok(ranges)
    }

    fn personal(&self, row: usize) -> bool {
        self.personal
            .as_ref()
            .is_some_and(|all| all.is_valid(row) && all.value(row))
    }

    fn offer(&self, row: usize) -> Offer {
        let mut offer = Offer {
            item: self.items.value(row).to_owned(),
            score: self.scores.value(row),
            ..Offer::default()
        };
        if let Some((bases, contributions)) = &self.why {
            offer.base = bases.value(row);
            let parts = contributions.row(row);
            offer.reasons = parts
                .map(|part| Reason {
                    feature: part.feature.to_owned(),
                    value: part.value.map(str::to_owned),
                    contribution: part.contribution,
                    text: words(&part),
                })
                .collect();
        }
        offer
    }
}

/// A reason in words.
pub(crate) fn words(part: &Part<'_>) -> String {
    match (part.feature, part.value) {
        ("bought", Some(item)) => format!("because of {item}"),
        ("popularity", _) => "popular with others".to_owned(),
        ("segment", Some(segment)) => format!("popular among {segment}"),
        ("attribute", Some(attribute)) => format!("for its {attribute}"),
        _ => lode_features::words(part.feature, "", part.value, None),
    }
}
