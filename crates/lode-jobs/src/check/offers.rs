//! Refuses a way of judging a recommender that has no meaning, and binds the tables that it needs.

use lode_types::AlgorithmSpec;
use lode_types::Failure;
use lode_types::Features;
use lode_types::InputColumn;
use lode_types::InputSpec;
use lode_types::Role;
use lode_types::Task;

use super::BoundInput;
use super::Checker;
use super::KeptColumns;
use super::bind::bind;
use super::pins::Pins;
use crate::Error;
use crate::InputRef;
use crate::JobSpec;
use crate::OfferProtocol;
use crate::Result;
use crate::spec::OfferEvaluation;

/// Places that can be ranked: the least is the deepest cut of a measure.
const DEPTH: std::ops::RangeInclusive<u32> = 20..=10_000;
/// Most customers that can be asked about.
const MAX_CUSTOMERS: u32 = 10_000_000;
/// How the fields of tables that are no inputs begin where [`bind`] makes them, and how they are
/// called.
const FIELD: (&str, &str) = ("spec.inputs.evaluation.", "spec.evaluation.");

/// Tables that a recommender is judged by.
#[derive(Default)]
pub(crate) struct CheckedOffers {
    /// An order of items.
    pub(crate) order: Option<BoundInput>,
    /// What is to be found.
    pub(crate) holdout: Option<BoundInput>,
}

impl Checker<'_> {
    /// What the judging of a recommender needs; nothing for other tasks.
    pub(super) fn offers(
        &self,
        algorithm: &AlgorithmSpec,
        spec: &JobSpec,
        inputs: &[BoundInput],
        pins: &mut Pins<'_>,
    ) -> Result<CheckedOffers> {
        let asked = &spec.evaluation.offers;
        if algorithm.task != Task::Recommendation {
            if asked.is_default() {
                return Ok(CheckedOffers::default());
            }
            return Err(Error::invalid(
                "NOT_A_RECOMMENDER",
                "spec.evaluation",
                format!(
                    "protocol, window, repeats, order, holdout, max_customers, depth and \
                     liked_rating are of recommenders; {} is none",
                    algorithm.id
                ),
            ));
        }
        ranges(asked)?;
        agrees(asked, inputs)?;
        let text = |role: Role, words: &str| InputColumn {
            role,
            optional: false,
            types: role.types().to_vec(),
            description: words.to_owned(),
        };
        let mut bound = |name: &str, given: &Option<InputRef>, columns: Vec<InputColumn>| {
            let Some(given) = given else { return Ok(None) };
            self.table(name, given, columns, spec, pins).map(Some)
        };
        let order = bound("order", &asked.order, vec![text(Role::Item, "what")])?;
        let columns = vec![
            text(Role::CustomerId, "who"),
            text(Role::Item, "what"),
            text(Role::Label, "1 to be found, 0 known"),
        ];
        let holdout = bound("holdout", &asked.holdout, columns)?;
        Ok(CheckedOffers { order, holdout })
    }

    fn table(
        &self,
        name: &str,
        given: &InputRef,
        columns: Vec<InputColumn>,
        spec: &JobSpec,
        pins: &mut Pins<'_>,
    ) -> Result<BoundInput> {
        let field = format!("spec.evaluation.{name}");
        let wanted = InputSpec {
            name: format!("evaluation.{name}"),
            optional: true,
            description: String::new(),
            columns,
            features: Features::Ignored,
        };
        let (source, found) = self
            .source(&wanted.name, given, spec, pins)
            .map_err(|error| error.at(&field))?;
        let columns = bind("the judging", &wanted, given, found).map_err(|error| {
            let field = error.field().replace(FIELD.0, FIELD.1);
            error.at(field)
        })?;
        Ok(BoundInput {
            name: wanted.name,
            source,
            as_of: spec.as_of,
            columns,
            kept: KeptColumns::default(),
        })
    }
}

fn ranges(asked: &OfferEvaluation) -> Result<()> {
    let refuse = |name: &str, expected: String, found: String| {
        Err(Error::invalid(
            "OUT_OF_RANGE",
            format!("spec.evaluation.{name}"),
            format!("expected {expected}, found {found}"),
        ))
    };
    if asked.depth != 0 && !DEPTH.contains(&asked.depth) {
        let expected = format!("{} to {} places", DEPTH.start(), DEPTH.end());
        return refuse("depth", expected, asked.depth.to_string());
    }
    if asked.max_customers > MAX_CUSTOMERS {
        let expected = format!("at most {MAX_CUSTOMERS} customers");
        return refuse("max_customers", expected, asked.max_customers.to_string());
    }
    if asked.window_micros < 0 {
        let found = format!("{} microseconds", asked.window_micros);
        return refuse("window", "a length over 0".to_owned(), found);
    }
    match asked.liked_rating {
        Some(rating) if !rating.is_finite() => {
            refuse("liked_rating", "a number".to_owned(), rating.to_string())
        }
        _ => Ok(()),
    }
}

/// Refuses settings of one protocol beside another, and protocols without what they need.
fn agrees(asked: &OfferEvaluation, inputs: &[BoundInput]) -> Result<()> {
    let protocol = asked.protocol;
    let refuse = |name: &str, words: String| {
        Err(Error::invalid(
            "WRONG_PROTOCOL",
            format!("spec.evaluation.{name}"),
            words,
        ))
    };
    let is = |wanted: OfferProtocol| protocol == wanted || protocol == OfferProtocol::Auto;
    if asked.holdout.is_some() && !is(OfferProtocol::Given) {
        return refuse(
            "holdout",
            "expected the protocol GIVEN with a holdout, found another".to_owned(),
        );
    }
    if asked.holdout.is_none() && protocol == OfferProtocol::Given {
        return refuse(
            "protocol",
            "expected a holdout (customer, item, label) with the protocol GIVEN, found none"
                .to_owned(),
        );
    }
    let given = asked.holdout.is_some();
    if asked.window_micros > 0 && (given || !is(OfferProtocol::Windows)) {
        return refuse(
            "window",
            "expected the protocol WINDOWS with a length of windows, found another".to_owned(),
        );
    }
    let mut columns = inputs.iter().flat_map(|input| &input.columns);
    let has_times = columns.any(|column| column.role == Some(Role::EventTime));
    let needs_times =
        matches!(protocol, OfferProtocol::Windows | OfferProtocol::Last) || asked.window_micros > 0;
    if needs_times && !has_times {
        return refuse(
            if asked.window_micros > 0 {
                "window"
            } else {
                "protocol"
            },
            "expected events with a column of role event_time, found none".to_owned(),
        );
    }
    Ok(())
}
