//! Parameters drawn from the schema, at its bounds and beyond them: none may panic.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lode_numeric::Rng;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Case;
use super::Check;
use super::Run;
use crate::counted::Source;
use crate::subject::How;
use crate::subject::decent_failure;
use crate::subject::plain;
use crate::verdict::Checked;

/// Calls that are made.
const CALLS: u64 = 64;
/// Rows of each.
const ROWS: usize = 60;
/// How long one may take before it is asked to stop: large values may mean much work.
const PATIENCE: Duration = Duration::from_millis(400);

pub(super) const PARAMS: Check = Check {
    name: "params",
    about: "parameters drawn from the schema, its bounds and beyond never panic",
    run: Run::One(params),
};

fn params(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let schema: Value = serde_json::from_str(&subject.spec.params_schema).unwrap_or(Value::Null);
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.unwrap_or(&empty);
    let tables = subject.tables(ROWS);
    let question = subject.question(10);
    let mut succeeded = 0;
    let odd = [
        "",
        "[]",
        "null",
        "{",
        "7",
        "\"text\"",
        "{\"kit unknown\": 1}",
    ];
    for call in 0..CALLS + odd.len() as u64 {
        let mut rng = Rng::stream(subject.seed, call);
        let drawn = match call.checked_sub(CALLS) {
            Some(at) => odd[at as usize].to_owned(),
            None => draw(properties, &mut rng).to_string(),
        };
        (case.step)(&format!("fit with parameters {drawn}"));
        let cancel = Arc::new(AtomicBool::new(false));
        let how = How {
            params: drawn.clone(),
            cancel: Arc::clone(&cancel),
            ..subject.how()
        };
        let stopper = Stopper::start(&cancel);
        let ended = subject.fit(&how, plain(tables.clone()));
        drop(stopper);
        ended.decent(&format!("with parameters {drawn}"))?;
        succeeded += u64::from(ended.ok);
        // A model is opened with the parameters of its job.
        if let (true, Some(model)) = (ended.ok, ended.heard.models.get("")) {
            (case.step)(&format!("open and score with parameters {drawn}"));
            let what = format!("opening with parameters {drawn}");
            match subject.open(&how, model) {
                Ok(opened) => {
                    let asked = opened.score(&how, &question.0, Source::of(question.1.clone()));
                    if let Err(fail) = asked {
                        decent_failure(&fail, &format!("scoring with parameters {drawn}"))?;
                    }
                }
                Err(fail) => decent_failure(&fail, &what)?,
            }
        }
    }
    Ok(format!(
        "{} calls, {succeeded} with a result",
        CALLS + odd.len() as u64
    ))
}

/// Asks a call to stop after a while, unless it is dropped before.
struct Stopper {
    over: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Stopper {
    fn start(cancel: &Arc<AtomicBool>) -> Self {
        let cancel = Arc::clone(cancel);
        let (over, waits) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("stopper".to_owned());
        let thread = thread.spawn(move || {
            if waits.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                cancel.store(true, Ordering::SeqCst);
            }
        });
        Self {
            over: Some(over),
            // Without it the check takes longer, and finds the same.
            thread: thread.ok(),
        }
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic.
            drop(thread.join());
        }
    }
}

fn draw(properties: &Map<String, Value>, rng: &mut Rng) -> Value {
    let mut params = Map::new();
    for (name, property) in properties {
        // Half of the parameters keep their defaults.
        if rng.below(2) == 0 {
            params.insert(name.clone(), value(property, rng));
        }
    }
    Value::Object(params)
}

/// A value of a property: mostly one that its schema takes, sometimes one that it does not.
fn value(property: &Value, rng: &mut Rng) -> Value {
    if rng.below(8) == 0 {
        return wrong(rng);
    }
    if let Some(choices) = property.get("enum").and_then(Value::as_array) {
        let at = rng.below(choices.len().max(1) as u64) as usize;
        return choices.get(at).cloned().unwrap_or(Value::Null);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(parts) = property.get(key).and_then(Value::as_array) {
            let at = rng.below(parts.len().max(1) as u64) as usize;
            let part = parts.get(at).cloned().unwrap_or(Value::Null);
            return part
                .get("const")
                .cloned()
                .unwrap_or_else(|| value(&part, rng));
        }
    }
    let kinds: Vec<&str> = match property.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let at = rng.below(kinds.len().max(1) as u64) as usize;
    match kinds.get(at).copied() {
        Some("integer") => integer(property, rng),
        Some("number") => number(property, rng),
        Some("boolean") => Value::Bool(rng.below(2) == 0),
        Some("string") => text(rng),
        Some("array") => {
            let item = property.get("items").cloned().unwrap_or(Value::Null);
            (0..rng.below(4)).map(|_| value(&item, rng)).collect()
        }
        Some("object") => {
            let empty = Map::new();
            let inner = property.get("properties").and_then(Value::as_object);
            draw(inner.unwrap_or(&empty), rng)
        }
        _ => Value::Null,
    }
}

fn integer(property: &Value, rng: &mut Rng) -> Value {
    let bound = |key: &str| property.get(key).and_then(Value::as_i64);
    let least = bound("minimum").unwrap_or(0);
    let most = bound("maximum").unwrap_or(least.saturating_add(1_000));
    match rng.below(6) {
        0 => json!(least),
        1 => json!(most),
        2 => json!(least.saturating_sub(1)),
        3 => json!(most.saturating_add(1)),
        _ => {
            let span = most.saturating_sub(least).clamp(0, 20) as u64;
            json!(least.saturating_add(rng.below(span + 1) as i64))
        }
    }
}

fn number(property: &Value, rng: &mut Rng) -> Value {
    let bound = |key: &str| property.get(key).and_then(Value::as_f64);
    let least = bound("minimum")
        .or(bound("exclusiveMinimum"))
        .unwrap_or(0.0);
    let most = bound("maximum").or(bound("exclusiveMaximum"));
    let most = most.unwrap_or(least + 10.0);
    match rng.below(7) {
        0 => json!(least),
        1 => json!(most),
        2 => json!(least - 1.0),
        3 => json!(1e308),
        4 => json!(5e-324),
        _ => json!(least + (most - least) * (rng.below(1_001) as f64 / 1_000.0)),
    }
}

fn text(rng: &mut Rng) -> Value {
    let texts = [
        "",
        "a",
        "customer_id",
        "0",
        "no such column",
        "é\u{0}\n",
        "2026-01-01",
    ];
    let at = rng.below(texts.len() as u64 + 1) as usize;
    texts
        .get(at)
        .map_or_else(|| json!("x".repeat(10_000)), |text| json!(text))
}

/// A value of a type that has nothing to do with the property.
fn wrong(rng: &mut Rng) -> Value {
    match rng.below(7) {
        0 => Value::Null,
        1 => json!(-1),
        2 => json!(u64::MAX),
        3 => json!(1e300),
        4 => json!([[[[[]]]]]),
        5 => json!({"a": {"b": {}}}),
        _ => text(rng),
    }
}
