//! Plans and runs one query.
//!
//! The same query over the same files with one thread gives the same rows in the same order.
//! Memory is bounded by a pool; sorts, aggregates and joins that need more go to the scratch
//! directory. Panics of the query engine come out as refusals.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::DataType;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::prelude::SQLOptions;
use datafusion::sql::parser;
use lode_worker::sql::Explained;
use lode_worker::sql::NamedTable;
use lode_worker::sql::RunOptions;
use tokio::runtime::Runtime;

use crate::explain;
use crate::failure::Failed;
use crate::output;
use crate::session;
use crate::spelling;
use crate::statement;
use crate::statement::Statement;
use crate::table::PartTable;
use crate::table::Provided;
use crate::timed::Function;
use crate::timed::Timed;

/// Stack of a query thread; it evaluates expressions as deep as a statement may nest them.
const STACK_BYTES: usize = 4 << 20;

/// A parsed query.
pub(crate) struct Opened {
    statement: Statement,
    tables: Vec<NamedTable>,
    state: SessionState,
    threads: usize,
}

/// Parses a query that will run in `memory_bytes` of memory.
pub(crate) fn open(sql: &str, options: &RunOptions, memory_bytes: usize) -> Result<Opened, Failed> {
    guarded(|| {
        let statement = statement::parse(sql, &options.parameters)?;
        let state =
            session::session(options, memory_bytes).map_err(|error| Failed::planning(&error))?;
        let tables = named_tables(&statement, &state)?;
        Ok(Opened {
            statement,
            tables,
            state,
            threads: session::threads(options),
        })
    })
}

/// The tables of a statement with their times and versions worked out.
fn named_tables(statement: &Statement, state: &SessionState) -> Result<Vec<NamedTable>, Failed> {
    let mut tables = Vec::with_capacity(statement.tables.len());
    for table in &statement.tables {
        let mut named = NamedTable {
            name: table.text.clone(),
            dataset: table.text.clone(),
            as_of_micros: None,
            version: None,
        };
        if let Some(timed) = statement
            .timed
            .iter()
            .find(|timed| timed.name == table.text)
        {
            named.dataset.clone_from(&timed.dataset.text);
            match timed.function {
                Function::AsOf => named.as_of_micros = Some(time(timed, state)?),
                Function::Version => named.version = Some(number(timed, state)?),
            }
        }
        tables.push(named);
    }
    Ok(tables)
}

fn time(timed: &Timed, state: &SessionState) -> Result<i64, Failed> {
    let expected = "a timestamp, a date or an expression of constants that gives one";
    let value = constant(timed, state, expected)?;
    let found = value.to_string();
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let takes = matches!(
        value.data_type(),
        DataType::Timestamp(_, _)
            | DataType::Date32
            | DataType::Date64
            | DataType::Utf8
            | DataType::Utf8View
            | DataType::LargeUtf8
    );
    match takes.then(|| value.cast_to(&utc)) {
        Some(Ok(ScalarValue::TimestampMicrosecond(Some(micros), _))) => Ok(micros),
        _ => Err(wrong_argument(timed, expected, &found)),
    }
}

fn number(timed: &Timed, state: &SessionState) -> Result<u64, Failed> {
    let expected = "a version number";
    let value = constant(timed, state, expected)?;
    let number = match value {
        ScalarValue::Int64(Some(number)) => u64::try_from(number).ok(),
        ScalarValue::UInt64(number) => number,
        _ => None,
    };
    number.ok_or_else(|| wrong_argument(timed, expected, &value.to_string()))
}

fn constant(timed: &Timed, state: &SessionState, expected: &str) -> Result<ScalarValue, Failed> {
    session::constant(state, &timed.argument).map_err(|error| {
        let why = Failed::planning(&error).message;
        let found = format!("{} ({why})", timed.argument);
        wrong_argument(timed, expected, &found)
    })
}

fn wrong_argument(timed: &Timed, expected: &str, found: &str) -> Failed {
    Failed::invalid(format!(
        "{}: expected {expected}, found {found}",
        timed.name
    ))
}

impl Opened {
    /// The tables that the query reads.
    pub(crate) fn tables(&self) -> &[NamedTable] {
        &self.tables
    }

    /// Plans the query over its tables.
    pub(crate) fn plan(mut self, tables: Vec<Provided>) -> Result<Planned, Failed> {
        let schemas: Vec<SchemaRef> = tables.iter().map(|table| table.table.schema()).collect();
        let columns = schemas.iter().flat_map(|schema| schema.fields());
        spelling::respell(
            &mut self.statement,
            columns.map(|field| field.name().as_str()),
        );
        guarded(|| self.plan_respelled(tables))
    }

