//! One file per command; this one hands over.

pub(crate) mod admin;
pub(crate) mod algorithms;
pub(crate) mod alias;
pub(crate) mod cancel;
pub(crate) mod compare;
pub(crate) mod contacts;
pub(crate) mod customer;
pub(crate) mod dataset;
pub(crate) mod datasets;
pub(crate) mod demo;
pub(crate) mod drift;
pub(crate) mod feature;
pub(crate) mod info;
pub(crate) mod ingest;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod leaderboard;
pub(crate) mod lift;
pub(crate) mod model;
pub(crate) mod models;
pub(crate) mod output;
pub(crate) mod plugin;
pub(crate) mod plugins;
pub(crate) mod put;
pub(crate) mod query;
pub(crate) mod recommend;
pub(crate) mod recommend_all;
pub(crate) mod rejected;
pub(crate) mod run;
pub(crate) mod sample;
pub(crate) mod score;
pub(crate) mod score_all;
pub(crate) mod serve;
pub(crate) mod similar;
pub(crate) mod train;

use std::process::ExitCode;

use lode_sdk::Lode;
use lode_sdk::Options;

use crate::cli::Cli;
use crate::cli::Command;
use crate::failure::Result;
use crate::output::Format;

/// What every client command has.
#[derive(Debug)]
pub(crate) struct Context {
    /// The engine.
    pub(crate) lode: Lode,
    /// How to print.
    pub(crate) format: Format,
}

impl Context {
    /// The model that is meant: an id, `@ALIAS`, or a word that is no id but an alias.
    pub(crate) async fn model(&self, name: &str) -> Result<String> {
        if name.starts_with('@') {
            return Ok(name.to_owned());
        }
        let error = match self.lode.model(name).await {
            Ok(model) => return Ok(model.model),
            Err(error) if error.has_reason("MODEL_NOT_FOUND") => error,
            Err(error) => return Err(error.into()),
        };
        let alias = format!("@{name}");
        match self.lode.model(&alias).await {
            Ok(_) => Ok(alias),
            Err(_) => Err(error.into()),
        }
    }
}

/// Runs a command to its exit code.
pub(crate) async fn run(cli: Cli) -> Result<ExitCode> {
    let cx = Context {
        lode: Lode::lazy(&cli.addr, Options::default())?,
        format: cli.format,
    };
    match cli.command {
        Command::Serve(args) => serve::run(args).await,
        Command::Worker => Ok(lode_host::worker_main()),
        Command::KitChild => Ok(lode_kit::child_main()),
        Command::Info => info::run(&cx).await,
        Command::Ingest(args) => ingest::run(&cx, args).await,
        Command::Put(args) => put::run(&cx, args).await,
        Command::Rejected(args) => rejected::run(&cx, args).await,
        Command::Datasets => datasets::run(&cx).await,
        Command::Dataset(args) => dataset::run(&cx, args).await,
        Command::Query(args) => query::run(&cx, args).await,
        Command::Algorithms(args) => algorithms::run(&cx, args).await,
        Command::Plugins => plugins::run(&cx).await,
        Command::Plugin(args) => plugin::run(&cx, args).await,
        Command::Run(args) => run::run(&cx, args).await,
        Command::Train(args) => Box::pin(train::run(&cx, *args)).await,
        Command::Jobs(args) => jobs::run(&cx, args).await,
        Command::Job(args) => job::run(&cx, args).await,
        Command::Cancel(args) => cancel::run(&cx, args).await,
        Command::Output(args) => output::run(&cx, args).await,
        Command::Models => models::run(&cx).await,
        Command::Model(args) => model::run(&cx, args).await,
        Command::Alias(args) => alias::run(&cx, args).await,
        Command::Compare(args) => compare::run(&cx, args).await,
        Command::Leaderboard(args) => leaderboard::run(&cx, args).await,
        Command::Score(args) => score::run(&cx, args).await,
        Command::ScoreAll(args) => score_all::run(&cx, args).await,
        Command::Contacts(args) => contacts::run(&cx, args).await,
        Command::Drift(args) => drift::run(&cx, args).await,
        Command::Recommend(args) => recommend::run(&cx, args).await,
        Command::Similar(args) => similar::run(&cx, args).await,
        Command::RecommendAll(args) => recommend_all::run(&cx, args).await,
        Command::Lift(args) => lift::run(&cx, args).await,
        Command::Feature(args) => feature::run(&cx, args).await,
        Command::Customer(args) => customer::run(&cx, args).await,
        Command::Admin(args) => admin::run(args).await,
        Command::Sample(args) => sample::run(args).await,
        Command::Demo(args) => demo::run(args).await,
    }
}
