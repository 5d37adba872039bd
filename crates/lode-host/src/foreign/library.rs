//! Loads a plugin's library and calls the functions of its tables.
//!
//! Unsafe is here because the library is foreign code. Invariant: a library is never closed,
//! so its tables are `'static`; a table of another length is read as far as both sides know it.
#![expect(unsafe_code, reason = "dlopen and calls of foreign functions")]

use std::ffi::c_void;
use std::path::Path;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use libloading::os::unix::Library;
use libloading::os::unix::RTLD_LOCAL;
use libloading::os::unix::RTLD_NOW;
use lode_abi::ALGORITHM_BYTES_0_1;
use lode_abi::ENTRY_SYMBOL;
use lode_abi::EntryFn;
use lode_abi::LodeAlgorithm;
use lode_abi::LodeBytes;
use lode_abi::LodeHost;
use lode_abi::LodeInput;
use lode_abi::LodePlugin;
use lode_abi::MAGIC;
use lode_abi::MAJOR;
use lode_abi::MINOR;
use lode_abi::OK;
use lode_abi::PLUGIN_BYTES_0_1;
use lode_abi::grown;

use super::manifest;

/// A loaded plugin whose table has the right magic, major version and size.
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    table: LodePlugin,
}

/// An algorithm of a loaded plugin, its table of the right size.
#[derive(Clone, Copy, Debug)]
pub struct Algorithm {
    table: LodeAlgorithm,
}

/// A named input of a call.
#[derive(Debug)]
pub struct Input {
    /// As the algorithm declares it.
    pub name: String,
    /// Its rows; a callee that takes them leaves a released stream.
    pub stream: FFI_ArrowArrayStream,
}

/// Loads a library and shakes hands, as a host of this build.
///
/// # Errors
/// Every problem in words; those that the file's manifest shows, before any of its code runs.
pub fn load(path: &Path) -> Result<Plugin, String> {
    load_as(path, MINOR)
}

/// Loads a library as a host of another minor version would.
///
/// # Errors
/// As of [`load`].
pub fn load_as(path: &Path, host_minor: u32) -> Result<Plugin, String> {
    let manifest = manifest::of_file(path)?;
    if let Some(manifest) = &manifest {
        let problems = manifest.problems();
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
    }
    // SAFETY: loading runs foreign code; that is what this process is for.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| format!("could not be loaded: {}", without_path(&error, path)))?;
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: a symbol of that name has that type, by the ABI.
    let entry = unsafe { library.get::<EntryFn>(ENTRY_SYMBOL.as_bytes()) }
        .map_err(|_| format!("expected the entry symbol {ENTRY_SYMBOL}, found none"))?;
    // SAFETY: the entry function of the ABI; it may be called at any time.
    let table = unsafe { entry(host_minor) };
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
    // SAFETY: with this magic number it has at least the head: magic, major, minor, size.
    let head = unsafe { grown(table, 24) };
    if head.major != MAJOR {
        return Err(format!(
            "expected ABI major version {MAJOR}, found {}.{}",
            head.major, head.minor
        ));
    }
    let (expected, found) = (PLUGIN_BYTES_0_1, head.struct_size as usize);
    if found < expected {
        return Err(format!(
            "expected a plugin table of at least {expected} bytes, found {found}"
        ));
    }
    // SAFETY: as long as it says, and what was appended since 0.1 may be zero.
    let table = unsafe { grown(table, found) };
    Ok(Plugin { table })
}

impl Plugin {
    /// Version of the ABI that it was built for.
    pub fn abi(self) -> String {
        format!("{}.{}", self.table.major, self.table.minor)
    }

    /// Its name.
    ///
    /// # Errors
    /// In words, when it is no text of 1 to 256 bytes.
    pub fn name(self) -> Result<String, String> {
        text(self.table.name, "the plugin's name")
    }

    /// Its version.
    ///
    /// # Errors
    /// As of [`Self::name`].
    pub fn version(self) -> Result<String, String> {
        text(self.table.version, "the plugin's version")
    }

    /// Compiler and target, for people.
    ///
    /// # Errors
    /// As of [`Self::name`].
    pub fn build(self) -> Result<String, String> {
        text(self.table.build, "the plugin's build")
    }

