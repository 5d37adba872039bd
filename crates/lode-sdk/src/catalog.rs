//! Datasets, algorithms and plugins, as typed answers.

use std::collections::BTreeMap;

use lode_client::v1;
use lode_proto::convert;
use lode_proto::names;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::IngestId;
use lode_types::Role;
use lode_types::Schema;
use lode_types::Timestamp;
use serde::Serialize;

use crate::Error;
use crate::Lode;
use crate::Query;
use crate::Result;
use crate::Rows;
use crate::lode::id_of;
use crate::lode::tenant;
use crate::serial;
use crate::table::QueryMessages;

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerInfo {
    /// Version of the engine.
    pub version: String,
    /// `lode.v1`.
    pub api_version: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Largest chunk of rows it takes, in bytes.
    pub max_chunk_bytes: u32,
    /// Most customers or rows in one scoring call.
    pub max_score_rows: u32,
    /// How plugins are kept from what is not theirs; none from an engine of before.
    pub containment: Option<Containment>,
}

/// How plugins are kept from what is not theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Containment {
    /// What is in force in every worker, e.g. `seccomp`.
    pub in_force: Vec<String>,
    /// What the engine's kernel does not have.
    pub missing: Vec<String>,
}

impl From<v1::GetServerInfoResponse> for ServerInfo {
    fn from(info: v1::GetServerInfoResponse) -> Self {
        let limits = info.limits.unwrap_or_default();
        Self {
            version: info.version,
            api_version: info.api_version,
            capabilities: info.capabilities,
            max_chunk_bytes: limits.max_chunk_bytes,
            max_score_rows: limits.max_score_rows,
            containment: info.containment.map(|containment| Containment {
                in_force: containment.in_force,
                missing: containment.missing,
            }),
        }
    }
}

/// A dataset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dataset {
    /// Its id.
    pub dataset: String,
    /// For people.
    pub display_name: String,
    /// How its rows are keyed.
    pub kind: DatasetKind,
    /// Its columns.
    pub schema: Schema,
    /// Rows visible at `version`.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Grows by one with each load; 0 before the first.
    pub version: u64,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// When it was made.
    #[serde(serialize_with = "serial::time")]
    pub create_time: Option<Timestamp>,
    /// When it changed last.
    #[serde(serialize_with = "serial::time")]
    pub update_time: Option<Timestamp>,
    /// Parts whose rows cannot be read any more; only [`Lode::dataset`] asks for them.
    pub lost_parts: Vec<LostPart>,
}

/// A part of a dataset whose rows cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostPart {
    /// Its name.
    pub part: String,
    /// The load that takes its chunk a second time; none for a part that compaction made.
    pub ingest: Option<String>,
    /// The chunk of that load.
    pub seq: u64,
    /// Rows that are not there.
    pub rows: u64,
    /// What was found in its place.
    pub found: String,
    /// When that was found.
    #[serde(serialize_with = "serial::time")]
    pub find_time: Option<Timestamp>,
}

impl From<v1::LostPart> for LostPart {
    fn from(lost: v1::LostPart) -> Self {
        Self {
            part: lost.part,
            ingest: (!lost.ingest.is_empty()).then(|| id_of(&lost.ingest)),
            seq: lost.seq,
            rows: lost.row_count,
            found: lost.found,
            find_time: lost.find_time.as_ref().map(convert::time_from_wire),
        }
    }
}

impl Dataset {
    pub(crate) fn from_wire(dataset: v1::Dataset) -> Result<Self> {
        let kind = convert::kind_from_wire(dataset.kind).ok_or_else(|| {
            Error::Client(lode_client::Error::Protocol {
                expected: "a dataset's kind",
                found: dataset.kind.to_string(),
            })
        })?;
        let schema = dataset.schema.unwrap_or_default();
        Ok(Self {
            dataset: id_of(&dataset.name),
            display_name: dataset.display_name,
            kind,
            schema: convert::schema_from_wire(&schema).map_err(Error::Wire)?,
            rows: dataset.row_count,
            bytes: dataset.size_bytes,
            version: dataset.version,
            labels: dataset.labels,
            create_time: dataset.create_time.as_ref().map(convert::time_from_wire),
            update_time: dataset.update_time.as_ref().map(convert::time_from_wire),
            lost_parts: Vec::new(),
        })
    }
}

