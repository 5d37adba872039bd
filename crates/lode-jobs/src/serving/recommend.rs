//! Answers "what for this customer?" and "what is like this item?" from an open model.
//!
//! What is not the plugin's is added here: rules and filters, what the customer did since the model
//! was made, the control arm, and the record of what was offered.

use std::sync::Arc;

use arrow_array::RecordBatch;
use lode_types::Class;
use lode_types::CustomerId;
use lode_types::Failure;
use lode_types::ModelId;
use lode_types::ModelRef;
use lode_types::Task;

use super::OpenModel;
use super::Serving;
use super::wrong_task;
use crate::Arm;
use crate::Error;
use crate::Note;
use crate::Reason;
use crate::Result;
use crate::condition::Bound;
use crate::offering::Catalogue;
use crate::offering::ask::Asked;
use crate::offering::ask::Got;
use crate::offering::ask::Manner;
use crate::offering::catalogue::CHANGED;
use crate::offering::impressions::Shown;
use crate::offering::sieve::For;
use crate::offering::sieve::Sieve;

/// A request for items.
#[derive(Clone, Debug)]
pub struct RecommendCall {
    /// The model.
    pub model: ModelRef,
    /// Whom for.
    pub customer: Option<CustomerId>,
    /// Items touched, oldest first.
    pub session_items: Vec<String>,
    /// Items to leave out.
    pub exclude_items: Vec<String>,
    /// How many, 1 to 1,000.
    pub limit: u32,
    /// Whether to give reasons.
    pub explain: bool,
    /// A condition in words; empty for none.
    pub filter: String,
    /// Whether items that the customer has may be offered.
    pub allow_owned: bool,
    /// 0 to 1: trades score for variety.
    pub diversity: f64,
    /// Whether to keep what is offered.
    pub record: bool,
}

/// A request for items like one.
#[derive(Clone, Debug)]
pub struct SimilarCall {
    /// The model.
    pub model: ModelRef,
    /// What they are to be like.
    pub item: String,
    /// Items to leave out.
    pub exclude_items: Vec<String>,
    /// How many, 1 to 1,000.
    pub limit: u32,
    /// A condition in words; empty for none.
    pub filter: String,
}

/// Items for a customer, or like an item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offers {
    /// Best first.
    pub offers: Vec<Offer>,
    /// Whether they rest on the customer's own history.
    pub personal: bool,
    /// Of what was recorded.
    pub impression_id: String,
    /// What else there is to know.
    pub notes: Vec<Note>,
    /// Of a model with a control share.
    pub arm: Option<Arm>,
}

/// One item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offer {
    /// The item.
    pub item: String,
    /// Its score.
    pub score: f64,
    /// With `explain`: what every item starts from.
    pub base: f64,
    /// With `explain`: largest contribution first.
    pub reasons: Vec<Reason>,
}

impl Serving {
    pub(crate) fn recommend(&self, id: &ModelId, call: &RecommendCall) -> Result<Offers> {
        self.again(id, || self.recommend_now(id, call))
    }

    pub(crate) fn similar(&self, id: &ModelId, call: &SimilarCall) -> Result<Offers> {
        self.again(id, || self.similar_now(id, call))
    }

    /// Answers once more when a dataset was replaced by another of its name, which its rules are
    /// then bound to.
    fn again(&self, id: &ModelId, answer: impl Fn() -> Result<Offers>) -> Result<Offers> {
        match answer() {
            Err(error) if error.reason() == CHANGED => {
                self.models.forget(id);
                answer()
            }
            answered => answered,
        }
    }

    fn recommend_now(&self, id: &ModelId, call: &RecommendCall) -> Result<Offers> {
        if !(0.0..=1.0).contains(&call.diversity) {
            let words = format!("expected 0 to 1, found {}", call.diversity);
            return Err(Error::invalid("OUT_OF_RANGE", "diversity", words));
        }
        let open = self.recommender(id, "recommendations")?;
        let catalogue = open.catalogue()?;
        let customer = call.customer.as_ref();
        let filter = filter(catalogue, &call.filter)?;
        let row = match customer {
            Some(id) if catalogue.needs_customer(filter.as_deref()) => self.row(catalogue, id)?,
            _ => None,
        };
        let whom = For::Customer(row.as_ref());
        let sieve = self.sieve(catalogue, filter.as_deref(), whom)?;
        let called = call.model.to_string();
        let arm = customer
            .filter(|_| catalogue.control_share > 0.0)
            .map(|customer| Arm::of(customer.as_str(), &called, catalogue.control_share));
        if let Sieve::Nothing(note) = sieve {
            return Ok(Offers {
                arm,
                notes: vec![note],
                ..Offers::default()
            });
        }
        let mut asked = Asked {
            subject: customer.map(|customer| customer.as_str().to_owned()),
            session: Vec::new(),
            exclude: call.exclude_items.clone(),
            attributes: row.map(|row| catalogue.attributes_of(&row)).transpose()?,
            limit: call.limit.into(),
        };
        if let (Some(customer), Some(fresh)) = (customer, &catalogue.fresh) {
            let since = fresh.of(&self.store, customer)?;
            asked.session = since.items;
            asked.exclude.extend(since.disliked);
        }
        asked.session.extend(call.session_items.iter().cloned());
        if arm == Some(Arm::Control) {
            let owned = self.owned(catalogue, customer)?;
            asked.make_control(call.allow_owned, owned);
        }
        let manner = Manner {
            similar: false,
            explain: call.explain,
            allow_owned: call.allow_owned,
            diversity: call.diversity,
            attributes: &catalogue.attributes,
        };
        let got = self.ask(&open, manner, asked, sieve)?;
        let mut offers = Offers {
            personal: got.personal,
            notes: notes(&got, call.limit),
            offers: got.offers,
            impression_id: String::new(),
            arm,
        };
        if call.record && !offers.offers.is_empty() {
            offers.impression_id = self.impressions.record(Shown {
                customer: customer.map_or("", CustomerId::as_str),
                model: id.as_str(),
                called: &called,
                arm: arm.unwrap_or(Arm::Model),
                offers: &offers.offers,
            })?;
        }
        Ok(offers)
    }

