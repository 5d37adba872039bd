//! A view's declaration between its typed form on the wire and JSON, which is the one that is
//! checked: so that both forms refuse the same things with the same paths.

use arrow_schema::DataType;
use lode_features::Condition;
use lode_features::Literal;
use lode_features::Params;
use lode_jobs::FeatureView;
use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_types::ColumnType;
use lode_types::Fault;
use lode_types::Value;
use serde_json::Map;
use serde_json::Value as Json;

use crate::status::invalid;

/// The declaration that a typed view makes.
pub(super) fn declaration(view: &v1::FeatureView) -> Result<Json, Fault> {
    let mut map = Map::new();
    put(&mut map, "description", &view.description);
    map.insert("events".to_owned(), Json::from(view.events.clone()));
    put(&mut map, "customers", &view.customers);
    match v1::FeaturePopulation::try_from(view.population) {
        Ok(v1::FeaturePopulation::Unspecified) => {}
        Ok(population) => {
            let word = word(population.as_str_name(), "FEATURE_POPULATION_");
            put(&mut map, "population", &word);
        }
        Err(_) => return Err(unknown("population", "FeaturePopulation", view.population)),
    }
    if view.online {
        map.insert("online".to_owned(), Json::Bool(true));
    }
    let features = view.features.iter().enumerate();
    let features = features.map(|(i, feature)| self::feature(&format!("features[{i}]"), feature));
    let features = features.collect::<Result<Vec<_>, _>>()?;
    map.insert("features".to_owned(), Json::Array(features));
    Ok(Json::Object(map))
}

fn feature(path: &str, feature: &v1::Feature) -> Result<Json, Fault> {
    let mut map = Map::new();
    put(&mut map, "name", &feature.name);
    match v1::FeatureKind::try_from(feature.kind) {
        Ok(v1::FeatureKind::Unspecified) => {}
        Ok(kind) => put(&mut map, "kind", &word(kind.as_str_name(), "FEATURE_KIND_")),
        Err(_) => {
            return Err(unknown(
                &format!("{path}.kind"),
                "FeatureKind",
                feature.kind,
            ));
        }
    }
    put(&mut map, "events", &feature.events);
    if let Some(given) = &feature.params {
        let params = params(&format!("{path}.params"), given)?;
        map.insert("params".to_owned(), Json::Object(params));
    }
    if !feature.filter.is_empty() {
        let filter = feature.filter.iter().enumerate();
        let filter = filter.map(|(i, given)| condition(&format!("{path}.filter[{i}]"), given));
        let filter = filter.collect::<Result<Vec<_>, _>>()?;
        map.insert("filter".to_owned(), Json::Array(filter));
    }
    Ok(Json::Object(map))
}

fn params(path: &str, given: &v1::FeatureParams) -> Result<Map<String, Json>, Fault> {
    let mut map = Map::new();
    for (name, value) in [
        ("window", &given.window),
        ("column", &given.column),
        ("of", &given.of),
        ("numerator", &given.numerator),
        ("denominator", &given.denominator),
        ("left", &given.left),
        ("right", &given.right),
        ("sql", &given.sql),
    ] {
        put(&mut map, name, value);
    }
    match v1::FeatureStat::try_from(given.stat) {
        Ok(v1::FeatureStat::Unspecified) => {}
        Ok(stat) => put(&mut map, "stat", &word(stat.as_str_name(), "FEATURE_STAT_")),
        Err(_) => return Err(unknown(&format!("{path}.stat"), "FeatureStat", given.stat)),
    }
    match v1::FeatureCross::try_from(given.op) {
        Ok(v1::FeatureCross::Unspecified) => {}
        Ok(op) => put(&mut map, "op", &word(op.as_str_name(), "FEATURE_CROSS_")),
        Err(_) => return Err(unknown(&format!("{path}.op"), "FeatureCross", given.op)),
    }
    if let Some(value) = &given.value {
        map.insert("value".to_owned(), json(convert::value_from_wire(value)));
    }
    Ok(map)
}

/// A condition as JSON.
pub(crate) fn condition(path: &str, given: &v1::FeatureCondition) -> Result<Json, Fault> {
    let mut map = Map::new();
    put(&mut map, "column", &given.column);
    let mut values: Vec<Json> = given
        .values
        .iter()
        .map(|value| json(convert::value_from_wire(value)))
        .collect();
    match v1::FeatureOp::try_from(given.op) {
        Ok(v1::FeatureOp::Unspecified) => {}
        Ok(op) => {
            let value = match (op, values.len()) {
                (v1::FeatureOp::In, _) => Json::Array(values),
                (_, 1) => values.remove(0),
                (_, n) => {
                    return Err(invalid(
                        &format!("{path}.values"),
                        format!("expected one value, found {n}"),
                    ));
                }
            };
            map.insert(word(op.as_str_name(), "FEATURE_OP_"), value);
        }
        Err(_) => return Err(unknown(&format!("{path}.op"), "FeatureOp", given.op)),
    }
    Ok(Json::Object(map))
}

