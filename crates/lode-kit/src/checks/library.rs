//! The file and its tables: what can be seen before an algorithm is called in earnest.
#![expect(unsafe_code, reason = "a host of another version is made by hand")]

use std::ffi::c_void;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use lode_abi::ENTRY_SYMBOL;
use lode_abi::FAILED;
use lode_abi::HOST_BYTES_0_1;
use lode_abi::LodeBytes;
use lode_abi::LodeHost;
use lode_abi::MANIFEST_SECTION;
use lode_abi::MINOR;
use lode_host::foreign;
use lode_host::foreign::Budget;
use lode_host::foreign::Front;
use lode_host::foreign::manifest;

use super::Check;
use super::LibraryCase;
use super::Run;
use super::manners;
use crate::ear::Ear;
use crate::subject::Subject;
use crate::verdict::Checked;
use crate::verdict::failed;
use crate::verdict::skipped;

pub(super) const MANIFEST: Check = Check {
    name: "manifest",
    about: "the file says what it is, and the library says the same",
    run: Run::Library(manifest_agrees),
};

fn manifest_agrees(case: &LibraryCase<'_>) -> Checked {
    let said = manifest::of_file(case.path).map_err(failed)?.ok_or_else(|| {
        failed(format!(
            "expected a section {MANIFEST_SECTION}, found none: use export_plugin! or LODE_MANIFEST"
        ))
    })?;
    let plugin = foreign::load(case.path).map_err(failed)?;
    let mut ids = Vec::new();
    for algorithm in plugin.algorithms() {
        ids.push(algorithm.and_then(|a| a.id()).map_err(failed)?);
    }
    let abi = format!("{}.{}", said.abi.0, said.abi.1);
    let pairs = [
        ("name", said.name, plugin.name().map_err(failed)?),
        ("version", said.version, plugin.version().map_err(failed)?),
        ("abi", abi, plugin.abi()),
        ("algorithms", said.algorithms.join(" "), ids.join(" ")),
    ];
    for (key, said, found) in pairs {
        if said != found {
            return Err(failed(format!(
                "expected {key}={found} as in the library's table, found {key}={said}"
            )));
        }
    }
    Ok(String::new())
}

pub(super) const EXPORTS: Check = Check {
    name: "exports",
    about: "the entry symbol gives a table with its algorithms",
    run: Run::Library(exports),
};

fn exports(case: &LibraryCase<'_>) -> Checked {
    let plugin = foreign::load(case.path).map_err(failed)?;
    let again = foreign::load(case.path).map_err(failed)?;
    let mut seen = std::collections::BTreeSet::new();
    for algorithm in plugin.algorithms() {
        let id = algorithm.and_then(|a| a.id()).map_err(failed)?;
        if !seen.insert(id.clone()) {
            return Err(failed(format!(
                "{id}: expected unique ids, found this one twice"
            )));
        }
    }
    if again.algorithms().len() != seen.len() {
        return Err(failed(format!(
            "{ENTRY_SYMBOL} gave another table when it was called again"
        )));
    }
    Ok(format!("{} algorithms", seen.len()))
}

pub(super) const DESCRIBES: Check = Check {
    name: "describes",
    about: "every algorithm describes itself without a fault, twice alike",
    run: Run::Library(describes),
};

fn describes(case: &LibraryCase<'_>) -> Checked {
    let problems = lode_host::problems(case.path);
    if !problems.is_empty() {
        return Err(failed(problems.join("; ")));
    }
    let plugin = foreign::load(case.path).map_err(failed)?;
    for algorithm in plugin.algorithms().into_iter().flatten() {
        let first = Subject::of(algorithm, 0).map_err(failed)?;
        let second = Subject::of(algorithm, 0).map_err(failed)?;
        if first.spec != second.spec {
            let id = first.spec.id;
            return Err(failed(format!("{id}: two descriptions that differ")));
        }
    }
    Ok(String::new())
}

pub(super) const QUIET: Check = Check {
    name: "quiet",
    about: "loading and describing print nothing, start no thread and install no signal handler",
    run: Run::Library(quiet),
};

