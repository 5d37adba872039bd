//! CustomerService: one customer, with what is known and what was found out.

use std::sync::Arc;

use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::customer_service_server::CustomerService;
use lode_types::Class;
use lode_types::DatasetKind;
use lode_types::Fault;
use lode_types::JobId;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::Shared;
use crate::status::blocking;
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
            let id = names::parse_customer(&request.into_inner().name)?;
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
            if records.is_empty() && tags.is_empty() {
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
                }),
            }))
        })
        .await
    }
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
