//! Sets DataFusion up for one statement: its threads, memory, scratch directory and clock.
//!
//! Nothing here reads tables. Memory is a pool that spilling operators share fairly; what
//! does not fit goes to the scratch directory, if there is one, up to its size.

use std::num::NonZeroUsize;
use std::sync::Arc;

use chrono::DateTime;
use datafusion::common::DFSchema;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::disk_manager::DiskManagerMode;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::SessionConfig;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast;
use lode_worker::sql::RunOptions;

use crate::checked;
use crate::sorted;

/// Most threads of one query.
const MAX_THREADS: u32 = 64;
/// How many users of memory an error of the pool may name.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN;
/// Memory that a sort sets aside for its merge; the default is more than a small pool has.
const SORT_RESERVE_SHARE: usize = 32;
/// Most of it.
const SORT_RESERVE_BYTES: usize = 10 << 20;

/// Threads that a statement runs on.
pub(crate) fn threads(options: &RunOptions) -> usize {
    options.threads.clamp(1, MAX_THREADS) as usize
}

/// A session for one statement.
pub(crate) fn session(options: &RunOptions, memory_bytes: usize) -> Result<SessionState> {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads(options))
        .with_information_schema(false);
    if options.batch_rows > 0 {
        config = config.with_batch_size(options.batch_rows as usize);
    }
    let settings = config.options_mut();
    settings.sql_parser.collect_spans = false;
    // What stays one is decided by `checked`.
    settings.sql_parser.parse_float_as_decimal = true;
    settings.execution.sort_spill_reservation_bytes =
        (memory_bytes / SORT_RESERVE_SHARE).min(SORT_RESERVE_BYTES);
    let disk = match &options.scratch {
        Some(scratch) => DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![(&scratch.dir).into()]))
            .with_max_temp_directory_size(scratch.bytes),
        None => DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled),
    };
    let pool = TrackConsumersPool::new(FairSpillPool::new(memory_bytes), NAMED_CONSUMERS);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let state = SessionContext::new_with_config_rt(config, runtime).state();
    let logical = sorted::logical_rules(state.optimizers());
    let physical = sorted::physical_rules(state.physical_optimizers());
    let analyzer = checked::analyzer_rules(&state.analyzer().rules);
    let mut state = SessionStateBuilder::new_from_existing(state)
        .with_analyzer_rules(analyzer)
        .with_optimizer_rules(logical)
        .with_physical_optimizer_rules(physical)
        .build();
    state.execution_props_mut().query_execution_start_time =
        DateTime::from_timestamp_micros(options.now_micros);
    checked::install(&mut state)?;
    Ok(state)
}

/// The value of an expression of constants.
pub(crate) fn constant(state: &SessionState, expr: &ast::Expr) -> Result<ScalarValue> {
    let schema = DFSchema::empty();
    let expr = ast::ExprWithAlias {
        expr: expr.clone(),
        alias: None,
    };
    let expr = state.create_logical_expr_from_sql_expr(expr, &schema)?;
    match simplified(state, expr, &schema)? {
        Expr::Literal(value, _) => Ok(value),
        other => Err(DataFusionError::Plan(format!(
            "expected constants, found {other}"
        ))),
    }
}

/// An expression with its types made equal and its constants worked out.
pub(crate) fn simplified(
    state: &dyn datafusion::catalog::Session,
    expr: Expr,
    schema: &DFSchema,
) -> Result<Expr> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::new(state.config_options().clone()))
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    let expr = simplifier.coerce(expr, schema)?;
    let expr = checked::checked(expr, schema)?.data;
    simplifier.simplify(expr)
}
