//! The alias of what was trained: checked before anything runs, moved when the model is there.
//!
//! An alias stands for a question, and whoever uses it counts on that. So it moves by itself
//! from a model only to one that answers the same; else it stays, and what moves it is said.

use std::collections::BTreeMap;

use lode_sdk::AliasMove;
use lode_sdk::Job;
use lode_sdk::Model;
use lode_types::AliasId;
use lode_types::Class;
use lode_types::Fault;

use super::Args;
use super::asked::Task;
use super::question;
use crate::commands::Context;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::number;

/// Measures by which people know a model, two of each kind.
const MEASURES: [&str; 4] = ["auc", "log_loss", "rmse", "spearman"];

/// An alias, and where it points before the training.
pub(super) struct Named {
    alias: AliasId,
    before: Option<Model>,
    moves: bool,
    /// Why there will be none, where none was asked for by its name.
    taken: Option<String>,
}

impl Named {
    /// The alias that is asked for, or else the task's; none where none is wanted.
    pub(super) async fn find(cx: &Context, args: &Args, task: &Task) -> Result<Option<Self>> {
        if args.no_alias {
            return Ok(None);
        }
        let asked = args.alias.as_deref().unwrap_or(&task.word);
        let alias = AliasId::parse(asked.trim_start_matches('@'));
        let alias = alias.map_err(|error| Failed::of(&error))?;
        let before = match cx.lode.model(&format!("@{alias}")).await {
            Ok(model) => Some(model),
            Err(error) if error.has_reason("MODEL_NOT_FOUND") => None,
            Err(error) => return Err(error.into()),
        };
        let taken = match before {
            Some(_) => None,
            None => taken(cx, &alias, args.id.as_deref()).await?,
        };
        if let (Some(found), Some(_)) = (&taken, &args.alias) {
            let words = format!("expected an alias that is no model's id, found {alias}, {found}");
            let fault = Fault::new(Class::Exists, "MODEL_EXISTS", words);
            return Err(Failed::fault(fault.at("alias")));
        }
        Ok(Some(Self {
            alias,
            before,
            moves: args.move_alias,
            taken,
        }))
    }

    /// Points the alias at the model of a finished job, or says why it stays.
    pub(super) async fn settle(&self, cx: &Context, done: &Job) -> Result<()> {
        let Some(model) = done.models.first() else {
            return Ok(());
        };
        let (alias, before) = (&self.alias, self.before.as_ref());
        if let Some(taken) = &self.taken {
            say(&format!(
                "no alias {alias}, {taken}; `lode alias NAME {model}` gives it another"
            ));
            return Ok(());
        }
        let other = before.and_then(|before| {
            question::other(before.provenance.as_ref(), done.provenance.as_ref())
        });
        if let (Some(before), Some(other), false) = (before, &other, self.moves) {
            say(&format!(
                "alias {alias} stays at model {}, which answers another question ({other}); \
                 `lode alias {alias} {model}` moves it",
                before.model
            ));
            return Ok(());
        }
        // Whoever moved it meanwhile had a reason.
        let expected = before.map(|before| before.model.as_str());
        let moved = cx.lode.move_alias(alias.as_str(), model, expected).await?;
        say(&told(&moved, before, other.as_deref()));
        Ok(())
    }
}

/// What has the name of a new alias, if a model has it, or the one to be.
async fn taken(cx: &Context, alias: &AliasId, id: Option<&str>) -> Result<Option<String>> {
    if id == Some(alias.as_str()) {
        return Ok(Some("which is the id of this model".to_owned()));
    }
    match cx.lode.model(alias.as_str()).await {
        Ok(_) => Ok(Some("which is the id of a model".to_owned())),
        Err(error) if error.has_reason("MODEL_NOT_FOUND") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a move did, and how both models did when they were judged.
fn told(moved: &AliasMove, before: Option<&Model>, other: Option<&str>) -> String {
    let alias = &moved.alias;
    let (Some(now), Some(before)) = (&moved.model, before) else {
        let model = moved.model.as_ref().map_or("none", |model| &model.model);
        return format!("alias {alias} points at model {model}");
    };
    if now.model == before.model {
        return format!("alias {alias} points at model {} already", now.model);
    }
    if let Some(other) = other {
        return format!(
            "alias {alias} moved to model {} from {}, which answers another question ({other})",
            now.model, before.model
        );
    }
    let rows = match !now.judged_sha256.is_empty() && now.judged_sha256 == before.judged_sha256 {
        true => "judged on the same rows",
        false => "each by its own judging",
    };
    format!(
        "alias {alias} moved from model {}{} to {}{}, {rows}; `lode compare {} {}` tests them",
        before.model,
        measures(&before.metrics),
        now.model,
        measures(&now.metrics),
        before.model,
        now.model
    )
}

/// ` (auc 0.7535, log_loss 0.5444)`.
fn measures(metrics: &BTreeMap<String, f64>) -> String {
    let known = MEASURES.iter().filter_map(|name| {
        let value = metrics.get(*name)?;
        Some(format!("{name} {}", number(*value)))
    });
    let known: Vec<String> = known.collect();
    match known.is_empty() {
        true => " (not judged)".to_owned(),
        false => format!(" ({})", known.join(", ")),
    }
}
