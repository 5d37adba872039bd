//! What a job is to run: algorithm, parameters, inputs, seed, limits.

use std::collections::BTreeMap;
use std::time::Duration;

use lode_client::v1;
use lode_proto::convert;
use lode_proto::names;
use lode_types::JobId;
use lode_types::ModelRef;
use lode_types::Role;
use lode_types::Timestamp;
use lode_types::Value;

use crate::BatchScore;
use crate::Offering;
use crate::Result;
use crate::TrainingSet;
use crate::catalog::dataset_name;
use crate::features::view_name;
use crate::jobs::Evaluation;
use crate::jobs::Tuning;

/// A job to be. The typed builders make one; it can also be filled in by hand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobSpec {
    /// e.g. `churn.logistic`.
    pub algorithm: String,
    /// Parameters by name; those left out have the algorithm's defaults.
    pub params: BTreeMap<String, Value>,
    /// Tables by the input names of the algorithm.
    pub inputs: BTreeMap<String, Input>,
    /// Seed of everything random.
    pub seed: u64,
    /// Time, memory and threads.
    pub limits: JobLimits,
    /// Folds of the cross-validation of a supervised job: 0 means the engine's 5; 1: it is not
    /// judged, nor is a recommender.
    pub folds: u32,
    /// How it is judged beyond that.
    pub evaluation: Evaluation,
    /// Write the result onto customers.
    pub write_back: bool,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Read every input as it was known at this time.
    pub as_of: Option<Timestamp>,
    /// A model of the same algorithm that the fit starts from: `ID` or `@ALIAS`.
    pub base_model: Option<String>,
    /// Search for parameters before the fit.
    pub tuning: Option<Tuning>,
    /// Score everybody with a model instead of fitting one; then there is no algorithm.
    pub batch_score: Option<BatchScore>,
    /// Of a recommender: what always holds when its model offers something.
    pub offering: Option<Offering>,
}

/// Bounds of one job; what is not set is the engine's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobLimits {
    /// Longest run.
    pub timeout: Option<Duration>,
    /// Memory of the worker beyond its mapped inputs, in bytes.
    pub memory_bytes: u64,
    /// Threads; the result does not depend on it.
    pub threads: u32,
}

/// One input table of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Where its rows come from.
    pub source: InputSource,
    /// Which column holds a role, where the dataset does not say so itself.
    pub roles: Vec<(Role, String)>,
    /// Columns to leave out.
    pub exclude: Vec<String>,
}

/// Where the rows of an input come from.
#[derive(Clone, Debug, PartialEq)]
pub enum InputSource {
    /// A dataset, at the version it has when the job is made.
    Dataset(String),
    /// A SELECT over datasets, at the versions they have when the job is made.
    Sql(String),
    /// An output table of an earlier job.
    Output {
        /// The job.
        job: String,
        /// The output.
        output: String,
    },
    /// A feature view, as of the job's time or else that of its creation.
    Features(String),
    /// Rows that the engine makes of what happened.
    TrainingSet(Box<TrainingSet>),
}

impl JobSpec {
    /// A job of `algorithm` without inputs or parameters.
    pub fn new(algorithm: impl Into<String>) -> Self {
        Self {
            algorithm: algorithm.into(),
            ..Self::default()
        }
    }

