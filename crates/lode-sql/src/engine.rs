//! Plans and runs one query.
//!
//! The same query over the same files with one thread gives the same rows in the same order.
//! Memory is bounded by a pool; nothing is spilled to disk. Panics of the query engine come
//! out as refusals.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::disk_manager::DiskManagerMode;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SQLOptions;
use datafusion::prelude::SessionConfig;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser;
use lode_parts::Table;
use tokio::runtime::Runtime;

use crate::failure::Failed;
use crate::output;
use crate::spelling;
use crate::statement;
use crate::statement::Statement;
use crate::table::PartTable;

/// Most threads of one query.
const MAX_THREADS: u32 = 64;

/// Stack of a query thread; it evaluates expressions as deep as a statement may nest them.
const STACK_BYTES: usize = 4 << 20;

/// A parsed query.
#[derive(Debug)]
pub(crate) struct Opened {
    statement: Statement,
    threads: usize,
    memory_bytes: usize,
}

/// Parses a query that will run on `threads` threads in `memory_bytes` of memory.
pub(crate) fn open(sql: &str, threads: u32, memory_bytes: usize) -> Result<Opened, Failed> {
    let statement = guarded(|| statement::parse(sql))?;
    let threads = threads.clamp(1, MAX_THREADS) as usize;
    Ok(Opened {
        statement,
        threads,
        memory_bytes,
    })
}

impl Opened {
    /// The tables that the query reads, as it writes them.
    pub(crate) fn tables(&self) -> Vec<String> {
        let tables = self.statement.tables.iter();
        tables.map(|table| table.text.clone()).collect()
    }

    /// Plans the query over its tables.
    pub(crate) fn plan(mut self, tables: Vec<(String, Table)>) -> Result<Planned, Failed> {
        let schemas: Vec<SchemaRef> = tables.iter().map(|(_, table)| table.schema()).collect();
        let columns = schemas.iter().flat_map(|schema| schema.fields());
        spelling::respell(
            &mut self.statement,
            columns.map(|field| field.name().as_str()),
        );
        guarded(|| self.plan_respelled(tables))
    }

    fn plan_respelled(self, tables: Vec<(String, Table)>) -> Result<Planned, Failed> {
        let refused = |error: DataFusionError| Failed::planning(&error);
        let context = session(self.threads, self.memory_bytes).map_err(refused)?;
        for (name, table) in tables {
            let provider = Arc::new(PartTable::new(table, self.threads));
            context
                .register_table(TableReference::bare(name), provider)
                .map_err(refused)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads)
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .build()
            .map_err(|error| Failed::invalid(format!("could not start threads: {error}")))?;
        let statement = parser::Statement::Statement(Box::new(self.statement.query));
        let state = context.state();
        let (plan, schema) = runtime
            .block_on(async {
                let plan = state.statement_to_plan(statement).await?;
                let options = SQLOptions::new()
                    .with_allow_ddl(false)
                    .with_allow_dml(false)
                    .with_allow_statements(false);
                options.verify_plan(&plan)?;
                let schema = state.create_physical_plan(&plan).await?.schema();
                Ok((plan, schema))
            })
            .map_err(refused)?;
        Ok(Planned {
            context,
            runtime,
            plan,
            schema: output::plain_schema(&schema, self.statement.titles.as_deref()),
        })
    }
}

/// A query that is ready to run.
pub(crate) struct Planned {
    context: SessionContext,
    runtime: Runtime,
    plan: LogicalPlan,
    schema: SchemaRef,
}

/// Why a run ended early.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The query failed.
    Failed(Failed),
    /// Nobody takes the rows any more.
    Closed(lode_worker::Error),
}

impl From<DataFusionError> for Ended {
    fn from(error: DataFusionError) -> Self {
        Self::Failed(Failed::running(&error))
    }
}

impl From<arrow_schema::ArrowError> for Ended {
    fn from(error: arrow_schema::ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}

impl Planned {
    /// The result's columns as they leave.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Runs the query and hands out its rows as IPC streams of at most `batch_bytes`; gives
    /// the number of rows.
    pub(crate) fn execute(
        self,
        row_limit: Option<u64>,
        batch_bytes: u64,
        hand_out: &mut dyn FnMut(&[u8]) -> Result<(), Ended>,
    ) -> Result<u64, Ended> {
        let run = || self.run(row_limit, batch_bytes, hand_out);
        catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|payload| Err(Ended::Failed(Failed::panicked(&*payload))))
    }

    fn run(
        self,
        row_limit: Option<u64>,
        batch_bytes: u64,
        hand_out: &mut dyn FnMut(&[u8]) -> Result<(), Ended>,
    ) -> Result<u64, Ended> {
        let limit = row_limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let plan = match limit {
            Some(limit) => LogicalPlanBuilder::from(self.plan)
                .limit(0, Some(limit))?
                .build()?,
            None => self.plan,
        };
        let state = self.context.state();
        let mut rows = 0;
        let mut stream: SendableRecordBatchStream = self.runtime.block_on(async {
            let plan = state.create_physical_plan(&plan).await?;
            execute_stream(plan, state.task_ctx())
        })?;
        let mut next = || {
            let next = poll_fn(|context| stream.as_mut().poll_next(context));
            self.runtime.block_on(next)
        };
        while let Some(batch) = next().transpose()? {
            if batch.num_rows() == 0 {
                continue;
            }
            let batch = output::plain_batch(&self.schema, &batch)?;
            output::encode_pieces(&batch, batch_bytes, hand_out)?;
            rows += batch.num_rows() as u64;
        }
        Ok(rows)
    }
}

fn session(threads: usize, memory_bytes: usize) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = false;
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory_bytes)))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

fn guarded<T>(run: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(Failed::panicked(&*payload)))
}
