//! CatalogService: datasets and the guess of a schema.

use std::sync::Arc;

use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::catalog_service_server::CatalogService;
use lode_store::Dataset;
use lode_store::DatasetChange;
use lode_store::LostPart;
use lode_store::NewDataset;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::Fault;
use lode_types::IngestId;
use lode_types::Role;
use lode_types::Schema;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::MAX_CHUNK_BYTES;
use super::Shared;
use super::ingest::csv_options;
use super::ingest::format_of;
use super::only_tenant;
use crate::paging;
use crate::status::blocking;
use crate::status::invalid;

/// The service.
pub(crate) struct Service {
    shared: Arc<Shared>,
}

impl Service {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        Self { shared }
    }
}

#[tonic::async_trait]
impl CatalogService for Service {
    async fn create_dataset(
        &self,
        request: Request<v1::CreateDatasetRequest>,
    ) -> Result<Response<v1::CreateDatasetResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            only_tenant(&request.parent)?;
            let id = DatasetId::parse(&*request.dataset_id).map_err(|e| Fault::of(&e))?;
            let new = new_dataset(&id, request.dataset.unwrap_or_default())?;
            if request.validate_only {
                let dataset = Dataset {
                    id,
                    display_name: new.display_name,
                    kind: new.kind,
                    schema: new.schema,
                    row_count: 0,
                    size_bytes: 0,
                    version: 0,
                    labels: new.labels,
                    create_time: lode_types::Timestamp::default(),
                    update_time: lode_types::Timestamp::default(),
                };
                return Ok(Response::new(v1::CreateDatasetResponse {
                    dataset: Some(to_wire(&dataset)),
                    replayed: false,
                }));
            }
            let (dataset, replayed) = shared.store.create_dataset(&id, new)?;
            Ok(Response::new(v1::CreateDatasetResponse {
                dataset: Some(to_wire(&dataset)),
                replayed,
            }))
        })
        .await
    }

    async fn get_dataset(
        &self,
        request: Request<v1::GetDatasetRequest>,
    ) -> Result<Response<v1::GetDatasetResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let id = names::parse_dataset(&request.into_inner().name)?;
            let dataset = shared.store.dataset(&id)?;
            let lost = shared.store.lost_parts(&id)?;
            Ok(Response::new(v1::GetDatasetResponse {
                dataset: Some(to_wire(&dataset)),
                lost_parts: lost.iter().map(|part| lost_to_wire(&id, part)).collect(),
            }))
        })
        .await
    }

    async fn list_datasets(
        &self,
        request: Request<v1::ListDatasetsRequest>,
    ) -> Result<Response<v1::ListDatasetsResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            only_tenant(&request.parent)?;
            let all = shared.store.datasets()?;
            let (page, next_page_token) =
                paging::slice(all, request.page_size, &request.page_token)?;
            Ok(Response::new(v1::ListDatasetsResponse {
                datasets: page.iter().map(to_wire).collect(),
                next_page_token,
            }))
        })
        .await
    }

    async fn update_dataset(
        &self,
        request: Request<v1::UpdateDatasetRequest>,
    ) -> Result<Response<v1::UpdateDatasetResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let dataset = request.dataset.unwrap_or_default();
            let id = names::parse_dataset(&dataset.name).map_err(|e| e.at("dataset.name"))?;
            let mut change = DatasetChange::default();
            for path in request.update_mask.unwrap_or_default().paths {
                match path.as_str() {
                    "display_name" => change.display_name = Some(dataset.display_name.clone()),
                    "labels" => change.labels = Some(dataset.labels.clone()),
                    "schema" => {
                        let schema = dataset.schema.clone().unwrap_or_default();
                        change.columns = Some(convert::schema_from_wire(&schema)?);
                    }
                    _ => {
                        return Err(invalid(
                            "update_mask",
                            format!("expected display_name, labels or schema, found {path:?}"),
                        ));
                    }
                }
            }
            let dataset = shared.store.update_dataset(&id, change)?;
            Ok(Response::new(v1::UpdateDatasetResponse {
                dataset: Some(to_wire(&dataset)),
            }))
        })
        .await
    }

    async fn delete_dataset(
        &self,
        request: Request<v1::DeleteDatasetRequest>,
    ) -> Result<Response<v1::DeleteDatasetResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            let id = names::parse_dataset(&request.name)?;
            shared.store.delete_dataset(&id, request.allow_missing)?;
            Ok(Response::new(v1::DeleteDatasetResponse {}))
        })
        .await
    }

    async fn compact_dataset(
        &self,
        request: Request<v1::CompactDatasetRequest>,
    ) -> Result<Response<v1::CompactDatasetResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let id = names::parse_dataset(&request.into_inner().name)?;
            let spent = shared.store.compact(&id)?;
            Ok(Response::new(v1::CompactDatasetResponse {
                compaction: Some(v1::Compaction {
                    runs: spent.runs,
                    rows: spent.rows,
                    read_bytes: spent.read_bytes,
                    written_bytes: spent.written_bytes,
                    loaded_bytes: spent.loaded_bytes,
                    cpu_micros: spent.cpu_micros,
                }),
            }))
        })
        .await
    }

    async fn infer_schema(
        &self,
        request: Request<v1::InferSchemaRequest>,
    ) -> Result<Response<v1::InferSchemaResponse>, Status> {
        blocking(move || {
            let request = request.into_inner();
            only_tenant(&request.parent)?;
            let sample = request
                .sample
                .ok_or_else(|| invalid("sample", "expected a chunk, found none"))?;
            if sample.data.len() > MAX_CHUNK_BYTES {
                return Err(invalid(
                    "sample.data",
                    format!(
                        "expected at most {MAX_CHUNK_BYTES} bytes, found {}",
                        sample.data.len()
                    ),
                ));
            }
            let csv = csv_options(request.csv.as_ref())?;
            let inferred = lode_query::infer(
                format_of(&sample)?,
                &sample.data,
                csv.as_ref(),
                kind_from_wire("kind", request.kind)?,
            )?;
            Ok(Response::new(v1::InferSchemaResponse {
                kind: convert::kind_to_wire(inferred.kind).into(),
                schema: Some(convert::schema_to_wire(&inferred.schema)),
                notes: inferred.notes,
            }))
        })
        .await
    }
}

