//! Parts that merge: an identity, any order, any grouping, and the same as the whole.

use lode_abi::FAIL_MODEL;

use super::Case;
use super::Check;
use super::Run;
use crate::compare::difference;
use crate::ear::Heard;
use crate::subject::How;
use crate::subject::ROWS;
use crate::subject::Subject;
use crate::subject::plain;
use crate::subject::why;
use crate::variants;
use crate::verdict::Checked;
use crate::verdict::Stop;
use crate::verdict::failed;
use crate::verdict::skipped;

pub(super) const IDENTITY: Check = Check {
    name: "merge-identity",
    about: "the state of no rows changes nothing",
    run: Run::One(identity),
};

fn identity(case: &Case<'_>) -> Checked {
    let subject = merging(case.subject)?;
    let how = subject.how();
    let none = merged(subject, &how, &[])?;
    let one = state(subject, &how, 0, ROWS)?;
    let expected = finished(subject, &how, &one)?;
    for (what, states) in [
        ("the state alone", vec![&one]),
        ("no rows before it", vec![&none, &one]),
        ("no rows behind it", vec![&one, &none]),
        ("no rows twice", vec![&none, &one, &none]),
    ] {
        let states: Vec<&[u8]> = states.into_iter().map(Vec::as_slice).collect();
        let found = finished(subject, &how, &merged(subject, &how, &states)?)?;
        equal(subject, &expected, &found, what)?;
    }
    // Nothing at all: a result or words, as for a fit without rows.
    let ended = subject.finish(&how, &none);
    ended.decent("finishing the state of no rows")?;
    Ok(format!("{} bytes of {ROWS} rows", one.len()))
}

pub(super) const ORDER: Check = Check {
    name: "merge-order",
    about: "merging is associative and commutative",
    run: Run::One(order),
};

fn order(case: &Case<'_>) -> Checked {
    let subject = merging(case.subject)?;
    let how = subject.how();
    let (a, b, c) = (
        state(subject, &how, 0, 130)?,
        state(subject, &how, 130, 1)?,
        state(subject, &how, 131, ROWS - 131)?,
    );
    let pair = |one: &[u8], other: &[u8]| merged(subject, &how, &[one, other]);
    let expected = finished(subject, &how, &merged(subject, &how, &[&a, &b, &c])?)?;
    for (what, state) in [
        ("(ab)c", pair(&pair(&a, &b)?, &c)?),
        ("a(bc)", pair(&a, &pair(&b, &c)?)?),
        ("c(ba)", pair(&c, &pair(&b, &a)?)?),
        ("(ca)b", pair(&pair(&c, &a)?, &b)?),
    ] {
        let found = finished(subject, &how, &state)?;
        equal(subject, &expected, &found, what)?;
    }
    Ok(String::new())
}

pub(super) const WHOLE: Check = Check {
    name: "merge-whole",
    about: "merged parts give what one fit over all rows gives, within the stated tolerance",
    run: Run::One(whole),
};

fn whole(case: &Case<'_>) -> Checked {
    let subject = merging(case.subject)?;
    let how = subject.how();
    let expected = subject.fitted(&how, ROWS)?;
    for cuts in [
        vec![0, ROWS],
        vec![0, 200, ROWS],
        vec![0, 1, 7, 60, 61, 300, ROWS],
    ] {
        let mut states = Vec::new();
        for cut in cuts.windows(2) {
            states.push(state(subject, &how, cut[0], cut[1] - cut[0])?);
        }
        let states: Vec<&[u8]> = states.iter().map(Vec::as_slice).collect();
        let found = finished(subject, &how, &merged(subject, &how, &states)?)?;
        equal(
            subject,
            &expected,
            &found,
            &format!("{} parts", states.len()),
        )?;
    }
    let tolerance = subject.spec.merge.map_or(0.0, |merge| merge.tolerance);
    Ok(match tolerance {
        0.0 => "the same bytes".to_owned(),
        tolerance => format!("within {tolerance:e}"),
    })
}

pub(super) const STATES: Check = Check {
    name: "merge-states",
    about: "an empty, cut or foreign state is refused in words",
    run: Run::One(states),
};

fn states(case: &Case<'_>) -> Checked {
    let subject = merging(case.subject)?;
    let how = subject.how();
    let good = state(subject, &how, 0, ROWS)?;
    for (what, bad) in [
        ("an empty state", Vec::new()),
        ("a state that is text", b"no state at all".to_vec()),
        ("half a state", good[..good.len() / 2].to_vec()),
        (
            "a state less its last byte",
            good[..good.len() - 1].to_vec(),
        ),
    ] {
        for (doing, ended) in [
            ("merging", subject.merge(&how, &[&good, &bad])),
            ("finishing", subject.finish(&how, &bad)),
        ] {
            if ended.ok {
                return Err(failed(format!("{doing} {what} gave a result")));
            }
            ended.decent(&format!("{doing} {what}"))?;
            let code = ended.heard.fail.as_ref().map(|fail| fail.code);
            if code != Some(FAIL_MODEL) {
                return Err(failed(format!(
                    "{doing} {what}: expected a failure of the kind model, found {}",
                    why(&ended.heard.fail)
                )));
            }
        }
    }
    Ok(String::new())
}

fn merging(subject: &Subject) -> Result<&Subject, Stop> {
    match subject.algorithm.merges() {
        true => Ok(subject),
        false => Err(skipped("it cannot be merged")),
    }
}

/// The state of `n` rows of the ordinary tables, from row `at` on.
fn state(subject: &Subject, how: &How, at: usize, n: usize) -> Result<Vec<u8>, Stop> {
    let tables = variants::each(&subject.tables(ROWS), |batch| {
        let at = at.min(batch.num_rows());
        Ok(batch.slice(at, n.min(batch.num_rows() - at)))
    })?;
    let ended = subject.partial(how, plain(tables));
    if let Some(problem) = ended.unreleased.first() {
        return Err(failed(format!("after partial: {problem}")));
    }
    let heard = ended.success("partial")?;
    heard.state.ok_or_else(|| failed("partial put no state"))
}

fn merged(subject: &Subject, how: &How, states: &[&[u8]]) -> Result<Vec<u8>, Stop> {
    let heard = subject.merge(how, states).success("merge")?;
    heard.state.ok_or_else(|| failed("merge put no state"))
}

fn finished(subject: &Subject, how: &How, state: &[u8]) -> Result<Heard, Stop> {
    subject.finish(how, state).success("finish")
}

fn equal(subject: &Subject, expected: &Heard, found: &Heard, what: &str) -> Result<(), Stop> {
    let tolerance = subject.spec.merge.map_or(0.0, |merge| merge.tolerance);
    match difference(expected, found, tolerance) {
        None => Ok(()),
        Some(words) => Err(failed(format!("{what}: another result: {words}"))),
    }
}
