//! The numbers of a predicted quantile: what is told is an amount that a share of such rows stays
//! below, not what is expected.
//!
//! The measures themselves are `lode_numeric::metrics`. Invariant: an algorithm of amounts says by
//! its parameters `loss` (`quantile`) and `alpha` that it tells a quantile, and which.

use std::collections::BTreeMap;

use serde_json::Value;

/// The measure that the quantile makes least.
pub(super) const PINBALL: &str = "pinball";
/// The share of the amounts at or below what was told.
pub(super) const BELOW: &str = "share_below";
/// A share further than this from the one asked for is called out.
const FAR: f64 = 0.1;

/// The share that the scores are to be above, of parameters that ask for a quantile.
pub(crate) fn alpha_of(params: &Value) -> Option<f64> {
    let is_quantile = params.get("loss")?.as_str()? == "quantile";
    let alpha = params.get("alpha")?.as_f64()?;
    (is_quantile && alpha > 0.0 && alpha < 1.0).then_some(alpha)
}

/// A warning on a quantile that is another one.
pub(super) fn off(metrics: &BTreeMap<String, f64>, alpha: f64) -> Option<String> {
    let below = metrics.get(BELOW)?;
    ((below - alpha).abs() > FAR).then(|| {
        format!(
            "{below:.3} of the held-out amounts are at or below what was told, where the quantile \
             {alpha} was asked for"
        )
    })
}
