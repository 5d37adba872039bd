//! What to offer whom, what is like an item, and what came of offers.

use std::time::Duration;

use lode_client::v1;
use lode_proto::convert;
use lode_types::Timestamp;
use serde::Serialize;

use crate::Lode;
use crate::Reason;
use crate::Result;
use crate::catalog::dataset_name;
use crate::lode::id_of;
use crate::models::model_name;

/// A question for offers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recommend {
    /// The model: `ID` or `@ALIAS`.
    pub model: String,
    /// The customer; one that the model does not know gets the most popular items.
    pub customer: String,
    /// Items that the customer touched, e.g. in this session, oldest first. What the engine was told
    /// since the model was made counts by itself.
    pub session_items: Vec<String>,
    /// Items to leave out besides the customer's own.
    pub exclude_items: Vec<String>,
    /// 1 to 1,000; 0 means 10.
    pub limit: u32,
    /// Give reasons.
    pub explain: bool,
    /// Only items of which this holds, e.g. `price < 30 and category = books`; empty for all.
    pub filter: String,
    /// Items that the customer has may be offered too.
    pub allow_owned: bool,
    /// 0 to 1: trades score for variety.
    pub diversity: f64,
    /// Keep what is offered as an impression.
    pub record: bool,
}

impl Recommend {
    /// Asks a model, `ID` or `@ALIAS`, what to offer a customer.
    pub fn new(model: impl Into<String>, customer: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            customer: customer.into(),
            ..Self::default()
        }
    }

    /// At most so many.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// An item that the customer touched.
    #[must_use]
    pub fn session_item(mut self, item: impl Into<String>) -> Self {
        self.session_items.push(item.into());
        self
    }

    /// An item to leave out.
    #[must_use]
    pub fn exclude(mut self, item: impl Into<String>) -> Self {
        self.exclude_items.push(item.into());
        self
    }

    /// With reasons.
    #[must_use]
    pub fn explain(mut self) -> Self {
        self.explain = true;
        self
    }

    /// Only items of which this holds.
    #[must_use]
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = filter.into();
        self
    }

    /// Also items that the customer has.
    #[must_use]
    pub fn allow_owned(mut self) -> Self {
        self.allow_owned = true;
        self
    }

    /// Trades score for variety, 0 to 1.
    #[must_use]
    pub fn diversity(mut self, diversity: f64) -> Self {
        self.diversity = diversity;
        self
    }

    /// Keeps what is offered as an impression.
    #[must_use]
    pub fn record(mut self) -> Self {
        self.record = true;
        self
    }
}

/// A question for items like one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Similar {
    /// The model: `ID` or `@ALIAS`.
    pub model: String,
    /// What they are to be like.
    pub item: String,
    /// Items to leave out.
    pub exclude_items: Vec<String>,
    /// 1 to 1,000; 0 means 10.
    pub limit: u32,
    /// Only items of which this holds; empty for all.
    pub filter: String,
}

/// Offers for a customer, or items like one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Offers {
    /// Best first.
    pub items: Vec<ScoredItem>,
    /// Whether they rest on the customer's own history.
    pub personal: bool,
    /// The model that answered: of an alias, what it points at.
    pub model: String,
    /// Of what was recorded; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub impression: String,
    /// `model` or `control`, of a model with a control share; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arm: String,
    /// What else there is to know, e.g. why there are fewer than asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// Something worth knowing about an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// One word for programs.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// One item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoredItem {
    /// Its id.
    pub item: String,
    /// The higher the better.
    pub score: f64,
    /// With reasons: what every item starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<f64>,
    /// With reasons: the strongest first; base and contributions add up to the score.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// What is asked of impressions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiftQuestion {
    /// `@ALIAS`: calls by this name. `ID`: what that model answered.
    pub model: String,
    /// How long after an impression an event counts; 7 days when it is not said.
    pub window: Option<Duration>,
    /// The dataset of what followed; empty for the events that the model was made from.
    pub events: String,
    /// Impressions at or after it.
    pub from: Option<Timestamp>,
    /// Impressions whose window ended at or before it; now when it is not said.
    pub until: Option<Timestamp>,
}

