//! FeatureService: feature views, and their rows as of any time.

pub(super) mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use lode_jobs::PinnedView;
use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::feature_service_server::FeatureService;
use lode_types::CustomerId;
use lode_types::Fault;
use lode_types::FeatureViewId;
use lode_types::Timestamp;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::Shared;
use super::only_tenant;
use crate::chunks;
use crate::paging;
use crate::status::blocking;
use crate::status::invalid;
use crate::status::status;

/// Messages that may wait for a slow reader.
const AHEAD: usize = 4;
/// Most times, and most customers, of one call.
const MAX_ENTRIES: usize = 1000;

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

type Answers = mpsc::Sender<Result<v1::ComputeFeaturesResponse, Status>>;

#[tonic::async_trait]
impl FeatureService for Service {
    async fn create_feature_view(
        &self,
        request: Request<v1::CreateFeatureViewRequest>,
    ) -> Result<Response<v1::CreateFeatureViewResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            only_tenant(&request.parent)?;
            let id = FeatureViewId::parse(request.feature_view_id).map_err(|e| Fault::of(&e))?;
            let declaration = match request.declaration {
                Some(v1::create_feature_view_request::Declaration::FeatureView(view)) => {
                    wire::declaration(&view)?
                }
                Some(v1::create_feature_view_request::Declaration::Json(text)) => {
                    serde_json::from_str(&text).map_err(|error| {
                        invalid("json", format!("expected a JSON object, found {error}"))
                    })?
                }
                None => {
                    return Err(invalid(
                        "declaration",
                        "expected feature_view or json, found neither",
                    ));
                }
            };
            let (view, replayed) = lode_jobs::create_view(
                &shared.store,
                &shared.sql,
                &id,
                &declaration,
                now(),
                request.validate_only,
            )?;
            Ok(Response::new(v1::CreateFeatureViewResponse {
                feature_view: Some(wire::view(&view)),
                replayed,
            }))
        })
        .await
    }

    async fn get_feature_view(
        &self,
        request: Request<v1::GetFeatureViewRequest>,
    ) -> Result<Response<v1::GetFeatureViewResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let id = names::parse_feature_view(&request.into_inner().name)?;
            let view = lode_jobs::view(&shared.store, &shared.sql, &id)?;
            Ok(Response::new(v1::GetFeatureViewResponse {
                feature_view: Some(wire::view(&view)),
            }))
        })
        .await
    }

    async fn list_feature_views(
        &self,
        request: Request<v1::ListFeatureViewsRequest>,
    ) -> Result<Response<v1::ListFeatureViewsResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            only_tenant(&request.parent)?;
            let all = lode_jobs::views(&shared.store)?;
            let (page, next_page_token) =
                paging::slice(all, request.page_size, &request.page_token)?;
            let views = page.iter().map(|(id, _)| {
                Ok(wire::view(&lode_jobs::view(
                    &shared.store,
                    &shared.sql,
                    id,
                )?))
            });
            Ok(Response::new(v1::ListFeatureViewsResponse {
                feature_views: views.collect::<Result<_, Fault>>()?,
                next_page_token,
            }))
        })
        .await
    }

    async fn delete_feature_view(
        &self,
        request: Request<v1::DeleteFeatureViewRequest>,
    ) -> Result<Response<v1::DeleteFeatureViewResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let id = names::parse_feature_view(&request.name)?;
            lode_jobs::delete_view(&shared.store, &id, request.allow_missing)?;
            Ok(Response::new(v1::DeleteFeatureViewResponse {}))
        })
        .await
    }

    type ComputeFeaturesStream = ReceiverStream<Result<v1::ComputeFeaturesResponse, Status>>;

    async fn compute_features(
        &self,
        request: Request<v1::ComputeFeaturesRequest>,
    ) -> Result<Response<Self::ComputeFeaturesStream>, Status> {
        let request = request.into_inner();
        let shared = Arc::clone(&self.shared);
        let (answers, stream) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            if let Err(fault) = compute(&shared, &request, &answers) {
                // A reader that is gone has no use for the reason.
                drop(answers.blocking_send(Err(status(&fault))));
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn compute(
    shared: &Shared,
    request: &v1::ComputeFeaturesRequest,
    answers: &Answers,
) -> Result<(), Fault> {
    let id = names::parse_feature_view(&request.name)?;
    let as_of = times(&request.as_of)?;
    let customers = customers(&request.customers)?;
    let pinned = PinnedView::latest(&shared.store, &shared.sql, &id)?;
    let first = v1::ComputeFeaturesResponse {
        arrow_schema: chunks::schema_bytes(&pinned.view().schema())?,
        chunk: None,
    };
    if answers.blocking_send(Ok(first)).is_err() {
        return Ok(());
    }
    let threads = usize::try_from(shared.threads).unwrap_or(1);
    let input = pinned.input(&shared.sql, &as_of, customers.as_deref(), threads)?;
    let gone = AtomicBool::new(false);
    let result = pinned.compute(&input, &gone, &mut |batch| {
        let chunks = chunks::chunks(&batch).map_err(lode_jobs::Error::of_fault)?;
        for chunk in chunks {
            let message = v1::ComputeFeaturesResponse {
                arrow_schema: Vec::new(),
                chunk: Some(chunk),
            };
            if answers.blocking_send(Ok(message)).is_err() {
                gone.store(true, Ordering::Release);
            }
        }
        Ok(())
    });
    if gone.load(Ordering::Acquire) {
        return Ok(());
    }
    result.map_err(Fault::from)
}

/// The times of a request, ascending and each once; now when there is none.
fn times(given: &[prost_types::Timestamp]) -> Result<Vec<Timestamp>, Fault> {
    if given.len() > MAX_ENTRIES {
        return Err(invalid(
            "as_of",
            format!(
                "expected at most {MAX_ENTRIES} times, found {}",
                given.len()
            ),
        ));
    }
    let mut times: Vec<Timestamp> = given.iter().map(convert::time_from_wire).collect();
    if times.is_empty() {
        times.push(now());
    }
    times.sort_unstable();
    times.dedup();
    Ok(times)
}

fn customers(given: &[String]) -> Result<Option<Vec<CustomerId>>, Fault> {
    if given.len() > MAX_ENTRIES {
        return Err(invalid(
            "customers",
            format!(
                "expected at most {MAX_ENTRIES} customers, found {}",
                given.len()
            ),
        ));
    }
    if given.is_empty() {
        return Ok(None);
    }
    let ids = given.iter().enumerate().map(|(i, name)| {
        names::parse_customer(name).map_err(|error| error.at(&format!("customers[{i}]")).into())
    });
    ids.collect::<Result<Vec<_>, Fault>>().map(Some)
}

/// The time of the call.
pub(super) fn now() -> Timestamp {
    use lode_types::Clock;
    lode_types::SystemClock.now()
}

/// A customer's features of some views, or of those that are online.
///
/// # Errors
/// `FEATURE_VIEW_NOT_FOUND`, and those of reading.
pub(super) fn of_customer(
    shared: &Shared,
    customer: &CustomerId,
    views: &[String],
    as_of: Option<&prost_types::Timestamp>,
) -> Result<Vec<v1::CustomerFeatures>, Fault> {
    let mut ids = Vec::new();
    for (i, name) in views.iter().enumerate() {
        let field = format!("feature_views[{i}]");
        ids.push(names::parse_feature_view(name).map_err(|error| error.at(&field))?);
    }
    if views.is_empty() {
        for (id, spec) in lode_jobs::views(&shared.store)? {
            if spec.online {
                ids.push(id);
            }
        }
    }
    let as_of = as_of.map_or_else(now, convert::time_from_wire);
    let mut found = Vec::new();
    for id in ids {
        let pinned = match PinnedView::latest(&shared.store, &shared.sql, &id) {
            Ok(pinned) => pinned,
            // A view that is online and fits no more is the business of whoever asks for it.
            Err(_) if views.is_empty() => continue,
            Err(error) => return Err(error.into()),
        };
        let customers = std::slice::from_ref(customer);
        let input = pinned.input(&shared.sql, &[as_of], Some(customers), 1)?;
        let mut values = std::collections::BTreeMap::new();
        pinned.compute(&input, &AtomicBool::new(false), &mut |batch| {
            values = crate::values::row(&batch, 0);
            Ok(())
        })?;
        values.remove("customer_id");
        values.remove("as_of");
        found.push(v1::CustomerFeatures {
            feature_view: names::feature_view(&id),
            as_of: Some(convert::time_to_wire(as_of)),
            values: convert::values_to_wire(&values),
        });
    }
    Ok(found)
}
