//! The algorithm: what it says of itself, how it learns, how it scores.

use std::sync::Arc;

use lode_plugin::Algorithm;
use lode_plugin::Chart;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Fitted;
use lode_plugin::Input;
use lode_plugin::Inputs;
use lode_plugin::Mergeable;
use lode_plugin::Model;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Spec;
use lode_plugin::TagKind;
use lode_plugin::Task;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Date32Array;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Schema;
use lode_plugin::role_field;
use lode_plugin::serde_json;

use crate::Params;
use crate::days::Days;
use crate::days::day_of;
use crate::model::Habits;

/// The algorithm `{{ALGORITHM}}`: who has not come back when they should have.
///
/// # When to use it
/// Customers buy again and again, at their own pace, without a contract that says when they
/// have left: shops, not subscriptions.
///
/// # Method
/// A customer's usual gap is the mean number of days between the days on which they bought,
/// with `prior` gaps of the average customer mixed in. The score is the number of usual gaps
/// since their last purchase.
///
/// # Cost
/// One pass over the rows and a sort of each customer's days.
#[derive(Debug)]
pub struct Overdue;

impl Algorithm for Overdue {
    const ID: &'static str = "{{ALGORITHM}}";
    // Raise it when the model's bytes change so that older ones cannot be read.
    const MODEL_FORMAT: Option<u32> = Some(1);
    type Params = Params;
    type Scorer = (Params, Habits);

    fn spec() -> Spec {
        Spec::new(
            Task::Other,
            "Overdue customers",
            "How many of a customer's usual days between purchases have passed since the last one.",
        )
        // Raise it when results change: users see it with each model.
        .version("0.1")
        // What a fit may take, at most: so much, and so much a row.
        .memory(64 << 20, 256)
        .input(
            // Columns are found by role, never by name: every shop names them otherwise.
            Input::new("events", "One row a purchase, or a line of one")
                .column(Role::CustomerId, "Who; rows without are left out")
                .column(Role::EventTime, "When; rows without are left out"),
        )
        .output(
            Output::new("habits", "One row a customer, by id")
                .chart(Chart::Scatter)
                // A job run with write-back puts these onto the customers.
                .write_back("overdue", TagKind::Score)
                .write_back("label", TagKind::Label),
        )
    }

    fn fit(params: Params, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        let days = Self::partial(&params, inputs, cx)?;
        Self::finish(&params, days, cx)
    }

    fn open(params: Params, model: Model<'_>) -> Result<Self::Scorer> {
        Ok((params.check()?, Habits::from_bytes(model.bytes())?))
    }

    /// Rows to score have a customer, and in the column of times the moment that is asked
    /// about: nothing there means the last day of the fit.
    fn score(scorer: &Self::Scorer, inputs: Inputs, cx: &Context<'_>) -> Result<RecordBatch> {
        let (params, habits) = scorer;
        cx.check_cancelled()?;
        let table = inputs.table("customers")?;
        let customers = table.require(Role::CustomerId)?.texts()?;
        let times = match table.column(Role::EventTime) {
            Some(column) => column.times()?,
            None => vec![None; table.n_rows()],
        };
        let mut scores = Vec::with_capacity(customers.len());
        let mut labels = Vec::with_capacity(customers.len());
        for (customer, time) in customers.iter().zip(times) {
            let known = customer.as_ref().and_then(|id| habits.customers.get(id));
            let day = time.map_or(habits.today, day_of);
            let score = known.map_or(0.0, |habit| habit.overdue(day));
            scores.push(score);
            labels.push(known.map_or("unknown", |_| label(score, params)));
        }
        // The engine looks for `score` and `label` by name.
        let schema = Schema::new(vec![
            Field::new("score", DataType::Float64, false),
            Field::new("label", DataType::Utf8, false),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from(scores)),
            Arc::new(StringArray::from(labels)),
        ];
        Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
    }
}

/// Days can be put together, so that the rows may be on several machines, or come one month
/// at a time. Leave this out, and `: mergeable` in `lib.rs`, when what yours learns cannot.
impl Mergeable for Overdue {
    type State = Days;

    fn partial(params: &Params, inputs: Inputs, cx: &Context<'_>) -> Result<Days> {
        params.check()?;
        Days::read(inputs.table("events")?, cx)
    }

    fn merge(_params: &Params, mut left: Days, right: Days) -> Result<Days> {
        left.merge(right);
        Ok(left)
    }

    fn finish(params: &Params, days: Days, cx: &Context<'_>) -> Result<Fitted> {
        cx.check_cancelled()?;
        cx.progress(0.8, "measuring habits");
        let habits = Habits::learn(&days, params.check()?.prior)?;
        cx.info(&format!("{} customers", habits.customers.len()));
        let table = table(&habits, params)?;
        Ok(Fitted::new()
            .metric("customers", habits.customers.len() as f64)
            .metric("usual_gap_days", habits.usual_gap)
            .model(habits.to_bytes()?)
            .table("habits", table))
    }

    fn encode(state: &Days) -> Vec<u8> {
        serde_json::to_vec(state).expect("text keys and numbers are JSON")
    }

    fn decode(bytes: &[u8]) -> Result<Days> {
        let days: Days = serde_json::from_slice(bytes)
            .map_err(|error| Error::model(format!("expected days of customers, found {error}")))?;
        match days.is_sound() {
            true => Ok(days),
            false => Err(Error::model("expected rising days, found others")),
        }
    }
}

/// The output `habits`.
fn table(habits: &Habits, params: &Params) -> Result<RecordBatch> {
    let schema = Schema::new(vec![
        // A column with this role is what a write-back goes by.
        role_field("customer_id", DataType::Utf8, false, Role::CustomerId),
        Field::new("last_day", DataType::Date32, false),
        Field::new("days", DataType::Int64, false),
        Field::new("gap_days", DataType::Float64, false),
        Field::new("overdue", DataType::Float64, false),
        Field::new("label", DataType::Utf8, false),
    ]);
    let each = || habits.customers.values();
    let overdue: Vec<f64> = each().map(|habit| habit.overdue(habits.today)).collect();
    let labels = overdue.iter().map(|overdue| Some(label(*overdue, params)));
    let labels: StringArray = labels.collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(habits.customers.keys())),
        Arc::new(Date32Array::from_iter_values(each().map(|h| h.last_day))),
        Arc::new(Int64Array::from_iter_values(
            each().map(|h| h.n_days as i64),
        )),
        Arc::new(Float64Array::from_iter_values(each().map(|h| h.gap))),
        Arc::new(Float64Array::from(overdue)),
        Arc::new(labels),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

fn label(overdue: f64, params: &Params) -> &'static str {
    if overdue > params.late {
        "overdue"
    } else {
        "in_rhythm"
    }
}