/// What came of impressions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lift {
    /// Offers by the model.
    pub model: ArmLift,
    /// Popular items.
    pub control: ArmLift,
    /// Share of the model less that of the control.
    pub difference: Option<f64>,
    /// Lower end of its 95% interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Impressions left out since their window is not over.
    pub open_impressions: u64,
}

/// What came of the impressions of one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ArmLift {
    /// Impressions.
    pub impressions: u64,
    /// Different customers.
    pub customers: u64,
    /// Impressions followed by an event of an offered item.
    pub followed: u64,
    /// followed / impressions.
    pub share: f64,
    /// Lower end of the 95% interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Lode {
    /// The best items for a customer.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`, `INVALID_FILTER`, or what the call met.
    pub async fn recommend(&self, question: Recommend) -> Result<Offers> {
        let explained = question.explain;
        let request = v1::RecommendRequest {
            model: model_name(&question.model)?,
            customer: question.customer,
            session_items: question.session_items,
            limit: question.limit,
            exclude_items: question.exclude_items,
            explain: question.explain,
            filter: question.filter,
            allow_owned: question.allow_owned,
            diversity: question.diversity,
            record: question.record,
        };
        let answer = self.client().recommend(request).await?;
        Ok(Offers {
            arm: match answer.arm() {
                v1::Arm::Unspecified => "",
                v1::Arm::Model => "model",
                v1::Arm::Control => "control",
            }
            .to_owned(),
            items: items(answer.items, explained),
            personal: answer.personal,
            model: id_of(&answer.model),
            impression: answer.impression_id,
            notes: notes(answer.notes),
        })
    }

    /// The items most like one.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`, `NO_SIMILAR_ITEMS`, or what the call met.
    pub async fn similar_items(&self, question: Similar) -> Result<Offers> {
        let request = v1::SimilarItemsRequest {
            model: model_name(&question.model)?,
            item: question.item,
            limit: question.limit,
            exclude_items: question.exclude_items,
            filter: question.filter,
        };
        let answer = self.client().similar_items(request).await?;
        Ok(Offers {
            items: items(answer.items, false),
            personal: false,
            model: id_of(&answer.model),
            impression: String::new(),
            arm: String::new(),
            notes: notes(answer.notes),
        })
    }

    /// What came of recorded impressions, against the control arm.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`, `NO_IMPRESSIONS`, or what the call met.
    pub async fn lift(&self, question: LiftQuestion) -> Result<Lift> {
        let request = v1::MeasureLiftRequest {
            model: model_name(&question.model)?,
            window: question.window.map(|window| prost_types::Duration {
                seconds: i64::try_from(window.as_secs()).unwrap_or(i64::MAX),
                nanos: i32::try_from(window.subsec_nanos()).unwrap_or(0),
            }),
            events: match question.events.as_str() {
                "" => String::new(),
                events => dataset_name(events)?,
            },
            from: question.from.map(convert::time_to_wire),
            until: question.until.map(convert::time_to_wire),
        };
        let answer = self.client().measure_lift(request).await?;
        Ok(Lift {
            model: answer.model_arm.unwrap_or_default().into(),
            control: answer.control_arm.unwrap_or_default().into(),
            difference: answer.difference,
            low: answer.low,
            high: answer.high,
            open_impressions: answer.open_impressions,
        })
    }
}

fn items(items: Vec<v1::ScoredItem>, explained: bool) -> Vec<ScoredItem> {
    let items = items.into_iter().map(|item| ScoredItem {
        item: item.item,
        score: item.score,
        base: explained.then_some(item.base),
        reasons: item.reasons.into_iter().map(Reason::from).collect(),
    });
    items.collect()
}

fn notes(notes: Vec<v1::Note>) -> Vec<Note> {
    let notes = notes.into_iter().map(|note| Note {
        reason: note.reason,
        message: note.message,
    });
    notes.collect()
}

impl From<v1::ArmLift> for ArmLift {
    fn from(arm: v1::ArmLift) -> Self {
        Self {
            impressions: arm.impressions,
            customers: arm.customers,
            followed: arm.followed,
            share: arm.share,
            low: arm.low,
            high: arm.high,
        }
    }
}
