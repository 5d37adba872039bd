//! Names survive the way there and back, whatever the customer is called.

use lode_types::CustomerId;

use super::customer;
use super::parse_customer;
use super::parse_ingest;
use super::parse_job;

#[test]
fn customers_of_any_text_have_a_name() {
    for text in ["14646", "a/b", "100%", "Zoë\n", "客户 7", "tenants/x"] {
        let id = CustomerId::parse(text).unwrap();
        assert_eq!(parse_customer(&customer(&id)).unwrap(), id, "{text:?}");
    }
}

#[test]
fn other_forms_are_refused() {
    assert!(parse_job("tenants/default/jobs/").is_err());
    assert!(parse_job("tenants/other/jobs/a").is_err());
    assert!(parse_ingest("tenants/default/datasets/a").is_err());
    assert!(parse_customer("tenants/default/customers/%G0").is_err());
}
