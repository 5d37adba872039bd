//! Every call of `lode.v1`, one method each, and the lists as pagers.
//!
//! All unary methods and server streams are marked NO_SIDE_EFFECTS or IDEMPOTENT in the
//! proto and may be repeated; `append_chunks` is not, and is sent once.

use lode_proto::v1;
use lode_proto::v1::algorithm_service_client::AlgorithmServiceClient;
use lode_proto::v1::catalog_service_client::CatalogServiceClient;
use lode_proto::v1::customer_service_client::CustomerServiceClient;
use lode_proto::v1::feature_service_client::FeatureServiceClient;
use lode_proto::v1::ingest_service_client::IngestServiceClient;
use lode_proto::v1::job_service_client::JobServiceClient;
use lode_proto::v1::model_service_client::ModelServiceClient;
use lode_proto::v1::query_service_client::QueryServiceClient;
use lode_proto::v1::server_service_client::ServerServiceClient;
use lode_proto::v1::serving_service_client::ServingServiceClient;
use tokio_stream::Stream as Messages;

use crate::Client;
use crate::Error;
use crate::MAX_MESSAGE_BYTES;
use crate::Pager;
use crate::Result;
use crate::Stream;

macro_rules! unary {
    ($service:ident: $($(#[$doc:meta])* $method:ident $name:literal ($request:ident) -> $response:ident;)+) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// What the call met, after the retries that the options allow.
                pub async fn $method(&self, request: v1::$request) -> Result<v1::$response> {
                    self.unary($name, request, |channel, request| async move {
                        $service::new(channel)
                            .max_decoding_message_size(MAX_MESSAGE_BYTES)
                            .$method(request)
                            .await
                    })
                    .await
                }
            )+
        }
    };
}

macro_rules! streaming {
    ($service:ident: $($(#[$doc:meta])* $method:ident $name:literal ($request:ident) -> $response:ident;)+) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// What opening the stream met, after the retries that the options allow.
                pub async fn $method(&self, request: v1::$request) -> Result<Stream<v1::$response>> {
                    self.streaming($name, request, |channel, request| async move {
                        $service::new(channel)
                            .max_decoding_message_size(MAX_MESSAGE_BYTES)
                            .$method(request)
                            .await
                    })
                    .await
                }
            )+
        }
    };
}

