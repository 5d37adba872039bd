//! A feature view that suits any dataset of events: what its roles allow to be told.
//!
//! The same columns give the same declaration, so that declaring it again finds the view that is
//! there.

use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Role;
use serde_json::Value as Json;
use serde_json::json;

use crate::Dataset;
use crate::Error;
use crate::FeatureView;
use crate::Lode;
use crate::Result;

/// Windows that are looked at.
const WINDOWS: [&str; 3] = ["30d", "90d", "180d"];

/// A feature view to be.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureViewSpec {
    /// Its name.
    pub name: String,
    /// Its declaration, as docs/features.md says.
    pub declaration: Json,
    /// What its dataset of customers could not give, and why; for people.
    pub left_out: Option<String>,
}

impl FeatureViewSpec {
    /// The standard view of a dataset of events, `DATASET_standard`: recency, frequency, amounts,
    /// tenure, gaps, what was different, all and in the last 30, 90 and 180 days, how these
    /// compare, and the attributes of a dataset of customers that says since when they hold.
    ///
    /// # Errors
    /// When the dataset has no customers or no times.
    pub fn standard(events: &Dataset, customers: Option<&Dataset>) -> Result<Self> {
        let has = |role: Role| events.schema.with_role(role).is_some();
        for role in [Role::CustomerId, Role::EventTime] {
            if !has(role) {
                return Err(Error::argument(
                    "events",
                    format!("a dataset of events with a column of role {role}"),
                    format!("{:?}, which has none", events.dataset),
                ));
            }
        }
        let mut features = Features::default();
        features.add("recency", "recency", json!({}));
        features.add("tenure", "tenure", json!({}));
        features.add("gap_mean", "inter_purchase_gap", json!({}));
        features.add("gap_cv", "inter_purchase_gap", json!({"stat": "cv"}));
        features.add("gap_last", "inter_purchase_gap", json!({"stat": "last"}));
        features.ratio("recency_by_gap", "recency", "gap_mean");
        let counted = if has(Role::Order) { "orders" } else { "events" };
        features.all_and_windows(counted, "frequency", &json!({"of": counted}));
        features.add(
            "days_180d",
            "frequency",
            json!({"of": "days", "window": "180d"}),
        );
        // Of counts alone: where what was bought was given back, a sum of money is near 0, and a
        // ratio to it has no bound.
        for part in ["30d", "90d"] {
            features.ratio(
                &format!("{counted}_{part}_of_180d"),
                &format!("{counted}_{part}"),
                &format!("{counted}_180d"),
            );
        }
        if let Some(amount) = Amount::of(events) {
            features.all_and_windows("spend", "monetary", &json!({}));
            features.add("spend_mean", "monetary", json!({"stat": "mean"}));
            features.add("last_amount", "last_amount", json!({}));
            features.add(
                "spend_trend_180d",
                "window",
                json!({"stat": "trend", "window": "180d"}),
            );
            // What is below 0 was given back.
            let below = json!({"column": amount.signed, "below": 0});
            features.filtered("returns", "frequency", json!({"of": "events"}), &below);
            let late = json!({"of": "events", "window": "90d"});
            features.filtered("returns_90d", "frequency", late, &below);
        }
        if has(Role::Item) {
            features.add("items", "distinct", json!({}));
            features.add("items_90d", "distinct", json!({"window": "90d"}));
        }
        let (attributes, left_out) = match customers {
            None => (Vec::new(), None),
            Some(customers) => attributes(customers)?,
        };
        for (name, column) in &attributes {
            let mut name = name.clone();
            if features.names.contains(&name) {
                name.insert_str(0, "customer_");
            }
            features.add(&name, "attribute", json!({"column": column}));
        }
        let mut declaration = json!({
            "description": format!("standard features of {}", events.dataset),
            "events": [events.dataset],
            "features": features.list,
        });
        let mut name = format!("{}_standard", events.dataset);
        if let (Some(customers), false) = (customers, attributes.is_empty()) {
            declaration["customers"] = Json::from(customers.dataset.as_str());
            name = format!("{}_{}_standard", events.dataset, customers.dataset);
        }
        Ok(Self {
            name,
            declaration,
            left_out,
        })
    }
}

/// The feature that says what a customer spends now, for a period as long as another.
#[derive(Clone, Debug, PartialEq)]
pub struct Spend {
    /// The feature: a sum of amounts in a window before a date.
    pub feature: String,
    /// Its window, e.g. `30d`.
    pub window: String,
    /// What makes of it the spend of the whole period: 1 where the window is as long.
    pub scale: f64,
}

