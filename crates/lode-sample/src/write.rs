//! Puts the samples into files of a directory.
//!
//! Does not know what the rows mean. Invariant: rows are written as they are made; memory
//! holds one block of customers at most.

use std::fs;
use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use crate::retail;
use crate::telecom;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleOptions {
    /// Customers of the retailer, and as many of the operator.
    pub customers: u64,
    /// Decides everything that looks like chance.
    pub seed: u64,
}

impl Default for SampleOptions {
    fn default() -> Self {
        Self {
            customers: 3_000,
            seed: 1,
        }
    }
}

/// A file that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleFile {
    /// Its name in the directory.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
    /// Rows of a table, without the header; 0 for `telecom_features.json` and `truth.json`.
    pub rows: u64,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Every file, `truth.json` last.
    pub files: Vec<SampleFile>,
    /// Rows of all tables together.
    pub rows: u64,
}

/// Makes the samples in `dir`, which is created if need be; files of the same names are
/// replaced.
///
/// # Errors
/// What the file system says.
pub fn write(dir: &Path, options: &SampleOptions) -> io::Result<Written> {
    fs::create_dir_all(dir)?;
    let open = |name: &str| -> io::Result<BufWriter<File>> {
        Ok(BufWriter::new(File::create(dir.join(name))?))
    };
    let mut truth = open("truth.json")?;
    let mut events = open("retail_events.csv")?;
    let mut items = open("retail_items.csv")?;
    let mut customers = open("telecom_customers.csv")?;
    let mut deeds = open("telecom_events.csv")?;

    write!(
        truth,
        "{{\n\"customers\": {},\n\"seed\": {},\n\"retail\": ",
        options.customers, options.seed
    )?;
    let n_events = retail::write_events(options, &mut events, &mut truth)?;
    let n_items = retail::write_items(&mut items)?;
    truth.write_all(b",\n\"telecom\": ")?;
    let n_deeds = telecom::write_customers(options, &mut customers, &mut deeds, &mut truth)?;
    truth.write_all(b"\n}\n")?;
    for file in [
        &mut truth,
        &mut events,
        &mut items,
        &mut customers,
        &mut deeds,
    ] {
        file.flush()?;
    }
    fs::write(dir.join("telecom_features.json"), telecom::FEATURES)?;

    let file = |name: &str, rows| SampleFile {
        name: name.to_owned(),
        path: dir.join(name),
        rows,
    };
    Ok(Written {
        files: vec![
            file("retail_events.csv", n_events),
            file("retail_items.csv", n_items),
            file("telecom_customers.csv", options.customers),
            file("telecom_events.csv", n_deeds),
            file("telecom_features.json", 0),
            file("truth.json", 0),
        ],
        rows: n_events + n_items + options.customers + n_deeds,
    })
}

#[cfg(test)]
mod tests;
