//! `as_of(dataset, t)` and `version(dataset, n)` after FROM: a dataset as it was.
//!
//! Each such call becomes a table of its own name; what it asks for is kept beside the
//! statement. Times and numbers are worked out later, when the parameters are known.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::ast::FunctionArg;
use datafusion::sql::sqlparser::ast::FunctionArgExpr;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::ast::TableAlias;
use datafusion::sql::sqlparser::ast::TableFactor;
use datafusion::sql::sqlparser::ast::TableFunctionArgs;
use datafusion::sql::sqlparser::ast::VisitMut;
use datafusion::sql::sqlparser::ast::VisitorMut;

use crate::failure::Failed;
use crate::statement::TableName;

/// Which of the two functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    AsOf,
    Version,
}

impl Function {
    /// The function of this name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "as_of" => Some(Self::AsOf),
            "version" => Some(Self::Version),
            _ => None,
        }
    }

    /// How it is called.
    pub(crate) fn form(self) -> &'static str {
        match self {
            Self::AsOf => "as_of(DATASET, TIME)",
            Self::Version => "version(DATASET, NUMBER)",
        }
    }
}

/// A dataset as it was.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    /// The name of the table that it became: the call as it was written.
    pub(crate) name: String,
    pub(crate) dataset: TableName,
    pub(crate) function: Function,
    /// The second argument.
    pub(crate) argument: Expr,
}

/// Replaces the calls of a statement by tables.
pub(crate) fn extract(statement: &mut ast::Statement) -> Result<Vec<Timed>, Failed> {
    let mut calls = Calls { found: Vec::new() };
    match statement.visit(&mut calls) {
        ControlFlow::Continue(()) => Ok(calls.found),
        ControlFlow::Break(failed) => Err(failed),
    }
}

struct Calls {
    found: Vec<Timed>,
}

impl VisitorMut for Calls {
    type Break = Failed;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Failed> {
        match self.replace(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failed) => ControlFlow::Break(failed),
        }
    }
}

impl Calls {
    fn replace(&mut self, factor: &mut TableFactor) -> Result<(), Failed> {
        let TableFactor::Table {
            name,
            alias,
            args,
            version,
            sample,
            ..
        } = factor
        else {
            return Ok(());
        };
        if let Some(version) = version {
            return Err(Failed::invalid(format!(
                "expected as_of({name}, TIME) or version({name}, NUMBER), found {name} {version}"
            )));
        }
        if sample.is_some() {
            return Err(Failed::invalid(format!(
                "TABLESAMPLE of {name} is not supported; expected for instance WHERE random() < 0.01"
            )));
        }
        let (Some(function), Some(given)) = (function_of(name), args.as_ref()) else {
            return Ok(());
        };
        let (dataset, argument) = arguments(function, given)?;
        // now() and the like mean one time in a statement, so equal calls are one table.
        let timed = Timed {
            name: format!("{name}({dataset}, {argument})"),
            dataset: TableName {
                text: dataset.value.clone(),
                quoted: dataset.quote_style.is_some(),
            },
            function,
            argument,
        };
        *name = ObjectName::from(vec![Ident::with_quote('"', timed.name.clone())]);
        *args = None;
        if alias.is_none() {
            *alias = Some(TableAlias {
                explicit: true,
                name: dataset,
                columns: Vec::new(),
                at: None,
            });
        }
        self.found.push(timed);
        Ok(())
    }
}

fn function_of(name: &ObjectName) -> Option<Function> {
    match name.0.as_slice() {
        [part] => part
            .as_ident()
            .filter(|ident| ident.quote_style.is_none())
            .and_then(|ident| Function::named(&ident.value)),
        _ => None,
    }
}

fn arguments(function: Function, given: &TableFunctionArgs) -> Result<(Ident, Expr), Failed> {
    let expected = function.form();
    let wrong = |found: String| Failed::invalid(format!("expected {expected}, found {found}"));
    let mut exprs = Vec::new();
    for argument in &given.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
            other => return Err(wrong(format!("the argument {other}"))),
        }
    }
    let [dataset, argument] = exprs.as_slice() else {
        return Err(wrong(match exprs.len() {
            1 => "one argument".to_owned(),
            n => format!("{n} arguments"),
        }));
    };
    let dataset = match dataset {
        Expr::Identifier(ident) => ident.clone(),
        Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => Ident::with_quote('"', text.clone()),
            _ => return Err(wrong(format!("{dataset} for a dataset"))),
        },
        other => return Err(wrong(format!("{other} for a dataset"))),
    };
    Ok((dataset, (*argument).clone()))
}