fn quiet(case: &LibraryCase<'_>) -> Checked {
    let threads = manners::entries("/proc/self/task")?;
    let handlers = signal_handlers();
    let said = manners::heard_on_stdout(|| {
        let plugin = foreign::load(case.path).map_err(failed)?;
        for algorithm in plugin.algorithms().into_iter().flatten() {
            // What is wrong with a description is another check's.
            drop(Subject::of(algorithm, 0));
        }
        Ok(())
    })?;
    if let Some(words) = manners::words_of(&said) {
        return Err(failed(format!("the library {words}")));
    }
    let more = manners::entries("/proc/self/task")?.saturating_sub(threads);
    if more > 0 {
        return Err(failed(format!("{more} threads were started by loading it")));
    }
    if signal_handlers() != handlers {
        return Err(failed(
            "expected the signal handlers as they were, found others after loading it",
        ));
    }
    Ok(String::new())
}

/// Which signals are caught and ignored, as the kernel says.
fn signal_handlers() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| {
        ["SigCgt:", "SigIgn:"]
            .iter()
            .any(|key| line.starts_with(key))
    });
    lines.map(str::to_owned).collect()
}

pub(super) const NEWER_HOST: Check = Check {
    name: "newer-host",
    about: "a host of a later minor version, with a longer table, is served",
    run: Run::Library(newer_host),
};

/// A host's table as a later version may have it.
#[repr(C)]
struct Longer {
    host: LodeHost,
    more: [u64; 16],
}

fn newer_host(case: &LibraryCase<'_>) -> Checked {
    let plugin = foreign::load_as(case.path, MINOR + 100).map_err(failed)?;
    for algorithm in plugin.algorithms() {
        let algorithm = algorithm.map_err(failed)?;
        let ear = Ear::default();
        let front = Front::new(&ear);
        let mut longer = Longer {
            host: front.table(Budget::default()),
            more: [u64::MAX; 16],
        };
        longer.host.minor = MINOR + 100;
        longer.host.struct_size = size_of::<Longer>() as u32;
        if !algorithm.describe(&longer.host) || ear.heard().spec.is_none() {
            let id = algorithm.id().unwrap_or_default();
            return Err(failed(format!(
                "{id}: describe failed for a host of minor version {}",
                longer.host.minor
            )));
        }
    }
    Ok(String::new())
}

pub(super) const OLDER_HOST: Check = Check {
    name: "older-host",
    about: "a host of version 0.1 is served or refused, and nothing that it lacks is used",
    run: Run::Library(older_host),
};

static TOUCHED: AtomicBool = AtomicBool::new(false);

unsafe extern "C" fn trap_get(_: *mut c_void, _: u32, _: LodeBytes, _: *mut LodeBytes) -> i32 {
    TOUCHED.store(true, Ordering::SeqCst);
    FAILED
}

unsafe extern "C" fn trap_put(_: *mut c_void, _: u32, _: LodeBytes, _: LodeBytes) -> i32 {
    TOUCHED.store(true, Ordering::SeqCst);
    FAILED
}

fn older_host(case: &LibraryCase<'_>) -> Checked {
    let plugin = foreign::load_as(case.path, 1).map_err(|why| {
        match why.starts_with(&format!("{ENTRY_SYMBOL} gave no table")) {
            true => skipped("the library says that it needs a newer host"),
            false => failed(why),
        }
    })?;
    for algorithm in plugin.algorithms().into_iter().flatten() {
        let subject = Subject::of(algorithm, 1).map_err(failed)?;
        let ear = Ear::default();
        let front = Front::new(&ear);
        let mut host = front.table(Budget {
            seed: 1,
            threads: 1,
            ..Budget::default()
        });
        host.minor = 1;
        host.struct_size = HOST_BYTES_0_1 as u32;
        // What lies behind the table is not the host's.
        host.get = Some(trap_get);
        host.put_named = Some(trap_put);
        let inputs = subject.inputs_of(subject.tables(100));
        let ok = algorithm.fit(&host, "{}", inputs);
        if TOUCHED.load(Ordering::SeqCst) {
            return Err(failed(format!(
                "{}: it used a callback that the host's struct_size does not cover",
                subject.spec.id
            )));
        }
        if !ok && ear.heard().fail.is_none() {
            return Err(failed(format!(
                "{}: fit failed for a host of version 0.1 and gave no reason",
                subject.spec.id
            )));
        }
    }
    Ok(String::new())
}
