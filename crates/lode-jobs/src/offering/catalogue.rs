//! Which datasets a model's offers rest on, and its rules: read from the spec of its job.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_schema::Field;
use lode_store::Dataset;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::Class;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::Failure;
use lode_types::Role;
use lode_types::Timestamp;

use super::fresh::Fresh;
use crate::Error;
use crate::InputSource;
use crate::JobSpec;
use crate::Model;
use crate::Result;
use crate::condition::Bound;
use crate::condition::Filter;
use crate::condition::Side;
use crate::condition::Sides;
use crate::condition::invalid;
use crate::records;
use crate::spec::Offering;

/// The reason of an error after which a model's rules are to be read anew.
pub(crate) const CHANGED: &str = "DATASET_CHANGED";
/// Most rules of one model.
const MAX_RULES: usize = 100;
/// Largest share of customers who are control.
const MAX_CONTROL: f64 = 0.9;
/// Filters of calls that are kept in their bound form.
const KEPT_FILTERS: usize = 256;

/// A dataset of items or customers, and its column of ids.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) dataset: Dataset,
    pub(crate) id: String,
}

impl Known {
    /// Refuses another dataset that has taken the place of the one that was bound to.
    ///
    /// # Errors
    /// `DATASET_CHANGED`.
    pub(crate) fn check(&self, snapshot: &Snapshot) -> Result<()> {
        let (now, bound) = (snapshot.dataset(), &self.dataset);
        let same = |(a, b): (&Column, &Column)| a.name == b.name && a.column_type == b.column_type;
        let (a, b) = (now.schema.columns(), bound.schema.columns());
        if a.len() == b.len() && a.iter().zip(b).all(same) {
            return Ok(());
        }
        let words = format!("dataset {} has other columns than it had", bound.id);
        Err(Error::new(Class::State, CHANGED, words))
    }
}

/// The events that a model was made from.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    pub(crate) dataset: DatasetId,
    /// The version that it was made from.
    pub(crate) version: u64,
    /// The time as of which it was read, if not as it was.
    pub(crate) as_of: Option<Timestamp>,
    pub(crate) customer: String,
    pub(crate) item: String,
    pub(crate) quantity: Option<String>,
    pub(crate) kind: Option<String>,
    /// Weights of kinds of events; those without one weigh 1.
    pub(crate) kind_weights: BTreeMap<String, f64>,
}

/// A rule that was checked.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) text: String,
    pub(crate) bound: Bound,
}

/// What a model's offers rest on.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) items: Option<Known>,
    pub(crate) customers: Option<Known>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) control_share: f64,
    /// What the algorithm learned of customers: their column and its name to the algorithm.
    pub(crate) attributes: Vec<(usize, Field)>,
    /// What customers did since.
    pub(crate) fresh: Option<Fresh>,
    filters: Mutex<HashMap<String, Arc<Bound>>>,
}

impl Catalogue {
    /// That of a model.
    pub(crate) fn of(store: &Store, model: &Model) -> Result<Self> {
        let job = records::job(store, &model.job)?;
        let job = job.ok_or_else(|| Error::bug("a model without its job"))?;
        let mut catalogue = Self::read(store, &job.spec)?;
        catalogue.fresh = events(model, &job.spec).map(Fresh::new);
        Ok(catalogue)
    }

