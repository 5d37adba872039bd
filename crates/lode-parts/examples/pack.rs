//! Measures packing: `pack DIR FILE...` sorts the files by their first column, which is the
//! customer, and the first timestamp, into DIR, and reads both forms.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use arrow_schema::DataType;
use lode_parts::Customer;
use lode_parts::Manifest;
use lode_parts::Order;
use lode_parts::Strings;
use lode_parts::Table;
use lode_parts::Target;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("expected DIR FILE...")?;
    let paths: Vec<String> = arguments.collect();
    let open =
        |paths: &[String]| -> std::io::Result<Vec<File>> { paths.iter().map(File::open).collect() };
    let plain = Table::open(open(&paths)?)?;
    let schema = plain.schema();
    let time = schema
        .fields()
        .iter()
        .position(|field| matches!(field.data_type(), DataType::Timestamp(_, _)));
    let bytes = |paths: &[String]| -> std::io::Result<u64> {
        paths
            .iter()
            .map(|path| Ok(std::fs::metadata(path)?.len()))
            .sum()
    };
    report("plain", bytes(&paths)?, &plain)?;
    let part = |n: u64| {
        let manifest = Manifest {
            format: 1,
            dataset: "bench".to_owned(),
            kind: "events".to_owned(),
            ingest: String::new(),
            seq: n,
            run: None,
        };
        (format!("{n:06}.arrow"), manifest)
    };
    let target = Target {
        dir: Path::new(&dir),
        part: &part,
        after: &|_| {},
        stop: &|| false,
        file_rows: None,
    };
    let order = Order {
        customer: Some(0),
        time,
    };
    let (clock, cpu) = (Instant::now(), cpu_seconds());
    let parts = lode_parts::sort(open(&paths)?, order, &target)?;
    let (wall, cpu) = (clock.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!(
        "sort    {wall:6.2} s wall {cpu:6.2} s CPU, {} parts, {} MiB resident afterwards",
        parts.len(),
        resident_mib()
    );
    let paths: Vec<String> = parts.iter().map(|p| format!("{dir}/{}", p.name)).collect();
    let clock = Instant::now();
    let packed = Table::open(open(&paths)?)?;
    println!("open    {:6.2} ms", clock.elapsed().as_secs_f64() * 1e3);
    report("packed", bytes(&paths)?, &packed)?;
    let mut times: Vec<f64> = (0..2000_i64)
        .map(|i| {
            let clock = Instant::now();
            let customer = Customer::Int(i * 499 % 1_000_000);
            for batch in 0..packed.n_batches() {
                if packed
                    .file_of(batch)
                    .is_ok_and(|f| packed.may_hold(f, customer))
                    && let Ok(Some(rows)) = packed.find(batch, customer)
                    && !rows.is_empty()
                {
                    black_box(packed.rows_as(batch, rows, None, Strings::Plain).ok());
                }
            }
            clock.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "customer p50 {:.0} us, p99 {:.0} us",
        times[1000], times[1980]
    );
    Ok(())
}

fn report(name: &str, bytes: u64, table: &Table) -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "{name:7} {bytes} bytes, {:.1} a row",
        bytes as f64 / table.rows() as f64
    );
    let all: Vec<usize> = (0..table.schema().fields().len()).collect();
    for strings in [Strings::Plain, Strings::View, Strings::Dictionary] {
        println!(
            "  all columns, {strings:?}: {:.1} ms",
            scan(table, &all, strings)?
        );
    }
    for column in all {
        println!(
            "  {:12} {:6.2} ns a value",
            table.schema().field(column).name(),
            scan(table, &[column], Strings::View)? * 1e6 / table.rows() as f64
        );
    }
    Ok(())
}

/// Milliseconds of the best of three scans.
fn scan(table: &Table, columns: &[usize], strings: Strings) -> Result<f64, lode_parts::Error> {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let clock = Instant::now();
        for i in 0..table.n_batches() {
            black_box(table.batch_as(i, Some(columns), strings)?);
        }
        best = best.min(clock.elapsed().as_secs_f64() * 1e3);
    }
    Ok(best)
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn resident_mib() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|text| text.trim().split(' ').next()?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
