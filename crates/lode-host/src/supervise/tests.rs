//! Limits on what a call may tell; how calls end is tested with real workers in `tests`.

use super::Event;
use super::MAX_LAST_LINES;
use super::MAX_LOG_LINES;
use super::MAX_TEXT_BYTES;
use super::cut;
use super::last_words;
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
fn last_words_are_lines_of_bounded_length() {
    let mut told = Vec::new();
    let long = "x".repeat(1200);
    let tail = format!("\u{1b}[31mred\n\n  indented\t\r\n{long}\n");
    last_words(&tail, &mut |event| match event {
        Event::Log { level, text } => told.push((level, text)),
        other => panic!("expected a line, found {other:?}"),
    });
    let texts: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
    let whole = "x".repeat(500);
    assert_eq!(
        texts,
        ["[31mred", "  indented", &whole, &whole, &"x".repeat(200)]
    );
    assert!(told.iter().all(|(level, _)| *level == LogLevel::Error));
    told.clear();
    let many: String = (0..1000).map(|n| format!("{n}\n")).collect();
    last_words(&many, &mut |event| {
        if let Event::Log { level, text } = event {
            told.push((level, text));
        }
    });
    assert_eq!(told.len(), MAX_LAST_LINES);
    assert_eq!(told.last().unwrap().1, "999");
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
