//! The numbers of a batch score: each within what it can mean.

use lode_types::Outcome;

use crate::BatchScore;
use crate::Error;
use crate::Result;

/// Most reasons of one customer.
const MOST_REASONS: u32 = 20;
/// Most lists of those who are never contacted.
const MOST_LISTS: usize = 100;

/// Refuses numbers that no list could keep.
pub(super) fn check(batch: &BatchScore, outcome: Outcome) -> Result<()> {
    let refused = |field: &str, expected: &str, found: String| {
        Error::invalid(
            "OUT_OF_RANGE",
            format!("spec.batch_score.{field}"),
            format!("expected {expected}, found {found}"),
        )
    };
    if batch.reasons > MOST_REASONS {
        let expected = format!("0 to {MOST_REASONS} reasons");
        return Err(refused("reasons", &expected, batch.reasons.to_string()));
    }
    let Some(list) = &batch.contacts else {
        return Ok(());
    };
    if outcome == Outcome::Class {
        return Err(Error::invalid(
            "WRONG_TASK",
            "spec.batch_score.contacts",
            "expected a model of a yes or no or of an amount to list contacts by, found one of \
             several answers: score all, and take those of a label",
        ));
    }
    let share = |share: f64| (0.0..=1.0).contains(&share);
    if !share(list.max_share) {
        let found = list.max_share.to_string();
        return Err(refused("contacts.max_share", "a share of 0 to 1", found));
    }
    if let Some(rate) = list.success_rate.filter(|rate| !share(*rate)) {
        let found = rate.to_string();
        return Err(refused("contacts.success_rate", "a part of 0 to 1", found));
    }
    for (field, number) in [
        ("contacts.max_cost", list.max_cost),
        ("contacts.cost_per_contact", list.cost_per_contact),
        ("contacts.value_per_positive", list.value_per_positive),
    ] {
        if !(number >= 0.0 && number.is_finite()) {
            let found = number.to_string();
            return Err(refused(field, "a number of at least 0", found));
        }
    }
    if list.min_score.is_some_and(|score| !score.is_finite()) {
        let found = format!("{:?}", list.min_score);
        return Err(refused("contacts.min_score", "a finite number", found));
    }
    if list.max_cost > 0.0 && list.cost_per_contact == 0.0 {
        return Err(refused(
            "contacts.cost_per_contact",
            "a number above 0, since max_cost is a bound",
            "0".to_owned(),
        ));
    }
    if outcome == Outcome::Amount && list.value_per_positive > 0.0 {
        return Err(refused(
            "contacts.value_per_positive",
            "none, since the scores of the model are amounts themselves",
            list.value_per_positive.to_string(),
        ));
    }
    if list.do_not_contact.len() > MOST_LISTS {
        return Err(refused(
            "contacts.do_not_contact",
            &format!("at most {MOST_LISTS} lists"),
            list.do_not_contact.len().to_string(),
        ));
    }
    Ok(())
}
