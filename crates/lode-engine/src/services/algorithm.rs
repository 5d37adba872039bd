//! AlgorithmService: what the plugins bring.

use std::sync::Arc;

use lode_host::Loaded;
use lode_host::PluginInfo;
use lode_host::PluginState;
use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::algorithm_service_server::AlgorithmService;
use lode_types::Class;
use lode_types::Fault;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::Shared;
use crate::paging;
use crate::status::status;

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
impl AlgorithmService for Service {
    async fn list_algorithms(
        &self,
        request: Request<v1::ListAlgorithmsRequest>,
    ) -> Result<Response<v1::ListAlgorithmsResponse>, Status> {
        let request = request.into_inner();
        let mut all = self.shared.host.algorithms();
        all.sort_by(|a, b| a.spec.id.cmp(&b.spec.id));
        all.retain(|loaded| request.task.is_empty() || loaded.spec.task.as_str() == request.task);
        let (page, next_page_token) = paging::slice(all, request.page_size, &request.page_token)
            .map_err(|fault| status(&fault))?;
        Ok(Response::new(v1::ListAlgorithmsResponse {
            algorithms: page.iter().map(|loaded| algorithm(loaded)).collect(),
            next_page_token,
        }))
    }

    async fn get_algorithm(
        &self,
        request: Request<v1::GetAlgorithmRequest>,
    ) -> Result<Response<v1::GetAlgorithmResponse>, Status> {
        let name = request.into_inner().name;
        let id = names::parse_algorithm(&name).map_err(|error| status(&Fault::of(&error)))?;
        let loaded = self.shared.host.algorithm(id).ok_or_else(|| {
            let known: Vec<String> = self
                .shared
                .host
                .algorithms()
                .iter()
                .map(|loaded| loaded.spec.id.clone())
                .collect();
            status(
                &Fault::new(
                    Class::NotFound,
                    "ALGORITHM_NOT_FOUND",
                    format!("no algorithm {id:?}: expected one of {}", known.join(", ")),
                )
                .at("name"),
            )
        })?;
        Ok(Response::new(v1::GetAlgorithmResponse {
            algorithm: Some(algorithm(&loaded)),
        }))
    }

    async fn list_plugins(
        &self,
        request: Request<v1::ListPluginsRequest>,
    ) -> Result<Response<v1::ListPluginsResponse>, Status> {
        let request = request.into_inner();
        let all = self.shared.host.plugins();
        let (page, next_page_token) = paging::slice(all, request.page_size, &request.page_token)
            .map_err(|fault| status(&fault))?;
        Ok(Response::new(v1::ListPluginsResponse {
            plugins: page.into_iter().map(plugin).collect(),
            next_page_token,
        }))
    }
}

fn algorithm(loaded: &Loaded) -> v1::Algorithm {
    let spec = &loaded.spec;
    v1::Algorithm {
        name: names::algorithm(&spec.id),
        version: spec.version.clone(),
        task: spec.task.as_str().to_owned(),
        title: spec.title.clone(),
        description: spec.description.clone(),
        params_schema: spec.params_schema.clone(),
        inputs: spec
            .inputs
            .iter()
            .map(|input| v1::AlgorithmInput {
                name: input.name.clone(),
                optional: input.optional,
                description: input.description.clone(),
                columns: input
                    .columns
                    .iter()
                    .map(|column| v1::InputColumn {
                        role: convert::role_to_wire(column.role).into(),
                        optional: column.optional,
                        types: column
                            .types
                            .iter()
                            .map(|&t| convert::type_to_wire(t).into())
                            .collect(),
                        description: column.description.clone(),
                    })
                    .collect(),
                features: convert::features_to_wire(input.features).into(),
            })
            .collect(),
        outputs: spec
            .outputs
            .iter()
            .map(|output| v1::AlgorithmOutput {
                name: output.name.clone(),
                description: output.description.clone(),
                chart_hint: output.chart_hint.clone(),
                write_back: !output.write_back.is_empty(),
            })
            .collect(),
        makes_model: spec.model_format.is_some(),
        plugin: names::plugin(&loaded.plugin),
    }
}

fn plugin(info: PluginInfo) -> v1::Plugin {
    v1::Plugin {
        name: names::plugin(&info.name),
        version: info.version,
        state: match info.state {
            PluginState::Active => v1::PluginState::Active,
            PluginState::Refused => v1::PluginState::Refused,
        }
        .into(),
        abi_version: info.abi,
        sha256: info.sha256,
        file_name: info.file_name,
        algorithms: info
            .algorithms
            .iter()
            .map(|id| names::algorithm(id))
            .collect(),
        problems: info.problems,
        load_time: Some(convert::time_to_wire(info.load_time)),
    }
}
