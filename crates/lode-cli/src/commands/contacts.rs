//! `lode contacts`: whom to contact, why, with what, and what is to be expected of it.

use std::path::PathBuf;
use std::process::ExitCode;

use arrow_array::Array;
use arrow_array::RecordBatch;
use lode_sdk::ContactList;
use lode_sdk::Job;

use crate::commands::Context;
use crate::commands::score_all::Common;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::cell;
use crate::output::count;
use crate::output::number;
use crate::output::of;
use crate::output::print;
use crate::output::print_rows;
use crate::output::write_file;
use crate::parse;

/// Arguments of `lode contacts`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
    /// Most customers
    #[arg(long, value_parser = parse::at_least_one::<u64>, value_name = "N")]
    budget: Option<u64>,
    /// Most of all customers, 0 to 1
    #[arg(long, value_parser = share, value_name = "X")]
    share: Option<f64>,
    /// What all contacts together may cost
    #[arg(long, value_parser = parse::at_least_zero, value_name = "COST", requires = "cost_per_contact")]
    max_cost: Option<f64>,
    /// What a contact costs
    #[arg(long, value_parser = parse::at_least_zero, value_name = "COST")]
    cost_per_contact: Option<f64>,
    /// What a yes is worth, such as a customer who is kept
    #[arg(long, value_parser = parse::at_least_zero, value_name = "VALUE")]
    value: Option<f64>,
    /// Part of those who are contacted whom the contact wins, 0 to 1 [default: 1]
    #[arg(long, value_parser = share, value_name = "X")]
    success_rate: Option<f64>,
    /// Least score
    #[arg(long, value_name = "SCORE")]
    min_score: Option<f64>,
    /// Who is never contacted: all customers in a dataset, or those of whom its column is yes
    #[arg(long, value_name = "DATASET[.COLUMN]")]
    do_not_contact: Vec<String>,
    /// Of a model of products, list each product of a customer, not the best one only
    #[arg(long)]
    each_item: bool,
    /// Contacts that are printed; --out saves all of them
    #[arg(long, default_value_t = 20, value_name = "N")]
    show: u64,
    /// Save the list to a .csv, .json or .arrow file
    #[arg(long, value_parser = file, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let spec = args.common.job(cx).await?.contacts(list(&args));
    let Some(job) = args.common.wait(cx, spec).await? else {
        return Ok(ExitCode::from(130));
    };
    if let Some(file) = &args.out {
        let mut rows = cx.lode.output_rows(&job.job, "contacts", 0, None).await?;
        let n_rows = write_file(&mut rows, file).await?;
        say(&format!(
            "wrote {} to {}",
            of(n_rows, "contact"),
            file.display()
        ));
    }
    if cx.format != Format::Table {
        let mut rows = cx.lode.output_rows(&job.job, "contacts", 0, None).await?;
        print_rows(&mut rows, cx.format).await?;
        return Ok(ExitCode::SUCCESS);
    }
    show(cx, &job, &args).await?;
    Ok(ExitCode::SUCCESS)
}

fn list(args: &Args) -> ContactList {
    ContactList {
        max_customers: args.budget.unwrap_or(0),
        max_share: args.share.unwrap_or(0.0),
        max_cost: args.max_cost.unwrap_or(0.0),
        cost_per_contact: args.cost_per_contact.unwrap_or(0.0),
        value_per_positive: args.value.unwrap_or(0.0),
        success_rate: args.success_rate,
        min_score: args.min_score.unwrap_or(0.0),
        do_not_contact: args
            .do_not_contact
            .iter()
            .map(|name| match name.split_once('.') {
                Some((dataset, column)) => (dataset.to_owned(), Some(column.to_owned())),
                None => (name.clone(), None),
            })
            .collect(),
        each_item: args.each_item,
    }
}

