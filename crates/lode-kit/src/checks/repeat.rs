//! The same call again, with other threads and in another process: the same bytes.

use sha2::Digest;
use sha2::Sha256;

use super::Case;
use super::Check;
use super::Run;
use crate::compare;
use crate::compare::difference;
use crate::ear::Heard;
use crate::subject::ROWS;
use crate::verdict::Checked;
use crate::verdict::failed;

/// Rows of the tables that threads share.
const MANY: usize = 5_000;

pub(super) const REPEATS: Check = Check {
    name: "repeats",
    about: "the same call twice in one process gives the same bytes",
    run: Run::One(|case| {
        let subject = case.subject;
        let one = subject.fitted(&subject.how(), ROWS)?;
        let other = subject.fitted(&subject.how(), ROWS)?;
        match difference(&one, &other, 0.0) {
            None => Ok(String::new()),
            Some(words) => Err(failed(format!("the second call differs: {words}"))),
        }
    }),
};

pub(super) const THREADS: Check = Check {
    name: "threads",
    about: "1, 2 and 8 threads give the same bytes",
    run: Run::One(threads),
};

fn threads(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let one = subject.fitted(&subject.how().with_threads(1), MANY)?;
    for threads in [2, 8] {
        (case.step)(&format!("fit with {threads} threads"));
        let more = subject.fitted(&subject.how().with_threads(threads), MANY)?;
        if let Some(words) = difference(&one, &more, 0.0) {
            return Err(failed(format!("with {threads} threads: {words}")));
        }
    }
    if let Some(model) = one.models.get("") {
        let (name, question) = subject.question(ROWS);
        let score = |threads: u32| {
            let how = subject.how().with_threads(threads);
            subject
                .opened(&how, model)?
                .scored(&how, &name, question.clone())
        };
        let alone = score(1)?;
        for threads in [2, 8] {
            (case.step)(&format!("score with {threads} threads"));
            if let Some(words) = compare::tables(&alone, &score(threads)?, 0.0) {
                return Err(failed(format!("scored with {threads} threads: {words}")));
            }
        }
    }
    Ok(format!("{MANY} rows"))
}

pub(super) const PROCESSES: Check = Check {
    name: "processes",
    about: "two processes, in different seconds, give the same bytes",
    run: Run::Two(processes),
};

fn processes(case: &Case<'_>) -> Checked {
    let heard = case.subject.fitted(&case.subject.how(), ROWS)?;
    let digests = digests(&heard).join("\n");
    if case.carried.is_empty() {
        (case.carry)(digests.into_bytes());
        return Ok(String::new());
    }
    let before = String::from_utf8_lossy(case.carried);
    for (line, expected) in digests.lines().zip(before.lines()) {
        if line != expected {
            let what = line.split(' ').next().unwrap_or_default();
            return Err(failed(format!("{what} differs between two processes")));
        }
    }
    if digests.lines().count() != before.lines().count() {
        return Err(failed("two processes gave other outputs"));
    }
    Ok(String::new())
}

/// A line for each thing that a fit gave.
fn digests(heard: &Heard) -> Vec<String> {
    let sha = |bytes: &[u8]| {
        let hash = Sha256::digest(bytes);
        hash.iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    let mut lines = Vec::new();
    for (name, batch) in &heard.outputs {
        let mut bytes = Vec::new();
        let writer = arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema());
        let written = writer.and_then(|mut writer| {
            writer.write(batch)?;
            writer.finish()
        });
        let words = written.map_or_else(|error| error.to_string(), |()| sha(&bytes));
        lines.push(format!("output:{name} {words}"));
    }
    for (name, bytes) in &heard.models {
        lines.push(format!("model:{name} {}", sha(bytes)));
    }
    for (name, value) in &heard.metrics {
        lines.push(format!("metric:{name} {:016x}", value.to_bits()));
    }
    lines
}
