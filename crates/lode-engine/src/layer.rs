//! Two habits of tonic mended for every service: deadlines and size limits carry details.
//!
//! tonic answers a passed deadline with CANCELLED and a message over the limit with
//! OUT_OF_RANGE, both without details. This layer ends a call a moment before tonic does,
//! and rewrites the size refusal.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use http::Request;
use http::Response;
use lode_types::Class;
use lode_types::Fault;
use tonic::Code;
use tonic::Status;
use tonic::body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::services::MAX_MESSAGE_BYTES;
use crate::status::status;

/// Wraps all services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DetailsLayer;

/// A wrapped service.
#[derive(Clone, Debug)]
pub(crate) struct Details<S> {
    inner: S,
}

impl<S> Layer<S> for DetailsLayer {
    type Service = Details<S>;
    fn layer(&self, inner: S) -> Details<S> {
        Details { inner }
    }
}

impl<S> Service<Request<Body>> for Details<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let timeout = grpc_timeout(request.headers());
        let call = self.inner.call(request);
        Box::pin(async move {
            let Some(timeout) = timeout else {
                return call.await.map(with_details);
            };
            let margin = (timeout / 10).min(Duration::from_millis(10));
            match tokio::time::timeout(timeout - margin, call).await {
                Ok(answer) => answer.map(with_details),
                Err(_) => Ok(deadline_exceeded(timeout).into_http()),
            }
        })
    }
}

fn deadline_exceeded(timeout: Duration) -> Status {
    status(&Fault::new(
        Class::Deadline,
        "DEADLINE_EXCEEDED",
        format!("expected an answer within {timeout:?}, found none by then"),
    ))
}

/// The refusal of a message that is too large, told as the limit that it is.
pub(crate) fn message_too_large(found: &str) -> Status {
    status(&Fault::new(
        Class::Limit,
        "MESSAGE_TOO_LARGE",
        format!("expected a message of at most {MAX_MESSAGE_BYTES} bytes: {found}"),
    ))
}

fn with_details(response: Response<Body>) -> Response<Body> {
    let too_large = Status::from_header_map(response.headers()).filter(is_size_refusal);
    match too_large {
        Some(refusal) => message_too_large(refusal.message()).into_http(),
        None => response,
    }
}

/// Whether a status is tonic's own refusal of a message over the limit.
pub(crate) fn is_size_refusal(status: &Status) -> bool {
    status.code() == Code::OutOfRange && status.message().contains("message length too large")
}

/// The deadline that a client sends: digits and a unit, as the gRPC protocol defines it.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(value.saturating_mul(60))),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}
