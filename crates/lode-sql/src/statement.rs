//! Reads one SELECT and says which tables it names.
//!
//! A dataset's name with hyphens may stand without quotes after FROM and JOIN, where SQL would
//! see a subtraction. Names of common table expressions and table functions are no tables.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::ast::Select;
use datafusion::sql::sqlparser::ast::SelectItem;
use datafusion::sql::sqlparser::ast::SetExpr;
use datafusion::sql::sqlparser::ast::TableFactor;
use datafusion::sql::sqlparser::ast::Visit;
use datafusion::sql::sqlparser::ast::Visitor;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;
use lode_types::Value;

use crate::bind::Binder;
use crate::failure::Failed;
use crate::timed;
use crate::timed::Function;
use crate::timed::Timed;

/// Deepest nesting of parentheses and queries.
const MAX_DEPTH: usize = 100;
/// Deepest tree of expressions; `1 + 1 + 1` is three deep.
const MAX_EXPR_DEPTH: usize = 500;
/// Longest name of a column that is named by its expression, in characters.
const MAX_TITLE: usize = 100;
/// Longest SQL text.
const MAX_BYTES: usize = 1 << 20;

/// A parsed SELECT.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) query: ast::Statement,
    /// The tables as written, each once; a dataset as it was has the name of its call.
    pub(crate) tables: Vec<TableName>,
    /// Those of them that are datasets as they were.
    pub(crate) timed: Vec<Timed>,
    /// Names that the query itself gives to columns without quoting them.
    pub(crate) aliases: Vec<String>,
    /// For each column of the result the text that it is selected by, where it has no name of
    /// its own; none when a wildcard hides how many there are.
    pub(crate) titles: Option<Vec<Option<String>>>,
}

/// A table as the query writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

/// Parses one statement and puts the values of its parameters in.
pub(crate) fn parse(sql: &str, values: &BTreeMap<String, Value>) -> Result<Statement, Failed> {
    if sql.len() > MAX_BYTES {
        return Err(Failed::invalid(format!(
            "expected a query of at most {MAX_BYTES} bytes, found {}",
            sql.len()
        )));
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| Failed::parsing(&error.into()))?;
    check_first_word(&tokens)?;
    check_depth(&tokens)?;
    let mut statements = Parser::new(&dialect)
        .with_recursion_limit(MAX_DEPTH)
        .with_tokens_with_locations(join_hyphens(tokens))
        .parse_statements()
        .map_err(|error| Failed::parsing(&error))?;
    let mut query = match (statements.pop(), statements.len()) {
        (Some(query), 0) => query,
        (None, _) => return Err(Failed::not_a_query("an empty text")),
        (Some(_), before) => {
            return Err(Failed::not_a_query(&format!("{} statements", before + 1)));
        }
    };
    let titles = match &query {
        ast::Statement::Query(query) => titles(&query.body),
        _ => return Err(Failed::not_a_query("another statement")),
    };
    let mut timed = timed::extract(&mut query)?;
    let mut binder = Binder::new(values);
    binder.bind(&mut query)?;
    for timed in &mut timed {
        binder.bind(&mut timed.argument)?;
    }
    binder.finish()?;
    let mut names = Names::default();
    if let ControlFlow::Break(failed) = query.visit(&mut names) {
        return Err(failed);
    }
    Ok(Statement {
        query,
        tables: names.tables,
        timed,
        aliases: names.aliases,
        titles,
    })
}

fn titles(body: &SetExpr) -> Option<Vec<Option<String>>> {
    let projection = match body {
        SetExpr::Select(select) => &select.projection,
        SetExpr::Query(query) => return titles(&query.body),
        SetExpr::SetOperation { left, .. } => return titles(left),
        _ => return None,
    };
    let title = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        | SelectItem::ExprWithAlias { .. } => Some(None),
        SelectItem::UnnamedExpr(expr) => {
            let text = expr.to_string();
            Some(Some(text.chars().take(MAX_TITLE).collect()))
        }
        _ => None,
    };
    projection.iter().map(title).collect()
}

