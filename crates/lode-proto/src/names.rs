//! Resource names: `tenants/{tenant}/datasets/{dataset}` and the like, built and taken apart.
//!
//! A customer's id is any text, so it is percent-encoded in its name.

use lode_types::Class;
use lode_types::CustomerId;
use lode_types::DatasetId;
use lode_types::Failure;
use lode_types::FeatureViewId;
use lode_types::IngestId;
use lode_types::JobId;
use lode_types::ModelId;
use lode_types::ModelRef;
use lode_types::TenantId;

/// A text that is no resource name of the expected form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a name of the form {expected}, found {found:?}")]
pub struct NameError {
    field: String,
    expected: &'static str,
    found: String,
}

impl NameError {
    /// The same error, blaming `field`.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        field.clone_into(&mut self.field);
        self
    }
}

impl Failure for NameError {
    fn class(&self) -> Class {
        Class::Invalid
    }
    fn reason(&self) -> &'static str {
        "INVALID_NAME"
    }
    fn field(&self) -> &str {
        &self.field
    }
}

/// `tenants/{tenant}`
pub fn tenant(tenant: &TenantId) -> String {
    format!("tenants/{tenant}")
}

/// `tenants/default/datasets/{dataset}`
pub fn dataset(id: &DatasetId) -> String {
    format!("tenants/{}/datasets/{id}", TenantId::only())
}

/// `tenants/default/datasets/{dataset}/ingests/{ingest}`
pub fn ingest(id: &DatasetId, ingest: &IngestId) -> String {
    format!("{}/ingests/{ingest}", dataset(id))
}

/// `tenants/default/jobs/{job}`
pub fn job(id: &JobId) -> String {
    format!("tenants/{}/jobs/{id}", TenantId::only())
}

/// `tenants/default/jobs/{job}/outputs/{output}`
pub fn output(id: &JobId, output: &str) -> String {
    format!("{}/outputs/{output}", job(id))
}

/// `tenants/default/models/{model}`
pub fn model(id: &ModelId) -> String {
    format!("tenants/{}/models/{id}", TenantId::only())
}

/// `tenants/default/models/{model}` or `tenants/default/models/@{alias}`
pub fn model_ref(model: &ModelRef) -> String {
    format!("tenants/{}/models/{model}", TenantId::only())
}

/// `tenants/default/featureViews/{feature_view}`
pub fn feature_view(id: &FeatureViewId) -> String {
    format!("tenants/{}/featureViews/{id}", TenantId::only())
}

/// `tenants/default/customers/{customer}`, the id percent-encoded.
pub fn customer(id: &CustomerId) -> String {
    format!(
        "tenants/{}/customers/{}",
        TenantId::only(),
        encode(id.as_str())
    )
}

/// `algorithms/{algorithm}`
pub fn algorithm(id: &str) -> String {
    format!("algorithms/{id}")
}

/// `plugins/{plugin}`
pub fn plugin(name: &str) -> String {
    format!("plugins/{name}")
}

/// The tenant that `tenants/{tenant}` names.
///
/// # Errors
/// `INVALID_NAME`.
pub fn parse_tenant(name: &str) -> Result<TenantId, NameError> {
    let expected = "tenants/{tenant}";
    match split(name)[..] {
        ["tenants", tenant] => id(TenantId::parse(tenant), expected, name),
        _ => Err(wrong(expected, name)),
    }
}

/// The dataset that a name names.
///
/// # Errors
/// `INVALID_NAME`.
pub fn parse_dataset(name: &str) -> Result<DatasetId, NameError> {
    let expected = "tenants/default/datasets/{dataset}";
    match split(name)[..] {
        ["tenants", "default", "datasets", dataset] => {
            id(DatasetId::parse(dataset), expected, name)
        }
        _ => Err(wrong(expected, name)),
    }
}

