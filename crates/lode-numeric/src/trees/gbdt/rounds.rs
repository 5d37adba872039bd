//! Grows all members of a shape, as far as their held-out rows say.
//!
//! Does not know what a member is. Invariant: the number of rounds is chosen by the sum of
//! losses on rows that the member in question did not learn from.

use super::GbdtParams;
use super::member::Settings;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::parallel;

/// Rounds between two looks at the held-out loss.
const BLOCK: usize = 10;

/// Rounds of a single member where there are too few rows to hold some out.
const BLIND_ROUNDS: usize = 30;

/// One that learns in rounds and judges itself after each.
pub(super) trait Grows: Send {
    /// Adds rounds.
    fn boost(&mut self, rounds: usize, settings: &Settings);

    /// Sum of the weighted losses of the held-out rows after 0, 1, 2 .. rounds, and their weight.
    fn losses(&self) -> (&[f64], f64);
}

/// How far members were grown.
pub(super) struct Grown {
    /// Rounds to keep.
    pub(super) rounds: usize,
    /// Mean held-out loss after 0, 1, 2 .. rounds; empty for a single member.
    pub(super) losses: Vec<f64>,
}

/// Grows `all`.
pub(super) fn grow<G: Grows>(
    all: &mut [G],
    settings: &Settings,
    params: &GbdtParams,
    progress: Progress<'_>,
) -> Result<Grown> {
    let crossed = all.len() > 1;
    let mut max_rounds = params.max_rounds;
    if !crossed && params.members > 1 {
        max_rounds = max_rounds.min(BLIND_ROUNDS);
    }
    let mut losses = Vec::new();
    let mut rounds = max_rounds;
    let mut grown = 0;
    while grown < max_rounds {
        if !progress(grown as f64 / max_rounds as f64) {
            return Err(Error::Cancelled);
        }
        let more = BLOCK.min(max_rounds - grown);
        parallel::map_mut(all, params.threads, |_, own| own.boost(more, settings));
        grown += more;
        if crossed {
            losses = mean_losses(all);
            rounds = lowest(&losses);
            if grown - rounds >= settings.patience {
                break;
            }
        }
    }
    Ok(Grown { rounds, losses })
}

fn mean_losses<G: Grows>(all: &[G]) -> Vec<f64> {
    let weight: f64 = all.iter().map(|own| own.losses().1).sum();
    let n = all.first().map_or(0, |own| own.losses().0.len());
    let sum = |round: usize| all.iter().map(|own| own.losses().0[round]).sum::<f64>();
    (0..n).map(|round| sum(round) / weight).collect()
}

fn lowest(losses: &[f64]) -> usize {
    let mut best = 0;
    for (round, loss) in losses.iter().enumerate() {
        if *loss < losses[best] {
            best = round;
        }
    }
    best
}
