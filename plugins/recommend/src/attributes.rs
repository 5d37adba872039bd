//! What is known of items or customers beside what happened: numbers and words by id.
//!
//! Does not say what an attribute is worth. Invariant: ids rise; of several rows of an id the
//! last by time counts, of those of one time the greatest, so that neither the order of the
//! rows nor how they are cut makes a difference.

use std::cmp::Ordering;

use lode_plugin::Features;
use lode_plugin::Ids;
use lode_plugin::Input;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;
use lode_plugin::Values;

use crate::model::codec::Reader;
use crate::model::codec::Writer;
use crate::model::names::Names;

/// A table of attributes, one row an id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes {
    pub(crate) ids: Names,
    /// Microseconds since the Unix epoch of each row; the least there is where none is known.
    times: Vec<i64>,
    pub(crate) columns: Vec<Column>,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) values: Kept,
}

/// The values of a [`Column`], one an id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kept {
    /// Numbers and booleans; NaN where there is none.
    Numbers(Vec<f64>),
    /// Words.
    Words {
        /// Codes of `names`; [`Ids::NONE`] where there is none.
        codes: Vec<u32>,
        names: Names,
    },
}

/// The input `items`.
pub(crate) fn items_spec() -> Input {
    Input::new(
        "items",
        "What can be offered, one row an item: items that nobody has yet are offered by what \
         they have in common with others",
    )
    .optional()
    .column(Role::Item, "What")
    .optional_column(
        Role::EventTime,
        "Since when the row holds; the last row counts",
    )
    .features(Features::All)
}

/// The input `customers`.
pub(crate) fn customers_spec() -> Input {
    Input::new(
        "customers",
        "Who they are, one row a customer: those who have nothing yet are offered what is \
         popular with their like",
    )
    .optional()
    .column(Role::CustomerId, "Who")
    .optional_column(
        Role::EventTime,
        "Since when the row holds; the last row counts",
    )
    .features(Features::All)
}

