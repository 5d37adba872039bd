//! An algorithm under test in this process, and its calls.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::RecordBatch;
use lode_abi::FAIL_BUG;
use lode_abi::FAIL_CANCELLED;
use lode_abi::FAIL_INVALID;
use lode_abi::FAIL_MODEL;
use lode_abi::FAIL_NUMERIC;
use lode_abi::FAIL_PANIC;
use lode_host::foreign::Algorithm;
use lode_host::foreign::Budget;
use lode_host::foreign::Front;
use lode_host::foreign::Input;
use lode_sample::trial;
use lode_types::AlgorithmSpec;

use crate::counted;
use crate::counted::Ledger;
use crate::counted::Source;
use crate::ear;
use crate::ear::Ear;
use crate::ear::Fail;
use crate::ear::Heard;
use crate::verdict::Stop;
use crate::verdict::failed;

/// Rows of an ordinary table.
pub(crate) const ROWS: usize = 400;

/// An algorithm, described.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) algorithm: Algorithm,
    pub(crate) spec: AlgorithmSpec,
    pub(crate) seed: u64,
}

/// The inputs of a call, by name.
pub(crate) type Sources = Vec<(String, Source)>;

/// How a call is made.
#[derive(Clone, Debug)]
pub(crate) struct How {
    pub(crate) params: String,
    pub(crate) seed: u64,
    pub(crate) threads: u32,
    pub(crate) cancel: Arc<AtomicBool>,
    pub(crate) base_model: Option<Vec<u8>>,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) ok: bool,
    pub(crate) heard: Heard,
    /// What was not released exactly once, when nothing of the call is left.
    pub(crate) unreleased: Vec<String>,
}

/// A model that is open; closed when it is dropped.
pub(crate) struct Opened<'a> {
    subject: &'a Subject,
    scorer: *mut c_void,
}

impl How {
    pub(crate) fn plain(seed: u64) -> Self {
        Self {
            params: "{}".to_owned(),
            seed,
            threads: 2,
            cancel: Arc::default(),
            base_model: None,
        }
    }

    pub(crate) fn with_params(mut self, params: &str) -> Self {
        params.clone_into(&mut self.params);
        self
    }

    pub(crate) fn with_threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    fn budget(&self) -> Budget {
        Budget {
            seed: self.seed,
            threads: self.threads,
            ..Budget::default()
        }
    }

    fn ear(&self) -> Ear {
        Ear::new(Arc::clone(&self.cancel), self.base_model.clone())
    }
}

impl Subject {
    /// Asks the algorithm to describe itself.
    pub(crate) fn of(algorithm: Algorithm, seed: u64) -> Result<Self, String> {
        let ear = Ear::default();
        let front = Front::new(&ear);
        let told = algorithm.describe(&front.table(Budget::default()));
        let heard = ear.into_heard();
        let json = match heard.spec {
            Some(json) if told => json,
            _ => return Err("describe gave no description".to_owned()),
        };
        let spec = serde_json::from_slice(&json)
            .map_err(|error| format!("its description cannot be read: {error}"))?;
        Ok(Self {
            algorithm,
            spec,
            seed,
        })
    }

    /// Ordinary tables for its inputs.
    pub(crate) fn tables(&self, rows: usize) -> Vec<(String, RecordBatch)> {
        trial::inputs(&self.spec, rows, self.seed)
    }

    /// What an open model is asked about ordinary tables.
    pub(crate) fn question(&self, rows: usize) -> (String, RecordBatch) {
        trial::question(&self.spec, &self.tables(rows))
    }

    /// Streams of tables, for a call that is made by hand.
    pub(crate) fn inputs_of(&self, tables: Vec<(String, RecordBatch)>) -> Vec<Input> {
        streams(plain(tables)).0
    }

    pub(crate) fn how(&self) -> How {
        How::plain(self.seed)
    }

    pub(crate) fn makes_models(&self) -> bool {
        self.spec.model_format.is_some()
    }

    pub(crate) fn fit(&self, how: &How, sources: Sources) -> Ended {
        let ear = how.ear();
        let (inputs, ledger) = streams(sources);
        let front = Front::new(&ear);
        let host = front.table(how.budget());
        let ok = self.algorithm.fit(&host, &how.params, inputs);
        ended(ok, ear, &ledger)
    }

