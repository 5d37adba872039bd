//! What calls into a plugin cost without an engine around them, as one JSON object:
//! `costs --lode LODE --runs N LIBRARY ALGORITHM` starts `LODE worker` as an engine does.
//!
//! `cargo xtask bench plugin` builds and runs it. Times are microseconds; `runs` of the slow
//! calls, `calls` of the scores.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::error::Error;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use arrow_array::RecordBatch;
use lode_host::Binding;
use lode_host::CancelFlag;
use lode_host::FitCall;
use lode_host::Host;
use lode_host::HostConfig;
use lode_host::InputTable;
use lode_host::QuarantineRule;
use lode_host::Scorer;
use lode_host::ScorerCall;
use lode_host::foreign::manifest;
use lode_sample::trial;
use lode_types::role_of;
use lode_worker::Spawner;
use serde_json::Value;
use serde_json::json;

/// Rows of the table that the model is made from; the most that are scored in one call.
const ROWS: usize = 100;
/// Scores of each size.
const CALLS: usize = 20_000;
const MEMORY_BYTES: u64 = 1 << 30;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [_, lode, _, runs, library, algorithm] = arguments.as_slice() else {
        return Err("expected --lode LODE --runs N LIBRARY ALGORITHM".into());
    };
    let bench = Bench {
        lode: PathBuf::from(lode),
        library: PathBuf::from(library),
        algorithm: algorithm.clone(),
        threads: u32::try_from(std::thread::available_parallelism()?.get())?,
        spawner: Arc::new(Spawner::start()?),
    };
    println!("{}", bench.run(runs.parse()?)?);
    Ok(())
}

struct Bench {
    lode: PathBuf,
    library: PathBuf,
    algorithm: String,
    /// All processors, as jobs and models have that say nothing of threads.
    threads: u32,
    spawner: Arc<Spawner>,
}

impl Bench {
    fn run(&self, runs: usize) -> Result<Value> {
        let bare = tempfile::tempdir()?;
        let one = tempfile::tempdir()?;
        let file_name = self.library.file_name().ok_or("a library has a name")?;
        fs::copy(&self.library, one.path().join(file_name))?;
        let file_name = file_name.to_string_lossy();

        let manifest = times(runs * 20, || {
            manifest::of_file(&self.library)?;
            Ok(())
        })?;
        // A host without libraries starts one worker, which confines itself and answers.
        let start = times(runs, || self.host(bare.path()).map(drop))?;
        let with = times(runs, || self.host(one.path()).map(drop))?;
        let host = self.host(one.path())?;
        // A file that is loaded already is copied and hashed, and found to be the same.
        let copy = times(runs, || {
            host.load(&file_name)?;
            Ok(())
        })?;
        // An engine's start with the library is these two, and the child that inspects.
        let child =
            |percent| share(&with, percent) - share(&start, percent) - share(&copy, percent);
        let inspect = json!({ "least": child(0), "p50": child(50) });

        let (made, model) = self.fit(&host)?;
        let fit = times(runs, || self.fit(&host).map(drop))?;
        let open = times(runs, || self.open(&host, &model).map(drop))?;
        let mut scorer = self.open(&host, &model)?;
        let spec = &host.algorithm(&self.algorithm).ok_or("gone")?.spec;
        let (name, question) = trial::question(spec, &made);
        let mut score = |rows: usize| {
            let batch = question.slice(0, rows.min(question.num_rows()));
            times(CALLS, || {
                let deadline = Instant::now() + Duration::from_secs(20);
                scorer.score(vec![(name.clone(), batch.clone().into())], deadline)?;
                Ok(())
            })
        };
        let (score_one, score_many) = (score(1)?, score(ROWS)?);
        Ok(json!({
            "bytes": fs::metadata(&self.library)?.len(),
            "runs": runs,
            "calls": CALLS,
            "manifest": told(&manifest),
            "copy": told(&copy),
            "inspect": inspect,
            "start": told(&start),
            "open": told(&open),
            "fit": told(&fit),
            "score_1": told(&score_one),
            "score_100": told(&score_many),
        }))
    }

    fn host(&self, plugin_dir: &Path) -> Result<Host> {
        Ok(Host::start(HostConfig {
            plugin_dir: plugin_dir.to_owned(),
            cache_dir: plugin_dir.join("cache"),
            worker_program: self.lode.clone(),
            worker_args: vec!["worker".to_owned()],
            spawner: Arc::clone(&self.spawner),
            containment_required: false,
            quarantine: QuarantineRule::default(),
        })?)
    }

    /// A fit of a few made rows: those, and the model.
    fn fit(&self, host: &Host) -> Result<(Vec<(String, RecordBatch)>, File)> {
        let loaded = host.algorithm(&self.algorithm).ok_or("no such algorithm")?;
        let made = trial::inputs(&loaded.spec, ROWS, 1);
        let mut inputs = Vec::new();
        for (name, batch) in &made {
            let schema = batch.schema();
            inputs.push(InputTable {
                name: name.clone(),
                files: vec![lode_parts::memfd("made", &schema, [batch.clone()])?],
                columns: schema
                    .fields()
                    .iter()
                    .map(|field| Binding {
                        column: field.name().clone(),
                        role: role_of(field),
                    })
                    .collect(),
            });
        }
        let model = tempfile::tempfile()?;
        let mut outputs = Vec::new();
        for output in &loaded.spec.outputs {
            outputs.push((output.name.clone(), tempfile::tempfile()?));
        }
        let call = FitCall {
            algorithm: self.algorithm.clone(),
            params_json: "{}".to_owned(),
            seed: 1,
            threads: self.threads,
            memory_bytes: MEMORY_BYTES,
            deadline: Instant::now() + Duration::from_secs(60),
            inputs,
            outputs,
            models: vec![(String::new(), model.try_clone()?)],
            base_model: None,
        };
        host.fit(call, &mut |_| {}, &CancelFlag::new())?;
        Ok((made, model))
    }

    fn open(&self, host: &Host, model: &File) -> Result<Scorer> {
        Ok(host.open_scorer(ScorerCall {
            algorithm: self.algorithm.clone(),
            params_json: "{}".to_owned(),
            model: model.try_clone()?,
            seed: 1,
            threads: self.threads,
            memory_bytes: MEMORY_BYTES,
        })?)
    }
}

/// Microseconds of each of so many calls, ascending; a tenth more come first and do not count.
fn times(calls: usize, mut call: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    for _ in 0..calls.div_ceil(10) {
        call()?;
    }
    let mut micros = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        call()?;
        micros.push(start.elapsed().as_secs_f64() * 1e6);
    }
    micros.sort_by(f64::total_cmp);
    Ok(micros)
}

fn told(sorted: &[f64]) -> Value {
    json!({
        "least": share(sorted, 0), "p50": share(sorted, 50), "p99": share(sorted, 99),
    })
}

fn share(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