impl Attributes {
    /// Reads a table whose ids have this role; rows without an id are left out.
    pub(crate) fn of(table: &Table, role: Role) -> Result<Self> {
        let ids = table.ids(role)?;
        let times = match table.column(Role::EventTime) {
            Some(column) => column.times()?,
            None => Vec::new(),
        };
        let time_of = |row: usize| times.get(row).copied().flatten().unwrap_or(i64::MIN);
        let columns = table.features(Features::All, &[])?.into_iter();
        let columns: Vec<Column> = columns
            .map(|feature| Column {
                name: feature.name,
                values: match feature.values {
                    Values::Number(values) => Kept::Numbers(values),
                    Values::Category { codes, names } => Kept::Words {
                        codes,
                        names: Names::of(names.iter().map(String::as_str)),
                    },
                },
            })
            .collect();
        let mut rows: Vec<usize> = (0..table.n_rows())
            .filter(|row| ids.codes[*row] != Ids::NONE)
            .collect();
        rows.sort_unstable_by(|a, b| {
            (ids.codes[*a], time_of(*a))
                .cmp(&(ids.codes[*b], time_of(*b)))
                .then_with(|| by_content(&columns, *a, &columns, *b))
        });
        let last: Vec<usize> = rows
            .chunk_by(|a, b| ids.codes[*a] == ids.codes[*b])
            .map(|rows| rows[rows.len() - 1])
            .collect();
        Ok(Self {
            // Every id has a row: names and codes are those of the rows that stay.
            ids: Names::of(ids.names.iter().map(String::as_str)),
            times: last.iter().map(|row| time_of(*row)).collect(),
            columns: columns
                .iter()
                .map(|column| column.taken(last.iter().map(|row| Some(*row))))
                .collect(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.len() == 0
    }

    /// What the rows of both say.
    pub(crate) fn merge(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (ids, codes) = self.ids.union(&other.ids);
        let mut rows: [Vec<Option<usize>>; 2] = [vec![None; ids.len()], vec![None; ids.len()]];
        for (side, codes) in codes.iter().enumerate() {
            for (row, code) in codes.iter().enumerate() {
                rows[side][*code as usize] = Some(row);
            }
        }
        // Which side the row of each id comes from.
        let from: Vec<(usize, usize)> = (0..ids.len())
            .map(|id| match (rows[0][id], rows[1][id]) {
                (Some(left), Some(right)) => {
                    let order = self.times[left]
                        .cmp(&other.times[right])
                        .then_with(|| by_content(&self.columns, left, &other.columns, right));
                    if order.is_lt() { (1, right) } else { (0, left) }
                }
                (Some(left), None) => (0, left),
                (None, right) => (1, right.unwrap_or(0)),
            })
            .collect();
        let sides = [&self, &other];
        let mut columns: Vec<Column> = Vec::new();
        for (side, table) in sides.into_iter().enumerate() {
            for column in &table.columns {
                let of_side = |wanted: usize| {
                    let from = from.iter();
                    from.map(move |(side, row)| (*side == wanted).then_some(*row))
                };
                let own = column.taken(of_side(side));
                match columns.iter_mut().find(|other| other.name == own.name) {
                    Some(found) => found.fill(&own),
                    None => columns.push(own),
                }
            }
        }
        Self {
            times: from
                .iter()
                .map(|(side, row)| sides[*side].times[*row])
                .collect(),
            ids,
            columns,
        }
    }

    /// The rows of these ids, which rise; nothing known where there is no row.
    pub(crate) fn aligned(&self, ids: &Names) -> Self {
        let rows: Vec<Option<usize>> = ids
            .iter()
            .map(|id| self.ids.code(id).map(|row| row as usize))
            .collect();
        let columns = self.columns.iter();
        Self {
            ids: ids.clone(),
            times: vec![i64::MIN; rows.len()],
            columns: columns
                .map(|column| column.taken(rows.iter().copied()))
                .collect(),
        }
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        self.ids.write(to);
        to.i64s(&self.times);
        to.u64s(&[self.columns.len() as u64]);
        for column in &self.columns {
            to.bytes(column.name.as_bytes());
            match &column.values {
                Kept::Numbers(values) => {
                    to.u32s(&[0]);
                    to.f64s(values);
                }
                Kept::Words { codes, names } => {
                    to.u32s(&[1]);
                    to.u32s(codes);
                    names.write(to);
                }
            }
        }
    }

    /// None when damaged.
    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let ids = Names::read(from)?;
        let times = from.i64s()?;
        let n_columns = *from.u64s()?.first()?;
        let mut columns = Vec::new();
        for _ in 0..n_columns {
            let name = from.text()?;
            let values = match from.u32s()?.first()? {
                0 => Kept::Numbers(from.f64s()?),
                1 => Kept::Words {
                    codes: from.u32s()?,
                    names: Names::read(from)?,
                },
                _ => return None,
            };
            let whole = match &values {
                Kept::Numbers(values) => values.len() == ids.len(),
                Kept::Words { codes, names } => {
                    let inside = |code: &u32| *code == Ids::NONE || (*code as usize) < names.len();
                    codes.len() == ids.len() && codes.iter().all(inside) && names.rise()
                }
            };
            if !whole {
                return None;
            }
            columns.push(Column { name, values });
        }
        (ids.rise() && times.len() == ids.len()).then_some(Self {
            ids,
            times,
            columns,
        })
    }
}

impl Column {
    /// The value of a row as people write it.
    #[cfg(test)]
    pub(crate) fn word(&self, row: usize) -> Option<String> {
        match &self.values {
            Kept::Numbers(values) => Some(values[row])
                .filter(|v| !v.is_nan())
                .map(|v| v.to_string()),
            Kept::Words { codes, names } => {
                (codes[row] != Ids::NONE).then(|| names.get(codes[row] as usize).to_owned())
            }
        }
    }

    /// Some rows, in this order; none where there is no row. Words that no row has go.
    fn taken(&self, rows: impl Iterator<Item = Option<usize>>) -> Self {
        let values = match &self.values {
            Kept::Numbers(values) => Kept::Numbers(
                rows.map(|row| row.map_or(f64::NAN, |row| values[row]))
                    .collect(),
            ),
            Kept::Words { codes, names } => {
                let mut codes: Vec<u32> = rows
                    .map(|row| row.map_or(Ids::NONE, |row| codes[row]))
                    .collect();
                let mut new_codes = vec![Ids::NONE; names.len()];
                for code in codes.iter().filter(|code| **code != Ids::NONE) {
                    new_codes[*code as usize] = 0;
                }
                let mut kept = Names::default();
                for (name, code) in names.iter().zip(&mut new_codes) {
                    if *code != Ids::NONE {
                        *code = kept.len() as u32;
                        kept.push(name);
                    }
                }
                for code in codes.iter_mut().filter(|code| **code != Ids::NONE) {
                    *code = new_codes[*code as usize];
                }
                Kept::Words { codes, names: kept }
            }
        };
        Self {
            name: self.name.clone(),
            values,
        }
    }

    /// Takes the values of `other` where this has none; both are of the same ids.
    fn fill(&mut self, other: &Self) {
        match (&mut self.values, &other.values) {
            (Kept::Numbers(own), Kept::Numbers(others)) => {
                for (own, other) in own.iter_mut().zip(others) {
                    if own.is_nan() {
                        *own = *other;
                    }
                }
            }
            (
                Kept::Words { codes, names },
                Kept::Words {
                    codes: other_codes,
                    names: other_names,
                },
            ) => {
                let (all, [left, right]) = names.union(other_names);
                for (own, other) in codes.iter_mut().zip(other_codes) {
                    if *own != Ids::NONE {
                        *own = left[*own as usize];
                    } else if *other != Ids::NONE {
                        *own = right[*other as usize];
                    }
                }
                *names = all;
            }
            // Tables of parts have the same columns; of others the first counts.
            _ => {}
        }
    }
}

/// An order of rows by what they say.
fn by_content(left: &[Column], a: usize, right: &[Column], b: usize) -> Ordering {
    let pairs = left.iter().zip(right);
    pairs
        .map(|(left, right)| match (&left.values, &right.values) {
            // What is not known is below all that is.
            (Kept::Numbers(x), Kept::Numbers(y)) => match (x[a].is_nan(), y[b].is_nan()) {
                (false, false) => x[a].total_cmp(&y[b]),
                (x, y) => y.cmp(&x),
            },
            (
                Kept::Words { codes, names },
                Kept::Words {
                    codes: other_codes,
                    names: other_names,
                },
            ) => {
                let word = |code: u32| (code != Ids::NONE).then_some(code as usize);
                let x = word(codes[a]).map(|code| names.get(code));
                let y = word(other_codes[b]).map(|code| other_names.get(code));
                x.cmp(&y)
            }
            _ => Ordering::Equal,
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
