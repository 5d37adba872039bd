//! Who the customers are: tiers by recency, frequency and money, and groups by habit.

use std::collections::BTreeMap;

use lode_sdk::Input;
use lode_sdk::Lode;
use lode_sdk::Segmentation;

use crate::commands::demo::columns::bar;
use crate::commands::demo::columns::numbers;
use crate::commands::demo::columns::percent;
use crate::commands::demo::columns::texts;
use crate::commands::demo::heading;
use crate::commands::demo::truth::Truth;
use crate::failure::Result;
use crate::output::number;

/// How a customer buys, as one row a customer.
const HABITS_SQL: &str = "select customer_id, count(distinct order_id) as orders, \
    sum(quantity * unit_price) as spent, count(distinct item) as different_items \
    from retail where customer_id is not null and quantity > 0 \
    group by customer_id order by customer_id";

/// Runs `segment.rfm` and tells the tiers.
pub(super) async fn tiers(lode: &Lode, truth: &Truth) -> Result<String> {
    let job = lode.run(Segmentation::rfm("retail").write_back()).await?;
    let tiers = job.output("tiers").await?;
    let names = texts(&tiers, "tier")?;
    let customers = numbers(&tiers, "customers")?;
    let revenue = numbers(&tiers, "revenue_share")?;
    let actions = texts(&tiers, "action")?;
    let n_customers: f64 = customers.iter().sum();

    let mut text = heading("1. Who are the customers of the shop?", "segment.rfm");
    text.push_str("\n  tier          customers            share of revenue");
    for ((name, n), share) in names.iter().zip(&customers).zip(&revenue) {
        let share = if share.is_nan() { 0.0 } else { *share };
        text.push_str(&format!(
            "\n  {:<12}{n:>7} {:>6}    {:<32}{:>5}",
            name.replace('_', " "),
            percent(*n, n_customers),
            bar(share, 32),
            percent(share, 1.0),
        ));
    }
    for tier in ["champions", "cannot_lose"] {
        if let Some(i) = names.iter().position(|name| name == tier) {
            text.push_str(&format!("\n  {}: {}", tier.replace('_', " "), actions[i]));
        }
    }
    text.push_str(&check_tiers(&job.output("rfm").await?, truth)?);
    Ok(text)
}

/// Where the planted best and rarest buyers ended up.
fn check_tiers(rfm: &lode_sdk::Table, truth: &Truth) -> Result<String> {
    let shoppers = truth.shoppers();
    let (mut n_best, mut n_best_high, mut n_once, mut n_once_low) = (0.0, 0.0, 0.0, 0.0);
    for (id, tier) in texts(rfm, "customer_id")?.iter().zip(texts(rfm, "tier")?) {
        let Some(shopper) = shoppers.get(id.as_str()) else {
            continue;
        };
        let is_high = matches!(tier.as_str(), "champions" | "loyal" | "cannot_lose");
        match shopper.class.as_str() {
            "vip" => {
                n_best += 1.0;
                n_best_high += f64::from(u8::from(is_high));
            }
            "once" => {
                n_once += 1.0;
                n_once_low += f64::from(u8::from(!is_high));
            }
            _ => {}
        }
    }
    Ok(format!(
        "\n  check: {} of the {n_best} planted best customers are champions, loyal or cannot lose;\n         \
         {} of the {n_once} who bought once are not",
        percent(n_best_high, n_best),
        percent(n_once_low, n_once),
    ))
}

/// Runs `segment.kmeans` over a SELECT and tells the groups.
pub(super) async fn habits(lode: &Lode) -> Result<String> {
    let spec = Segmentation::kmeans(Input::sql(HABITS_SQL), 4)
        .log_standardize()
        .seed(1);
    let job = lode.run(spec).await?;
    let centers = job.output("centers").await?;
    let segments = texts(&centers, "segment")?;
    let customers = numbers(&centers, "customers")?;
    let features = texts(&centers, "feature")?;
    let means = numbers(&centers, "mean")?;
    // One row a segment and feature: the features become columns.
    let mut names: Vec<&str> = Vec::new();
    let mut groups: BTreeMap<&str, (f64, Vec<String>)> = BTreeMap::new();
    for i in 0..segments.len() {
        if !names.contains(&features[i].as_str()) {
            names.push(&features[i]);
        }
        let group = groups.entry(&segments[i]).or_default();
        group.0 = customers[i];
        group.1.push(number((means[i] * 10.0).round() / 10.0));
    }
    let mut text = heading(
        "2. What habits do they have? (groups of a SELECT)",
        "segment.kmeans",
    );
    text.push_str("\n  group   customers");
    for name in &names {
        text.push_str(&format!("{:>18}", name.replace('_', " ")));
    }
    text.push_str("   (means)");
    for (segment, (n, means)) in &groups {
        text.push_str(&format!("\n  {segment:<8}{n:>9}"));
        for mean in means {
            text.push_str(&format!("{mean:>18}"));
        }
    }
    Ok(text)
}
