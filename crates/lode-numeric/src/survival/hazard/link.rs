//! How a margin becomes the risk of a period, and the loss of a yes or no with it.
//!
//! Invariant: every loss is convex in the margin, so their sum has one minimum.

use crate::glm::sigmoid;

/// How a margin becomes the risk of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// `1 / (1 + exp(-margin))`: weights are log odds ratios.
    Logit,
    /// `1 - exp(-exp(margin))`, the complementary log-log: weights are log hazard ratios, the
    /// same whatever the length of a period, and `exp(margin)` of several periods adds up to
    /// the cumulative hazard of all of them.
    LogLog,
}

/// A loss at a margin and its first two derivatives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    pub(super) value: f64,
    pub(super) slope: f64,
    pub(super) curvature: f64,
}

impl Link {
    /// The risk of a period that belongs to a margin.
    pub fn risk(self, margin: f64) -> f64 {
        match self {
            Self::Logit => sigmoid(margin),
            Self::LogLog => -(-margin.exp()).exp_m1(),
        }
    }

    /// The margin of a risk above 0 and below 1.
    pub(super) fn margin(self, risk: f64) -> f64 {
        match self {
            Self::Logit => (risk / (1.0 - risk)).ln(),
            Self::LogLog => (-(-risk).ln_1p()).ln(),
        }
    }

    /// `-log(1 - risk)`: the loss of a period without the event.
    pub(super) fn of_quiet(self, margin: f64) -> Loss {
        match self {
            Self::Logit => {
                let p = sigmoid(margin);
                Loss {
                    value: softplus(margin),
                    slope: p,
                    curvature: p * (1.0 - p),
                }
            }
            Self::LogLog => {
                let rate = margin.exp();
                Loss {
                    value: rate,
                    slope: rate,
                    curvature: rate,
                }
            }
        }
    }

    /// `-log(risk)`: the loss of a period with the event.
    pub(super) fn of_event(self, margin: f64) -> Loss {
        match self {
            Self::Logit => {
                let p = sigmoid(margin);
                Loss {
                    value: softplus(-margin),
                    slope: p - 1.0,
                    curvature: p * (1.0 - p),
                }
            }
            Self::LogLog => {
                let rate = margin.exp();
                let risk = -(-rate).exp_m1();
                if risk <= 0.0 {
                    // exp(margin) is 0 to the last bit: the limit of what follows.
                    return Loss {
                        value: -margin,
                        slope: -1.0,
                        curvature: 0.0,
                    };
                }
                // rate / (exp(rate) - 1), written so that it does not overflow.
                let share = rate * (-rate).exp() / risk;
                Loss {
                    value: -risk.ln(),
                    slope: -share,
                    curvature: share * (rate / risk - 1.0),
                }
            }
        }
    }
}

/// `log(1 + exp(m))` without overflow.
fn softplus(m: f64) -> f64 {
    m.max(0.0) + (-m.abs()).exp().ln_1p()
}
