//! People's items in as few bytes as the sums over people can be made of.
//!
//! Items are numbered by falling number of people (ties by item), so that what is touched often
//! lies together. Invariant: rows ascend in that number, and a person of an item knows how many
//! of their items come before it.

use super::Sparse;
use super::measure::Measure;
use crate::Error;
use crate::Result;

/// The number of an item in as few bytes as it takes.
pub(super) trait Code: Copy + Send + Sync {
    fn of(index: usize) -> Self;
    fn at(self) -> usize;
}

impl Code for u16 {
    fn of(index: usize) -> Self {
        index as Self
    }

    fn at(self) -> usize {
        usize::from(self)
    }
}

impl Code for u32 {
    fn of(index: usize) -> Self {
        index as Self
    }

    fn at(self) -> usize {
        self as usize
    }
}

/// People's items, and items' people.
#[derive(Debug)]
pub(super) struct Compact<C> {
    /// The item of each number.
    pub(super) order: Vec<u32>,
    /// Items of people, person by person.
    pub(super) items: Vec<C>,
    /// Weights divided by their item's norm, in the order of `items`; empty where all are 1.
    pub(super) weights: Vec<f32>,
    /// Where the people of each item begin; one more than items.
    pub(super) item_starts: Vec<usize>,
    /// Of each person of each item, where in `items` the person's begin.
    pub(super) begins: Vec<u32>,
    /// How many of the person's items come before this one.
    pub(super) before: Vec<u32>,
    /// As `weights`, in the order of `begins`.
    pub(super) item_weights: Vec<f32>,
    /// Norm of each item, by number; none where all weights are 1.
    pub(super) norms: Option<Vec<f64>>,
}

/// The largest weight that sums in 32 bits can be made of.
const MOST: f64 = 1e15;

impl<C: Code> Compact<C> {
    pub(super) fn new(people: &Sparse, measure: Measure) -> Result<Self> {
        let n_items = people.n_cols();
        let mut counts = vec![0_usize; n_items];
        for person in 0..people.n_rows() {
            let (items, weights) = people.row(person);
            for (item, weight) in items.iter().zip(weights) {
                if weight.abs() > MOST {
                    return Err(Error::Entry {
                        what: "weights",
                        expected: "of -1e15 to 1e15",
                        index: person,
                        found: *weight,
                    });
                }
                counts[*item as usize] += usize::from(measure.takes(*weight));
            }
        }
        let mut order: Vec<u32> = (0..n_items as u32).collect();
        order.sort_unstable_by_key(|item| (usize::MAX - counts[*item as usize], *item));
        let mut numbers = vec![0_u32; n_items];
        let mut item_starts = vec![0; n_items + 1];
        for (number, item) in order.iter().enumerate() {
            numbers[*item as usize] = number as u32;
            item_starts[number + 1] = item_starts[number] + counts[*item as usize];
        }
        if item_starts[n_items] > u32::MAX as usize {
            return Err(Error::OutOfRange {
                what: "entries",
                expected: "of at most 4,294,967,295",
                found: item_starts[n_items] as f64,
            });
        }
        let mut compact = Self {
            order,
            items: Vec::new(),
            weights: Vec::new(),
            begins: vec![0; item_starts[n_items]],
            before: vec![0; item_starts[n_items]],
            item_weights: Vec::new(),
            item_starts,
            norms: None,
        };
        compact.by_item(people, measure, &numbers);
        compact.by_person(people.n_rows());
        Ok(compact)
    }

    pub(super) fn n_items(&self) -> usize {
        self.order.len()
    }

    pub(super) fn n_people_of(&self, number: usize) -> usize {
        self.item_starts[number + 1] - self.item_starts[number]
    }

    /// People and weights of items; weights are divided by norms unless all are 1.
    fn by_item(&mut self, people: &Sparse, measure: Measure, numbers: &[u32]) {
        let weighing = measure.weighing(people);
        let each = |take: &mut dyn FnMut(usize, usize, f64)| {
            for person in 0..people.n_rows() {
                let (items, weights) = people.row(person);
                for (item, weight) in items.iter().zip(weights) {
                    if measure.takes(*weight) {
                        let weight = weighing.of(person, *item as usize, *weight);
                        take(person, numbers[*item as usize] as usize, weight);
                    }
                }
            }
        };
        let mut squares = vec![0.0; numbers.len()];
        let mut all_one = true;
        let mut next = self.item_starts.clone();
        each(&mut |person, number, weight| {
            all_one &= weight.to_bits() == 1.0_f64.to_bits();
            squares[number] += weight * weight;
            // The person, until it is known where theirs begin.
            self.begins[next[number]] = person as u32;
            next[number] += 1;
        });
        if all_one {
            return;
        }
        let norms: Vec<f64> = squares.into_iter().map(f64::sqrt).collect();
        self.item_weights = vec![0.0; self.begins.len()];
        next.copy_from_slice(&self.item_starts);
        each(&mut |_, number, weight| {
            let norm = norms[number];
            let part = if norm > 0.0 { weight / norm } else { 0.0 };
            self.item_weights[next[number]] = part as f32;
            next[number] += 1;
        });
        self.norms = Some(norms);
    }

    /// Items and weights of people, from those of items, which come in the order of numbers.
    fn by_person(&mut self, n_people: usize) {
        let mut starts = vec![0_u32; n_people + 1];
        for person in &self.begins {
            starts[*person as usize + 1] += 1;
        }
        for person in 1..starts.len() {
            starts[person] += starts[person - 1];
        }
        let mut next = starts.clone();
        self.items = vec![C::of(0); self.begins.len()];
        self.weights = vec![0.0; self.item_weights.len()];
        for number in 0..self.n_items() {
            for entry in self.item_starts[number]..self.item_starts[number + 1] {
                let person = self.begins[entry] as usize;
                let place = next[person];
                next[person] += 1;
                self.items[place as usize] = C::of(number);
                if let Some(weight) = self.item_weights.get(entry) {
                    self.weights[place as usize] = *weight;
                }
                self.begins[entry] = starts[person];
                self.before[entry] = place - starts[person];
            }
        }
    }
}