/// What compaction has cost a dataset since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compaction {
    /// Sorted runs made.
    pub runs: u64,
    /// Rows written, each as often as it was.
    pub rows: u64,
    /// Bytes of parts read.
    pub read_bytes: u64,
    /// Bytes of parts written.
    pub written_bytes: u64,
    /// Bytes, as they were loaded, of all rows that are in runs now.
    pub loaded_bytes: u64,
    /// CPU time, in microseconds.
    pub cpu_micros: u64,
}

/// A row that a load refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedRow {
    /// The chunk it came in.
    pub seq: u64,
    /// Row within the chunk.
    pub row: u32,
    /// The column to blame.
    pub column: String,
    /// Stable word, e.g. `NOT_A_NUMBER`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The row as JSON text.
    pub row_json: String,
}

impl From<v1::RejectedRow> for RejectedRow {
    fn from(row: v1::RejectedRow) -> Self {
        Self {
            seq: row.seq,
            row: row.row,
            column: row.column,
            reason: row.reason,
            message: row.message,
            row_json: row.row_json,
        }
    }
}

/// An algorithm and how to call it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlgorithmInfo {
    /// e.g. `churn.logistic`.
    pub algorithm: String,
    /// Its version.
    pub version: String,
    /// segmentation, recommendation or churn.
    pub task: String,
    /// One line.
    pub title: String,
    /// A paragraph.
    pub description: String,
    /// JSON Schema of its parameters.
    pub params_schema: serde_json::Value,
    /// Tables it takes.
    pub inputs: Vec<InputInfo>,
    /// Tables it makes.
    pub outputs: Vec<OutputInfo>,
    /// Whether a job makes a model.
    pub makes_model: bool,
    /// Whether a job may start from an earlier model.
    pub warm_start: bool,
    /// Whether what it learns from parts of the rows can be put together.
    pub mergeable: bool,
    /// Largest relative difference of a number between merged parts and one fit; 0 means the
    /// same bytes.
    pub merge_tolerance: f64,
    /// Models that a job makes beside its main one: what each is for, by name.
    pub models: BTreeMap<String, String>,
    /// The plugin that brings it.
    pub plugin: String,
    /// Version of the plugin.
    pub plugin_version: String,
}

/// A table that an algorithm takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputInfo {
    /// e.g. `events`.
    pub name: String,
    /// Whether a job may leave it out.
    pub optional: bool,
    /// For people.
    pub description: String,
    /// The columns it looks for.
    pub columns: Vec<InputColumnInfo>,
    /// ignored, numeric or all: what becomes of the other columns.
    pub features: &'static str,
}

/// A column that an algorithm looks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputColumnInfo {
    /// Its role.
    pub role: Option<Role>,
    /// Whether a table may lack it.
    pub optional: bool,
    /// Types it takes.
    pub types: Vec<lode_types::ColumnType>,
    /// For people.
    pub description: String,
}

/// A table that an algorithm makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputInfo {
    /// e.g. `scores`.
    pub name: String,
    /// For people.
    pub description: String,
    /// table, bar, line, heatmap or scatter.
    pub chart_hint: String,
    /// Whether it can be written back onto customers.
    pub write_back: bool,
}

impl Lode {
    /// All datasets, by name.
    ///
    /// # Errors
    /// What the calls met.
    pub async fn datasets(&self) -> Result<Vec<Dataset>> {
        let request = v1::ListDatasetsRequest {
            parent: tenant(),
            ..Default::default()
        };
        let all = self.client().datasets(request).all().await?;
        all.into_iter().map(Dataset::from_wire).collect()
    }

    /// One dataset.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, or what the call met.
    pub async fn dataset(&self, dataset: &str) -> Result<Dataset> {
        let request = v1::GetDatasetRequest {
            name: dataset_name(dataset)?,
        };
        let answer = self.client().get_dataset(request).await?;
        let lost = answer.lost_parts.into_iter();
        Ok(Dataset {
            lost_parts: lost.map(LostPart::from).collect(),
            ..Dataset::from_wire(answer.dataset.unwrap_or_default())?
        })
    }

