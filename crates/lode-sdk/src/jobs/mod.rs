//! Jobs: what to run, the typed ways to say it, watching, and results.

mod batch;
mod churn;
mod evaluation;
mod job;
mod offering;
mod recommendation;
mod run;
mod segmentation;
mod spec;
mod tuning;
mod watch;

pub use batch::BatchScore;
pub use batch::ContactList;
pub use batch::ScoreAll;
pub use churn::Churn;
pub use evaluation::Calibration;
pub use evaluation::Evaluation;
pub use evaluation::OfferEvaluation;
pub use evaluation::OfferProtocol;
pub use job::Job;
pub use job::JobOutput;
pub use job::JobState;
pub use job::PinnedInput;
pub use job::Progress;
pub use job::Provenance;
pub(crate) use job::metrics;
pub use offering::OfferList;
pub use offering::Offering;
pub use offering::RecommendAll;
pub use recommendation::Recommendation;
pub use run::JobHandle;
pub use run::JobResult;
pub use run::new_job_id;
pub use segmentation::Segmentation;
pub use spec::Input;
pub use spec::InputSource;
pub use spec::JobLimits;
pub use spec::JobSpec;
pub use tuning::Tuning;
pub use watch::JobEvent;
pub use watch::JobWatch;

/// Declares the settings that every typed job has, on a struct with a `spec` field.
macro_rules! common_settings {
    ($job:ident) => {
        impl $job {
            /// Seed of everything random in the job; 0 when not said.
            #[must_use]
            pub fn seed(mut self, seed: u64) -> Self {
                self.spec.seed = seed;
                self
            }

            /// Writes what the job finds onto customers when it succeeds.
            #[must_use]
            pub fn write_back(mut self) -> Self {
                self.spec.write_back = true;
                self
            }

            /// Reads every input as it was known at a time; nothing later is seen.
            #[must_use]
            pub fn as_of(mut self, time: lode_types::Timestamp) -> Self {
                self.spec.as_of = Some(time);
                self
            }

            /// Starts from a model of the same algorithm, where the algorithm can.
            #[must_use]
            pub fn base_model(mut self, model: impl Into<String>) -> Self {
                self.spec.base_model = Some(model.into());
                self
            }

            /// Time, memory and threads of the job.
            #[must_use]
            pub fn limits(mut self, limits: crate::JobLimits) -> Self {
                self.spec.limits = limits;
                self
            }

            /// A parameter that has no method of its own.
            #[must_use]
            pub fn param(mut self, name: impl Into<String>, value: lode_types::Value) -> Self {
                self.spec.params.insert(name.into(), value);
                self
            }
        }

        impl From<$job> for crate::JobSpec {
            fn from(job: $job) -> Self {
                job.spec
            }
        }
    };
}
pub(crate) use common_settings;
