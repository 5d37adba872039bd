//! Speaks with the engine: one query from its text to its rows, then the next or the end.
//!
//! Requests come in one order: open, provide, then execute or explain. A worker whose query has
//! come to its last row takes another, unless that left much memory behind; everything else, a
//! query that fails too, ends the process, like a request out of turn or a socket that breaks.

use std::fs::File;

use lode_parts::Table;
use lode_worker::Channel;
use lode_worker::Error;
use lode_worker::Result;
use lode_worker::sql::Reply;
use lode_worker::sql::Request;

use crate::engine;
use crate::engine::Ended;
use crate::failure::Failed;
use crate::output;
use crate::table::Provided;

/// Private memory with which a worker does not go on.
const MOST_PRIVATE_BYTES: u64 = 96 << 20;

/// Serves queries, one after the other.
pub(crate) fn serve(channel: &Channel, memory_bytes: usize) -> Result<()> {
    loop {
        match converse(channel, memory_bytes) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(Ended::Closed(error)) => return Err(error),
            Err(Ended::Failed(Failed { reason, message })) => {
                let reason = reason.to_owned();
                return channel.send(&Reply::Failed { reason, message }, &[], &[]);
            }
        }
    }
}

/// Serves one query; whether there may be another.
fn converse(channel: &Channel, memory_bytes: usize) -> std::result::Result<bool, Ended> {
    let send = |reply: &Reply, body: &[u8]| channel.send(reply, body, &[]).map_err(Ended::Closed);
    let receive = || channel.recv::<Request>().map_err(Ended::Closed);

    let Some(received) = receive()? else {
        return Ok(false);
    };
    let Request::Open { sql, options } = received.message else {
        return Err(out_of_turn("open"));
    };
    let opened = engine::open(&sql, &options, memory_bytes).map_err(Ended::Failed)?;
    let tables = opened.tables().to_vec();
    send(&Reply::Tables { tables }, &[])?;

    let Some(received) = receive()? else {
        return Ok(false);
    };
    let Request::Provide { tables } = received.message else {
        return Err(out_of_turn("provide"));
    };
    let mut files = received.fds.into_iter().map(File::from);
    let mut provided = Vec::with_capacity(tables.len());
    for table in tables {
        let files = files.by_ref().take(table.n_files).collect();
        let opened = Table::open(files).map_err(|error| {
            Ended::Failed(Failed {
                reason: "SQL_FAILED",
                message: format!("table {:?}: {}", table.name, lode_types::chain(&error)),
            })
        })?;
        provided.push(Provided {
            name: table.name,
            table: opened,
            n_files: table.n_files,
            bound: table.bound,
        });
    }
    let planned = opened.plan(provided).map_err(Ended::Failed)?;
    send(&Reply::Planned, &output::encode_schema(&planned.schema())?)?;

    let Some(received) = receive()? else {
        return Ok(false);
    };
    match received.message {
        Request::Execute {
            row_limit,
            batch_bytes,
        } => {
            let mut hand_out = |body: &[u8]| send(&Reply::Batch, body);
            let (rows, truncated) = planned.execute(row_limit, batch_bytes, &mut hand_out)?;
            let again = private_bytes().is_some_and(|bytes| bytes < MOST_PRIVATE_BYTES);
            let done = Reply::Done {
                rows,
                truncated,
                again,
            };
            send(&done, &[])?;
            Ok(again)
        }
        Request::Explain { analyze, row_limit } => {
            let explained = planned.explain(analyze, row_limit)?;
            send(&Reply::Explained(explained), &[])?;
            Ok(false)
        }
        _ => Err(out_of_turn("execute or explain")),
    }
}

/// Resident memory of this process that is no file's.
fn private_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes = line.trim().strip_suffix("kB")?.trim_end().parse::<u64>();
    Some(kilobytes.ok()? << 10)
}

fn out_of_turn(expected: &'static str) -> Ended {
    Ended::Closed(Error::Frame {
        expected,
        found: "another request".to_owned(),
    })
}
