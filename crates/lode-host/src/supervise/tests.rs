//! Limits on what a call may tell; how calls end is tested with real workers in `tests`.

use super::Event;
use super::MAX_LOG_LINES;
use super::MAX_TEXT_BYTES;
use super::cut;
use super::line;
use super::refusal;
use crate::FailKind;
use crate::LogLevel;
use crate::protocol::Reply;

#[test]
fn long_texts_are_cut_between_characters() {
    let text = "é".repeat(MAX_TEXT_BYTES);
    let short = cut(format!("a{text}"));
    assert!(short.ends_with("é ..."));
    assert!(short.len() <= MAX_TEXT_BYTES + 4);
    assert_eq!(cut("short".to_owned()), "short");
}

#[test]
fn too_many_lines_are_left_out_with_one_warning() {
    let n_told = (1..2 * MAX_LOG_LINES)
        .filter_map(|n| line(n, LogLevel::Info, n.to_string()))
        .collect::<Vec<_>>();
    assert_eq!(n_told.len() as u32, MAX_LOG_LINES + 1);
    let Some(Event::Log { level, text }) = n_told.last() else {
        panic!("expected a line");
    };
    assert_eq!(*level, LogLevel::Warn);
    assert!(text.contains("more than 1000 lines"), "{text}");
}

#[test]
fn an_answer_to_another_question_is_a_bug() {
    let error = refusal("a.b", "fit", Reply::Opened);
    assert!(
        error
            .to_string()
            .contains("expected an answer to fit, found Opened")
    );
    let error = refusal(
        "a.b",
        "fit",
        Reply::Failed {
            kind: FailKind::Params,
            field: "params.k".to_owned(),
            message: "expected k".to_owned(),
        },
    );
    assert_eq!(error.to_string(), "a.b: expected k");
}
