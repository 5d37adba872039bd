//! The child's side: bound itself, then speak over standard input.
//!
//! What is bounded here costs nothing and holds for every worker; what foreign code alone
//! needs is in `confine`.

use std::io;
use std::os::unix::net::UnixStream;
use std::str::FromStr;

use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::Signal;
use rustix::thread::CpuSet;

use crate::Channel;
use crate::Error;
use crate::Result;
use crate::parent::CPUS_VARIABLE;
use crate::parent::FIRST_CPU_VARIABLE;
use crate::parent::MEMORY_VARIABLE;
use crate::parent::PARENT_VARIABLE;

/// Makes this process a worker: it dies with its parent, gains no privileges, is bounded
/// in memory and to its CPUs, leaves no core file, and owns the socket that was its standard input.
///
/// To be called first in `main`, before other threads exist.
///
/// # Errors
/// `NOT_A_WORKER` when the engine did not start this process; `WORKER_LIMIT_FAILED`.
pub fn enter() -> Result<Channel> {
    let parent: u32 = variable(PARENT_VARIABLE)?;
    let memory_bytes: u64 = variable(MEMORY_VARIABLE)?;
    let limit = |limit: &'static str| move |source: io::Error| Error::SetLimit { limit, source };

    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(io::Error::from)
        .map_err(limit("parent death signal"))?;
    let alive = rustix::process::getppid()
        .is_some_and(|pid| u32::try_from(pid.as_raw_nonzero().get()) == Ok(parent));
    if !alive {
        return Err(Error::NotAWorker);
    }
    rustix::thread::set_no_new_privs(true)
        .map_err(io::Error::from)
        .map_err(limit("no_new_privs"))?;
    for (resource, most, name) in [
        (Resource::Data, memory_bytes, "memory"),
        (Resource::Core, 0, "core file"),
    ] {
        let bound = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        rustix::process::setrlimit(resource, bound)
            .map_err(io::Error::from)
            .map_err(limit(name))?;
    }

    let cpus: u32 = variable(CPUS_VARIABLE)?;
    let first_cpu: u32 = variable(FIRST_CPU_VARIABLE)?;
    hold_to(cpus, first_cpu)
        .map_err(io::Error::from)
        .map_err(limit("cpus"))?;

    // Every part of an input is an open file here.
    let files = rustix::process::getrlimit(Resource::Nofile);
    let files = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, files)
        .map_err(io::Error::from)
        .map_err(limit("open files"))?;

    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)
        .map_err(|_| Error::NotAWorker)?;
    let nothing = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    )
    .map_err(io::Error::from)?;
    rustix::stdio::dup2_stdin(&nothing).map_err(io::Error::from)?;
    Ok(Channel::new(UnixStream::from(socket)))
}

/// Holds this process to `n_cpus` of those that it may use, from the `first` on and around.
fn hold_to(n_cpus: u32, first: u32) -> rustix::io::Result<()> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let cpus: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|&cpu| allowed.is_set(cpu))
        .collect();
    let n_cpus = n_cpus as usize;
    if n_cpus == 0 || n_cpus >= cpus.len() {
        return Ok(());
    }
    let start = first as usize % cpus.len();
    let mut held = CpuSet::new();
    for &cpu in cpus.iter().cycle().skip(start).take(n_cpus) {
        held.set(cpu);
    }
    rustix::thread::sched_setaffinity(None, &held)
}

fn variable<T: FromStr>(name: &str) -> Result<T> {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Error::NotAWorker)
}
