//! `lode info`: what the engine says of itself.

use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::List;

pub(crate) async fn run(cx: &Context) -> Result<ExitCode> {
    let info = cx.lode.server_info().await?;
    let mut list = List::new(&["fact", "value"]);
    let mut push = |fact: &str, value: crate::output::Cell| list.push(vec![fact.into(), value]);
    push("version", info.version.as_str().into());
    push("api", info.api_version.as_str().into());
    push("capabilities", info.capabilities.join(", ").into());
    push(
        "largest chunk, bytes",
        u64::from(info.max_chunk_bytes).into(),
    );
    push(
        "most rows of a score",
        u64::from(info.max_score_rows).into(),
    );
    if let Some(containment) = &info.containment {
        push(
            "plugins contained by",
            containment.in_force.join(", ").into(),
        );
        let missing = match containment.missing.as_slice() {
            [] => "nothing".to_owned(),
            missing => missing.join(", "),
        };
        push("containment lacks", missing.into());
    }
    list.print(cx.format, &info, "")?;
    Ok(ExitCode::SUCCESS)
}
