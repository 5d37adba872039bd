//! Loads through a connection that breaks: the engine ends with the file's rows, each once.

mod fake;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use self::fake::Fake;
use self::fake::Fault;
use super::Pauses;
use super::run;
use crate::BadRows;
use crate::Ingest;
use crate::IngestEvent;
use crate::Lode;
use crate::Options;
use crate::Outcome;
use crate::RetryPolicy;
use crate::ingest::source::Source;
use crate::ingest::text::TextFile;
use crate::ingest::text::TextOptions;

const ANY: &str = "127.0.0.1:0";

fn text() -> String {
    let rows: Vec<String> = (0..200).map(|i| format!("{i},\"{i}\n\"\n")).collect();
    format!("a,b\n{}", rows.concat())
}

fn rows(text: &str) -> &[u8] {
    &text.as_bytes()[4..]
}

/// A file of some 20 chunks.
fn source(dir: &tempfile::TempDir) -> Arc<dyn Source> {
    let path: PathBuf = dir.path().join("t.csv");
    std::fs::write(&path, text()).unwrap();
    let file = TextFile::open(&path, &TextOptions::default()).unwrap();
    Arc::new(file.with_target(100))
}

fn ingest(addr: SocketAddr) -> Ingest {
    let options = Options {
        retry: RetryPolicy::never(),
        ..Options::default()
    };
    let lode = Lode::lazy(&addr.to_string(), options).unwrap();
    lode.ingest("d").patience(Duration::from_secs(5))
}

#[tokio::test]
async fn every_fault_ends_in_each_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    fake.ledger.lock().unwrap().faults = [Fault::EndAfter(3), Fault::LoseAck, Fault::Damage].into();
    let (addr, _server) = fake.serve(ANY.parse().unwrap()).await;
    let waits = Arc::new(Mutex::new(0));
    let seen = waits.clone();
    let load = ingest(addr).on_event(move |event| {
        if matches!(event, IngestEvent::Waiting { .. }) {
            *seen.lock().unwrap() += 1;
        }
    });
    let report = run(load, source(&dir)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Loaded);
    assert_eq!(fake.text(), rows(&text()));
    assert_eq!(*waits.lock().unwrap(), 3);
    let n_chunks = fake.ledger.lock().unwrap().chunks.len();
    assert!(n_chunks > 15);

    // The same file again: nothing is sent.
    let again = run(ingest(addr), source(&dir)).await.unwrap();
    assert_eq!(again.outcome, Outcome::AlreadyLoaded);
    assert_eq!(again.ingest, report.ingest);
    assert_eq!(fake.ledger.lock().unwrap().chunks.len(), n_chunks);
}

#[tokio::test]
async fn a_second_process_goes_on_where_the_first_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    fake.ledger.lock().unwrap().faults = [Fault::EndAfter(4)].into();
    let (addr, _server) = fake.serve(ANY.parse().unwrap()).await;
    let first = ingest(addr).patience(Duration::ZERO);
    let error = run(first, source(&dir)).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    assert_eq!(fake.ledger.lock().unwrap().chunks.len(), 4);

    let opened = Arc::new(Mutex::new(None));
    let seen = opened.clone();
    let second = ingest(addr).on_event(move |event| {
        if let IngestEvent::Opened { rows, resumed, .. } = event {
            *seen.lock().unwrap() = Some((rows, resumed));
        }
    });
    let report = run(second, source(&dir)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Loaded);
    assert_eq!(*opened.lock().unwrap(), Some((4, true)));
    assert_eq!(fake.text(), rows(&text()));
}

#[tokio::test]
async fn an_engine_that_comes_back_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    fake.ledger.lock().unwrap().faults = [Fault::EndAfter(2)].into();
    let (addr, server) = fake.serve(ANY.parse().unwrap()).await;
    let loading = tokio::spawn(run(ingest(addr), source(&dir)));
    // The stream ends after two chunks; the engine is gone before the load tries again.
    while fake.ledger.lock().unwrap().faults.len() == 1 {
        tokio::task::yield_now().await;
    }
    server.abort();
    drop(server.await);
    let (_, _server) = fake.serve(addr).await;
    loading.await.unwrap().unwrap();
    assert_eq!(fake.text(), rows(&text()));
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = std::net::TcpListener::bind(ANY)
        .unwrap()
        .local_addr()
        .unwrap();
    let error = run(ingest(nobody), source(&dir)).await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

#[tokio::test]
async fn a_refused_row_stops_the_load_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    fake.ledger.lock().unwrap().faults = [Fault::BadRow].into();
    let (addr, _server) = fake.serve(ANY.parse().unwrap()).await;
    let strict = ingest(addr).bad_rows(BadRows::Fail);
    let error = run(strict, source(&dir)).await.unwrap_err();
    assert!(error.has_reason("BAD_ROWS"), "{error}");
    assert!(fake.ledger.lock().unwrap().aborted);

    // The file's own id is used up by the aborted load, so the next run takes another.
    let report = run(ingest(addr), source(&dir)).await.unwrap();
    assert!(report.ingest.ends_with(".2"), "{}", report.ingest);
    assert_eq!(fake.text(), rows(&text()));
}

#[tokio::test]
async fn an_aborted_load_of_a_given_id_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    fake.ledger.lock().unwrap().aborted = true;
    fake.ledger.lock().unwrap().id = "mine".to_owned();
    let (addr, _server) = fake.serve(ANY.parse().unwrap()).await;
    let error = run(ingest(addr).id("mine"), source(&dir))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("found mine of dataset d aborted")
    );
}

#[test]
fn pauses_double_up_to_two_seconds_until_patience_ends() {
    let mut now = Instant::now();
    let mut pauses = Pauses::new(now + Duration::from_secs(7));
    let mut millis = Vec::new();
    while let Some(pause) = pauses.next(now) {
        millis.push(pause.as_millis());
        now += pause;
    }
    assert_eq!(millis, [200, 400, 800, 1600, 2000, 2000]);
}
