//! Says how a plan runs: its steps, and what each scan reads.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use lode_worker::sql::Explained;
use lode_worker::sql::ExplainedScan;

use crate::scan::Scan;

/// The plan in words; `rows` when it has been run.
pub(crate) fn explained(
    plan: &Arc<dyn ExecutionPlan>,
    rows: Option<(u64, bool)>,
) -> Result<Explained> {
    let mut scans = Vec::new();
    collect(plan, &mut scans)?;
    let shown = match rows {
        Some(_) => DisplayableExecutionPlan::with_metrics(plan.as_ref()),
        None => DisplayableExecutionPlan::new(plan.as_ref()),
    };
    Ok(Explained {
        plan: shown.indent(false).to_string(),
        scans,
        rows,
    })
}

fn collect(plan: &Arc<dyn ExecutionPlan>, scans: &mut Vec<ExplainedScan>) -> Result<()> {
    if let Some(scan) = plan.downcast_ref::<Scan>() {
        scans.push(scan.explained()?);
    }
    plan.children()
        .into_iter()
        .try_for_each(|child| collect(child, scans))
}
