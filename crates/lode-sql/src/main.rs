//! `lode-sql`: the worker process that runs users' SELECTs over table files.
//!
//! The engine starts it, hands it open files and reads Arrow batches back; it has no store,
//! no network and no disk of its own, and its memory is bounded, so a hostile query costs
//! this process and nothing else. It is the only crate that links DataFusion.
//!
//! Reading order: `talk` speaks with the engine; `statement` reads the SQL and says which
//! tables it names, with `timed` for datasets as they were and `bind` for parameters;
//! `spelling` gives unquoted names their true case; `engine` plans and runs; `session` sets
//! DataFusion up and `checked` makes its arithmetic fail rather than lie; `table` is a table as
//! DataFusion sees it, `scan` plans how it is read, with `prune`, which says which batches may
//! be skipped, and `range`, which rows; `read` reads them; `sorted` aggregates rows that lie by
//! customer; `explain` says so to people; `output` makes the rows that leave.

mod talk;

mod bind;
mod spelling;
mod statement;
mod timed;

mod engine;
mod session;

mod checked;

mod prune;
mod range;
mod read;
mod scan;
mod table;

mod sorted;

mod explain;

mod output;

mod failure;
mod wording;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

/// Part of the memory limit that queries may take; the rest is for what is not accounted for.
const QUERY_SHARE: f64 = 0.8;

fn main() -> ExitCode {
    let served = lode_worker::enter()
        .map_err(anyhow::Error::from)
        .and_then(|channel| talk::serve(&channel, query_memory()).map_err(anyhow::Error::from));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the engine keeps the last words of a worker"
            )]
            {
                eprintln!("lode-sql: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Bytes that queries may take, from the limit that the engine set on this process.
fn query_memory() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Data);
    match limit.current {
        Some(bytes) => (bytes as f64 * QUERY_SHARE) as usize,
        None => usize::MAX,
    }
}