    fn similar_now(&self, id: &ModelId, call: &SimilarCall) -> Result<Offers> {
        let open = self.recommender(id, "similar items")?;
        let catalogue = open.catalogue()?;
        let filter = filter(catalogue, &call.filter)?;
        let sieve = self.sieve(catalogue, filter.as_deref(), For::Nobody)?;
        if let Sieve::Nothing(note) = sieve {
            return Ok(Offers {
                notes: vec![note],
                ..Offers::default()
            });
        }
        let asked = Asked {
            subject: Some(call.item.clone()),
            session: Vec::new(),
            exclude: call.exclude_items.clone(),
            attributes: None,
            limit: call.limit.into(),
        };
        let manner = Manner {
            similar: true,
            ..Manner::default()
        };
        let got = self.ask(&open, manner, asked, sieve);
        let got = got.map_err(|error| match error.class() {
            Class::Invalid => Error::new(
                Class::State,
                "NO_SIMILAR_ITEMS",
                format!(
                    "model {:?} of {} knows no similar items: {error}",
                    id.as_str(),
                    open.model.algorithm
                ),
            )
            .at("model"),
            _ => error,
        })?;
        let mut notes = notes(&got, call.limit);
        if !got.any {
            notes = vec![Note {
                reason: "UNKNOWN_ITEM",
                message: format!(
                    "the model knows no item {:?}, or none that is like it",
                    call.item
                ),
            }];
        }
        Ok(Offers {
            offers: got.offers,
            notes,
            ..Offers::default()
        })
    }

    fn recommender(&self, id: &ModelId, gives: &str) -> Result<OpenModel> {
        let open = self.models.get(id)?;
        if open.pool.loaded.spec.task != Task::Recommendation {
            return Err(wrong_task(&open.model, gives, "Score"));
        }
        Ok(open)
    }

    fn sieve(&self, catalogue: &Catalogue, filter: Option<&Bound>, whom: For<'_>) -> Result<Sieve> {
        Sieve::new(catalogue, filter, whom, &|| {
            let known = catalogue.items.as_ref();
            let known = known.ok_or_else(|| Error::bug("a filter on items that are not known"))?;
            self.tables.now(&self.store, known)
        })
    }

    /// What is known of a customer now.
    fn row(&self, catalogue: &Catalogue, id: &CustomerId) -> Result<Option<RecordBatch>> {
        let Some(known) = &catalogue.customers else {
            return Ok(None);
        };
        let snapshot = self.store.pin(&known.dataset.id, None)?;
        known.check(&snapshot)?;
        Ok(snapshot.customer(id)?)
    }

    /// What a customer has by now.
    fn owned(&self, catalogue: &Catalogue, customer: Option<&CustomerId>) -> Result<Vec<String>> {
        let (Some(customer), Some(fresh)) = (customer, &catalogue.fresh) else {
            return Ok(Vec::new());
        };
        match fresh.newest(&self.store)? {
            Some(snapshot) => fresh.owned(&snapshot, customer),
            None => Ok(Vec::new()),
        }
    }

    fn ask(&self, open: &OpenModel, manner: Manner<'_>, asked: Asked, sieve: Sieve) -> Result<Got> {
        let mut score = |batch: RecordBatch| self.call(open, manner.input(), batch);
        let mut got = manner.ask(&[(asked, sieve)], &mut score)?;
        got.pop()
            .ok_or_else(|| Error::bug("no answer to a request"))
    }
}

fn filter(catalogue: &Catalogue, text: &str) -> Result<Option<Arc<Bound>>> {
    catalogue.filter(text).map_err(|error| error.at("filter"))
}

/// Says when there are fewer than asked for.
fn notes(got: &Got, limit: u32) -> Vec<Note> {
    let n = got.offers.len();
    if n >= limit as usize {
        return Vec::new();
    }
    vec![match n {
        0 => Note {
            reason: "NONE_LEFT",
            message: "no items are left: the rules, the filter and what is left out take them all"
                .to_owned(),
        },
        n => Note {
            reason: "FEWER_LEFT",
            message: format!("{n} of {limit} items: no more are left"),
        },
    }]
}
