//! What is asked of models: scores, drift, offers, similar items, and what came of offers.

use lode_types::Class;
use lode_types::Failure;
use lode_types::ModelId;
use lode_types::ModelRef;

use super::Jobs;
use crate::Error;
use crate::Lift;
use crate::LiftCall;
use crate::Offers;
use crate::RecommendCall;
use crate::Result;
use crate::ScoreCall;
use crate::Scored;
use crate::SimilarCall;
use crate::alias::resolve_model;
use crate::offering::lift;
use crate::profile::Drift;

impl Jobs {
    /// Scores customers or rows with a model; says which model answered.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `WRONG_TASK` for a model that recommends; what the plugin says.
    pub fn score(&self, call: &ScoreCall) -> Result<(ModelId, Vec<Scored>)> {
        self.answer(&call.model, |id| self.serving.score(id, call))
    }

    /// How far what a model was asked online since the start is from what it was made from: the
    /// rows, the score first, then the features, the farthest first.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `NO_PROFILE` for a model that was made before distributions were kept.
    pub fn drift(&self, model: &ModelRef) -> Result<(ModelId, (u64, Vec<Drift>))> {
        self.answer(model, |id| self.serving.drift(id))
    }

    /// The best items for a customer; says which model answered.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `WRONG_TASK` for a model that does not recommend; what the plugin says.
    pub fn recommend(&self, call: &RecommendCall) -> Result<(ModelId, Offers)> {
        self.answer(&call.model, |id| self.serving.recommend(id, call))
    }

    /// The items most like one; says which model answered.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `WRONG_TASK` for a model that does not recommend; `NO_SIMILAR_ITEMS`; what the
    /// plugin says.
    pub fn similar(&self, call: &SimilarCall) -> Result<(ModelId, Offers)> {
        self.answer(&call.model, |id| self.serving.similar(id, call))
    }

    /// What came of the impressions of a model.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `NO_IMPRESSIONS`; `NO_EVENTS` when no events are named and the model was not
    /// made from a dataset; `MISSING_ROLE` when they do not say who, what and when.
    pub fn lift(&self, call: &LiftCall) -> Result<Lift> {
        let model = self.model(&call.model)?;
        let events = call.events.as_ref().or(model.dataset.as_ref());
        let events = events.ok_or_else(|| {
            Error::invalid(
                "NO_EVENTS",
                "events",
                format!(
                    "expected a dataset of events, since model {:?} was not made from one",
                    model.id.as_str()
                ),
            )
        })?;
        lift::measure(&self.store, call, events, self.options.clock.now())
    }

    /// Asks the model that is meant. An alias is followed when the call comes, and once more when
    /// it has moved and what it pointed at was deleted since.
    pub(super) fn answer<T>(
        &self,
        model: &ModelRef,
        ask: impl Fn(&ModelId) -> Result<T>,
    ) -> Result<(ModelId, T)> {
        let id = resolve_model(&self.store, model)?;
        match ask(&id) {
            Ok(answer) => Ok((id, answer)),
            Err(error) if error.class() == Class::NotFound => {
                let now = resolve_model(&self.store, model)?;
                if now == id {
                    return Err(error);
                }
                let answer = ask(&now)?;
                Ok((now, answer))
            }
            Err(error) => Err(error),
        }
    }
}
