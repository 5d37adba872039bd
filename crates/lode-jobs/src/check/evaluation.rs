//! Refuses a way of judging that has no meaning.

use crate::Error;
use crate::Result;
use crate::check::BoundInput;
use crate::check::BoundSource;
use crate::spec::Evaluation;
use crate::spec::JobSpec;

/// Most dates that judge: each one takes a fit.
const MAX_TEST_DATES: u32 = 100;

pub(super) fn check(evaluation: &Evaluation) -> Result<()> {
    let refuse = |name: &str, expected: &str, found: f64| {
        Err(Error::invalid(
            "OUT_OF_RANGE",
            format!("spec.evaluation.{name}"),
            format!("expected {expected}, found {found}"),
        ))
    };
    if let Some(found) = evaluation.threshold
        && !(0.0..=1.0).contains(&found)
    {
        return refuse("threshold", "a score from 0 to 1", found);
    }
    if let Some(found) = evaluation.budget
        && !(found > 0.0 && found.is_finite())
    {
        return refuse(
            "budget",
            "a share below 1 or a number of rows, above 0",
            found,
        );
    }
    for (name, found) in [
        ("cost_per_contact", evaluation.cost_per_contact),
        ("value_per_positive", evaluation.value_per_positive),
    ] {
        if !(found >= 0.0 && found.is_finite()) {
            return refuse(name, "an amount of at least 0", found);
        }
    }
    if evaluation.test_dates > MAX_TEST_DATES {
        let found = f64::from(evaluation.test_dates);
        return refuse("test_dates", "at most 100 dates", found);
    }
    Ok(())
}

/// Refuses more dates that judge than a training set has.
pub(super) fn check_dates(spec: &JobSpec, inputs: &[BoundInput]) -> Result<()> {
    let wanted = spec.evaluation.test_dates;
    let sets = inputs.iter().filter_map(|input| match &input.source {
        BoundSource::TrainingSet(set) => Some(set.judging_of()),
        _ => None,
    });
    for (judging, dates) in sets.filter(|_| spec.folds != 1) {
        if wanted as usize <= judging {
            continue;
        }
        let expected = match judging {
            0 => "none".to_owned(),
            n => format!("at most {n}"),
        };
        let words = format!(
            "expected {expected} of the {dates} dates to judge, as many as come a horizon or more \
             after another, found {wanted}"
        );
        let field = "spec.evaluation.test_dates";
        return Err(Error::invalid("OUT_OF_RANGE", field, words));
    }
    Ok(())
}
