//! The next thing to do, by the reason of a failure.

use lode_types::Fault;

/// What to type next; none when there is nothing better than reading the message.
pub(super) fn next(fault: &Fault, job: Option<&str>) -> Option<String> {
    let fixed = match fault.reason.as_str() {
        "ENGINE_UNREACHABLE" => {
            "start an engine with `lode serve`, or name another with --addr or LODE_ADDR"
        }
        "INVALID_ADDRESS" => "give --addr or LODE_ADDR a form such as http://127.0.0.1:7400",
        "DATASET_NOT_FOUND" => {
            "`lode datasets` lists what is there; `lode ingest DATASET FILE` loads a file"
        }
        "DATASET_EXISTS" => {
            "`lode dataset NAME` shows the columns it has; load into another dataset name"
        }
        "DATASET_IN_USE" => "`lode jobs` shows who reads it; `lode cancel JOB` stops a job",
        "ALGORITHM_NOT_FOUND" => {
            "`lode algorithms` lists what the plugins bring, `lode plugins` what was refused"
        }
        "JOB_NOT_FOUND" => "`lode jobs` lists the jobs",
        "JOB_EXISTS" => "give the job another id with --id, or none",
        "OUTPUT_NOT_FOUND" => "`lode job JOB` lists what the job made",
        "MODEL_NOT_FOUND" => "`lode models` lists the models; a model has the id of its job",
        "MODEL_HAS_ALIAS" => "`lode alias NAME MODEL` moves it, `lode alias NAME --remove` ends it",
        "NOT_COMPARABLE" => "`lode leaderboard` shows which models were judged on the same rows",
        "NOTHING_TO_TUNE" | "NOT_TUNABLE" => {
            "leave --tune, --trials and --with out; -p NAME=VALUE sets a parameter"
        }
        "ALIAS_MOVED" => "`lode alias` shows where it points now",
        "INVALID_TRAINING_SET" => {
            "`lode train --help` says what its flags take; `lode dataset NAME` shows the columns"
        }
        "ALIAS_EXISTS" => "give the job another id with --id, or none; `lode alias` lists aliases",
        "MODEL_EXISTS" => "take another name; `lode models` lists the models",
        "CUSTOMER_NOT_FOUND" => {
            "check the id: `lode query` over the customers dataset shows the ids"
        }
        "INGEST_EXISTS" => "give the load another id with --id",
        "INGEST_ABORTED" => "give the load another id with --id",
        "INGEST_NOT_FOUND" => "`lode ingest` prints the id of the load when it is done",
        "TOO_MANY_REJECTED_ROWS" => {
            "check the file and the column types (`lode dataset NAME`); --max-rejected N raises the limit"
        }
        "UNKNOWN_COLUMN" => {
            "`lode dataset NAME` shows its columns; --map FILE_COLUMN=COLUMN renames one"
        }
        "INVALID_SCHEMA" => "--role ROLE=COLUMN and --type COLUMN=TYPE say what a column is",
        "SQL_INVALID" | "SQL_NOT_A_QUERY" => {
            "`lode dataset NAME` shows the columns; names with capitals or blanks go in double quotes"
        }
        "SQL_OUT_OF_MEMORY" | "SQL_SPILL_FULL" => {
            "ask for fewer rows, columns or groups; `lode serve` has --query-memory-mib and --query-spill-mib"
        }
        "SQL_OVERFLOW" => {
            "make the operands wider first, e.g. CAST(x AS DECIMAL(38, 0)) or CAST(x AS DOUBLE)"
        }
        "SQL_DEADLINE_EXCEEDED" => "give the query more time with --timeout SECONDS",
        "SQL_QUEUE_FULL" => "ask again in a moment",
        "MESSAGE_TOO_LARGE" => "send smaller pieces",
        "JOB_DEADLINE_EXCEEDED" => "give the job more time with --timeout SECONDS",
        "PLUGIN_OUT_OF_MEMORY" => "give the job more memory with --memory-mib MIB, or less to read",
        "PLUGIN_PANICKED" | "PLUGIN_CRASHED" | "PLUGIN_EXITED" => {
            "the plugin is at fault, not the engine: `lode plugins` shows its version"
        }
        "PLUGIN_QUARANTINED" => {
            "`lode plugins` shows its crashes; `lode plugin release SHA256` lets it run again"
        }
        "PLUGIN_REFUSED" => "the library that the file brought before goes on: `lode plugins`",
        "PLUGIN_NOT_FOUND" | "PLUGIN_AMBIGUOUS" | "PLUGIN_FILE_INVALID" => {
            "`lode plugins` lists the files, names and checksums"
        }
        "MODEL_INCOMPATIBLE" => "`lode model MODEL` shows the library that made it",
        "FILE_UNREADABLE" => "check the path and who may read it",
        _ => "",
    };
    if !fixed.is_empty() {
        return Some(fixed.to_owned());
    }
    if fault.field.starts_with("spec.params") || fault.reason.starts_with("PARAM") {
        return Some(
            "`lode algorithms ALGORITHM` shows the parameters with their ranges".to_owned(),
        );
    }
    if fault.field.starts_with("spec.inputs") || fault.reason.contains("ROLE") {
        return Some(
            "`lode algorithms ALGORITHM` shows what it reads; --role INPUT.ROLE=COLUMN says which column it is".to_owned(),
        );
    }
    job.map(|job| format!("`lode job {job} --log` shows what the algorithm logged"))
}