/// The left side of an IS (NOT) DISTINCT FROM for whose right side the parser took all that
/// follows, which nobody means.
fn swallows(expr: &Expr) -> Option<&Expr> {
    let (Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right)) = expr else {
        return None;
    };
    let Expr::BinaryOp { op, .. } = right.as_ref() else {
        return None;
    };
    matches!(
        op,
        BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor
    )
    .then_some(left)
}

/// Refuses statements that begin as something else, by name, even when they do not parse.
fn check_first_word(tokens: &[TokenWithSpan]) -> Result<(), Failed> {
    let first = tokens.iter().map(|token| &token.token).find(|token| {
        !matches!(
            token,
            Token::Whitespace(_) | Token::SemiColon | Token::LParen
        )
    });
    match first {
        Some(Token::Word(word)) => match word.keyword {
            Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::FROM => Ok(()),
            Keyword::NoKeyword => Err(Failed::not_a_query(&format!("{:?}", word.value))),
            Keyword::EXPLAIN | Keyword::DESCRIBE | Keyword::DESC => {
                Err(Failed::not_a_query(&format!(
                    "{}; Explain (`lode query --explain`) shows the plan of a SELECT",
                    word.value.to_uppercase()
                )))
            }
            _ => Err(Failed::not_a_query(&word.value.to_uppercase())),
        },
        Some(Token::EOF) | None => Err(Failed::not_a_query("an empty text")),
        Some(other) => Err(Failed::not_a_query(&format!("{:?}", other.to_string()))),
    }
}

/// Refuses trees too deep for a stack before one is built: taking it down alone would overflow.
///
/// An operator adds a level to the expression it stands in, and that to the one around it.
fn check_depth(tokens: &[TokenWithSpan]) -> Result<(), Failed> {
    let mut open = vec![0];
    let (mut depth, mut unions) = (0, 0);
    for token in tokens {
        match &token.token {
            Token::LParen => open.push(0),
            Token::RParen => depth -= open.pop().unwrap_or(0),
            Token::Whitespace(_) | Token::Number(_, _) | Token::SingleQuotedString(_) => {}
            Token::Word(word) => match word.keyword {
                Keyword::SELECT
                | Keyword::FROM
                | Keyword::WHERE
                | Keyword::ON
                | Keyword::BY
                | Keyword::HAVING
                | Keyword::WHEN
                | Keyword::THEN
                | Keyword::ELSE => end_expression(&mut open, &mut depth),
                Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT => unions += 1,
                Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::LIKE
                | Keyword::COLLATE
                | Keyword::AT => add_level(&mut open, &mut depth),
                _ => {}
            },
            Token::Comma | Token::SemiColon => end_expression(&mut open, &mut depth),
            _ => add_level(&mut open, &mut depth),
        }
        if depth + unions > MAX_EXPR_DEPTH {
            return Err(Failed::too_deep());
        }
    }
    Ok(())
}

fn add_level(open: &mut [usize], depth: &mut usize) {
    if let Some(levels) = open.last_mut() {
        *levels += 1;
        *depth += 1;
    }
}

fn end_expression(open: &mut [usize], depth: &mut usize) {
    if let Some(levels) = open.last_mut() {
        *depth -= std::mem::take(levels);
    }
}

/// Makes one name of `a-b` where a table's name is expected.
fn join_hyphens(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut joined: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // For each open parenthesis whether it holds a query: `extract(day from a-b)` does not.
    let mut in_query = vec![false];
    let mut table_next = false;
    // After `as_of` or `version` where a table is expected: its first argument is one too.
    let mut call_next = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(mut token) = tokens.next() {
        let here = table_next;
        let called = call_next;
        table_next = table_next && matches!(token.token, Token::Whitespace(_));
        call_next = call_next && matches!(token.token, Token::Whitespace(_));
        match &mut token.token {
            Token::LParen => {
                in_query.push(false);
                table_next = called;
            }
            Token::RParen => {
                in_query.pop();
            }
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::SELECT => {
                    if let Some(query) = in_query.last_mut() {
                        *query = true;
                    }
                }
                Keyword::FROM | Keyword::JOIN => table_next = in_query.last() == Some(&true),
                _ if here && Function::named(&word.value).is_some() => call_next = true,
                _ if here => {
                    // A minus with nothing to join is left for the parser to refuse.
                    while let Some(minus) = tokens.next_if(|next| next.token == Token::Minus) {
                        let more = tokens.next_if(|next| joins(&next.token));
                        let Some(more) = more else {
                            joined.push(std::mem::replace(&mut token, minus));
                            break;
                        };
                        extend(&mut token, &more.token);
                    }
                }
                _ => {}
            },
            _ => {}
        }
        joined.push(token);
    }
    joined
}

