//! What the engine shows, compared with the client's log.
//!
//! Everything acknowledged is there once and whole; what was only sent is there whole or not
//! at all; nothing else is.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use lode_client::Client;
use lode_proto::v1;

use super::CUSTOMER_CHUNKS;
use super::Commit;
use super::Load;
use super::Log;
use super::PUT_CUSTOMERS;
use super::PUTS;
use super::Put;
use super::ROWS;
use super::Table;
use crate::wire;

/// What the engine has lost or shows in part; empty when it keeps every promise in the log.
///
/// # Errors
/// When the engine cannot answer.
pub async fn verify(client: &Client, log: &Log) -> Result<Vec<String>> {
    let (loads, puts, jobs) = {
        let known = log.known();
        (known.loads.clone(), known.puts.clone(), known.jobs.clone())
    };
    let mut problems = Vec::new();
    for load in &loads {
        problems.extend(verify_ledger(client, load).await?);
    }
    let of = |table| loads.iter().filter(move |load| load.table == table);
    let put = |table| puts.iter().filter(move |put| put.table == table);
    let (loaded, put_rows) = (of(Table::Events), put(Table::Events));
    problems.extend(verify_events(client, loaded, put_rows).await?);
    let (loaded, put_rows) = (of(Table::Customers), put(Table::Customers));
    problems.extend(verify_customers(client, loaded, put_rows).await?);
    for job in jobs {
        let request = v1::GetJobRequest {
            name: wire::job(&job),
        };
        match client.get_job(request).await {
            Ok(_) => {}
            Err(error) if error.has_reason("JOB_NOT_FOUND") => {
                problems.push(format!("job {job} was acknowledged and is lost"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(problems)
}

async fn verify_ledger(client: &Client, load: &Load) -> Result<Option<String>> {
    let (id, table) = (load.id(), load.table.id());
    let request = v1::GetIngestRequest {
        name: wire::ingest(table, &id),
    };
    let ingest = match client.get_ingest(request).await {
        Ok(response) => response.ingest.context("GetIngest answers with the load")?,
        Err(error) if error.has_reason("INGEST_NOT_FOUND") => {
            let lost = load.acknowledged > 0 || load.commit == Commit::Acknowledged;
            return Ok(lost.then(|| format!("{table}/{id} is lost, {load:?}")));
        }
        Err(error) => return Err(error.into()),
    };
    if ingest.next_seq < load.acknowledged {
        return Ok(Some(format!(
            "{table}/{id}: chunks below {} were acknowledged, the engine is at {}",
            load.acknowledged, ingest.next_seq
        )));
    }
    let committed = ingest.state() == v1::IngestState::Committed;
    if load.commit == Commit::Acknowledged && !committed {
        return Ok(Some(format!(
            "{table}/{id}: an acknowledged commit is lost"
        )));
    }
    Ok(None)
}

async fn verify_events(
    client: &Client,
    loads: impl Iterator<Item = &Load>,
    puts: impl Iterator<Item = &Put>,
) -> Result<Vec<String>> {
    let sql = r#"select "load", seq, count(*), sum(n) from "crash-events" group by "load", seq"#;
    let mut visible: BTreeMap<i64, Vec<(i64, i64, i64)>> = BTreeMap::new();
    for row in wire::int_rows(&wire::query(client, sql).await?)? {
        let [Some(load), Some(seq), Some(count), Some(sum)] = row[..] else {
            bail!("an empty value in {row:?} of {sql}");
        };
        visible.entry(load).or_default().push((seq, count, sum));
    }
    let mut problems = Vec::new();
    for load in loads {
        let mut found = visible.remove(&load.number).unwrap_or_default();
        found.sort_unstable();
        let chunks = i64::try_from(load.chunks)?;
        let whole = (0..chunks)
            .map(|seq| (seq, ROWS, ROWS * (ROWS - 1) / 2))
            .collect::<Vec<_>>();
        let good = match load.commit {
            Commit::NotSent => found.is_empty(),
            Commit::Sent => found.is_empty() || found == whole,
            Commit::Acknowledged => found == whole,
        };
        if !good {
            problems.push(format!(
                "events of {load:?} show as (seq, rows, sum of n) {found:?}"
            ));
        }
    }
    for put in puts {
        let found = visible.remove(&(PUTS + put.number)).unwrap_or_default();
        let rows = put.rows();
        let is_whole = found == [(0, rows, rows * (rows - 1) / 2)];
        let may_be_absent = put.commit == Commit::Sent && found.is_empty();
        if !is_whole && !may_be_absent {
            problems.push(format!(
                "events of {put:?} show as (seq, rows, sum of n) {found:?}"
            ));
        }
    }
    problems.extend(
        visible
            .keys()
            .map(|load| format!("load {load} was never made")),
    );
    Ok(problems)
}

async fn verify_customers(
    client: &Client,
    loads: impl Iterator<Item = &Load>,
    puts: impl Iterator<Item = &Put>,
) -> Result<Vec<String>> {
    let sql = r#"select "load", count(*), sum(n) from "crash-customers" group by "load""#;
    let rows = wire::int_rows(&wire::query(client, sql).await?)?;
    let (mut put_rows, visible): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|row| row[0].is_some_and(|load| load >= PUTS));
    let mut problems = Vec::new();
    let per_chunk = ROWS * (ROWS - 1) / 2;
    let chunks = i64::try_from(CUSTOMER_CHUNKS)?;
    let whole = |load: &Load| {
        vec![vec![
            Some(load.number),
            Some(ROWS * chunks),
            Some(per_chunk * chunks),
        ]]
    };
    // The rows of the last commit; of one that was sent but not answered, perhaps.
    let mut allowed = vec![Vec::new()];
    for load in loads {
        match load.commit {
            Commit::NotSent => {}
            Commit::Sent => allowed.push(whole(load)),
            Commit::Acknowledged => allowed = vec![whole(load)],
        }
    }
    if !allowed.contains(&visible) {
        problems.push(format!(
            "customers show as (load, rows, sum of n) {visible:?}, allowed {allowed:?}"
        ));
    }
    // Of each customer that puts write, the last one; of one that was not answered, perhaps.
    let row = |put: &Put| vec![Some(PUTS + put.number), Some(1), Some(0)];
    let mut last: BTreeMap<i64, Vec<Vec<Option<i64>>>> = BTreeMap::new();
    let mut may_be_absent = BTreeSet::new();
    for put in puts {
        let customer = put.number % PUT_CUSTOMERS;
        let known = last.entry(customer).or_default();
        if put.commit == Commit::Acknowledged {
            known.clear();
            may_be_absent.remove(&customer);
        } else if known.is_empty() {
            may_be_absent.insert(customer);
        }
        known.push(row(put));
    }
    for (customer, allowed) in last {
        let found = put_rows.iter().position(|row| allowed.contains(row));
        match found {
            Some(at) => drop(put_rows.swap_remove(at)),
            None if may_be_absent.contains(&customer) => {}
            None => problems.push(format!(
                "customer p{customer}: expected a row of {allowed:?}, found none"
            )),
        }
    }
    if !put_rows.is_empty() {
        problems.push(format!("customers that no put left so: {put_rows:?}"));
    }
    Ok(problems)
}