    /// Makes a dataset, or finds it when it is there with the same kind and schema.
    ///
    /// # Errors
    /// `DATASET_EXISTS` when it is there and differs, or what the call met.
    pub async fn create_dataset(
        &self,
        dataset: &str,
        kind: DatasetKind,
        schema: &Schema,
    ) -> Result<Dataset> {
        dataset_name(dataset)?;
        let request = v1::CreateDatasetRequest {
            parent: tenant(),
            dataset_id: dataset.to_owned(),
            dataset: Some(v1::Dataset {
                kind: convert::kind_to_wire(kind).into(),
                schema: Some(convert::schema_to_wire(schema)),
                ..Default::default()
            }),
            validate_only: false,
        };
        let answer = self.client().create_dataset(request).await?;
        Dataset::from_wire(answer.dataset.unwrap_or_default())
    }

    /// Changes roles, privacy classes and descriptions of a dataset's columns.
    ///
    /// # Errors
    /// What the call met; names, types and nullability cannot change.
    pub async fn update_columns(&self, dataset: &str, schema: &Schema) -> Result<Dataset> {
        let request = v1::UpdateDatasetRequest {
            dataset: Some(v1::Dataset {
                name: dataset_name(dataset)?,
                schema: Some(convert::schema_to_wire(schema)),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["schema".to_owned()],
            }),
        };
        let answer = self.client().update_dataset(request).await?;
        Dataset::from_wire(answer.dataset.unwrap_or_default())
    }

    /// Gives a dataset these labels instead of those that it has.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, or what the call met.
    pub async fn update_labels(
        &self,
        dataset: &str,
        labels: BTreeMap<String, String>,
    ) -> Result<Dataset> {
        let request = v1::UpdateDatasetRequest {
            dataset: Some(v1::Dataset {
                name: dataset_name(dataset)?,
                labels,
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["labels".to_owned()],
            }),
        };
        let answer = self.client().update_dataset(request).await?;
        Dataset::from_wire(answer.dataset.unwrap_or_default())
    }

    /// Deletes a dataset and its rows.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, `DATASET_IN_USE`, or what the call met.
    pub async fn delete_dataset(&self, dataset: &str) -> Result<()> {
        let request = v1::DeleteDatasetRequest {
            name: dataset_name(dataset)?,
            allow_missing: false,
        };
        self.client().delete_dataset(request).await?;
        Ok(())
    }

    /// Makes one sorted run of all rows of a dataset and waits for it; what compaction has
    /// cost the dataset so far.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, or what the call met.
    pub async fn compact_dataset(&self, dataset: &str) -> Result<Compaction> {
        let request = v1::CompactDatasetRequest {
            name: dataset_name(dataset)?,
        };
        let answer = self.client().compact_dataset(request).await?;
        let spent = answer.compaction.unwrap_or_default();
        Ok(Compaction {
            runs: spent.runs,
            rows: spent.rows,
            read_bytes: spent.read_bytes,
            written_bytes: spent.written_bytes,
            loaded_bytes: spent.loaded_bytes,
            cpu_micros: spent.cpu_micros,
        })
    }

    /// Rows that a load refused, in their order; at most `limit`.
    ///
    /// # Errors
    /// `INGEST_NOT_FOUND`, or what the calls met.
    pub async fn rejected_rows(
        &self,
        dataset: &str,
        ingest: &str,
        limit: usize,
    ) -> Result<Vec<RejectedRow>> {
        let request = v1::ListRejectedRowsRequest {
            parent: ingest_name(dataset, ingest)?,
            ..Default::default()
        };
        let rows = self.client().rejected_rows(request).take(limit).await?;
        Ok(rows.into_iter().map(RejectedRow::from).collect())
    }

    /// Runs a SELECT over datasets; at most `row_limit` rows when given.
    ///
    /// # Errors
    /// `SQL_NOT_A_QUERY`, `SQL_INVALID`, `DATASET_NOT_FOUND`, or what the call met.
    pub async fn query(&self, sql: &str, row_limit: Option<u64>) -> Result<Rows> {
        let mut query = Query::new(sql);
        query.row_limit = row_limit;
        self.run_query(&query).await
    }

