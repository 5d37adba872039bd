//! What a column's name says of it.
//!
//! Names are compared without case and without anything but letters and digits, so that
//! `CustomerID`, `customer_id` and `Customer Id` are one. Lists are in order of preference.

use lode_types::ColumnType;
use lode_types::Role;

/// The roles that names can tell, in the order in which they are given.
pub(super) const ROLES: [Role; 14] = [
    Role::CustomerId,
    Role::EventTime,
    Role::ArrivalTime,
    Role::Item,
    Role::Order,
    Role::Source,
    Role::Target,
    Role::Amount,
    Role::Quantity,
    Role::UnitPrice,
    Role::EventKind,
    Role::Rating,
    Role::Treatment,
    Role::Label,
];

const LINKS: [[&str; 2]; 6] = [
    ["source", "target"],
    ["src", "dst"],
    ["from", "to"],
    ["sourceid", "targetid"],
    ["srcid", "dstid"],
    ["fromid", "toid"],
];

/// Words in the name of a column that holds money or a ratio.
const MEASURES: [&str; 16] = [
    "amount", "balance", "charge", "cost", "discount", "duration", "fee", "income", "price",
    "rate", "ratio", "revenue", "sales", "spend", "tax", "value",
];

/// Labels only where they are true or false: as numbers they are money or counts.
const BOOL_LABELS: [&str; 3] = ["revenue", "purchase", "conversion"];

fn known(role: Role) -> &'static [&'static str] {
    match role {
        Role::CustomerId => &[
            "customerid",
            "customerno",
            "customernumber",
            "customer",
            "custid",
            "clientid",
            "clientno",
            "client",
            "userid",
            "user",
            "memberid",
            "subscriberid",
            "shopperid",
            "buyerid",
            "visitorid",
            "personid",
            "householdid",
            "accountid",
        ],
        Role::EventTime => &[
            "eventtime",
            "eventdate",
            "eventtimestamp",
            "invoicedate",
            "orderdate",
            "ordertime",
            "purchasedate",
            "purchasetime",
            "transactiondate",
            "transactiontime",
            "visittime",
            "visitdate",
            "timestamp",
            "datetime",
            "date",
            "time",
            "ts",
            "createdat",
            "occurredat",
        ],
        Role::ArrivalTime => &[
            "arrivaltime",
            "arrivedat",
            "arrivaldate",
            "ingestedat",
            "ingestiontime",
            "ingesttime",
            "ingestiondate",
            "receivedat",
            "receivedtime",
            "receiveddate",
            "loadedat",
            "loadtime",
            "loaddate",
            "insertedat",
        ],
        Role::Item => &[
            "itemid",
            "item",
            "stockcode",
            "productid",
            "product",
            "productcode",
            "sku",
            "articleid",
            "article",
            "vrootid",
            "itemcode",
            "itemno",
            "offerid",
            "asin",
            "jokeid",
            "movieid",
            "pageid",
        ],
        Role::Order => &[
            "orderid",
            "orderno",
            "ordernumber",
            "invoiceno",
            "invoiceid",
            "invoicenumber",
            "invoice",
            "basketid",
            "basket",
            "cartid",
            "receiptid",
            "receiptno",
            "transactionid",
            "checkoutid",
            "sessionid",
            "session",
        ],
        Role::Source => &["source", "src", "from", "sourceid", "srcid", "fromid"],
        Role::Target => &["target", "dst", "to", "targetid", "dstid", "toid"],
        Role::Amount => &[
            "amount",
            "totalamount",
            "lineamount",
            "revenue",
            "total",
            "linetotal",
            "totalprice",
            "sales",
            "dollarvalue",
            "spend",
            "turnover",
        ],
        Role::Quantity => &["quantity", "qty", "pieces", "units", "numberofcds"],
        Role::UnitPrice => &["unitprice", "price", "priceperunit", "itemprice"],
        Role::EventKind => &["eventkind", "eventtype", "action"],
        Role::Rating => &["rating", "stars"],
        Role::Treatment => &["treatment", "arm", "experimentarm"],
        Role::Label => &[
            "label",
            "churn",
            "churned",
            "ischurn",
            "churnflag",
            "churnlabel",
            "target",
            "y",
            "outcome",
            "response",
            "exited",
            "attrition",
            "converted",
            "revenue",
            "purchase",
            "conversion",
        ],
        Role::Text | Role::Channel | Role::Weight | Role::Duration => &[],
    }
}

