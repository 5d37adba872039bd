//! The typed client of Lode, for applications: load rows, run mining jobs, read what they found.
//!
//! Built on `lode-client`; what is generic stays there. Nothing here prints, and nothing
//! depends on how the engine works inside. Invariant: an ingest or a watch that breaks goes
//! on where the engine says it stopped, so a caller sees each row and each event once.

mod aliases;
mod catalog;
mod error;
mod features;
mod ingest;
mod jobs;
mod lode;
mod models;
mod plugins;
mod put;
mod query;
mod serial;
mod serving;
mod table;

pub use aliases::AliasMove;
pub use catalog::AlgorithmInfo;
pub use catalog::Compaction;
pub use catalog::Containment;
pub use catalog::Dataset;
pub use catalog::InputColumnInfo;
pub use catalog::InputInfo;
pub use catalog::LostPart;
pub use catalog::OutputInfo;
pub use catalog::RejectedRow;
pub use catalog::ServerInfo;
pub use error::Error;
pub use error::Result;
pub use features::CustomerEvent;
pub use features::CustomerFeatures;
pub use features::FeatureInfo;
pub use features::FeatureView;
pub use features::Timeline;
pub use ingest::BadRows;
pub use ingest::Ingest;
pub use ingest::IngestEvent;
pub use ingest::IngestReport;
pub use ingest::Outcome;
pub use jobs::Calibration;
pub use jobs::Churn;
pub use jobs::Evaluation;
pub use jobs::Input;
pub use jobs::InputSource;
pub use jobs::Job;
pub use jobs::JobEvent;
pub use jobs::JobHandle;
pub use jobs::JobLimits;
pub use jobs::JobOutput;
pub use jobs::JobResult;
pub use jobs::JobSpec;
pub use jobs::JobState;
pub use jobs::JobWatch;
pub use jobs::PinnedInput;
pub use jobs::Progress;
pub use jobs::Provenance;
pub use jobs::Recommendation;
pub use jobs::Segmentation;
pub use jobs::new_job_id;
pub use lode::Lode;
pub use models::Model;
pub use plugins::PluginCrash;
pub use plugins::PluginInfo;
pub use plugins::PluginTarget;
pub use put::PutReport;
pub use put::new_request_id;
pub use query::Query;
pub use serial::value_to_json;
pub use serving::Customer;
pub use serving::CustomerRecord;
pub use serving::Offers;
pub use serving::Reason;
pub use serving::Recommend;
pub use serving::Score;
pub use serving::ScoredItem;
pub use serving::Tag;
pub use table::Rows;
pub use table::Table;

pub use lode_client::Options;
pub use lode_client::RetryPolicy;
