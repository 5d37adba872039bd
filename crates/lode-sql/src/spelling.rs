//! Gives unquoted names the spelling of the columns and tables that they mean.
//!
//! SQL folds unquoted names to lower case, while columns keep the spelling of their source.
//! An unquoted name that matches one spelling, whatever its case, is taken for it; one that
//! matches several or none is left to SQL's own rule. Definitions (aliases) and uses are
//! rewritten alike, so a name means the same thing in every clause. Quoted names are never
//! touched.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::ExceptSelectItem;
use datafusion::sql::sqlparser::ast::ExcludeSelectItem;
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::ast::JoinConstraint;
use datafusion::sql::sqlparser::ast::JoinOperator;
use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::ast::ObjectNamePart;
use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::ast::Select;
use datafusion::sql::sqlparser::ast::SelectItem;
use datafusion::sql::sqlparser::ast::SelectItemQualifiedWildcardKind;
use datafusion::sql::sqlparser::ast::TableAlias;
use datafusion::sql::sqlparser::ast::TableFactor;
use datafusion::sql::sqlparser::ast::TableWithJoins;
use datafusion::sql::sqlparser::ast::VisitMut;
use datafusion::sql::sqlparser::ast::VisitorMut;
use datafusion::sql::sqlparser::ast::WildcardAdditionalOptions;

use crate::statement::Statement;
use crate::statement::TableName;

/// Rewrites the names of a statement over tables of these columns.
pub(crate) fn respell<'a>(statement: &mut Statement, columns: impl Iterator<Item = &'a str>) {
    let mut spellings = Spellings {
        columns: unique(columns),
        tables: unique(unquoted(
            statement
                .tables
                .iter()
                .chain(statement.timed.iter().map(|timed| &timed.dataset)),
        )),
    };
    let aliases = unique(statement.aliases.iter().map(String::as_str));
    for (lower, spelling) in aliases {
        spellings.columns.entry(lower).or_insert(spelling);
    }
    let ControlFlow::Continue(()) = statement.query.visit(&mut spellings) else {
        return;
    };
}

fn unquoted<'a>(tables: impl Iterator<Item = &'a TableName>) -> impl Iterator<Item = &'a str> {
    let unquoted = tables.filter(|table| !table.quoted);
    unquoted.map(|table| table.text.as_str())
}

/// From the lower-case name to its spelling; none where there are several.
fn unique<'a>(names: impl Iterator<Item = &'a str>) -> HashMap<String, Option<String>> {
    let mut spellings: HashMap<String, Option<String>> = HashMap::new();
    for name in names {
        spellings
            .entry(name.to_lowercase())
            .and_modify(|spelling| {
                if spelling.as_deref() != Some(name) {
                    *spelling = None;
                }
            })
            .or_insert_with(|| Some(name.to_owned()));
    }
    spellings
}

struct Spellings {
    columns: HashMap<String, Option<String>>,
    tables: HashMap<String, Option<String>>,
}

impl Spellings {
    fn column(&self, ident: &mut Ident) {
        fix(&self.columns, ident);
    }

    fn table(&self, ident: &mut Ident) {
        fix(&self.tables, ident);
    }

    /// A name of dotted parts, of which the last is a column's.
    fn path<'a>(&self, parts: impl DoubleEndedIterator<Item = &'a mut Ident>) {
        let mut parts = parts.rev();
        if let Some(last) = parts.next() {
            self.column(last);
        }
        parts.for_each(|part| self.table(part));
    }

    fn object(&self, name: &mut ObjectName) {
        self.path(name.0.iter_mut().filter_map(ident_of));
    }

    fn alias(&self, alias: &mut TableAlias) {
        self.table(&mut alias.name);
        for column in &mut alias.columns {
            self.column(&mut column.name);
        }
    }

    fn wildcard(&self, options: &mut WildcardAdditionalOptions) {
        match &mut options.opt_exclude {
            Some(ExcludeSelectItem::Single(name)) => self.object(name),
            Some(ExcludeSelectItem::Multiple(names)) => {
                names.iter_mut().for_each(|name| self.object(name));
            }
            None => {}
        }
        if let Some(ExceptSelectItem {
            first_element,
            additional_elements,
        }) = &mut options.opt_except
        {
            self.column(first_element);
            additional_elements
                .iter_mut()
                .for_each(|name| self.column(name));
        }
        if let Some(replace) = &mut options.opt_replace {
            for item in &mut replace.items {
                self.column(&mut item.column_name);
            }
        }
    }

    fn joins(&self, from: &mut TableWithJoins) {
        for join in &mut from.joins {
            if let Some(JoinConstraint::Using(names)) = constraint(&mut join.join_operator) {
                names.iter_mut().for_each(|name| self.object(name));
            }
        }
    }
}

impl VisitorMut for Spellings {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            self.alias(&mut cte.alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => self.column(alias),
                SelectItem::Wildcard(options) => self.wildcard(options),
                SelectItem::QualifiedWildcard(kind, options) => {
                    if let SelectItemQualifiedWildcardKind::ObjectName(name) = kind {
                        let parts = name.0.iter_mut().filter_map(ident_of);
                        parts.for_each(|part| self.table(part));
                    }
                    self.wildcard(options);
                }
                _ => {}
            }
        }
        for from in &mut select.from {
            self.joins(from);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        let parts = relation.0.iter_mut().filter_map(ident_of);
        parts.for_each(|part| self.table(part));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::TableFunction { alias, .. } => {
                alias.iter_mut().for_each(|alias| self.alias(alias));
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                alias.iter_mut().for_each(|alias| self.alias(alias));
                self.joins(table_with_joins);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.column(ident),
            Expr::CompoundIdentifier(parts) => self.path(parts.iter_mut()),
            Expr::QualifiedWildcard(name, _) => {
                let parts = name.0.iter_mut().filter_map(ident_of);
                parts.for_each(|part| self.table(part));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn fix(spellings: &HashMap<String, Option<String>>, ident: &mut Ident) {
    if ident.quote_style.is_some() {
        return;
    }
    if let Some(Some(spelling)) = spellings.get(&ident.value.to_lowercase()) {
        ident.value.clone_from(spelling);
        ident.quote_style = Some('"');
    }
}

fn ident_of(part: &mut ObjectNamePart) -> Option<&mut Ident> {
    match part {
        ObjectNamePart::Identifier(ident) => Some(ident),
        ObjectNamePart::Function(_) => None,
    }
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}
