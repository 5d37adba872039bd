//! `lode alias`: second names of models, such as champion, that are moved from one to another.

use std::process::ExitCode;

use lode_types::Class;
use lode_types::Fault;

use crate::commands::Context;
use crate::failure::Failed;
use crate::failure::Result;
use crate::output::Format;
use crate::output::List;
use crate::output::print;
use crate::output::print_json;
use crate::output::time;

/// Arguments of `lode alias`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The alias, e.g. champion; without one all are listed
    name: Option<String>,
    /// The model that it shall point at: an id or another alias
    #[arg(requires = "name", conflicts_with = "remove")]
    model: Option<String>,
    /// Remove the alias; the model stays
    #[arg(long, requires = "name")]
    remove: bool,
    /// Move it only if it points at this model now; \"\" for only if it is not there
    #[arg(long, value_name = "MODEL", requires = "model")]
    expect: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let Some(name) = &args.name else {
        list(cx, None).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let name = name.trim_start_matches('@');
    let moved = match (&args.model, args.remove) {
        (None, false) => {
            list(cx, Some(name)).await?;
            return Ok(ExitCode::SUCCESS);
        }
        (None, true) => cx.lode.remove_alias(name).await?,
        (Some(model), _) => {
            let model = cx.model(model).await?;
            match args.expect.as_deref() {
                None => cx.lode.set_alias(name, &model).await?,
                Some("") => cx.lode.move_alias(name, &model, None).await?,
                Some(expected) => cx.lode.move_alias(name, &model, Some(expected)).await?,
            }
        }
    };
    if args.remove && moved.previous_model.is_none() {
        return Err(not_found(name));
    }
    if cx.format == Format::Json {
        print_json(&moved)?;
        return Ok(ExitCode::SUCCESS);
    }
    let before = moved.previous_model.as_deref().unwrap_or("nothing");
    print(&match &moved.model {
        Some(model) if before == model.model => format!("{name} points at {before} already"),
        Some(model) => format!("{name} points at {}; before: {before}", model.model),
        None => format!("removed {name}, which pointed at {before}"),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Lists all aliases, or one.
async fn list(cx: &Context, name: Option<&str>) -> Result<()> {
    let mut aliases = cx.lode.aliases().await?;
    if let Some(name) = name {
        aliases.retain(|(alias, _)| alias == name);
        if aliases.is_empty() {
            return Err(not_found(name));
        }
    }
    let mut list = List::new(&["alias", "model", "algorithm", "created"]);
    for (alias, model) in &aliases {
        list.push(vec![
            alias.as_str().into(),
            model.model.as_str().into(),
            model.algorithm.as_str().into(),
            time(model.create_time).into(),
        ]);
    }
    let none = "no aliases yet: `lode alias champion MODEL` makes one";
    list.print(cx.format, &aliases, none)
}

fn not_found(name: &str) -> Failed {
    Failed::fault(Fault::new(
        Class::NotFound,
        "ALIAS_NOT_FOUND",
        format!("no alias {name:?}: `lode alias` lists them"),
    ))
}
