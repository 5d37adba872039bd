//! As much of an ELF file as is needed to find one section by its name, without loading it.
//!
//! Every number of the file is checked before it is used: a damaged or hostile file gives
//! words, never a panic, and never an allocation beyond [`MOST_BYTES`].

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Largest section, and largest table of sections, that is read.
const MOST_BYTES: u64 = 1 << 20;
const HEAD_BYTES: usize = 64;
const ENTRY_BYTES: u64 = 64;

/// Whose instructions this build runs: `e_machine` of its own libraries.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else {
    0
};

/// Where bytes come from.
pub(super) trait Source {
    /// How many there are.
    fn len(&self) -> Result<u64, String>;
    /// Fills `buffer` from `at`.
    fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), String>;
}

impl Source for File {
    fn len(&self) -> Result<u64, String> {
        let metadata = self.metadata().map_err(|error| unreadable(&error))?;
        Ok(metadata.len())
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), String> {
        self.read_exact_at(buffer, at)
            .map_err(|error| unreadable(&error))
    }
}

impl Source for [u8] {
    fn len(&self) -> Result<u64, String> {
        Ok(<[u8]>::len(self) as u64)
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), String> {
        let bytes = usize::try_from(at)
            .ok()
            .and_then(|at| self.get(at..)?.get(..buffer.len()))
            .ok_or_else(|| "the file ends too soon".to_owned())?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// A 64-bit little-endian ELF library of this machine that is all there.
pub(super) struct Elf<'a, S: Source + ?Sized> {
    source: &'a S,
    len: u64,
    /// Where the table of sections is, and how many entries it has.
    table: u64,
    count: u64,
    /// Which section has the names.
    names: u64,
}

impl<'a, S: Source + ?Sized> Elf<'a, S> {
    /// Checks the head of the file, and that it reaches as far as the head says.
    pub(super) fn open(source: &'a S) -> Result<Self, String> {
        let len = source.len()?;
        let mut head = [0_u8; HEAD_BYTES];
        let there = usize::try_from(len).map_or(HEAD_BYTES, |len| len.min(HEAD_BYTES));
        source.read(&mut head[..there], 0)?;
        if !head.starts_with(b"\x7fELF") {
            let start = String::from_utf8_lossy(&head[..there.min(8)]).into_owned();
            return Err(format!(
                "not a shared library: expected an ELF file, found {len} bytes that start with {start:?}"
            ));
        }
        // ELF64, little-endian.
        if there < HEAD_BYTES || head[4] != 2 || head[5] != 1 {
            return Err(format!(
                "not a shared library of this machine: expected a 64-bit ELF file, found {len} bytes of another kind"
            ));
        }
        let half = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let machine = half(18);
        if MACHINE != 0 && machine != MACHINE {
            return Err(format!(
                "not a shared library of this machine: expected ELF machine {MACHINE}, found {machine}"
            ));
        }
        let table = u64::from_le_bytes(head[40..48].try_into().expect("eight bytes"));
        let (entry, count, names) = (half(58), half(60), half(62));
        // The table of sections is the last thing that a linker writes: mapping a file that
        // ends before it is a SIGBUS.
        let end = table.saturating_add(u64::from(entry) * u64::from(count));
        if len < end {
            return Err(format!(
                "the file is truncated or damaged: expected at least {end} bytes, found {len}"
            ));
        }
        if count > 0 && u64::from(entry) != ENTRY_BYTES {
            return Err(format!(
                "the file is damaged: expected sections of {ENTRY_BYTES} bytes, found {entry}"
            ));
        }
        Ok(Self {
            source,
            len,
            table,
            count: count.into(),
            names: names.into(),
        })
    }

    /// The bytes of the section of that name, if there is one.
    pub(super) fn section(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        if self.count == 0 || self.names >= self.count {
            return Ok(None);
        }
        let names = self.contents(self.names)?;
        for index in 0..self.count {
            let at = word(&self.entry(index)?, 0) as usize;
            let found = names.get(at..).unwrap_or_default();
            let found = found.split(|&byte| byte == 0).next().unwrap_or_default();
            if found == name.as_bytes() {
                return self.contents(index).map(Some);
            }
        }
        Ok(None)
    }

    fn entry(&self, index: u64) -> Result<[u8; ENTRY_BYTES as usize], String> {
        let mut entry = [0; ENTRY_BYTES as usize];
        self.source
            .read(&mut entry, self.table + index * ENTRY_BYTES)?;
        Ok(entry)
    }

    fn contents(&self, index: u64) -> Result<Vec<u8>, String> {
        /// A section that takes no room in the file.
        const NOBITS: u32 = 8;
        let entry = self.entry(index)?;
        let (offset, size) = (long(&entry, 24), long(&entry, 32));
        if word(&entry, 4) == NOBITS {
            return Ok(Vec::new());
        }
        let ends = offset.checked_add(size).is_some_and(|end| end <= self.len);
        if !ends || size > MOST_BYTES {
            return Err(format!(
                "the file is damaged: section {index} claims {size} bytes at {offset}"
            ));
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(|error| error.to_string())?];
        self.source.read(&mut bytes, offset)?;
        Ok(bytes)
    }
}

fn word(entry: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(entry[at..at + 4].try_into().expect("four bytes"))
}

fn long(entry: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(entry[at..at + 8].try_into().expect("eight bytes"))
}

fn unreadable(error: &std::io::Error) -> String {
    format!("could not be read: {error}")
}
