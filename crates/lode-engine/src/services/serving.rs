//! ServingService: scores and recommendations from open models.

use std::sync::Arc;

use lode_jobs::Arm;
use lode_jobs::ArmLift;
use lode_jobs::LiftCall;
use lode_jobs::Note;
use lode_jobs::Offer;
use lode_jobs::Reason;
use lode_jobs::RecommendCall;
use lode_jobs::ScoreCall;
use lode_jobs::ScoreSubject;
use lode_jobs::Scored;
use lode_jobs::SimilarCall;
use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::serving_service_server::ServingService;
use lode_types::CustomerId;
use lode_types::Fault;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::MAX_SCORE_ROWS;
use super::Shared;
use crate::chunks;
use crate::status::blocking;
use crate::status::invalid;

/// Items in one answer, at most.
const MAX_LIMIT: u32 = 1000;
/// Items in an answer to a request that does not say.
const DEFAULT_LIMIT: u32 = 10;
/// How long after an impression an event counts when it is not said: 7 days.
const DEFAULT_WINDOW_MILLIS: u64 = 7 * 24 * 3600 * 1000;

/// The service.
pub(crate) struct Service {
    shared: Arc<Shared>,
}

impl Service {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        Self { shared }
    }
}

#[tonic::async_trait]
impl ServingService for Service {
    async fn score(
        &self,
        request: Request<v1::ScoreRequest>,
    ) -> Result<Response<v1::ScoreResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let call = ScoreCall {
                model: names::parse_model_ref(&request.model).map_err(|e| e.at("model"))?,
                explain: request.explain,
                subject: subject(request)?,
            };
            let (model, results) = shared.jobs.score(&call)?;
            Ok(Response::new(v1::ScoreResponse {
                results: results.into_iter().map(to_wire).collect(),
                model: names::model(&model),
            }))
        })
        .await
    }

    async fn recommend(
        &self,
        request: Request<v1::RecommendRequest>,
    ) -> Result<Response<v1::RecommendResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let customer = match request.customer.as_str() {
                "" => None,
                id => Some(CustomerId::parse(id).map_err(|error| Fault::of(&error))?),
            };
            let call = RecommendCall {
                model: names::parse_model_ref(&request.model).map_err(|e| e.at("model"))?,
                customer,
                session_items: request.session_items,
                exclude_items: request.exclude_items,
                limit: limit(request.limit)?,
                explain: request.explain,
                filter: request.filter,
                allow_owned: request.allow_owned,
                diversity: request.diversity,
                record: request.record,
            };
            let (model, offers) = shared.jobs.recommend(&call)?;
            Ok(Response::new(v1::RecommendResponse {
                items: offers.offers.into_iter().map(offer_to_wire).collect(),
                personal: offers.personal,
                model: names::model(&model),
                impression_id: offers.impression_id,
                notes: offers.notes.into_iter().map(note_to_wire).collect(),
                arm: match offers.arm {
                    None => v1::Arm::Unspecified,
                    Some(Arm::Model) => v1::Arm::Model,
                    Some(Arm::Control) => v1::Arm::Control,
                }
                .into(),
            }))
        })
        .await
    }

    async fn similar_items(
        &self,
        request: Request<v1::SimilarItemsRequest>,
    ) -> Result<Response<v1::SimilarItemsResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            if request.item.is_empty() {
                return Err(invalid("item", "expected the id of an item, found nothing"));
            }
            let call = SimilarCall {
                model: names::parse_model_ref(&request.model).map_err(|e| e.at("model"))?,
                item: request.item,
                exclude_items: request.exclude_items,
                limit: limit(request.limit)?,
                filter: request.filter,
            };
            let (model, offers) = shared.jobs.similar(&call)?;
            Ok(Response::new(v1::SimilarItemsResponse {
                items: offers.offers.into_iter().map(offer_to_wire).collect(),
                model: names::model(&model),
                notes: offers.notes.into_iter().map(note_to_wire).collect(),
            }))
        })
        .await
    }

    async fn measure_lift(
        &self,
        request: Request<v1::MeasureLiftRequest>,
    ) -> Result<Response<v1::MeasureLiftResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let millis = super::job::millis(request.window, "window")?;
            let window = match millis {
                0 => DEFAULT_WINDOW_MILLIS,
                millis => millis,
            };
            let events = match request.events.as_str() {
                "" => None,
                name => Some(names::parse_dataset(name).map_err(|e| e.at("events"))?),
            };
            let call = LiftCall {
                model: names::parse_model_ref(&request.model).map_err(|e| e.at("model"))?,
                window_micros: i64::try_from(window.saturating_mul(1000)).unwrap_or(i64::MAX),
                events,
                from: request.from.as_ref().map(convert::time_from_wire),
                until: request.until.as_ref().map(convert::time_from_wire),
            };
            let lift = shared.jobs.lift(&call)?;
            Ok(Response::new(v1::MeasureLiftResponse {
                model_arm: Some(arm_to_wire(lift.model)),
                control_arm: Some(arm_to_wire(lift.control)),
                difference: lift.difference,
                low: lift.interval.map(|(low, _)| low),
                high: lift.interval.map(|(_, high)| high),
                open_impressions: lift.open,
            }))
        })
        .await
    }
}

