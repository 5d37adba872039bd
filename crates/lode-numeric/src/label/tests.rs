//! Labels as companies write them become outcomes; others are refused with what was found.

use super::binary;

fn check(labels: &[Option<&str>], positive: Option<&str>) -> Result<Vec<Option<bool>>, String> {
    binary(labels.iter().copied(), positive).map_err(|error| error.to_string())
}

#[test]
fn the_usual_words_are_understood() {
    for (yes, no) in [
        ("Yes", "No"),
        ("1", "0"),
        ("TRUE", "FALSE"),
        ("churned", "stayed"),
    ] {
        let outcomes = check(&[Some(yes), None, Some(no)], None).unwrap();
        assert_eq!(outcomes, [Some(true), None, Some(false)]);
    }
}

#[test]
fn the_outcome_can_be_named() {
    let outcomes = check(&[Some("gone"), Some("here")], Some("gone")).unwrap();
    assert_eq!(outcomes, [Some(true), Some(false)]);
}

#[test]
fn other_labels_are_refused_with_the_values_found() {
    let error = check(&[Some("a"), Some("b"), Some("c")], Some("a")).unwrap_err();
    assert!(
        error.contains("exactly two values") && error.contains("\"c\""),
        "{error}"
    );
    let error = check(&[Some("yes"), Some("yes")], None).unwrap_err();
    assert!(error.contains("exactly two values"), "{error}");
    let error = check(&[Some("a"), Some("b")], None).unwrap_err();
    assert!(error.contains("positive"), "{error}");
    assert!(check(&[None], None).is_err());
}

#[test]
fn classes_are_numbered_by_name() {
    let words = [
        Some("tent"),
        None,
        Some(" golf "),
        Some(""),
        Some("7.0"),
        Some("7"),
        Some("tent"),
    ];
    let (classes, names) = super::classes(words.into_iter());
    assert_eq!(names, ["7", "golf", "tent"]);
    let expected = [Some(2), None, Some(1), None, Some(0), Some(0), Some(2)];
    assert_eq!(classes, expected);
}
