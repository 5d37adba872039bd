//! Offers over gRPC at a fixed rate, each request sent when it is due, whether or not the ones before
//! are answered: latency counts from that moment.
//!
//! Purchases and items are made, the model is item-knn with default parameters. CPU is the kernel's
//! count for the engine and its workers.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;

use crate::bench::median;
use crate::bench::programs::Programs;
use crate::process;
use crate::process::Engine;

const EVENTS: &str = "bought";
const GOODS: &str = "goods";
const MODEL: &str = "knn";
/// What is asked, by name, with the flags of `lode-load recommend`.
const CASES: [(&str, &[&str]); 5] = [
    ("plain", &[]),
    ("filter, 9 of 10 pass", &["--filter", "price < 90"]),
    ("filter, 1 of 100 passes", &["--filter", "price < 1"]),
    ("reasons", &["--explain"]),
    ("recorded", &["--record"]),
];
/// What is measured of each.
const MEASURES: [&str; 4] = ["CPU us a request", "requests/s", "p50 us", "p99 us"];

/// How offers are asked for.
#[derive(clap::Args)]
pub(crate) struct ServeArgs {
    /// Customers of the made shop.
    #[arg(long, default_value_t = 100_000)]
    customers: u64,
    /// Purchases of each customer.
    #[arg(long, default_value_t = 100)]
    each: u64,
    /// Requests a second.
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    /// Seconds of them.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Runs of each case, of which medians are told.
    #[arg(long, default_value_t = 3)]
    serve_repeat: usize,
    /// The algorithm of the model.
    #[arg(long, default_value = "recommend.item-knn")]
    algorithm: String,
}

/// Asks for offers of `items` items, of programs that are built now unless they were.
pub(super) fn run(args: &ServeArgs, items: u64, built: bool) -> Result<()> {
    let programs = match built {
        true => Programs::built("recommend-serve")?,
        false => Programs::build("recommend-serve", false)?,
    };
    let bench = Bench {
        ids: programs.folder.join("customers.txt"),
        programs,
    };
    let ids: Vec<String> = (0..args.customers)
        // A step that meets all of them in no order of theirs.
        .map(|n| format!("c{}", n * 7_919 % args.customers))
        .collect();
    fs::write(&bench.ids, ids.join("\n"))?;
    let engine = bench.programs.engine(&["--log", "warn"])?;
    let made = bench.model(&engine, args, items)?;
    println!(
        "\noffers of {} over gRPC, {} customers x {} items x {} purchases, {} requests/s for {} s; medians of {}",
        args.algorithm,
        args.customers,
        items,
        args.customers * args.each,
        args.rate,
        args.seconds,
        args.serve_repeat
    );
    println!("the job took {made:.1} s");
    for (name, flags) in CASES {
        // The first requests open the model, and a filter is evaluated once.
        bench.load(&engine, flags, 100, 1)?;
        let mut runs = Vec::new();
        for _ in 0..args.serve_repeat {
            runs.push(bench.once(&engine, flags, args)?);
        }
        let mut line = format!("{name:24}");
        for (at, measure) in MEASURES.iter().enumerate() {
            let values: Vec<f64> = runs.iter().map(|run| run[at]).collect();
            line.push_str(&format!("  {measure} {:.0}", median(&values)));
        }
        println!("{line}");
    }
    let memory = process::peak_bytes(engine.pid())?;
    println!("memory of the engine at its peak, MB: {:.0}", memory / 1e6);
    bench.fresh(&engine)?;
    engine.terminate()
}

struct Bench {
    programs: Programs,
    /// Ids of customers, one a line.
    ids: PathBuf,
}

impl Bench {
    /// Loads the shop and learns from it; gives the seconds of the job.
    fn model(&self, engine: &Engine, args: &ServeArgs, items: u64) -> Result<f64> {
        let (customers, items) = (args.customers.to_string(), items.to_string());
        let each = args.each.to_string();
        let size = [
            "--customers",
            &customers,
            "--items",
            &items,
            "--each",
            &each,
        ];
        self.programs
            .load(engine, &[&["shop", EVENTS, GOODS], &size[..]].concat())?;
        let input = format!("events={EVENTS}");
        let start = Instant::now();
        let run = ["run", &args.algorithm, "-i", &input, "--id", MODEL];
        let more = ["--offer-items", GOODS, "--memory-mib", "8192", "-o", "json"];
        self.programs.lode(engine, &[&run[..], &more].concat())?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn once(&self, engine: &Engine, flags: &[&str], args: &ServeArgs) -> Result<[f64; 4]> {
        let before = process::cpu_seconds(engine.pid())?;
        let done = self.load(engine, flags, args.rate, args.seconds)?;
        let cpu = process::cpu_seconds(engine.pid())? - before;
        let number = |name: &str| {
            let found = done[name].as_f64();
            found.with_context(|| format!("no {name} in {done}"))
        };
        let requests = number("requests")?;
        Ok([
            cpu / requests * 1e6,
            requests / number("seconds")?,
            number("p50_micros")?,
            number("p99_micros")?,
        ])
    }

    fn load(&self, engine: &Engine, flags: &[&str], rate: u64, seconds: u64) -> Result<Value> {
        let model = format!("tenants/default/models/{MODEL}");
        let (rate, seconds) = (rate.to_string(), seconds.to_string());
        let file = self.ids.to_string_lossy();
        let what = ["recommend", &model, "--customers", &file];
        let pace = ["--rate", &rate, "--seconds", &seconds];
        self.programs
            .load(engine, &[&what[..], &pace[..], flags].concat())
    }

    /// How long after a purchase was acknowledged the answer has changed, the command's own start
    /// included.
    fn fresh(&self, engine: &Engine) -> Result<()> {
        let offered = || -> Result<String> {
            let args = ["recommend", MODEL, "c1", "--limit", "1", "-o", "json"];
            let told: Value = serde_json::from_slice(&self.programs.lode(engine, &args)?)?;
            let item = told["items"][0]["item"].as_str();
            Ok(item.context("no offer")?.to_owned())
        };
        let before = offered()?;
        let row = format!(r#"{{"customer":"c1","item":"{before}","at":"2026-01-01T00:00:00Z"}}"#);
        self.programs
            .lode(engine, &["put", EVENTS, "--row", &row])?;
        let start = Instant::now();
        let after = offered()?;
        let took = start.elapsed();
        ensure!(
            after != before && took < Duration::from_secs(1),
            "{before} was bought and is still offered after {took:?}"
        );
        println!(
            "a purchase counts in the next answer, {:.0} ms later",
            took.as_secs_f64() * 1e3
        );
        Ok(())
    }
}
