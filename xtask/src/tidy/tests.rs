//! The tree is tidy, and the checks can fail.

use std::path::Path;

use super::files;
use super::manifests;

#[test]
fn the_tree_is_tidy() {
    let problems = super::problems().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_file_needs_a_doc_and_an_end() {
    let check = |text: &str| files::of_text(Path::new("x.rs"), text).is_some();
    assert!(check("use std::fs;\n"));
    assert!(!check("//! Reads.\nuse std::fs;\n"));
    assert!(check(&"//! long\n".repeat(601)));
    assert!(!check(&"//! long\n".repeat(600)));
}

#[test]
fn a_member_inherits_its_dependencies() {
    let check = |dependency: &str| {
        let text = format!("[lints]\nworkspace = true\n\n[dev-dependencies]\n{dependency}\n");
        manifests::of_member("x/Cargo.toml", &text).len()
    };
    assert_eq!(check("serde.workspace = true"), 0);
    assert_eq!(
        check("serde = { workspace = true, features = [\"rc\"] }"),
        0
    );
    assert_eq!(check("serde = \"1\""), 1);
    assert_eq!(check("serde = { path = \"../serde\" }"), 1);
    assert_eq!(manifests::of_member("x/Cargo.toml", "[package]\n").len(), 1);
}

#[test]
fn the_root_turns_default_features_off() {
    let check = |dependency: &str| {
        manifests::of_root(&format!("[workspace.dependencies]\n{dependency}\n")).len()
    };
    assert_eq!(
        check("http = { version = \"1\", default-features = false }"),
        0
    );
    assert_eq!(check("http = \"1\""), 1);
    assert_eq!(check("lode-types = { path = \"crates/lode-types\" }"), 0);
}

#[test]
fn a_major_version_is_what_fits() {
    assert_eq!(manifests::major("59.3.0"), "59");
    assert_eq!(manifests::major("0.34.7"), "0.34");
}
