//! Scores values against each other and names tiers.
//!
//! Invariant: equal values get equal scores, and every pair of scores has one tier.

use super::purchases::Customer;

/// The eight tiers, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    Champions,
    Loyal,
    Potential,
    New,
    AtRisk,
    CannotLose,
    Hibernating,
    Lost,
}

use Tier::AtRisk;
use Tier::CannotLose;
use Tier::Champions;
use Tier::Hibernating;
use Tier::Lost;
use Tier::Loyal;
use Tier::New;
use Tier::Potential;

/// Rows: recency 1 to 5; columns: value 1 to 5.
const TABLE: [[Tier; 5]; 5] = [
    [Lost, Lost, AtRisk, AtRisk, CannotLose],
    [Hibernating, Hibernating, AtRisk, AtRisk, CannotLose],
    [Hibernating, Hibernating, Potential, Loyal, Loyal],
    [New, Potential, Potential, Loyal, Champions],
    [New, Potential, Potential, Champions, Champions],
];

impl Tier {
    pub(super) const ALL: [Self; 8] = [
        Champions,
        Loyal,
        Potential,
        New,
        AtRisk,
        CannotLose,
        Hibernating,
        Lost,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Champions => "champions",
            Loyal => "loyal",
            Potential => "potential",
            New => "new",
            AtRisk => "at_risk",
            CannotLose => "cannot_lose",
            Hibernating => "hibernating",
            Lost => "lost",
        }
    }

    pub(super) fn action(self) -> &'static str {
        match self {
            Champions => "Reward them, show them new things first, ask them to recommend you.",
            Loyal => "Keep them close: a loyalty offer, and products a step up.",
            Potential => {
                "Bring them to the next purchase: a membership, or what fits the last one."
            }
            New => "Welcome them and make the second purchase easy.",
            AtRisk => "Call them back with an offer made for them, before they are gone.",
            CannotLose => "Talk to them in person: they were among the best and have gone quiet.",
            Hibernating => "Remind them at low cost, with a reason to come back.",
            Lost => "Try once to win them back; do not spend more.",
        }
    }
}

/// Scores of one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scored {
    pub(super) recency: i64,
    pub(super) frequency: i64,
    pub(super) monetary: i64,
    pub(super) tier: Tier,
}

/// Scores each customer against all.
pub(super) fn score(customers: &[Customer], bins: u32) -> Vec<Scored> {
    let recency = scores(customers.iter().map(|c| -c.recency_days).collect(), bins);
    let frequency = scores(customers.iter().map(|c| c.frequency as f64).collect(), bins);
    let monetary = scores(customers.iter().map(|c| c.monetary).collect(), bins);
    (0..customers.len())
        .map(|index| Scored {
            recency: recency[index],
            frequency: frequency[index],
            monetary: monetary[index],
            tier: tier(recency[index], frequency[index], monetary[index], bins),
        })
        .collect()
}

/// `1 + floor(bins * (values strictly below) / n)`.
fn scores(values: Vec<f64>, bins: u32) -> Vec<i64> {
    let mut sorted: Vec<f64> = values.iter().map(|value| value + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = values.len() as u64;
    let score = |value: f64| {
        let below = sorted.partition_point(|other| *other < value) as u64;
        (1 + u64::from(bins) * below / n) as i64
    };
    values.into_iter().map(score).collect()
}

fn tier(recency: i64, frequency: i64, monetary: i64, bins: u32) -> Tier {
    let fifth = |score: i64| (5 * score + i64::from(bins) - 1) / i64::from(bins);
    let value = (fifth(frequency) + fifth(monetary) + 1) / 2;
    TABLE[(fifth(recency) - 1) as usize][(value - 1) as usize]
}
