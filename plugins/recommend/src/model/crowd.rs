//! What is popular with customers of an attribute: of a country, of an age.
//!
//! Each attribute is cut into groups: a word, or a tenth of the numbers. Does not cross
//! attributes: the shares of a customer's groups are averaged, so that each has its part in
//! the reasons. Invariant: every group is inside its column, every item inside the catalogue.

use lode_plugin::Ids;

use super::codec::Reader;
use super::codec::Writer;
use super::names::Names;
use crate::attributes::Attributes;
use crate::attributes::Column;
use crate::attributes::Kept;
use crate::events::pairs::Pairs;

/// Words of a column that become groups: the most frequent.
const MAX_WORDS: usize = 100;
/// Groups of a column of numbers.
const N_CUTS: usize = 10;

/// Groups of customers and what they like.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Crowd {
    columns: Vec<Grouped>,
    /// The groups of each customer, one a column; [`Ids::NONE`] where none is known.
    groups: Vec<u32>,
    /// Customers of each group that have anything.
    n_active: Vec<u32>,
    /// Where the items of each group end.
    ends: Vec<u64>,
    items: Vec<u32>,
    /// Weights of the group's customers that like the item.
    weights: Vec<f64>,
    /// Whether it counts for everybody, rather than for customers without a history.
    pub(crate) for_all: bool,
    /// Customers that draw a group's shares halfway to those of all.
    shrinkage: f64,
}

/// A column that is cut into groups.
#[derive(Clone, Debug, PartialEq)]
struct Grouped {
    name: String,
    /// Its first group.
    first: u32,
    cut: Cut,
}

#[derive(Clone, Debug, PartialEq)]
enum Cut {
    /// A group a word.
    Words(Names),
    /// The largest number of each group but the last.
    Numbers(Vec<f64>),
}

impl Grouped {
    fn n_groups(&self) -> usize {
        match &self.cut {
            Cut::Words(names) => names.len(),
            Cut::Numbers(cuts) => cuts.len() + 1,
        }
    }

    fn of(column: &Column, first: u32) -> Self {
        let cut = match &column.values {
            Kept::Words { codes, names } => {
                let mut counts: Vec<(u64, u32)> = (0..names.len() as u32).map(|n| (0, n)).collect();
                for code in codes.iter().filter(|code| **code != Ids::NONE) {
                    counts[*code as usize].0 += 1;
                }
                counts.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
                counts.truncate(MAX_WORDS);
                let mut kept: Vec<u32> = counts.into_iter().map(|count| count.1).collect();
                kept.sort_unstable();
                Cut::Words(Names::of(kept.iter().map(|code| names.get(*code as usize))))
            }
            Kept::Numbers(values) => {
                let mut sorted: Vec<f64> =
                    values.iter().copied().filter(|v| v.is_finite()).collect();
                sorted.sort_unstable_by(f64::total_cmp);
                let cuts = (1..N_CUTS).filter_map(|cut| {
                    let at = (sorted.len() * cut / N_CUTS).checked_sub(1)?;
                    sorted.get(at).copied()
                });
                let mut cuts: Vec<f64> = cuts.collect();
                cuts.dedup_by(|a, b| a.total_cmp(b).is_eq());
                // A cut at the largest number would leave the last group empty.
                let largest = sorted.last().copied();
                cuts.retain(|cut| largest.is_some_and(|largest| *cut < largest));
                Cut::Numbers(cuts)
            }
        };
        Self {
            name: column.name.clone(),
            first,
            cut,
        }
    }

    /// The group of a value, if it has one.
    fn group(&self, word: Option<&str>, number: f64) -> Option<u32> {
        let at = match &self.cut {
            Cut::Words(names) => names.code(word?)?,
            Cut::Numbers(_) if number.is_nan() => return None,
            Cut::Numbers(cuts) => cuts.partition_point(|cut| *cut < number) as u32,
        };
        Some(self.first + at)
    }

    /// A group in words.
    fn word(&self, group: u32) -> String {
        let at = (group - self.first) as usize;
        match &self.cut {
            Cut::Words(names) => names.get(at).to_owned(),
            Cut::Numbers(cuts) if cuts.is_empty() => "any".to_owned(),
            Cut::Numbers(cuts) if at == 0 => format!("up to {}", cuts[0]),
            Cut::Numbers(cuts) if at == cuts.len() => format!("above {}", cuts[at - 1]),
            Cut::Numbers(cuts) => format!("{} to {}", cuts[at - 1], cuts[at]),
        }
    }
}

