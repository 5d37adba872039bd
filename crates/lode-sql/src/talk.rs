//! Speaks with the engine: one query from its text to its rows, then the end.
//!
//! Requests come in one order: open, provide, then execute or explain. A request out of turn, like a socket
//! that breaks, ends the process.

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

/// Serves one query.
pub(crate) fn serve(channel: &Channel, memory_bytes: usize) -> Result<()> {
    match converse(channel, memory_bytes) {
        Ok(()) => Ok(()),
        Err(Ended::Closed(error)) => Err(error),
        Err(Ended::Failed(Failed { reason, message })) => {
            let reason = reason.to_owned();
            channel.send(&Reply::Failed { reason, message }, &[], &[])
        }
    }
}

fn converse(channel: &Channel, memory_bytes: usize) -> std::result::Result<(), Ended> {
    let send = |reply: &Reply, body: &[u8]| channel.send(reply, body, &[]).map_err(Ended::Closed);
    let receive = || channel.recv::<Request>().map_err(Ended::Closed);

    let Some(received) = receive()? else {
        return Ok(());
    };
    let Request::Open { sql, options } = received.message else {
        return Err(out_of_turn("open"));
    };
    let opened = engine::open(&sql, &options, memory_bytes).map_err(Ended::Failed)?;
    let tables = opened.tables().to_vec();
    send(&Reply::Tables { tables }, &[])?;

    let Some(received) = receive()? else {
        return Ok(());
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
        return Ok(());
    };
    match received.message {
        Request::Execute {
            row_limit,
            batch_bytes,
        } => {
            let mut hand_out = |body: &[u8]| send(&Reply::Batch, body);
            let (rows, truncated) = planned.execute(row_limit, batch_bytes, &mut hand_out)?;
            send(&Reply::Done { rows, truncated }, &[])
        }
        Request::Explain { analyze, row_limit } => {
            let explained = planned.explain(analyze, row_limit)?;
            send(&Reply::Explained(explained), &[])
        }
        _ => Err(out_of_turn("execute or explain")),
    }
}

fn out_of_turn(expected: &'static str) -> Ended {
    Ended::Closed(Error::Frame {
        expected,
        found: "another request".to_owned(),
    })
}
