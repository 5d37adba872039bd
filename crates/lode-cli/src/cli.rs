//! What can be typed: the commands and the flags they share.
//!
//! Each command's own arguments are declared in its file. Invariant: a value with a minus before it
//! is refused by what was expected there, and not as a flag that is not known.

use clap::Arg;
use clap::ArgMatches;
use clap::CommandFactory;
use clap::Error;
use clap::FromArgMatches;
use clap::Parser;
use clap::Subcommand;
use clap::error::ErrorKind;
use clap::parser::ValueSource;

use crate::commands;
use crate::output::Format;

/// Lode finds segments, offers and leavers in your customer data.
///
/// Start an engine with `lode serve`, load a file with `lode ingest`, run an algorithm with
/// `lode run`. `lode demo` shows all of it on made-up data.
#[derive(Debug, Parser)]
#[command(name = "lode", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The engine to talk to
    #[arg(
        long,
        global = true,
        env = "LODE_ADDR",
        default_value = lode_client::DEFAULT_ADDR,
        value_name = "URL"
    )]
    pub(crate) addr: String,

    /// How to print the answer
    #[arg(
        short = 'o',
        long = "output-format",
        global = true,
        value_enum,
        default_value_t = Format::Table,
        value_name = "FORMAT"
    )]
    pub(crate) format: Format,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// What was typed; ends the program where it makes no sense.
    pub(crate) fn read() -> Self {
        let mut command = command();
        let matches = command.get_matches_mut();
        let read = checked(&matches).and_then(|()| Self::from_arg_matches(&matches));
        read.unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

/// The commands as they are read.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command();
    // An engine talks to none and prints no answer.
    let of_clients = command.get_arguments().filter(|arg| arg.is_global_set());
    let of_clients: Vec<Arg> = of_clients.map(|arg| arg.clone().hide(true)).collect();
    negative_numbers(command.mut_subcommand("serve", |serve| serve.args(of_clients)))
}

/// Takes a negative number after a flag as its value, in all commands below.
fn negative_numbers(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let command = names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, negative_numbers)
    });
    command.mut_args(|arg| match arg.get_action().takes_values() {
        true => arg.allow_negative_numbers(true),
        false => arg,
    })
}

/// Refuses what parses and has no meaning.
fn checked(matches: &ArgMatches) -> Result<(), Error> {
    let Some(serve) = matches.subcommand_matches("serve") else {
        return Ok(());
    };
    if serve.value_source("addr") != Some(ValueSource::CommandLine) {
        return Ok(());
    }
    let addr = serve.get_one::<String>("addr").map_or("", String::as_str);
    let addr = addr.trim_start_matches("http://");
    let words = format!(
        "--addr is the engine that a command talks to; did you mean --listen {addr}, where serve \
         listens?"
    );
    Err(Error::raw(ErrorKind::ArgumentConflict, words))
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an engine
    Serve(commands::serve::Args),
    /// Run as a worker of an engine; started by `lode serve`
    #[command(hide = true)]
    Worker,
    /// Run one check of a plugin; started by `lode plugin check`
    #[command(hide = true)]
    KitChild,
    /// Show the engine's version, limits, and how it contains plugins
    Info,
    /// Load files into a dataset, which is made when it is not there
    Ingest(commands::ingest::Args),
    /// Write a few rows, visible at once
    Put(commands::put::Args),
    /// List the rows that a load set aside
    Rejected(commands::rejected::Args),
    /// List datasets
    Datasets,
    /// Show a dataset's columns and size
    Dataset(commands::dataset::Args),
    /// Run a SELECT over datasets
    Query(commands::query::Args),
    /// List algorithms, or show one with its inputs and parameters
    Algorithms(commands::algorithms::Args),
    /// List plugins, loaded or refused
    Plugins,
    /// Write, check, load, unload or release a plugin
    Plugin(commands::plugin::Args),
    /// Learn from a dataset of events who will leave, who will buy what, or how much
    Train(Box<commands::train::Args>),
    /// Run an algorithm
    Run(commands::run::Args),
    /// List jobs, newest first
    Jobs(commands::jobs::Args),
    /// Show a job, or watch it to its end
    Job(commands::job::Args),
    /// Ask a job to stop
    Cancel(commands::cancel::Args),
    /// Print a table that a job made
    Output(commands::output::Args),
    /// List models, newest first
    Models,
    /// Show a model
    Model(commands::model::Args),
    /// Give a model a second name that can be moved to another, or list them
    Alias(commands::alias::Args),
    /// Compare two models on the rows that neither had seen
    Compare(commands::compare::Args),
    /// List models in the order of a measure
    Leaderboard(commands::leaderboard::Args),
    /// Score customers with a model
    Score(commands::score::Args),
    /// Score everybody with a model, with reasons and actions
    ScoreAll(commands::score_all::Args),
    /// List whom to contact, why and with what, and what is to be expected of it
    Contacts(commands::contacts::Args),
    /// How far what a model is asked is from what it was made from
    Drift(commands::drift::Args),
    /// The best items for a customer
    Recommend(commands::recommend::Args),
    /// The items most like one
    Similar(commands::similar::Args),
    /// What to offer everybody, as a table
    RecommendAll(commands::recommend_all::Args),
    /// How many of the offers were followed, against a control arm
    Lift(commands::lift::Args),
    /// Declare feature views, list them, and compute them as of any time
    Feature(commands::feature::Args),
    /// Show a customer with features and what jobs wrote, or what they did
    Customer(commands::customer::Args),
    /// Check or rebuild a data directory without its engine
    Admin(commands::admin::Args),
    /// Write made-up customer data to play with
    Sample(commands::sample::Args),
    /// Show everything on made-up data, in a minute
    Demo(commands::demo::Args),
}