impl Crowd {
    /// Groups the customers of `attributes`, which has a row for each customer of `pairs`, by
    /// all columns or by one.
    pub(crate) fn of(
        attributes: &Attributes,
        pairs: &Pairs,
        segment: Option<&str>,
        shrinkage: f64,
    ) -> Self {
        let mut columns: Vec<Grouped> = Vec::new();
        let mut sources: Vec<&Column> = Vec::new();
        let wanted = |column: &&Column| segment.is_none_or(|name| column.name == name);
        for column in attributes.columns.iter().filter(wanted) {
            let first = columns.last().map_or(0, |c| c.first + c.n_groups() as u32);
            columns.push(Grouped::of(column, first));
            sources.push(column);
        }
        let n_groups = columns
            .last()
            .map_or(0, |c| c.first as usize + c.n_groups());
        let n_customers = pairs.n_customers();
        let mut groups = Vec::with_capacity(n_customers * columns.len());
        for customer in 0..n_customers {
            for (column, source) in columns.iter().zip(&sources) {
                let group = match &source.values {
                    Kept::Numbers(values) => column.group(None, values[customer]),
                    Kept::Words { codes, names } => {
                        let code = codes[customer];
                        let word = (code != Ids::NONE).then(|| names.get(code as usize));
                        column.group(word, f64::NAN)
                    }
                };
                groups.push(group.unwrap_or(Ids::NONE));
            }
        }
        let mut crowd = Self {
            columns,
            groups,
            n_active: vec![0; n_groups],
            for_all: segment.is_some(),
            shrinkage,
            ..Self::default()
        };
        crowd.count(pairs);
        crowd
    }