fn joins(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.quote_style.is_none(),
        Token::Number(_, _) => true,
        _ => false,
    }
}

fn extend(name: &mut TokenWithSpan, more: &Token) {
    if let Token::Word(word) = &mut name.token {
        word.keyword = Keyword::NoKeyword;
        word.value.push('-');
        match more {
            Token::Word(more) => word.value.push_str(&more.value),
            more => word.value.push_str(&more.to_string()),
        }
    }
}

/// What an unquoted name is looked up by.
pub(crate) fn key(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// Collects the names of a query.
#[derive(Default)]
struct Names {
    tables: Vec<TableName>,
    aliases: Vec<String>,
    /// Keys of the common table expressions that are in scope.
    scope: Vec<String>,
    is_function: bool,
    depth: usize,
}

impl Names {
    fn add_alias(&mut self, ident: &Ident) {
        if ident.quote_style.is_none() {
            self.aliases.push(ident.value.clone());
        }
    }
}

impl Visitor for Names {
    type Break = Failed;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Failed> {
        if let Some(found) = writes(&query.body) {
            return ControlFlow::Break(Failed::not_a_query(found));
        }
        let Some(with) = &query.with else {
            return ControlFlow::Continue(());
        };
        for cte in &with.cte_tables {
            for column in &cte.alias.columns {
                self.add_alias(&column.name);
            }
            // Its name is not in scope within itself: `with t as (select * from t)` reads t.
            if !with.recursive {
                cte.visit(self)?;
            }
            self.scope.push(key(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Failed> {
        if let Some(with) = &query.with {
            let left = self.scope.len() - with.cte_tables.len();
            self.scope.truncate(left);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Failed> {
        if select.into.is_some() {
            return ControlFlow::Break(Failed::not_a_query("SELECT INTO"));
        }
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.add_alias(alias);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Failed> {
        let (alias, is_function) = match factor {
            TableFactor::Table { alias, args, .. } => (alias, args.is_some()),
            TableFactor::Derived { alias, .. } => (alias, false),
            _ => (&None, false),
        };
        self.is_function = is_function;
        for column in alias.iter().flat_map(|alias| &alias.columns) {
            self.add_alias(&column.name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Failed> {
        self.depth += 1;
        if self.depth > MAX_EXPR_DEPTH {
            return ControlFlow::Break(Failed::too_deep());
        }
        match swallows(expr) {
            Some(left) => ControlFlow::Break(Failed::invalid(format!(
                "expected parentheses around the comparison of {left}, as in \
                 (a IS DISTINCT FROM b) AND c, found none"
            ))),
            None => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<Failed> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<Failed> {
        if std::mem::take(&mut self.is_function) {
            return ControlFlow::Continue(());
        }
        let ident = match name.0.as_slice() {
            [part] => part.as_ident(),
            _ => None,
        };
        let Some(ident) = ident else {
            return ControlFlow::Break(Failed::invalid(format!(
                "expected a dataset's name alone, found {name}"
            )));
        };
        let wanted = key(ident);
        let known = self.tables.iter().any(|table| {
            let key = match table.quoted {
                true => table.text.clone(),
                false => table.text.to_lowercase(),
            };
            table.text == ident.value || key == wanted
        });
        if !known && !self.scope.contains(&wanted) {
            self.tables.push(TableName {
                text: ident.value.clone(),
                quoted: ident.quote_style.is_some(),
            });
        }
        ControlFlow::Continue(())
    }
}

/// What a query's body writes, if it does.
fn writes(body: &SetExpr) -> Option<&'static str> {
    match body {
        SetExpr::Insert(_) => Some("INSERT"),
        SetExpr::Update(_) => Some("UPDATE"),
        SetExpr::Delete(_) => Some("DELETE"),
        SetExpr::Merge(_) => Some("MERGE"),
        SetExpr::SetOperation { left, right, .. } => writes(left).or_else(|| writes(right)),
        _ => None,
    }
}
