//! Guesses for the first lines of public retail, telecom and bank files.
//!
//! Lines: Online Retail (Chen, Sain, Guo 2012), Bank Marketing (Moro, Cortez, Rita 2014),
//! Online Shoppers (Sakar et al. 2019) and msweb (Breese, Heckerman, Kadie 1998), all CC BY
//! 4.0 from the UCI repository; Telco Customer Churn (IBM, Apache-2.0).

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BinaryArray;
use arrow_array::Decimal128Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_ipc::writer::StreamWriter;
use lode_types::DatasetKind;
use lode_types::Failure;

use crate::CsvOptions;
use crate::Decoder;
use crate::Format;
use crate::Inferred;

use super::infer;

fn csv(text: &str, delimiter: u8, kind: Option<DatasetKind>) -> Inferred {
    let (header, rows) = text.split_once('\n').unwrap();
    let options = CsvOptions {
        header: header
            .split(char::from(delimiter))
            .map(|name| name.trim_matches('"').to_owned())
            .collect(),
        delimiter,
    };
    let inferred = infer(Format::Csv, rows.as_bytes(), Some(&options), kind).unwrap();
    let mapping = Default::default();
    let decoder = Decoder::new(&inferred.schema, inferred.kind, &mapping, Some(&options)).unwrap();
    let decoded = decoder.decode(Format::Csv, rows.as_bytes()).unwrap();
    assert_eq!(decoded.rejected, [], "the sample fits its own schema");
    inferred
}

/// `name:type`, with `/role` and `!` where it may not be null.
fn columns(inferred: &Inferred) -> Vec<String> {
    let columns = inferred.schema.columns().iter();
    columns
        .map(|column| {
            let role = column
                .role
                .map(|role| format!("/{role}"))
                .unwrap_or_default();
            let required = if column.nullable { "" } else { "!" };
            format!("{}:{}{role}{required}", column.name, column.column_type)
        })
        .collect()
}

fn check(text: &str, delimiter: u8, kind: DatasetKind, expected: &[&str]) {
    let inferred = csv(text, delimiter, None);
    assert_eq!(columns(&inferred), expected);
    assert_eq!(inferred.kind, kind);
}

#[test]
fn invoices() {
    check(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n\
         536365,71053,WHITE METAL LANTERN,8,2010-12-01 08:26:00,3,17850,United Kingdom\n\
         536365,21730,,6,2010-12-01 08:26:00,4,,United Kingdom\n",
        b',',
        DatasetKind::Events,
        &[
            "InvoiceNo:string/order",
            "StockCode:string/item",
            "Description:string",
            "Quantity:int64/quantity",
            "InvoiceDate:timestamp/event_time",
            "UnitPrice:float64/unit_price",
            "CustomerID:int64/customer_id",
            "Country:string",
        ],
    );
}

#[test]
fn telecom_customers() {
    check(
        "customerID,gender,SeniorCitizen,tenure,MonthlyCharges,TotalCharges,Churn\n\
         7590-VHVEG,Female,0,1,29.85,29.85,No\n\
         4472-LVYGI,Male,0,0,52.55, ,No\n\
         3668-QPYBK,Male,1,2,53,108.15,Yes\n",
        b',',
        DatasetKind::Customers,
        &[
            "customerID:string/customer_id!",
            "gender:string",
            "SeniorCitizen:int64",
            "tenure:int64",
            "MonthlyCharges:float64",
            "TotalCharges:float64",
            "Churn:string/label",
        ],
    );
}

#[test]
fn visits_and_their_items() {
    check(
        "user_id,vroot_id\n10001,1000\n10001,1001\n10002,1001\n",
        b',',
        DatasetKind::Events,
        &["user_id:int64/customer_id", "vroot_id:string/item"],
    );
    check(
        "vroot_id,title,url\n1287,International AutoRoute,/autoroute\n1288,library,/library\n",
        b',',
        DatasetKind::Items,
        &["vroot_id:string/item", "title:string", "url:string"],
    );
}

#[test]
fn bank_clients() {
    check(
        "\"age\";\"job\";\"pdays\";\"emp.var.rate\";\"y\"\n56;\"housemaid\";999;1.1;\"no\"\n57;\"services\";999;1;\"yes\"\n",
        b';',
        DatasetKind::Other,
        &[
            "age:int64",
            "job:string",
            "pdays:float64",
            "emp.var.rate:float64",
            "y:string/label",
        ],
    );
}

#[test]
fn sessions_of_shoppers() {
    check(
        "Administrative,Administrative_Duration,ProductRelated,BounceRates,SpecialDay,Month,Weekend,Revenue\n\
         0,0,1,0.2,0,Feb,FALSE,FALSE\n0,0,2,0,0,Feb,FALSE,TRUE\n",
        b',',
        DatasetKind::Other,
        &[
            "Administrative:float64",
            "Administrative_Duration:float64",
            "ProductRelated:int64",
            "BounceRates:float64",
            "SpecialDay:float64",
            "Month:string",
            "Weekend:bool",
            "Revenue:bool/label",
        ],
    );
}

