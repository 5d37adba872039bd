//! ServerService: version, capabilities, limits and containment.

use lode_host::Confinement;
use lode_proto::v1;
use lode_proto::v1::server_service_server::ServerService;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::INGEST_WINDOW;
use super::MAX_CHUNK_BYTES;
use super::MAX_MESSAGE_BYTES;
use super::MAX_PAGE_SIZE;
use super::MAX_SCORE_ROWS;
use crate::engine::VERSION;

/// Feature names that a client may rely on.
const CAPABILITIES: [&str; 6] = [
    "ingest.arrow",
    "ingest.csv",
    "query.sql",
    "jobs",
    "serving",
    "write_back",
];

/// The service.
pub(crate) struct Service {
    containment: v1::Containment,
}

impl Service {
    pub(crate) fn new(confinement: &Confinement) -> Self {
        Self {
            containment: v1::Containment {
                in_force: confinement.in_force.clone(),
                missing: confinement.missing.clone(),
            },
        }
    }
}

#[tonic::async_trait]
impl ServerService for Service {
    async fn get_server_info(
        &self,
        _request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Response::new(v1::GetServerInfoResponse {
            version: VERSION.to_owned(),
            api_version: "lode.v1".to_owned(),
            capabilities: CAPABILITIES.iter().map(|&word| word.to_owned()).collect(),
            limits: Some(v1::Limits {
                max_message_bytes: number(MAX_MESSAGE_BYTES),
                max_chunk_bytes: number(MAX_CHUNK_BYTES),
                max_page_size: number(MAX_PAGE_SIZE),
                ingest_window: number(INGEST_WINDOW),
                max_score_rows: number(MAX_SCORE_ROWS),
            }),
            containment: Some(self.containment.clone()),
        }))
    }
}