/// The names of a table's columns.
pub(super) struct Names {
    plain: Vec<String>,
    words: Vec<Vec<String>>,
    link: Option<[&'static str; 2]>,
}

impl Names {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let words: Vec<Vec<String>> = names.map(split).collect();
        let plain: Vec<String> = words.iter().map(|words| words.concat()).collect();
        let link = LINKS
            .into_iter()
            .find(|link| link.iter().all(|end| plain.iter().any(|name| name == end)));
        Self { plain, words, link }
    }

    /// The columns whose name tells the role, the likeliest first.
    pub(super) fn candidates(&self, role: Role) -> impl Iterator<Item = usize> + '_ {
        let names: &[&str] = match (role, &self.link) {
            (Role::Source, Some([source, _])) => std::slice::from_ref(source),
            (Role::Target, Some([_, target])) => std::slice::from_ref(target),
            (Role::Source | Role::Target, None) => &[],
            _ => known(role),
        };
        names.iter().flat_map(|name| self.called(name))
    }

    /// The columns of that plain name.
    pub(super) fn called<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        let columns = self.plain.iter().enumerate();
        columns
            .filter(move |(_, plain)| *plain == name)
            .map(|(i, _)| i)
    }

    /// Whether the column may hold the role with this type, beyond the role's own rule.
    pub(super) fn allows(&self, role: Role, column: usize, column_type: ColumnType) -> bool {
        role != Role::Label
            || column_type == ColumnType::Bool
            || !BOOL_LABELS.contains(&self.plain[column].as_str())
    }

    /// Whether a name of the role on an unfit type is worth a word.
    pub(super) fn is_telling(&self, role: Role) -> bool {
        matches!(role, Role::CustomerId | Role::EventTime)
    }

    /// Whether values of the column are watched for repeats.
    pub(super) fn is_id(&self, column: usize) -> bool {
        let name = self.plain[column].as_str();
        self.is_customer(column) || known(Role::Item).contains(&name) || name == "id"
    }

    pub(super) fn is_customer(&self, column: usize) -> bool {
        known(Role::CustomerId).contains(&self.plain[column].as_str())
    }

    pub(super) fn is_label(&self, column: usize) -> bool {
        known(Role::Label).contains(&self.plain[column].as_str())
    }

    /// Whether the column names items or orders, whose ids are text however they begin.
    pub(super) fn is_code(&self, column: usize) -> bool {
        let name = self.plain[column].as_str();
        known(Role::Item).contains(&name) || known(Role::Order).contains(&name)
    }

    /// Whether the column holds a time or a day.
    pub(super) fn is_time(&self, column: usize) -> bool {
        let name = self.plain[column].as_str();
        known(Role::EventTime).contains(&name)
            || known(Role::ArrivalTime).contains(&name)
            || self.has_word(column, &["date", "day", "dt"])
    }

    /// Whether the column holds money or a ratio.
    pub(super) fn is_measure(&self, column: usize) -> bool {
        let name = self.plain[column].as_str();
        known(Role::Amount).contains(&name)
            || known(Role::UnitPrice).contains(&name)
            || self.has_word(column, &MEASURES)
    }

    fn has_word(&self, column: usize, wanted: &[&str]) -> bool {
        self.words[column].iter().any(|word| {
            let singular = word.strip_suffix('s').unwrap_or(word);
            wanted.contains(&word.as_str()) || wanted.contains(&singular)
        })
    }
}

/// The words of a name, in lower case: `ProductRelated_Duration` is product, related, duration.
fn split(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins = c.is_uppercase() && before.is_lowercase();
        let ends = !c.is_alphanumeric();
        if (begins || ends) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let (false, Some(word)) = (ends, words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words
}
