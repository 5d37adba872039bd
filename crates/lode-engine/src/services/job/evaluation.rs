//! How a job is judged, on the wire and as it is kept.

use lode_jobs::CalibrationMethod;
use lode_jobs::Evaluation;
use lode_jobs::JobSpec;
use lode_jobs::OfferEvaluation;
use lode_jobs::OfferProtocol;
use lode_proto::v1;
use lode_types::Fault;

use super::spec::input_from_wire;
use super::spec::input_to_wire;
use crate::status::invalid;

pub(super) fn from_wire(evaluation: &v1::Evaluation) -> Result<Evaluation, Fault> {
    let field = "spec.evaluation.calibration";
    let calibration = v1::Calibration::try_from(evaluation.calibration).map_err(|_| {
        let found = evaluation.calibration;
        invalid(
            field,
            format!("expected a value of Calibration, found {found}"),
        )
    })?;
    Ok(Evaluation {
        calibration: match calibration {
            v1::Calibration::Unspecified => CalibrationMethod::Auto,
            v1::Calibration::None => CalibrationMethod::None,
            v1::Calibration::Platt => CalibrationMethod::Platt,
            v1::Calibration::Isotonic => CalibrationMethod::Isotonic,
        },
        threshold: evaluation.threshold,
        budget: evaluation.budget,
        cost_per_contact: evaluation.cost_per_contact,
        value_per_positive: evaluation.value_per_positive,
        test_dates: evaluation.test_dates,
        offers: offers_from_wire(evaluation)?,
    })
}

fn offers_from_wire(evaluation: &v1::Evaluation) -> Result<OfferEvaluation, Fault> {
    let protocol = v1::OfferProtocol::try_from(evaluation.protocol).map_err(|_| {
        let found = evaluation.protocol;
        invalid(
            "spec.evaluation.protocol",
            format!("expected a value of OfferProtocol, found {found}"),
        )
    })?;
    let input = |name: &str, input: &Option<v1::InputRef>| {
        let input = input.clone().map(input_from_wire).transpose();
        input.map_err(|fault| fault.at(format!("spec.evaluation.{name}")))
    };
    Ok(OfferEvaluation {
        protocol: match protocol {
            v1::OfferProtocol::Unspecified => OfferProtocol::Auto,
            v1::OfferProtocol::Windows => OfferProtocol::Windows,
            v1::OfferProtocol::Last => OfferProtocol::Last,
            v1::OfferProtocol::Strangers => OfferProtocol::Strangers,
            v1::OfferProtocol::Given => OfferProtocol::Given,
        },
        window_micros: window_from_wire(evaluation.window.as_ref())?,
        repeats: evaluation.repeats,
        order: input("order", &evaluation.order)?,
        holdout: input("holdout", &evaluation.holdout)?,
        max_customers: evaluation.max_customers,
        depth: evaluation.depth,
        liked_rating: evaluation.liked_rating,
    })
}

/// Microseconds; 0 when it is not set.
fn window_from_wire(window: Option<&prost_types::Duration>) -> Result<i64, Fault> {
    let Some(window) = window else { return Ok(0) };
    let whole = std::time::Duration::try_from(*window).ok();
    let micros = whole.and_then(|window| i64::try_from(window.as_micros()).ok());
    micros.filter(|&micros| micros > 0).ok_or_else(|| {
        invalid(
            "spec.evaluation.window",
            format!("expected a length over 0, found {window}"),
        )
    })
}

pub(super) fn to_wire(spec: &JobSpec) -> v1::Evaluation {
    let evaluation = &spec.evaluation;
    let offers = &evaluation.offers;
    let calibration = match evaluation.calibration {
        CalibrationMethod::Auto => v1::Calibration::Unspecified,
        CalibrationMethod::None => v1::Calibration::None,
        CalibrationMethod::Platt => v1::Calibration::Platt,
        CalibrationMethod::Isotonic => v1::Calibration::Isotonic,
    };
    v1::Evaluation {
        folds: spec.folds,
        calibration: calibration.into(),
        threshold: evaluation.threshold,
        budget: evaluation.budget,
        cost_per_contact: evaluation.cost_per_contact,
        value_per_positive: evaluation.value_per_positive,
        test_dates: evaluation.test_dates,
        protocol: match offers.protocol {
            OfferProtocol::Auto => v1::OfferProtocol::Unspecified,
            OfferProtocol::Windows => v1::OfferProtocol::Windows,
            OfferProtocol::Last => v1::OfferProtocol::Last,
            OfferProtocol::Strangers => v1::OfferProtocol::Strangers,
            OfferProtocol::Given => v1::OfferProtocol::Given,
        }
        .into(),
        window: (offers.window_micros > 0).then(|| prost_types::Duration {
            seconds: offers.window_micros / 1_000_000,
            nanos: i32::try_from(offers.window_micros % 1_000_000 * 1000).unwrap_or(0),
        }),
        repeats: offers.repeats,
        order: offers.order.as_ref().map(input_to_wire),
        holdout: offers.holdout.as_ref().map(input_to_wire),
        max_customers: offers.max_customers,
        depth: offers.depth,
        liked_rating: offers.liked_rating,
    }
}
