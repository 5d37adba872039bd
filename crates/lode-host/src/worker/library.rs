//! Loads a plugin's library and calls the functions of its tables.
//!
//! Unsafe is here because the library is foreign code. Invariant: a library is never closed,
//! so its tables are `'static`.
#![expect(unsafe_code, reason = "dlopen and calls of foreign functions")]

use std::ffi::c_void;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use libloading::os::unix::Library;
use libloading::os::unix::RTLD_LOCAL;
use libloading::os::unix::RTLD_NOW;
use lode_abi::ENTRY_SYMBOL;
use lode_abi::EntryFn;
use lode_abi::LodeAlgorithm;
use lode_abi::LodeBytes;
use lode_abi::LodeInput;
use lode_abi::LodePlugin;
use lode_abi::MAGIC;
use lode_abi::MAJOR;
use lode_abi::MINOR;
use lode_abi::OK;

use super::call::Call;
use super::tables::Input;

/// A loaded plugin whose table has the right magic, major version and size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plugin {
    table: &'static LodePlugin,
}

/// An algorithm of a loaded plugin, its table of the right size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Algorithm {
    table: &'static LodeAlgorithm,
}

/// Loads a library and shakes hands; every problem in words.
pub(super) fn load(path: &Path) -> Result<Plugin, String> {
    check_elf(path)?;
    // SAFETY: loading runs foreign code; that is what this process is for.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| format!("could not be loaded: {}", without_path(&error, path)))?;
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: a symbol of that name has that type, by the ABI.
    let entry = unsafe { library.get::<EntryFn>(ENTRY_SYMBOL.as_bytes()) }
        .map_err(|_| format!("expected the entry symbol {ENTRY_SYMBOL}, found none"))?;
    // SAFETY: the entry function of the ABI; it may be called at any time.
    let table = unsafe { entry(MINOR) };
    if table.is_null() {
        return Err(format!(
            "{ENTRY_SYMBOL} gave no table; it may need a newer host"
        ));
    }
    if !table.is_aligned() {
        return Err("expected an aligned table, found a crooked pointer".to_owned());
    }
    // SAFETY: not null; a table of any version starts with its magic number.
    let magic = unsafe { table.cast::<u64>().read() };
    if magic != MAGIC {
        return Err(format!(
            "expected magic number {MAGIC:016x} in the plugin's table, found {magic:016x}"
        ));
    }
    // SAFETY: a table with this magic number lives as long as the library and has at least
    // the fixed head; the longer fields are read only when the size covers them.
    let table = unsafe { &*table };
    if table.major != MAJOR {
        return Err(format!(
            "expected ABI major version {MAJOR}, found {}.{}",
            table.major, table.minor
        ));
    }
    let (expected, found) = (size_of::<LodePlugin>(), table.struct_size as usize);
    if found < expected {
        return Err(format!(
            "expected a plugin table of at least {expected} bytes, found {found}"
        ));
    }
    Ok(Plugin { table })
}

impl Plugin {
    pub(super) fn abi(self) -> String {
        format!("{}.{}", self.table.major, self.table.minor)
    }

    pub(super) fn name(self) -> Result<String, String> {
        text(self.table.name, "the plugin's name")
    }

    pub(super) fn version(self) -> Result<String, String> {
        text(self.table.version, "the plugin's version")
    }

    pub(super) fn build(self) -> Result<String, String> {
        text(self.table.build, "the plugin's build")
    }

    /// Its algorithms, a problem in the place of each that cannot be read.
    pub(super) fn algorithms(self) -> Vec<Result<Algorithm, String>> {
        const MOST: usize = 1024;
        let count = self.table.count as usize;
        if count == 0 || count > MOST {
            return vec![Err(format!(
                "expected 1 to {MOST} algorithms, found {count}"
            ))];
        }
        if self.table.algorithms.is_null() {
            return vec![Err("expected a list of algorithms, found null".to_owned())];
        }
        // SAFETY: the list has `count` entries and lives as long as the library.
        let list = unsafe { std::slice::from_raw_parts(self.table.algorithms, count) };
        list.iter()
            .enumerate()
            .map(|(index, table)| algorithm(index, *table))
            .collect()
    }

    /// The algorithm of that id.
    pub(super) fn algorithm(self, id: &str) -> Result<Algorithm, String> {
        let all = self.algorithms().into_iter().flatten();
        all.into_iter()
            .find(|algorithm| algorithm.id().is_ok_and(|found| found == id))
            .ok_or_else(|| format!("expected algorithm {id} in the library, found none"))
    }
}

fn algorithm(index: usize, table: *const LodeAlgorithm) -> Result<Algorithm, String> {
    if table.is_null() || !table.is_aligned() {
        return Err(format!("algorithm {index}: expected a table, found null"));
    }
    // SAFETY: not null; the size is the first field of any version.
    let found = unsafe { table.cast::<u32>().read() } as usize;
    let expected = size_of::<LodeAlgorithm>();
    if found < expected {
        return Err(format!(
            "algorithm {index}: expected a table of at least {expected} bytes, found {found}"
        ));
    }
    // SAFETY: long enough, and it lives as long as the library.
    let table = unsafe { &*table };
    Ok(Algorithm { table })
}

impl Algorithm {
    pub(super) fn id(self) -> Result<String, String> {
        text(self.table.id, "the algorithm's id")
    }