    /// That of a spec.
    ///
    /// # Errors
    /// What is wrong with its offering, by field.
    pub(crate) fn read(store: &Store, spec: &JobSpec) -> Result<Self> {
        let none = Offering::default();
        let offering = spec.offering.as_ref().unwrap_or(&none);
        let items = known(store, spec, "items", offering.items.as_ref())?;
        let customers = known(store, spec, "customers", offering.customers.as_ref())?;
        if offering.rules.len() > MAX_RULES {
            let words = format!(
                "expected at most {MAX_RULES} rules, found {}",
                offering.rules.len()
            );
            return Err(Error::invalid("OUT_OF_RANGE", "spec.offering.rules", words));
        }
        if !(0.0..=MAX_CONTROL).contains(&offering.control_share) {
            let found = offering.control_share;
            let words = format!("expected 0 to {MAX_CONTROL}, found {found}");
            let field = "spec.offering.control_share";
            return Err(Error::invalid("OUT_OF_RANGE", field, words));
        }
        let mut catalogue = Self {
            attributes: attributes(spec, customers.as_ref()),
            items,
            customers,
            rules: Vec::new(),
            control_share: offering.control_share,
            fresh: None,
            filters: Mutex::default(),
        };
        for (i, text) in offering.rules.iter().enumerate() {
            let bound = catalogue.bind(text);
            let bound = bound.map_err(|error| error.at(format!("spec.offering.rules[{i}]")))?;
            let text = text.trim().to_owned();
            catalogue.rules.push(Rule { text, bound });
        }
        Ok(catalogue)
    }

    /// The filter of a call; none of an empty text.
    ///
    /// # Errors
    /// `INVALID_FILTER`, `COLUMN_NOT_FOUND`, `NO_ITEMS`, `NO_CUSTOMERS`.
    pub(crate) fn filter(&self, text: &str) -> Result<Option<Arc<Bound>>> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let kept = || self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = kept().get(text) {
            return Ok(Some(Arc::clone(bound)));
        }
        let bound = Arc::new(self.bind(text)?);
        let mut filters = kept();
        if filters.len() >= KEPT_FILTERS {
            filters.clear();
        }
        filters.insert(text.to_owned(), Arc::clone(&bound));
        Ok(Some(bound))
    }

    /// Whether what is known of the customer is needed to answer.
    pub(crate) fn needs_customer(&self, filter: Option<&Bound>) -> bool {
        let rules = self.rules.iter().map(|rule| &rule.bound);
        !self.attributes.is_empty() || rules.chain(filter).any(Bound::is_of_customers)
    }

    /// What the algorithm is told of a customer of whom this row is known.
    pub(crate) fn attributes_of(&self, row: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let columns = self.attributes.iter();
        let columns = columns.map(|(at, field)| {
            let column = row.column(*at);
            match column.data_type() == field.data_type() {
                true => Ok(Arc::clone(column)),
                // Exact decimals are floats to algorithms.
                false => Ok(arrow_cast::cast(column, field.data_type())?),
            }
        });
        columns.collect()
    }

    fn bind(&self, text: &str) -> Result<Bound> {
        let filter = Filter::parse(text).map_err(|wrong| invalid(text, &wrong))?;
        fn side(known: Option<&Known>) -> Option<Side<'_>> {
            let dataset = &known?.dataset;
            Some(Side {
                name: dataset.id.as_str(),
                schema: &dataset.schema,
            })
        }
        let sides = Sides {
            items: side(self.items.as_ref()),
            customers: side(self.customers.as_ref()),
        };
        Bound::new(&filter, sides)
    }
}

