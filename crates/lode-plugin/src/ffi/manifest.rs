//! The text of the manifest, put together while the plugin is compiled.
//!
//! `lode_host::foreign::manifest` reads it; `docs/plugin-abi.md` has the layout.

use lode_abi::MAJOR;
use lode_abi::MINOR;

const TARGET: &str = if cfg!(target_arch = "x86_64") {
    "x86_64-linux"
} else if cfg!(target_arch = "aarch64") {
    "aarch64-linux"
} else {
    "unknown"
};

const _: () = assert!(MAJOR < 10 && MINOR < 100, "written with so many digits");

/// Bytes of [`manifest`].
pub const fn manifest_length(name: &str, version: &str, ids: &[&str]) -> usize {
    write(&mut [], name, version, ids)
}

/// The manifest: lines of text and a zero.
pub const fn manifest<const N: usize>(name: &str, version: &str, ids: &[&str]) -> [u8; N] {
    let mut bytes = [0; N];
    write(&mut bytes, name, version, ids);
    bytes
}

/// Writes as much as fits; gives the length of the whole.
const fn write(bytes: &mut [u8], name: &str, version: &str, ids: &[&str]) -> usize {
    let mut at = 0;
    at = push(bytes, at, "lode-plugin 1\nname=");
    at = push(bytes, at, name);
    at = push(bytes, at, "\nversion=");
    at = push(bytes, at, version);
    at = push(bytes, at, "\nabi=");
    at = digits(bytes, at, MAJOR);
    at = push(bytes, at, ".");
    at = digits(bytes, at, MINOR);
    at = push(bytes, at, "\ntarget=");
    at = push(bytes, at, TARGET);
    at = push(bytes, at, "\nalgorithms=");
    let mut index = 0;
    while index < ids.len() {
        if index > 0 {
            at = push(bytes, at, " ");
        }
        at = push(bytes, at, ids[index]);
        index += 1;
    }
    push(bytes, at, "\n\0")
}

const fn push(bytes: &mut [u8], at: usize, text: &str) -> usize {
    let text = text.as_bytes();
    let mut index = 0;
    while index < text.len() {
        if at + index < bytes.len() {
            bytes[at + index] = text[index];
        }
        index += 1;
    }
    at + text.len()
}

const fn digits(bytes: &mut [u8], mut at: usize, number: u32) -> usize {
    const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    if number >= 10 {
        at = push(bytes, at, DIGITS[(number / 10) as usize]);
    }
    push(bytes, at, DIGITS[(number % 10) as usize])
}

#[cfg(test)]
mod tests {
    use super::manifest;
    use super::manifest_length;

    #[test]
    fn it_is_text_with_a_zero_at_its_end() {
        const IDS: &[&str] = &["a.b", "a.c"];
        const LENGTH: usize = manifest_length("family", "1.2.3", IDS);
        let text = manifest::<LENGTH>("family", "1.2.3", IDS);
        let text = std::str::from_utf8(&text).unwrap();
        let (head, tail) = text.split_once("\ntarget=").unwrap();
        assert_eq!(head, "lode-plugin 1\nname=family\nversion=1.2.3\nabi=0.2");
        assert!(tail.ends_with("-linux\nalgorithms=a.b a.c\n\0"), "{tail}");
    }
}
