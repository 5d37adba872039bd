//! What boosted trees must keep to, by the names of columns.
//!
//! Does not know a tree. Invariant: a name that is no feature is refused, never passed over.

use std::collections::BTreeMap;

use lode_numeric::trees::Constraints;
use lode_numeric::trees::Trend;
use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use crate::frame::Kind;
use crate::frame::Plan;

/// How a score follows a column while all others stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
#[schemars(crate = "lode_plugin::schemars")]
pub enum Direction {
    /// It never falls as the column rises.
    Rising,
    /// It never rises as the column rises.
    Falling,
}

/// Features named in a message, at most.
const SHOWN: usize = 10;

/// Most sets of columns.
const MAX_SETS: usize = 63;

/// What the names say of the features of the plan.
pub(super) fn constraints(
    monotone: &BTreeMap<String, Direction>,
    interactions: &[Vec<String>],
    plan: &Plan,
) -> Result<Constraints> {
    let mut found = Constraints::default();
    if !monotone.is_empty() {
        found.trends = vec![Trend::Free; plan.features.len()];
    }
    for (name, direction) in monotone {
        let at = place("monotone", name, plan)?;
        if plan.features[at].kind != Kind::Number {
            return Err(Error::invalid(
                format!("params.monotone.{name}"),
                "expected a column of numbers or booleans, found one of text, whose values have no \
                 order",
            ));
        }
        found.trends[at] = match direction {
            Direction::Rising => Trend::Rising,
            Direction::Falling => Trend::Falling,
        };
    }
    for set in interactions {
        let places = set.iter().map(|name| {
            let at = place("interactions", name, plan)?;
            // At most 65,535 columns.
            Ok(at as u32)
        });
        found.interactions.push(places.collect::<Result<_>>()?);
    }
    Ok(found)
}

/// Refuses more sets than there may be.
pub(super) fn check(interactions: &[Vec<String>]) -> Result<()> {
    if interactions.len() > MAX_SETS {
        let message = format!(
            "expected at most {MAX_SETS} sets, found {}",
            interactions.len()
        );
        return Err(Error::invalid("params.interactions", message));
    }
    Ok(())
}

fn place(param: &str, name: &str, plan: &Plan) -> Result<usize> {
    let features = &plan.features;
    if let Some(at) = features.iter().position(|planned| planned.name == name) {
        return Ok(at);
    }
    let known = features.iter().take(SHOWN);
    let known: Vec<&str> = known.map(|planned| planned.name.as_str()).collect();
    let more = if features.len() > SHOWN { ", ..." } else { "" };
    Err(Error::invalid(
        format!("params.{param}"),
        format!(
            "expected columns that are learned from, which are {}{more}, found {name:?}",
            known.join(", ")
        ),
    ))
}
