//! How a job is judged on rows that its plugin did not see.

use std::str::FromStr;
use std::time::Duration;

use lode_client::v1;

use crate::Input;
use crate::Result;

/// How a job is judged; what is left out has the engine's default.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// How many of the last dates of a training set judge; 0 for a third of them. Of a
    /// recommender, how many windows; 0 for up to three.
    pub test_dates: u32,
    /// How a recommender is judged.
    pub offers: OfferEvaluation,
}

/// How a recommender is judged; what is left out has the engine's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfferEvaluation {
    /// What is held out.
    pub protocol: OfferProtocol,
    /// Length of a window; 7 days if it is not said.
    pub window: Option<Duration>,
    /// Items that a customer has may be offered, and count when they are taken again.
    pub repeats: bool,
    /// An order of items that the recommender should beat, best first.
    pub order: Option<Input>,
    /// What is to be found: customers, items and labels, 1 to be found and 0 known.
    pub holdout: Option<Input>,
    /// Most customers that are asked about; 0 for 20,000.
    pub max_customers: u32,
    /// Places that are ranked; 0 for 100.
    pub depth: u32,
    /// A rating at or above it is something to be found; the mean of all ratings if it is not said.
    pub liked_rating: Option<f64>,
}

/// What is held out of the fits that judge a recommender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OfferProtocol {
    /// Windows where the times of the events allow it, else strangers.
    #[default]
    Auto,
    /// The last windows, each behind a fit on what was before it.
    Windows,
    /// The last visit of each customer.
    Last,
    /// A tenth of the customers, all but one item of each told.
    Strangers,
    /// What the holdout says.
    Given,
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
    pub(super) fn to_wire(&self, folds: u32) -> Result<v1::Evaluation> {
        let calibration = match self.calibration {
            Calibration::Auto => v1::Calibration::Unspecified,
            Calibration::None => v1::Calibration::None,
            Calibration::Platt => v1::Calibration::Platt,
            Calibration::Isotonic => v1::Calibration::Isotonic,
        };
        let offers = &self.offers;
        let input = |input: &Option<Input>| input.as_ref().map(Input::to_wire).transpose();
        Ok(v1::Evaluation {
            folds,
            calibration: calibration.into(),
            threshold: self.threshold,
            budget: self.budget,
            cost_per_contact: self.cost_per_contact,
            value_per_positive: self.value_per_positive,
            test_dates: self.test_dates,
            protocol: match offers.protocol {
                OfferProtocol::Auto => v1::OfferProtocol::Unspecified,
                OfferProtocol::Windows => v1::OfferProtocol::Windows,
                OfferProtocol::Last => v1::OfferProtocol::Last,
                OfferProtocol::Strangers => v1::OfferProtocol::Strangers,
                OfferProtocol::Given => v1::OfferProtocol::Given,
            }
            .into(),
            window: offers.window.map(|window| prost_types::Duration {
                seconds: i64::try_from(window.as_secs()).unwrap_or(i64::MAX),
                nanos: i32::try_from(window.subsec_nanos()).unwrap_or(0),
            }),
            repeats: offers.repeats,
            order: input(&offers.order)?,
            holdout: input(&offers.holdout)?,
            max_customers: offers.max_customers,
            depth: offers.depth,
            liked_rating: offers.liked_rating,
        })
    }
}

impl FromStr for Calibration {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Self, String> {
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

impl FromStr for OfferProtocol {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Self, String> {
        match word {
            "auto" => Ok(Self::Auto),
            "windows" => Ok(Self::Windows),
            "last" => Ok(Self::Last),
            "strangers" => Ok(Self::Strangers),
            "given" => Ok(Self::Given),
            _ => Err(format!(
                "expected auto, windows, last, strangers or given, found {word}"
            )),
        }
    }
}