/// The dataset of items or customers that a spec names, in its offering or as an input.
fn known(
    store: &Store,
    spec: &JobSpec,
    input: &str,
    named: Option<&DatasetId>,
) -> Result<Option<Known>> {
    let given = spec.inputs.get(input);
    let field = format!("spec.offering.{input}");
    let (id, roles) = match (named, given) {
        (Some(id), _) => (id, None),
        (None, Some(given)) => match &given.source {
            InputSource::Dataset(id) => (id, Some(&given.roles)),
            // What is no dataset has no current rows.
            _ => return Ok(None),
        },
        (None, None) => return Ok(None),
    };
    let dataset = match store.dataset(id) {
        Ok(dataset) => dataset,
        // What a model was made from may be gone; then nothing can be said of it.
        Err(error) if error.class() == Class::NotFound && named.is_none() => return Ok(None),
        Err(error) => return Err(Error::from(error).at(field)),
    };
    let is_customers = dataset.kind == DatasetKind::Customers;
    let (role, refused) = match input {
        "customers" => (Role::CustomerId, !is_customers),
        _ => (Role::Item, is_customers),
    };
    if refused {
        if named.is_none() {
            return Ok(None);
        }
        let wanted = match input {
            "customers" => "a dataset of kind customers",
            _ => "a dataset of kind items or another that is appended to",
        };
        let words = format!(
            "expected {wanted}, found {id}, which is of {}",
            dataset.kind
        );
        return Err(Error::invalid("WRONG_KIND", field, words));
    }
    let by_input = roles.and_then(|roles| roles.get(&role)).cloned();
    let by_role = || dataset.schema.with_role(role).map(|c| c.name.clone());
    let by_name = || {
        let mut columns = dataset.schema.columns().iter();
        columns
            .find(|c| c.name == role.as_str())
            .map(|c| c.name.clone())
    };
    let Some(column) = by_input.or_else(by_role).or_else(by_name) else {
        if named.is_none() {
            return Ok(None);
        }
        let words = format!("expected a column of role {role} in dataset {id}, found none");
        return Err(Error::invalid("MISSING_ROLE", field, words));
    };
    let mut columns = dataset.schema.columns().iter();
    let is_id = |kind| matches!(kind, ColumnType::String | ColumnType::Int64);
    if !columns.any(|c| c.name == column && is_id(c.column_type)) {
        let words = format!(
            "expected a column {column:?} of type string or int64 in dataset {id}, found none"
        );
        return Err(Error::invalid("COLUMN_NOT_FOUND", field, words));
    }
    Ok(Some(Known {
        dataset,
        id: column,
    }))
}

/// The columns of customers that an algorithm learned from, with the names that it knows in requests.
fn attributes(spec: &JobSpec, customers: Option<&Known>) -> Vec<(usize, Field)> {
    let given = spec.inputs.get("customers");
    let (Some(given), Some(known)) = (given, customers) else {
        return Vec::new();
    };
    if !matches!(&given.source, InputSource::Dataset(id) if *id == known.dataset.id) {
        return Vec::new();
    }
    let columns = known.dataset.schema.columns().iter().enumerate();
    let learned = columns.filter(|(_, c)| c.name != known.id && !given.exclude.contains(&c.name));
    let fields = learned.map(|(at, column)| {
        let kind = column.column_type.for_algorithms().to_arrow();
        (
            at,
            Field::new(format!("customer.{}", column.name), kind, true),
        )
    });
    fields.collect()
}

/// The events that a model was made from, when they are those of a dataset.
fn events(model: &Model, spec: &JobSpec) -> Option<Events> {
    let dataset = model.dataset.as_ref()?;
    let mut inputs = model.provenance.inputs.iter();
    let pinned = inputs.find(|input| input.dataset == *dataset)?;
    let column = |role: Role| {
        let mut columns = model.signature.iter();
        let column = columns.find(|column| column.role == Some(role));
        column.map(|column| column.name.clone())
    };
    Some(Events {
        dataset: dataset.clone(),
        version: pinned.version,
        as_of: pinned.as_of.or(spec.as_of),
        customer: column(Role::CustomerId)?,
        item: column(Role::Item)?,
        quantity: column(Role::Quantity),
        kind: column(Role::EventKind),
        kind_weights: kind_weights(&model.provenance.params_json),
    })
}

fn kind_weights(params_json: &str) -> BTreeMap<String, f64> {
    let params: serde_json::Value = serde_json::from_str(params_json).unwrap_or_default();
    let weights = params
        .get("kind_weights")
        .and_then(|weights| weights.as_object());
    let weights = weights.into_iter().flatten();
    weights
        .filter_map(|(kind, weight)| Some((kind.clone(), weight.as_f64()?)))
        .collect()
}
