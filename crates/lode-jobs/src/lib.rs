//! Jobs: from a checked spec to outputs, a model, an honest evaluation and tags on customers.
//!
//! The engine's services call [`Jobs`]; it queues, runs each job's plugin in a worker
//! process, judges supervised jobs on rows the plugin did not see, and keeps everything in
//! the store so that a restart loses no job. It knows nothing of gRPC.
//!
//! Reading order: [`JobSpec`] is what a client asks; `check` refuses what cannot run;
//! `scheduler` and `run` carry it out; `judge` judges it; `batch` scores everybody; `serving`
//! answers online from pools of warm workers.

mod alias;
mod batch;
mod card;
mod check;
mod condition;
mod error;
mod events;
mod features;
mod input;
mod job;
mod jobs;
mod judge;
mod offering;
mod params;
mod profile;
mod ranking;
mod reasons;
mod records;
mod run;
mod scheduler;
mod serving;
mod spec;
mod tables;
mod tags;
mod training;
mod tune;

pub use alias::Expected;
pub use alias::resolve_model;
pub use check::resolve_dataset;
pub use error::Error;
pub use error::Result;
pub use events::Event;
pub use events::EventKind;
pub use features::FeatureView;
pub use features::PinnedView;
pub use features::create_view;
pub use features::customer_events;
pub use features::delete_view;
pub use features::view;
pub use features::views;
pub use job::Job;
pub use job::JobState;
pub use job::Metric;
pub use job::Model;
pub use job::Output;
pub use job::PinnedInput;
pub use job::Progress;
pub use job::Provenance;
pub use job::SignatureColumn;
pub use jobs::Jobs;
pub use jobs::Options;
pub use judge::Calibration;
pub use judge::CalibrationInput;
pub use judge::Compared;
pub use judge::Comparison;
pub use judge::Curve;
pub use offering::Arm;
pub use offering::Note;
pub use offering::lift::ArmLift;
pub use offering::lift::Lift;
pub use offering::lift::LiftCall;
#[doc(hidden)]
pub use params::resolve as resolve_params;
pub use profile::Drift;
pub use profile::LEAST_ROWS;
pub use ranking::Ranking;
pub use serving::Offer;
pub use serving::Offers;
pub use serving::Reason;
pub use serving::RecommendCall;
pub use serving::ScoreCall;
pub use serving::ScoreSubject;
pub use serving::Scored;
pub use serving::SimilarCall;
pub use spec::BatchScore;
pub use spec::CalibrationMethod;
pub use spec::ContactList;
pub use spec::DoNotContact;
pub use spec::Evaluation;
pub use spec::InputRef;
pub use spec::InputSource;
pub use spec::JobSpec;
pub use spec::Limits;
pub use spec::OfferEvaluation;
pub use spec::OfferList;
pub use spec::OfferProtocol;
pub use spec::Offering;
pub use spec::Tuning;
pub use tables::OpenTable;
pub use tables::ReadTable;
pub use training::CandidatesSpec;
pub use training::LabelSpec;
pub use training::LabelWord;
pub use training::RollingPlan;
pub use training::TrainingSpec;
