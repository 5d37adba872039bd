//! The integration tests: the real engine, the real command, real clients.
//!
//! One binary, so that everything is linked once. `cargo xtask test` builds what it runs.

mod aliases;
mod asof;
mod budgets;
mod choice;
mod compare;
#[expect(clippy::float_cmp, reason = "equal scores are the same bits")]
mod contacts;
mod damage;
mod determinism;
mod fault_table;
mod faulty;
mod features;
mod honesty;
mod ingest;
mod jobs;
mod judge;
mod kit;
mod learners;
mod offers;
mod offers_cold;
mod offers_serving;
mod plugin_new;
mod plugins;
mod put_rows;
mod reload;
mod serving;
mod sql;
mod training;
mod tuning;
mod value;
mod warm_start;

mod bad_input;
mod end_to_end;
mod real_data;
mod reasons;

mod slow_crash;
mod slow_power_cut;