    /// The text that its table says is its manifest; empty when it names none.
    pub fn manifest(self) -> &'static [u8] {
        // SAFETY: what the tables point at lives as long as the library.
        unsafe { slice(self.table.manifest) }
    }

    /// Its algorithms, a problem in the place of each that cannot be read.
    pub fn algorithms(self) -> Vec<Result<Algorithm, String>> {
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
    ///
    /// # Errors
    /// In words, when there is none.
    pub fn algorithm(self, id: &str) -> Result<Algorithm, String> {
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
    let expected = ALGORITHM_BYTES_0_1;
    if found < expected {
        return Err(format!(
            "algorithm {index}: expected a table of at least {expected} bytes, found {found}"
        ));
    }
    // SAFETY: as long as it says, and what was appended since 0.1 may be null.
    let table = unsafe { grown(table, found) };
    Ok(Algorithm { table })
}

impl Algorithm {
    /// Its id.
    ///
    /// # Errors
    /// In words, when it is no text of 1 to 256 bytes.
    pub fn id(self) -> Result<String, String> {
        text(self.table.id, "the algorithm's id")
    }

    /// What is missing, given whether it says that it makes models and that it can be merged.
    pub fn missing(self, makes_models: bool, merges: bool) -> Vec<&'static str> {
        let table = self.table;
        let needed = [
            (table.describe.is_none(), "describe", true),
            (table.fit.is_none(), "fit", true),
            (table.open.is_none(), "open", makes_models),
            (table.score.is_none(), "score", makes_models),
            (table.close.is_none(), "close", makes_models),
            (table.partial.is_none(), "partial", merges),
            (table.merge.is_none(), "merge", merges),
            (table.finish.is_none(), "finish", merges),
        ];
        let missing = needed
            .into_iter()
            .filter(|(null, _, needed)| *null && *needed);
        missing.map(|(_, name, _)| name).collect()
    }

    /// Whether it has the functions of a mergeable algorithm.
    pub fn merges(self) -> bool {
        self.table.partial.is_some() && self.table.merge.is_some() && self.table.finish.is_some()
    }

    /// Whether `describe` said that all is well.
    pub fn describe(self, host: &LodeHost) -> bool {
        let Some(describe) = self.table.describe else {
            return false;
        };
        // SAFETY: the host's table and what it points at outlive the function.
        unsafe { describe(host) == OK }
    }

    /// Whether `fit` said that all is well. Streams that it did not take are freed.
    pub fn fit(self, host: &LodeHost, params: &str, mut inputs: Vec<Input>) -> bool {
        let mut table = table_of(&mut inputs);
        let Some(fit) = self.table.fit else {
            return false;
        };
        let params = LodeBytes::new(params.as_bytes());
        // SAFETY: everything that is passed outlives the function.
        unsafe { fit(host, params, table.as_mut_ptr(), table.len()) == OK }
    }

    /// Whether `partial` said that all is well; as [`Self::fit`].
    pub fn partial(self, host: &LodeHost, params: &str, mut inputs: Vec<Input>) -> bool {
        let mut table = table_of(&mut inputs);
        let Some(partial) = self.table.partial else {
            return false;
        };
        let params = LodeBytes::new(params.as_bytes());
        // SAFETY: everything that is passed outlives the function.
        unsafe { partial(host, params, table.as_mut_ptr(), table.len()) == OK }
    }

    /// Whether `merge` said that all is well.
    pub fn merge(self, host: &LodeHost, params: &str, states: &[&[u8]]) -> bool {
        let Some(merge) = self.table.merge else {
            return false;
        };
        let params = LodeBytes::new(params.as_bytes());
        let states: Vec<LodeBytes> = states.iter().map(|state| LodeBytes::new(state)).collect();
        // SAFETY: everything that is passed outlives the function.
        unsafe { merge(host, params, states.as_ptr(), states.len()) == OK }
    }

    /// Whether `finish` said that all is well.
    pub fn finish(self, host: &LodeHost, params: &str, state: &[u8]) -> bool {
        let Some(finish) = self.table.finish else {
            return false;
        };
        let (params, state) = (LodeBytes::new(params.as_bytes()), LodeBytes::new(state));
        // SAFETY: everything that is passed outlives the function.
        unsafe { finish(host, params, state) == OK }
    }

    /// A scorer, unless `open` failed.
    pub fn open(self, host: &LodeHost, params: &str, model: &[u8]) -> Option<*mut c_void> {
        let open = self.table.open?;
        let mut scorer = std::ptr::null_mut();
        let (params, model) = (LodeBytes::new(params.as_bytes()), LodeBytes::new(model));
        // SAFETY: everything that is passed outlives the function.
        let code = unsafe { open(host, params, model, &raw mut scorer) };
        (code == OK).then_some(scorer)
    }

    /// The result, unless `score` failed.
    ///
    /// # Safety
    /// `scorer` is one that `open` of the same algorithm gave and that is not closed.
    pub unsafe fn score(
        self,
        host: &LodeHost,
        scorer: *mut c_void,
        mut inputs: Vec<Input>,
    ) -> Option<FFI_ArrowArrayStream> {
        let score = self.table.score?;
        let mut table = table_of(&mut inputs);
        let mut out = FFI_ArrowArrayStream::empty();
        let place = std::ptr::from_mut(&mut out).cast();
        // SAFETY: everything that is passed outlives the function; the scorer is live.
        let code = unsafe { score(host, scorer, table.as_mut_ptr(), table.len(), place) };
        (code == OK).then_some(out)
    }

    /// Frees a scorer.
    ///
    /// # Safety
    /// As of [`Self::score`]; it is not used again.
    pub unsafe fn close(self, scorer: *mut c_void) {
        if let Some(close) = self.table.close {
            // SAFETY: the caller's promise.
            unsafe { close(scorer) };
        }
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
pub unsafe fn slice<'a>(bytes: LodeBytes) -> &'a [u8] {
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

fn without_path(error: &libloading::Error, path: &Path) -> String {
    let text = lode_types::chain(error);
    text.replace(&format!("{}: ", path.display()), "")
}
