//! Why an item is offered: the parts of its score.

use std::collections::BTreeMap;

use super::FILL;
use super::Server;
use super::Wanted;
use crate::method::Cause;
use crate::method::Reason;
use crate::method::Sums;

impl Server {
    /// The base and the reasons of an offered item, largest first; they add up to its score.
    pub(super) fn explain(
        &self,
        wanted: &Wanted<'_>,
        item: u32,
        sums: &mut Sums,
    ) -> (f64, Vec<Reason>) {
        let mut reasons = Vec::new();
        let mut base = self.method.neutral();
        if self.is_rated(wanted, item, sums) {
            base = self.method.explain(&wanted.history, item, &mut reasons);
        } else if let Some(at) = self.borrows(wanted, item, sums) {
            base = self.explain_borrowed(wanted, at, &mut reasons);
            if self.method.rates_all() {
                self.add_popularity(wanted, item, &mut reasons);
            }
        } else {
            self.add_popularity(wanted, item, &mut reasons);
        }
        reasons.retain(|reason| reason.contribution != 0.0);
        reasons.sort_by(|a, b| {
            let (x, y) = (a.contribution.abs(), b.contribution.abs());
            y.total_cmp(&x).then_with(|| a.of.cmp(&b.of))
        });
        (base, reasons)
    }

    /// Whether the item's score is the method's.
    fn is_rated(&self, wanted: &Wanted<'_>, item: u32, sums: &mut Sums) -> bool {
        if self.is_cold[item as usize] || !self.method.can_rate(&wanted.history) {
            return false;
        }
        if self.method.rates_all() {
            return true;
        }
        let mut score = Vec::new();
        self.method
            .rate_some(&wanted.history, &[item], sums, &mut score);
        score[0].is_some_and(|score| score != self.method.neutral())
    }

    /// The place of an item without events whose score is borrowed.
    fn borrows(&self, wanted: &Wanted<'_>, item: u32, sums: &mut Sums) -> Option<usize> {
        let at = self.known.kin.place(item)?;
        if !self.method.can_rate(&wanted.history) {
            return None;
        }
        if self.method.rates_all() {
            return Some(at);
        }
        self.method.rate(&wanted.history, sums);
        let borrowed = self.borrowed(at, sums);
        sums.clear();
        borrowed.map(|_| at)
    }

    /// The reasons of the kin, each by its part.
    fn explain_borrowed(&self, wanted: &Wanted<'_>, at: usize, reasons: &mut Vec<Reason>) -> f64 {
        let neutral = self.method.neutral();
        let mut base = neutral;
        let mut all: BTreeMap<Cause, f64> = BTreeMap::new();
        let mut own = Vec::new();
        for near in self.known.kin.relatives(at) {
            own.clear();
            let of_kin = self.method.explain(&wanted.history, near.item, &mut own);
            base += near.weight * (of_kin - neutral);
            for reason in own.drain(..) {
                *all.entry(reason.of).or_default() += near.weight * reason.contribution;
            }
        }
        reasons.extend(
            all.into_iter()
                .map(|(of, contribution)| Reason { of, contribution }),
        );
        base
    }

    fn add_popularity(&self, wanted: &Wanted<'_>, item: u32, reasons: &mut Vec<Reason>) {
        let popularity = &self.known.popularity;
        let dense = self.method.rates_all() && self.method.can_rate(&wanted.history);
        let scale = if dense { FILL } else { self.scale() };
        let share = popularity.share(item);
        match self.known.kin.place(item) {
            // Nobody has it: what its kin have counts.
            Some(at) => reasons.extend(self.known.kin.relatives(at).map(|near| {
                let name = self.known.items.get(near.item as usize).to_owned();
                Reason {
                    of: Cause::Of("attribute".to_owned(), Some(name)),
                    contribution: scale * near.weight * popularity.share(near.item),
                }
            })),
            None => reasons.push(Reason {
                of: Cause::Of(
                    "popularity".to_owned(),
                    Some(popularity.n_holders(item).to_string()),
                ),
                contribution: scale * share,
            }),
        }
        if dense || self.own_order(wanted).is_none() {
            return;
        }
        for (column, group, part) in popularity.crowd.parts(wanted.groups, item, share) {
            let feature = match popularity.crowd.for_all {
                true => "segment".to_owned(),
                false => format!("customer.{column}"),
            };
            reasons.push(Reason {
                of: Cause::Of(feature, Some(group)),
                contribution: scale * part,
            });
        }
    }
}
