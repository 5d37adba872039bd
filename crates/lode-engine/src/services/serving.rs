//! ServingService: scores and recommendations from open models.

use std::sync::Arc;

use lode_jobs::RecommendCall;
use lode_jobs::ScoreCall;
use lode_jobs::ScoreSubject;
use lode_jobs::Scored;
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
            if request.limit > MAX_LIMIT {
                return Err(invalid(
                    "limit",
                    format!("expected 0 to {MAX_LIMIT}, found {}", request.limit),
                ));
            }
            let customer = match request.customer.as_str() {
                "" => None,
                id => Some(CustomerId::parse(id).map_err(|error| Fault::of(&error))?),
            };
            let call = RecommendCall {
                model: names::parse_model_ref(&request.model).map_err(|e| e.at("model"))?,
                customer,
                session_items: request.session_items,
                exclude_items: request.exclude_items,
                limit: match request.limit {
                    0 => DEFAULT_LIMIT,
                    limit => limit,
                },
            };
            let (model, offers) = shared.jobs.recommend(&call)?;
            let items = offers.offers.into_iter().map(|offer| v1::ScoredItem {
                item: offer.item,
                score: offer.score,
            });
            Ok(Response::new(v1::RecommendResponse {
                items: items.collect(),
                personal: offers.personal,
                model: names::model(&model),
            }))
        })
        .await
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
    chunks::check_sum(table, "table")?;
    Ok(())
}

fn to_wire(scored: Scored) -> v1::ScoreResult {
    let reasons = scored.reasons.into_iter().map(|reason| v1::Reason {
        feature: reason.feature,
        value: reason.value.map(|value| v1::Value {
            kind: Some(v1::value::Kind::StringValue(value)),
        }),
        contribution: reason.contribution,
        text: reason.text,
    });
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