    pub(crate) fn partial(&self, how: &How, sources: Sources) -> Ended {
        let ear = how.ear();
        let (inputs, ledger) = streams(sources);
        let front = Front::new(&ear);
        let host = front.table(how.budget());
        let ok = self.algorithm.partial(&host, &how.params, inputs);
        ended(ok, ear, &ledger)
    }

    pub(crate) fn merge(&self, how: &How, states: &[&[u8]]) -> Ended {
        let ear = how.ear();
        let front = Front::new(&ear);
        let host = front.table(how.budget());
        let ok = self.algorithm.merge(&host, &how.params, states);
        ended(ok, ear, &Ledger::default())
    }

    pub(crate) fn finish(&self, how: &How, state: &[u8]) -> Ended {
        let ear = how.ear();
        let front = Front::new(&ear);
        let host = front.table(how.budget());
        let ok = self.algorithm.finish(&host, &how.params, state);
        ended(ok, ear, &Ledger::default())
    }

    /// An ordinary fit, which has to succeed.
    pub(crate) fn fitted(&self, how: &How, rows: usize) -> Result<Heard, Stop> {
        let sources = plain(self.tables(rows));
        self.fit(how, sources).success("a fit on ordinary rows")
    }

    /// The main model of an ordinary fit.
    pub(crate) fn model(&self, how: &How, rows: usize) -> Result<Vec<u8>, Stop> {
        let heard = self.fitted(how, rows)?;
        let mut models = heard.models;
        models
            .remove("")
            .ok_or_else(|| failed("fit gave no model, and the description has a model_format"))
    }

    /// Opens a model; the failure is the plugin's own.
    pub(crate) fn open(&self, how: &How, model: &[u8]) -> Result<Opened<'_>, Option<Fail>> {
        let ear = how.ear();
        let front = Front::new(&ear);
        let host = front.table(how.budget());
        match self.algorithm.open(&host, &how.params, model) {
            Some(scorer) => Ok(Opened {
                subject: self,
                scorer,
            }),
            None => Err(ear.into_heard().fail),
        }
    }

    /// Opens a model that has to open.
    pub(crate) fn opened(&self, how: &How, model: &[u8]) -> Result<Opened<'_>, Stop> {
        self.open(how, model)
            .map_err(|fail| failed(format!("open refused a model of its own: {}", why(&fail))))
    }
}

impl Opened<'_> {
    /// Scores rows: the answer, or the plugin's own failure.
    #[expect(
        unsafe_code,
        reason = "the scorer goes back to the library that gave it"
    )]
    pub(crate) fn score(
        &self,
        how: &How,
        name: &str,
        source: Source,
    ) -> Result<(RecordBatch, Vec<String>), Option<Fail>> {
        let ear = how.ear();
        let (inputs, ledger) = streams(vec![(name.to_owned(), source)]);
        let front = Front::new(&ear);
        let host = front.table(how.budget());
        // SAFETY: `open` of the same algorithm gave the scorer, which is not closed yet.
        let stream = unsafe { self.subject.algorithm.score(&host, self.scorer, inputs) };
        let Some(stream) = stream else {
            return Err(ear.into_heard().fail);
        };
        let answer = ear::read(stream).map_err(|text| {
            Some(Fail {
                code: FAIL_BUG,
                field: String::new(),
                text: format!("the answer of score: {text}"),
            })
        })?;
        // Views of the inputs may live in the answer until it is copied.
        let copied = copied(&answer).unwrap_or_else(|| answer.clone());
        drop(answer);
        Ok((copied, ledger.problems()))
    }

    /// Scores rows that have to be scored.
    pub(crate) fn scored(
        &self,
        how: &How,
        name: &str,
        batch: RecordBatch,
    ) -> Result<RecordBatch, Stop> {
        let scored = self.score(how, name, Source::of(batch));
        let (answer, _) = scored
            .map_err(|fail| failed(format!("score refused ordinary rows: {}", why(&fail))))?;
        Ok(answer)
    }
}

