//! Numbers for names: in the order of first sight while rows are read, in that of names after.

use std::collections::HashMap;

use arrow_array::Array;
use arrow_array::StringArray;

/// The number of no name.
pub(super) const NONE: u32 = u32::MAX;

/// Gives each name a number.
#[derive(Default)]
pub(super) struct Coder {
    numbers: HashMap<Box<str>, u32>,
}

impl Coder {
    /// Adds the numbers of some names; [`NONE`] for a null or empty one.
    pub(super) fn code(&mut self, names: &StringArray, codes: &mut Vec<u32>) {
        codes.reserve(names.len());
        let mut last: Option<(&str, u32)> = None;
        for at in 0..names.len() {
            let name = match names.is_valid(at) {
                true => names.value(at),
                false => "",
            };
            if name.is_empty() {
                codes.push(NONE);
                continue;
            }
            // Rows of one customer often stand together.
            let number = match last {
                Some((known, number)) if known == name => number,
                _ => self.number(name),
            };
            last = Some((name, number));
            codes.push(number);
        }
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let next = self.numbers.len() as u32;
        self.numbers.insert(name.into(), next);
        next
    }

    /// The names in order, and the new number of each old one.
    pub(super) fn finish(self) -> (Vec<Box<str>>, Vec<u32>) {
        let mut named: Vec<(Box<str>, u32)> = self.numbers.into_iter().collect();
        named.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut new = vec![0; named.len()];
        let mut names = Vec::with_capacity(named.len());
        for (at, (name, old)) in named.into_iter().enumerate() {
            new[old as usize] = at as u32;
            names.push(name);
        }
        (names, new)
    }
}

/// The number of a name, of names in order.
pub(super) fn find(names: &[Box<str>], name: &str) -> Option<u32> {
    let found = names.binary_search_by(|known| (**known).cmp(name));
    found.ok().map(|at| at as u32)
}
