//! Trades score for variety: maximal marginal relevance.
//!
//! Works on the best few hundred alone, always the same number of them, so that a longer list
//! begins with the shorter one. J. Carbonell, J. Goldstein, "The use of MMR, diversity-based
//! reranking for reordering documents and producing summaries", SIGIR 1998,
//! doi:10.1145/290941.291025.

use crate::method::Offer;

/// Offers among which is chosen.
pub(super) const POOL: usize = 400;

/// Puts the best of the offers in an order in which each next one is good and unlike those
/// before it; the rest stays behind them as it was.
///
/// `diversity` is 0 to 1; scores are scaled to 0 to 1 over those that are chosen among. Ties
/// stay in order.
pub(super) fn rearrange(
    offers: &mut Vec<Offer>,
    limit: usize,
    diversity: f64,
    like: impl Fn(u32, &[u32]) -> Option<Vec<f64>>,
) {
    let n = offers.len().min(POOL);
    let rest = offers.split_off(n);
    let (Some(best), Some(worst)) = (offers.first(), offers.last()) else {
        return;
    };
    let (low, width) = (worst.score, best.score - worst.score);
    let mut left: Vec<Left> = offers
        .iter()
        .map(|offer| Left {
            offer: *offer,
            relevance: if width > 0.0 {
                (offer.score - low) / width
            } else {
                1.0
            },
            likeness: 0.0,
        })
        .collect();
    offers.clear();
    while !left.is_empty() && offers.len() < limit {
        let value = |left: &Left| (1.0 - diversity) * left.relevance - diversity * left.likeness;
        let mut next = 0;
        for at in 1..left.len() {
            if value(&left[at]) > value(&left[next]) {
                next = at;
            }
        }
        let chosen = left.remove(next).offer;
        offers.push(chosen);
        let others: Vec<u32> = left.iter().map(|left| left.offer.item).collect();
        let Some(likeness) = like(chosen.item, &others) else {
            break;
        };
        for (left, likeness) in left.iter_mut().zip(likeness) {
            left.likeness = left.likeness.max(likeness.clamp(0.0, 1.0));
        }
    }
    offers.extend(left.into_iter().map(|left| left.offer));
    offers.extend(rest);
}

/// An offer that was not chosen yet.
struct Left {
    offer: Offer,
    relevance: f64,
    /// With the nearest of those chosen.
    likeness: f64,
}
