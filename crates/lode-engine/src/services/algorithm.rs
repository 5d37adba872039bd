//! AlgorithmService: what the plugins bring, and loading and unloading them.

use std::sync::Arc;

use lode_host::Algorithms;
use lode_host::Loaded;
use lode_host::PluginInfo;
use lode_host::PluginState;
use lode_host::UnloadTarget;
use lode_host::split_algorithm;
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
use crate::status::blocking;
use crate::status::invalid;
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
        let picture = self.shared.host.picture();
        let mut all = picture.all();
        all.retain(|loaded| request.task.is_empty() || loaded.spec.task.as_str() == request.task);
        let (page, next_page_token) = paging::slice(all, request.page_size, &request.page_token)
            .map_err(|fault| status(&fault))?;
        Ok(Response::new(v1::ListAlgorithmsResponse {
            algorithms: page
                .iter()
                .map(|loaded| algorithm(&picture, loaded))
                .collect(),
            next_page_token,
        }))
    }

    async fn get_algorithm(
        &self,
        request: Request<v1::GetAlgorithmRequest>,
    ) -> Result<Response<v1::GetAlgorithmResponse>, Status> {
        let name = request.into_inner().name;
        let id = names::parse_algorithm(&name).map_err(|error| status(&Fault::of(&error)))?;
        let picture = self.shared.host.picture();
        let loaded = picture.get(id).ok_or_else(|| {
            let (bare, _) = split_algorithm(id);
            let mut known: Vec<String> = match picture.versions(bare) {
                [] => picture.all().iter().map(|l| l.spec.id.clone()).collect(),
                versions => versions.iter().map(|loaded| loaded.exact_id()).collect(),
            };
            known.dedup();
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
            algorithm: Some(algorithm(&picture, &loaded)),
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

    async fn load_plugin(
        &self,
        request: Request<v1::LoadPluginRequest>,
    ) -> Result<Response<v1::LoadPluginResponse>, Status> {
        only_this_machine(&request)?;
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let info = shared.host.load(&request.into_inner().file_name)?;
            Ok(Response::new(v1::LoadPluginResponse {
                plugin: Some(plugin(info)),
            }))
        })
        .await
    }

    async fn unload_plugin(
        &self,
        request: Request<v1::UnloadPluginRequest>,
    ) -> Result<Response<v1::UnloadPluginResponse>, Status> {
        only_this_machine(&request)?;
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let name = match request.name.as_str() {
                "" => "",
                name => name.strip_prefix("plugins/").ok_or_else(|| {
                    invalid(
                        "name",
                        format!("expected plugins/{{plugin}}, found {name:?}"),
                    )
                })?,
            };
            if name.is_empty() && request.file_name.is_empty() {
                return Err(invalid(
                    "name",
                    "expected the name of a plugin or of its file, found neither",
                ));
            }
            let target = UnloadTarget {
                name: name.to_owned(),
                version: request.version,
                file_name: request.file_name,
            };
            let info = shared.host.unload(&target)?;
            Ok(Response::new(v1::UnloadPluginResponse {
                plugin: Some(plugin(info)),
            }))
        })
        .await
    }

    async fn release_plugin(
        &self,
        request: Request<v1::ReleasePluginRequest>,
    ) -> Result<Response<v1::ReleasePluginResponse>, Status> {
        only_this_machine(&request)?;
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let info = shared.host.release(&request.into_inner().sha256)?;
            Ok(Response::new(v1::ReleasePluginResponse {
                plugin: Some(plugin(info)),
            }))
        })
        .await
    }
}

/// Until there is authentication, only somebody on this machine may change what is loaded,
/// wherever the engine listens.
fn only_this_machine<T>(request: &Request<T>) -> Result<(), Status> {
    match request.remote_addr() {
        Some(peer) if peer.ip().to_canonical().is_loopback() => Ok(()),
        peer => {
            let found = peer.map_or_else(|| "an unknown one".to_owned(), |peer| peer.to_string());
            Err(status(&Fault::new(
                Class::Denied,
                "NOT_LOOPBACK",
                format!("expected a call from this machine (a loopback address), found {found}"),
            )))
        }
    }
}

fn algorithm(picture: &Algorithms, loaded: &Arc<Loaded>) -> v1::Algorithm {
    let spec = &loaded.spec;
    let is_highest = picture
        .versions(&spec.id)
        .first()
        .is_some_and(|highest| Arc::ptr_eq(highest, loaded));
    v1::Algorithm {
        name: match is_highest {
            true => names::algorithm(&spec.id),
            false => names::algorithm(&loaded.exact_id()),
        },
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
        plugin_version: loaded.plugin_version.clone(),
        plugin_sha256: loaded.sha256.clone(),
        warm_start: spec.warm_start,
        mergeable: spec.merge.is_some(),
        merge_tolerance: spec.merge.map_or(0.0, |merge| merge.tolerance),
        models: spec
            .models
            .iter()
            .map(|model| v1::AlgorithmModel {
                name: model.name.clone(),
                description: model.description.clone(),
            })
            .collect(),
    }
}

fn plugin(info: PluginInfo) -> v1::Plugin {
    v1::Plugin {
        name: names::plugin(&info.name),
        version: info.version,
        state: match info.state {
            PluginState::Active => v1::PluginState::Active,
            PluginState::Refused => v1::PluginState::Refused,
            PluginState::Quarantined => v1::PluginState::Quarantined,
            PluginState::Draining => v1::PluginState::Draining,
            PluginState::Unloaded => v1::PluginState::Unloaded,
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
        crash_count: info.crashes,
        last_crash: info.last_crash.map(|crash| v1::PluginCrash {
            time: Some(convert::time_to_wire(crash.time)),
            algorithm: names::algorithm(&crash.algorithm),
            stage: crash.stage,
            how: crash.how,
            last_words: crash.words,
        }),
        quarantine_time: info.quarantine_time.map(convert::time_to_wire),
    }
}

#[cfg(test)]
mod tests {
    use lode_types::Class;
    use tonic::Request;
    use tonic::transport::server::TcpConnectInfo;

    use super::only_this_machine;

    fn call_from(peer: Option<&str>) -> Result<(), tonic::Status> {
        let mut request = Request::new(());
        if let Some(peer) = peer {
            request.extensions_mut().insert(TcpConnectInfo {
                local_addr: None,
                remote_addr: Some(peer.parse().expect("an address")),
            });
        }
        only_this_machine(&request)
    }

    #[test]
    fn only_loopback_peers_change_what_is_loaded() {
        for peer in [
            "127.0.0.1:1",
            "127.8.8.8:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(call_from(Some(peer)).is_ok(), "{peer}");
        }
        for peer in [
            "10.0.0.1:1",
            "[fe80::1]:1",
            "0.0.0.0:1",
            "[::ffff:10.0.0.1]:1",
        ] {
            let status = call_from(Some(peer)).expect_err(peer);
            assert_eq!(status.code(), lode_proto::convert::code_of(Class::Denied));
        }
        assert!(call_from(None).is_err());
    }
}
