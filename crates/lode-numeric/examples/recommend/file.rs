//! The file that all sides read: pairs of people and items.
//!
//! Little-endian: words of 64 bits for the people, the items, the pairs to learn from and the
//! pairs held out; then, each as a column of 32 bits, of the pairs to learn from the people, the
//! items and the weights (floats), and of those held out the people and the items. Pairs are by
//! person and item, each once.

use std::fs::File;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Read;
use std::io::Write;
use std::path::Path;

use lode_numeric::factors::Pairs;

use crate::Result;

/// What to learn from, and what to find.
pub(crate) struct Table {
    pub(crate) learn: Pairs,
    /// The items of each person that were held out.
    pub(crate) held_out: Pairs,
}

impl Table {
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        let (learn, held_out) = (&self.learn, &self.held_out);
        for count in [
            learn.n_rows(),
            learn.n_cols(),
            learn.n_entries(),
            held_out.n_entries(),
        ] {
            out.write_all(&(count as u64).to_le_bytes())?;
        }
        for (table, weighted) in [(learn, true), (held_out, false)] {
            for row in 0..table.n_rows() {
                for _ in table.row(row).0 {
                    out.write_all(&u32::try_from(row)?.to_le_bytes())?;
                }
            }
            for row in 0..table.n_rows() {
                for column in table.row(row).0 {
                    out.write_all(&column.to_le_bytes())?;
                }
            }
            for row in (0..table.n_rows()).filter(|_| weighted) {
                for weight in table.row(row).1 {
                    out.write_all(&weight.to_le_bytes())?;
                }
            }
        }
        out.flush()?;
        Ok(())
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut counts = [0; 4];
        for count in &mut counts {
            let mut bytes = [0; 8];
            file.read_exact(&mut bytes)?;
            *count = usize::try_from(u64::from_le_bytes(bytes))?;
        }
        let [n_people, n_items, n_learn, n_held_out] = counts;
        let mut column = |n: usize| -> Result<Vec<u32>> {
            let mut words = Vec::with_capacity(n);
            let mut bytes = [0; 4];
            for _ in 0..n {
                file.read_exact(&mut bytes)?;
                words.push(u32::from_le_bytes(bytes));
            }
            Ok(words)
        };
        let starts = starts(&column(n_learn)?, n_people);
        let items = column(n_learn)?;
        let weights = column(n_learn)?.into_iter().map(f32::from_bits).collect();
        let learn = Pairs::from_rows(starts, items, weights, n_items)?;
        let starts = self::starts(&column(n_held_out)?, n_people);
        let ones = vec![1.0; n_held_out];
        let held_out = Pairs::from_rows(starts, column(n_held_out)?, ones, n_items)?;
        Ok(Self { learn, held_out })
    }
}

/// Where each person's pairs begin.
fn starts(people: &[u32], n_people: usize) -> Vec<usize> {
    let mut starts = vec![0; n_people + 1];
    for person in people {
        starts[*person as usize + 1] += 1;
    }
    for person in 0..n_people {
        starts[person + 1] += starts[person];
    }
    starts
}
