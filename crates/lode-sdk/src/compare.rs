//! Two models on the same rows.

use lode_client::v1;
use serde::Serialize;

use crate::Lode;
use crate::Result;
use crate::lode::id_of;
use crate::models::model_name;

/// Two models, compared on the rows that both were judged on and neither had seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The one.
    pub champion: String,
    /// The other.
    pub challenger: String,
    /// Rows that both were judged on.
    pub rows: u64,
    /// The main measure first.
    pub comparisons: Vec<Comparison>,
    /// `champion`, `challenger` or `no difference`, by the first measure at the level of 5%.
    pub better: String,
}

/// One measure of two models.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// e.g. `auc`.
    pub measure: String,
    /// Of the champion.
    pub champion: f64,
    /// Of the challenger.
    pub challenger: f64,
    /// Challenger less champion.
    pub difference: f64,
    /// Its interval of 95%.
    pub low: f64,
    /// Its interval of 95%.
    pub high: f64,
    /// Two-sided.
    pub p_value: f64,
    /// `delong`, `bootstrap`, or `bootstrap by customer`.
    pub method: String,
}

impl Lode {
    /// Compares two models, each `ID` or `@ALIAS`.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `NOT_COMPARABLE` when they share too few rows with equal labels; or what
    /// the call met.
    pub async fn compare(&self, champion: &str, challenger: &str) -> Result<Compared> {
        let request = v1::CompareModelsRequest {
            champion: model_name(champion)?,
            challenger: model_name(challenger)?,
        };
        let answer = self.client().compare_models(request).await?;
        Ok(Compared {
            champion: id_of(&answer.champion),
            challenger: id_of(&answer.challenger),
            rows: answer.rows,
            comparisons: answer
                .comparisons
                .into_iter()
                .map(|comparison| Comparison {
                    measure: comparison.measure,
                    champion: comparison.champion,
                    challenger: comparison.challenger,
                    difference: comparison.difference,
                    low: comparison.low,
                    high: comparison.high,
                    p_value: comparison.p_value,
                    method: comparison.method,
                })
                .collect(),
            better: answer.better,
        })
    }
}
