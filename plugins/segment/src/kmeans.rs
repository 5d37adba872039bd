//! `segment.kmeans`: groups of customers that are alike in numbers.
//!
//! Does not use text columns. Invariant: segments are named "1", "2", ... by falling size, or
//! as in the model that the fit started from.

mod base;
mod fit;
mod model;
mod output;
mod params;
mod prepare;

use arrow_array::RecordBatch;
use lode_plugin::Algorithm;
use lode_plugin::Chart;
use lode_plugin::Context;
use lode_plugin::Features;
use lode_plugin::Fitted;
use lode_plugin::Input;
use lode_plugin::Inputs;
use lode_plugin::Model;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Spec;
use lode_plugin::TagKind;
use lode_plugin::Task;

pub use params::KMeansParams;
pub use params::Transform;

/// k-means: splits customers into k groups around centers.
///
/// Use it when several numbers are known of each customer and groups of like customers are
/// wanted. Not for text columns, nor where one split by a single number will do.
///
/// # Input
/// `customers`, one row a customer:
///
/// | column | type | range | null |
/// |---|---|---|---|
/// | role `customer_id`, optional | text, integer | any | kept, written as null |
/// | every other number or boolean without a role | number, bool | finite; above -1 for `log_standardize` | the column's mean (after the logarithm, if any) |
///
/// Text, dates, times and columns with another role are left out. NaN counts as null; an
/// infinity is refused.
///
/// # Output
/// `segments` (every row, in input order): `customer_id`, `segment`, `distance` to the center.
/// `centers`, one row a segment and feature: `segment`, `customers`, `share`, `feature`,
/// `mean` (of the known values, in the column's own unit), `z` (the center, in standard
/// deviations from the mean of all).
///
/// # Parameters
/// [`KMeansParams`].
///
/// # Method
/// Columns are transformed, gaps filled, then see `lode_numeric::kmeans`: greedy k-means++
/// starts, rounds of assigning and moving, the start of least inertia. The metric `inertia` is
/// the sum of squared distances on the transformed columns; `silhouette` is measured on at
/// most 1,000 rows drawn by the seed.
///
/// # Starting from a model
/// A fit may start from a model of the same columns, `k` and `transform`, such as last
/// month's: from its centers, moved to the scales of the new rows, in one start. Segment i is
/// then what segment i of the model became, so that segments keep their numbers from month to
/// month and are no longer in order of size; a segment that lost all its customers takes the
/// one farthest from its own. `restarts` and the seed have no effect on the split. Start anew
/// now and then: a start from old centers may miss a better split of rows that have changed
/// much.
///
/// # Determinism and cost
/// The seed decides; threads and batches do not. O(restarts * iterations * n * k * d) at
/// worst; memory 16 n d bytes.
///
/// # Errors
/// `INPUT_INVALID`: no rows, no number column, an infinity, a value at or below -1 with
/// `log_standardize`. `PARAMS_INVALID`: a range, an unknown column, `k` above the number of
/// different rows, or `k`, `transform` or `columns` other than those of the model to start
/// from.
///
/// # Source
/// See `lode_numeric::kmeans`: Arthur and Vassilvitskii 2007; Lloyd 1982; Hamerly 2010.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Float64Array, StringArray, cast::AsArray};
/// use lode_plugin::{Inputs, Role, testing};
///
/// let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d", "e"]));
/// let spend: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 1.5, 90.0, 95.0]));
/// let customers = testing::batch(&[
///     ("id", Some(Role::CustomerId), ids),
///     ("spend", None, spend),
/// ]);
/// let inputs = Inputs::new().with("customers", customers.into());
/// let fit = testing::fit::<segment::KMeans>(r#"{"k": 2}"#, inputs, 1, 1)?;
/// let segments = fit.table("segments")["segment"].as_string::<i32>();
/// assert_eq!(segments.value(0), "1");
/// assert_eq!(segments.value(4), "2");
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct KMeans;

impl Algorithm for KMeans {
    const ID: &'static str = "segment.kmeans";
    const MODEL_FORMAT: Option<u32> = Some(1);
    type Params = KMeansParams;
    type Scorer = model::KMeansModel;

    fn spec() -> Spec {
        Spec::new(
            Task::Segmentation,
            "Segments by k-means",
            "Splits customers into k groups that are alike in all number columns. Columns are \
             standardized unless told otherwise; segments are numbered by falling size, or keep \
             their numbers when the job starts from a model.",
        )
        .input(
            Input::new(
                "customers",
                "One row a customer; number columns without a role are used",
            )
            .optional_column(Role::CustomerId, "Who")
            .features(Features::Numeric),
        )
        .output(
            Output::new("segments", "Segment of each customer")
                .chart(Chart::Scatter)
                .write_back("segment", TagKind::Segment),
        )
        .output(Output::new("centers", "What each segment is like").chart(Chart::Heatmap))
        .warm_start()
    }

    fn fit(params: KMeansParams, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        let base = match cx.base_model::<Self>(&inputs)? {
            Some(base) => Some(model::KMeansModel::from_bytes(base.bytes())?),
            None => None,
        };
        fit::run(
            &params.check()?,
            inputs.table("customers")?,
            base.as_ref(),
            cx,
        )
    }

    fn open(params: KMeansParams, model: Model<'_>) -> Result<Self::Scorer> {
        params.check()?;
        model::KMeansModel::from_bytes(model.bytes())
    }

    fn score(scorer: &Self::Scorer, inputs: Inputs, cx: &Context<'_>) -> Result<RecordBatch> {
        model::score(scorer, inputs.table("customers")?, cx)
    }
}

#[cfg(test)]
mod tests;