/// The load that a name names.
///
/// # Errors
/// `INVALID_NAME`.
pub fn parse_ingest(name: &str) -> Result<(DatasetId, IngestId), NameError> {
    let expected = "tenants/default/datasets/{dataset}/ingests/{ingest}";
    match split(name)[..] {
        ["tenants", "default", "datasets", dataset, "ingests", ingest] => Ok((
            id(DatasetId::parse(dataset), expected, name)?,
            id(IngestId::parse(ingest), expected, name)?,
        )),
        _ => Err(wrong(expected, name)),
    }
}

/// The job that a name names.
///
/// # Errors
/// `INVALID_NAME`.
pub fn parse_job(name: &str) -> Result<JobId, NameError> {
    let expected = "tenants/default/jobs/{job}";
    match split(name)[..] {
        ["tenants", "default", "jobs", job] => id(JobId::parse(job), expected, name),
        _ => Err(wrong(expected, name)),
    }
}

/// The job and the output that a name names.
///
/// # Errors
/// `INVALID_NAME`.
pub fn parse_output(name: &str) -> Result<(JobId, String), NameError> {
    let expected = "tenants/default/jobs/{job}/outputs/{output}";
    match split(name)[..] {
        ["tenants", "default", "jobs", job, "outputs", output] if !output.is_empty() => {
            Ok((id(JobId::parse(job), expected, name)?, output.to_owned()))
        }
        _ => Err(wrong(expected, name)),
    }
}

/// The model that a name names.
///
/// # Errors
/// `INVALID_NAME`.
pub fn parse_model(name: &str) -> Result<ModelId, NameError> {
    let expected = "tenants/default/models/{model}";
    match split(name)[..] {
        ["tenants", "default", "models", model] => id(ModelId::parse(model), expected, name),
        _ => Err(wrong(expected, name)),
    }
}

/// The model that a name names, by its id or by an alias.
///
/// # Errors
/// `INVALID_NAME`.
pub fn parse_model_ref(name: &str) -> Result<ModelRef, NameError> {
    let expected = "tenants/default/models/{model} or tenants/default/models/@{alias}";
    match split(name)[..] {
        ["tenants", "default", "models", model] => id(ModelRef::parse(model), expected, name),
        _ => Err(wrong(expected, name)),
    }
}

/// The feature view that a name names.
///
/// # Errors
/// `INVALID_NAME`.
pub fn parse_feature_view(name: &str) -> Result<FeatureViewId, NameError> {
    let expected = "tenants/default/featureViews/{feature_view}";
    match split(name)[..] {
        ["tenants", "default", "featureViews", view] => {
            id(FeatureViewId::parse(view), expected, name)
        }
        _ => Err(wrong(expected, name)),
    }
}

/// The customer that a name names.
///
/// # Errors
/// `INVALID_NAME`.
pub fn parse_customer(name: &str) -> Result<CustomerId, NameError> {
    let expected = "tenants/default/customers/{customer}";
    match split(name)[..] {
        ["tenants", "default", "customers", customer] => match decode(customer) {
            Some(text) => id(CustomerId::parse(text), expected, name),
            None => Err(wrong(expected, name)),
        },
        _ => Err(wrong(expected, name)),
    }
}

/// The algorithm's id in `algorithms/{algorithm}`.
///
/// # Errors
/// `INVALID_NAME`.
pub fn parse_algorithm(name: &str) -> Result<&str, NameError> {
    match name.strip_prefix("algorithms/") {
        Some(id) if !id.is_empty() && !id.contains('/') => Ok(id),
        _ => Err(wrong("algorithms/{algorithm}", name)),
    }
}

fn split(name: &str) -> Vec<&str> {
    name.split('/').collect()
}

fn wrong(expected: &'static str, found: &str) -> NameError {
    NameError {
        field: "name".to_owned(),
        expected,
        found: found.to_owned(),
    }
}

fn id<T, E>(parsed: Result<T, E>, expected: &'static str, name: &str) -> Result<T, NameError> {
    parsed.map_err(|_| wrong(expected, name))
}

fn encode(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '/' || c == '%' || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                name.push_str(&format!("%{byte:02X}"));
            }
        } else {
            name.push(c);
        }
    }
    name
}

fn decode(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
