//! How a model's scores are made probabilities: what lies with its record.
//!
//! Is not fitted here; `calibrate` does. Invariant: what is read back gives the same bits.

use lode_numeric::calibration::Platt;
use lode_numeric::calibration::interpolate;
use serde::Deserialize;
use serde::Serialize;

/// A rising curve from margin to probability: `score = calibrated(margin)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What the curve is along.
    pub input: CalibrationInput,
    /// The curve.
    #[serde(flatten)]
    pub curve: Curve,
    /// Held-out rows that it was fitted on.
    pub rows: u64,
}

/// What a curve is along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationInput {
    /// The plugin's margin.
    Margin,
    /// The log odds of the plugin's score, which has no margin that rises with it.
    Score,
}

/// A curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Curve {
    /// `1 / (1 + exp(-(slope x + intercept)))`.
    Platt {
        /// At least 0.
        slope: f64,
        /// In log odds.
        intercept: f64,
    },
    /// Straight lines between knots, flat beyond them.
    Isotonic {
        /// Margin and probability, both rising.
        knots: Vec<(f64, f64)>,
    },
}

impl Calibration {
    /// The word for the method.
    pub fn method(&self) -> &'static str {
        match self.curve {
            Curve::Platt { .. } => "platt",
            Curve::Isotonic { .. } => "isotonic",
        }
    }

    /// The probability of a row with this score and, if the plugin gives one, this margin.
    pub fn apply(&self, score: f64, margin: Option<f64>) -> f64 {
        let x = match (self.input, margin) {
            (CalibrationInput::Margin, Some(margin)) => margin,
            _ => logit(score),
        };
        self.curve.apply(x)
    }
}

impl Curve {
    /// The probability at `x`; NaN where a record holds no knots.
    pub fn apply(&self, x: f64) -> f64 {
        match self {
            Self::Platt { slope, intercept } => Platt {
                slope: *slope,
                intercept: *intercept,
            }
            .apply(x),
            Self::Isotonic { knots } => interpolate(knots, x),
        }
    }
}

/// Log odds of a probability, which is kept off 0 and 1 by 1e-15.
pub(super) fn logit(score: f64) -> f64 {
    let p = score.clamp(1e-15, 1.0 - 1e-15);
    (p / (1.0 - p)).ln()
}
