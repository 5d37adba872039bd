//! Partial, merge and finish through the C tables; a host of version 0.1; a model to start from.

use std::ffi::c_void;

use lode_abi as abi;

use super::Ear;
use super::amounts;
use super::as_abi;
use super::bytes;
use super::host;
use super::stream_of;
use crate::Algorithm;
use crate::Context;
use crate::Error;
use crate::Fitted;
use crate::Input;
use crate::Inputs;
use crate::Mergeable;
use crate::Result;
use crate::Spec;
use crate::ffi;
use crate::testing;
use lode_types::Role;
use lode_types::Task;

/// The largest amount, also of a model that it starts from.
struct Largest;

impl Algorithm for Largest {
    const ID: &'static str = "probe.largest";
    const MODEL_FORMAT: Option<u32> = Some(2);
    const READS_FORMATS: &'static [u32] = &[1];
    type Params = NoParams;
    type Scorer = ();

    fn spec() -> Spec {
        Spec::new(Task::Other, "Largest", "The largest amount.")
            .input(Input::new("events", "what happened").column(Role::Amount, "money"))
            .model("spare", "the same once more")
            .warm_start()
    }

    fn fit(params: NoParams, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        let before = match cx.base_model::<Self>(&inputs)? {
            Some(model) => Self::decode(model.bytes())?,
            None => None,
        };
        let state = Self::partial(&params, inputs, cx)?;
        Self::finish(&params, Self::merge(&params, before, state)?, cx)
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoParams {}

impl Mergeable for Largest {
    type State = Option<f64>;

    fn partial(_: &NoParams, inputs: Inputs, _: &Context<'_>) -> Result<Option<f64>> {
        let mut largest: Option<f64> = None;
        for batch in inputs.stream("events")? {
            for amount in batch?.numbers(Role::Amount)? {
                largest = Some(largest.map_or(amount, |most| most.max(amount)));
            }
        }
        Ok(largest)
    }

    fn merge(_: &NoParams, left: Option<f64>, right: Option<f64>) -> Result<Option<f64>> {
        Ok(match (left, right) {
            (Some(left), Some(right)) => Some(left.max(right)),
            (one, other) => one.or(other),
        })
    }

    fn finish(_: &NoParams, state: Option<f64>, _: &Context<'_>) -> Result<Fitted> {
        let largest = state.ok_or_else(|| Error::numeric("no rows"))?;
        Ok(Fitted::new()
            .model(Self::encode(&state))
            .model_named("spare", Self::encode(&state))
            .metric("largest", largest))
    }

    fn encode(state: &Option<f64>) -> Vec<u8> {
        state.map_or_else(Vec::new, |largest| largest.to_le_bytes().to_vec())
    }

    fn decode(bytes: &[u8]) -> Result<Option<f64>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let bytes = bytes.try_into();
        let bytes = bytes.map_err(|_| Error::model("expected 8 bytes"))?;
        Ok(Some(f64::from_le_bytes(bytes)))
    }
}

fn partial(values: &[f64]) -> Vec<u8> {
    let ear = Ear::default();
    let mut stream = stream_of(amounts(values));
    let mut inputs = [abi::LodeInput {
        name: abi::LodeBytes::new(b"events"),
        stream: as_abi(&mut stream),
    }];
    let partial = ffi::mergeable::<Largest>().partial.unwrap();
    let params = abi::LodeBytes::new(b"{}");
    let host = host(&ear, 1, 1);
    // SAFETY: as the ABI describes the call.
    let code = unsafe { partial(&raw const host, params, inputs.as_mut_ptr(), 1) };
    assert_eq!(code, abi::OK);
    ear.put(abi::SLOT_STATE)
}

fn merge(states: &[Vec<u8>]) -> Vec<u8> {
    let ear = Ear::default();
    let states: Vec<abi::LodeBytes> = states.iter().map(|s| abi::LodeBytes::new(s)).collect();
    let merge = ffi::mergeable::<Largest>().merge.unwrap();
    let host = host(&ear, 1, 1);
    let params = abi::LodeBytes::new(b"{}");
    // SAFETY: as the ABI describes the call.
    let code = unsafe { merge(&raw const host, params, states.as_ptr(), states.len()) };
    assert_eq!(code, abi::OK);
    ear.put(abi::SLOT_STATE)
}

fn finish(ear: &Ear, state: &[u8], host: &abi::LodeHost) -> i32 {
    let finish = ffi::mergeable::<Largest>().finish.unwrap();
    let (params, state) = (abi::LodeBytes::new(b"{}"), abi::LodeBytes::new(state));
    // SAFETY: as the ABI describes the call.
    let code = unsafe { finish(host, params, state) };
    assert_eq!(code == abi::OK, ear.fails.lock().unwrap().is_empty());
    code
}

#[test]
fn parts_merge_to_the_whole_and_none_is_the_identity() {
    let (one, other) = (partial(&[1.0, 7.0]), partial(&[3.0]));
    let none = merge(&[]);
    let merged = merge(&[other.clone(), none.clone(), one.clone()]);
    assert_eq!(merged, merge(&[one.clone(), other]));
    assert_eq!(merge(&[one.clone(), none]), one);

    let ear = Ear::default();
    let mut table = host(&ear, 1, 1);
    table.put_named = Some(put_named);
    assert_eq!(finish(&ear, &merged, &table), abi::OK);
    let metrics = ear.put(abi::SLOT_METRICS);
    assert_eq!(metrics, br#"{"largest":7.0}"#);
    let fitted = testing::fit::<Largest>("{}", events(&[7.0]), 1, 1).unwrap();
    assert_eq!(Some(ear.put(abi::SLOT_MODEL)), fitted.model);
    assert!(fitted.models.contains_key("spare"));
}

#[test]
fn states_of_others_are_refused() {
    let ear = Ear::default();
    let model = testing::fit::<Largest>("{}", events(&[1.0]), 1, 1).unwrap();
    let table = host(&ear, 1, 1);
    let model = model.model.unwrap();
    assert_eq!(finish(&ear, &model, &table), abi::FAILED);
    let fails = ear.fails.lock().unwrap();
    assert!(fails[0].2.contains("expected a state"), "{}", fails[0].2);
}

#[test]
fn what_a_host_of_version_0_1_lacks_is_not_touched() {
    let ear = Ear::default();
    let mut table = host(&ear, 1, 1);
    // The table ends before these: what lies there is not the host's.
    table.struct_size = abi::HOST_BYTES_0_1 as u32;
    table.get = Some(trap_get);
    table.put_named = Some(trap_put);
    let one = partial(&[1.0]);
    // Its second model has a name, which such a host cannot take.
    assert_eq!(finish(&ear, &one, &table), abi::FAILED);
    let fails = ear.fails.lock().unwrap();
    assert!(
        fails[0].2.contains("refused the model \"spare\""),
        "{}",
        fails[0].2
    );
}

#[test]
fn a_fit_starts_from_a_model_of_the_same_columns() {
    let base = testing::fit::<Largest>("{}", events(&[9.0]), 1, 1).unwrap();
    let base = base.model.unwrap();
    let fit = testing::fit_from::<Largest>("{}", events(&[2.0]), &base, 1, 1).unwrap();
    assert!((fit.metrics["largest"] - 9.0).abs() < f64::EPSILON);

    let array = std::sync::Arc::new(arrow_array::Int64Array::from(vec![2]));
    let whole = testing::batch(&[("paid", Some(Role::Amount), array)]);
    let others = Inputs::new().with("events", whole.into());
    let refused = testing::fit_from::<Largest>("{}", others, &base, 1, 1).unwrap_err();
    assert!(refused.to_string().contains("found others"), "{refused}");
}

fn events(values: &[f64]) -> Inputs {
    Inputs::new().with("events", amounts(values).into())
}

unsafe extern "C" fn put_named(
    ctx: *mut c_void,
    slot: u32,
    name: abi::LodeBytes,
    data: abi::LodeBytes,
) -> i32 {
    assert_eq!(bytes(name), b"spare");
    assert_eq!(slot, abi::SLOT_MODEL);
    // Kept behind the main one, which `Ear::put` finds first.
    let mut puts = super::ear(ctx).puts.lock().unwrap();
    puts.push((slot, bytes(data)));
    abi::OK
}

unsafe extern "C" fn trap_get(
    _: *mut c_void,
    _: u32,
    _: abi::LodeBytes,
    _: *mut abi::LodeBytes,
) -> i32 {
    panic!("a field beyond struct_size was used");
}

unsafe extern "C" fn trap_put(_: *mut c_void, _: u32, _: abi::LodeBytes, _: abi::LodeBytes) -> i32 {
    panic!("a field beyond struct_size was used");
}
