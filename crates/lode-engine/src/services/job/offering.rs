//! What always holds of offers, and lists of them, on the wire and as they are kept.

use lode_jobs::OfferList;
use lode_jobs::Offering;
use lode_proto::names;
use lode_proto::v1;
use lode_types::DatasetId;
use lode_types::Fault;

pub(super) fn from_wire(offering: v1::Offering) -> Result<Offering, Fault> {
    let dataset = |name: &str, field: &str| -> Result<Option<DatasetId>, Fault> {
        if name.is_empty() {
            return Ok(None);
        }
        let field = format!("spec.offering.{field}");
        let dataset = names::parse_dataset(name);
        dataset
            .map(Some)
            .map_err(|error| Fault::of(&error.at(&field)))
    };
    Ok(Offering {
        items: dataset(&offering.items, "items")?,
        customers: dataset(&offering.customers, "customers")?,
        rules: offering.rules,
        control_share: offering.control_share,
    })
}

pub(super) fn to_wire(offering: &Offering) -> v1::Offering {
    let name =
        |dataset: &Option<DatasetId>| dataset.as_ref().map(names::dataset).unwrap_or_default();
    v1::Offering {
        rules: offering.rules.clone(),
        items: name(&offering.items),
        customers: name(&offering.customers),
        control_share: offering.control_share,
    }
}

pub(super) fn list_from_wire(list: v1::OfferList) -> OfferList {
    OfferList {
        limit: list.limit,
        filter: list.filter,
        allow_owned: list.allow_owned,
        diversity: list.diversity,
        explain: list.explain,
    }
}

pub(super) fn list_to_wire(list: &OfferList) -> v1::OfferList {
    v1::OfferList {
        limit: list.limit,
        filter: list.filter.clone(),
        allow_owned: list.allow_owned,
        diversity: list.diversity,
        explain: list.explain,
    }
}
