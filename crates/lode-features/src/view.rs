//! A view that was checked against the schemas of its datasets.

use std::sync::Arc;

use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;
use lode_types::ROLE_KEY;
use lode_types::Role;

use crate::plan::Plan;
use crate::spec::Population;
use crate::spec::ViewSpec;
use crate::training;

/// A view that can be computed.
#[derive(Debug)]
pub struct View {
    pub(crate) spec: ViewSpec,
    pub(crate) plan: Plan,
    pub(crate) schema: SchemaRef,
    pub(crate) features: Vec<FeatureInfo>,
}

/// A feature as people and programs are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureInfo {
    /// Its name.
    pub name: String,
    /// Its exact meaning; reasons can quote it.
    pub description: String,
    /// Its columns and their types.
    pub columns: Vec<(String, DataType)>,
}

/// A table with one row a customer that the view reads at each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The customers dataset.
    Customers {
        /// Its name.
        dataset: String,
    },
    /// The answer of a SELECT.
    Query {
        /// The feature.
        feature: String,
        /// The statement.
        sql: String,
    },
    /// The customers dataset, as it was valid a horizon later: for a label.
    Later {
        /// Its name.
        dataset: String,
        /// How much later, in microseconds.
        ahead: i64,
    },
}

impl View {
    /// The declaration.
    pub fn spec(&self) -> &ViewSpec {
        &self.spec
    }

    /// The columns: `customer_id`, `as_of`, then those of the features.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The features with their meaning, in order.
    pub fn features(&self) -> &[FeatureInfo] {
        &self.features
    }

    /// The datasets of events, in the order in which `compute` takes their rows.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        self.plan
            .sources
            .iter()
            .map(|source| source.dataset.as_str())
    }

    /// The columns that are read of the n-th dataset of events.
    pub fn columns_of(&self, source: usize) -> Vec<&str> {
        let columns = self.plan.sources.get(source).map(|source| &source.columns);
        let columns = columns.into_iter().flatten();
        columns.map(|(name, _)| name.as_str()).collect()
    }

    /// The tables with one row a customer, in the order in which `compute` takes them.
    pub fn lookups(&self) -> Vec<Lookup> {
        let lookups = self.plan.lookups.iter();
        lookups
            .map(|lookup| match &lookup.feature {
                None if lookup.ahead != 0 => Lookup::Later {
                    dataset: lookup.name.clone(),
                    ahead: lookup.ahead,
                },
                None => Lookup::Customers {
                    dataset: lookup.name.clone(),
                },
                Some(feature) => Lookup::Query {
                    feature: feature.clone(),
                    sql: self
                        .spec
                        .features
                        .iter()
                        .find(|spec| spec.name == *feature)
                        .and_then(|spec| spec.params.sql.clone())
                        .unwrap_or_default(),
                },
            })
            .collect()
    }

    /// The column with the items that candidates are of.
    pub fn item_column(&self) -> Option<&str> {
        let items = self.plan.training.as_ref()?.items.as_ref()?;
        Some(&items.name)
    }

    /// Who gets a row.
    pub fn population(&self) -> Population {
        self.spec.population
    }
}

/// The schema of a view's rows.
pub(crate) fn schema(id: &DataType, plan: &Plan) -> SchemaRef {
    let role = |role: Role| [(ROLE_KEY.to_owned(), role.as_str().to_owned())].into();
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")));
    let mut fields = vec![
        Field::new("customer_id", id.clone(), false).with_metadata(role(Role::CustomerId)),
        Field::new("as_of", utc, false),
    ];
    let features = plan.columns.iter().map(|&out| {
        let out = &plan.outs[out];
        Field::new(&out.name, out.data_type.clone(), true)
    });
    match &plan.training {
        None => fields.extend(features),
        Some(training) => training::fields(training, features, &mut fields),
    }
    Arc::new(Schema::new(fields))
}
