//! The parent's side: one process a check, bounded in time and memory, and what became of it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use lode_worker::Limits;
use lode_worker::Polled;
use lode_worker::Spawner;
use lode_worker::Worker;
use lode_worker::WorkerCommand;
use sha2::Digest;
use sha2::Sha256;

use crate::Error;
use crate::Result;
use crate::checks;
use crate::checks::Check;
use crate::checks::Run;
use crate::child;
use crate::child::Ask;
use crate::child::Listed;
use crate::child::Reply;
use crate::child::What;
use crate::report::CheckResult;
use crate::report::Report;
use crate::verdict::Outcome;

/// How long one process of a check may take.
const CHECK_TIME: Duration = Duration::from_secs(90);
/// Private memory of one.
const CHECK_MEMORY_BYTES: u64 = 4 << 30;

/// What to check, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The library.
    pub file: PathBuf,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Only checks with this word in their name; empty for all.
    pub only: String,
    /// A folder of models that older builds made.
    pub golden: Option<PathBuf>,
    /// Where to write golden models of this build, once all checks have passed.
    pub write_golden: Option<PathBuf>,
    /// In this process, for a debugger: the first crash ends it.
    pub in_process: bool,
    /// The program and the arguments that run [`crate::child_main`].
    pub child: (PathBuf, Vec<String>),
}

/// Runs the checks; `on_result` hears of each as it ends.
///
/// # Errors
/// When the file cannot be read, no check has such a name, or no process can be started.
pub fn run(options: &Options, on_result: &mut dyn FnMut(&CheckResult)) -> Result<Report> {
    let kit = Kit {
        spawner: Spawner::start().map_err(Box::new)?,
        file: std::path::absolute(&options.file).map_err(|source| Error::Io {
            file: options.file.clone(),
            source,
        })?,
        options,
    };
    let mut report = Report {
        file: options.file.display().to_string(),
        sha256: digest(&options.file)?,
        plugin: String::new(),
        version: String::new(),
        abi: String::new(),
        seed: options.seed,
        results: Vec::new(),
    };
    if let Some(folder) = options.golden.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(Error::NoFolder {
            folder: folder.clone(),
        });
    }
    let wanted: Vec<&Check> = checks::ALL
        .iter()
        .filter(|check| check.name.contains(&options.only))
        .collect();
    if wanted.is_empty() {
        let names: Vec<&str> = checks::ALL.iter().map(|check| check.name).collect();
        return Err(Error::NoSuchCheck {
            name: options.only.clone(),
            names: names.join(", "),
        });
    }
    let mut keep = |result: CheckResult| {
        on_result(&result);
        report.results.push(result);
    };
    for check in wanted.iter().filter(|c| matches!(c.run, Run::Library(_))) {
        keep(kit.check(check, None)?);
    }
    let listed = match kit.ask(What::List, &[])? {
        Answer::Listed(listed) => listed,
        Answer::Done(_, detail, _) => {
            // Its own checks have said why; without any of them this says it.
            if options.only.is_empty() {
                Listed::default()
            } else {
                return Err(Error::Unusable { why: detail });
            }
        }
    };
    for id in &listed.algorithms {
        for check in wanted.iter().filter(|c| !matches!(c.run, Run::Library(_))) {
            keep(kit.check(check, Some(id))?);
        }
    }
    report.plugin = listed.name;
    report.version.clone_from(&listed.version);
    report.abi = listed.abi;
    if let (Some(_), true) = (&options.write_golden, report.passed()) {
        for id in listed.algorithms {
            let what = What::WriteGolden {
                algorithm: id,
                name: listed.version.clone(),
            };
            if let Answer::Done(Outcome::Failed, why, _) = kit.ask(what, &[])? {
                return Err(Error::Unusable { why });
            }
        }
    }
    Ok(report)
}

struct Kit<'a> {
    spawner: Spawner,
    file: PathBuf,
    options: &'a Options,
}

enum Answer {
    Done(Outcome, String, Vec<u8>),
    Listed(Listed),
}