    /// What is missing, given whether it says that it makes models.
    pub(super) fn missing(self, makes_models: bool) -> Vec<&'static str> {
        let table = self.table;
        let mut missing = Vec::new();
        if table.describe.is_none() {
            missing.push("describe");
        }
        if table.fit.is_none() {
            missing.push("fit");
        }
        if makes_models {
            if table.open.is_none() {
                missing.push("open");
            }
            if table.score.is_none() {
                missing.push("score");
            }
            if table.close.is_none() {
                missing.push("close");
            }
        }
        missing
    }

    /// Whether `describe` said that all is well.
    pub(super) fn describe(self, call: &Call<'_>) -> bool {
        let host = call.table(0, 1);
        let Some(describe) = self.table.describe else {
            return false;
        };
        // SAFETY: the host's table and its call outlive the function.
        unsafe { describe(&raw const host) == OK }
    }

    /// Whether `fit` said that all is well. Streams that it did not take are freed.
    pub(super) fn fit(
        self,
        call: &Call<'_>,
        (seed, threads): (u64, u32),
        params: &str,
        mut inputs: Vec<Input>,
    ) -> bool {
        let host = call.table(seed, threads);
        let mut table = table_of(&mut inputs);
        let Some(fit) = self.table.fit else {
            return false;
        };
        let params = LodeBytes::new(params.as_bytes());
        // SAFETY: everything that is passed outlives the function.
        unsafe { fit(&raw const host, params, table.as_mut_ptr(), table.len()) == OK }
    }

    /// A scorer, unless `open` failed.
    pub(super) fn open(self, call: &Call<'_>, params: &str, model: &[u8]) -> Option<*mut c_void> {
        let host = call.table(0, 1);
        let open = self.table.open?;
        let mut scorer = std::ptr::null_mut();
        let (params, model) = (LodeBytes::new(params.as_bytes()), LodeBytes::new(model));
        // SAFETY: everything that is passed outlives the function.
        let code = unsafe { open(&raw const host, params, model, &raw mut scorer) };
        (code == OK).then_some(scorer)
    }

    /// The result, unless `score` failed. `scorer` is one that `open` of the same gave.
    pub(super) fn score(
        self,
        call: &Call<'_>,
        (seed, threads): (u64, u32),
        scorer: *mut c_void,
        mut inputs: Vec<Input>,
    ) -> Option<FFI_ArrowArrayStream> {
        let host = call.table(seed, threads);
        let score = self.table.score?;
        let mut table = table_of(&mut inputs);
        let mut out = FFI_ArrowArrayStream::empty();
        let place = std::ptr::from_mut(&mut out).cast();
        // SAFETY: everything that is passed outlives the function; the scorer is live.
        let code = unsafe {
            score(
                &raw const host,
                scorer,
                table.as_mut_ptr(),
                table.len(),
                place,
            )
        };
        (code == OK).then_some(out)
    }
}

fn table_of(inputs: &mut [Input]) -> Vec<LodeInput> {
    inputs
        .iter_mut()
        .map(|input| LodeInput {
            name: LodeBytes::new(input.name.as_bytes()),
            stream: std::ptr::from_mut(&mut input.stream).cast(),
        })
        .collect()
}

/// The bytes of the other side.
///
/// # Safety
/// They live as long as `'a`; null is taken as empty.
pub(super) unsafe fn slice<'a>(bytes: LodeBytes) -> &'a [u8] {
    if bytes.data.is_null() || bytes.len == 0 {
        return &[];
    }
    // SAFETY: not null, and the caller vouches for the length and the life.
    unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) }
}

fn text(bytes: LodeBytes, what: &str) -> Result<String, String> {
    const MOST: usize = 256;
    if bytes.data.is_null() || bytes.len == 0 || bytes.len > MOST {
        return Err(format!(
            "{what}: expected 1 to {MOST} bytes, found {}",
            bytes.len
        ));
    }
    // SAFETY: texts of the tables live as long as the library.
    let bytes = unsafe { slice(bytes) };
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(format!("{what}: expected UTF-8 text, found other bytes")),
    }
}

/// Whether the file is an ELF library that is all there: mapping a shorter one is a SIGBUS.
fn check_elf(path: &Path) -> Result<(), String> {
    let read = |error| format!("could not be read: {error}");
    let mut file = File::open(path).map_err(read)?;
    let found = file.metadata().map_err(read)?.len();
    let mut head = [0_u8; 64];
    let mut n = 0;
    while n < head.len() {
        match file.read(&mut head[n..]).map_err(read)? {
            0 => break,
            more => n += more,
        }
    }
    if !head.starts_with(b"\x7fELF") {
        let start = String::from_utf8_lossy(&head[..n.min(8)]).into_owned();
        return Err(format!(
            "not a shared library: expected an ELF file, found {found} bytes that start with {start:?}"
        ));
    }
    // ELF64, little-endian: the table of sections is the last thing that a linker writes.
    if n == head.len() && head[4] == 2 && head[5] == 1 {
        let word = |at: usize| u64::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let at = head[40..48].try_into().map_or(0, u64::from_le_bytes);
        let expected = at.saturating_add(word(58) * word(60));
        if found >= expected {
            return Ok(());
        }
        return Err(format!(
            "the file is truncated or damaged: expected at least {expected} bytes, found {found}"
        ));
    }
    Err(format!(
        "not a shared library of this machine: expected a 64-bit ELF file, found {found} bytes of another kind"
    ))
}

fn without_path(error: &libloading::Error, path: &Path) -> String {
    let text = lode_types::chain(error);
    text.replace(&format!("{}: ", path.display()), "")
}
