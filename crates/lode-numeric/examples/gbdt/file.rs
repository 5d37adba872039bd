//! The file that all sides read: rows as columns of numbers.
//!
//! Little-endian words: the rows, how many of them (the first) are there to learn from, the
//! columns, and of each column the levels (0 for a number); then the columns, one after the
//! other, as floats of 64 bits, NaN where a value is missing; then three more columns: the
//! target, what is true of the row (the probability, the mean, the quantile that the target was
//! drawn from), and the query that the row belongs to. Numbers are such that floats of 32 bits
//! hold them, so that no side reads others.

use std::fs::File;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Read;
use std::io::Write;
use std::path::Path;

use crate::Result;

/// Columns after the features: target, truth, query.
const MORE: usize = 3;

/// Rows, as columns.
pub(crate) struct Rows {
    /// The first rows, to learn from; the others are held out.
    pub(crate) n_learn: usize,
    /// Levels of each column; 0 for a number.
    pub(crate) levels: Vec<u32>,
    pub(crate) columns: Vec<Vec<f64>>,
    pub(crate) target: Vec<f64>,
    pub(crate) truth: Vec<f64>,
    pub(crate) query: Vec<f64>,
}

impl Rows {
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        let counts = [self.target.len(), self.n_learn, self.columns.len()];
        for count in counts {
            out.write_all(&(count as u64).to_le_bytes())?;
        }
        for levels in &self.levels {
            out.write_all(&u64::from(*levels).to_le_bytes())?;
        }
        let more = [&self.target, &self.truth, &self.query];
        for column in self.columns.iter().chain(more) {
            for value in column {
                out.write_all(&value.to_le_bytes())?;
            }
        }
        out.flush()?;
        Ok(())
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut word = || -> Result<u64> {
            let mut bytes = [0; 8];
            file.read_exact(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        };
        let n_rows = usize::try_from(word()?)?;
        let n_learn = usize::try_from(word()?)?;
        let n_columns = usize::try_from(word()?)?;
        let mut levels = Vec::with_capacity(n_columns);
        for _ in 0..n_columns {
            levels.push(u32::try_from(word()?)?);
        }
        let mut columns = Vec::with_capacity(n_columns + MORE);
        for _ in 0..n_columns + MORE {
            let mut column = Vec::with_capacity(n_rows);
            for _ in 0..n_rows {
                column.push(f64::from_bits(word()?));
            }
            columns.push(column);
        }
        let mut more = columns.split_off(n_columns).into_iter();
        let mut next = || more.next().ok_or("expected three columns more");
        Ok(Self {
            n_learn,
            levels,
            columns,
            target: next()?,
            truth: next()?,
            query: next()?,
        })
    }

    /// The rows as text, for `lode ingest`: a name, the features, and yes or no.
    pub(crate) fn write_csv(&self, path: &Path) -> Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        write!(out, "row_name")?;
        for column in 0..self.columns.len() {
            write!(out, ",x{column}")?;
        }
        writeln!(out, ",lode_label")?;
        for (row, target) in self.target.iter().enumerate() {
            write!(out, "r{row}")?;
            for column in &self.columns {
                match column[row].is_nan() {
                    true => write!(out, ",")?,
                    false => write!(out, ",{}", column[row])?,
                }
            }
            writeln!(out, ",{}", if *target > 0.5 { "yes" } else { "no" })?;
        }
        out.flush()?;
        Ok(())
    }
}
