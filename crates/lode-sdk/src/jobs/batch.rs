//! Scores of everybody, and whom to contact.

use lode_client::v1;

use crate::Input;
use crate::JobSpec;
use crate::OfferList;
use crate::Result;
use crate::catalog::dataset_name;
use crate::jobs::common_settings;
use crate::models::model_name;

/// A job to be that scores everybody with a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreAll {
    spec: JobSpec,
}

/// What a batch score asks; part of a [`JobSpec`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchScore {
    /// `ID` or `@ALIAS`.
    pub model: String,
    /// Reasons in words for each customer, 1 to 20; 0 means 3.
    pub reasons: u32,
    /// Whether what lowers the score is a reason too.
    pub reasons_either_way: bool,
    /// The dataset that says what to do about a reason; empty for none.
    pub actions: String,
    /// Make a list of whom to contact.
    pub contacts: Option<ContactList>,
    /// Of a recommender: what to offer each customer.
    pub offers: Option<OfferList>,
}

/// Whom to contact: the highest expected gain first; what is 0 is no bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContactList {
    /// Most customers.
    pub max_customers: u64,
    /// Most of all customers, 0 to 1.
    pub max_share: f64,
    /// What all contacts together may cost.
    pub max_cost: f64,
    /// What one costs.
    pub cost_per_contact: f64,
    /// What a yes is worth.
    pub value_per_positive: f64,
    /// Part of those who are contacted whom the contact wins; all when it is not said.
    pub success_rate: Option<f64>,
    /// Least score.
    pub min_score: f64,
    /// Who is never contacted: those in a dataset, or of whom a column of it is yes.
    pub do_not_contact: Vec<(String, Option<String>)>,
    /// Of a demand model, a row for each item of a customer instead of the best one only.
    pub each_item: bool,
}

impl ScoreAll {
    /// Scores all customers of what the model was made from; `model` is `ID` or `@ALIAS`.
    pub fn new(model: impl Into<String>) -> Self {
        let batch = BatchScore {
            model: model.into(),
            ..BatchScore::default()
        };
        Self {
            spec: JobSpec {
                batch_score: Some(batch),
                ..JobSpec::default()
            },
        }
    }

    /// Scores these rows instead.
    #[must_use]
    pub fn customers(mut self, customers: impl Into<Input>) -> Self {
        self.spec = self.spec.input("customers", customers);
        self
    }

    /// So many reasons for each customer, 1 to 20.
    #[must_use]
    pub fn reasons(self, reasons: u32) -> Self {
        self.with(|batch| batch.reasons = reasons)
    }

    /// What lowers the score is a reason too.
    #[must_use]
    pub fn reasons_either_way(self) -> Self {
        self.with(|batch| batch.reasons_either_way = true)
    }

    /// The dataset that says what to do about a reason.
    #[must_use]
    pub fn actions(self, dataset: impl Into<String>) -> Self {
        let dataset = dataset.into();
        self.with(|batch| batch.actions = dataset)
    }

    /// Makes a list of whom to contact.
    #[must_use]
    pub fn contacts(self, list: ContactList) -> Self {
        self.with(|batch| batch.contacts = Some(list))
    }

    fn with(mut self, change: impl FnOnce(&mut BatchScore)) -> Self {
        change(self.spec.batch_score.get_or_insert_default());
        self
    }
}

common_settings!(ScoreAll);

impl BatchScore {
    pub(super) fn to_wire(&self) -> Result<v1::BatchScore> {
        Ok(v1::BatchScore {
            model: model_name(&self.model)?,
            reasons: self.reasons,
            reasons_either_way: self.reasons_either_way,
            actions: match self.actions.as_str() {
                "" => String::new(),
                dataset => dataset_name(dataset)?,
            },
            contacts: self
                .contacts
                .as_ref()
                .map(ContactList::to_wire)
                .transpose()?,
            offers: self.offers.as_ref().map(OfferList::to_wire),
        })
    }
}

impl ContactList {
    fn to_wire(&self) -> Result<v1::ContactList> {
        let mut do_not_contact = Vec::new();
        for (dataset, column) in &self.do_not_contact {
            let mut name = dataset_name(dataset)?;
            if let Some(column) = column {
                name.push_str("/columns/");
                name.push_str(column);
            }
            do_not_contact.push(name);
        }
        Ok(v1::ContactList {
            max_customers: self.max_customers,
            max_share: self.max_share,
            max_cost: self.max_cost,
            cost_per_contact: self.cost_per_contact,
            value_per_positive: self.value_per_positive,
            success_rate: self.success_rate,
            min_score: self.min_score,
            do_not_contact,
            each_item: self.each_item,
        })
    }
}
