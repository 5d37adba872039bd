//! QueryService: a SELECT over datasets at their latest versions, streamed as it is found.

use std::sync::Arc;

use lode_proto::v1;
use lode_proto::v1::query_service_server::QueryService;
use lode_query::SqlTable;
use lode_types::Fault;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::Shared;
use super::only_tenant;
use crate::chunks;
use crate::status::status;

/// Messages that may wait for a slow reader.
const AHEAD: usize = 4;

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

type Answers = mpsc::Sender<Result<v1::QueryResponse, Status>>;

#[tonic::async_trait]
impl QueryService for Service {
    type QueryStream = ReceiverStream<Result<v1::QueryResponse, Status>>;

    async fn query(
        &self,
        request: Request<v1::QueryRequest>,
    ) -> Result<Response<Self::QueryStream>, Status> {
        let request = request.into_inner();
        only_tenant(&request.parent).map_err(|fault| status(&fault))?;
        let shared = Arc::clone(&self.shared);
        let turn = Arc::clone(&shared.queries).acquire_owned().await;
        let (answers, stream) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            if let Err(fault) = run(&shared, &request, &answers) {
                // A reader that is gone has no use for the reason.
                drop(answers.blocking_send(Err(status(&fault))));
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn run(shared: &Shared, request: &v1::QueryRequest, answers: &Answers) -> Result<(), Fault> {
    let opened = shared.sql.open(&request.sql, shared.threads)?;
    let mut snapshots = Vec::new();
    let mut tables = Vec::new();
    for name in opened.tables().to_vec() {
        let id = lode_jobs::resolve_dataset(&shared.store, &name)?;
        let snapshot = shared.store.pin(&id, None)?;
        let files = snapshot.files()?;
        tables.push(SqlTable {
            name,
            files: files.into_iter().map(|file| file.file).collect(),
        });
        snapshots.push(snapshot);
    }
    let planned = opened.plan(tables)?;
    let first = v1::QueryResponse {
        arrow_schema: chunks::schema_bytes(&planned.schema())?,
        chunk: None,
    };
    if answers.blocking_send(Ok(first)).is_err() {
        return Ok(());
    }
    let rows = planned.execute((request.row_limit > 0).then_some(request.row_limit));
    let _guard = StopWithReader::new(&rows, answers);
    for batch in rows {
        for chunk in chunks::chunks(&batch?)? {
            let message = v1::QueryResponse {
                arrow_schema: Vec::new(),
                chunk: Some(chunk),
            };
            if answers.blocking_send(Ok(message)).is_err() {
                // The reader is gone; dropping the rows ends the worker.
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Ends the worker as soon as the reader is gone, even while it computes.
struct StopWithReader {
    watching: tokio::task::JoinHandle<()>,
}

impl StopWithReader {
    fn new(rows: &lode_query::Rows, answers: &Answers) -> Self {
        let (stop, answers) = (rows.stop_handle(), answers.clone());
        let watching = tokio::runtime::Handle::current().spawn(async move {
            answers.closed().await;
            stop.stop();
        });
        Self { watching }
    }
}

impl Drop for StopWithReader {
    fn drop(&mut self) {
        // The watcher holds a sender, which would keep the stream open.
        self.watching.abort();
    }
}