    /// The same job with an input.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>, input: impl Into<Input>) -> Self {
        self.inputs.insert(name.into(), input.into());
        self
    }

    /// The same job with a parameter.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: Value) -> Self {
        self.params.insert(name.into(), value);
        self
    }

    /// The same job over what was known at a time.
    #[must_use]
    pub fn as_of(mut self, time: Timestamp) -> Self {
        self.as_of = Some(time);
        self
    }

    /// The same job, starting from a model of the same algorithm.
    #[must_use]
    pub fn base_model(mut self, model: impl Into<String>) -> Self {
        self.base_model = Some(model.into());
        self
    }

    /// The same job, its parameters searched before the fit.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = Some(tuning);
        self
    }

    /// What a job of this spec is called when nobody says it.
    pub(crate) fn kind(&self) -> &str {
        match &self.batch_score {
            Some(batch) if batch.contacts.is_some() => "contacts",
            Some(batch) if batch.offers.is_some() => "offers",
            Some(_) => "scores",
            None => &self.algorithm,
        }
    }

    pub(crate) fn to_wire(&self) -> Result<v1::JobSpec> {
        let mut inputs = BTreeMap::new();
        for (name, input) in &self.inputs {
            inputs.insert(name.clone(), input.to_wire()?);
        }
        let timeout = self.limits.timeout.map(|timeout| prost_types::Duration {
            seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(timeout.subsec_nanos()).unwrap_or(0),
        });
        Ok(v1::JobSpec {
            algorithm: match (&self.batch_score, self.algorithm.as_str()) {
                (Some(_), "") => String::new(),
                (_, algorithm) => names::algorithm(algorithm),
            },
            params: convert::values_to_wire(&self.params),
            inputs,
            seed: self.seed,
            limits: Some(v1::JobLimits {
                timeout,
                memory_bytes: self.limits.memory_bytes,
                threads: self.limits.threads,
            }),
            evaluation: Some(self.evaluation.to_wire(self.folds)?),
            write_back: self.write_back,
            labels: self.labels.clone(),
            as_of: self.as_of.map(convert::time_to_wire),
            base_model: match &self.base_model {
                Some(model) => names::model_ref(&ModelRef::parse(model)?),
                None => String::new(),
            },
            tuning: self.tuning.as_ref().map(Tuning::to_wire),
            batch_score: self
                .batch_score
                .as_ref()
                .map(BatchScore::to_wire)
                .transpose()?,
            offering: self.offering.as_ref().map(Offering::to_wire).transpose()?,
        })
    }
}

impl Input {
    /// A dataset.
    pub fn dataset(dataset: impl Into<String>) -> Self {
        Self::new(InputSource::Dataset(dataset.into()))
    }

    /// A SELECT over datasets.
    pub fn sql(sql: impl Into<String>) -> Self {
        Self::new(InputSource::Sql(sql.into()))
    }

    /// An output table of an earlier job.
    pub fn output(job: impl Into<String>, output: impl Into<String>) -> Self {
        Self::new(InputSource::Output {
            job: job.into(),
            output: output.into(),
        })
    }

    /// A feature view, as of the job's time or else that of its creation.
    pub fn features(feature_view: impl Into<String>) -> Self {
        Self::new(InputSource::Features(feature_view.into()))
    }

    /// Rows that the engine makes of what happened.
    pub fn training_set(set: TrainingSet) -> Self {
        Self::new(InputSource::TrainingSet(Box::new(set)))
    }

    fn new(source: InputSource) -> Self {
        Self {
            source,
            roles: Vec::new(),
            exclude: Vec::new(),
        }
    }

    /// The same input, `column` holding `role`.
    #[must_use]
    pub fn role(mut self, role: Role, column: impl Into<String>) -> Self {
        self.roles.push((role, column.into()));
        self
    }

    /// The same input without a column.
    #[must_use]
    pub fn exclude(mut self, column: impl Into<String>) -> Self {
        self.exclude.push(column.into());
        self
    }

    pub(super) fn to_wire(&self) -> Result<v1::InputRef> {
        use v1::input_ref::Source;
        let source = match &self.source {
            InputSource::Dataset(dataset) => Source::Dataset(dataset_name(dataset)?),
            InputSource::Sql(sql) => Source::Sql(sql.clone()),
            InputSource::Output { job, output } => {
                Source::Output(names::output(&JobId::parse(job)?, output))
            }
            InputSource::Features(view) => Source::FeatureView(view_name(view)?),
            InputSource::TrainingSet(set) => Source::TrainingSet(set.to_wire()?),
        };
        Ok(v1::InputRef {
            source: Some(source),
            roles: self
                .roles
                .iter()
                .map(|(role, column)| v1::RoleColumn {
                    role: convert::role_to_wire(*role).into(),
                    column: column.clone(),
                })
                .collect(),
            exclude: self.exclude.clone(),
        })
    }
}

impl From<&str> for Input {
    /// A dataset of that id.
    fn from(dataset: &str) -> Self {
        Self::dataset(dataset)
    }
}

impl From<String> for Input {
    /// A dataset of that id.
    fn from(dataset: String) -> Self {
        Self::dataset(dataset)
    }
}
