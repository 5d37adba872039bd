//! The two tables: every customer, and every segment's center.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::builder::Float64Builder;
use arrow_array::builder::Int64Builder;
use arrow_array::builder::StringBuilder;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use lode_numeric::kmeans::KMeansFit;
use lode_plugin::Role;
use lode_plugin::role_field;

use super::model::KMeansModel;

pub(super) fn segments(
    customer_ids: Vec<Option<String>>,
    found: &KMeansFit,
) -> Result<RecordBatch, ArrowError> {
    let schema = Schema::new(vec![
        role_field("customer_id", DataType::Utf8, true, Role::CustomerId),
        Field::new("segment", DataType::Utf8, false),
        Field::new("distance", DataType::Float64, false),
    ]);
    let names: Vec<String> = (1..=found.sizes.len()).map(|n| n.to_string()).collect();
    let of = |label: &u32| names[*label as usize].as_str();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(customer_ids)),
        Arc::new(StringArray::from_iter_values(found.labels.iter().map(of))),
        Arc::new(Float64Array::from(found.distances.clone())),
    ];
    RecordBatch::try_new(Arc::new(schema), columns)
}

pub(super) fn centers(
    model: &KMeansModel,
    columns: &[Vec<f64>],
    found: &KMeansFit,
) -> Result<RecordBatch, ArrowError> {
    let schema = Schema::new(vec![
        Field::new("segment", DataType::Utf8, false),
        Field::new("customers", DataType::Int64, false),
        Field::new("share", DataType::Float64, false),
        Field::new("feature", DataType::Utf8, false),
        Field::new("mean", DataType::Float64, true),
        Field::new("z", DataType::Float64, false),
    ]);
    let means: Vec<Vec<Option<f64>>> = columns.iter().map(|c| means(c, found)).collect();
    let mut segments = StringBuilder::new();
    let mut customers = Int64Builder::new();
    let mut shares = Float64Builder::new();
    let mut features = StringBuilder::new();
    let mut mean_values = Float64Builder::new();
    let mut zs = Float64Builder::new();
    for (segment, size) in found.sizes.iter().enumerate() {
        for (index, column) in model.columns.iter().enumerate() {
            segments.append_value((segment + 1).to_string());
            customers.append_value(i64::try_from(*size).unwrap_or(i64::MAX));
            shares.append_value(*size as f64 / found.labels.len() as f64);
            features.append_value(&column.name);
            mean_values.append_option(means[index][segment]);
            zs.append_value(column.z(found.centers.center(segment)[index], model.transform));
        }
    }
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(segments.finish()),
        Arc::new(customers.finish()),
        Arc::new(shares.finish()),
        Arc::new(features.finish()),
        Arc::new(mean_values.finish()),
        Arc::new(zs.finish()),
    ];
    RecordBatch::try_new(Arc::new(schema), arrays)
}

/// The mean of a column's known values in each segment; none where all are missing.
fn means(column: &[f64], found: &KMeansFit) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0_u64); found.sizes.len()];
    for (value, label) in column.iter().zip(&found.labels) {
        if !value.is_nan() {
            let (sum, n) = &mut sums[*label as usize];
            *sum += value;
            *n += 1;
        }
    }
    let mean = |(sum, n): (f64, u64)| (n > 0).then(|| sum / n as f64);
    sums.into_iter().map(mean).collect()
}