/// Prints the first of the list, and what is to be expected.
async fn show(cx: &Context, job: &Job, args: &Args) -> Result<()> {
    let metric = |name: &str| job.metrics.get(name).copied().unwrap_or(0.0);
    let mut rows = cx
        .lode
        .output_rows(&job.job, "contacts", 0, Some(args.show.max(1)))
        .await?;
    let mut contacts: Option<List> = None;
    while let Some(batch) = rows.next().await? {
        let list = contacts.get_or_insert_with(|| List::new(&headings(&batch, args)));
        for row in 0..batch.num_rows() {
            list.push(contact(&batch, row, args)?);
        }
    }
    match &contacts {
        Some(list) => print(&list.to_table())?,
        None => print("nobody is to be contacted within these bounds")?,
    }
    let listed = metric("contacts");
    let shown = (args.show.max(1) as f64).min(listed);
    if shown < listed {
        say(&format!(
            "{} of {}; --out FILE saves all of them",
            count(whole(shown)),
            of(whole(listed), "contact")
        ));
    }
    let mut rows = cx.lode.output_rows(&job.job, "expected", 0, None).await?;
    let mut expected: Option<List> = None;
    let mut last = None;
    while let Some(batch) = rows.next().await? {
        let names: Vec<String> = shown_columns(&batch, args);
        let list = expected.get_or_insert_with(|| {
            List::with_columns(names.iter().map(|name| name.replace('_', " ")).collect())
        });
        for row in 0..batch.num_rows() {
            let cells = names.iter().map(|name| field(&batch, name, row));
            list.push(cells.collect::<Result<_>>()?);
        }
        last = Some(batch);
    }
    if let Some(list) = &expected {
        print(&format!("\nwhat is to be expected\n{}", list.to_table()))?;
    }
    if let Some(batch) = last {
        let end = batch.num_rows().saturating_sub(1);
        let part = |name: &str| match field(&batch, name, end) {
            Ok(Cell::Float(value)) => format!("{}%", number((value * 1000.0).round() / 10.0)),
            _ => String::new(),
        };
        say(&format!(
            "contact {} of {} to reach {} of all {}; {} on a do-not-contact list",
            part("share"),
            people(metric("customers")),
            part("reached"),
            match batch.column_by_name("expected_amount") {
                Some(_) => "that they are expected to spend",
                None => "expected positives",
            },
            people(metric("do_not_contact")),
        ));
    }
    say(&format!(
        "job {0}: lode job {0}, lode output {0} reasons",
        job.job
    ));
    Ok(())
}

fn headings<'h>(batch: &RecordBatch, args: &Args) -> Vec<&'h str> {
    let mut names = vec!["rank", "customer"];
    if batch.column_by_name("item").is_some() {
        names.push("item");
    }
    names.push("score");
    if is_money(batch, args) {
        names.push("expected gain");
    }
    if has_stages(batch) {
        names.push("stage");
    }
    names.push("why");
    if has_action(args) {
        names.push("action");
    }
    names
}

/// One contact for people: the reasons one under the other.
fn contact(batch: &RecordBatch, row: usize, args: &Args) -> Result<Vec<Cell>> {
    let mut cells = vec![
        field(batch, "rank", row)?,
        field(batch, "customer_id", row)?,
    ];
    if batch.column_by_name("item").is_some() {
        cells.push(field(batch, "item", row)?);
    }
    cells.push(field(batch, "score", row)?);
    if is_money(batch, args) {
        cells.push(field(batch, "expected_gain", row)?);
    }
    if has_stages(batch) {
        cells.push(field(batch, "stage", row)?);
    }
    let mut reasons = Vec::new();
    for n in 1.. {
        let name = format!("reason_{n}");
        if batch.column_by_name(&name).is_none() {
            break;
        }
        if let Cell::Text(reason) = field(batch, &name, row)? {
            reasons.push(reason);
        }
    }
    cells.push(reasons.join("\n").into());
    if has_action(args) {
        let action = field(batch, "action", row)?;
        let words = field(batch, "action_description", row)?;
        cells.push(match (action, words) {
            (Cell::Text(action), Cell::Text(words)) => format!("{action}: {words}").into(),
            (action, _) => action,
        });
    }
    Ok(cells)
}

fn is_money(batch: &RecordBatch, args: &Args) -> bool {
    args.value.is_some() && batch.column_by_name("expected_gain").is_some()
}

/// Whether customers are said to be rising, stable or losing.
fn has_stages(batch: &RecordBatch) -> bool {
    let stages = batch.column_by_name("stage");
    stages.is_some_and(|stages| stages.null_count() < stages.len())
}

fn has_action(args: &Args) -> bool {
    args.common.has_actions()
}

/// The columns of what is to be expected that say something.
fn shown_columns(batch: &RecordBatch, args: &Args) -> Vec<String> {
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    let costs = args.cost_per_contact.is_some();
    let is_amount = batch.column_by_name("expected_amount").is_some();
    let has_value = args.value.is_some() || is_amount;
    names
        .filter(|name| match name.as_str() {
            "cost" => costs,
            "gain" => has_value || args.success_rate.is_some(),
            "profit" => costs && has_value,
            _ => true,
        })
        .collect()
}

fn field(batch: &RecordBatch, name: &str, row: usize) -> Result<Cell> {
    match batch.column_by_name(name) {
        Some(column) => cell(column, row),
        None => Ok(Cell::Empty),
    }
}

fn people(n: f64) -> String {
    of(whole(n), "customer")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of rows"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// A part of 0 to 1.
fn share(text: &str) -> std::result::Result<f64, String> {
    let share = text.parse::<f64>().ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("expected a number of 0 to 1, found {text:?}"))
}

fn file(text: &str) -> std::result::Result<PathBuf, String> {
    let file = PathBuf::from(text);
    crate::output::check_file(&file).map_err(|error: Failed| error.to_string())?;
    Ok(file)
}
