//! Calls against a server in this process that answers by a script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use lode_proto::v1;
use lode_proto::v1::server_service_server::ServerService;
use lode_proto::v1::server_service_server::ServerServiceServer;
use lode_types::Class;
use lode_types::Failure;
use lode_types::Retry;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic_types::ErrorDetails;
use tonic_types::StatusExt;

use crate::Client;
use crate::Error;
use crate::Options;
use crate::Pager;
use crate::RetryPolicy;

/// Answers by the script, then well; counts the calls.
#[derive(Clone, Debug, Default)]
struct Scripted {
    script: Arc<Mutex<VecDeque<Status>>>,
    n_calls: Arc<Mutex<usize>>,
    pause: Duration,
}

#[tonic::async_trait]
impl ServerService for Scripted {
    async fn get_server_info(
        &self,
        _request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        *self.n_calls.lock().unwrap() += 1;
        let status = self.script.lock().unwrap().pop_front();
        tokio::time::sleep(self.pause).await;
        match status {
            Some(status) => Err(status),
            None => Ok(Response::new(v1::GetServerInfoResponse {
                version: "1".to_owned(),
                ..Default::default()
            })),
        }
    }
}

async fn serve(service: Scripted) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tonic::transport::Server::builder()
        .add_service(ServerServiceServer::new(service))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serving);
    addr
}

fn quick() -> Options {
    Options {
        retry: RetryPolicy {
            attempts: 4,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(4),
        },
        ..Options::default()
    }
}

/// Calls once over a script; gives the answer and the number of calls that it took.
async fn call(script: Vec<Status>) -> (crate::Result<String>, usize) {
    let service = Scripted {
        script: Arc::new(Mutex::new(script.into())),
        ..Scripted::default()
    };
    let n_calls = service.n_calls.clone();
    let addr = serve(service).await;
    let client = Client::connect(&addr.to_string(), quick()).unwrap();
    let answer = client.get_server_info(v1::GetServerInfoRequest {}).await;
    let n_calls = *n_calls.lock().unwrap();
    (answer.map(|info| info.version), n_calls)
}

fn refusal(code: Code, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "lode", [("k".to_owned(), "v".to_owned())]);
    Status::with_error_details(code, "expected a, found b", details)
}

fn busy(after: Option<Duration>) -> Status {
    let mut details = ErrorDetails::with_error_info("BUSY", "lode", []);
    if let Some(after) = after {
        details.set_retry_info(Some(after));
    }
    Status::with_error_details(Code::ResourceExhausted, "busy", details)
}

#[tokio::test]
async fn unavailable_is_tried_again() {
    let away = || refusal(Code::Unavailable, "STOPPING");
    let (answer, n_calls) = call(vec![away(), away(), away()]).await;
    assert_eq!(answer.unwrap(), "1");
    assert_eq!(n_calls, 4);
}

#[tokio::test]
async fn tries_are_bounded() {
    let (answer, n_calls) = call(vec![refusal(Code::Unavailable, "STOPPING"); 9]).await;
    assert!(answer.unwrap_err().has_reason("STOPPING"));
    assert_eq!(n_calls, 4);
}

#[tokio::test]
async fn exhausted_is_tried_again_only_when_the_engine_says_so() {
    let (answer, n_calls) = call(vec![busy(Some(Duration::from_millis(2)))]).await;
    assert_eq!((answer.unwrap(), n_calls), ("1".to_owned(), 2));
    let (answer, n_calls) = call(vec![busy(None)]).await;
    assert!(answer.unwrap_err().has_reason("BUSY"));
    assert_eq!(n_calls, 1);
}

#[tokio::test]
async fn other_failures_are_final() {
    for code in [
        Code::InvalidArgument,
        Code::NotFound,
        Code::Internal,
        Code::Aborted,
        Code::DeadlineExceeded,
        Code::Cancelled,
    ] {
        let (answer, n_calls) = call(vec![refusal(code, "NO")]).await;
        assert!(answer.unwrap_err().has_reason("NO"));
        assert_eq!(n_calls, 1, "{code:?}");
    }
}

