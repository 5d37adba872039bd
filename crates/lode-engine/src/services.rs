//! The services of `lode.v1`, one file each, and what they share.

mod algorithm;
mod catalog;
mod customer;
mod feature;
mod ingest;
mod job;
mod model;
mod query;
mod server;
mod serving;
mod turns;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use lode_host::Host;
use lode_host::Watcher;
use lode_jobs::Jobs;
use lode_proto::v1;
use lode_query::Sql;
use lode_store::Store;
use lode_types::Class;
use lode_types::Fault;
use tokio::sync::watch;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tower_layer::Identity;
use tower_layer::Stack;

use crate::Error;
use crate::Result;
use crate::layer::DetailsLayer;
pub(crate) use turns::QueryTurns;

/// Largest message that the engine takes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// Largest `Chunk.data` that the engine takes.
pub(crate) const MAX_CHUNK_BYTES: usize = 8 << 20;
/// What a client may send on one stream before the engine has read it: a chunk and more.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
/// Largest HTTP/2 frame: chunks come in few pieces.
const MAX_FRAME_BYTES: u32 = 1 << 20;
/// Largest page of a list.
pub(crate) const MAX_PAGE_SIZE: usize = 1000;
/// Chunks that may be ahead of the last acknowledgement.
pub(crate) const INGEST_WINDOW: usize = 8;
/// Customers or rows in one Score call.
pub(crate) const MAX_SCORE_ROWS: usize = 1000;

/// What all services stand on.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) host: Arc<Host>,
    pub(crate) sql: Arc<Sql>,
    pub(crate) jobs: Jobs,
    /// Ticks when an event was added to any job.
    pub(crate) changed: Arc<watch::Sender<u64>>,
    /// Turns for SQL workers.
    pub(crate) queries: QueryTurns,
    pub(crate) threads: u32,
    /// Watches the plugin directory.
    pub(crate) watcher: Mutex<Option<Watcher>>,
}

impl Shared {
    /// Waits for a plugin that is just being taken, and takes no more.
    pub(crate) fn stop_watching(&self) {
        let watcher = self.watcher.lock();
        drop(watcher.unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// All services, health and reflection, behind the layer that gives errors their details.
pub(crate) async fn router(shared: &Arc<Shared>) -> Result<Router<Stack<DetailsLayer, Identity>>> {
    let broken = |error: tonic_reflection::server::Error| Error::bug(error.to_string());
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(lode_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let mut router = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(2 * STREAM_WINDOW_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .layer(DetailsLayer)
        .add_service(health)
        .add_service(reflection().build_v1().map_err(broken)?)
        .add_service(reflection().build_v1alpha().map_err(broken)?);
    macro_rules! serve {
        ($($module:ident :: $server:ident ( $service:expr )),+ $(,)?) => {
            $(
                let service = v1::$module::$server::new($service)
                    .max_decoding_message_size(MAX_MESSAGE_BYTES);
                serving(&reporter, &service).await;
                router = router.add_service(service);
            )+
        };
    }
    serve!(
        server_service_server::ServerServiceServer(server::Service::new(shared.host.confinement())),
        catalog_service_server::CatalogServiceServer(catalog::Service::new(shared)),
        ingest_service_server::IngestServiceServer(ingest::Service::new(shared)),
        query_service_server::QueryServiceServer(query::Service::new(shared)),
        algorithm_service_server::AlgorithmServiceServer(algorithm::Service::new(shared)),
        job_service_server::JobServiceServer(job::Service::new(shared)),
        model_service_server::ModelServiceServer(model::Service::new(shared)),
        serving_service_server::ServingServiceServer(serving::Service::new(shared)),
        customer_service_server::CustomerServiceServer(customer::Service::new(shared)),
        feature_service_server::FeatureServiceServer(feature::Service::new(shared)),
    );
    Ok(router)
}

async fn serving<S: tonic::server::NamedService>(
    reporter: &tonic_health::server::HealthReporter,
    _service: &S,
) {
    reporter.set_serving::<S>().await;
}

/// The tenant of a call: there is only one until there is authentication.
///
/// # Errors
/// `INVALID_NAME`, or `TENANT_NOT_FOUND` for another tenant.
pub(crate) fn only_tenant(parent: &str) -> std::result::Result<(), Fault> {
    let tenant = lode_proto::names::parse_tenant(parent).map_err(|error| error.at("parent"))?;
    if tenant != lode_types::TenantId::only() {
        return Err(Fault::new(
            Class::NotFound,
            "TENANT_NOT_FOUND",
            format!("expected tenants/default, found {parent:?}"),
        )
        .at("parent"));
    }
    Ok(())
}