    fn plan_respelled(self, tables: Vec<Provided>) -> Result<Planned, Failed> {
        let refused = |error: DataFusionError| Failed::planning(&error);
        let state = self.state;
        for table in tables {
            let reference = TableReference::bare(table.name.clone());
            let name = table.name.clone();
            let provider: Arc<dyn TableProvider> =
                Arc::new(PartTable::new(table, self.threads).map_err(refused)?);
            let catalog = state.schema_for_ref(reference).map_err(refused)?;
            catalog.register_table(name, provider).map_err(refused)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads)
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .build()
            .map_err(|error| Failed::invalid(format!("could not start threads: {error}")))?;
        let statement = parser::Statement::Statement(Box::new(self.statement.query));
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
            state,
            runtime,
            plan,
            schema: output::plain_schema(&schema, self.statement.titles.as_deref()),
        })
    }
}

/// A query that is ready to run.
pub(crate) struct Planned {
    state: SessionState,
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

/// The end of a run: how many rows there were, and whether the limit left some out.
pub(crate) type Counted = (u64, bool);

impl Planned {
    /// The result's columns as they leave.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Says how the query runs; with `analyze` after running it.
    pub(crate) fn explain(self, analyze: bool, row_limit: Option<u64>) -> Result<Explained, Ended> {
        let explain = || {
            let plan = self.limited(row_limit)?;
            if !analyze {
                let plan = self.physical(&self.state, &plan)?;
                return Ok(explain::explained(&plan, None)?);
            }
            let (plan, counted) = self.run(row_limit, &mut |_| Ok(()))?;
            Ok(explain::explained(&plan, Some(counted))?)
        };
        catch_unwind(AssertUnwindSafe(explain))
            .unwrap_or_else(|payload| Err(Ended::Failed(Failed::panicked(&*payload))))
    }

    /// Runs the query and hands out its rows as IPC streams of at most `batch_bytes`.
    pub(crate) fn execute(
        self,
        row_limit: Option<u64>,
        batch_bytes: u64,
        hand_out: &mut dyn FnMut(&[u8]) -> Result<(), Ended>,
    ) -> Result<Counted, Ended> {
        let run = || {
            let (_, counted) = self.run(row_limit, &mut |batch| {
                let batch = output::plain_batch(&self.schema, batch)?;
                output::encode_pieces(&batch, batch_bytes, hand_out)
            })?;
            Ok(counted)
        };
        catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|payload| Err(Ended::Failed(Failed::panicked(&*payload))))
    }

    /// Runs it; a hash join that does not fit into memory becomes one that sorts and spills.
    fn run(
        &self,
        row_limit: Option<u64>,
        take: &mut dyn FnMut(&RecordBatch) -> Result<(), Ended>,
    ) -> Result<(Arc<dyn ExecutionPlan>, Counted), Ended> {
        let logical = self.limited(row_limit)?;
        let limit = row_limit.unwrap_or(u64::MAX);
        let plan = self.physical(&self.state, &logical)?;
        let mut taken = 0;
        match self.drain(&plan, limit, &mut taken, take) {
            Err(Ended::Failed(failed))
                if failed.reason == "SQL_OUT_OF_MEMORY" && taken == 0 && has_hash_join(&plan) =>
            {
                let mut state = self.state.clone();
                state.config_mut().options_mut().optimizer.prefer_hash_join = false;
                let plan = self.physical(&state, &logical)?;
                let counted = self.drain(&plan, limit, &mut taken, take)?;
                Ok((plan, counted))
            }
            other => Ok((plan, other?)),
        }
    }

    /// The plan with one row more than the limit, which tells whether it cuts anything.
    fn limited(&self, row_limit: Option<u64>) -> Result<LogicalPlan, Ended> {
        let Some(limit) = row_limit else {
            return Ok(self.plan.clone());
        };
        let fetch = usize::try_from(limit)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        Ok(LogicalPlanBuilder::from(self.plan.clone())
            .limit(0, Some(fetch))?
            .build()?)
    }

    fn physical(
        &self,
        state: &SessionState,
        plan: &LogicalPlan,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        self.runtime.block_on(state.create_physical_plan(plan))
    }

    fn drain(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        limit: u64,
        taken: &mut u64,
        take: &mut dyn FnMut(&RecordBatch) -> Result<(), Ended>,
    ) -> Result<Counted, Ended> {
        let mut stream: SendableRecordBatchStream = self
            .runtime
            .block_on(async { execute_stream(Arc::clone(plan), self.state.task_ctx()) })?;
        let mut next = || {
            let next = poll_fn(|context| stream.as_mut().poll_next(context));
            self.runtime.block_on(next)
        };
        while let Some(batch) = next().transpose()? {
            let left = limit - *taken;
            if batch.num_rows() as u64 > left {
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                if left > 0 {
                    take(&batch.slice(0, left))?;
                }
                return Ok((limit, true));
            }
            if batch.num_rows() > 0 {
                *taken += batch.num_rows() as u64;
                take(&batch)?;
            }
        }
        Ok((*taken, false))
    }
}

fn has_hash_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<HashJoinExec>().is_some() || plan.children().into_iter().any(has_hash_join)
}

fn guarded<T>(run: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(Failed::panicked(&*payload)))
}
