//! The C header says the same as the Rust structures: sizes, offsets and constants.
//!
//! A C11 file of static assertions, made from what Rust says, is compiled against the header.

use std::mem::offset_of;
use std::process::Command;

use crate::ArrowArrayStream;
use crate::ENTRY_SYMBOL;
use crate::FAIL_BUG;
use crate::FAIL_CANCELLED;
use crate::FAIL_INVALID;
use crate::FAIL_MODEL;
use crate::FAIL_NUMERIC;
use crate::FAIL_PANIC;
use crate::FAILED;
use crate::LOG_INFO;
use crate::LOG_WARN;
use crate::LodeAlgorithm;
use crate::LodeBytes;
use crate::LodeHost;
use crate::LodeInput;
use crate::LodePlugin;
use crate::MAGIC;
use crate::MAJOR;
use crate::MINOR;
use crate::OK;
use crate::SLOT_METRICS;
use crate::SLOT_MODEL;
use crate::SLOT_SPEC;
use crate::SLOT_STATE;

macro_rules! layout {
    ($lines:ident, $c:literal, $rust:ty { $($field:ident),+ $(,)? }) => {
        documented($c, size_of::<$rust>(), &[
            $((stringify!($field), offset_of!($rust, $field)),)+
        ]);
        assert_that(&mut $lines, concat!("sizeof(", $c, ")"), size_of::<$rust>());
        $(assert_that(
            &mut $lines,
            concat!("offsetof(", $c, ", ", stringify!($field), ")"),
            offset_of!($rust, $field),
        );)+
    };
}

fn assert_that(lines: &mut Vec<String>, c: &str, rust: usize) {
    lines.push(format!("_Static_assert({c} == {rust}, \"{c}\");"));
}

/// The page on the ABI has a table of this structure with these offsets.
fn documented(c: &str, size: usize, fields: &[(&str, usize)]) {
    if c == "struct ArrowArrayStream" {
        return;
    }
    let page = include_str!("../../../docs/plugin-abi.md");
    let (_, section) = page
        .split_once(&format!("### `{c}` ({size} bytes)"))
        .unwrap_or_else(|| panic!("expected a section on {c} of {size} bytes"));
    let section = section.split("\n#").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|l| l.starts_with("| ")).collect();
    assert_eq!(rows.len() - 1, fields.len(), "rows on {c}");
    for (row, (field, offset)) in rows[1..].iter().zip(fields) {
        assert!(row.starts_with(&format!("| {offset} | ")), "{field}: {row}");
        assert!(row.contains(&format!("| `{field}")), "{field}: {row}");
    }
}

fn assertions() -> Vec<String> {
    let mut lines = vec!["#include \"lode_plugin.h\"".to_owned()];
    layout!(lines, "lode_bytes", LodeBytes { data, len });
    layout!(lines, "lode_input", LodeInput { name, stream });
    layout!(
        lines,
        "struct ArrowArrayStream",
        ArrowArrayStream {
            get_schema,
            get_next,
            get_last_error,
            release,
            private_data,
        }
    );
    layout!(
        lines,
        "lode_host",
        LodeHost {
            struct_size,
            minor,
            ctx,
            log,
            progress,
            cancelled,
            fail,
            put,
            emit,
            seed,
            threads,
            pad,
            get,
            put_named,
            memory_bytes,
            time_millis,
        }
    );
    layout!(
        lines,
        "lode_algorithm",
        LodeAlgorithm {
            struct_size,
            capabilities,
            id,
            describe,
            fit,
            open,
            score,
            close,
            partial,
            merge,
            finish,
        }
    );
    layout!(
        lines,
        "lode_plugin",
        LodePlugin {
            magic,
            major,
            minor,
            struct_size,
            count,
            algorithms,
            name,
            version,
            build,
            manifest,
        }
    );
    for (c, rust) in [
        ("LODE_MAJOR", MAJOR),
        ("LODE_MINOR", MINOR),
        ("LODE_FAIL_INVALID", FAIL_INVALID),
        ("LODE_FAIL_CANCELLED", FAIL_CANCELLED),
        ("LODE_FAIL_MODEL", FAIL_MODEL),
        ("LODE_FAIL_NUMERIC", FAIL_NUMERIC),
        ("LODE_FAIL_BUG", FAIL_BUG),
        ("LODE_FAIL_PANIC", FAIL_PANIC),
        ("LODE_LOG_INFO", LOG_INFO),
        ("LODE_LOG_WARN", LOG_WARN),
        ("LODE_SLOT_SPEC", SLOT_SPEC),
        ("LODE_SLOT_MODEL", SLOT_MODEL),
        ("LODE_SLOT_METRICS", SLOT_METRICS),
        ("LODE_SLOT_STATE", SLOT_STATE),
    ] {
        assert_that(&mut lines, c, rust as usize);
    }
    assert_that(&mut lines, "LODE_OK", OK as usize);
    assert_that(&mut lines, "LODE_FAILED", FAILED as usize);
    // The entry has the type that Rust looks up.
    lines.push("const lode_plugin *(*entry)(uint32_t) = lode_plugin_v1;".to_owned());
    lines
}

#[test]
#[cfg_attr(miri, ignore = "starts a C compiler, and Miri starts no processes")]
fn the_header_agrees() {
    let dir = std::env::temp_dir().join(format!("lode-abi-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let source = dir.join("layout.c");
    std::fs::write(&source, assertions().join("\n")).unwrap();
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/include");
    let compiled = Command::new("cc")
        .args([
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-fsyntax-only",
        ])
        .args(["-I", include])
        .arg(&source)
        .output();
    let Ok(compiled) = compiled else {
        eprintln!("SKIPPED: no C compiler named cc, so lode_plugin.h is not checked");
        return;
    };
    std::fs::remove_dir_all(&dir).unwrap();
    let errors = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{errors}");
}

#[test]
fn the_magic_reads_as_text() {
    assert_eq!(MAGIC.to_ne_bytes(), *b"LODEPLUG");
    let header = include_str!("../include/lode_plugin.h");
    assert!(header.contains("LODE_MAGIC_BYTES \"LODEPLUG\""));
    assert!(header.contains(&format!(
        "const lode_plugin *{ENTRY_SYMBOL}(uint32_t host_minor);"
    )));
}
