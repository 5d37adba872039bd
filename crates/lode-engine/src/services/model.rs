//! ModelService: trained models and what made them.

use std::sync::Arc;

use lode_jobs::Model;
use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::model_service_server::ModelService;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::Shared;
use super::job::metrics_to_wire;
use super::job::provenance_to_wire;
use super::only_tenant;
use crate::paging;
use crate::status::blocking;

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
impl ModelService for Service {
    async fn get_model(
        &self,
        request: Request<v1::GetModelRequest>,
    ) -> Result<Response<v1::GetModelResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let id = names::parse_model(&request.into_inner().name)?;
            let model = shared.jobs.model(&id)?;
            Ok(Response::new(v1::GetModelResponse {
                model: Some(to_wire(&model)),
            }))
        })
        .await
    }

    async fn list_models(
        &self,
        request: Request<v1::ListModelsRequest>,
    ) -> Result<Response<v1::ListModelsResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            only_tenant(&request.parent)?;
            let size = paging::size(request.page_size)?;
            // Of a model with a name the token is "NUMBER.NAME".
            let token = request.page_token.as_str();
            let (number, name) = token.split_once('.').unwrap_or((token, ""));
            let before = paging::number(number)?.map(|number| (number, name));
            let models = shared.jobs.models(before, size)?;
            let next_page_token = match models.last() {
                Some(last) if models.len() == size && last.name.is_empty() => {
                    last.number.to_string()
                }
                Some(last) if models.len() == size => format!("{}.{}", last.number, last.name),
                _ => String::new(),
            };
            Ok(Response::new(v1::ListModelsResponse {
                models: models.iter().map(to_wire).collect(),
                next_page_token,
            }))
        })
        .await
    }

    async fn set_alias(
        &self,
        _request: Request<v1::SetAliasRequest>,
    ) -> Result<Response<v1::SetAliasResponse>, Status> {
        Err(Status::unimplemented("SetAlias"))
    }

    async fn compare_models(
        &self,
        _request: Request<v1::CompareModelsRequest>,
    ) -> Result<Response<v1::CompareModelsResponse>, Status> {
        Err(Status::unimplemented("CompareModels"))
    }

    async fn get_drift(
        &self,
        _request: Request<v1::GetDriftRequest>,
    ) -> Result<Response<v1::GetDriftResponse>, Status> {
        Err(Status::unimplemented("GetDrift"))
    }
}

fn to_wire(model: &Model) -> v1::Model {
    v1::Model {
        name: names::model(&model.id),
        algorithm: names::algorithm(&model.algorithm),
        job: names::job(&model.job),
        metrics: metrics_to_wire(&model.metrics),
        size_bytes: model.bytes,
        sha256: model.sha256.clone(),
        provenance: Some(provenance_to_wire(&model.provenance)),
        seed: model.seed,
        create_time: Some(convert::time_to_wire(model.create_time)),
        model_format: model.model_format,
        beside: model.name.clone(),
        aliases: Vec::new(),
        judged_sha256: model.judged_sha256.clone(),
        calibration_json: model
            .calibration
            .as_ref()
            .and_then(|calibration| serde_json::to_string(calibration).ok())
            .unwrap_or_default(),
    }
}
