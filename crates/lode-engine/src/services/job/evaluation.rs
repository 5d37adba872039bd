//! How a job is judged, on the wire and as it is kept.

use lode_jobs::CalibrationMethod;
use lode_jobs::Evaluation;
use lode_jobs::JobSpec;
use lode_proto::v1;
use lode_types::Fault;

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
    })
}

pub(super) fn to_wire(spec: &JobSpec) -> v1::Evaluation {
    let evaluation = spec.evaluation;
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
    }
}
