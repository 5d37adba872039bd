//! What kind of sentence a feature's description is, and of what it speaks.
//!
//! The sentences are those of `describe`; one that is not among them is [`Meaning::Named`].

/// How a value is to be said.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    /// Days since the last one.
    Recency { thing: Thing },
    /// Days since the first one.
    First { thing: Thing },
    /// How many.
    Count { thing: Thing, over: String },
    /// A slope per day.
    Trend { of: String, over: String },
    /// A part of all.
    Share { of: String, over: String },
    /// A number of days.
    Days { what: String, over: String },
    /// A sum of what was paid.
    Spent { with: String, over: String },
    /// Anything else that has words of its own.
    Value { what: String, over: String },
    /// Told by its name.
    Named,
}

/// What is counted.
#[derive(Debug, PartialEq)]
pub(super) struct Thing {
    /// e.g. `order`, `event in retail`.
    one: String,
    /// e.g. `orders`, `events in retail`.
    many: String,
    /// ` with kind hotline`; empty when any counts.
    with: String,
}

impl Thing {
    pub(super) fn one(&self) -> String {
        format!("{}{}", self.one, self.with)
    }

    /// With its article.
    pub(super) fn any(&self) -> String {
        let article = match self.one.starts_with(['a', 'e', 'i', 'o']) {
            true => "an",
            false => "a",
        };
        format!("{article} {}", self.one())
    }

    pub(super) fn many(&self, number: f64) -> String {
        let noun = match number {
            1.0 => &self.one,
            _ => &self.many,
        };
        format!("{noun}{}", self.with)
    }
}

/// Reads a description.
pub(super) fn meaning(name: &str, description: &str) -> Meaning {
    if let Some((column, _)) = description.split_once(" of the customer in ") {
        return Meaning::Value {
            what: name_words(column),
            over: String::new(),
        };
    }
    if let Some(sentence) = Sentence::read(description) {
        return sentence.meaning(name);
    }
    let two = |sign: &str| description.split_once(sign);
    let joined =
        two(" divided by ").map(|(a, b)| format!("{} by {}", name_words(a), name_words(b)));
    match joined.or_else(|| {
        two(" times ").map(|(a, b)| format!("{} times {}", name_words(a), name_words(b)))
    }) {
        Some(what) if !description.contains(['(', ';']) => Meaning::Value {
            what,
            over: String::new(),
        },
        _ => Meaning::Named,
    }
}