fn limit(limit: u32) -> Result<u32, Fault> {
    match limit {
        0 => Ok(DEFAULT_LIMIT),
        1..=MAX_LIMIT => Ok(limit),
        _ => Err(invalid(
            "limit",
            format!("expected 0 to {MAX_LIMIT}, found {limit}"),
        )),
    }
}

fn offer_to_wire(offer: Offer) -> v1::ScoredItem {
    v1::ScoredItem {
        item: offer.item,
        score: offer.score,
        base: offer.base,
        reasons: offer.reasons.into_iter().map(reason_to_wire).collect(),
    }
}

fn note_to_wire(note: Note) -> v1::Note {
    v1::Note {
        reason: note.reason.to_owned(),
        message: note.message,
    }
}

fn arm_to_wire(arm: ArmLift) -> v1::ArmLift {
    v1::ArmLift {
        impressions: arm.impressions,
        customers: arm.customers,
        followed: arm.followed,
        share: arm.share,
        low: arm.low,
        high: arm.high,
    }
}

fn reason_to_wire(reason: Reason) -> v1::Reason {
    v1::Reason {
        feature: reason.feature,
        value: reason.value.map(|value| v1::Value {
            kind: Some(v1::value::Kind::StringValue(value)),
        }),
        contribution: reason.contribution,
        text: reason.text,
    }
}

fn subject(request: v1::ScoreRequest) -> Result<ScoreSubject, Fault> {
    let at_most = |field: &str, found: usize| match found > MAX_SCORE_ROWS {
        true => Err(invalid(
            field,
            format!("expected at most {MAX_SCORE_ROWS}, found {found}"),
        )),
        false => Ok(()),
    };
    at_most("customers", request.customers.len())?;
    at_most("rows", request.rows.len())?;
    match (
        request.customers.is_empty(),
        request.rows.is_empty(),
        request.table,
    ) {
        (false, true, None) => {
            let ids = request.customers.into_iter().map(CustomerId::parse);
            let ids: Result<Vec<_>, _> = ids.collect();
            let ids = ids.map_err(|error| Fault::of(&error).at("customers"))?;
            Ok(ScoreSubject::Customers(ids))
        }
        (true, false, None) => {
            let rows = request.rows.into_iter();
            let rows = rows.map(|row| convert::values_into(row.values));
            Ok(ScoreSubject::Rows(rows.collect()))
        }
        (true, true, Some(table)) => {
            check_table(&table)?;
            Ok(ScoreSubject::Table(table.data.to_vec(), MAX_SCORE_ROWS))
        }
        _ => Err(invalid(
            "customers",
            "expected one of customers, rows and table",
        )),
    }
}

fn check_table(table: &v1::Chunk) -> Result<(), Fault> {
    if table.format() != v1::Format::ArrowStream {
        return Err(invalid(
            "table.format",
            format!(
                "expected FORMAT_ARROW_STREAM, found {}",
                table.format().as_str_name()
            ),
        ));
    }
    chunks::check_sum(table, "table", "")?;
    Ok(())
}

fn to_wire(scored: Scored) -> v1::ScoreResult {
    let reasons = scored.reasons.into_iter().map(reason_to_wire);
    v1::ScoreResult {
        customer: scored.customer,
        item: scored.item,
        score: scored.score,
        label: scored.label,
        details: convert::values_to_wire(&scored.details),
        margin: scored.margin,
        base: scored.base,
        reasons: reasons.collect(),
        error: scored.error.as_ref().map(convert::fault_to_wire),
        missing_columns: scored.missing_columns,
        unseen_columns: scored.unseen_columns,
    }
}
