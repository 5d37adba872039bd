//! Checks offers for everybody: a recommender, whom it is asked about, and what it may offer.
//!
//! Asked for are the rows of the input `customers`, else of the model's customers, else who is in
//! its events. Invariant: the items, customers and events of now are pinned like any input.

use std::collections::BTreeMap;
use std::sync::Arc;

use lode_host::Loaded;
use lode_store::Snapshot;
use lode_types::Class;
use lode_types::Role;

use super::CUSTOMERS;
use super::Checked;
use super::Checker;
use super::INPUT;
use super::MODEL;
use super::Pins;
use super::table;
use crate::BatchScore;
use crate::Error;
use crate::InputRef;
use crate::InputSource;
use crate::JobSpec;
use crate::Model;
use crate::OfferList;
use crate::Provenance;
use crate::Result;
use crate::check::BoundInput;
use crate::check::KeptColumns;
use crate::condition::Bound;
use crate::offering::Catalogue;

/// Most offers of one customer.
const MAX_LIMIT: u32 = 1000;

/// Offers for everybody that can be made.
pub(crate) struct CheckedForAll {
    pub(crate) model: Model,
    pub(crate) catalogue: Catalogue,
    pub(crate) filter: Option<Arc<Bound>>,
    /// Where the customers' ids are.
    pub(crate) customer: String,
    pub(crate) items: Option<Arc<Snapshot>>,
    pub(crate) customers: Option<Arc<Snapshot>>,
    pub(crate) events: Option<Arc<Snapshot>>,
}

impl Checker<'_> {
    /// Checks offers for everybody.
    pub(super) fn offers_for_all(
        &self,
        spec: &JobSpec,
        batch: &BatchScore,
        model: Model,
        loaded: Arc<Loaded>,
        again: Option<&Provenance>,
    ) -> Result<Checked> {
        let Some(list) = &batch.offers else {
            return Err(Error::invalid(
                "WRONG_TASK",
                MODEL,
                format!(
                    "expected a model of churn, response, demand, value or credit, or offers with a model that recommends, found {:?} of {}",
                    model.id.as_str(),
                    model.algorithm
                ),
            ));
        };
        alone(spec, batch)?;
        bounds(list)?;
        let catalogue = Catalogue::of(self.store, &model).map_err(|error| error.at(MODEL))?;
        let filter = catalogue.filter(&list.filter);
        let filter = filter.map_err(|error| error.at("spec.batch_score.offers.filter"))?;
        let mut pins = Pins {
            store: self.store,
            pinned: again.map(|provenance| provenance.inputs.as_slice()),
            held: BTreeMap::new(),
        };
        let events = catalogue.fresh.as_ref().map(|fresh| &fresh.events);
        let (given, customer) = match (spec.inputs.get(INPUT), &catalogue.customers, events) {
            (Some(given), _, _) => (given.clone(), None),
            (None, Some(known), _) => (
                InputRef::of(known.dataset.id.clone()),
                Some(known.id.clone()),
            ),
            (None, None, Some(events)) => (
                InputRef::of(events.dataset.clone()),
                Some(events.customer.clone()),
            ),
            (None, None, None) => {
                return Err(Error::new(
                    Class::State,
                    "MODEL_HAS_NO_DATASET",
                    format!(
                        "model {:?} was made neither from a dataset of events nor with one of customers: give the input \"customers\"",
                        model.id.as_str()
                    ),
                )
                .at(CUSTOMERS));
            }
        };
        let source = self.source(INPUT, &given, spec, &mut pins);
        let (source, columns) = source.map_err(|error| error.at(CUSTOMERS))?;
        let by_role = || {
            let named = given.roles.get(&Role::CustomerId).cloned();
            let mut columns = columns.iter();
            let held = columns.find(|c| c.role == Some(Role::CustomerId));
            named.or_else(|| held.map(|c| c.name.clone()))
        };
        let named = customer.or_else(by_role);
        let customer = named.filter(|name| columns.iter().any(|c| c.name == *name));
        let customer = customer.ok_or_else(|| {
            Error::invalid(
                "MISSING_ROLE",
                CUSTOMERS,
                "expected a column of role customer_id to say whom the offers are for, found none",
            )
        })?;
        let mut inputs = vec![BoundInput {
            name: INPUT.to_owned(),
            source,
            as_of: None,
            columns,
            kept: KeptColumns::default(),
        }];
        let mut pinned = Vec::new();
        for (name, dataset) in [
            (
                "items",
                catalogue.items.as_ref().map(|known| &known.dataset.id),
            ),
            (
                "known_customers",
                catalogue.customers.as_ref().map(|known| &known.dataset.id),
            ),
            ("events", events.map(|events| &events.dataset)),
        ] {
            let snapshot = dataset.map(|dataset| pins.pin(dataset)).transpose()?;
            if let Some(snapshot) = &snapshot {
                inputs.push(table(name, Arc::clone(snapshot)));
            }
            pinned.push(snapshot);
        }
        let events = pinned.pop().flatten();
        let customers = pinned.pop().flatten();
        let items = pinned.pop().flatten();
        Ok(Checked {
            algorithm: loaded,
            params_json: "{}".to_owned(),
            inputs: Arc::new(inputs),
            folds: 1,
            base_model: None,
            base_model_sha256: Some(model.sha256.clone()),
            tuning: None,
            batch: None,
            offers: Arc::default(),
            for_all: Some(CheckedForAll {
                model,
                catalogue,
                filter,
                customer,
                items,
                customers,
                events,
            }),
        })
    }
}

impl InputRef {
    /// A dataset whose roles are its own.
    fn of(dataset: lode_types::DatasetId) -> Self {
        Self {
            source: InputSource::Dataset(dataset),
            roles: BTreeMap::new(),
            exclude: Vec::new(),
        }
    }
}

/// Refuses what offers have no use for.
fn alone(spec: &JobSpec, batch: &BatchScore) -> Result<()> {
    let refused = |field: &str, what: &str| {
        let words = format!("expected no {what} beside offers, found one");
        Err(Error::invalid("NOT_WITH_OFFERS", field, words))
    };
    if batch.contacts.is_some() {
        return refused("spec.batch_score.contacts", "list of contacts");
    }
    if batch.actions.is_some() {
        return refused("spec.batch_score.actions", "table of actions");
    }
    if spec.write_back {
        return refused("spec.write_back", "write-back");
    }
    if spec.as_of.is_some() {
        return refused("spec.as_of", "time: offers are of what is known now");
    }
    Ok(())
}

fn bounds(list: &OfferList) -> Result<()> {
    let refused = |field: &str, expected: &str, found: String| {
        let words = format!("expected {expected}, found {found}");
        let field = format!("spec.batch_score.offers.{field}");
        Err(Error::invalid("OUT_OF_RANGE", field, words))
    };
    if list.limit > MAX_LIMIT {
        return refused(
            "limit",
            &format!("0 to {MAX_LIMIT}"),
            list.limit.to_string(),
        );
    }
    if !(0.0..=1.0).contains(&list.diversity) {
        return refused("diversity", "0 to 1", list.diversity.to_string());
    }
    Ok(())
}
