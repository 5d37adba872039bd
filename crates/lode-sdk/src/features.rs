//! Feature views: declared, read, computed; and what one customer did.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use lode_client::Stream;
use lode_client::v1;
use lode_proto::convert;
use lode_proto::names;
use lode_types::ColumnType;
use lode_types::CustomerId;
use lode_types::FeatureViewId;
use lode_types::Timestamp;
use lode_types::Value;
use serde::Serialize;

use crate::Error;
use crate::Lode;
use crate::Result;
use crate::Rows;
use crate::catalog::dataset_name;
use crate::lode::id_of;
use crate::lode::tenant;
use crate::serial;
use crate::table::Message;
use crate::table::Messages;

/// A feature view.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureView {
    /// Its id.
    pub feature_view: String,
    /// For people.
    pub description: String,
    /// Its datasets of events.
    pub events: Vec<String>,
    /// Its dataset of customers; empty when it has none.
    pub customers: String,
    /// Whether one customer is shown with it unasked.
    pub online: bool,
    /// Its features, in order.
    pub features: Vec<FeatureInfo>,
    /// The declaration, as JSON text.
    pub declaration: String,
    /// When it was declared.
    #[serde(serialize_with = "serial::time")]
    pub create_time: Option<Timestamp>,
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureInfo {
    /// Its name.
    pub name: String,
    /// What it is, e.g. `inter_purchase_gap`.
    pub kind: String,
    /// Its exact meaning.
    pub description: String,
    /// Its columns and their types.
    pub columns: Vec<(String, Option<ColumnType>)>,
}

/// A customer's features of one view.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomerFeatures {
    /// The view.
    pub feature_view: String,
    /// The time.
    #[serde(serialize_with = "serial::time")]
    pub as_of: Option<Timestamp>,
    /// By column; nulls are left out.
    #[serde(serialize_with = "serial::values")]
    pub values: BTreeMap<String, Value>,
}

/// What a customer did once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomerEvent {
    /// The dataset of the row.
    pub dataset: String,
    /// When.
    #[serde(serialize_with = "serial::time")]
    pub time: Option<Timestamp>,
    /// By column; columns without a value are left out.
    #[serde(serialize_with = "serial::values")]
    pub values: BTreeMap<String, Value>,
}

/// Which events of a customer are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// None means all datasets of events.
    pub datasets: Vec<String>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// At most so many; 0 means 100.
    pub limit: usize,
}

impl Lode {
    /// Declares a feature view from JSON; true when it was there with the same declaration.
    ///
    /// # Errors
    /// `INVALID_FEATURE_VIEW` with the path of what is wrong, `FEATURE_VIEW_EXISTS`, or what the
    /// call met.
    pub async fn create_feature_view(
        &self,
        name: &str,
        json: &str,
        validate_only: bool,
    ) -> Result<(FeatureView, bool)> {
        let declaration = v1::create_feature_view_request::Declaration::Json(json.to_owned());
        let request = v1::CreateFeatureViewRequest {
            parent: tenant(),
            feature_view_id: name.to_owned(),
            declaration: Some(declaration),
            validate_only,
        };
        let answer = self.client().create_feature_view(request).await?;
        let view = answer.feature_view.unwrap_or_default();
        Ok((view.into(), answer.replayed))
    }

    /// A feature view.
    ///
    /// # Errors
    /// `FEATURE_VIEW_NOT_FOUND`, or what the call met.
    pub async fn feature_view(&self, name: &str) -> Result<FeatureView> {
        let name = view_name(name)?;
        let answer = self
            .client()
            .get_feature_view(v1::GetFeatureViewRequest { name })
            .await?;
        Ok(answer.feature_view.unwrap_or_default().into())
    }

    /// All feature views, by name.
    ///
    /// # Errors
    /// What the calls met.
    pub async fn feature_views(&self) -> Result<Vec<FeatureView>> {
        let request = v1::ListFeatureViewsRequest {
            parent: tenant(),
            ..Default::default()
        };
        let all = self.client().feature_views(request).all().await?;
        Ok(all.into_iter().map(FeatureView::from).collect())
    }

    /// Deletes a feature view.
    ///
    /// # Errors
    /// `FEATURE_VIEW_NOT_FOUND`, or what the call met.
    pub async fn delete_feature_view(&self, name: &str) -> Result<()> {
        let request = v1::DeleteFeatureViewRequest {
            name: view_name(name)?,
            allow_missing: false,
        };
        self.client().delete_feature_view(request).await?;
        Ok(())
    }

