//! What the made-up retailer sells: eight categories of twelve items, and which go together.
//!
//! Invariant: item names are unique and need no quotes in CSV; the first items of a category
//! are its best sellers.

/// Items that one preference group is after.
#[derive(Debug)]
pub(crate) struct Category {
    pub(crate) name: &'static str,
    /// Share of customers whose group this is, in percent.
    pub(crate) percent: u32,
    /// Name and price in cents.
    pub(crate) items: [(&'static str, u32); 12],
}

/// Pairs of items that are bought together.
pub(crate) const PAIRS: [(&str, &str); 12] = [
    ("espresso-beans", "milk-frother"),
    ("green-tea", "tea-strainer"),
    ("tomato-seeds", "seed-tray"),
    ("rose-shears", "garden-gloves"),
    ("chef-knife", "sharpening-stone"),
    ("pasta-maker", "drying-rack"),
    ("crime-novel", "reading-lamp"),
    ("train-set", "extra-rails"),
    ("running-shoes", "running-socks"),
    ("yoga-mat", "yoga-blocks"),
    ("drill", "drill-bits"),
    ("cat-tree", "cat-teaser"),
];

/// All categories; percents add up to 100.
pub(crate) const CATEGORIES: [Category; 8] = [
    Category {
        name: "coffee-and-tea",
        percent: 18,
        items: [
            ("espresso-beans", 1290),
            ("green-tea", 690),
            ("milk-frother", 2490),
            ("stoneware-mug", 950),
            ("tea-strainer", 540),
            ("filter-papers", 320),
            ("teapot", 2990),
            ("coffee-grinder", 4990),
            ("honey-jar", 780),
            ("oat-biscuits", 390),
            ("cocoa-powder", 620),
            ("pour-over-set", 3490),
        ],
    },
    Category {
        name: "garden",
        percent: 16,
        items: [
            ("tomato-seeds", 290),
            ("garden-gloves", 890),
            ("rose-shears", 2190),
            ("seed-tray", 690),
            ("potting-soil", 750),
            ("watering-can", 1590),
            ("plant-labels", 350),
            ("bird-feeder", 1890),
            ("hand-trowel", 1190),
            ("bulb-mix", 990),
            ("garden-twine", 420),
            ("rain-gauge", 1090),
        ],
    },
    Category {
        name: "kitchen",
        percent: 15,
        items: [
            ("chef-knife", 5900),
            ("cutting-board", 2490),
            ("sharpening-stone", 2890),
            ("pasta-maker", 4490),
            ("drying-rack", 1990),
            ("mixing-bowl", 1290),
            ("olive-oil", 1190),
            ("sea-salt", 490),
            ("whisk", 850),
            ("baking-tin", 1390),
            ("apron", 1790),
            ("kitchen-scale", 2690),
        ],
    },
    Category {
        name: "books",
        percent: 14,
        items: [
            ("crime-novel", 1190),
            ("cookery-book", 2490),
            ("reading-lamp", 2990),
            ("travel-guide", 1890),
            ("poetry-book", 1290),
            ("notebook", 790),
            ("fountain-pen", 3490),
            ("bookends", 1990),
            ("crossword-book", 590),
            ("atlas", 3990),
            ("bookmark-set", 390),
            ("ink-bottle", 890),
        ],
    },
    Category {
        name: "toys",
        percent: 12,
        items: [
            ("building-blocks", 2490),
            ("train-set", 4990),
            ("extra-rails", 1990),
            ("jigsaw", 1490),
            ("board-game", 2990),
            ("plush-bear", 1890),
            ("kite", 1290),
            ("marbles", 490),
            ("crayons", 590),
            ("play-dough", 690),
            ("spinning-top", 390),
            ("doll-house", 7990),
        ],
    },
    Category {
        name: "sport",
        percent: 11,
        items: [
            ("running-shoes", 8990),
            ("yoga-mat", 2990),
            ("running-socks", 1290),
            ("water-bottle", 1490),
            ("yoga-blocks", 1590),
            ("skipping-rope", 890),
            ("headband", 690),
            ("resistance-band", 1190),
            ("foam-roller", 2490),
            ("gym-towel", 990),
            ("dumbbells", 3490),
            ("bike-light", 1990),
        ],
    },
    Category {
        name: "workshop",
        percent: 8,
        items: [
            ("drill", 8990),
            ("drill-bits", 1990),
            ("tape-measure", 890),
            ("screwdrivers", 2490),
            ("wood-glue", 690),
            ("sandpaper", 490),
            ("hammer", 1890),
            ("spirit-level", 1490),
            ("work-light", 3490),
            ("wall-plugs", 390),
            ("paint-brush", 590),
            ("safety-glasses", 1090),
        ],
    },
    Category {
        name: "pets",
        percent: 6,
        items: [
            ("cat-food", 1590),
            ("dog-food", 2490),
            ("cat-teaser", 690),
            ("cat-tree", 6990),
            ("chew-bone", 490),
            ("dog-leash", 1490),
            ("pet-bed", 2990),
            ("cat-litter", 1190),
            ("grooming-brush", 990),
            ("food-bowl", 890),
            ("bird-seed", 590),
            ("fish-flakes", 450),
        ],
    },
];

/// Items of one category.
pub(crate) const PER_CATEGORY: usize = 12;

/// Items in all; item `i` is number `i % 12` of category `i / 12`.
pub(crate) const N_ITEMS: usize = CATEGORIES.len() * PER_CATEGORY;

/// Name and price in cents of an item.
pub(crate) fn item(index: usize) -> (&'static str, u32) {
    CATEGORIES[index / PER_CATEGORY].items[index % PER_CATEGORY]
}

/// The partner of each item, if it has one.
pub(crate) fn partners() -> Vec<Option<usize>> {
    let find = |name: &str| (0..N_ITEMS).find(|index| item(*index).0 == name);
    let mut partners = vec![None; N_ITEMS];
    for (a, b) in PAIRS {
        if let (Some(a), Some(b)) = (find(a), find(b)) {
            partners[a] = Some(b);
            partners[b] = Some(a);
        }
    }
    partners
}

#[cfg(test)]
mod tests;
