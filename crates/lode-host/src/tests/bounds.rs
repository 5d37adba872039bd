//! What the kernel says of a worker that is bound: its processors and its confinement.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lode_types::Failure;
use lode_worker::Polled;
use lode_worker::Spawner;
use lode_worker::Worker;
use tempfile::TempDir;

use super::harness::start_with;
use crate::Host;
use crate::HostConfig;
use crate::protocol::Reply;
use crate::protocol::Request;

/// A host without plugins; only it starts workers with its spawner.
fn host() -> (TempDir, Host) {
    let dir = TempDir::new().unwrap();
    let host = start_with(dir.path(), Arc::new(Spawner::start().unwrap()));
    (dir, host)
}

/// A worker that has confined itself.
fn confined(host: &Host, cpus: u32) -> Worker {
    let worker = host.launcher.launch(256 << 20, cpus).unwrap();
    worker.channel().send(&Request::Probe, &[], &[]).unwrap();
    let wait = Duration::from_secs(20);
    match worker.channel().recv_timeout::<Reply>(wait).unwrap() {
        Polled::Message(received) => match received.message {
            Reply::Confined(confinement) => assert_eq!(&confinement, host.confinement()),
            other => panic!("expected a confinement, found {other:?}"),
        },
        other => panic!("expected an answer, found {other:?}"),
    }
    worker
}

/// What the kernel says of a process or a thread.
fn status(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join("status")).unwrap();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// The one processor that a thread of a worker is held to. The harness of the tests has a
/// thread more, which is free.
fn processor(worker: &Worker) -> Option<usize> {
    let tasks = fs::read_dir(format!("/proc/{}/task", worker.pid())).unwrap();
    tasks
        .map(|task| status(&task.unwrap().path()))
        .find_map(|status| status["Cpus_allowed_list"].parse().ok())
}

#[test]
fn workers_of_one_thread_are_each_on_a_processor_of_its_own() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let (_dir, host) = host();
    let (first, second) = (confined(&host, 1), confined(&host, 1));
    let (one, other) = (processor(&first).unwrap(), processor(&second).unwrap());
    assert_eq!(one == other, cores == 1, "{one} and {other}");
}

#[test]
fn the_kernel_confirms_the_confinement() {
    let (_dir, host) = host();
    let worker = confined(&host, 0);
    let has_filters = host
        .confinement()
        .in_force
        .contains(&lode_worker::CALLS.to_owned());
    // Of the main thread, which is not the one that confined the process here.
    let status = status(&Path::new("/proc").join(worker.pid().to_string()));
    assert_eq!(status["Seccomp"], if has_filters { "2" } else { "0" });
    assert_eq!(status["NoNewPrivs"], if has_filters { "1" } else { "0" });
}

#[test]
fn a_worker_that_cannot_be_confined_stops_an_engine_that_insists() {
    let dir = TempDir::new().unwrap();
    let start = |containment_required| {
        Host::start(HostConfig {
            plugin_dir: dir.path().to_owned(),
            cache_dir: dir.path().join("cache"),
            // It ends at once, and confines nothing.
            worker_program: "/bin/true".into(),
            worker_args: Vec::new(),
            spawner: Arc::new(Spawner::start().unwrap()),
            containment_required,
            quarantine: crate::QuarantineRule::default(),
        })
    };
    let error = start(true).unwrap_err();
    assert_eq!(error.reason(), "CONTAINMENT_MISSING");
    let message = error.to_string();
    assert!(message.contains("seccomp: exited with code 0"), "{message}");
    let host = start(false).unwrap();
    assert!(!host.confinement().is_sound());
}