impl FeatureView {
    /// What a customer spends now, for a period as long as `horizon`: of the sums of amounts in a
    /// window that the view has of `events` without a filter, the one whose window is nearest in
    /// proportion (of two, the longer), scaled to the period. None when it has no such feature.
    #[must_use]
    pub fn spend(&self, events: &str, horizon: &str) -> Option<Spend> {
        let declared: Json = serde_json::from_str(&self.declaration).ok()?;
        let period = hours(horizon)?;
        let is_first = self.events.first().is_some_and(|first| first == events);
        let sums = declared.get("features")?.as_array()?.iter();
        let sums = sums.filter_map(|feature| {
            let text = |json: Option<&Json>| json.and_then(Json::as_str).map(str::to_owned);
            let params = feature.get("params")?;
            let stat = text(params.get("stat")).unwrap_or_else(|| "sum".to_owned());
            let of = match text(feature.get("events")) {
                Some(own) => own == events,
                None => is_first,
            };
            let is_sum = text(feature.get("kind"))? == "monetary" && stat == "sum";
            let is_whole = feature.get("filter").is_none_or(|filter| {
                filter.is_null() || filter.as_array().is_some_and(Vec::is_empty)
            });
            if params.get("column").is_some_and(|column| !column.is_null()) {
                return None;
            }
            let window = text(params.get("window"))?;
            let far = (hours(&window)? / period).ln();
            let spend = Spend {
                feature: text(feature.get("name"))?,
                scale: (-far).exp(),
                window,
            };
            (is_sum && is_whole && of).then_some((far, spend))
        });
        let nearest = sums.min_by(|(a, _), (b, _)| {
            let near = (a.abs() * 1e9).round().total_cmp(&(b.abs() * 1e9).round());
            near.then(b.total_cmp(a))
        });
        nearest.map(|(far, spend)| Spend {
            scale: if far.abs() < 1e-12 { 1.0 } else { spend.scale },
            ..spend
        })
    }
}

/// A length such as `90d` in hours.
fn hours(text: &str) -> Option<f64> {
    let units = [("w", 168.0), ("d", 24.0), ("h", 1.0)];
    let (unit, of) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    let n: u32 = text.strip_suffix(unit)?.parse().ok()?;
    (n > 0).then(|| f64::from(n) * of)
}

/// The standard view of a dataset of events, as an engine has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StandardView {
    /// The view.
    pub view: FeatureView,
    /// Whether it was not there before.
    pub made: bool,
    /// What its dataset of customers could not give, and why; for people.
    pub left_out: Option<String>,
}

impl Lode {
    /// Declares the standard view of a dataset of events, or finds it.
    ///
    /// # Errors
    /// As [`FeatureViewSpec::standard`]; `FEATURE_VIEW_EXISTS` when another view has its name.
    pub async fn standard_view(
        &self,
        events: &str,
        customers: Option<&str>,
    ) -> Result<StandardView> {
        let events = self.dataset(events).await?;
        let customers = match customers {
            Some(name) => Some(self.dataset(name).await?),
            None => None,
        };
        let spec = FeatureViewSpec::standard(&events, customers.as_ref())?;
        let json = spec.declaration.to_string();
        let (view, replayed) = self.create_feature_view(&spec.name, &json, false).await?;
        Ok(StandardView {
            view,
            made: !replayed,
            left_out: spec.left_out,
        })
    }
}

/// The column that says whether something was given back.
struct Amount {
    signed: String,
}

impl Amount {
    /// Where a dataset has an amount: role amount, or quantity and unit_price.
    fn of(events: &Dataset) -> Option<Self> {
        let column = |role: Role| {
            events
                .schema
                .with_role(role)
                .map(|column| column.name.clone())
        };
        let both = || Some((column(Role::Quantity)?, column(Role::UnitPrice)?).0);
        let signed = column(Role::Amount).or_else(both)?;
        Some(Self { signed })
    }
}

/// Names of features and columns.
type Attributes = Vec<(String, String)>;

/// What a customers dataset says of a customer at a time, as features; or why it says nothing.
fn attributes(customers: &Dataset) -> Result<(Attributes, Option<String>)> {
    if customers.schema.with_role(Role::CustomerId).is_none() {
        return Err(Error::argument(
            "customers",
            "a dataset with a column of role customer_id",
            format!("{:?}, which has none", customers.dataset),
        ));
    }
    let dated = customers.schema.with_role(Role::EventTime).is_some();
    if customers.kind == DatasetKind::Customers && !dated {
        let words = format!(
            "{} has no column of role event_time: what it says was not known before it was loaded, so that its columns are no features",
            customers.dataset
        );
        return Ok((Vec::new(), Some(words)));
    }
    let mut found = Vec::new();
    for column in customers.schema.columns() {
        let of_use = !matches!(
            column.role,
            Some(
                Role::CustomerId | Role::EventTime | Role::ArrivalTime | Role::Label | Role::Weight
            )
        );
        let takes = !matches!(column.column_type, ColumnType::Timestamp | ColumnType::Date);
        if of_use && takes {
            let ok = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name: String = column
                .name
                .chars()
                .map(|c| if ok(c) { c } else { '_' })
                .collect();
            found.push((name, column.name.clone()));
        }
    }
    Ok((found, None))
}

#[derive(Default)]
struct Features {
    list: Vec<Json>,
    names: Vec<String>,
}

impl Features {
    fn add(&mut self, name: &str, kind: &str, params: Json) {
        self.names.push(name.to_owned());
        let mut feature = json!({"name": name, "kind": kind});
        if params.as_object().is_some_and(|params| !params.is_empty()) {
            feature["params"] = params;
        }
        self.list.push(feature);
    }

    fn filtered(&mut self, name: &str, kind: &str, params: Json, filter: &Json) {
        self.add(name, kind, params);
        if let Some(last) = self.list.last_mut() {
            last["filter"] = filter.clone();
        }
    }

    fn ratio(&mut self, name: &str, numerator: &str, denominator: &str) {
        let params = json!({"numerator": numerator, "denominator": denominator});
        self.add(name, "ratio", params);
    }

    /// Of all events, and of those in each window.
    fn all_and_windows(&mut self, name: &str, kind: &str, params: &Json) {
        self.add(name, kind, params.clone());
        for window in WINDOWS {
            let mut params = params.clone();
            params["window"] = Json::from(window);
            self.add(&format!("{name}_{window}"), kind, params);
        }
    }
}
