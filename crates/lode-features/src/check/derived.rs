//! Features of other features: ratios and crosses, in an order in which each can be computed.

use arrow_schema::DataType;

use super::Checker;
use super::words;
use crate::Error;
use crate::Result;
use crate::describe;
use crate::nearest::one_of;
use crate::plan::Expr;
use crate::plan::Out;
use crate::spec::CrossOp;
use crate::spec::FeatureSpec;
use crate::spec::Kind;

/// Adds the ratios and crosses, each after those it reads.
pub(super) fn add(checker: &mut Checker<'_>) -> Result<()> {
    let features = &checker.spec.features;
    let mut left: Vec<usize> = (0..features.len())
        .filter(|&i| matches!(features[i].kind, Kind::Ratio | Kind::Cross))
        .collect();
    while !left.is_empty() {
        let before = left.len();
        let mut waiting = Vec::new();
        for i in left {
            let feature = &checker.spec.features[i];
            let mut known = [true; 2];
            for (known, (param, name)) in known.iter_mut().zip(operands(feature)) {
                *known = is_known(checker, i, param, name)?;
            }
            if known == [true; 2] {
                one(checker, i, feature)?;
            } else {
                waiting.push(i);
            }
        }
        if waiting.len() == before {
            let names: Vec<String> = waiting
                .iter()
                .map(|&i| format!("{:?}", checker.spec.features[i].name))
                .collect();
            return Err(Error::wrong(
                format!("features[{}].params", waiting[0]),
                "features that do not need each other",
                format!("a circle of {}", names.join(", ")),
            ));
        }
        left = waiting;
    }
    Ok(())
}

fn operands(feature: &FeatureSpec) -> [(&'static str, &str); 2] {
    let p = &feature.params;
    // Both are there: the reader of declarations saw to it.
    match feature.kind {
        Kind::Ratio => [
            ("numerator", p.numerator.as_deref().unwrap_or_default()),
            ("denominator", p.denominator.as_deref().unwrap_or_default()),
        ],
        _ => [
            ("left", p.left.as_deref().unwrap_or_default()),
            ("right", p.right.as_deref().unwrap_or_default()),
        ],
    }
}

/// Whether the column is there already; an error when no feature will ever make it.
fn is_known(checker: &Checker<'_>, i: usize, param: &str, name: &str) -> Result<bool> {
    if checker.names.contains_key(name) {
        return Ok(true);
    }
    let features = &checker.spec.features;
    let later =
        |other: &FeatureSpec| other.name == name && matches!(other.kind, Kind::Ratio | Kind::Cross);
    if features.iter().any(later) {
        return Ok(false);
    }
    let own = &features[i].name;
    let mut known: Vec<&str> = checker.names.keys().map(String::as_str).collect();
    known.extend(
        features
            .iter()
            .map(|f| f.name.as_str())
            .filter(|n| n != own && !checker.names.keys().any(|k| k.starts_with(*n))),
    );
    Err(Error::wrong(
        format!("features[{i}].params.{param}"),
        format!("a feature of the view, {}", one_of(&known, name)),
        format!("{name:?}"),
    ))
}

fn one(checker: &mut Checker<'_>, i: usize, feature: &FeatureSpec) -> Result<()> {
    let [(a_param, a), (b_param, b)] = operands(feature);
    let op = match feature.kind {
        Kind::Ratio => CrossOp::Ratio,
        _ => feature.params.op.unwrap_or(CrossOp::Product),
    };
    let mut outs = [0; 2];
    for (out, (param, name)) in outs.iter_mut().zip([(a_param, a), (b_param, b)]) {
        *out = checker.names[name];
        let data_type = &checker.plan.outs[*out].data_type;
        let is_number = matches!(
            data_type,
            DataType::Int64 | DataType::Float64 | DataType::Decimal128(_, _) | DataType::Boolean
        );
        let is_word = matches!(
            data_type,
            DataType::Utf8 | DataType::Int64 | DataType::Boolean
        );
        let (ok, expected) = match op {
            CrossOp::Concat => (is_word, "a feature of type string, int64 or bool"),
            _ => (is_number, "a feature that is a number"),
        };
        if !ok {
            return Err(Error::wrong(
                format!("features[{i}].params.{param}"),
                expected,
                format!("{name:?} of type {}", words(data_type)),
            ));
        }
    }
    let [x, y] = outs;
    let (expr, data_type) = match op {
        CrossOp::Ratio => (Expr::Ratio(x, y), DataType::Float64),
        CrossOp::Product => (Expr::Product(x, y), DataType::Float64),
        CrossOp::Concat => (Expr::Concat(x, y), DataType::Utf8),
    };
    let out = Out {
        name: feature.name.clone(),
        data_type,
        expr,
    };
    let description = describe::cross(op, a, b);
    checker.add(i, vec![out], description)
}