#[tokio::test]
async fn a_refusal_shows_all_the_engine_said() {
    let mut details = ErrorDetails::with_error_info(
        "PARAM_OUT_OF_RANGE",
        "lode",
        [("limit".to_owned(), "100".to_owned())],
    );
    details.add_bad_request_violation("spec.params.k", "expected 1 to 100, found 0");
    let status = Status::with_error_details(Code::InvalidArgument, "k is 0", details);
    let error = call(vec![status]).await.0.unwrap_err();
    assert_eq!(error.to_string(), "k is 0");
    assert_eq!(error.class(), Class::Invalid);
    assert_eq!(error.reason(), "PARAM_OUT_OF_RANGE");
    assert_eq!(error.field(), "spec.params.k");
    assert_eq!(error.retry(), Retry::AfterFix);
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.metadata["limit"], "100");
    assert_eq!(
        refusal.violations,
        [(
            "spec.params.k".to_owned(),
            "expected 1 to 100, found 0".to_owned()
        )]
    );
}

#[tokio::test]
async fn a_status_without_details_has_its_code_as_reason() {
    let error = call(vec![Status::unimplemented("no such call")]).await.0;
    assert_eq!(error.unwrap_err().reason(), "UNIMPLEMENTED");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = nobody.local_addr().unwrap();
    drop(nobody);
    let client = Client::connect(&addr.to_string(), quick()).unwrap();
    let error = client.get_server_info(v1::GetServerInfoRequest {}).await;
    let error = error.unwrap_err();
    assert!(error.is_unreachable() && error.is_passing());
    assert_eq!(error.reason(), "ENGINE_UNREACHABLE");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_deadline() {
    let service = Scripted {
        pause: Duration::from_secs(30),
        ..Scripted::default()
    };
    let addr = serve(service).await;
    let client = Client::connect(&addr.to_string(), quick()).unwrap();
    let client = client.with_deadline(Duration::from_millis(50));
    let error = client.get_server_info(v1::GetServerInfoRequest {}).await;
    assert!(matches!(
        error.unwrap_err(),
        Error::Deadline {
            method: "GetServerInfo",
            ..
        }
    ));
}

#[test]
fn the_schedule_doubles_up_to_its_longest_pause() {
    let policy = RetryPolicy {
        attempts: 9,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(700),
    };
    let millis: Vec<u128> = (1..6).map(|n| policy.pause(n).as_millis()).collect();
    assert_eq!(millis, [100, 200, 400, 700, 700]);
    assert_eq!(policy.pause(u32::MAX).as_millis(), 700);
}

#[tokio::test]
async fn addresses() {
    let addr = |text| Client::connect(text, quick()).map(|client| client.addr().to_owned());
    assert_eq!(addr("localhost:7400").unwrap(), "http://localhost:7400");
    assert_eq!(addr("http://127.0.0.1:1/").unwrap(), "http://127.0.0.1:1");
    assert_eq!(addr("http://[::1]:7400").unwrap(), "http://[::1]:7400");
    for wrong in [
        "",
        "localhost",
        "http://localhost",
        "x:port",
        "ftp://x:1",
        "https://x:1",
    ] {
        let error = addr(wrong).unwrap_err();
        assert_eq!(error.reason(), "INVALID_ADDRESS", "{wrong}");
    }
}

#[tokio::test]
async fn pages_join_in_order() {
    let pages = || {
        Pager::new(|token| async move {
            let page: u32 = token.parse().unwrap_or(0);
            let next = if page < 3 {
                (page + 1).to_string()
            } else {
                String::new()
            };
            Ok((vec![page * 2, page * 2 + 1], next))
        })
    };
    assert_eq!(pages().all().await.unwrap(), (0..8).collect::<Vec<_>>());
    assert_eq!(pages().take(3).await.unwrap(), [0, 1, 2]);
    let mut pager = pages();
    while pager.next_page().await.unwrap().is_some() {}
    assert!(pager.next_page().await.unwrap().is_none());
}
