//! Ends of workers that are plain shells.

use std::time::Duration;
use std::time::Instant;

use super::Limits;
use super::STDERR_BYTES;
use super::Spawner;
use super::Worker;
use super::WorkerCommand;

fn shell(script: &str) -> Worker {
    let command = WorkerCommand {
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), script.to_owned()],
        limits: Limits {
            memory_bytes: 1 << 30,
            cpus: 0,
        },
    };
    Spawner::start().unwrap().spawn(&command).unwrap()
}

#[test]
fn the_end_of_its_standard_error_is_kept() {
    let exit =
        shell("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 3").finish();
    assert_eq!((exit.code, exit.signal), (Some(3), None));
    assert!(exit.stderr_tail.ends_with("line 2999\n"));
    assert_eq!(exit.stderr_tail.len(), STDERR_BYTES);
}

#[test]
fn what_has_left_the_group_holds_nobody_up() {
    let start = Instant::now();
    let exit = shell("echo words >&2; setsid sleep 5 & exit 0").finish();
    assert_eq!(exit.code, Some(0));
    assert!(exit.stderr_tail.starts_with("words\n"), "{exit:?}");
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
}
