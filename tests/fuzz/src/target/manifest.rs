//! The reader of a plugin's manifest: its text, and the ELF file that holds it.
//!
//! The engine reads both from a file that nobody has looked at yet, in its own process.

use lode_host::foreign::manifest;
use lode_host::foreign::manifest::Manifest;

use crate::assert_words;
use crate::memory;

/// What manifests and heads of ELF files are made of.
pub(crate) const WORDS: &[&[u8]] = &[
    b"lode-plugin 1\n",
    b"lode-plugin 2\n",
    b"\nname=",
    b"\nversion=",
    b"\nabi=",
    b"\nabi=0.2",
    b"\ntarget=",
    b"\nalgorithms=",
    b"=",
    b"\n",
    b"\r",
    b" ",
    b"\0",
    b"\xff",
    b"\xc2\x85",
    b"4294967296.0",
    b"\x7fELF\x02\x01\x01",
    b".lode.manifest\0",
    b"\x08\0\0\0",
    b"\x40\0\0\0\0\0\0\0",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
];

/// Bytes as the text of a manifest, as that of a sound library, and as a library.
pub fn manifest(bytes: &[u8]) {
    let due = 8 * bytes.len() + 4096;
    let read = memory::bounded(due, || manifest::parse(bytes));
    match &read {
        Ok(manifest) => {
            assert_eq!(
                manifest::parse(text(manifest).as_bytes()).as_ref(),
                Ok(manifest)
            );
            manifest
                .problems()
                .iter()
                .for_each(|words| assert_words(words));
        }
        Err(refusal) => assert_words(refusal),
    }
    let library = library(bytes);
    let found = memory::bounded(due + 2 * library.len(), || manifest::of_bytes(&library));
    assert_eq!(found, read.map(Some), "the same inside a library");

    if let Err(refusal) = memory::bounded(due, || manifest::of_bytes(bytes)) {
        assert_words(&refusal);
    }
}

fn text(manifest: &Manifest) -> String {
    let Manifest {
        name,
        version,
        abi: (major, minor),
        target,
        algorithms,
    } = manifest;
    let algorithms = algorithms.join(" ");
    format!(
        "lode-plugin 1\nname={name}\nversion={version}\nabi={major}.{minor}\ntarget={target}\n\
         algorithms={algorithms}\n"
    )
}

/// A library whose manifest is sound, and one whose is not.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let sound =
        b"lode-plugin 1\nname=a\nversion=1\nabi=0.2\ntarget=x86_64-linux\nalgorithms=a.b\n\0";
    let mut no_names = library(sound);
    no_names[62] = 9;
    vec![
        ("library", library(sound)),
        ("library-of-no-manifest", library(b"")),
        ("library-without-names", no_names),
    ]
}

/// The least ELF file with a section for the manifest: head, names, manifest, three sections.
fn library(manifest: &[u8]) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.shstrtab\0.lode.manifest\0";
    const HEAD: usize = 64;
    let machine: u16 = if cfg!(target_arch = "aarch64") {
        183
    } else {
        62
    };
    let table = HEAD + NAMES.len() + manifest.len();

    let mut file = vec![0; HEAD];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[16] = 3;
    file[18..20].copy_from_slice(&machine.to_le_bytes());
    file[40..48].copy_from_slice(&(table as u64).to_le_bytes());
    // 64 bytes an entry, three of them, names in the second.
    file[58..64].copy_from_slice(&[64, 0, 3, 0, 1, 0]);
    file.extend_from_slice(NAMES);
    file.extend_from_slice(manifest);
    let sections = [
        (0_u32, 0_u32, 0, 0),
        (1, 3, HEAD, NAMES.len()),
        (11, 1, HEAD + NAMES.len(), manifest.len()),
    ];
    for (name, kind, at, len) in sections {
        let mut entry = [0; 64];
        entry[..4].copy_from_slice(&name.to_le_bytes());
        entry[4..8].copy_from_slice(&kind.to_le_bytes());
        entry[24..32].copy_from_slice(&(at as u64).to_le_bytes());
        entry[32..40].copy_from_slice(&(len as u64).to_le_bytes());
        file.extend_from_slice(&entry);
    }
    file
}
