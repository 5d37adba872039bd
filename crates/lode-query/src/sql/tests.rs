//! Workers that are none. The real one is driven by the integration tests.

use std::path::PathBuf;
use std::sync::Arc;

use lode_types::Class;
use lode_types::Failure;
use lode_types::Timestamp;
use lode_types::chain;
use lode_worker::Spawner;

use super::QueryOptions;
use super::Sql;
use super::SqlLimits;

fn refused(program: &str) -> crate::Error {
    let spawner = Arc::new(Spawner::start().unwrap());
    let limits = SqlLimits {
        memory_bytes: 64 << 20,
        scratch: None,
        scratch_bytes: 0,
    };
    let sql = Sql::new(spawner, PathBuf::from(program), limits).unwrap();
    let options = QueryOptions::at(Timestamp(0));
    sql.open("select 1", &options).unwrap_err()
}

#[test]
fn a_worker_that_is_not_there_is_named() {
    let error = refused("/nowhere/lode-sql");
    assert_eq!(error.reason(), "WORKER_START_FAILED");
    assert_eq!(error.class(), Class::Unavailable);
    assert!(
        chain(&error).contains("/nowhere/lode-sql"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_worker_that_ends_without_an_answer_is_a_failure_whatever_its_code() {
    for (program, end) in [("/bin/false", "code 1"), ("/bin/true", "code 0")] {
        let error = refused(program);
        assert_eq!(error.reason(), "SQL_FAILED");
        let text = format!("the query's worker exited with {end} before it was done");
        assert_eq!(error.to_string(), text);
    }
}
