//! What is read, what is refused, and that no bytes at all make it panic.

use super::of_bytes;
use super::parse;

const GOOD: &str = "lode-plugin 1\nname=outlier\nversion=1.2.3\nabi=0.2\ntarget=x86_64-linux\n\
                    algorithms=example.outlier example.other\nlicense=MIT\n\0padding";

#[test]
fn a_manifest_is_read_up_to_its_zero() {
    let manifest = parse(GOOD.as_bytes()).unwrap();
    assert_eq!(
        (manifest.name.as_str(), manifest.version.as_str()),
        ("outlier", "1.2.3")
    );
    assert_eq!(manifest.abi, (0, 2));
    assert_eq!(manifest.algorithms, ["example.outlier", "example.other"]);
}

#[test]
fn what_is_wrong_is_named() {
    for (from, to, words) in [
        ("lode-plugin 1", "lode-plugin 2", "expected the first line"),
        ("version=1.2.3\n", "", "expected a line version=..."),
        (
            "abi=0.2",
            "abi=two",
            "expected abi=MAJOR.MINOR, found \"two\"",
        ),
        ("name=outlier", "name=", "expected a line name=..."),
        (
            "license=MIT",
            "license",
            "expected key=value, found \"license\"",
        ),
        (
            "license=MIT",
            "name=b",
            "expected name once, found it twice",
        ),
        (
            "algorithms=example.outlier example.other",
            "algorithms= ",
            "expected a line algorithms=..., found none",
        ),
        (
            "name=outlier",
            "name=out\u{1b}[2J",
            "expected printable text after name=, found \"out\\u{1b}[2J\"",
        ),
        ("outlier", "out\u{fffd}lier", ""),
    ] {
        let said = parse(GOOD.replacen(from, to, 1).as_bytes());
        if words.is_empty() {
            assert!(said.is_ok());
        } else {
            let said = said.unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }
    assert!(parse(b"lode-plugin 1\nname=\xff").is_err());
    let foreign = parse(
        GOOD.replace("0.2", "9.1")
            .replace("x86_64", "vax")
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(foreign.problems().len(), 2);
}

#[test]
fn a_file_without_a_manifest_is_no_error_and_a_cut_one_is() {
    let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(of_bytes(&this), Ok(None));
    let cut = of_bytes(&this[..this.len() / 2]).unwrap_err();
    assert!(cut.contains("truncated or damaged"), "{cut}");
    assert!(
        of_bytes(b"#!/bin/sh")
            .unwrap_err()
            .contains("expected an ELF file")
    );
}