impl Kit<'_> {
    fn check(&self, check: &Check, algorithm: Option<&str>) -> Result<CheckResult> {
        let start = Instant::now();
        let what = What::Check {
            name: check.name.to_owned(),
            algorithm: algorithm.map(str::to_owned),
        };
        let mut answer = self.ask(what.clone(), &[])?;
        if matches!(check.run, Run::Two(_))
            && let Answer::Done(Outcome::Passed, _, carry) = &answer
        {
            if check.name == checks::APART {
                // So that a clock in a result shows.
                std::thread::sleep(Duration::from_millis(1_100));
            }
            answer = self.ask(what, carry)?;
        }
        let (outcome, detail) = match answer {
            Answer::Done(outcome, detail, _) => (outcome, detail),
            Answer::Listed(_) => (Outcome::Failed, "the kit answered otherwise".to_owned()),
        };
        Ok(CheckResult {
            subject: algorithm.unwrap_or("library").to_owned(),
            check: check.name,
            about: check.about,
            outcome,
            detail,
            millis: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Has one thing done, in a process of its own or in this one.
    fn ask(&self, what: What, carried: &[u8]) -> Result<Answer> {
        let golden = match &what {
            What::WriteGolden { .. } => &self.options.write_golden,
            _ => &self.options.golden,
        };
        let ask = Ask {
            path: self.file.clone(),
            seed: self.options.seed,
            what,
            golden: golden.as_ref().map(|path| absolute(path)),
        };
        if self.options.in_process {
            let (reply, carry) = child::act(&ask, carried, &|_| {});
            return Ok(answer(reply, carry).unwrap_or_else(|| {
                Answer::Done(
                    Outcome::Failed,
                    "the kit answered otherwise".to_owned(),
                    Vec::new(),
                )
            }));
        }
        let (program, args) = &self.options.child;
        let worker = self
            .spawner
            .spawn(&WorkerCommand {
                program: program.clone(),
                args: args.clone(),
                limits: Limits {
                    memory_bytes: CHECK_MEMORY_BYTES,
                    cpus: 0,
                },
            })
            .map_err(Box::new)?;
        Ok(wait(worker, &ask, carried))
    }
}

fn wait(worker: Worker, ask: &Ask, carried: &[u8]) -> Answer {
    let deadline = Instant::now() + CHECK_TIME;
    let mut step = "starting".to_owned();
    let done = |words: String| Answer::Done(Outcome::Failed, words, Vec::new());
    if worker.channel().send(ask, carried, &[]).is_ok() {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seconds = CHECK_TIME.as_secs();
                return done(format!("did not end within {seconds} s: {step}"));
            }
            match worker.channel().recv_timeout::<Reply>(left) {
                Ok(Polled::TimedOut) => {}
                Ok(Polled::Closed) => break,
                Ok(Polled::Message(received)) => match received.message {
                    Reply::Step(words) => step = words,
                    reply => {
                        if let Some(answer) = answer(reply, received.body) {
                            return answer;
                        }
                    }
                },
                Err(error) => return done(format!("{}: {step}", lode_types::chain(&error))),
            }
        }
    }
    let exit = worker.finish();
    let how = match exit.out_of_memory() {
        true => "ran out of memory".to_owned(),
        false => exit.describe(),
    };
    let words: Vec<&str> = exit.stderr_tail.split_whitespace().collect();
    let words: String = words.join(" ").chars().take(300).collect();
    done(match words.as_str() {
        "" => format!("{how}: {step}"),
        words => format!("{how}: {step}; last words: {words}"),
    })
}

fn answer(reply: Reply, carry: Vec<u8>) -> Option<Answer> {
    match reply {
        Reply::Step(_) => None,
        Reply::Done { outcome, detail } => Some(Answer::Done(outcome, detail, carry)),
        Reply::Listed(listed) => Some(Answer::Listed(listed)),
    }
}

fn absolute(path: &Path) -> PathBuf {
    // Children run in "/", where a relative path would lead elsewhere.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn digest(path: &Path) -> Result<String> {
    let unreadable = |source| Error::Io {
        file: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => break,
            n => hash.update(&piece[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
