//! `features VIEW.json SCHEMA.json OUT.arrow THREADS N_DATES START STEP_DAYS sorted|unsorted FILE...`:
//! computes a view over Arrow files; prints the rows, the seconds and the peak of memory.
//!
//! What the engine does for ComputeFeatures without its store, for a profiler to look at.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow_schema::Field;
use arrow_schema::Schema;
use lode_features::Input;
use lode_features::Rows;
use lode_features::Schemas;
use lode_features::View;
use lode_features::ViewSpec;
use lode_parts::Table;
use lode_types::ROLE_KEY;
use lode_types::Timestamp;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [
        view,
        roles,
        out,
        threads,
        dates,
        start,
        step,
        order,
        files @ ..,
    ] = &args[..]
    else {
        return Err(
            "expected VIEW ROLES OUT THREADS N_DATES START STEP_DAYS sorted|unsorted FILE..."
                .into(),
        );
    };
    let begin = Instant::now();
    let spec = ViewSpec::parse(&std::fs::read_to_string(view)?)?;
    let roles: HashMap<String, String> = serde_json::from_str(&std::fs::read_to_string(roles)?)?;
    let files = files
        .iter()
        .map(File::open)
        .collect::<Result<Vec<_>, _>>()?;
    let table = Table::open(files)?;
    let schemas = Schemas {
        datasets: BTreeMap::from([(spec.events[0].clone(), with_roles(&table.schema(), &roles))]),
        queries: BTreeMap::new(),
    };
    let view = View::check(spec, &schemas)?;
    let (start, step): (i64, i64) = (start.parse()?, step.parse()?);
    let rows = if order == "sorted" {
        Rows::Sorted(table)
    } else {
        Rows::Unsorted(table)
    };
    let input = Input {
        events: vec![vec![rows]],
        lookups: Vec::new(),
        as_of: (0..dates.parse::<i64>()?)
            .map(|i| Timestamp((start + i * step * 86_400) * 1_000_000))
            .collect(),
        threads: threads.parse()?,
        training: lode_features::TrainingInput::default(),
    };
    let stopped = AtomicBool::new(false);
    let rows = if out == "-" {
        let mut rows = 0;
        lode_features::compute(&view, &input, &stopped, &mut |batch| {
            rows += batch.num_rows() as u64;
            Ok::<(), lode_features::Error>(())
        })?;
        rows
    } else {
        lode_features::write(&view, &input, &stopped, &File::create(out)?, &mut |_| {})?.rows
    };
    let seconds = begin.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let memory = status.lines().filter(|line| {
        line.starts_with("VmHWM") || line.starts_with("RssAnon") || line.starts_with("RssFile")
    });
    let memory: Vec<&str> = memory.collect();
    #[expect(clippy::print_stdout, reason = "the answer of a program")]
    {
        println!("rows {rows} seconds {seconds:.2} {}", memory.join(" "));
    }
    Ok(())
}

fn with_roles(schema: &Schema, roles: &HashMap<String, String>) -> Arc<Schema> {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let role = roles.get(field.name());
            let metadata = role.map(|role| (ROLE_KEY.to_owned(), role.clone()));
            field
                .as_ref()
                .clone()
                .with_metadata(metadata.into_iter().collect())
        })
        .collect();
    Arc::new(Schema::new(fields))
}
