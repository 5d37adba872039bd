//! What the engine knows of a model beside its record: a JSON file beside the model's.
//!
//! Records hold at most 4 KiB, and what a model was made from needs more. The card is written
//! and removed with the model. Invariant: a model without a card is served like one whose card
//! says nothing.

use std::fs::File;
use std::io::Read;
use std::io::Write;

use lode_store::Area;
use lode_store::Store;
use lode_types::Class;
use lode_types::Failure;
use serde::Deserialize;
use serde::Serialize;

use crate::Error;
use crate::Result;
use crate::profile::Profile;

/// Version of the card's form; readers refuse a newer one.
const FORMAT: u32 = 1;

/// The card of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Card {
    /// Version of its form; 0 where there is no card.
    pub(crate) format: u32,
    /// The rows that the model was made from, in distributions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<Profile>,
}

/// The file of a model's card, by the model's file.
pub(crate) fn file_name(model_file: &str) -> String {
    let stem = model_file.strip_suffix(".model").unwrap_or(model_file);
    format!("{stem}.card.json")
}

/// The card of a model; an empty one when there is none.
pub(crate) fn read(store: &Store, model_file: &str) -> Result<Card> {
    let name = file_name(model_file);
    let mut file = match store.open_file(Area::Models, &name) {
        Ok(file) => file,
        Err(error) if error.class() == Class::NotFound => return Ok(Card::default()),
        Err(error) => return Err(error.into()),
    };
    let mut json = Vec::new();
    file.read_to_end(&mut json)
        .map_err(|error| failed("read", &error))?;
    let card: Card = serde_json::from_slice(&json)?;
    if card.format > FORMAT {
        return Err(Error::new(
            Class::State,
            "STORE_TOO_NEW",
            format!(
                "expected a model's card of form {FORMAT} or older, found {}",
                card.format
            ),
        ));
    }
    Ok(card)
}

/// Writes a card into the file made for it.
pub(crate) fn write(file: &mut File, card: Card) -> Result<()> {
    let card = Card {
        format: FORMAT,
        ..card
    };
    let json = serde_json::to_vec(&card)?;
    file.write_all(&json)
        .map_err(|error| failed("written", &error))
}

fn failed(what: &str, error: &std::io::Error) -> Error {
    Error::new(
        Class::Unavailable,
        "FILE_FAILED",
        format!("a model's card cannot be {what}: {error}"),
    )
}
