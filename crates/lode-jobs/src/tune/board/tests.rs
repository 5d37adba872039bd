//! The order of trials.

use super::End;
use super::Trial;
use super::order;

fn trial(values: &[f64], end: End) -> Trial {
    Trial {
        candidate: 0,
        algorithm: "churn.made-up".to_owned(),
        point: Vec::new(),
        params_json: "{}".to_owned(),
        values: values.to_vec(),
        end,
        seconds: 0.0,
    }
}

#[test]
fn whole_trials_come_first_the_best_of_them_on_top() {
    let trials = [
        trial(&[0.5], End::Failed("late".to_owned())),
        trial(&[0.4, 0.4], End::Whole),
        trial(&[0.1], End::GivenUp(0.45)),
        trial(&[0.3, 0.3], End::Whole),
        trial(&[0.2], End::GivenUp(0.35)),
        trial(&[], End::Failed("early".to_owned())),
        trial(&[0.3, 0.3], End::Whole),
    ];
    assert_eq!(order(&trials, "log_loss"), [3, 6, 1, 4, 2, 0, 5]);
    // Of an AUC more is better.
    assert_eq!(order(&trials, "auc"), [1, 3, 6, 2, 4, 0, 5]);
}
