//! Loads the sample files through the SDK.

use std::path::Path;

use lode_sdk::Ingest;
use lode_sdk::Lode;
use lode_types::DatasetKind;
use lode_types::Role;

use crate::commands::demo::heading;
use crate::failure::Result;
use crate::output::count;
use crate::output::of;

/// Loads the three tables; gives the part of the report.
pub(super) async fn run(lode: &Lode, dir: &Path) -> Result<String> {
    let orders = lode
        .ingest("retail")
        .kind(DatasetKind::Events)
        .role(Role::Order, "order_id")
        .role(Role::CustomerId, "customer_id")
        .role(Role::Item, "item")
        .role(Role::Quantity, "quantity")
        .role(Role::UnitPrice, "unit_price")
        .role(Role::EventTime, "event_time");
    let items = lode
        .ingest("items")
        .kind(DatasetKind::Items)
        .role(Role::Item, "item");
    let people = lode
        .ingest("telecom")
        .kind(DatasetKind::Customers)
        .role(Role::CustomerId, "customer_id")
        .role(Role::Label, "churn");
    let loads: [(Ingest, &str, &str); 3] = [
        (orders, "retail_events.csv", "order line"),
        (items, "retail_items.csv", "item"),
        (people, "telecom_customers.csv", "customer"),
    ];
    let mut text = heading("Loaded over gRPC, each file exactly once", "lode ingest");
    for (load, file, noun) in loads {
        let report = load.file(dir.join(file)).await?;
        text.push_str(&format!(
            "\n  {:<9}{:>21}   from {file}",
            report.dataset,
            of(report.accepted_rows, noun),
        ));
        if report.rejected_rows > 0 {
            text.push_str(&format!(", {} set aside", count(report.rejected_rows)));
        }
    }
    Ok(text)
}
