//! The handle on an engine that everything else hangs on.

use lode_client::Client;
use lode_client::Options;
use lode_client::v1;
use lode_proto::names;
use lode_types::TenantId;

use crate::Result;
use crate::ServerInfo;

/// A connection to an engine. Cheap to clone; clones share the connection.
///
/// ```no_run
/// # async fn example() -> lode_sdk::Result<()> {
/// let lode = lode_sdk::Lode::connect("http://127.0.0.1:7400").await?;
/// lode.ingest("retail").file("retail.csv.gz").await?;
/// let segments = lode.run(lode_sdk::Segmentation::rfm("retail")).await?;
/// let tiers = segments.output("rfm").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Lode {
    client: Client,
}

impl Lode {
    /// Connects to the engine at `addr` and asks who it is.
    ///
    /// # Errors
    /// A wrong address, or an engine that cannot be reached.
    pub async fn connect(addr: &str) -> Result<Self> {
        let lode = Self::lazy(addr, Options::default())?;
        lode.server_info().await?;
        Ok(lode)
    }

    /// A handle that connects with its first call. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// A wrong address.
    pub fn lazy(addr: &str, options: Options) -> Result<Self> {
        Ok(Self {
            client: Client::connect(addr, options)?,
        })
    }

    /// The thin client beneath, for calls that have no typed form.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Version, capabilities and limits of the engine.
    ///
    /// # Errors
    /// What the call met.
    pub async fn server_info(&self) -> Result<ServerInfo> {
        let info = self
            .client
            .get_server_info(v1::GetServerInfoRequest {})
            .await?;
        Ok(info.into())
    }
}

/// Name of the only tenant there is until authentication exists.
pub(crate) fn tenant() -> String {
    names::tenant(&TenantId::only())
}

/// What stands after the last "/" of a resource name: the id.
pub(crate) fn id_of(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}
