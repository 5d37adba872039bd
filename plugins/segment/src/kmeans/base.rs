//! Where a fit starts when it is given an earlier model: that model's centers, on the scales of
//! the rows of now.
//!
//! Invariant: center i of the start is segment i of the model, whatever became of the scales.

use lode_numeric::kmeans::Centers;
use lode_plugin::Error;
use lode_plugin::Result;

use super::model::KMeansModel;
use super::params::KMeansParams;
use super::prepare::ColumnScale;

/// A model that a fit may start from.
#[derive(Debug)]
pub(super) struct Base<'a> {
    model: &'a KMeansModel,
    /// Of each column of the fit, its place among the model's.
    places: Vec<usize>,
}

impl<'a> Base<'a> {
    /// Checks that the model is of the same segments in the same columns.
    pub(super) fn check(
        model: &'a KMeansModel,
        params: &KMeansParams,
        names: &[String],
    ) -> Result<Self> {
        let k = model.centers.len() / model.columns.len();
        if params.k != k {
            return Err(Error::invalid(
                "params.k",
                format!(
                    "expected {k}, the segments of the model to start from, found {}",
                    params.k
                ),
            ));
        }
        if params.transform != model.transform {
            return Err(Error::invalid(
                "params.transform",
                format!(
                    "expected {}, that of the model to start from, found {}",
                    model.transform.word(),
                    params.transform.word()
                ),
            ));
        }
        let place = |name: &String| model.columns.iter().position(|column| column.name == *name);
        let places: Option<Vec<usize>> = names.iter().map(place).collect();
        match places {
            Some(places) if places.len() == model.columns.len() => Ok(Self { model, places }),
            _ => {
                let known: Vec<&str> = model.columns.iter().map(|c| c.name.as_str()).collect();
                Err(Error::invalid(
                    "params.columns",
                    format!(
                        "expected the columns of the model to start from ({}), found {}",
                        known.join(", "),
                        names.join(", ")
                    ),
                ))
            }
        }
    }

    /// The model's centers, prepared as the rows are.
    pub(super) fn centers(&self, scales: &[ColumnScale]) -> Centers {
        let n_columns = self.model.columns.len();
        let centers = self.model.centers.chunks_exact(n_columns);
        let values = centers.flat_map(|center| {
            let columns = self.places.iter().zip(scales);
            columns.map(|(place, scale)| {
                let old = &self.model.columns[*place];
                scale.carried(center[*place], old, self.model.transform)
            })
        });
        Centers::new(values.collect(), scales.len())
    }
}
