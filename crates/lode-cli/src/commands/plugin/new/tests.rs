//! Names that cannot work are refused; projects are whole, and only ever appear whole.

use std::fs;
use std::path::Path;

use super::c_files;
use super::embedded;
use super::names;
use super::rust_files;
use super::write_all;

#[test]
fn names_that_cannot_work_are_refused() {
    for name in ["rate", "my-plugin", "x2_y"] {
        assert!(names::check_plugin(name).is_ok(), "{name}");
    }
    for name in [
        "",
        "Rate",
        "2x",
        "-x",
        "a b",
        "a/b",
        "../x",
        "é",
        "self",
        "lode-plugin",
        "test",
    ] {
        let refused = names::check_plugin(name).unwrap_err().to_string();
        assert!(refused.contains(&format!("{name:?}")), "{refused}");
    }
    for id in ["a.b", "my-family.name-2"] {
        assert!(names::check_algorithm(id).is_ok(), "{id}");
    }
    for id in ["", "a", "a.", ".b", "a.b.c", "A.b", "a_b.c", "a.2"] {
        assert!(names::check_algorithm(id).is_err(), "{id}");
    }
    assert_eq!(
        names::default_algorithm("a_b-c", "overdue"),
        "a-b-c.overdue"
    );
}

#[test]
fn no_place_of_a_template_is_left() {
    let rust = rust_files("my-rate", "my.rate", None);
    let c = c_files("my-rate", "my.rate");
    for (path, text) in rust.iter().chain(&c) {
        let is_ours = !path.starts_with("lode/") && path != "Cargo.lock" && path != "lode_plugin.h";
        // C has braces like these too, but no capital after them.
        let mut after = text.split("{{").skip(1);
        let is_left = after.any(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
        assert!(!is_ours || !is_left, "{path}");
        assert!(!is_ours || !text.contains("example.outlier"), "{path}");
    }
    let text = |path: &str| &rust.iter().find(|(found, _)| found == path).unwrap().1;
    assert!(text("Cargo.toml").contains("name = \"my-rate\""));
    assert!(text("src/algorithm.rs").contains("\"my.rate\""));
    assert!(text("benches/speed.rs").contains("use my_rate::Overdue;"));
    let own = rust_files("my-rate", "my.rate", Some("/opt/lode"));
    assert!(own.iter().all(|(path, _)| !path.starts_with("lode/")));
    let manifest = &own.iter().find(|(path, _)| path == "Cargo.toml").unwrap().1;
    assert!(manifest.contains("\"/opt/lode/crates/lode-plugin\""));
}

/// Each module that the SDK's sources name is among the files.
#[test]
fn the_sdk_is_complete() {
    let has = |path: &str| embedded::SDK.iter().any(|(found, _)| *found == path);
    let mut seen = 0;
    for (path, text) in embedded::SDK {
        if !path.ends_with(".rs") {
            continue;
        }
        let file = Path::new(path);
        let folder = match file.file_stem().unwrap().to_str().unwrap() {
            "lib" | "mod" => file.parent().unwrap().to_owned(),
            _ => file.with_extension(""),
        };
        for line in text.lines() {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let Some(name) = line.strip_prefix("mod ").and_then(|l| l.strip_suffix(';')) else {
                continue;
            };
            let folder = folder.display();
            let found =
                has(&format!("{folder}/{name}.rs")) || has(&format!("{folder}/{name}/mod.rs"));
            assert!(found, "{path} names a module {name} that is not there");
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} modules");
    assert!(has("crates/lode-abi/include/lode_plugin.h"));
    for dependency in ["arrow-array", "serde", "schemars", "lode-abi", "lode-types"] {
        assert!(
            embedded::SDK_MANIFEST.contains(&format!("\n{dependency} = ")),
            "{dependency}"
        );
    }
    assert!(!embedded::SDK_MANIFEST.contains("datafusion"));
}

#[test]
fn what_is_there_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("taken");
    fs::create_dir(&dir).unwrap();
    let files = vec![("a/b".to_owned(), "text".to_owned())];
    let refused = write_all(&dir, &files).unwrap_err().to_string();
    assert!(refused.contains("is there already"), "{refused}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);

    // A file that cannot be written: a folder has its name.
    let clash = vec![
        ("a/b".to_owned(), String::new()),
        ("a".to_owned(), String::new()),
    ];
    assert!(write_all(&folder.path().join("half"), &clash).is_err());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "only the taken one"
    );

    write_all(&folder.path().join("new"), &files).unwrap();
    assert_eq!(
        fs::read_to_string(folder.path().join("new/a/b")).unwrap(),
        "text"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
