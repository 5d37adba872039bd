//! What a training set came to: what the engine resolved, and what each date gave.

use arrow_array::RecordBatch;
use lode_sdk::Job;
use lode_types::Timestamp;

use crate::commands::Context;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Cell;
use crate::output::List;
use crate::output::cell;
use crate::output::count;
use crate::output::of;
use crate::output::print;

/// Most candidates that are named.
const NAMED: usize = 8;

/// What was resolved, in a few lines.
pub(super) fn resolved(job: &Job) -> Vec<String> {
    let provenance = job.provenance.iter();
    let mut inputs = provenance.flat_map(|provenance| &provenance.inputs);
    let Some(set) = inputs.find_map(|input| input.training_set.as_object()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let dates: Vec<String> = set
        .get("as_of")
        .and_then(|dates| dates.as_array())
        .into_iter()
        .flatten()
        .filter_map(|date| Some(short(Timestamp(date.as_i64()?))))
        .collect();
    let end = set.get("end").and_then(|end| end.as_i64()).map(Timestamp);
    if let (Some(first), Some(last)) = (dates.first(), dates.last()) {
        let what = match dates.len() {
            1 => format!("one date, {first}"),
            n => format!("{n} dates from {first} to {last}"),
        };
        let end = end.map_or_else(String::new, |end| format!("; the data end {}", short(end)));
        lines.push(format!("training set: {what}{end}"));
    }
    let values: Vec<&str> = set
        .get("candidates")
        .and_then(|candidates| candidates.get("values"))
        .and_then(|values| values.as_array())
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_str())
        .collect();
    if !values.is_empty() {
        let named: Vec<&str> = values.iter().take(NAMED).copied().collect();
        let more = match values.len() - named.len() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        lines.push(format!("candidates: {}{more}", named.join(", ")));
    }
    lines
}

/// Prints what each date gave, and all together.
pub(super) async fn dates(cx: &Context, job: &Job) -> Result<()> {
    if !job
        .outputs
        .iter()
        .any(|output| output.name == "training_set")
    {
        return Ok(());
    }
    let mut rows = cx
        .lode
        .output_rows(&job.job, "training_set", 0, None)
        .await?;
    let mut list = List::new(&["date", "label until", "rows", "mean label", "new", "judges"]);
    let (mut all, mut of_new) = (0, 0);
    while let Some(batch) = rows.next().await? {
        let table = Columns(&batch);
        for row in 0..batch.num_rows() {
            let time = |name: &str| {
                let text = table.cell(name, row).plain();
                Timestamp::parse(&text).map_or_else(|| text.into(), |time| short(time).into())
            };
            let judges = table.cell("judges", row).plain() == "true";
            list.push(vec![
                time("as_of"),
                time("label_end"),
                table.cell("rows", row),
                table.cell("mean_label", row),
                table.cell("new", row),
                if judges { "yes" } else { "" }.into(),
            ]);
            all += table.count("rows", row);
            of_new += table.count("new", row);
        }
    }
    print(&list.to_table())?;
    if all > 0 {
        let rows = of(all, "row");
        say(&format!("{rows}, {} of new customers", count(of_new)));
    }
    Ok(())
}

/// The columns of a batch by name.
pub(super) struct Columns<'a>(pub(super) &'a RecordBatch);

impl Columns<'_> {
    pub(super) fn cell(&self, name: &str, row: usize) -> Cell {
        match self.0.column_by_name(name) {
            Some(column) => cell(column, row).unwrap_or(Cell::Empty),
            None => Cell::Empty,
        }
    }

    fn count(&self, name: &str, row: usize) -> u64 {
        self.cell(name, row).plain().parse().unwrap_or(0)
    }
}

fn short(time: Timestamp) -> String {
    let text = time.to_rfc3339();
    match text.strip_suffix("T00:00:00.000000Z") {
        Some(date) => date.to_owned(),
        None => text.replace(".000000Z", "Z"),
    }
}
