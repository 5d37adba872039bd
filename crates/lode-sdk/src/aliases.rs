//! Aliases of models: second names, such as `champion`, that are moved from one to another.

use lode_client::v1;
use lode_types::ModelId;
use serde::Serialize;

use crate::Lode;
use crate::Model;
use crate::Result;
use crate::lode::id_of;
use crate::lode::tenant;
use crate::models::model_name;

/// What moving an alias did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AliasMove {
    /// The alias.
    pub alias: String,
    /// The model that it points at now; none when it was removed.
    pub model: Option<Model>,
    /// What it pointed at before; none when it was not there.
    pub previous_model: Option<String>,
}

impl Lode {
    /// Points an alias at a model, `ID` or `@ALIAS`, whatever it pointed at. What names the alias gets
    /// the new model from the next call on.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`, `MODEL_EXISTS` for a new alias that is the id of a model, or what the
    /// call met.
    pub async fn set_alias(&self, alias: &str, model: &str) -> Result<AliasMove> {
        self.alias(alias, model_name(model)?, None).await
    }

    /// Points an alias at a model if it points at `expected`; none stands for nothing.
    ///
    /// # Errors
    /// `ALIAS_MOVED`, or as [`Lode::set_alias`].
    pub async fn move_alias(
        &self,
        alias: &str,
        model: &str,
        expected: Option<&str>,
    ) -> Result<AliasMove> {
        let expected = match expected {
            Some(id) => lode_proto::names::model(&ModelId::parse(id)?),
            None => String::new(),
        };
        self.alias(alias, model_name(model)?, Some(expected)).await
    }

    /// Removes an alias, if it is there.
    ///
    /// # Errors
    /// What the call met.
    pub async fn remove_alias(&self, alias: &str) -> Result<AliasMove> {
        self.alias(alias, String::new(), None).await
    }

    /// All aliases in order, with their models.
    ///
    /// # Errors
    /// What the calls met.
    pub async fn aliases(&self) -> Result<Vec<(String, Model)>> {
        let mut aliases = Vec::new();
        for model in self.models().await? {
            for alias in &model.aliases {
                aliases.push((alias.clone(), model.clone()));
            }
        }
        aliases.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(aliases)
    }

    async fn alias(
        &self,
        alias: &str,
        model: String,
        expected_model: Option<String>,
    ) -> Result<AliasMove> {
        let request = v1::SetAliasRequest {
            parent: tenant(),
            alias: alias.to_owned(),
            model,
            expected_model,
        };
        let answer = self.client().set_alias(request).await?;
        let previous = id_of(&answer.previous_model);
        Ok(AliasMove {
            alias: alias.to_owned(),
            model: answer.model.map(Model::from),
            previous_model: (!previous.is_empty()).then_some(previous),
        })
    }
}
