//! The two tables: every customer, and every tier.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use lode_plugin::Role;
use lode_plugin::role_field;

use super::purchases::Customer;
use super::purchases::Purchases;
use super::tier::Scored;
use super::tier::Tier;

pub(super) fn rfm(found: &Purchases, scored: &[Scored]) -> Result<RecordBatch, ArrowError> {
    let schema = Schema::new(vec![
        role_field("customer_id", DataType::Utf8, false, Role::CustomerId),
        Field::new("recency_days", DataType::Float64, false),
        Field::new("frequency", DataType::Int64, false),
        Field::new("monetary", DataType::Float64, false),
        Field::new("r_score", DataType::Int64, false),
        Field::new("f_score", DataType::Int64, false),
        Field::new("m_score", DataType::Int64, false),
        Field::new("tier", DataType::Utf8, false),
    ]);
    let customers = &found.customers;
    let floats = |of: fn(&Customer) -> f64| -> ArrayRef {
        Arc::new(customers.iter().map(of).collect::<Float64Array>())
    };
    let scores = |of: fn(&Scored) -> i64| -> ArrayRef {
        Arc::new(scored.iter().map(of).collect::<Int64Array>())
    };
    let ids = customers.iter().map(|c| Some(c.id.as_str()));
    let frequencies = customers.iter().map(|c| c.frequency);
    let tiers = scored.iter().map(|s| Some(s.tier.name()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids.collect::<StringArray>()),
        floats(|c| c.recency_days),
        Arc::new(frequencies.collect::<Int64Array>()),
        floats(|c| c.monetary),
        scores(|s| s.recency),
        scores(|s| s.frequency),
        scores(|s| s.monetary),
        Arc::new(tiers.collect::<StringArray>()),
    ];
    RecordBatch::try_new(Arc::new(schema), columns)
}

pub(super) fn tiers(found: &Purchases, scored: &[Scored]) -> Result<RecordBatch, ArrowError> {
    let schema = Schema::new(vec![
        Field::new("tier", DataType::Utf8, false),
        Field::new("customers", DataType::Int64, false),
        Field::new("share", DataType::Float64, false),
        Field::new("revenue", DataType::Float64, false),
        Field::new("revenue_share", DataType::Float64, true),
        Field::new("mean_recency_days", DataType::Float64, true),
        Field::new("mean_frequency", DataType::Float64, true),
        Field::new("mean_monetary", DataType::Float64, true),
        Field::new("action", DataType::Utf8, false),
    ]);
    let groups = Tier::ALL.map(|tier| Group::of(tier, found, scored));
    let n_customers = found.customers.len() as f64;
    let revenue: f64 = groups.iter().map(|group| group.monetary).sum();
    let floats = |of: &dyn Fn(&Group) -> Option<f64>| -> ArrayRef {
        Arc::new(groups.iter().map(of).collect::<Float64Array>())
    };
    let mean = |group: &Group, sum: f64| (group.n > 0).then(|| sum / group.n as f64);
    let names = Tier::ALL.map(Tier::name);
    let actions = Tier::ALL.map(Tier::action);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(groups.iter().map(|group| group.n).collect::<Int64Array>()),
        floats(&|group| Some(group.n as f64 / n_customers)),
        floats(&|group| Some(group.monetary)),
        floats(&|group| (revenue > 0.0).then(|| group.monetary / revenue)),
        floats(&|group| mean(group, group.recency_days)),
        floats(&|group| mean(group, group.frequency)),
        floats(&|group| mean(group, group.monetary)),
        Arc::new(StringArray::from_iter_values(actions)),
    ];
    RecordBatch::try_new(Arc::new(schema), columns)
}

/// Sums over the customers of one tier, in the order of their ids.
#[derive(Debug, Default)]
struct Group {
    n: i64,
    recency_days: f64,
    frequency: f64,
    monetary: f64,
}

impl Group {
    fn of(tier: Tier, found: &Purchases, scored: &[Scored]) -> Self {
        let mut group = Self::default();
        for (customer, scored) in found.customers.iter().zip(scored) {
            if scored.tier == tier {
                group.n += 1;
                group.recency_days += customer.recency_days;
                group.frequency += customer.frequency as f64;
                group.monetary += customer.monetary;
            }
        }
        group
    }
}
