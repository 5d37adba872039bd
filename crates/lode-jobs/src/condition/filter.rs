//! Filters: conditions on columns, joined by and, or, not and parentheses.
//!
//! ```text
//! filter = part { "or" part }              part = one { "and" one }
//! one    = "not" one | "(" filter ")" | column [ test ]
//! test   = sign value | "between" value "and" value | [ "not" ] "in" "(" value { "," value } ")"
//!        | [ "is" ] "missing" | [ "is" ] "known" | "is not missing"
//! ```
//! A column is a word, or any text in quotes; `customer.` before it means the customer's. A value
//! is a word or a text in quotes; with `item.` or `customer.` before it it is that of a column. A
//! column alone must be yes. Words of the language are the same in upper and lower case.
//! Invariant: what a filter says does not depend on any table.

use std::collections::BTreeSet;
use std::fmt;

use super::op::Op;
use super::op::SIGNS;
use super::op::WORDS;
use super::words::Kind;
use super::words::Token;
use super::words::Wrong;
use super::words::tokens;

/// Longest text of a filter, in letters.
const MAX_LETTERS: usize = 10_000;
/// Most parentheses and nots within each other.
const MAX_DEPTH: usize = 50;
/// Words that are no column unless in quotes.
const KEPT: [&str; 6] = ["and", "or", "not", "in", "is", "between"];

/// A filter that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    text: String,
    pub(super) node: Node,
}

/// A part of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Test(Test),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

/// What is said of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Test {
    pub(super) column: Named,
    pub(super) op: Op,
    pub(super) values: Vec<Operand>,
    /// Where the column stands.
    pub(super) at: usize,
}

/// A column by its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) of: Of,
    pub(super) name: String,
}

/// Whose column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Of the items.
    Item,
    /// Of the customers.
    Customer,
}

/// What a column is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    /// As it was written, and where.
    Value { text: String, at: usize },
    /// Another column.
    Column(Named, usize),
}

impl Filter {
    /// Reads a filter.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        let letters = text.chars().count();
        if letters > MAX_LETTERS {
            return Err(Wrong {
                at: MAX_LETTERS + 1,
                expected: format!("at most {MAX_LETTERS} letters"),
                found: letters.to_string(),
            });
        }
        let mut parser = Parser {
            tokens: tokens(text)?,
            next: 0,
            depth: 0,
        };
        let node = parser.any()?;
        if parser.peek().kind != Kind::End {
            return Err(parser.wrong("\"and\", \"or\" or the end"));
        }
        Ok(Self {
            text: text.trim().to_owned(),
            node,
        })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Names of the columns that it speaks of.
    pub(crate) fn columns(&self, of: Of) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        gather(&self.node, of, &mut names);
        names
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            expected,
            found,
        } = self;
        write!(f, "at letter {at}: expected {expected}, found {found}")
    }
}

