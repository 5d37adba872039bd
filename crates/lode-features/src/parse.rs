//! Reads a declaration from JSON; what is wrong is named by its path.
//!
//! The wire's form goes through the same reader, so that both refuse the same things.

use serde_json::Map;
use serde_json::Value as Json;

use crate::Error;
use crate::Result;
use crate::nearest::one_of;
use crate::spec::Condition;
use crate::spec::CrossOp;
use crate::spec::FeatureSpec;
use crate::spec::Kind;
use crate::spec::Literal;
use crate::spec::Op;
use crate::spec::Params;
use crate::spec::Population;
use crate::spec::Stat;
use crate::spec::ViewSpec;
use crate::spec::Window;

/// Most features of a view.
const MAX_FEATURES: usize = 500;
/// Most values of one `in`.
const MAX_VALUES: usize = 1000;
const OPS: [&str; 7] = [
    "equals",
    "not_equals",
    "in",
    "at_least",
    "at_most",
    "above",
    "below",
];

impl ViewSpec {
    /// Reads the text of a declaration.
    ///
    /// # Errors
    /// `INVALID_FEATURE_VIEW`, with the path of what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let json = serde_json::from_str(text)
            .map_err(|error| Error::wrong("", "a JSON object", error.to_string()))?;
        Self::from_json(&json)
    }

    /// Reads a declaration.
    ///
    /// # Errors
    /// As [`ViewSpec::parse`].
    pub fn from_json(json: &Json) -> Result<Self> {
        let view = Object::new("", json)?;
        view.only(&[
            "description",
            "events",
            "customers",
            "population",
            "online",
            "features",
        ])?;
        let events = match view.get("events") {
            Some(Json::String(one)) => vec![one.clone()],
            Some(Json::Array(_)) | None => {
                let list = view.list("events")?.iter().enumerate();
                list.map(|(i, name)| text(&format!("events[{i}]"), name))
                    .collect::<Result<_>>()?
            }
            Some(other) => {
                return Err(Error::wrong(
                    "events",
                    "a dataset's name or a list of them",
                    shown(other),
                ));
            }
        };
        for (i, name) in events.iter().enumerate() {
            if events[..i].contains(name) {
                let path = format!("events[{i}]");
                return Err(Error::wrong(
                    path,
                    "each dataset once",
                    format!("{name:?} twice"),
                ));
            }
        }
        let population = match view.text("population")?.as_deref() {
            None | Some("active") => Population::Active,
            Some("known") => Population::Known,
            Some(other) => {
                let expected = one_of(&["active", "known"], other);
                return Err(Error::wrong("population", expected, format!("{other:?}")));
            }
        };
        let features = view.list("features")?;
        if features.is_empty() || features.len() > MAX_FEATURES {
            return Err(Error::wrong(
                "features",
                format!("1 to {MAX_FEATURES} features"),
                features.len().to_string(),
            ));
        }
        let spec = Self {
            description: view.text("description")?.unwrap_or_default(),
            events,
            customers: view.text("customers")?,
            population,
            online: view.bool("online")?.unwrap_or(false),
            features: features
                .iter()
                .enumerate()
                .map(|(i, json)| feature(&format!("features[{i}]"), json))
                .collect::<Result<_>>()?,
        };
        spec.unique_names()?;
        Ok(spec)
    }

    /// The declaration as JSON, which [`ViewSpec::from_json`] reads back.
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn unique_names(&self) -> Result<()> {
        for (i, feature) in self.features.iter().enumerate() {
            let before = self.features[..i].iter();
            if before.into_iter().any(|other| other.name == feature.name) {
                return Err(Error::wrong(
                    format!("features[{i}].name"),
                    "each feature's name once",
                    format!("{:?} twice", feature.name),
                ));
            }
        }
        Ok(())
    }
}

