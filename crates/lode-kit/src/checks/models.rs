//! Models: they come back in another process, damaged ones are refused, a fit starts from one.

use arrow_array::RecordBatch;
use lode_abi::FAIL_MODEL;
use lode_numeric::Rng;

use super::Case;
use super::Check;
use super::Run;
use crate::compare;
use crate::counted::Source;
use crate::pack;
use crate::subject::How;
use crate::subject::ROWS;
use crate::subject::Subject;
use crate::subject::decent_failure;
use crate::subject::plain;
use crate::subject::why;
use crate::verdict::Checked;
use crate::verdict::Stop;
use crate::verdict::failed;
use crate::verdict::skipped;

/// Models with a flipped bit that are tried.
const FLIPS: u64 = 64;

pub(super) const ROUND_TRIP: Check = Check {
    name: "model-round-trip",
    about: "a model scores in another process as in the one that made it",
    run: Run::Two(round_trip),
};

fn round_trip(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    models_or_skip(subject)?;
    let how = subject.how();
    if case.carried.is_empty() {
        let model = subject.model(&how, ROWS)?;
        let answer = answer(subject, &how, &model)?;
        (case.carry)(pack::pack(&[
            &model,
            &pack::table(&answer).map_err(failed)?,
        ]));
        return Ok(format!("{} bytes", model.len()));
    }
    let parts = pack::unpack(case.carried).map_err(failed)?;
    let [model, before] = parts.as_slice() else {
        return Err(failed("the kit carried something else than a model"));
    };
    let before = pack::read(before).map_err(failed)?;
    let now = answer(subject, &how, model)?;
    match compare::tables(&before, &now, 0.0) {
        None => Ok(format!("{} bytes", model.len())),
        Some(words) => Err(failed(format!("another process scores otherwise: {words}"))),
    }
}

fn answer(subject: &Subject, how: &How, model: &[u8]) -> Result<RecordBatch, Stop> {
    let (name, question) = subject.question(60);
    subject.opened(how, model)?.scored(how, &name, question)
}

pub(super) const DAMAGED: Check = Check {
    name: "damaged-models",
    about: "an empty, cut or foreign model is refused as a model, and a flipped bit harms nobody",
    run: Run::One(damaged),
};

fn damaged(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    models_or_skip(subject)?;
    let how = subject.how();
    let model = subject.model(&how, ROWS)?;
    let mut bad: Vec<(String, Vec<u8>)> = vec![
        ("an empty model".to_owned(), Vec::new()),
        (
            "a model that is text".to_owned(),
            b"no model at all".to_vec(),
        ),
        ("a model of zeros".to_owned(), vec![0; model.len()]),
    ];
    let n = model.len();
    for cut in [1, 8, n / 4, n / 2, n.saturating_sub(1)] {
        if cut < n {
            let what = format!("a model cut to {cut} of {n} bytes");
            bad.push((what, model[..cut].to_vec()));
        }
    }
    for (what, bytes) in &bad {
        (case.step)(&format!("open {what}"));
        match subject.open(&how, bytes) {
            Ok(_) => return Err(failed(format!("{what} was opened"))),
            Err(Some(fail)) if fail.code == FAIL_MODEL => {}
            Err(fail) => {
                return Err(failed(format!(
                    "{what}: expected a failure of the kind model, found {}",
                    why(&fail)
                )));
            }
        }
    }
    let (name, question) = subject.question(20);
    let mut rng = Rng::new(subject.seed);
    let mut taken = 0;
    for _ in 0..FLIPS {
        let bit = rng.below(n as u64 * 8);
        let mut flipped = model.clone();
        flipped[(bit / 8) as usize] ^= 1 << (bit % 8);
        let what = format!("a model whose bit {bit} is flipped");
        (case.step)(&format!("open and score with {what}"));
        match subject.open(&how, &flipped) {
            Ok(opened) => {
                taken += 1;
                if let Err(fail) = opened.score(&how, &name, Source::of(question.clone())) {
                    decent_failure(&fail, &what)?;
                }
            }
            Err(fail) => decent_failure(&fail, &what)?,
        }
    }
    Ok(match taken {
        0 => format!("{FLIPS} flipped bits, all noticed"),
        taken => format!("{FLIPS} flipped bits, {taken} not noticed: a checksum would"),
    })
}

pub(super) const WARM_START: Check = Check {
    name: "warm-start",
    about: "a fit starts from a model of its own, and refuses a damaged one",
    run: Run::One(warm_start),
};

fn warm_start(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    if !subject.spec.warm_start {
        return Err(skipped("it starts from no model"));
    }
    let model = subject.model(&subject.how(), ROWS)?;
    let from = |model: Vec<u8>| How {
        base_model: Some(model),
        ..subject.how()
    };
    let sources = || plain(subject.tables(ROWS));
    let half = model[..model.len() / 2].to_vec();
    subject
        .fit(&from(model), sources())
        .success("a fit from a model of its own")?;
    let ended = subject.fit(&from(half), sources());
    if ended.ok {
        return Err(failed("a fit from half a model gave a result"));
    }
    ended.decent("from half a model")?;
    Ok(String::new())
}

/// Whether the algorithm makes models at all.
pub(super) fn models_or_skip(subject: &Subject) -> Result<(), Stop> {
    match subject.makes_models() {
        true => Ok(()),
        false => Err(skipped("it makes no model")),
    }
}
