//! Every target over its corpus, its made seeds and some thousand seeded mutations of both.
//!
//! The same run each time: an input that fails here goes into the corpus under a name that says
//! what it was, before the reader is mended.

use std::panic;

use lode_fuzz::Mutator;
use lode_fuzz::TARGETS;
use lode_fuzz::Target;

const SEED: u64 = 4;

fn run(name: &str, n_mutations: usize) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("a target of that name");
    let inputs = target.inputs().expect("a corpus");
    assert!(inputs.len() >= 5, "{} inputs of {name}", inputs.len());
    for (file, bytes) in &inputs {
        one(target, file, bytes);
    }
    let inputs: Vec<&[u8]> = inputs.iter().map(|(_, bytes)| &**bytes).collect();
    let mut mutator = Mutator::new(SEED, target.words);
    for index in 0..n_mutations {
        let bytes = mutator.make(&inputs);
        one(target, &format!("mutation {index} of seed {SEED}"), &bytes);
    }
}

fn one(target: &Target, what: &str, bytes: &[u8]) {
    // What broke it was said by the panic that is caught; this says on what.
    let kept = panic::catch_unwind(|| (target.run)(bytes)).is_ok();
    let name = target.name;
    assert!(kept, "{name} on {what}: \"{}\"", bytes.escape_ascii());
}

#[test]
fn manifests() {
    run("manifest", 20_000);
}

#[test]
fn frames() {
    run("frames", 1500);
}

#[test]
fn models() {
    run("model", 20_000);
}

#[test]
fn params() {
    run("params", 5000);
}
