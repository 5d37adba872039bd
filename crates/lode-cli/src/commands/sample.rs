//! `lode sample`: writes made-up customer data, the truth about it beside it.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use lode_sample::SampleOptions;
use lode_sample::Written;

use crate::failure::Failed;
use crate::failure::Result;
use crate::output::of;
use crate::output::print;

/// Arguments of `lode sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory to write into; made when it is not there
    dir: PathBuf,
    /// Customers of the retailer and of the telecom operator
    #[arg(long, default_value_t = 3000, value_name = "N")]
    customers: u64,
    /// The same seed gives the same files
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[expect(clippy::unused_async, reason = "every command has the same form")]
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let written = write(&args.dir, args.customers, args.seed)?;
    let dir = args.dir.display();
    let mut text = format!("wrote into {dir}:");
    for file in &written.files {
        let rows = match (file.name.as_str(), file.rows) {
            ("truth.json", _) => "what was planted".to_owned(),
            ("telecom_features.json", _) => "features of the telecom events".to_owned(),
            (_, rows) => of(rows, "row"),
        };
        text.push_str(&format!("\n  {:<24}{rows}", file.name));
    }
    text.push_str(&format!(
        "\nload them into a running engine:\n  \
         lode ingest retail {dir}/retail_events.csv\n  \
         lode ingest telecom {dir}/telecom_customers.csv --kind customers --role label=churn\n  \
         lode ingest telecom_events {dir}/telecom_events.csv\n  \
         lode feature create telecom --file {dir}/telecom_features.json"
    ));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the sample.
pub(crate) fn write(dir: &Path, customers: u64, seed: u64) -> Result<Written> {
    lode_sample::write(dir, &SampleOptions { customers, seed })
        .map_err(|error| Failed::io(format!("cannot write into {}", dir.display()), error))
}