    /// The rows of a feature view at some times, of all customers or of some; now when there
    /// is no time.
    ///
    /// # Errors
    /// `FEATURE_VIEW_NOT_FOUND`, `INVALID_FEATURE_VIEW` when its datasets changed, or what the
    /// call met.
    pub async fn compute_features(
        &self,
        name: &str,
        as_of: &[Timestamp],
        customers: &[String],
    ) -> Result<Rows> {
        let customers = customers.iter().map(|id| customer_name(id));
        let request = v1::ComputeFeaturesRequest {
            name: view_name(name)?,
            as_of: as_of
                .iter()
                .map(|&time| convert::time_to_wire(time))
                .collect(),
            customers: customers.collect::<Result<_>>()?,
        };
        let stream = self.client().compute_features(request).await?;
        Rows::open(Box::new(FeatureMessages(stream))).await
    }

    /// What a customer did, newest first.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, or what the calls met.
    pub async fn timeline(&self, customer: &str, asked: &Timeline) -> Result<Vec<CustomerEvent>> {
        let limit = if asked.limit == 0 { 100 } else { asked.limit };
        let datasets = asked.datasets.iter().map(|name| dataset_name(name));
        let mut request = v1::ListCustomerEventsRequest {
            name: customer_name(customer)?,
            datasets: datasets.collect::<Result<_>>()?,
            from_time: asked.from.map(convert::time_to_wire),
            until_time: asked.until.map(convert::time_to_wire),
            page_size: 0,
            page_token: String::new(),
        };
        let mut events = Vec::new();
        loop {
            request.page_size = i32::try_from((limit - events.len()).min(1000)).unwrap_or(1000);
            let page = self.client().list_customer_events(request.clone()).await?;
            events.extend(page.events.into_iter().map(CustomerEvent::from));
            request.page_token = page.next_page_token;
            if events.len() >= limit || request.page_token.is_empty() {
                return Ok(events);
            }
        }
    }
}

/// The resource name of a feature view.
pub(crate) fn view_name(name: &str) -> Result<String> {
    Ok(names::feature_view(&FeatureViewId::parse(name)?))
}

fn customer_name(id: &str) -> Result<String> {
    Ok(names::customer(&CustomerId::parse(id)?))
}

/// Rows of a feature view; a call that broke is not made again by itself.
struct FeatureMessages(Stream<v1::ComputeFeaturesResponse>);

impl Messages for FeatureMessages {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Option<Message>>> + Send + '_>> {
        Box::pin(async {
            let message = self.0.message().await?;
            Ok(message.map(|message| Message::new(message.arrow_schema, message.chunk)))
        })
    }

    fn reopen(
        &mut self,
        _row: u64,
        error: Error,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
        Box::pin(async { Err(error) })
    }
}

impl From<v1::FeatureView> for FeatureView {
    fn from(view: v1::FeatureView) -> Self {
        let features = view.features.into_iter().map(|feature| FeatureInfo {
            kind: kind_word(feature.kind()),
            name: feature.name,
            description: feature.description,
            columns: feature
                .columns
                .into_iter()
                .map(|column| {
                    let (precision, scale) = (column.precision, column.scale);
                    let found = convert::type_from_wire(column.r#type, precision, scale);
                    (column.name, found)
                })
                .collect(),
        });
        Self {
            feature_view: id_of(&view.name),
            description: view.description,
            events: view.events,
            customers: view.customers,
            online: view.online,
            features: features.collect(),
            declaration: view.declaration_json,
            create_time: view.create_time.as_ref().map(convert::time_from_wire),
        }
    }
}

impl From<v1::CustomerFeatures> for CustomerFeatures {
    fn from(features: v1::CustomerFeatures) -> Self {
        Self {
            feature_view: id_of(&features.feature_view),
            as_of: features.as_of.as_ref().map(convert::time_from_wire),
            values: convert::values_from_wire(&features.values),
        }
    }
}

impl From<v1::CustomerEvent> for CustomerEvent {
    fn from(event: v1::CustomerEvent) -> Self {
        Self {
            dataset: id_of(&event.dataset),
            time: event.time.as_ref().map(convert::time_from_wire),
            values: convert::values_from_wire(&event.values),
        }
    }
}

/// A kind as declarations spell it.
fn kind_word(kind: v1::FeatureKind) -> String {
    let name = kind.as_str_name();
    name.trim_start_matches("FEATURE_KIND_")
        .to_ascii_lowercase()
}
