//! The connection: one lazy HTTP/2 channel, deadlines, retries.
//!
//! A client is cheap to clone; clones share the connection. Invariant: nothing is sent when
//! a client is made, so that an engine may be started after its clients.

use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;
use tonic::TimeoutExpired;
use tonic::transport::Channel;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::Error;
use crate::Result;
use crate::RetryPolicy;

/// Where an engine listens unless told otherwise.
pub const DEFAULT_ADDR: &str = "http://127.0.0.1:7400";

/// The largest message the client takes.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the answer of a call, its retries included; sent as `grpc-timeout`.
    pub deadline: Duration,
    /// Longest wait for the first message of a stream; streams themselves have no deadline.
    pub stream_deadline: Option<Duration>,
    /// When calls are tried again.
    pub retry: RetryPolicy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            deadline: Duration::from_secs(60),
            stream_deadline: None,
            retry: RetryPolicy::default(),
        }
    }
}

/// A connection to one engine.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    addr: String,
    options: Options,
}

impl Client {
    /// A client of the engine at `addr`; it connects with the first call. Call it inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`Error::Address`] when `addr` is no address.
    pub fn connect(addr: &str, options: Options) -> Result<Self> {
        let addr = normal_addr(addr)?;
        let endpoint = Endpoint::from_shared(addr.clone()).map_err(|_| Error::Address {
            found: addr.clone(),
            hint: "",
        })?;
        let channel = endpoint
            .connect_timeout(options.connect_timeout)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20))
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(8 << 20)
            .connect_lazy();
        Ok(Self {
            channel,
            addr,
            options,
        })
    }

    /// The engine's address, with its scheme.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// How the client behaves.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The same connection with another deadline of calls.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        let mut client = self.clone();
        client.options.deadline = deadline;
        client
    }

    /// Whether the engine says that it serves `service`; empty means the engine as a whole.
    ///
    /// # Errors
    /// What the call met.
    pub async fn is_serving(&self, service: &str) -> Result<bool> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = self
            .unary("Check", request, |channel, request| async move {
                HealthClient::new(channel).check(request).await
            })
            .await?;
        Ok(answer.status() == ServingStatus::Serving)
    }

    /// Sends one request, again where the policy allows, within the deadline.
    pub(crate) async fn unary<Q, R, F, Fut>(
        &self,
        method: &'static str,
        message: Q,
        call: F,
    ) -> Result<R>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> Fut,
        Fut: Future<Output = std::result::Result<Response<R>, Status>>,
    {
        self.repeat(method, Some(self.options.deadline), message, call)
            .await
            .map(Response::into_inner)
    }

    /// Opens a stream of answers, again where the policy allows.
    pub(crate) async fn streaming<Q, R, F, Fut>(
        &self,
        method: &'static str,
        message: Q,
        call: F,
    ) -> Result<Stream<R>>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> Fut,
        Fut: Future<Output = std::result::Result<Response<Streaming<R>>, Status>>,
    {
        let opening = self.repeat(method, None, message, call);
        let response = match self.options.stream_deadline {
            None => opening.await?,
            Some(after) => tokio::time::timeout(after, opening)
                .await
                .map_err(|_| Error::Deadline { method, after })??,
        };
        Ok(self.stream(response))
    }

    /// Wraps the answers of an open stream.
    pub(crate) fn stream<R>(&self, response: Response<Streaming<R>>) -> Stream<R> {
        Stream {
            inner: response.into_inner(),
            addr: self.addr.clone(),
        }
    }

    /// The channel, for calls that are never repeated.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    async fn repeat<Q, T, F, Fut>(
        &self,
        method: &'static str,
        deadline: Option<Duration>,
        message: Q,
        call: F,
    ) -> Result<T>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> Fut,
        Fut: Future<Output = std::result::Result<T, Status>>,
    {
        let give_up = deadline.map(|after| (tokio::time::Instant::now() + after, after));
        let mut failure = 0;
        loop {
            let mut request = Request::new(message.clone());
            let answer = match give_up {
                None => call(self.channel.clone(), request).await,
                Some((until, after)) => {
                    let left = until.saturating_duration_since(tokio::time::Instant::now());
                    request.set_timeout(left);
                    tokio::time::timeout_at(until, call(self.channel.clone(), request))
                        .await
                        .map_err(|_| Error::Deadline { method, after })?
                }
            };
            let status = match answer {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            if let Some((_, after)) = give_up
                && is_timeout(&status)
            {
                return Err(Error::Deadline { method, after });
            }
            failure += 1;
            let error = Error::from_status(&status, &self.addr);
            let Some(pause) = self.options.retry.next(failure, &error) else {
                return Err(error);
            };
            if give_up.is_some_and(|(until, _)| tokio::time::Instant::now() + pause >= until) {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Messages that the engine streams.
#[derive(Debug)]
pub struct Stream<R> {
    inner: Streaming<R>,
    addr: String,
}

impl<R> Stream<R> {
    /// The next message; none when the engine has ended the stream.
    ///
    /// # Errors
    /// How the stream broke; it is not repeated here, since only the caller knows where to
    /// go on.
    pub async fn message(&mut self) -> Result<Option<R>> {
        self.inner
            .message()
            .await
            .map_err(|status| Error::from_status(&status, &self.addr))
    }
}

/// Whether the transport ended the call at its deadline, just before the timer here did.
fn is_timeout(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<TimeoutExpired>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// `addr` with its scheme; a bare `host:port` gets `http://`.
fn normal_addr(addr: &str) -> Result<String> {
    let wrong = |hint| Error::Address {
        found: addr.to_owned(),
        hint,
    };
    let text = addr.trim().trim_end_matches('/');
    if text.starts_with("https://") {
        return Err(wrong("; TLS is not supported yet"));
    }
    let rest = text.strip_prefix("http://").unwrap_or(text);
    let Some((host, port)) = rest.rsplit_once(':') else {
        return Err(wrong("; the port is missing"));
    };
    if host.is_empty() || host.contains('/') || port.parse::<u16>().is_err() {
        return Err(wrong(""));
    }
    Ok(format!("http://{rest}"))
}
