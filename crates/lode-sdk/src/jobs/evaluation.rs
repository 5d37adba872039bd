//! How a supervised job is judged on rows that its plugin did not see.

use std::str::FromStr;

use lode_client::v1;

/// How a supervised job is judged; what is left out has the engine's default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// How scores are made probabilities.
    pub calibration: Calibration,
    /// A score at or above it counts as yes; the engine's 0.5 if it is not said.
    pub threshold: Option<f64>,
    /// How many of the best to take: a share below 1, or a number of rows; a tenth if it is not
    /// said.
    pub budget: Option<f64>,
    /// What a contact costs.
    pub cost_per_contact: f64,
    /// What a yes is worth.
    pub value_per_positive: f64,
    /// How many of the last dates of a training set judge; 0 for a third of them.
    pub test_dates: u32,
}

/// How scores are made probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calibration {
    /// The best of the others, by rows that it was not fitted on.
    #[default]
    Auto,
    /// The plugin's own score.
    None,
    /// A logistic curve along the margin.
    Platt,
    /// The best rising steps along the margin.
    Isotonic,
}

impl Evaluation {
    pub(super) fn to_wire(self, folds: u32) -> v1::Evaluation {
        let calibration = match self.calibration {
            Calibration::Auto => v1::Calibration::Unspecified,
            Calibration::None => v1::Calibration::None,
            Calibration::Platt => v1::Calibration::Platt,
            Calibration::Isotonic => v1::Calibration::Isotonic,
        };
        v1::Evaluation {
            folds,
            calibration: calibration.into(),
            threshold: self.threshold,
            budget: self.budget,
            cost_per_contact: self.cost_per_contact,
            value_per_positive: self.value_per_positive,
            test_dates: self.test_dates,
        }
    }
}

impl FromStr for Calibration {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            "platt" => Ok(Self::Platt),
            "isotonic" => Ok(Self::Isotonic),
            _ => Err(format!(
                "expected auto, none, platt or isotonic, found {word}"
            )),
        }
    }
}
