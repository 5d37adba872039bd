//! What counts, when it stops a library, what a restart remembers, and who may lift it.

use std::sync::Arc;
use std::time::Duration;

use lode_types::AlgorithmSpec;
use lode_types::Task;
use tempfile::TempDir;

use super::Quarantine;
use super::QuarantineRule;
use crate::Error;
use crate::Loaded;
use crate::copies::Copies;

const RULE: QuarantineRule = QuarantineRule {
    after: 2,
    window: Duration::from_secs(60),
};

/// An algorithm of a library with these bytes.
fn loaded(dir: &TempDir, bytes: &str) -> Loaded {
    let file = dir.path().join("library.so");
    std::fs::write(&file, bytes).unwrap();
    let copy = Copies::open(&dir.path().join("copies")).unwrap();
    let copy = copy.take(&file).unwrap();
    Loaded {
        spec: AlgorithmSpec {
            id: "test.one".to_owned(),
            version: "1".to_owned(),
            title: String::new(),
            description: String::new(),
            task: Task::Churn,
            params_schema: "{}".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            model_format: None,
            reads_formats: Vec::new(),
            models: Vec::new(),
            warm_start: false,
            merge: None,
            memory: lode_types::MemorySpec::default(),
        },
        plugin: "test".to_owned(),
        plugin_version: "1.0".to_owned(),
        sha256: copy.sha256.clone(),
        copy,
    }
}

fn crash(words: &str) -> Error {
    Error::Crashed {
        algorithm: "test.one".to_owned(),
        stage: "fit",
        how: "killed by SIGSEGV".to_owned(),
        words: words.to_owned(),
    }
}

#[test]
fn the_second_crash_stops_one_library_until_it_is_released() {
    let dir = TempDir::new().unwrap();
    let (bad, good) = (loaded(&dir, "bad"), loaded(&dir, "good"));
    let quarantine = Quarantine::open(dir.path(), RULE);
    quarantine.note(&bad, &crash(""));
    quarantine.note(&good, &crash(""));
    assert!(quarantine.check(&bad).is_ok());
    quarantine.note(&bad, &crash("  at line\n 7 "));
    let error = quarantine.check(&bad).unwrap_err().to_string();
    for words in [
        "killed by SIGSEGV",
        "last words: at line 7",
        "lode plugin release",
    ] {
        assert!(error.contains(words), "{error}");
    }
    assert!(quarantine.check(&good).is_ok());

    // A restart remembers both.
    drop(quarantine);
    let quarantine = Quarantine::open(dir.path(), RULE);
    assert!(quarantine.check(&bad).is_err());
    assert_eq!(quarantine.of(&good.sha256).unwrap().1, 1);
    assert!(quarantine.release("f00d").is_none());
    // One that is not stopped is not released.
    assert!(quarantine.release(&good.sha256).is_none());
    let (sha256, _) = quarantine.release(&bad.sha256[..8]).unwrap();
    assert_eq!(sha256, bad.sha256);
    assert!(quarantine.check(&bad).is_ok());
    // It starts from nothing.
    quarantine.note(&bad, &crash(""));
    assert!(quarantine.check(&bad).is_ok());
    drop(quarantine);
    assert!(Quarantine::open(dir.path(), RULE).check(&bad).is_ok());
}

#[test]
fn told_failures_and_limits_do_not_count() {
    let dir = TempDir::new().unwrap();
    let loaded = loaded(&dir, "library");
    let quarantine = Quarantine::open(dir.path(), RULE);
    let (algorithm, stage) = ("test.one".to_owned(), "fit");
    for error in [
        Error::Failed {
            algorithm: algorithm.clone(),
            kind: crate::FailKind::Panic,
            field: String::new(),
            message: "panicked".to_owned(),
        },
        Error::OutOfMemory {
            algorithm: algorithm.clone(),
            stage,
            limit_bytes: 1,
            words: String::new(),
        },
        Error::Deadline {
            algorithm: algorithm.clone(),
            stage,
        },
        Error::Cancelled { algorithm, stage },
    ] {
        for _ in 0..5 {
            quarantine.note(&loaded, &error);
        }
    }
    assert!(quarantine.of(&loaded.sha256).is_none());
    // An exit without an answer does.
    for _ in 0..2 {
        quarantine.note(
            &loaded,
            &Error::Exited {
                algorithm: "test.one".to_owned(),
                stage,
                how: "exited with code 0".to_owned(),
                words: String::new(),
            },
        );
    }
    assert!(quarantine.check(&loaded).is_err());
}

#[test]
fn crashes_outside_the_window_and_a_rule_of_zero_stop_nothing() {
    let dir = TempDir::new().unwrap();
    let loaded = loaded(&dir, "library");
    for rule in [
        QuarantineRule {
            window: Duration::ZERO,
            ..RULE
        },
        QuarantineRule { after: 0, ..RULE },
    ] {
        let quarantine = Quarantine::open(dir.path(), rule);
        for _ in 0..5 {
            quarantine.note(&loaded, &crash(""));
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(quarantine.check(&loaded).is_ok(), "{rule:?}");
    }
}

#[test]
fn a_copy_is_shared_and_goes_with_its_last_holder() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a.so");
    std::fs::write(&file, "bytes").unwrap();
    let copies = Copies::open(&dir.path().join("copies")).unwrap();
    let first = copies.take(&file).unwrap();
    let second = copies.take(&file).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let path = first.path.clone();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
    let again = copies.take(&file).unwrap();
    assert_eq!(again.path, path);
    assert!(path.exists());
}
