//! Builds what an algorithm says of itself, read top to bottom like the sentence it is.
//!
//! Does not check the result: `testing::check_spec` and the host do.

use lode_types::AlgorithmSpec;
use lode_types::ColumnType;
use lode_types::Features;
use lode_types::InputColumn;
use lode_types::InputSpec;
use lode_types::MemorySpec;
use lode_types::MergeSpec;
use lode_types::ModelSpec;
use lode_types::OutputSpec;
use lode_types::Role;
use lode_types::TagKind;
use lode_types::Task;
use lode_types::WriteBack;
use schemars::generate::SchemaSettings;

use crate::Algorithm;
use crate::Mergeable;

/// An algorithm's description, less what its types say already (id, parameters, model format).
#[derive(Clone, Debug)]
pub struct Spec {
    task: Task,
    title: String,
    description: String,
    version: String,
    inputs: Vec<InputSpec>,
    outputs: Vec<OutputSpec>,
    models: Vec<ModelSpec>,
    warm_start: bool,
    memory: MemorySpec,
}

impl Spec {
    /// Starts with the task, one line and one paragraph for people.
    pub fn new(task: Task, title: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            task,
            title: title.into(),
            description: description.into(),
            version: "1.0".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            models: Vec::new(),
            warm_start: false,
            memory: MemorySpec::default(),
        }
    }

    /// The version of the algorithm, `1.0` unless said; grows when its results change.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// A table that it takes: an [`Input`] or an `InputSpec`.
    #[must_use]
    pub fn input(mut self, input: impl Into<InputSpec>) -> Self {
        self.inputs.push(input.into());
        self
    }

    /// A table that it makes: an [`Output`] or an `OutputSpec`.
    #[must_use]
    pub fn output(mut self, output: impl Into<OutputSpec>) -> Self {
        self.outputs.push(output.into());
        self
    }

    /// A model that a fit gives beside its main one; see [`crate::Fitted::model_named`].
    #[must_use]
    pub fn model(mut self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.models.push(ModelSpec {
            name: name.into(),
            description: description.into(),
        });
        self
    }

    /// A fit can start from an earlier model; see [`crate::Context::base_model`].
    #[must_use]
    pub fn warm_start(mut self) -> Self {
        self.warm_start = true;
        self
    }

    /// The private memory that a fit needs at most: so much, and so much for each row of its
    /// inputs. 128 MiB and 1 KiB unless said; the conformance kit holds it to that.
    #[must_use]
    pub fn memory(mut self, base_bytes: u64, bytes_per_row: u64) -> Self {
        self.memory = MemorySpec {
            base_bytes,
            bytes_per_row,
        };
        self
    }
}

/// Builds an `InputSpec`.
#[derive(Clone, Debug)]
pub struct Input(InputSpec);

impl Input {
    /// A required input that ignores columns without a role.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self(InputSpec {
            name: name.into(),
            optional: false,
            description: description.into(),
            columns: Vec::new(),
            features: Features::Ignored,
        })
    }

    /// A job may leave it out.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.0.optional = true;
        self
    }

    /// It needs a column of this role, of any type that the role allows.
    #[must_use]
    pub fn column(self, role: Role, description: impl Into<String>) -> Self {
        self.typed_column(role, role.types(), false, description)
    }

    /// It uses a column of this role when there is one.
    #[must_use]
    pub fn optional_column(self, role: Role, description: impl Into<String>) -> Self {
        self.typed_column(role, role.types(), true, description)
    }

    /// It looks for a column of this role that has one of these types.
    #[must_use]
    pub fn typed_column(
        mut self,
        role: Role,
        types: &[ColumnType],
        optional: bool,
        description: impl Into<String>,
    ) -> Self {
        self.0.columns.push(InputColumn {
            role,
            optional,
            types: types.to_vec(),
            description: description.into(),
        });
        self
    }

    /// What it does with columns that have no role.
    #[must_use]
    pub fn features(mut self, features: Features) -> Self {
        self.0.features = features;
        self
    }
}

impl From<Input> for InputSpec {
    fn from(input: Input) -> Self {
        input.0
    }
}

/// How an output may be drawn: a hint to consoles and notebooks, no promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Chart {
    /// Rows and columns.
    #[default]
    Table,
    /// A bar a row: the first text column names it, the first number is its length.
    Bar,
    /// A line along the first column, which is a time or a number.
    Line,
    /// Colors by two text columns and a number.
    Heatmap,
    /// Points by two numbers, colored by a text.
    Scatter,
}

impl Chart {
    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Bar => "bar",
            Self::Line => "line",
            Self::Heatmap => "heatmap",
            Self::Scatter => "scatter",
        }
    }
}

/// Builds an `OutputSpec`.
#[derive(Clone, Debug)]
pub struct Output(OutputSpec);

impl Output {
    /// An output that is shown as a table and written back nowhere.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self(OutputSpec {
            name: name.into(),
            description: description.into(),
            chart_hint: Chart::Table.as_str().to_owned(),
            write_back: Vec::new(),
        })
    }

    /// How consoles and notebooks may draw it; a table unless said.
    #[must_use]
    pub fn chart(mut self, chart: Chart) -> Self {
        chart.as_str().clone_into(&mut self.0.chart_hint);
        self
    }

    /// A column that a job may write back onto customers; the output then has a column of
    /// role `customer_id`.
    #[must_use]
    pub fn write_back(mut self, column: impl Into<String>, kind: TagKind) -> Self {
        self.0.write_back.push(WriteBack {
            column: column.into(),
            kind,
        });
        self
    }
}

impl From<Output> for OutputSpec {
    fn from(output: Output) -> Self {
        output.0
    }
}

/// The whole description of `A`, parameters' schema (JSON Schema 2020-12) included.
pub fn describe<A: Algorithm>() -> AlgorithmSpec {
    let spec = A::spec();
    let schema = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<A::Params>();
    AlgorithmSpec {
        id: A::ID.to_owned(),
        version: spec.version,
        title: spec.title,
        description: spec.description,
        task: spec.task,
        params_schema: schema.as_value().to_string(),
        inputs: spec.inputs,
        outputs: spec.outputs,
        model_format: A::MODEL_FORMAT,
        reads_formats: A::READS_FORMATS.to_vec(),
        models: spec.models,
        warm_start: spec.warm_start,
        merge: None,
        memory: spec.memory,
    }
}

/// The whole description of `A`, which can be merged.
pub fn describe_mergeable<A: Mergeable>() -> AlgorithmSpec {
    AlgorithmSpec {
        merge: Some(MergeSpec {
            tolerance: A::TOLERANCE,
        }),
        ..describe::<A>()
    }
}