fn feature(path: &str, json: &Json) -> Result<FeatureSpec> {
    let object = Object::new(path, json)?;
    object.only(&["name", "kind", "params", "filter", "events"])?;
    let name = object.must("name")?;
    let ok = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > 100 || !name.bytes().all(ok) {
        return Err(Error::wrong(
            object.path("name"),
            "1 to 100 letters, digits and underscores",
            format!("{name:?}"),
        ));
    }
    if name == "customer_id" || name == "as_of" {
        return Err(Error::wrong(
            object.path("name"),
            "a name other than customer_id and as_of, which every row has",
            format!("{name:?}"),
        ));
    }
    let word = object.must("kind")?;
    let kind = Kind::parse(&word).ok_or_else(|| {
        let words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        Error::wrong(
            object.path("kind"),
            one_of(&words, &word),
            format!("{word:?}"),
        )
    })?;
    let empty = Json::Object(Map::new());
    let params = Object::new(
        &object.path("params"),
        object.get("params").unwrap_or(&empty),
    )?;
    let params = self::params(kind, &params)?;
    let filter = match object.get("filter") {
        None => Vec::new(),
        Some(Json::Array(list)) => list
            .iter()
            .enumerate()
            .map(|(i, json)| condition(&format!("{path}.filter[{i}]"), json))
            .collect::<Result<_>>()?,
        Some(one) => vec![condition(&object.path("filter"), one)?],
    };
    let events = object.text("events")?;
    let derived = matches!(
        kind,
        Kind::Attribute | Kind::Ratio | Kind::Cross | Kind::Sql
    );
    for (name, given) in [("filter", !filter.is_empty()), ("events", events.is_some())] {
        if derived && given {
            let expected = format!("none, since a feature of kind {word} reads no events");
            return Err(Error::wrong(
                object.path(name),
                expected,
                format!("a {name}"),
            ));
        }
    }
    Ok(FeatureSpec {
        name,
        kind,
        params,
        filter,
        events,
    })
}

fn params(kind: Kind, object: &Object<'_>) -> Result<Params> {
    let takes: Vec<&str> = kind
        .takes()
        .iter()
        .map(|name| name.trim_end_matches('!'))
        .collect();
    if takes.is_empty() && !object.map.is_empty() {
        let found = object.map.keys().next().cloned().unwrap_or_default();
        let expected = format!("no parameters for kind {}", kind.as_str());
        return Err(Error::wrong(&object.at, expected, format!("{found:?}")));
    }
    object.only(&takes)?;
    for name in kind.takes() {
        if let Some(name) = name.strip_suffix('!')
            && object.get(name).is_none()
        {
            let what = match name {
                "window" => "a window such as \"30d\" or \"12h\"",
                "stat" => "one of count, sum, mean, max, min, std, trend",
                "column" => "the name of a column",
                "value" => "the value of the column",
                "sql" => "a SELECT that gives customer_id and more columns",
                "op" => "one of product, ratio, concat",
                _ => "the name of a feature",
            };
            return Err(Error::wrong(object.path(name), what, "nothing"));
        }
    }
    let window = object
        .text("window")?
        .map(|text| {
            Window::parse(&text).ok_or_else(|| {
                let expected = "a whole number and one of w, d, h, m, s, such as \"30d\"";
                Error::wrong(object.path("window"), expected, format!("{text:?}"))
            })
        })
        .transpose()?;
    let value = object
        .get("value")
        .map(|json| literal(&object.path("value"), json))
        .transpose()?;
    Ok(Params {
        window,
        column: object.text("column")?,
        stat: object.word("stat", stats(kind), Stat::parse)?,
        of: object.text("of")?,
        value,
        numerator: object.text("numerator")?,
        denominator: object.text("denominator")?,
        left: object.text("left")?,
        right: object.text("right")?,
        op: object.word("op", &["product", "ratio", "concat"], CrossOp::parse)?,
        sql: object.text("sql")?,
    })
}

/// The statistics that a kind knows.
fn stats(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Monetary => &["sum", "mean"],
        Kind::InterPurchaseGap => &["mean", "std", "cv", "last"],
        _ => &["count", "sum", "mean", "max", "min", "std", "trend"],
    }
}

impl Condition {
    /// Reads conditions, one or a list of them; `path` is where they stand.
    ///
    /// # Errors
    /// `INVALID_TRAINING_SET`, with the path of what is wrong.
    pub fn read(path: &str, json: &Json) -> Result<Vec<Self>> {
        let read = match json {
            Json::Null => Ok(Vec::new()),
            Json::Array(list) => list
                .iter()
                .enumerate()
                .map(|(i, json)| condition(&format!("{path}[{i}]"), json))
                .collect(),
            one => condition(path, one).map(|one| vec![one]),
        };
        read.map_err(Error::of_training)
    }
}

