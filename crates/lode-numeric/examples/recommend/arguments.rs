//! Pairs of `--name value`.

use std::collections::HashMap;
use std::str::FromStr;

use crate::Result;

/// What the program was called with.
pub(crate) struct Arguments {
    given: HashMap<String, String>,
}

impl Arguments {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut given = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--");
            let name = name.ok_or_else(|| format!("expected --NAME, found {word}"))?;
            let value = words.next();
            let value = value.ok_or_else(|| format!("--{name}: expected a value, found none"))?;
            given.insert(name.to_owned(), value);
        }
        Ok(Self { given })
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        let found = self.given.get(name).map(String::as_str);
        Ok(found.ok_or_else(|| format!("--{name}: expected a value, found none"))?)
    }

    pub(crate) fn text_or<'a>(&'a self, name: &str, otherwise: &'a str) -> &'a str {
        self.given.get(name).map_or(otherwise, String::as_str)
    }

    pub(crate) fn number_or<T: FromStr>(&self, name: &str, otherwise: T) -> Result<T> {
        match self.given.contains_key(name) {
            true => self.number(name),
            false => Ok(otherwise),
        }
    }

    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        let number = text.parse();
        Ok(number.map_err(|_| format!("--{name}: expected a number, found {text}"))?)
    }
}
