//! Errors as gRPC statuses: code by class, `ErrorInfo` always, the field in `BadRequest`.

use std::collections::HashMap;
use std::time::Duration;

use lode_proto::convert::code_of;
use lode_types::Class;
use lode_types::Fault;
use tonic::Status;
use tonic_types::ErrorDetails;
use tonic_types::StatusExt;

/// Domain of every `ErrorInfo`.
const DOMAIN: &str = "lode";

/// The status of a fault.
pub(crate) fn status(fault: &Fault) -> Status {
    let mut details = ErrorDetails::with_error_info(&fault.reason, DOMAIN, HashMap::new());
    if !fault.field.is_empty() {
        details.add_bad_request_violation(&fault.field, &fault.message);
    }
    if fault.class == Class::Unavailable || fault.reason == "SQL_QUEUE_FULL" {
        details.set_retry_info(Some(Duration::from_millis(200)));
    }
    if fault.reason == "STORE_FULL" {
        // Somebody has to make room first.
        details.set_retry_info(Some(Duration::from_secs(2)));
    }
    if fault.class == Class::Bug || fault.class == Class::Corrupt {
        tracing::error!(reason = fault.reason, error = fault.message, "call failed");
    }
    Status::with_error_details(code_of(fault.class), &fault.message, details)
}

/// An invalid-argument fault that blames `field`.
pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Fault {
    Fault::new(Class::Invalid, "INVALID_FIELD", message).at(field)
}

/// Runs synchronous work on the blocking pool; it goes on when the caller goes away.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Status>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Fault> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fault)) => Err(status(&fault)),
        Err(_) => Err(status(&Fault::new(
            Class::Bug,
            "INTERNAL",
            "the engine panicked while it answered; its log has more",
        ))),
    }
}
