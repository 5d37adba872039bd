//! Aliases: second names of models, such as `champion`, which are moved from one to another.
//!
//! Kept as documents beside the models: `a` + alias holds the model's id. Invariant: a model that
//! an alias points at is there; whoever moves an alias or deletes a model holds [`Turn`]. No alias
//! is made that is the id of a model, nor a model whose id is an alias.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use lode_store::DocWrite;
use lode_store::Space;
use lode_store::Store;
use lode_types::AliasId;
use lode_types::Class;
use lode_types::ModelId;
use lode_types::ModelRef;
use serde::Deserialize;
use serde::Serialize;

use crate::Error;
use crate::Result;

/// Aliases of one engine.
const MAX_ALIASES: usize = 1000;
/// Version of an alias' record; readers refuse a newer one.
const FORMAT: u32 = 1;
/// Aliases that a refusal names.
const SHOWN: usize = 20;

#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    model: ModelId,
}

/// One at a time moves an alias, or deletes a model.
#[derive(Debug, Default)]
pub(crate) struct Turn(Mutex<()>);

impl Turn {
    pub(crate) fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an alias is expected to point at before it is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Anything,
    /// Nothing.
    Nothing,
    /// This model.
    Model(ModelId),
}

/// The model that is meant: by its id, or by an alias as it points now.
///
/// # Errors
/// `MODEL_NOT_FOUND` for an alias that is not there. A model by its id is not looked up.
pub fn resolve_model(store: &Store, model: &ModelRef) -> Result<ModelId> {
    match model {
        ModelRef::Id(id) => Ok(id.clone()),
        ModelRef::Alias(alias) => match target(store, alias)? {
            Some(id) => Ok(id),
            None => Err(not_found(store, alias)),
        },
    }
}

/// All aliases with the models that they point at.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn aliases(store: &Store) -> Result<BTreeMap<AliasId, ModelId>> {
    let docs = store.docs(Space::Models, b"a", None, MAX_ALIASES, false)?;
    docs.iter()
        .map(|(key, bytes)| {
            let alias = String::from_utf8_lossy(&key[1..]).into_owned();
            let alias = AliasId::parse(alias).map_err(|error| Error::of(&error))?;
            Ok((alias, read(bytes)?))
        })
        .collect()
}

/// The model that an alias points at.
pub(crate) fn target(store: &Store, alias: &AliasId) -> Result<Option<ModelId>> {
    let found = store.doc(Space::Models, &key(alias))?;
    found.map(|bytes| read(&bytes)).transpose()
}

/// Refuses to take away a model that an alias points at.
pub(crate) fn check_none(store: &Store, models: &[ModelId]) -> Result<()> {
    for (alias, model) in aliases(store)? {
        if models.contains(&model) {
            return Err(Error::new(
                Class::State,
                "MODEL_HAS_ALIAS",
                format!(
                    "alias {:?} points at model {:?}: move or remove the alias first",
                    alias.as_str(),
                    model.as_str()
                ),
            ));
        }
    }
    Ok(())
}

/// Refuses a model whose id is an alias: one word would mean two models.
pub(crate) fn check_free(store: &Store, model: &ModelId) -> Result<()> {
    let Ok(alias) = AliasId::parse(model.as_str()) else {
        return Ok(());
    };
    match target(store, &alias)? {
        None => Ok(()),
        Some(other) => Err(Error::new(
            Class::Exists,
            "ALIAS_EXISTS",
            format!(
                "expected an id whose model is not called as an alias, found {:?}, an alias of \
                 model {:?}",
                model.as_str(),
                other.as_str()
            ),
        )),
    }
}

/// The change that points an alias at a model, or removes it; none when it is so already.
///
/// # Errors
/// `ALIAS_MOVED` when it does not point at what is expected, `TOO_MANY_ALIASES`.
pub(crate) fn change(
    store: &Store,
    alias: &AliasId,
    to: Option<&ModelId>,
    expected: &Expected,
) -> Result<Option<DocWrite>> {
    let now = target(store, alias)?;
    // Said twice, as after a lost answer, it is done already.
    if now.as_ref() == to {
        return Ok(None);
    }
    let wanted = match expected {
        Expected::Anything => &now,
        Expected::Nothing => &None,
        Expected::Model(model) => &Some(model.clone()),
    };
    if *wanted != now {
        let words = |model: &Option<ModelId>| match model {
            Some(model) => format!("model {:?}", model.as_str()),
            None => "nothing".to_owned(),
        };
        return Err(Error::new(
            Class::State,
            "ALIAS_MOVED",
            format!(
                "expected alias {:?} to point at {}, found {}",
                alias.as_str(),
                words(wanted),
                words(&now)
            ),
        )
        .at("expected_model"));
    }
    let Some(model) = to else {
        return Ok(Some(DocWrite::Delete {
            space: Space::Models,
            key: key(alias),
        }));
    };
    if now.is_none() && aliases(store)?.len() >= MAX_ALIASES {
        return Err(Error::new(
            Class::Limit,
            "TOO_MANY_ALIASES",
            format!("expected at most {MAX_ALIASES} aliases: remove some first"),
        ));
    }
    let record = Record {
        format: FORMAT,
        model: model.clone(),
    };
    Ok(Some(DocWrite::Put {
        space: Space::Models,
        key: key(alias),
        bytes: serde_json::to_vec(&record)?,
    }))
}

fn not_found(store: &Store, alias: &AliasId) -> Error {
    let known = aliases(store).unwrap_or_default();
    let known: Vec<&str> = known.keys().map(AliasId::as_str).take(SHOWN).collect();
    let known = if known.is_empty() {
        "there is none yet".to_owned()
    } else {
        format!("expected one of {}", known.join(", "))
    };
    Error::new(
        Class::NotFound,
        "MODEL_NOT_FOUND",
        format!("no alias {:?}: {known}", alias.as_str()),
    )
    .at("model")
}

fn read(bytes: &[u8]) -> Result<ModelId> {
    let record: Record = serde_json::from_slice(bytes)?;
    if record.format > FORMAT {
        return Err(Error::bug(format!(
            "expected an alias of format {FORMAT} or older, found {}",
            record.format
        )));
    }
    Ok(record.model)
}

fn key(alias: &AliasId) -> Vec<u8> {
    [b"a", alias.as_str().as_bytes()].concat()
}
