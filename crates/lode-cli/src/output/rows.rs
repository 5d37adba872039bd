//! Prints rows as they arrive, and writes them to files.
//!
//! JSON and CSV are streamed; a table for people needs all its rows to find its widths, so
//! it is cut and says so.

use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::writer::FileWriter;
use arrow_schema::Schema;
use lode_sdk::Rows;

use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::cell;
use crate::output::count;
use crate::output::json_rows;
use crate::output::list::push_csv;
use crate::output::of;
use crate::output::print;

/// Most rows of a table for people.
const MAX_TABLE_ROWS: usize = 200;

/// Prints rows to stdout; gives their number.
pub(crate) async fn print_rows(rows: &mut Rows, format: Format) -> Result<u64> {
    match format {
        Format::Table => print_table(rows).await,
        Format::Json => write_rows(rows, &mut JsonLines::new(io::stdout().lock())).await,
        Format::Csv => write_rows(rows, &mut CsvLines(BufWriter::new(io::stdout().lock()))).await,
    }
}

/// Writes rows to a file, by its extension: .csv, .json or .arrow; gives their number.
pub(crate) async fn write_file(rows: &mut Rows, path: &Path) -> Result<u64> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let create = || {
        File::create(path)
            .map(BufWriter::new)
            .map_err(|error| Failed::io(format!("cannot write {}", path.display()), error))
    };
    match extension {
        Some("csv") => write_rows(rows, &mut CsvLines(create()?)).await,
        Some("json") => write_rows(rows, &mut JsonLines::new(create()?)).await,
        Some("arrow") => {
            let schema = rows.schema();
            let writer = FileWriter::try_new(create()?, &schema)?;
            write_rows(rows, &mut ArrowFile(writer)).await
        }
        _ => Err(Failed::usage(format!(
            "expected a file that ends in .csv, .json or .arrow, found {}",
            path.display()
        ))),
    }
}

/// Whether `path` can be written by [`write_file`].
pub(crate) fn check_file(path: &Path) -> Result<()> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv" | "json" | "arrow") => Ok(()),
        _ => Err(Failed::usage(format!(
            "expected a file that ends in .csv, .json or .arrow, found {}",
            path.display()
        ))),
    }
}

async fn print_table(rows: &mut Rows) -> Result<u64> {
    let schema = rows.schema();
    let columns = schema.fields().iter().map(|field| field.name().clone());
    let mut list = List::with_columns(columns.collect());
    let (mut n_rows, mut n_shown) = (0, 0);
    while let Some(batch) = rows.next().await? {
        n_rows += batch.num_rows() as u64;
        let n_take = batch.num_rows().min(MAX_TABLE_ROWS - n_shown);
        for row in 0..n_take {
            let cells: Result<Vec<Cell>> = batch
                .columns()
                .iter()
                .map(|column| cell(column, row))
                .collect();
            list.push(cells?);
        }
        n_shown += n_take;
    }
    print(&list.to_table())?;
    if n_rows > n_shown as u64 {
        say(&format!(
            "{} of {}; -o csv or -o json prints all of them",
            count(n_shown as u64),
            of(n_rows, "row"),
        ));
    } else {
        say(&of(n_rows, "row"));
    }
    Ok(n_rows)
}

/// Where rows go.
trait Sink {
    fn start(&mut self, schema: &Schema) -> Result<()>;
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    fn finish(&mut self) -> Result<()>;
}

async fn write_rows(rows: &mut Rows, sink: &mut impl Sink) -> Result<u64> {
    let mut n_rows = 0;
    sink.start(&rows.schema())?;
    while let Some(batch) = rows.next().await? {
        n_rows += batch.num_rows() as u64;
        sink.write(&batch)?;
    }
    sink.finish()?;
    Ok(n_rows)
}

struct CsvLines<W>(W);

impl<W: Write> Sink for CsvLines<W> {
    fn start(&mut self, schema: &Schema) -> Result<()> {
        let mut line = String::new();
        push_csv(
            &mut line,
            schema.fields().iter().map(|field| field.name().as_str()),
        );
        Ok(self.0.write_all(line.as_bytes())?)
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            let mut fields = Vec::with_capacity(batch.num_columns());
            for column in batch.columns() {
                fields.push(cell(column, row)?.plain());
            }
            push_csv(&mut text, fields.iter().map(String::as_str));
        }
        Ok(self.0.write_all(text.as_bytes())?)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }
}

/// One JSON array with an object a line.
struct JsonLines<W> {
    out: W,
    is_first: bool,
}

impl<W: Write> JsonLines<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            is_first: true,
        }
    }
}

impl<W: Write> Sink for JsonLines<W> {
    fn start(&mut self, _schema: &Schema) -> Result<()> {
        Ok(self.out.write_all(b"[")?)
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut text = Vec::new();
        for row in json_rows(batch)? {
            text.extend_from_slice(if self.is_first { b"\n" } else { b",\n" });
            self.is_first = false;
            serde_json::to_writer(&mut text, &row)?;
        }
        Ok(self.out.write_all(&text)?)
    }

    fn finish(&mut self) -> Result<()> {
        self.out.write_all(b"\n]\n")?;
        Ok(self.out.flush()?)
    }
}

struct ArrowFile<W: Write>(FileWriter<W>);

impl<W: Write> Sink for ArrowFile<W> {
    fn start(&mut self, _schema: &Schema) -> Result<()> {
        Ok(())
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(self.0.finish()?)
    }
}
