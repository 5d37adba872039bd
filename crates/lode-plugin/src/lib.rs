//! What the author of a plugin writes against: one trait, one macro, no unsafe code.
//!
//! Implement [`Algorithm`], name the types in [`export_plugin!`], build a `cdylib`. Tables
//! come in as Arrow record batches with readers for the roles of their columns, results go
//! out as record batches. Knows no host, no store, no runtime and no network; the memory and
//! panic rules of the C boundary are kept in `ffi`, the only place with unsafe code.
//!
//! # Example
//! An algorithm that adds up what each customer spent, and its test:
//! ```
//! use std::sync::Arc;
//! use lode_plugin::arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
//! use lode_plugin::arrow_schema::{DataType, Field, Schema};
//! use lode_plugin::*;
//!
//! struct Spend;
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct SpendParams {
//!     /// Rows below this amount do not count.
//!     #[serde(default)]
//!     floor: f64,
//! }
//!
//! impl Algorithm for Spend {
//!     const ID: &'static str = "example.spend";
//!     const MODEL_FORMAT: Option<u32> = None;
//!     type Params = SpendParams;
//!     type Scorer = ();
//!
//!     fn spec() -> Spec {
//!         Spec::new(Task::Segmentation, "Spend", "What each customer spent in all.")
//!             .input(
//!                 Input::new("events", "purchases; rows without a customer are left out")
//!                     .column(Role::CustomerId, "who")
//!                     .column(Role::Amount, "money of the row"),
//!             )
//!             .output(
//!                 Output::new("spend", "a row a customer, by id")
//!                     .write_back("spent", TagKind::Score),
//!             )
//!     }
//!
//!     fn fit(params: SpendParams, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
//!         if !(params.floor >= 0.0) {
//!             let found = params.floor;
//!             return Err(Error::invalid("params.floor", format!("expected 0 or more, found {found}")));
//!         }
//!         let events = inputs.table("events")?;
//!         let customers = events.ids(Role::CustomerId)?;
//!         let mut spent = vec![0.0; customers.n()];
//!         for (code, amount) in customers.codes.iter().zip(events.numbers(Role::Amount)?) {
//!             if *code != Ids::NONE && amount >= params.floor {
//!                 spent[*code as usize] += amount;
//!             }
//!         }
//!         cx.check_cancelled()?;
//!         let schema = Schema::new(vec![
//!             role_field("customer_id", DataType::Utf8, false, Role::CustomerId),
//!             Field::new("spent", DataType::Float64, false),
//!         ]);
//!         let names: ArrayRef = Arc::new(StringArray::from(customers.names));
//!         let total = spent.iter().sum();
//!         let batch = RecordBatch::try_new(Arc::new(schema), vec![names, Arc::new(Float64Array::from(spent))])?;
//!         Ok(Fitted::new().table("spend", batch).metric("total", total))
//!     }
//! }
//!
//! // At the root of a crate of type cdylib: export_plugin!(Spend);
//!
//! let who: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), Some("a"), None, Some("b")]));
//! let paid: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 4.0, 8.0]));
//! let events = testing::batch(&[("who", Some(Role::CustomerId), who), ("paid", Some(Role::Amount), paid)]);
//! let fit = testing::fit::<Spend>("{}", Inputs::new().with("events", events.into()), 1, 1)?;
//! assert_eq!(fit.metrics["total"], 11.0);
//! assert_eq!(fit.table("spend").num_rows(), 2);
//! # Ok::<(), Error>(())
//! ```

mod algorithm;
mod call;
mod context;
mod error;
mod export;
#[doc(hidden)]
pub mod ffi;
mod inputs;
#[doc(hidden)]
pub mod model;
mod spec;
mod table;
pub mod testing;

pub use algorithm::Algorithm;
pub use algorithm::Fitted;
pub use algorithm::Mergeable;
pub use context::Context;
pub use context::Level;
pub use error::Error;
pub use error::Result;
pub use inputs::Batches;
pub use inputs::Inputs;
pub use model::Model;
pub use spec::Chart;
pub use spec::Input;
pub use spec::Output;
pub use spec::Spec;
pub use spec::describe;
pub use spec::describe_mergeable;
pub use table::Column;
pub use table::Csr;
pub use table::Feature;
pub use table::Ids;
pub use table::Infinities;
pub use table::Interactions;
pub use table::Matrix;
pub use table::MatrixOptions;
pub use table::MatrixPlan;
pub use table::Nulls;
pub use table::Reference;
pub use table::Sequence;
pub use table::Sequences;
pub use table::Table;
pub use table::Values;
pub use table::Vocabulary;
pub use table::Weight;
pub use table::WordOptions;
pub use table::Words;
pub use table::role_field;

pub use lode_types::AlgorithmSpec;
pub use lode_types::ColumnType;
pub use lode_types::Features;
pub use lode_types::InputColumn;
pub use lode_types::InputSpec;
pub use lode_types::OutputSpec;
pub use lode_types::ROLE_KEY;
pub use lode_types::Role;
pub use lode_types::TagKind;
pub use lode_types::Task;
pub use lode_types::WriteBack;
pub use lode_types::role_of;

pub use arrow_array;
pub use arrow_schema;
pub use schemars;
pub use serde;
pub use serde_json;
