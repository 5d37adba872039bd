//! Checks a declaration against the schemas of its datasets and plans what to compute.

mod columns;
mod derived;
mod training;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::DataType;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use lode_types::Role;

use crate::Error;
use crate::Result;
use crate::check::columns::Events;
use crate::describe;
use crate::nearest::one_of;
use crate::plan::AccKind;
use crate::plan::Expr;
use crate::plan::LookupPlan;
use crate::plan::Number;
use crate::plan::Out;
use crate::plan::Plan;
use crate::plan::SourcePlan;
use crate::plan::Stream;
use crate::plan::Test;
use crate::plan::Value;
use crate::spec::FeatureSpec;
use crate::spec::Kind;
use crate::spec::Population;
use crate::spec::Stat;
use crate::spec::ViewSpec;
use crate::training::Training;
use crate::view;
use crate::view::FeatureInfo;
use crate::view::View;

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The schemas that a view is checked against, with the roles of their columns.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    /// Of datasets, by name.
    pub datasets: BTreeMap<String, SchemaRef>,
    /// Of the answers of `sql` features, by the feature's name.
    pub queries: BTreeMap<String, SchemaRef>,
}

impl View {
    /// Checks a declaration.
    ///
    /// # Errors
    /// `INVALID_FEATURE_VIEW`: the path of what is wrong, what was expected there with the
    /// names most like it, and what was found.
    pub fn check(spec: ViewSpec, schemas: &Schemas) -> Result<Self> {
        Self::checked(spec, schemas, None)
    }

    /// Checks a declaration whose rows are made a training set, or those to be scored by what
    /// was learned from one.
    ///
    /// # Errors
    /// As [`View::check`]; `INVALID_TRAINING_SET` for what is wrong with the set.
    pub fn check_training(spec: ViewSpec, schemas: &Schemas, training: &Training) -> Result<Self> {
        Self::checked(spec, schemas, Some(training))
    }

    fn checked(spec: ViewSpec, schemas: &Schemas, training: Option<&Training>) -> Result<Self> {
        let mut checker = Checker {
            spec: &spec,
            schemas,
            plan: Plan {
                population: spec.population,
                ..Plan::default()
            },
            id: None,
            events: Vec::new(),
            names: BTreeMap::new(),
            infos: vec![None; spec.features.len()],
        };
        checker.sources()?;
        checker.customers()?;
        for (i, feature) in spec.features.iter().enumerate() {
            if !matches!(feature.kind, Kind::Ratio | Kind::Cross) {
                checker.feature(i, feature)?;
            }
        }
        derived::add(&mut checker)?;
        if let Some(training) = training {
            let made = training::add(&mut checker, training).map_err(Error::of_training)?;
            checker.plan.training = Some(made);
        }
        let infos: Vec<FeatureInfo> = checker.infos.into_iter().flatten().collect();
        let mut plan = checker.plan;
        for info in &infos {
            for (name, _) in &info.columns {
                if let Some(out) = plan.outs.iter().position(|out| out.name == *name) {
                    plan.columns.push(out);
                }
            }
        }
        let id = checker.id.unwrap_or(DataType::Utf8);
        Ok(Self {
            schema: view::schema(&id, &plan),
            spec,
            plan,
            features: infos,
        })
    }
}

pub(super) struct Checker<'a> {
    spec: &'a ViewSpec,
    schemas: &'a Schemas,
    plan: Plan,
    /// Type of the customers' ids, the same everywhere.
    id: Option<DataType>,
    events: Vec<Arc<Schema>>,
    /// Column to its out.
    names: BTreeMap<String, usize>,
    infos: Vec<Option<FeatureInfo>>,
}