    /// Adds up what the customers of each group like.
    fn count(&mut self, pairs: &Pairs) {
        let n_groups = self.n_active.len();
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); n_groups];
        for customer in 0..pairs.n_customers() {
            if !pairs.history(customer).items.is_empty() {
                for group in self.groups_of(customer).iter().filter(|g| **g != Ids::NONE) {
                    members[*group as usize].push(customer as u32);
                }
            }
        }
        let mut sums: Vec<f64> = Vec::new();
        let mut touched: Vec<u32> = Vec::new();
        for (group, members) in members.iter().enumerate() {
            self.n_active[group] = members.len() as u32;
            for customer in members {
                let history = pairs.history(*customer as usize);
                for (item, weight) in history.items.iter().zip(history.weights) {
                    if *weight > 0.0 {
                        if sums.len() <= *item as usize {
                            sums.resize(*item as usize + 1, 0.0);
                        }
                        let sum = &mut sums[*item as usize];
                        if *sum <= 0.0 {
                            touched.push(*item);
                        }
                        *sum += f64::from(*weight);
                    }
                }
            }
            touched.sort_unstable();
            for item in touched.drain(..) {
                self.items.push(item);
                self.weights.push(std::mem::take(&mut sums[item as usize]));
            }
            self.ends.push(self.items.len() as u64);
        }
    }

    pub(crate) fn n_columns(&self) -> usize {
        self.columns.len()
    }

    pub(crate) fn column_name(&self, column: usize) -> &str {
        &self.columns[column].name
    }

    /// Whether a column holds numbers.
    pub(crate) fn is_number(&self, column: usize) -> bool {
        matches!(self.columns[column].cut, Cut::Numbers(_))
    }

    /// The group of a value of a column, if it has one; NaN is no number.
    pub(crate) fn group(&self, column: usize, word: Option<&str>, number: f64) -> Option<u32> {
        self.columns[column].group(word, number)
    }

    /// The groups of a customer, one a column.
    pub(crate) fn groups_of(&self, customer: usize) -> &[u32] {
        let n = self.columns.len();
        &self.groups[customer * n..(customer + 1) * n]
    }

    /// What each group takes from and gives to the share of an item: the column, the group in
    /// words, and the difference that it makes.
    pub(crate) fn parts(&self, groups: &[u32], item: u32, share: f64) -> Vec<(&str, String, f64)> {
        let known = groups.iter().filter(|group| **group != Ids::NONE).count() as f64;
        let columns = self.columns.iter().zip(groups);
        columns
            .filter(|(_, group)| **group != Ids::NONE)
            .map(|(column, group)| {
                let (items, weights) = self.list(*group);
                let found = items.binary_search(&item).map_or(0.0, |at| weights[at]);
                let n = f64::from(self.n_active[*group as usize]);
                let own = (found + self.shrinkage * share) / (n + self.shrinkage);
                (
                    column.name.as_str(),
                    column.word(*group),
                    (own - share) / known,
                )
            })
            .collect()
    }

    /// The shares of all items among customers of these groups.
    pub(crate) fn shares(&self, groups: &[u32], shares: &[f64]) -> Vec<f64> {
        let known: Vec<u32> = groups.iter().copied().filter(|g| *g != Ids::NONE).collect();
        if known.is_empty() {
            return shares.to_vec();
        }
        let n_known = known.len() as f64;
        let rest = known.iter().map(|group| {
            let n = f64::from(self.n_active[*group as usize]);
            self.shrinkage / (n + self.shrinkage)
        });
        let rest: f64 = rest.sum::<f64>() / n_known;
        let mut own: Vec<f64> = shares.iter().map(|share| share * rest).collect();
        for group in known {
            let n = f64::from(self.n_active[group as usize]);
            let (items, weights) = self.list(group);
            for (item, weight) in items.iter().zip(weights) {
                own[*item as usize] += weight / (n + self.shrinkage) / n_known;
            }
        }
        own
    }

    fn list(&self, group: u32) -> (&[u32], &[f64]) {
        let group = group as usize;
        let start = group.checked_sub(1).map_or(0, |before| self.ends[before]);
        let range = start as usize..self.ends[group] as usize;
        (&self.items[range.clone()], &self.weights[range])
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.u64s(&[self.columns.len() as u64, u64::from(self.for_all)]);
        to.f64s(&[self.shrinkage]);
        for column in &self.columns {
            to.bytes(column.name.as_bytes());
            match &column.cut {
                Cut::Words(names) => {
                    to.u32s(&[0]);
                    names.write(to);
                }
                Cut::Numbers(cuts) => {
                    to.u32s(&[1]);
                    to.f64s(cuts);
                }
            }
        }
        to.u32s(&self.groups);
        to.u32s(&self.n_active);
        to.u64s(&self.ends);
        to.u32s(&self.items);
        to.f64s(&self.weights);
    }

    /// None when damaged.
    pub(crate) fn read(from: &mut Reader<'_>, n_customers: usize, n_items: usize) -> Option<Self> {
        let [n_columns, for_all] = from.u64s()?.try_into().ok()?;
        let [shrinkage]: [f64; 1] = from.f64s()?.try_into().ok()?;
        let mut columns: Vec<Grouped> = Vec::new();
        for _ in 0..n_columns {
            let name = from.text()?;
            let first = columns.last().map_or(0, |c| c.first + c.n_groups() as u32);
            let cut = match from.u32s()?.first()? {
                0 => Cut::Words(Some(Names::read(from)?).filter(Names::rise)?),
                1 => Cut::Numbers(from.f64s()?),
                _ => return None,
            };
            columns.push(Grouped { name, first, cut });
        }
        let n_groups = columns
            .last()
            .map_or(0, |c| c.first as usize + c.n_groups());
        let crowd = Self {
            groups: from.u32s()?,
            n_active: from.u32s()?,
            ends: from.u64s()?,
            items: from.u32s()?,
            weights: from.f64s()?,
            columns,
            for_all: for_all == 1,
            shrinkage,
        };
        let inside = |group: &u32| *group == Ids::NONE || (*group as usize) < n_groups;
        let own = |column: usize, group: &u32| {
            let column = &crowd.columns[column];
            *group == Ids::NONE
                || (column.first..column.first + column.n_groups() as u32).contains(group)
        };
        let n_columns = crowd.columns.len();
        let whole = crowd.shrinkage.is_finite()
            && crowd.shrinkage > 0.0
            && crowd.groups.len() == n_customers * n_columns
            && crowd.groups.iter().all(inside)
            && crowd
                .groups
                .iter()
                .enumerate()
                .all(|(at, group)| own(at % n_columns.max(1), group))
            && crowd.n_active.len() == n_groups
            && crowd.ends.len() == n_groups
            && crowd.ends.is_sorted()
            && crowd.ends.last().copied().unwrap_or(0) == crowd.items.len() as u64
            && crowd.weights.len() == crowd.items.len()
            && crowd.items.iter().all(|item| (*item as usize) < n_items)
            && crowd.weights.iter().all(|weight| weight.is_finite())
            && (0..n_groups as u32).all(|g| crowd.list(g).0.is_sorted_by(|a, b| a < b));
        (whole || (n_columns == 0 && crowd == Self::default())).then_some(crowd)
    }
}
