//! A batch score on the wire and as it is kept.

use lode_jobs::BatchScore;
use lode_jobs::ContactList;
use lode_jobs::DoNotContact;
use lode_proto::names;
use lode_proto::v1;
use lode_types::Fault;

use super::offering;

/// Between a dataset and a column of it.
const COLUMNS: &str = "/columns/";

pub(super) fn from_wire(batch: v1::BatchScore) -> Result<BatchScore, Fault> {
    let field = |name: &str| format!("spec.batch_score.{name}");
    let model = names::parse_model_ref(&batch.model)
        .map_err(|error| Fault::of(&error.at(&field("model"))))?;
    let actions = match batch.actions.as_str() {
        "" => None,
        name => Some(
            names::parse_dataset(name).map_err(|error| Fault::of(&error.at(&field("actions"))))?,
        ),
    };
    Ok(BatchScore {
        model,
        reasons: batch.reasons,
        reasons_either_way: batch.reasons_either_way,
        actions,
        contacts: batch.contacts.map(list_from_wire).transpose()?,
        offers: batch.offers.map(offering::list_from_wire),
    })
}

fn list_from_wire(list: v1::ContactList) -> Result<ContactList, Fault> {
    let mut do_not_contact = Vec::new();
    for (i, name) in list.do_not_contact.iter().enumerate() {
        let field = format!("spec.batch_score.contacts.do_not_contact[{i}]");
        let (dataset, column) = match name.split_once(COLUMNS) {
            Some((dataset, column)) => (dataset, Some(column.to_owned())),
            None => (name.as_str(), None),
        };
        let dataset =
            names::parse_dataset(dataset).map_err(|error| Fault::of(&error.at(&field)))?;
        do_not_contact.push(DoNotContact { dataset, column });
    }
    Ok(ContactList {
        max_customers: list.max_customers,
        max_share: list.max_share,
        max_cost: list.max_cost,
        cost_per_contact: list.cost_per_contact,
        value_per_positive: list.value_per_positive,
        success_rate: list.success_rate,
        min_score: (list.min_score != 0.0).then_some(list.min_score),
        do_not_contact,
        each_item: list.each_item,
    })
}

pub(super) fn to_wire(batch: &BatchScore) -> v1::BatchScore {
    let dataset = batch.actions.as_ref().map(names::dataset);
    v1::BatchScore {
        model: names::model_ref(&batch.model),
        reasons: batch.reasons,
        reasons_either_way: batch.reasons_either_way,
        actions: dataset.unwrap_or_default(),
        contacts: batch.contacts.as_ref().map(list_to_wire),
        offers: batch.offers.as_ref().map(offering::list_to_wire),
    }
}

fn list_to_wire(list: &ContactList) -> v1::ContactList {
    let never = list.do_not_contact.iter().map(|never| {
        let dataset = names::dataset(&never.dataset);
        match &never.column {
            Some(column) => format!("{dataset}{COLUMNS}{column}"),
            None => dataset,
        }
    });
    v1::ContactList {
        max_customers: list.max_customers,
        max_share: list.max_share,
        max_cost: list.max_cost,
        cost_per_contact: list.cost_per_contact,
        value_per_positive: list.value_per_positive,
        success_rate: list.success_rate,
        min_score: list.min_score.unwrap_or(0.0),
        do_not_contact: never.collect(),
        each_item: list.each_item,
    }
}