impl Checker<'_> {
    fn dataset(&self, path: &str, name: &str) -> Result<SchemaRef> {
        self.schemas.datasets.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.schemas.datasets.keys().map(String::as_str).collect();
            let expected = format!("a dataset, {}", one_of(&known, name));
            Error::wrong(path, expected, format!("{name:?}"))
        })
    }

    fn sources(&mut self) -> Result<()> {
        for (i, name) in self.spec.events.iter().enumerate() {
            let path = format!("events[{i}]");
            let schema = self.dataset(&path, name)?;
            let role = |role: Role| columns::with_role(&schema, role);
            let must = |wanted: Role| {
                role(wanted).ok_or_else(|| {
                    let expected = format!("a dataset with a column of role {wanted}");
                    Error::wrong(&path, expected, format!("{name:?}, which has none"))
                })
            };
            let (id, time) = (must(Role::CustomerId)?, must(Role::EventTime)?);
            self.same_id(&path, name, schema.field(id).data_type())?;
            let mut source = SourcePlan {
                dataset: name.clone(),
                columns: Vec::new(),
                id: 0,
                time: 0,
                arrival: None,
                is_outcome: false,
                counts: true,
                known_by: i64::MAX,
            };
            let mut column = |i: usize| {
                let field = schema.field(i);
                source.column(field.name(), field.data_type())
            };
            let (id, time) = (column(id), column(time));
            let arrival = role(Role::ArrivalTime).map(&mut column);
            (source.id, source.time, source.arrival) = (id, time, arrival);
            self.plan.sources.push(source);
            self.events.push(schema);
        }
        Ok(())
    }

    fn customers(&mut self) -> Result<()> {
        let Some(name) = &self.spec.customers else {
            let wanted = self.spec.population == Population::Known;
            if wanted {
                let expected = "a dataset of customers, since the population is \"known\"";
                return Err(Error::wrong("customers", expected, "nothing"));
            }
            if self.spec.events.is_empty() {
                let expected =
                    "at least one dataset of events, or customers with population \"known\"";
                return Err(Error::wrong("events", expected, "nothing"));
            }
            return Ok(());
        };
        let schema = self.dataset("customers", name)?;
        let Some(id) = columns::with_role(&schema, Role::CustomerId) else {
            let expected = "a dataset with a column of role customer_id";
            return Err(Error::wrong(
                "customers",
                expected,
                format!("{name:?}, which has none"),
            ));
        };
        let field = schema.field(id);
        self.same_id("customers", name, field.data_type())?;
        if self.spec.events.is_empty() && self.spec.population == Population::Active {
            let expected = "at least one dataset of events, or population \"known\"";
            return Err(Error::wrong("events", expected, "nothing"));
        }
        self.plan.lookups.push(LookupPlan {
            name: name.clone(),
            feature: None,
            columns: vec![(field.name().clone(), field.data_type().clone())],
            id: 0,
            ahead: 0,
        });
        Ok(())
    }

    /// Customers are matched by id, so all ids have one type.
    fn same_id(&mut self, path: &str, name: &str, found: &DataType) -> Result<()> {
        match &self.id {
            None => {
                self.id = Some(found.clone());
                Ok(())
            }
            Some(first) if first == found => Ok(()),
            Some(first) => Err(Error::wrong(
                path,
                format!(
                    "customer ids of type {}, as in the datasets before",
                    words(first)
                ),
                format!("{} in {name:?}", words(found)),
            )),
        }
    }

    fn feature(&mut self, i: usize, spec: &FeatureSpec) -> Result<()> {
        let path = format!("features[{i}]");
        let outs = match spec.kind {
            Kind::Attribute => self.attribute(&path, spec)?,
            Kind::Sql => self.query(&path, spec)?,
            _ => self.events_feature(&path, spec)?,
        };
        let (outs, meaning) = outs;
        self.add(i, outs, meaning)
    }

    /// Adds a feature's columns.
    fn add(&mut self, i: usize, outs: Vec<Out>, description: String) -> Result<()> {
        let mut columns = Vec::new();
        for out in outs {
            if self.names.contains_key(&out.name) {
                return Err(Error::wrong(
                    format!("features[{i}].name"),
                    "columns of other names than those before",
                    format!("{:?} twice", out.name),
                ));
            }
            columns.push((out.name.clone(), out.data_type.clone()));
            self.names.insert(out.name.clone(), self.plan.outs.len());
            self.plan.outs.push(out);
        }
        self.infos[i] = Some(FeatureInfo {
            name: self.spec.features[i].name.clone(),
            description,
            columns,
        });
        Ok(())
    }

    fn attribute(&mut self, path: &str, spec: &FeatureSpec) -> Result<(Vec<Out>, String)> {
        let Some(name) = &self.spec.customers else {
            let expected = "a dataset of customers, since a feature reads an attribute";
            return Err(Error::wrong("customers", expected, "nothing"));
        };
        let schema = self.dataset("customers", name)?;
        let column = spec.params.column.as_deref().unwrap_or_default();
        let at = columns::named(&format!("{path}.params.column"), name, &schema, column)?;
        let data_type = schema.field(at).data_type().clone();
        let lookup = &mut self.plan.lookups[0];
        lookup.columns.push((column.to_owned(), data_type.clone()));
        let out = Out {
            name: spec.name.clone(),
            data_type,
            expr: Expr::Lookup(0, lookup.columns.len() - 1),
        };
        Ok((vec![out], describe::attribute(name, column)))
    }

    fn query(&mut self, path: &str, spec: &FeatureSpec) -> Result<(Vec<Out>, String)> {
        let path = format!("{path}.params.sql");
        let Some(schema) = self.schemas.queries.get(&spec.name) else {
            return Err(Error::wrong(path, "a SELECT that could be planned", "none"));
        };
        let by_role = columns::with_role(schema, Role::CustomerId);
        let Some(id) = by_role.or_else(|| schema.index_of("customer_id").ok()) else {
            let known: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            let found = format!("the columns {}", known.join(", "));
            return Err(Error::wrong(path, "a column customer_id", found));
        };
        let id_type = schema.field(id).data_type().clone();
        self.same_id(&path, "the query", &id_type)?;
        if schema.fields().len() < 2 {
            let expected = "customer_id and at least one more column";
            return Err(Error::wrong(path, expected, "customer_id alone"));
        }
        let fields = schema.fields().iter();
        let columns = fields.map(|f| (f.name().clone(), f.data_type().clone()));
        let lookup = self.plan.lookups.len();
        self.plan.lookups.push(LookupPlan {
            name: format!("the query of feature {:?}", spec.name),
            feature: Some(spec.name.clone()),
            columns: columns.collect(),
            id,
            ahead: 0,
        });
        let one = schema.fields().len() == 2;
        let mut outs = Vec::new();
        for (i, field) in schema.fields().iter().enumerate() {
            if i == id {
                continue;
            }
            if !columns::is_plain(field.data_type()) {
                let expected =
                    "columns of type string, int64, float64, decimal, bool, timestamp or date";
                let found = format!("{} in {:?}", field.data_type(), field.name());
                return Err(Error::wrong(path, expected, found));
            }
            outs.push(Out {
                name: if one {
                    spec.name.clone()
                } else {
                    format!("{}_{}", spec.name, field.name())
                },
                data_type: field.data_type().clone(),
                expr: Expr::Lookup(lookup, i),
            });
        }
        Ok((
            outs,
            describe::query(spec.params.sql.as_deref().unwrap_or_default()),
        ))
    }

    fn events_feature(&mut self, path: &str, spec: &FeatureSpec) -> Result<(Vec<Out>, String)> {
        let source = match &spec.events {
            None if self.spec.events.is_empty() => {
                let expected = format!(
                    "a dataset of events, which kind {} reads",
                    spec.kind.as_str()
                );
                return Err(Error::wrong("events", expected, "nothing"));
            }
            None => 0,
            Some(name) => {
                let known: Vec<&str> = self.spec.events.iter().map(String::as_str).collect();
                known.iter().position(|k| k == name).ok_or_else(|| {
                    let expected =
                        format!("a dataset of the view's events, {}", one_of(&known, name));
                    Error::wrong(format!("{path}.events"), expected, format!("{name:?}"))
                })?
            }
        };
        let mut events = Events {
            path,
            dataset: &self.spec.events[source],
            schema: Arc::clone(&self.events[source]),
            source: &mut self.plan.sources[source],
        };
        let tests = events.tests(&spec.filter)?;
        let window = spec.params.window.map(|window| window.micros());
        let base = |tests: &[Test], value: Value| Stream {
            source,
            tests: tests.to_vec(),
            value,
        };
        let mut words = describe::Words::default();
        let p = &spec.params;
        let float = DataType::Float64;
        let (data_type, expr) = match spec.kind {
            Kind::Recency => {
                let range = self.plan.range(base(&tests, Value::Time), window);
                (float, Expr::SinceLast(range))
            }
            Kind::Tenure => {
                let range = self.plan.range(base(&tests, Value::Time), None);
                (float, Expr::SinceFirst(range))
            }
            Kind::Frequency => {
                let (of, value) = events.frequency(p.of.as_deref())?;
                words.of = of.to_owned();
                let counted = value == Value::Time;
                let range = self.plan.range(base(&tests, value), window);
                let expr = if counted {
                    Expr::Count(range)
                } else {
                    Expr::Acc(self.plan.acc(range, AccKind::Distinct))
                };
                (DataType::Int64, expr)
            }
            Kind::Monetary | Kind::Window => {
                let stat = p.stat.unwrap_or(Stat::Sum);
                if stat == Stat::Count && p.column.is_none() {
                    let range = self.plan.range(base(&tests, Value::Time), window);
                    (DataType::Int64, Expr::Count(range))
                } else {
                    let (column, value, own) =
                        events.number(p.column.as_deref(), "params.column")?;
                    words.column = column;
                    let range = self.plan.range(base(&tests, value.clone()), window);
                    self.statistic(stat, range, &value, own)
                }
            }
            Kind::InterPurchaseGap => {
                let range = self.plan.range(base(&tests, Value::Time), window);
                let expr = match p.stat.unwrap_or(Stat::Mean) {
                    Stat::Last => Expr::GapLast(range),
                    Stat::Std => Expr::Acc(self.plan.acc(range, AccKind::GapStd)),
                    Stat::Cv => Expr::GapCv(self.plan.acc(range, AccKind::GapStd), range),
                    _ => Expr::GapMean(range),
                };
                (float, expr)
            }
            Kind::Distinct => {
                let (column, at, _) = events.column(p.column.as_deref(), Role::Item)?;
                words.column = column;
                let range = self.plan.range(base(&tests, Value::Code(at)), window);
                (
                    DataType::Int64,
                    Expr::Acc(self.plan.acc(range, AccKind::Distinct)),
                )
            }
            Kind::CountOf | Kind::DaysSince | Kind::Share => {
                let mut narrowed = tests.clone();
                narrowed.push(events.value_test(p)?);
                if spec.kind == Kind::Share {
                    words.of = p.of.clone().unwrap_or_else(|| "count".to_owned());
                    if words.of == "count" {
                        let part = self.plan.range(base(&narrowed, Value::Time), window);
                        let whole = self.plan.range(base(&tests, Value::Time), window);
                        (float, Expr::ShareCount(part, whole))
                    } else {
                        let given = (words.of != "amount" || events.has("amount"))
                            .then_some(words.of.as_str());
                        let (column, value, _) = events.number(given, "params.of")?;
                        words.of = column;
                        let part = self.plan.range(base(&narrowed, value.clone()), window);
                        let whole = self.plan.range(base(&tests, value), window);
                        let part = self.plan.acc(part, AccKind::Sum);
                        let whole = self.plan.acc(whole, AccKind::Sum);
                        (float, Expr::ShareSum(part, whole))
                    }
                } else {
                    let range = self.plan.range(base(&narrowed, Value::Time), window);
                    match spec.kind {
                        Kind::CountOf => (DataType::Int64, Expr::Count(range)),
                        _ => (float, Expr::SinceLast(range)),
                    }
                }
            }
            Kind::LastAmount => {
                let (column, value, own) = events.number(p.column.as_deref(), "params.column")?;
                words.column = column;
                // The last number is the sum of a range of one; a product has no column to read.
                let value = match value {
                    Value::Number(at, _) => Value::Place(at),
                    other => other,
                };
                let range = self.plan.range(base(&tests, value), window);
                (own, Expr::Last(range))
            }
            Kind::LastItem | Kind::LastValue => {
                let (column, at, data_type) = events.column(p.column.as_deref(), Role::Item)?;
                words.column = column;
                let range = self.plan.range(base(&tests, Value::Place(at)), window);
                (data_type, Expr::Last(range))
            }
            Kind::HourProfile | Kind::WeekdayProfile => {
                let range = self.plan.range(base(&tests, Value::Time), window);
                let (kind, n) = match spec.kind {
                    Kind::HourProfile => (AccKind::Hours, 24),
                    _ => (AccKind::Weekdays, 7),
                };
                let acc = self.plan.acc(range, kind);
                let name = |bin: usize| match kind {
                    AccKind::Hours => format!("{}_{bin:02}", spec.name),
                    _ => format!("{}_{}", spec.name, WEEKDAYS[bin]),
                };
                let outs = (0..n).map(|bin| Out {
                    name: name(bin),
                    data_type: DataType::Float64,
                    expr: Expr::Bin(acc, bin, range),
                });
                let outs = outs.collect();
                return Ok((
                    outs,
                    describe::events(spec, &self.spec.events[source], &words),
                ));
            }
            Kind::Attribute | Kind::Sql | Kind::Ratio | Kind::Cross => {
                return Err(Error::wrong(
                    path,
                    "a kind that reads events",
                    spec.kind.as_str(),
                ));
            }
        };
        let out = Out {
            name: spec.name.clone(),
            data_type,
            expr,
        };
        Ok((
            vec![out],
            describe::events(spec, &self.spec.events[source], &words),
        ))
    }

    fn statistic(
        &mut self,
        stat: Stat,
        range: usize,
        value: &Value,
        own: DataType,
    ) -> (DataType, Expr) {
        let number = match value {
            Value::Number(_, number) | Value::Product(_, _, number) => *number,
            _ => Number::Float,
        };
        let mut acc = |kind| self.plan.acc(range, kind);
        match stat {
            Stat::Count => (DataType::Int64, Expr::Count(range)),
            Stat::Mean => (DataType::Float64, Expr::Mean(acc(AccKind::Sum), range)),
            Stat::Max => (own, Expr::Acc(acc(AccKind::Max))),
            Stat::Min => (own, Expr::Acc(acc(AccKind::Min))),
            Stat::Std => (DataType::Float64, Expr::Acc(acc(AccKind::Std))),
            Stat::Trend => (DataType::Float64, Expr::Acc(acc(AccKind::Trend))),
            Stat::Sum | Stat::Cv | Stat::Last => {
                let wide = match number {
                    Number::Int => DataType::Int64,
                    Number::Float => DataType::Float64,
                    Number::Decimal(scale) => DataType::Decimal128(38, scale),
                };
                (wide, Expr::Acc(acc(AccKind::Sum)))
            }
        }
    }
}

/// A type as declarations of datasets spell it.
pub(super) fn words(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "string".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Timestamp(_, _) => "timestamp".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Decimal128(p, s) => format!("decimal({p}, {s})"),
        other => other.to_string(),
    }
}