fn gather<'f>(node: &'f Node, of: Of, names: &mut BTreeSet<&'f str>) {
    match node {
        Node::Test(test) => {
            let others = test.values.iter().filter_map(|value| match value {
                Operand::Column(column, _) => Some(column),
                Operand::Value { .. } => None,
            });
            let all = std::iter::once(&test.column).chain(others);
            names.extend(all.filter(|c| c.of == of).map(|c| c.name.as_str()));
        }
        Node::Not(node) => gather(node, of, names),
        Node::All(nodes) | Node::Any(nodes) => {
            for node in nodes {
                gather(node, of, names);
            }
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Node, Wrong> {
        let mut nodes = vec![self.all()?];
        while self.take("or") {
            nodes.push(self.all()?);
        }
        Ok(match (nodes.len(), nodes.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                nodes.extend(last);
                Node::Any(nodes)
            }
        })
    }

    fn all(&mut self) -> Result<Node, Wrong> {
        let mut nodes = vec![self.one()?];
        while self.take("and") {
            nodes.push(self.one()?);
        }
        Ok(match (nodes.len(), nodes.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                nodes.extend(last);
                Node::All(nodes)
            }
        })
    }

    fn one(&mut self) -> Result<Node, Wrong> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong(&format!("at most {MAX_DEPTH} within each other")));
        }
        let node = if self.take("not") {
            Node::Not(Box::new(self.one()?))
        } else if self.peek().kind == Kind::Open {
            self.next += 1;
            let inner = self.any()?;
            if self.peek().kind != Kind::Close {
                return Err(self.wrong("\"and\", \"or\" or \")\""));
            }
            self.next += 1;
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn test(&mut self) -> Result<Node, Wrong> {
        let at = self.peek().at;
        let column = self.column()?;
        let made = |op: Op, values: Vec<Operand>| {
            let column = column.clone();
            Node::Test(Test {
                column,
                op,
                values,
                at,
            })
        };
        if let Kind::Sign(sign) = self.peek().kind {
            self.next += 1;
            let found = SIGNS.iter().find(|(known, _)| *known == sign);
            let op = found.map_or(Op::OneOf, |(_, op)| *op);
            return Ok(made(op, vec![self.value()?]));
        }
        if self.take("between") {
            let low = self.value()?;
            if !self.take("and") {
                return Err(self.wrong("\"and\" and the other end of \"between\""));
            }
            let high = self.value()?;
            let (from, to) = (made(Op::AtLeast, vec![low]), made(Op::AtMost, vec![high]));
            return Ok(Node::All(vec![from, to]));
        }
        for (words, op) in [
            ("is not missing", Op::Known),
            ("is not known", Op::Missing),
            ("not missing", Op::Known),
            ("is missing", Op::Missing),
            ("is known", Op::Known),
            ("missing", Op::Missing),
            ("known", Op::Known),
        ] {
            if self.take(words) {
                return Ok(made(op, Vec::new()));
            }
        }
        for (words, op) in [
            ("is not in", Op::NoneOf),
            ("not in", Op::NoneOf),
            ("is in", Op::OneOf),
            ("in", Op::OneOf),
        ] {
            if self.take(words) {
                return Ok(made(op, self.values()?));
            }
        }
        for (words, op) in WORDS {
            if self.take(words) {
                return Ok(made(op, vec![self.value()?]));
            }
        }
        match &self.peek().kind {
            Kind::End | Kind::Close => Ok(made(Op::True, Vec::new())),
            Kind::Word(word) if is(word, "and") || is(word, "or") => {
                Ok(made(Op::True, Vec::new()))
            }
            _ => Err(self.wrong(&format!(
                "a comparison of column {:?} such as \"=\", \"<\", \"in\" or \"missing\", or \"and\", \"or\" or the end",
                column.name
            ))),
        }
    }

    fn values(&mut self) -> Result<Vec<Operand>, Wrong> {
        if self.peek().kind != Kind::Open {
            return Err(self.wrong("\"(\" and the values of \"in\""));
        }
        self.next += 1;
        let mut values = vec![self.value()?];
        loop {
            match self.peek().kind {
                Kind::Comma => {
                    self.next += 1;
                    values.push(self.value()?);
                }
                Kind::Close => {
                    self.next += 1;
                    return Ok(values);
                }
                _ => return Err(self.wrong("\",\" or \")\"")),
            }
        }
    }

    fn column(&mut self) -> Result<Named, Wrong> {
        let wanted = "a column, \"not\" or \"(\"";
        let item = |name: String| Named { of: Of::Item, name };
        match self.peek().kind.clone() {
            Kind::Quoted(name) => {
                self.next += 1;
                Ok(item(name))
            }
            Kind::Word(word) if !KEPT.iter().any(|kept| is(&word, kept)) => {
                match self.prefixed()? {
                    Some(named) => Ok(named),
                    None => {
                        self.next += 1;
                        Ok(item(word))
                    }
                }
            }
            _ => Err(self.wrong(wanted)),
        }
    }

    /// A column with `customer.` or `item.` before it, if one is next.
    fn prefixed(&mut self) -> Result<Option<Named>, Wrong> {
        let Kind::Word(word) = self.peek().kind.clone() else {
            return Ok(None);
        };
        for (prefix, of) in [("customer.", Of::Customer), ("item.", Of::Item)] {
            let Some(name) = word.strip_prefix(prefix) else {
                continue;
            };
            self.next += 1;
            if !name.is_empty() {
                let name = name.to_owned();
                return Ok(Some(Named { of, name }));
            }
            let Kind::Quoted(name) = self.peek().kind.clone() else {
                return Err(self.wrong(&format!("the name of a column after {prefix:?}")));
            };
            self.next += 1;
            return Ok(Some(Named { of, name }));
        }
        Ok(None)
    }

    fn value(&mut self) -> Result<Operand, Wrong> {
        let at = self.peek().at;
        if let Some(column) = self.prefixed()? {
            return Ok(Operand::Column(column, at));
        }
        let text = match self.peek().kind.clone() {
            Kind::Quoted(text) => text,
            Kind::Word(word) if !KEPT.iter().any(|kept| is(&word, kept)) => word,
            _ => return Err(self.wrong("a value")),
        };
        self.next += 1;
        Ok(Operand::Value { text, at })
    }

    fn peek(&self) -> &Token {
        // The end is never taken.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    /// Takes some words if they are next.
    fn take(&mut self, words: &str) -> bool {
        let mut next = self.next;
        for wanted in words.split(' ') {
            match self.tokens.get(next).map(|token| &token.kind) {
                Some(Kind::Word(word)) if is(word, wanted) => next += 1,
                _ => return false,
            }
        }
        self.next = next;
        true
    }

    fn wrong(&self, expected: &str) -> Wrong {
        let token = self.peek();
        Wrong {
            at: token.at,
            expected: expected.to_owned(),
            found: token.kind.to_string(),
        }
    }
}

fn is(word: &str, known: &str) -> bool {
    word.eq_ignore_ascii_case(known)
}