#[test]
fn numbers_that_are_names_stay_text() {
    check(
        "zip,phone,long,ref,code,n\n01234,+4930123,12345678901234567890,1e5,0,-0.5\n10115,+4930124,1,2e5,7,3\n",
        b',',
        DatasetKind::Other,
        &[
            "zip:string",
            "phone:string",
            "long:string",
            "ref:float64",
            "code:int64",
            "n:float64",
        ],
    );
}

#[test]
fn days_and_times() {
    check(
        "customer_id,date,number_of_cds,dollar_value\n1,19970101,2,11.77\n2,19970112,1,12\n",
        b',',
        DatasetKind::Events,
        &[
            "customer_id:int64/customer_id",
            "date:date/event_time",
            "number_of_cds:int64/quantity",
            "dollar_value:float64/amount",
        ],
    );
    check(
        "id,born,seen\n1,1980-02-29,2026-11-21T20:00:00Z\n2,,2026-11-21\n",
        b',',
        DatasetKind::Other,
        &["id:int64", "born:date", "seen:timestamp"],
    );
}

#[test]
fn whole_floats_of_a_customer_are_integers() {
    check(
        "CustomerID,Spend\n17850.0,3\n17851.0,4\n",
        b',',
        DatasetKind::Customers,
        &["CustomerID:int64/customer_id!", "Spend:float64"],
    );
}

#[test]
fn links_have_two_ends() {
    check(
        "source,target,weight\na,b,1\nb,c,2\n",
        b',',
        DatasetKind::Links,
        &[
            "source:string/source",
            "target:string/target",
            "weight:int64",
        ],
    );
}

#[test]
fn a_given_kind_is_kept() {
    let inferred = csv(
        "id,plan\nk1,gold\nk2,blue\n",
        b',',
        Some(DatasetKind::Customers),
    );
    assert_eq!(
        columns(&inferred),
        ["id:string/customer_id!", "plan:string"]
    );
    let inferred = csv("who,plan\nk1,gold\n", b',', Some(DatasetKind::Customers));
    assert_eq!(inferred.kind, DatasetKind::Customers);
    assert!(
        inferred
            .notes
            .iter()
            .any(|note| note.contains("give the role customer_id"))
    );
}

#[test]
fn notes_say_why() {
    let inferred = csv("InvoiceNo,zero,none\n536365,0,\n536366,0,\n", b',', None);
    assert_eq!(
        inferred.notes,
        [
            "column \"InvoiceNo\": string, ids of items and orders may have letters further on",
            "column \"zero\": float64, one number alone in the sample, so it may have fractions",
            "column \"none\": string, no value in the sample",
            "column \"InvoiceNo\": role order, by its name",
        ]
    );
}

#[test]
fn samples_that_tell_nothing_are_refused() {
    let options = CsvOptions {
        header: vec!["a".to_owned()],
        delimiter: b',',
    };
    let reason = |data: &[u8], options: Option<&CsvOptions>| {
        infer(Format::Csv, data, options, None)
            .unwrap_err()
            .reason()
    };
    assert_eq!(reason(b"", Some(&options)), "EMPTY_SAMPLE");
    assert_eq!(reason(b"a\n", None), "CSV_HEADER_MISSING");
    let twice = CsvOptions {
        header: vec!["a".to_owned(), "a".to_owned()],
        delimiter: b',',
    };
    assert_eq!(reason(b"1,2\n", Some(&twice)), "INVALID_SCHEMA");
}

fn arrow(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn arrow_keeps_its_types() {
    let data = arrow(vec![
        ("customer_id", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("product", Arc::new(Int64Array::from(vec![1, 1]))),
        ("churned", Arc::new(Int64Array::from(vec![0, 1]))),
    ]);
    let inferred = infer(Format::ArrowStream, &data, None, None).unwrap();
    assert_eq!(inferred.kind, DatasetKind::Customers);
    assert_eq!(
        columns(&inferred),
        [
            "customer_id:string/customer_id!",
            "product:int64",
            "churned:int64/label"
        ]
    );
    let price = Decimal128Array::from(vec![1])
        .with_precision_and_scale(10, 2)
        .unwrap();
    let data = arrow(vec![("price", Arc::new(price))]);
    let inferred = infer(Format::ArrowStream, &data, None, None).unwrap();
    assert_eq!(columns(&inferred), ["price:decimal(10,2)"]);
    let data = arrow(vec![(
        "price",
        Arc::new(BinaryArray::from(vec![b"1".as_slice()])),
    )]);
    let error = infer(Format::ArrowStream, &data, None, None).unwrap_err();
    assert_eq!(error.reason(), "TYPE_UNSUPPORTED");
    assert_eq!(error.field(), "price");
}
