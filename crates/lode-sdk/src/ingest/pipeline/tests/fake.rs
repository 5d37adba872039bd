//! An engine that keeps chunks in memory and goes wrong on command.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;

use lode_client::v1;
use lode_client::v1::catalog_service_server::CatalogService;
use lode_client::v1::catalog_service_server::CatalogServiceServer;
use lode_client::v1::ingest_service_server::IngestService;
use lode_client::v1::ingest_service_server::IngestServiceServer;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;
use tonic_types::ErrorDetails;
use tonic_types::StatusExt;

/// What goes wrong with one stream of chunks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// The stream ends after so many acknowledgements.
    EndAfter(usize),
    /// The next chunk is kept, but the connection breaks before its acknowledgement.
    LoseAck,
    /// The next chunk is refused as damaged.
    Damage,
    /// The next chunk is refused for its rows.
    BadRow,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) chunks: Vec<v1::AppendChunksRequest>,
    pub(super) committed: bool,
    pub(super) aborted: bool,
    pub(super) faults: VecDeque<Fault>,
    pub(super) n_opened: usize,
    pub(super) id: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Fake {
    pub(super) ledger: Arc<Mutex<Ledger>>,
}

impl Fake {
    /// Serves until the handle is aborted.
    pub(super) async fn serve(
        &self,
        addr: SocketAddr,
    ) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tonic::transport::Server::builder()
            .add_service(CatalogServiceServer::new(self.clone()))
            .add_service(IngestServiceServer::new(self.clone()).max_decoding_message_size(8 << 20))
            .serve_with_incoming(TcpListenerStream::new(listener));
        (addr, tokio::spawn(async { serving.await.unwrap() }))
    }

    /// The rows that the engine has, joined.
    pub(super) fn text(&self) -> Vec<u8> {
        let ledger = self.ledger.lock().unwrap();
        let chunks = ledger.chunks.iter();
        chunks
            .flat_map(|chunk| chunk.chunk.clone().unwrap().data)
            .collect()
    }

    fn ingest(&self) -> v1::Ingest {
        let ledger = self.ledger.lock().unwrap();
        let state = match (ledger.committed, ledger.aborted) {
            (true, _) => v1::IngestState::Committed,
            (_, true) => v1::IngestState::Aborted,
            _ => v1::IngestState::Open,
        };
        let position = ledger
            .chunks
            .last()
            .map(|chunk| chunk.source_position.clone());
        v1::Ingest {
            name: format!("tenants/default/datasets/d/ingests/{}", ledger.id),
            state: state.into(),
            next_seq: ledger.chunks.len() as u64,
            accepted_rows: ledger.chunks.len() as u64,
            source_position: position.unwrap_or_default(),
            version: u64::from(ledger.committed),
            ..Default::default()
        }
    }

    /// Keeps a chunk; gives the answer, and whether the stream goes on.
    fn take(&self, request: v1::AppendChunksRequest) -> (Option<v1::AppendChunksResponse>, bool) {
        let mut ledger = self.ledger.lock().unwrap();
        let seq = request.seq;
        let next = ledger.chunks.len() as u64;
        let refuse = |reason: &str| {
            let error = v1::Error {
                code: Code::InvalidArgument.into(),
                reason: reason.to_owned(),
                message: format!("{reason} at {seq}"),
                field: String::new(),
            };
            let answer = v1::AppendChunksResponse {
                seq,
                error: Some(error),
                ..Default::default()
            };
            (Some(answer), true)
        };
        if seq > next {
            return refuse("CHUNK_OUT_OF_ORDER");
        }
        match ledger.faults.front().copied() {
            Some(Fault::EndAfter(0)) => {
                ledger.faults.pop_front();
                return (None, false);
            }
            Some(Fault::EndAfter(n)) => ledger.faults[0] = Fault::EndAfter(n - 1),
            Some(Fault::Damage) => {
                ledger.faults.pop_front();
                return refuse("CHECKSUM_MISMATCH");
            }
            Some(Fault::BadRow) => {
                ledger.faults.pop_front();
                return refuse("BAD_ROWS");
            }
            Some(Fault::LoseAck) => {
                ledger.faults.pop_front();
                ledger.chunks.push(request);
                return (None, false);
            }
            None => {}
        }
        let duplicate = seq < next;
        if !duplicate {
            let chunk = request.chunk.as_ref().unwrap();
            assert_eq!(chunk.crc32c, Some(crc32c::crc32c(&chunk.data)));
            ledger.chunks.push(request);
        }
        let answer = v1::AppendChunksResponse {
            seq,
            duplicate,
            accepted_rows: 1,
            ..Default::default()
        };
        (Some(answer), true)
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<v1::AppendChunksResponse, Status>> + Send>>;

#[tonic::async_trait]
impl IngestService for Fake {
    async fn open_ingest(
        &self,
        request: Request<v1::OpenIngestRequest>,
    ) -> Result<Response<v1::OpenIngestResponse>, Status> {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.n_opened += 1;
        let id = request.into_inner().ingest_id;
        if ledger.aborted && ledger.id != id {
            ledger.aborted = false;
            ledger.chunks.clear();
        }
        ledger.id = id;
        drop(ledger);
        Ok(Response::new(v1::OpenIngestResponse {
            ingest: Some(self.ingest()),
            max_chunk_bytes: 4 << 20,
            window: 3,
        }))
    }

    type AppendChunksStream = Answers;

    async fn append_chunks(
        &self,
        request: Request<Streaming<v1::AppendChunksRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let mut requests = request.into_inner();
        let (send, answers) = mpsc::channel(1);
        let this = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                let (answer, goes_on) = this.take(request);
                if let Some(answer) = answer
                    && send.send(Ok(answer)).await.is_err()
                {
                    return;
                }
                if !goes_on {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn get_ingest(
        &self,
        _request: Request<v1::GetIngestRequest>,
    ) -> Result<Response<v1::GetIngestResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn commit_ingest(
        &self,
        request: Request<v1::CommitIngestRequest>,
    ) -> Result<Response<v1::CommitIngestResponse>, Status> {
        let mut ledger = self.ledger.lock().unwrap();
        assert_eq!(request.into_inner().chunk_count, ledger.chunks.len() as u64);
        ledger.committed = true;
        drop(ledger);
        Ok(Response::new(v1::CommitIngestResponse {
            ingest: Some(self.ingest()),
        }))
    }

    async fn abort_ingest(
        &self,
        _request: Request<v1::AbortIngestRequest>,
    ) -> Result<Response<v1::AbortIngestResponse>, Status> {
        self.ledger.lock().unwrap().aborted = true;
        Ok(Response::new(v1::AbortIngestResponse {
            ingest: Some(self.ingest()),
        }))
    }

    async fn put_rows(
        &self,
        _request: Request<v1::PutRowsRequest>,
    ) -> Result<Response<v1::PutRowsResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn list_rejected_rows(
        &self,
        _request: Request<v1::ListRejectedRowsRequest>,
    ) -> Result<Response<v1::ListRejectedRowsResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }
}

#[tonic::async_trait]
impl CatalogService for Fake {
    async fn get_dataset(
        &self,
        request: Request<v1::GetDatasetRequest>,
    ) -> Result<Response<v1::GetDatasetResponse>, Status> {
        let name = request.into_inner().name;
        if !name.ends_with("/d") {
            let info = [("dataset".to_owned(), name)];
            let details = ErrorDetails::with_error_info("DATASET_NOT_HERE", "lode", info);
            return Err(Status::with_error_details(Code::NotFound, "no", details));
        }
        Ok(Response::new(v1::GetDatasetResponse {
            dataset: Some(v1::Dataset {
                name,
                kind: v1::DatasetKind::Events.into(),
                schema: Some(v1::Schema {
                    columns: vec![v1::Column {
                        name: "a".to_owned(),
                        r#type: v1::Type::Int64.into(),
                        ..Default::default()
                    }],
                }),
                ..Default::default()
            }),
            ..Default::default()
        }))
    }

    async fn create_dataset(
        &self,
        _request: Request<v1::CreateDatasetRequest>,
    ) -> Result<Response<v1::CreateDatasetResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn list_datasets(
        &self,
        _request: Request<v1::ListDatasetsRequest>,
    ) -> Result<Response<v1::ListDatasetsResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn update_dataset(
        &self,
        _request: Request<v1::UpdateDatasetRequest>,
    ) -> Result<Response<v1::UpdateDatasetResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn delete_dataset(
        &self,
        _request: Request<v1::DeleteDatasetRequest>,
    ) -> Result<Response<v1::DeleteDatasetResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn compact_dataset(
        &self,
        _request: Request<v1::CompactDatasetRequest>,
    ) -> Result<Response<v1::CompactDatasetResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }

    async fn infer_schema(
        &self,
        _request: Request<v1::InferSchemaRequest>,
    ) -> Result<Response<v1::InferSchemaResponse>, Status> {
        Err(Status::unimplemented("not needed"))
    }
}
