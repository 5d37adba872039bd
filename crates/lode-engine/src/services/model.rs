//! ModelService: trained models and what made them.

use std::collections::BTreeMap;
use std::sync::Arc;

use lode_jobs::Drift;
use lode_jobs::Expected;
use lode_jobs::LEAST_ROWS;
use lode_jobs::Model;
use lode_jobs::Ranking;
use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::model_service_server::ModelService;
use lode_types::AliasId;
use lode_types::Fault;
use lode_types::ModelId;
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
            let name = names::parse_model_ref(&request.into_inner().name)?;
            let model = shared.jobs.model(&name)?;
            Ok(Response::new(v1::GetModelResponse {
                model: Some(to_wire(&model, &shared.jobs.aliases()?)),
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
            let aliases = shared.jobs.aliases()?;
            if !request.by_metric.is_empty() || !request.judged_sha256.is_empty() {
                let ranking = Ranking {
                    by_metric: request.by_metric,
                    judged_sha256: request.judged_sha256,
                };
                let models = shared.jobs.ranked(&ranking)?;
                let (models, next_page_token) =
                    paging::slice(models, request.page_size, &request.page_token)?;
                return Ok(Response::new(v1::ListModelsResponse {
                    models: models.iter().map(|m| to_wire(m, &aliases)).collect(),
                    next_page_token,
                }));
            }
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
                models: models.iter().map(|m| to_wire(m, &aliases)).collect(),
                next_page_token,
            }))
        })
        .await
    }

    async fn set_alias(
        &self,
        request: Request<v1::SetAliasRequest>,
    ) -> Result<Response<v1::SetAliasResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            only_tenant(&request.parent)?;
            let alias = AliasId::parse(request.alias).map_err(|error| Fault::of(&error))?;
            let model = match request.model.as_str() {
                "" => None,
                name => Some(names::parse_model_ref(name).map_err(|e| e.at("model"))?),
            };
            let expected = match request.expected_model.as_deref() {
                None => Expected::Anything,
                Some("") => Expected::Nothing,
                Some(name) => Expected::Model(
                    names::parse_model(name).map_err(|error| error.at("expected_model"))?,
                ),
            };
            let (model, before) = shared.jobs.set_alias(&alias, model.as_ref(), &expected)?;
            let aliases = shared.jobs.aliases()?;
            Ok(Response::new(v1::SetAliasResponse {
                model: model.map(|model| to_wire(&model, &aliases)),
                previous_model: before.as_ref().map(names::model).unwrap_or_default(),
            }))
        })
        .await
    }

    async fn compare_models(
        &self,
        request: Request<v1::CompareModelsRequest>,
    ) -> Result<Response<v1::CompareModelsResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let of = |name: &str, field: &str| {
                names::parse_model_ref(name).map_err(|error| Fault::of(&error.at(field)))
            };
            let champion = of(&request.champion, "champion")?;
            let challenger = of(&request.challenger, "challenger")?;
            let compared = shared.jobs.compare(&champion, &challenger)?;
            let comparisons = compared.comparisons.into_iter();
            let comparisons = comparisons.map(|comparison| v1::Comparison {
                measure: comparison.measure.to_owned(),
                champion: comparison.champion,
                challenger: comparison.challenger,
                difference: comparison.difference,
                low: comparison.low,
                high: comparison.high,
                p_value: comparison.p_value,
                method: comparison.method.to_owned(),
            });
            Ok(Response::new(v1::CompareModelsResponse {
                champion: names::model(&compared.champion),
                challenger: names::model(&compared.challenger),
                rows: compared.rows,
                comparisons: comparisons.collect(),
                better: compared.better.to_owned(),
            }))
        })
        .await
    }

    async fn get_drift(
        &self,
        request: Request<v1::GetDriftRequest>,
    ) -> Result<Response<v1::GetDriftResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let model = names::parse_model_ref(&request.into_inner().model)
                .map_err(|error| error.at("model"))?;
            let (model, (rows, drifts)) = shared.jobs.drift(&model)?;
            Ok(Response::new(v1::GetDriftResponse {
                model: names::model(&model),
                rows,
                drifts: drifts.into_iter().map(drift_to_wire).collect(),
                least_rows: LEAST_ROWS,
            }))
        })
        .await
    }
}

fn drift_to_wire(drift: Drift) -> v1::Drift {
    v1::Drift {
        name: drift.name,
        psi: drift.psi,
        missing_then: drift.missing_then,
        missing_now: drift.missing_now,
        mean_then: drift.mean_then.unwrap_or(0.0),
        mean_now: drift.mean_now.unwrap_or(0.0),
        verdict: drift.verdict.to_owned(),
        unseen_now: drift.unseen_now,
    }
}

fn to_wire(model: &Model, aliases: &BTreeMap<AliasId, ModelId>) -> v1::Model {
    let aliases = aliases.iter().filter(|(_, target)| **target == model.id);
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
        aliases: aliases.map(|(alias, _)| alias.to_string()).collect(),
        judged_sha256: model.judged_sha256.clone(),
        calibration_json: model
            .calibration
            .as_ref()
            .and_then(|calibration| serde_json::to_string(calibration).ok())
            .unwrap_or_default(),
    }
}