impl Drop for Opened<'_> {
    #[expect(
        unsafe_code,
        reason = "the scorer goes back to the library that gave it"
    )]
    fn drop(&mut self) {
        // SAFETY: `open` of the same algorithm gave it, and this is its only end.
        unsafe { self.subject.algorithm.close(self.scorer) };
    }
}

impl Ended {
    /// What was given, when the call succeeded.
    pub(crate) fn success(self, what: &str) -> Result<Heard, Stop> {
        if !self.ok {
            return Err(failed(format!("{what} failed: {}", why(&self.heard.fail))));
        }
        if let Some(broken) = self.heard.broken.first() {
            return Err(failed(format!("{what}: {broken}")));
        }
        Ok(self.heard)
    }

    /// Whether it ended as a call on bad rows or parameters may: with a result, or with words
    /// that blame them.
    pub(crate) fn decent(&self, what: &str) -> Result<(), Stop> {
        if let Some(broken) = self.heard.broken.first() {
            return Err(failed(format!("{what}: {broken}")));
        }
        match self.ok {
            true => Ok(()),
            false => decent_failure(&self.heard.fail, what),
        }
    }
}

/// Whether a failure blames what it was given, and not the plugin itself.
pub(crate) fn decent_failure(fail: &Option<Fail>, what: &str) -> Result<(), Stop> {
    match fail {
        None => Err(failed(format!("{what}: it failed and gave no reason"))),
        Some(fail) if fail.text.trim().is_empty() => {
            Err(failed(format!("{what}: it failed with empty words")))
        }
        Some(fail) => match fail.code {
            FAIL_INVALID if fail.field.is_empty() => Err(failed(format!(
                "{what}: it blames the input or a parameter and names none ({})",
                fail.text
            ))),
            FAIL_INVALID | FAIL_NUMERIC | FAIL_CANCELLED | FAIL_MODEL => Ok(()),
            _ => Err(failed(format!("{what}: {}", why(&Some(fail.clone()))))),
        },
    }
}

/// A failure in words.
pub(crate) fn why(fail: &Option<Fail>) -> String {
    let Some(Fail { code, field, text }) = fail else {
        return "it gave no reason".to_owned();
    };
    let kind = match *code {
        FAIL_INVALID => "refused",
        FAIL_CANCELLED => "cancelled",
        FAIL_MODEL => "model refused",
        FAIL_NUMERIC => "no result",
        FAIL_PANIC => "panic",
        _ => "a bug",
    };
    match field.as_str() {
        "" => format!("{kind}: {text}"),
        field => format!("{kind}: {field}: {text}"),
    }
}

/// Tables as they are.
pub(crate) fn plain(tables: Vec<(String, RecordBatch)>) -> Sources {
    let tables = tables.into_iter();
    tables
        .map(|(name, batch)| (name, Source::of(batch)))
        .collect()
}

fn streams(sources: Sources) -> (Vec<Input>, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::default());
    let inputs = sources.into_iter().map(|(name, source)| Input {
        stream: counted::stream(&name, source, &ledger),
        name,
    });
    (inputs.collect(), ledger)
}

fn ended(ok: bool, ear: Ear, ledger: &Ledger) -> Ended {
    let mut heard = ear.into_heard();
    // Outputs may be views of the inputs, which then live as long.
    let outputs = std::mem::take(&mut heard.outputs);
    let copies: BTreeMap<String, RecordBatch> = outputs
        .iter()
        .map(|(name, batch)| {
            let copy = copied(batch).unwrap_or_else(|| batch.clone());
            (name.clone(), copy)
        })
        .collect();
    drop(outputs);
    heard.outputs = copies;
    Ended {
        ok,
        heard,
        unreleased: ledger.problems(),
    }
}

/// The same rows in memory of their own.
fn copied(batch: &RecordBatch) -> Option<RecordBatch> {
    let schema = batch.schema();
    let mut bytes = Vec::new();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &schema).ok()?;
    writer.write(batch).ok()?;
    writer.finish().ok()?;
    drop(writer);
    let mut reader = arrow_ipc::reader::StreamReader::try_new(bytes.as_slice(), None).ok()?;
    reader.next()?.ok()
}