    /// Runs a SELECT with parameters, times and limits.
    ///
    /// # Errors
    /// As [`Lode::query`]; also `SQL_DEADLINE_EXCEEDED`, `SQL_OUT_OF_MEMORY`, `SQL_SPILL_FULL`,
    /// `SQL_QUEUE_FULL`.
    pub async fn run_query(&self, query: &Query) -> Result<Rows> {
        let stream = self.client().query(query.to_wire()).await?;
        Rows::open(Box::new(QueryMessages::new(stream))).await
    }

    /// Says how a SELECT would run and which parts it reads; with `analyze` after running it.
    ///
    /// # Errors
    /// As [`Lode::run_query`].
    pub async fn explain_query(&self, query: &Query, analyze: bool) -> Result<v1::ExplainResponse> {
        let query = Some(query.to_wire());
        let request = v1::ExplainRequest { query, analyze };
        Ok(self.client().explain(request).await?)
    }

    /// All algorithms, by id.
    ///
    /// # Errors
    /// What the calls met.
    pub async fn algorithms(&self) -> Result<Vec<AlgorithmInfo>> {
        let all = self
            .client()
            .algorithms(v1::ListAlgorithmsRequest::default())
            .all()
            .await?;
        Ok(all.into_iter().map(AlgorithmInfo::from).collect())
    }

    /// One algorithm, with the schema of its parameters.
    ///
    /// # Errors
    /// `ALGORITHM_NOT_FOUND`, or what the call met.
    pub async fn algorithm(&self, id: &str) -> Result<AlgorithmInfo> {
        let request = v1::GetAlgorithmRequest {
            name: names::algorithm(id),
        };
        let answer = self.client().get_algorithm(request).await?;
        Ok(answer.algorithm.unwrap_or_default().into())
    }
}

impl From<v1::Algorithm> for AlgorithmInfo {
    fn from(algorithm: v1::Algorithm) -> Self {
        let params_schema = serde_json::from_str(&algorithm.params_schema)
            .unwrap_or(serde_json::Value::String(algorithm.params_schema));
        Self {
            algorithm: id_of(&algorithm.name),
            version: algorithm.version,
            task: algorithm.task,
            title: algorithm.title,
            description: algorithm.description,
            params_schema,
            inputs: algorithm.inputs.into_iter().map(InputInfo::from).collect(),
            outputs: algorithm
                .outputs
                .into_iter()
                .map(|output| OutputInfo {
                    name: output.name,
                    description: output.description,
                    chart_hint: output.chart_hint,
                    write_back: output.write_back,
                })
                .collect(),
            makes_model: algorithm.makes_model,
            warm_start: algorithm.warm_start,
            mergeable: algorithm.mergeable,
            merge_tolerance: algorithm.merge_tolerance,
            models: algorithm
                .models
                .into_iter()
                .map(|model| (model.name, model.description))
                .collect(),
            plugin: id_of(&algorithm.plugin),
            plugin_version: algorithm.plugin_version,
        }
    }
}

impl From<v1::AlgorithmInput> for InputInfo {
    fn from(input: v1::AlgorithmInput) -> Self {
        let features = match input.features() {
            v1::Features::Numeric => "numeric",
            v1::Features::All => "all",
            v1::Features::Ignored | v1::Features::Unspecified => "ignored",
        };
        Self {
            name: input.name,
            optional: input.optional,
            description: input.description,
            columns: input
                .columns
                .into_iter()
                .map(|column| InputColumnInfo {
                    role: convert::role_from_wire(column.role),
                    optional: column.optional,
                    types: column
                        .types
                        .iter()
                        .filter_map(|number| convert::type_from_wire(*number, 0, 0))
                        .collect(),
                    description: column.description,
                })
                .collect(),
            features,
        }
    }
}

/// The resource name of a dataset.
pub(crate) fn dataset_name(dataset: &str) -> Result<String> {
    Ok(names::dataset(&DatasetId::parse(dataset)?))
}

/// The resource name of a load.
pub(crate) fn ingest_name(dataset: &str, ingest: &str) -> Result<String> {
    Ok(names::ingest(
        &DatasetId::parse(dataset)?,
        &IngestId::parse(ingest)?,
    ))
}
