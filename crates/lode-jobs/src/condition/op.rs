//! What can be said of a value, and the words and signs for it.

/// What is said of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// More than a number or a time.
    Above,
    /// That or more.
    AtLeast,
    /// Less.
    Below,
    /// That or less.
    AtMost,
    /// Equal to one of some values.
    OneOf,
    /// There, and equal to none of them.
    NoneOf,
    /// Yes.
    True,
    /// Not there.
    Missing,
    /// There.
    Known,
}

impl Op {
    /// Whether it compares by size.
    pub(crate) fn is_order(self) -> bool {
        matches!(
            self,
            Self::Above | Self::AtLeast | Self::Below | Self::AtMost
        )
    }

    /// Whether two values that compare so meet it; of those that compare by size.
    pub(crate) fn meets(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            _ => order.is_eq(),
        }
    }

    /// As it is written.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::OneOf => "=",
            Self::NoneOf => "!=",
            Self::True => "is true",
            Self::Missing => "missing",
            Self::Known => "known",
        }
    }
}

/// Signs before a value; longer ones before those that they start with.
pub(crate) const SIGNS: [(&str, Op); 8] = [
    (">=", Op::AtLeast),
    ("<=", Op::AtMost),
    ("!=", Op::NoneOf),
    ("<>", Op::NoneOf),
    ("==", Op::OneOf),
    (">", Op::Above),
    ("<", Op::Below),
    ("=", Op::OneOf),
];

/// Words before a value, in the order in which they are looked for.
pub(crate) const WORDS: [(&str, Op); 6] = [
    ("at least", Op::AtLeast),
    ("at most", Op::AtMost),
    ("above", Op::Above),
    ("below", Op::Below),
    ("is not", Op::NoneOf),
    ("is", Op::OneOf),
];

/// A word for yes or no.
pub(crate) fn yes_or_no(word: &str) -> Option<bool> {
    let is = |words: [&str; 2]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(["yes", "true"]) {
        return Some(true);
    }
    is(["no", "false"]).then_some(false)
}