/// A kind that may be left out.
fn kind_from_wire(field: &str, number: i32) -> Result<Option<DatasetKind>, Fault> {
    match (number, convert::kind_from_wire(number)) {
        (0, _) => Ok(None),
        (_, Some(kind)) => Ok(Some(kind)),
        (_, None) => Err(invalid(
            field,
            format!("expected a value of DatasetKind, found {number}"),
        )),
    }
}

fn new_dataset(id: &DatasetId, dataset: v1::Dataset) -> Result<NewDataset, Fault> {
    let kind = kind_from_wire("dataset.kind", dataset.kind)?.ok_or_else(|| {
        invalid(
            "dataset.kind",
            "expected a kind: customers, events, items, links or other; found none",
        )
    })?;
    let schema = convert::schema_from_wire(&dataset.schema.unwrap_or_default())?;
    fits_kind(kind, &schema)?;
    Ok(NewDataset {
        display_name: if dataset.display_name.is_empty() {
            id.to_string()
        } else {
            dataset.display_name
        },
        kind,
        schema,
        labels: dataset.labels,
    })
}

/// A customers dataset is keyed by its customer_id column, so it needs one without nulls.
fn fits_kind(kind: DatasetKind, schema: &Schema) -> Result<(), Fault> {
    if kind != DatasetKind::Customers {
        return Ok(());
    }
    match schema.with_role(Role::CustomerId) {
        Some(column) if !column.nullable => Ok(()),
        Some(column) => Err(invalid(
            "dataset.schema",
            format!(
                "a customers dataset: expected column {:?} of role customer_id not to be nullable",
                column.name
            ),
        )),
        None => Err(invalid(
            "dataset.schema",
            "a customers dataset: expected a column with role customer_id, found none",
        )),
    }
}

fn lost_to_wire(dataset: &DatasetId, lost: &LostPart) -> v1::LostPart {
    v1::LostPart {
        part: lost.part.clone(),
        // A part of a run has no load; ids of loads are always good.
        ingest: IngestId::parse(&*lost.load)
            .map_or_else(|_| String::new(), |load| names::ingest(dataset, &load)),
        seq: lost.seq,
        row_count: lost.rows,
        found: lost.found.clone(),
        find_time: Some(convert::time_to_wire(lost.time)),
    }
}

fn to_wire(dataset: &Dataset) -> v1::Dataset {
    v1::Dataset {
        name: names::dataset(&dataset.id),
        display_name: dataset.display_name.clone(),
        kind: convert::kind_to_wire(dataset.kind).into(),
        schema: Some(convert::schema_to_wire(&dataset.schema)),
        row_count: dataset.row_count,
        size_bytes: dataset.size_bytes,
        version: dataset.version,
        labels: dataset.labels.clone(),
        create_time: Some(convert::time_to_wire(dataset.create_time)),
        update_time: Some(convert::time_to_wire(dataset.update_time)),
    }
}
