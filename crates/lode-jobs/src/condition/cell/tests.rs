//! What conditions mean, and which are refused.

use super::Condition;

#[test]
fn conditions_hold_for_what_they_say() {
    for (condition, holds, does_not) in [
        ("above 3", vec!["3.5", "4"], vec!["3", "x"]),
        ("> 3", vec!["1e3"], vec!["-4"]),
        ("at least 3", vec!["3", "3.0"], vec!["2.9"]),
        (">=3", vec!["3"], vec!["2"]),
        ("Below -1.5", vec!["-2"], vec!["-1.5", "0"]),
        ("at most 0", vec!["0", "-1"], vec!["0.1"]),
        ("= premium", vec!["premium"], vec!["Premium", "basic"]),
        ("= 3", vec!["3", "3.0"], vec!["4", "three"]),
        ("is \"two words\"", vec!["two words"], vec!["two"]),
        ("= yes", vec!["yes", "true"], vec!["no", "false"]),
        ("!= basic", vec!["premium", "9"], vec!["basic"]),
        (
            "in card, cash",
            vec!["card", "cash"],
            vec!["invoice", "card, cash"],
        ),
        ("not in card, cash", vec!["invoice"], vec!["card"]),
        ("known", vec!["", "0"], vec![]),
        ("missing", vec![], vec!["0", ""]),
    ] {
        let parsed = Condition::parse(condition).unwrap();
        for value in holds {
            assert!(parsed.holds(Some(value)), "{condition} of {value}");
        }
        for value in does_not {
            assert!(!parsed.holds(Some(value)), "{condition} of {value}");
        }
        assert_eq!(parsed.holds(None), condition == "missing", "{condition}");
    }
}

#[test]
fn what_cannot_be_understood_is_refused_with_what_can() {
    for condition in [
        "more than 3",
        "above",
        "above many",
        "= ",
        "in a,,b",
        "3",
        "at least NaN",
    ] {
        let refused = Condition::parse(condition).unwrap_err();
        assert!(refused.contains("at least N"), "{refused}");
        assert!(
            refused.contains(&format!("{:?}", condition.trim())),
            "{refused}"
        );
    }
}
