//! CustomerService: one customer, with what is known and what was found out.

use std::cmp::Reverse;
use std::sync::Arc;

use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::customer_service_server::CustomerService;
use lode_store::Snapshot;
use lode_types::Class;
use lode_types::DatasetKind;
use lode_types::Fault;
use lode_types::JobId;
use lode_types::Role;
use lode_types::Timestamp;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::Shared;
use crate::paging;
use crate::status::blocking;
use crate::status::invalid;
use crate::values;

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
impl CustomerService for Service {
    async fn get_customer(
        &self,
        request: Request<v1::GetCustomerRequest>,
    ) -> Result<Response<v1::GetCustomerResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let id = names::parse_customer(&request.name)?;
            let mut records = Vec::new();
            for dataset in shared.store.datasets()? {
                if dataset.kind != DatasetKind::Customers {
                    continue;
                }
                let snapshot = shared.store.pin(&dataset.id, None)?;
                if let Some(row) = snapshot.customer(&id)? {
                    records.push(v1::CustomerRecord {
                        dataset: names::dataset(&dataset.id),
                        version: snapshot.version(),
                        attributes: convert::values_to_wire(&values::row(&row, 0)),
                    });
                }
            }
            let mut tags = shared.store.tags(&id)?;
            let features = super::feature::of_customer(
                &shared,
                &id,
                &request.feature_views,
                request.as_of.as_ref(),
            )?;
            let has_features = features.iter().any(|view| !view.values.is_empty());
            if records.is_empty() && tags.is_empty() && !has_features {
                return Err(Fault::new(
                    Class::NotFound,
                    "CUSTOMER_NOT_FOUND",
                    format!(
                        "no customer {:?} in any customers dataset, and no job wrote onto them",
                        id.as_str()
                    ),
                )
                .at("name"));
            }
            tags.sort_by(|a, b| a.key.cmp(&b.key));
            let tags: Result<Vec<v1::Tag>, Fault> = tags.into_iter().map(to_wire).collect();
            Ok(Response::new(v1::GetCustomerResponse {
                customer: Some(v1::Customer {
                    name: names::customer(&id),
                    records,
                    tags: tags?,
                    features,
                }),
            }))
        })
        .await
    }

    async fn list_customer_events(
        &self,
        request: Request<v1::ListCustomerEventsRequest>,
    ) -> Result<Response<v1::ListCustomerEventsResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || timeline(&shared, &request.into_inner()).map(Response::new)).await
    }
}

/// Where an event of a customer lies: its time, then the place that breaks ties.
struct Place {
    time: i64,
    dataset: usize,
    batch: usize,
    row: usize,
}

fn timeline(
    shared: &Shared,
    request: &v1::ListCustomerEventsRequest,
) -> Result<v1::ListCustomerEventsResponse, Fault> {
    let id = names::parse_customer(&request.name)?;
    let size = paging::size(request.page_size)?;
    let skip =
        usize::try_from(paging::number(&request.page_token)?.unwrap_or(0)).unwrap_or(usize::MAX);
    let from = request.from_time.as_ref().map(convert::time_from_wire);
    let until = request.until_time.as_ref().map(convert::time_from_wire);
    let mut datasets = Vec::new();
    let mut batches = Vec::new();
    let mut places = Vec::new();
    for snapshot in event_datasets(shared, &request.datasets)? {
        let dataset = datasets.len();
        let schema = &snapshot.dataset().schema;
        let Some(time) = schema.with_role(Role::EventTime) else {
            continue;
        };
        for batch in lode_jobs::customer_events(&snapshot, &id)? {
            let column = batch.column_by_name(&time.name);
            for row in 0..batch.num_rows() {
                let found = column.and_then(|column| values::time(column, row));
                let Some(time) = found.filter(|time| {
                    from.is_none_or(|from| *time >= from) && until.is_none_or(|until| *time < until)
                }) else {
                    continue;
                };
                places.push(Place {
                    time: time.0,
                    dataset,
                    batch: batches.len(),
                    row,
                });
            }
            batches.push(batch);
        }
        datasets.push(names::dataset(&snapshot.dataset().id));
    }
    places.sort_by_key(|place| {
        let stored = (Reverse(place.batch), Reverse(place.row));
        (Reverse(place.time), place.dataset, stored)
    });
    let page = places.iter().skip(skip).take(size);
    let events: Vec<v1::CustomerEvent> = page
        .map(|place| v1::CustomerEvent {
            dataset: datasets[place.dataset].clone(),
            time: Some(convert::time_to_wire(Timestamp(place.time))),
            values: convert::values_to_wire(&values::row(&batches[place.batch], place.row)),
        })
        .collect();
    let shown = skip.saturating_add(events.len());
    Ok(v1::ListCustomerEventsResponse {
        next_page_token: if shown < places.len() {
            shown.to_string()
        } else {
            String::new()
        },
        events,
    })
}

/// The datasets of events that a timeline reads.
fn event_datasets(shared: &Shared, given: &[String]) -> Result<Vec<Snapshot>, Fault> {
    let mut snapshots = Vec::new();
    for (i, name) in given.iter().enumerate() {
        let field = format!("datasets[{i}]");
        let id = names::parse_dataset(name).map_err(|error| error.at(&field))?;
        let snapshot = shared.store.pin(&id, None)?;
        for role in [Role::CustomerId, Role::EventTime] {
            if snapshot.dataset().schema.with_role(role).is_none() {
                let expected = format!("expected a dataset with a column of role {role}");
                return Err(invalid(
                    &field,
                    format!("{expected}, found {:?}", id.as_str()),
                ));
            }
        }
        snapshots.push(snapshot);
    }
    if given.is_empty() {
        for dataset in shared.store.datasets()? {
            let has = |role: Role| dataset.schema.with_role(role).is_some();
            let is_events = dataset.kind == DatasetKind::Events;
            if is_events && has(Role::CustomerId) && has(Role::EventTime) {
                snapshots.push(shared.store.pin(&dataset.id, None)?);
            }
        }
    }
    Ok(snapshots)
}

fn to_wire(tag: lode_store::Tag) -> Result<v1::Tag, Fault> {
    Ok(v1::Tag {
        kind: convert::tag_kind_to_wire(tag.kind).into(),
        value: Some(convert::value_to_wire(&tag.value)),
        job: names::job(&JobId::parse(tag.job)?),
        time: Some(convert::time_to_wire(tag.time)),
        key: tag.key,
    })
}