/// A name as words: `hotline_calls` and `HotlineCalls` are "hotline calls".
pub(super) fn name_words(name: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    let letters: Vec<char> = name.chars().collect();
    for (i, &letter) in letters.iter().enumerate() {
        let next_is_small = letters.get(i + 1).is_some_and(|next| next.is_lowercase());
        match letter {
            '_' | '-' => words.push(' '),
            // A new word, unless it is one of several capitals, such as ID.
            _ if letter.is_uppercase() && (before.is_lowercase() || before.is_numeric()) => {
                words.push(' ');
                words.push(letter);
            }
            _ => words.push(letter),
        }
        // The capital of a word is not one of an abbreviation.
        if letter.is_uppercase() && next_is_small {
            words.pop();
            words.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether what is added is no column but quantity by unit price.
fn is_product(column: &str) -> bool {
    column.contains(" x ")
}

/// What an amount is called: by its column, or where it is quantity by unit price by what that is.
fn amount_words(column: &str) -> String {
    match is_product(column) {
        true => "amount".to_owned(),
        false => name_words(column),
    }
}

/// A sentence of `describe` about events, cut into its parts.
struct Sentence<'a> {
    what: &'a str,
    /// ` in the last 60 days`, ` in all`, or nothing.
    over: String,
    dataset: &'a str,
    only: &'a str,
}

impl<'a> Sentence<'a> {
    fn read(description: &'a str) -> Option<Self> {
        let (head, only) = match description.split_once(", only events with ") {
            Some((head, only)) => (head, only),
            None => (description, ""),
        };
        if let Some((rest, dataset)) = head.rsplit_once(", of ") {
            let rest = rest.strip_suffix(" up to the as-of time")?;
            let (what, over) = match rest.strip_suffix(" over all time") {
                Some(what) => (what, " in all".to_owned()),
                None => {
                    let (what, window) = rest.rsplit_once(" over the ")?;
                    (what, format!(" in the last {}", without_one(window)))
                }
            };
            return Some(Self {
                what,
                over,
                dataset,
                only,
            });
        }
        let (what, dataset) = head.rsplit_once(" to the as-of time in ")?;
        Some(Self {
            what,
            over: String::new(),
            dataset,
            only,
        })
    }

    fn meaning(self, name: &str) -> Meaning {
        let what = self.what.strip_suffix(" to the as-of time");
        let what = what.unwrap_or(self.what);
        let (dataset, over) = (self.dataset, self.over);
        let thing = |condition: &str| thing(dataset, condition, self.only);
        let value = |what: String, over: String| Meaning::Value { what, over };
        if let Some(condition) = what.strip_prefix("Days from the last event") {
            let condition = condition.strip_prefix(" with ").unwrap_or_default();
            return Meaning::Recency {
                thing: thing(condition),
            };
        }
        if what.starts_with("Days from the first event") {
            return Meaning::First { thing: thing("") };
        }
        match what {
            "Number of different orders" => {
                return Meaning::Count {
                    thing: Thing {
                        one: "order".to_owned(),
                        many: "orders".to_owned(),
                        with: with("", self.only),
                    },
                    over,
                };
            }
            "Number of days (UTC) with an event" => {
                let one = format!("day with {}", thing("").any());
                let many = format!("days with {}", thing("").any());
                let with = String::new();
                return Meaning::Count {
                    thing: Thing { one, many, with },
                    over,
                };
            }
            "Days between the last two events" => {
                let what = format!("time between the last two {}", thing("").many(2.0));
                return Meaning::Days { what, over };
            }
            "Mean of the days between consecutive events" => {
                let what = format!("mean time between {}", thing("").many(2.0));
                return Meaning::Days { what, over };
            }
            "Share of the events in each hour of the day (UTC)" => {
                let hour = name.rsplit('_').next().unwrap_or_default();
                let of = format!("{} in hour {hour} (UTC)", thing("").many(2.0));
                return Meaning::Share { of, over };
            }
            "Share of the events on each weekday (UTC)" => {
                let day = name.rsplit('_').next().unwrap_or_default();
                let of = format!("{} on {day}", thing("").many(2.0));
                return Meaning::Share { of, over };
            }
            _ => {}
        }
        if let Some(rest) = what.strip_prefix("Number of events") {
            let condition = rest.strip_prefix(" with ").unwrap_or_default();
            let condition = condition.strip_prefix("a value of ").map_or_else(
                || condition.to_owned(),
                |column| format!("a {}", name_words(column)),
            );
            return Meaning::Count {
                thing: thing(&condition),
                over,
            };
        }
        if let Some(column) = what.strip_prefix("Number of different values of ") {
            return Meaning::Count {
                thing: Thing {
                    one: format!("different {}", name_words(column)),
                    many: format!("different {}", plural(&name_words(column))),
                    with: with("", self.only),
                },
                over,
            };
        }
        if let Some(rest) = what.strip_prefix("Share of the events with ") {
            let (condition, of) = match rest.rsplit_once(" in the sum of ") {
                Some((condition, column)) => (condition, amount_words(column)),
                None => {
                    let condition = rest.strip_suffix(" in all events").unwrap_or(rest);
                    (condition, thing("").many(2.0))
                }
            };
            let of = format!("{of}{}", with(condition, ""));
            return Meaning::Share { of, over };
        }
        if let Some(column) = what.strip_prefix("Least-squares slope per day of ") {
            let of = format!("{}{}", amount_words(column), with("", self.only));
            return Meaning::Trend { of, over };
        }
        if let Some(column) = what.strip_suffix(" of the last event that has one") {
            let what = format!("last {}{}", amount_words(column), with("", self.only));
            return value(what, String::new());
        }
        if what.strip_prefix("Sum of ").is_some_and(is_product) {
            let with = with("", self.only);
            return Meaning::Spent { with, over };
        }
        for (start, word) in [
            ("Sum of ", "total"),
            ("Mean of ", "mean"),
            ("Largest ", "largest"),
            ("Smallest ", "smallest"),
            ("Sample standard deviation of ", "spread of"),
        ] {
            if let Some(column) = what.strip_prefix(start) {
                let what = match column {
                    "the days between consecutive events" => {
                        format!("days between {}", thing("").many(2.0))
                    }
                    column => format!("{}{}", amount_words(column), with("", self.only)),
                };
                return value(format!("{word} {what}"), over);
            }
        }
        Meaning::Named
    }
}

/// `1 day` is "day": in the last day.
fn without_one(window: &str) -> &str {
    window.strip_prefix("1 ").unwrap_or(window)
}

/// What the rows of a dataset are called: one of `orders` is an order; of a dataset whose name
/// is no plural they are events.
fn thing(dataset: &str, condition: &str, only: &str) -> Thing {
    let words = name_words(dataset);
    let one = match words.strip_suffix("ies") {
        Some(stem) if stem.len() > 2 => Some(format!("{stem}y")),
        _ => words
            .strip_suffix('s')
            .filter(|stem| stem.len() > 2 && !stem.ends_with(['s', 'u', 'i']))
            .map(str::to_owned),
    };
    let (one, many) = match one {
        Some(one) => (one, words),
        None => (
            format!("event in {dataset}"),
            format!("events in {dataset}"),
        ),
    };
    Thing {
        one,
        many,
        with: with(condition, only),
    }
}

/// The conditions of what counts, behind " with ".
fn with(condition: &str, only: &str) -> String {
    let both = [condition, only];
    let both: Vec<String> = both
        .iter()
        .filter(|condition| !condition.is_empty())
        .map(|condition| spoken(condition))
        .collect();
    match both.is_empty() {
        true => String::new(),
        false => format!(" with {}", both.join(" and ")),
    }
}

/// `kind = "hotline"` is "kind hotline".
fn spoken(condition: &str) -> String {
    let mut text = condition.to_owned();
    for (sign, word) in [
        (" >= ", " at least "),
        (" <= ", " at most "),
        (" != ", " other than "),
        (" = ", " "),
        (" > ", " above "),
        (" < ", " below "),
        (" in ", " one of "),
    ] {
        text = text.replace(sign, word);
    }
    text.replace('"', "")
}

fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if noun.ends_with('s') => noun.to_owned(),
        _ => format!("{noun}s"),
    }
}
