//! Names survive the way there and back, whatever the customer is called.

use lode_types::CustomerId;
use lode_types::ModelRef;

use super::customer;
use super::model_ref;
use super::parse_customer;
use super::parse_ingest;
use super::parse_job;
use super::parse_model;
use super::parse_model_ref;

#[test]
fn customers_of_any_text_have_a_name() {
    for text in ["14646", "a/b", "100%", "Zoë\n", "客户 7", "tenants/x"] {
        let id = CustomerId::parse(text).unwrap();
        assert_eq!(parse_customer(&customer(&id)).unwrap(), id, "{text:?}");
    }
}

#[test]
fn a_model_is_named_by_its_id_or_an_alias() {
    for text in ["churn-1", "a.b", "@champion", "@a.b-c_d"] {
        let model = ModelRef::parse(text).unwrap();
        assert_eq!(
            parse_model_ref(&model_ref(&model)).unwrap(),
            model,
            "{text}"
        );
    }
    for text in ["@", "@@a", "@1st", "", "@a b", "a@b"] {
        let name = format!("tenants/default/models/{text}");
        assert!(parse_model_ref(&name).is_err(), "{text}");
    }
    assert!(parse_model("tenants/default/models/@champion").is_err());
}

#[test]
fn other_forms_are_refused() {
    assert!(parse_job("tenants/default/jobs/").is_err());
    assert!(parse_job("tenants/other/jobs/a").is_err());
    assert!(parse_ingest("tenants/default/datasets/a").is_err());
    assert!(parse_customer("tenants/default/customers/%G0").is_err());
}
