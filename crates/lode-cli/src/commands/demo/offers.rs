//! What to offer whom: trains item-knn, then asks online for one customer.

use std::collections::BTreeMap;

use lode_sdk::Lode;
use lode_sdk::Recommend;
use lode_sdk::Recommendation;
use lode_sdk::Table;

use crate::commands::demo::columns::percent;
use crate::commands::demo::columns::texts;
use crate::commands::demo::heading;
use crate::commands::demo::truth::Truth;
use crate::failure::Result;
use crate::output::number;
use crate::output::of;

/// Runs `recommend.item-knn`, tells one customer's offers and how many planted ones are met.
pub(super) async fn run(lode: &Lode, truth: &Truth) -> Result<String> {
    let job = lode.run(Recommendation::item_knn("retail")).await?;
    let offers = by_customer(&job.output("recommendations").await?)?;
    let mut text = heading("3. What would they like next?", "recommend.item-knn");
    if let Some(customer) = example(&offers, truth) {
        text.push_str(&tell(lode, job.model().unwrap_or_default(), &customer, truth).await?);
    }
    text.push_str(&check(&offers, truth));
    Ok(text)
}

/// A regular customer with some offers that are right, to be shown.
fn example(offers: &BTreeMap<String, Vec<String>>, truth: &Truth) -> Option<String> {
    let shoppers = truth.retail.customers.iter();
    shoppers
        .filter(|shopper| shopper.class == "regular")
        .find(|shopper| {
            offers.get(&shopper.customer_id).is_some_and(|offers| {
                let hits = shopper
                    .next_items
                    .iter()
                    .filter(|item| offers.contains(item));
                hits.count() >= 2
            })
        })
        .map(|shopper| shopper.customer_id.clone())
}

async fn tell(lode: &Lode, model: &str, customer: &str, truth: &Truth) -> Result<String> {
    let sql = format!(
        "select item, sum(quantity) as pieces from retail where customer_id = '{customer}' \
         and quantity > 0 group by item order by pieces desc, item"
    );
    let bought = lode.query(&sql, None).await?.collect().await?;
    let bought = texts(&bought, "item")?;
    let found = lode
        .recommend(Recommend {
            model: model.to_owned(),
            customer: customer.to_owned(),
            limit: 5,
            ..Recommend::default()
        })
        .await?;
    let likes = truth
        .shoppers()
        .get(customer)
        .map(|shopper| shopper.group.clone())
        .unwrap_or_default();
    let mut list = bought.clone();
    if list.len() > 5 {
        list.truncate(4);
        list.push(format!("and {} more", bought.len() - 4));
    }
    let mut text = format!("\n  customer {customer} bought {}", list.join(", "));
    text.push_str("\n  offers, best first:");
    for item in &found.items {
        text.push_str(&format!("\n    {:<28}{:>8}", item.item, number(item.score)));
    }
    text.push_str(&format!(
        "\n  check: this customer was planted to like {likes}"
    ));
    Ok(text)
}

/// How many of the planted next purchases are among the offers.
fn check(offers: &BTreeMap<String, Vec<String>>, truth: &Truth) -> String {
    let (mut n_next, mut n_met, mut n_customers, mut n_right) = (0.0, 0.0, 0_u32, 0.0);
    for shopper in &truth.retail.customers {
        let Some(offers) = offers.get(&shopper.customer_id) else {
            continue;
        };
        if shopper.next_items.is_empty() {
            continue;
        }
        let n_hits = shopper
            .next_items
            .iter()
            .filter(|item| offers.contains(item))
            .count();
        n_customers += 1;
        n_right += f64::from(u8::from(n_hits > 0));
        n_next += shopper.next_items.len() as f64;
        n_met += n_hits as f64;
    }
    format!(
        "\n         ten offers hold something they would buy next for {} of {},\n         \
         and {} of all such items",
        percent(n_right, f64::from(n_customers)),
        of(u64::from(n_customers), "customer"),
        percent(n_met, n_next),
    )
}

fn by_customer(table: &Table) -> Result<BTreeMap<String, Vec<String>>> {
    let mut offers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let customers = texts(table, "customer_id")?;
    for (customer, item) in customers.into_iter().zip(texts(table, "item")?) {
        offers.entry(customer).or_default().push(item);
    }
    Ok(offers)
}