macro_rules! paged {
    ($($(#[$doc:meta])* $method:ident ($request:ident) -> $item:ident by $call:ident . $field:ident;)+) => {
        impl Client {
            $(
                $(#[$doc])*
                pub fn $method(&self, request: v1::$request) -> Pager<v1::$item> {
                    let client = self.clone();
                    Pager::new(move |page_token| {
                        let client = client.clone();
                        let request = v1::$request { page_token, ..request.clone() };
                        async move {
                            let page = client.$call(request).await?;
                            Ok((page.$field, page.next_page_token))
                        }
                    })
                }
            )+
        }
    };
}

unary! { ServerServiceClient:
    /// Version, capabilities and limits of the engine.
    get_server_info "GetServerInfo" (GetServerInfoRequest) -> GetServerInfoResponse;
}

unary! { CatalogServiceClient:
    /// Makes a dataset.
    create_dataset "CreateDataset" (CreateDatasetRequest) -> CreateDatasetResponse;
    /// Reads a dataset.
    get_dataset "GetDataset" (GetDatasetRequest) -> GetDatasetResponse;
    /// One page of datasets.
    list_datasets "ListDatasets" (ListDatasetsRequest) -> ListDatasetsResponse;
    /// Changes the masked fields of a dataset.
    update_dataset "UpdateDataset" (UpdateDatasetRequest) -> UpdateDatasetResponse;
    /// Deletes a dataset and its rows.
    delete_dataset "DeleteDataset" (DeleteDatasetRequest) -> DeleteDatasetResponse;
    /// Makes one sorted run of all rows of a dataset.
    compact_dataset "CompactDataset" (CompactDatasetRequest) -> CompactDatasetResponse;
    /// Guesses kind, schema and roles from a sample.
    infer_schema "InferSchema" (InferSchemaRequest) -> InferSchemaResponse;
}

unary! { IngestServiceClient:
    /// Opens a load, or finds it as it stands.
    open_ingest "OpenIngest" (OpenIngestRequest) -> OpenIngestResponse;
    /// Reads a load.
    get_ingest "GetIngest" (GetIngestRequest) -> GetIngestResponse;
    /// Makes a load visible.
    commit_ingest "CommitIngest" (CommitIngestRequest) -> CommitIngestResponse;
    /// Drops what an uncommitted load wrote.
    abort_ingest "AbortIngest" (AbortIngestRequest) -> AbortIngestResponse;
    /// Writes a few rows, exactly once.
    put_rows "PutRows" (PutRowsRequest) -> PutRowsResponse;
    /// One page of refused rows.
    list_rejected_rows "ListRejectedRows" (ListRejectedRowsRequest) -> ListRejectedRowsResponse;
}

unary! { AlgorithmServiceClient:
    /// One page of algorithms.
    list_algorithms "ListAlgorithms" (ListAlgorithmsRequest) -> ListAlgorithmsResponse;
    /// Reads an algorithm with its parameter schema.
    get_algorithm "GetAlgorithm" (GetAlgorithmRequest) -> GetAlgorithmResponse;
    /// One page of plugins.
    list_plugins "ListPlugins" (ListPluginsRequest) -> ListPluginsResponse;
    /// Loads a file of the plugin directory.
    load_plugin "LoadPlugin" (LoadPluginRequest) -> LoadPluginResponse;
    /// Unloads a library.
    unload_plugin "UnloadPlugin" (UnloadPluginRequest) -> UnloadPluginResponse;
    /// Lifts the quarantine of a library.
    release_plugin "ReleasePlugin" (ReleasePluginRequest) -> ReleasePluginResponse;
}

unary! { JobServiceClient:
    /// Starts a job.
    create_job "CreateJob" (CreateJobRequest) -> CreateJobResponse;
    /// Reads a job.
    get_job "GetJob" (GetJobRequest) -> GetJobResponse;
    /// One page of jobs, newest first.
    list_jobs "ListJobs" (ListJobsRequest) -> ListJobsResponse;
    /// Asks a job to stop.
    cancel_job "CancelJob" (CancelJobRequest) -> CancelJobResponse;
    /// Deletes a finished job.
    delete_job "DeleteJob" (DeleteJobRequest) -> DeleteJobResponse;
}

unary! { ModelServiceClient:
    /// Reads a model.
    get_model "GetModel" (GetModelRequest) -> GetModelResponse;
    /// One page of models, newest first.
    list_models "ListModels" (ListModelsRequest) -> ListModelsResponse;
    /// Points an alias at a model, or removes it.
    set_alias "SetAlias" (SetAliasRequest) -> SetAliasResponse;
    /// Compares two models on the rows that both were judged on.
    compare_models "CompareModels" (CompareModelsRequest) -> CompareModelsResponse;
    /// How far what a model is asked is from what it was made from.
    get_drift "GetDrift" (GetDriftRequest) -> GetDriftResponse;
}

unary! { ServingServiceClient:
    /// Scores customers or rows.
    score "Score" (ScoreRequest) -> ScoreResponse;
    /// The best items for a customer.
    recommend "Recommend" (RecommendRequest) -> RecommendResponse;
    /// The items most like one.
    similar_items "SimilarItems" (SimilarItemsRequest) -> SimilarItemsResponse;
    /// What came of recorded impressions.
    measure_lift "MeasureLift" (MeasureLiftRequest) -> MeasureLiftResponse;
}

unary! { CustomerServiceClient:
    /// Reads a customer with what jobs wrote.
    get_customer "GetCustomer" (GetCustomerRequest) -> GetCustomerResponse;
    /// One page of what a customer did, newest first.
    list_customer_events "ListCustomerEvents" (ListCustomerEventsRequest) -> ListCustomerEventsResponse;
}

unary! { FeatureServiceClient:
    /// Declares a feature view.
    create_feature_view "CreateFeatureView" (CreateFeatureViewRequest) -> CreateFeatureViewResponse;
    /// Reads a feature view.
    get_feature_view "GetFeatureView" (GetFeatureViewRequest) -> GetFeatureViewResponse;
    /// One page of feature views.
    list_feature_views "ListFeatureViews" (ListFeatureViewsRequest) -> ListFeatureViewsResponse;
    /// Deletes a feature view.
    delete_feature_view "DeleteFeatureView" (DeleteFeatureViewRequest) -> DeleteFeatureViewResponse;
}

streaming! { FeatureServiceClient:
    /// Computes a feature view.
    compute_features "ComputeFeatures" (ComputeFeaturesRequest) -> ComputeFeaturesResponse;
}

unary! { QueryServiceClient:
    /// Says how a SELECT would run.
    explain "Explain" (ExplainRequest) -> ExplainResponse;
}

streaming! { QueryServiceClient:
    /// Runs a SELECT.
    query "Query" (QueryRequest) -> QueryResponse;
}

streaming! { JobServiceClient:
    /// Streams a job's events until it ends.
    watch_job "WatchJob" (WatchJobRequest) -> WatchJobResponse;
    /// Streams an output table.
    read_output "ReadOutput" (ReadOutputRequest) -> ReadOutputResponse;
}

paged! {
    /// All datasets, by name.
    datasets(ListDatasetsRequest) -> Dataset by list_datasets.datasets;
    /// All refused rows of a load.
    rejected_rows(ListRejectedRowsRequest) -> RejectedRow by list_rejected_rows.rejected_rows;
    /// All algorithms, by id.
    algorithms(ListAlgorithmsRequest) -> Algorithm by list_algorithms.algorithms;
    /// All plugins, loaded or refused.
    plugins(ListPluginsRequest) -> Plugin by list_plugins.plugins;
    /// All jobs, newest first.
    jobs(ListJobsRequest) -> Job by list_jobs.jobs;
    /// All feature views, by name.
    feature_views(ListFeatureViewsRequest) -> FeatureView by list_feature_views.feature_views;
    /// All that a customer did, newest first.
    customer_events(ListCustomerEventsRequest) -> CustomerEvent by list_customer_events.events;
    /// All models, newest first.
    models(ListModelsRequest) -> Model by list_models.models;
}

impl Client {
    /// Opens the two-way stream of an ingest. Never repeated: after a failure ask with
    /// `get_ingest` or `open_ingest` where to go on.
    ///
    /// # Errors
    /// What opening the stream met.
    pub async fn append_chunks<S>(&self, chunks: S) -> Result<Stream<v1::AppendChunksResponse>>
    where
        S: Messages<Item = v1::AppendChunksRequest> + Send + 'static,
    {
        let response = IngestServiceClient::new(self.channel())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .append_chunks(chunks)
            .await
            .map_err(|status| Error::from_status(&status, self.addr()))?;
        Ok(self.stream(response))
    }
}
