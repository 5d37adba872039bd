//! Names of plugins and algorithms, and the words that a template has places for.

use crate::failure::Failed;
use crate::failure::Result;

/// Longest name of a plugin and longest id of an algorithm.
const LONGEST: usize = 64;

/// Words that cargo does not take as names, or that the SDK has taken.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "lode",
    "lode-abi",
    "lode-plugin",
    "lode-types",
    "lode_abi",
    "lode_plugin",
    "lode_types",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Refuses what cannot be the name of a package and of a library.
pub(super) fn check_plugin(name: &str) -> Result<()> {
    let starts = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    let rest = name.chars().all(|letter| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter)
    });
    if !starts || !rest || name.len() > LONGEST {
        return Err(Failed::usage(format!(
            "expected a name of a-z, 0-9, - and _ that starts with a letter, at most {LONGEST} bytes, found {name:?}"
        )));
    }
    if TAKEN.contains(&name) {
        return Err(Failed::usage(format!(
            "expected a name that is free, found {name:?}, which is a word of Rust or a crate of the plugin SDK"
        )));
    }
    Ok(())
}

/// Refuses what the engine would refuse as an id.
pub(super) fn check_algorithm(id: &str) -> Result<()> {
    let is_word = |word: &str| {
        word.starts_with(|letter: char| letter.is_ascii_lowercase())
            && word.chars().all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
            })
    };
    let fits = match id.split_once('.') {
        Some((family, name)) => is_word(family) && is_word(name) && id.len() <= LONGEST,
        None => false,
    };
    if fits {
        return Ok(());
    }
    Err(Failed::usage(format!(
        "expected an id family.name, two words of a-z, 0-9 and - that start with a letter, at most {LONGEST} bytes, found {id:?}"
    )))
}

/// The id of an algorithm whose family is the plugin.
pub(super) fn default_algorithm(plugin: &str, name: &str) -> String {
    let family: String = plugin.replace('_', "-");
    format!("{family}.{name}")
}

/// The name as Rust writes it in paths, and cargo in the file name of the library.
pub(super) fn crate_of(plugin: &str) -> String {
    plugin.replace('-', "_")
}

/// How a plugin in C is built.
pub(super) fn cc_line(name: &str) -> String {
    format!(
        "cc -std=c11 -O2 -Wall -Wextra -shared -fPIC -o lib{}.so {name}.c -lm",
        crate_of(name)
    )
}

/// The part of a README that runs a library in an engine.
pub(super) fn run_section(library: &str, commands: &str) -> String {
    format!(
        "\nThe engine takes plugins from a folder:\n\n\
         ```\n\
         mkdir -p plugins && cp {library} plugins/\n\
         lode serve --data data --plugins plugins\n\
         ```\n\n\
         In another terminal, with data of your own:\n\n\
         ```\n\
         lode plugins                     # loaded, or why it was refused\n\
         {commands}\n\
         ```\n\
         `lode run` prints the MODEL.\n\n"
    )
}

/// A template with its places filled.
pub(super) fn filled(template: &str, words: &[(&str, &str)]) -> String {
    let fill = |text: String, (place, word): &(&str, &str)| text.replace(place, word);
    words.iter().fold(template.to_owned(), fill)
}
