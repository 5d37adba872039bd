//! Cuts the text of a filter into words, quoted texts and signs, each with its place.

use std::fmt;

/// A piece of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The first letter, counted from 1.
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Letters, digits and what may stand in a number, a date or an id.
    Word(String),
    /// What stood in quotes.
    Quoted(String),
    /// A sign of comparing.
    Sign(&'static str),
    Open,
    Close,
    Comma,
    End,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "{word:?}"),
            Self::Quoted(text) => write!(f, "the text {text:?}"),
            Self::Sign(sign) => write!(f, "{sign:?}"),
            Self::Open => f.write_str("\"(\""),
            Self::Close => f.write_str("\")\""),
            Self::Comma => f.write_str("\",\""),
            Self::End => f.write_str("the end"),
        }
    }
}

/// A place in a filter that cannot be understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wrong {
    /// The letter, counted from 1.
    pub(crate) at: usize,
    /// What could stand there.
    pub(crate) expected: String,
    /// What does.
    pub(crate) found: String,
}

/// All pieces, the last of which is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < letters.len() {
        let letter = letters[i];
        let at = i + 1;
        if letter.is_whitespace() {
            i += 1;
            continue;
        }
        let pair: String = letters[i..].iter().take(2).collect();
        let sign = super::op::SIGNS
            .iter()
            .map(|(sign, _)| *sign)
            .find(|sign| pair.starts_with(sign));
        let kind = match (letter, sign) {
            (_, Some(sign)) => {
                i += sign.len();
                Kind::Sign(sign)
            }
            ('(' | ')' | ',', _) => {
                i += 1;
                match letter {
                    '(' => Kind::Open,
                    ')' => Kind::Close,
                    _ => Kind::Comma,
                }
            }
            ('"' | '\'' | '`', _) => {
                let (quoted, end) = quoted(&letters, i)?;
                i = end;
                Kind::Quoted(quoted)
            }
            _ if is_of_word(letter) => {
                let rest = letters[i..].iter();
                let word: String = rest.take_while(|letter| is_of_word(**letter)).collect();
                i += word.chars().count();
                Kind::Word(word)
            }
            _ => {
                return Err(Wrong {
                    at,
                    expected: "a column, a value or a sign such as \"=\"".to_owned(),
                    found: format!("{letter:?}"),
                });
            }
        };
        tokens.push(Token { kind, at });
    }
    tokens.push(Token {
        kind: Kind::End,
        at: letters.len() + 1,
    });
    Ok(tokens)
}

/// The text in quotes that begin at `start`, and where it goes on behind them; a quote that is
/// doubled stands for itself.
fn quoted(letters: &[char], start: usize) -> Result<(String, usize), Wrong> {
    let quote = letters[start];
    let mut text = String::new();
    let mut i = start + 1;
    while let Some(&letter) = letters.get(i) {
        i += 1;
        if letter != quote {
            text.push(letter);
        } else if letters.get(i) == Some(&quote) {
            text.push(quote);
            i += 1;
        } else {
            return Ok((text, i));
        }
    }
    Err(Wrong {
        at: letters.len() + 1,
        expected: format!("a {quote} to close the one at {}", start + 1),
        found: "the end".to_owned(),
    })
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || "_-.:/+%&@#$€£*".contains(letter)
}