impl Literal {
    /// Reads a constant; `path` is where it stands.
    ///
    /// # Errors
    /// `INVALID_TRAINING_SET` when it is none.
    pub fn read(path: &str, json: &Json) -> Result<Self> {
        literal(path, json).map_err(Error::of_training)
    }
}

fn condition(path: &str, json: &Json) -> Result<Condition> {
    let object = Object::new(path, json)?;
    let mut known = vec!["column"];
    known.extend(OPS);
    object.only(&known)?;
    let column = object.must("column")?;
    let given: Vec<&str> = OPS
        .into_iter()
        .filter(|word| object.get(word).is_some())
        .collect();
    let (&[word], Some(op)) = (&given[..], given.first().and_then(|word| Op::parse(word))) else {
        let expected = format!("one of {}", OPS.join(", "));
        let found = if given.is_empty() {
            "nothing".to_owned()
        } else {
            given.join(" and ")
        };
        return Err(Error::wrong(path, expected, found));
    };
    let at = object.path(word);
    let values = match (op, object.get(word)) {
        (Op::In, Some(Json::Array(list))) if (1..=MAX_VALUES).contains(&list.len()) => list
            .iter()
            .enumerate()
            .map(|(i, json)| literal(&format!("{at}[{i}]"), json))
            .collect::<Result<_>>()?,
        (Op::In, found) => {
            let found = found.map_or_else(|| "nothing".to_owned(), shown);
            return Err(Error::wrong(
                at,
                format!("a list of 1 to {MAX_VALUES} values"),
                found,
            ));
        }
        (_, Some(json)) => vec![literal(&at, json)?],
        (_, None) => Vec::new(),
    };
    Ok(Condition { column, op, values })
}

fn literal(path: &str, json: &Json) -> Result<Literal> {
    match json {
        Json::Bool(value) => Ok(Literal::Bool(*value)),
        Json::String(value) => Ok(Literal::Text(value.clone())),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Ok(Literal::Int(value)),
            (None, Some(value)) => Ok(Literal::Float(value)),
            _ => Err(Error::wrong(
                path,
                "a number of 64 bits",
                number.to_string(),
            )),
        },
        other => Err(Error::wrong(
            path,
            "text, a number, true or false",
            shown(other),
        )),
    }
}

/// An object and where it stands.
struct Object<'a> {
    at: String,
    map: &'a Map<String, Json>,
}

impl<'a> Object<'a> {
    fn new(at: &str, json: &'a Json) -> Result<Self> {
        match json {
            Json::Object(map) => Ok(Self {
                at: at.to_owned(),
                map,
            }),
            other => Err(Error::wrong(at, "an object", shown(other))),
        }
    }

    fn path(&self, name: &str) -> String {
        if self.at.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.at)
        }
    }

    fn get(&self, name: &str) -> Option<&'a Json> {
        self.map.get(name).filter(|json| !json.is_null())
    }

    fn only(&self, known: &[&str]) -> Result<()> {
        match self.map.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(other) => Err(Error::wrong(
                self.path(other),
                one_of(known, other),
                format!("{other:?}"),
            )),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        self.get(name)
            .map(|json| text(&self.path(name), json))
            .transpose()
    }

    fn must(&self, name: &str) -> Result<String> {
        self.text(name)?
            .ok_or_else(|| Error::wrong(self.path(name), format!("a {name}"), "nothing"))
    }

    fn bool(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(Error::wrong(self.path(name), "true or false", shown(other))),
        }
    }

    fn word<T>(
        &self,
        name: &str,
        words: &[&str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(word) = self.text(name)? else {
            return Ok(None);
        };
        match parse(&word).filter(|_| words.contains(&word.as_str())) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::wrong(
                self.path(name),
                one_of(words, &word),
                format!("{word:?}"),
            )),
        }
    }

    fn list(&self, name: &str) -> Result<&'a [Json]> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Json::Array(list)) => Ok(list),
            Some(other) => Err(Error::wrong(self.path(name), "a list", shown(other))),
        }
    }
}

fn text(path: &str, json: &Json) -> Result<String> {
    match json {
        Json::String(text) if !text.is_empty() => Ok(text.clone()),
        other => Err(Error::wrong(path, "text", shown(other))),
    }
}

fn shown(json: &Json) -> String {
    let text = json.to_string();
    if text.chars().count() > 60 {
        let cut: String = text.chars().take(60).collect();
        format!("{cut}...")
    } else {
        text
    }
}