/// A view as it is shown.
pub(super) fn view(view: &FeatureView) -> v1::FeatureView {
    let spec = &view.spec;
    let population = match spec.population {
        lode_features::Population::Active => v1::FeaturePopulation::Active,
        lode_features::Population::Known => v1::FeaturePopulation::Known,
    };
    let features = spec.features.iter().map(|feature| {
        let info = view.features.iter().find(|info| info.name == feature.name);
        let columns = info.map_or(&[][..], |info| &info.columns);
        v1::Feature {
            name: feature.name.clone(),
            kind: number("FEATURE_KIND_", feature.kind.as_str(), |name| {
                v1::FeatureKind::from_str_name(name).map(i32::from)
            }),
            params: Some(params_to_wire(&feature.params)),
            filter: feature.filter.iter().map(condition_to_wire).collect(),
            events: feature.events.clone().unwrap_or_default(),
            description: info
                .map(|info| info.description.clone())
                .unwrap_or_default(),
            columns: columns
                .iter()
                .map(|(name, data_type)| column(name, data_type))
                .collect(),
        }
    });
    v1::FeatureView {
        name: names::feature_view(&view.id),
        description: spec.description.clone(),
        events: spec.events.clone(),
        customers: spec.customers.clone().unwrap_or_default(),
        population: population.into(),
        online: spec.online,
        features: features.collect(),
        declaration_json: spec.to_json().to_string(),
        create_time: Some(convert::time_to_wire(view.create_time)),
    }
}

fn column(name: &str, data_type: &DataType) -> v1::FeatureColumn {
    let column_type = ColumnType::from_arrow(data_type);
    let (precision, scale) = match column_type {
        Some(ColumnType::Decimal { precision, scale }) => (precision.into(), scale.into()),
        _ => (0, 0),
    };
    v1::FeatureColumn {
        name: name.to_owned(),
        r#type: column_type.map_or(0, |found| convert::type_to_wire(found).into()),
        precision,
        scale,
    }
}

fn params_to_wire(params: &Params) -> v1::FeatureParams {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let stat = params.stat.map(|stat| stat.as_str());
    let op = params.op.map(|op| op.as_str());
    v1::FeatureParams {
        window: params.window.map(|w| w.to_string()).unwrap_or_default(),
        column: text(&params.column),
        stat: stat.map_or(0, |word| {
            number("FEATURE_STAT_", word, |name| {
                v1::FeatureStat::from_str_name(name).map(i32::from)
            })
        }),
        of: text(&params.of),
        value: params.value.as_ref().map(literal),
        numerator: text(&params.numerator),
        denominator: text(&params.denominator),
        left: text(&params.left),
        right: text(&params.right),
        op: op.map_or(0, |word| {
            number("FEATURE_CROSS_", word, |name| {
                v1::FeatureCross::from_str_name(name).map(i32::from)
            })
        }),
        sql: text(&params.sql),
    }
}

/// A condition as it is shown.
pub(crate) fn condition_to_wire(condition: &Condition) -> v1::FeatureCondition {
    v1::FeatureCondition {
        column: condition.column.clone(),
        op: number("FEATURE_OP_", condition.op.as_str(), |name| {
            v1::FeatureOp::from_str_name(name).map(i32::from)
        }),
        values: condition.values.iter().map(literal).collect(),
    }
}

fn literal(literal: &Literal) -> v1::Value {
    convert::value_to_wire(&match literal {
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Float(value) => Value::Float(*value),
        Literal::Text(value) => Value::Text(value.clone()),
    })
}

/// A value as a constant of a declaration; what is none is refused where it stands.
fn json(value: Value) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(value),
        Value::Int(value) => Json::from(value),
        Value::Float(value) => Json::from(value),
        Value::Text(value) => Json::from(value),
        Value::Time(time) => Json::Array(vec![Json::from(time.to_rfc3339())]),
        Value::Null | Value::List(_) | Value::Map(_) => Json::Array(Vec::new()),
    }
}

fn put(map: &mut Map<String, Json>, name: &str, text: &str) {
    if !text.is_empty() {
        map.insert(name.to_owned(), Json::from(text));
    }
}

/// `FEATURE_KIND_DAYS_SINCE` as `days_since`.
fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_ascii_lowercase()
}

/// The number of a word in an enum of the wire.
fn number(prefix: &str, word: &str, find: impl Fn(&str) -> Option<i32>) -> i32 {
    find(&format!("{prefix}{}", word.to_ascii_uppercase())).unwrap_or(0)
}

fn unknown(field: &str, name: &str, found: i32) -> Fault {
    invalid(field, format!("expected a value of {name}, found {found}"))
}
