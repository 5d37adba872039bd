//! `cargo bench`: how fast the algorithm learns. Prints rows a second and CPU seconds.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use lode_plugin::Inputs;
use lode_plugin::Role;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::TimestampMicrosecondArray;
use lode_plugin::testing;

use {{CRATE}}::Overdue;

const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    for n_rows in [1_000_000, 4_000_000] {
        let events = events(n_rows);
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let inputs = Inputs::new().with("events", testing::rebatch(&events, 65_536));
            let (start, cpu) = (Instant::now(), cpu_seconds());
            testing::fit::<Overdue>("{}", inputs, 1, 1)?;
            runs.push((start.elapsed().as_secs_f64(), cpu_seconds() - cpu));
        }
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, cpu) = runs[RUNS / 2];
        let rate = n_rows as f64 / seconds;
        writeln!(
            out,
            "{n_rows:>9} rows: {rate:>11.0} rows/s, {seconds:.3} s, {cpu:.2} CPU s (median of {RUNS})"
        )?;
    }
    Ok(())
}

/// Purchases of customers who come at a pace of their own.
fn events(n_rows: i64) -> RecordBatch {
    let n_customers = n_rows / 20;
    let who = (0..n_rows).map(|row| row * 7_919 % n_customers);
    let at = (0..n_rows).map(|row| (row * 104_729 % 31_536_000) * 1_000_000);
    testing::batch(&[
        (
            "who",
            Some(Role::CustomerId),
            Arc::new(who.collect::<Int64Array>()),
        ),
        (
            "at",
            Some(Role::EventTime),
            Arc::new(at.map(Some).collect::<TimestampMicrosecondArray>()),
        ),
    ])
}

/// CPU time of this process, from /proc; 0 where there is none.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may hold spaces: user and system time are the 12th and 13th.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}
