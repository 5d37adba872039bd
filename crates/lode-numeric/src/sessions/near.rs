//! Sessions like one, and what their items get from it.
//!
//! Invariant: ties among sessions go to the later one.

use super::Sessions;

/// What [`near`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearParams {
    /// Sessions that are taken as like it.
    pub limit: usize,
    /// Latest sessions with an item that are looked at, for each item of the session.
    pub sample: usize,
    /// Last different items of the session that are used.
    pub last: usize,
}

impl Default for NearParams {
    fn default() -> Self {
        Self {
            limit: 200,
            sample: 1_000,
            last: 10,
        }
    }
}

/// A past session that is like the asked one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// Its number.
    pub session: u32,
    /// How much its items get: above 0; those of all sessions add up to 1.
    pub weight: f64,
    /// What the weight of each shared item is multiplied by: its parts add up to `weight`.
    pub scale: f64,
}

/// The last different items of a session, latest first, and their weights: 1 of the latest, then
/// 1/2, 1/3 and so on.
pub fn parts(session: &[u32], last: usize) -> Vec<(u32, f64)> {
    let mut found: Vec<(u32, f64)> = Vec::new();
    for item in session.iter().rev() {
        if found.len() == last {
            break;
        }
        if !found.iter().any(|(seen, _)| seen == item) {
            found.push((*item, 1.0 / (found.len() + 1) as f64));
        }
    }
    found
}

/// The past sessions most like one: sequence-aware nearest sessions.
///
/// # Input
/// `sessions`, and the items of the asked one in their order, as [`parts`] gives them.
///
/// # Output
/// Up to `limit` sessions, most alike first; none where no past session shares an item. An item's
/// score is the sum of the weights of the sessions that have it: the share of like sessions that
/// have the item, 0 to 1.
///
/// # Method
/// Similarity of a past session `n`: `sum over shared items i of w_i / sqrt(items of n)`, the
/// cosine but for a constant, with `w_i` the weight of the item's place in the asked session.
/// A session's weight is its similarity times the largest `w_i` that it shares, so that sessions
/// with the latest item lead, over the sum of all.
///
/// # Determinism and cost
/// No randomness. O(items (sample + log)) for a call, whatever the number of past sessions.
///
/// # Source
/// M. Ludewig, D. Jannach, "Evaluation of session-based recommendation algorithms", User Modeling
/// and User-Adapted Interaction 28, 2018, doi:10.1007/s11257-018-9209-6, section 3.3 (V-SKNN).
/// Deviations: the latest sessions are sampled for each item, not for all together; weights fall
/// as 1/place; weights are divided by their sum.
pub fn near(sessions: &Sessions, asked: &[(u32, f64)], params: &NearParams) -> Vec<Near> {
    let mut shared: Vec<(u32, f64)> = Vec::new();
    for (item, weight) in asked {
        let all = sessions.with_item(*item);
        let latest = &all[all.len().saturating_sub(params.sample)..];
        shared.extend(latest.iter().map(|session| (*session, *weight)));
    }
    // Latest first, and within a session in the order of places.
    shared.sort_by_key(|(session, _)| !*session);
    let mut found: Vec<Near> = shared
        .chunk_by(|a, b| a.0 == b.0)
        .map(|own| {
            let n_items = f64::from(sessions.n_different(own[0].0 as usize));
            // Places fall: the first is the largest.
            let scale = own[0].1 / n_items.sqrt();
            Near {
                session: own[0].0,
                weight: scale * own.iter().map(|part| part.1).sum::<f64>(),
                scale,
            }
        })
        .collect();
    let order = |a: &Near, b: &Near| {
        let by_weight = b.weight.total_cmp(&a.weight);
        by_weight.then(b.session.cmp(&a.session))
    };
    if found.len() > params.limit {
        if params.limit > 0 {
            found.select_nth_unstable_by(params.limit - 1, order);
        }
        found.truncate(params.limit);
    }
    found.sort_unstable_by(order);
    let total: f64 = found.iter().map(|near| near.weight).sum();
    for near in &mut found {
        near.weight /= total;
        near.scale /= total;
    }
    found
}
