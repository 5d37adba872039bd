//! Why an item is offered: the parts of its score.

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
        let neutral = self.method.neutral();
        let mut base = neutral;
        if self.is_rated(wanted, item, sums) {
            base = self.method.explain(&wanted.history, item, &mut reasons);
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

    fn add_popularity(&self, wanted: &Wanted<'_>, item: u32, reasons: &mut Vec<Reason>) {
        let popularity = &self.known.popularity;
        let dense = self.method.rates_all() && self.method.can_rate(&wanted.history);
        let scale = if dense { FILL } else { self.scale() };
        let share = popularity.share(item);
        reasons.push(Reason {
            of: Cause::Of(
                "popularity".to_owned(),
                Some(popularity.n_holders(item).to_string()),
            ),
            contribution: scale * share,
        });
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
