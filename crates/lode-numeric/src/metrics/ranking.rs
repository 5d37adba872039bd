//! Measures of ranked lists: did the items that people really took come early?
//!
//! Does not sample candidates: ranks are over the full list. Invariant: means are over all
//! queries added, also those whose items were never listed.

/// The 1-based ranks of `relevant` items in `ranked`, ascending; items that are not listed
/// have none.
pub fn ranks_of<T: PartialEq>(ranked: &[T], relevant: &[T]) -> Vec<usize> {
    ranked
        .iter()
        .enumerate()
        .filter(|(_, item)| relevant.contains(item))
        .map(|(index, _)| index + 1)
        .collect()
}

/// Adds up ranking measures over queries (one query = one person's list).
#[derive(Clone, Debug, PartialEq)]
pub struct RankingSums {
    k: usize,
    n_queries: u64,
    hits: f64,
    recall: f64,
    ndcg: f64,
    reciprocal: f64,
}

/// Means over queries, each `0.0..=1.0`; 0 without queries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankingReport {
    /// Lists are cut after this rank (for all but the MRR).
    pub k: usize,
    /// How many queries.
    pub n_queries: u64,
    /// Share of queries with a relevant item among the first k (HR@k).
    pub hit_rate: f64,
    /// Mean share of a query's relevant items among the first k.
    pub recall: f64,
    /// Mean NDCG@k: `sum(1 / log2(rank + 1))` against the best possible.
    pub ndcg: f64,
    /// Mean of 1 / rank of the first relevant item, 0 where none is listed.
    pub mrr: f64,
}

impl RankingSums {
    /// Nothing yet; lists will be cut after rank `k`.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            n_queries: 0,
            hits: 0.0,
            recall: 0.0,
            ndcg: 0.0,
            reciprocal: 0.0,
        }
    }

    /// Adds a query: the 1-based ranks of those of its `n_relevant` items that were listed.
    ///
    /// Binary relevance; K. Jarvelin, J. Kekalainen, "Cumulated gain-based evaluation of IR
    /// techniques", ACM TOIS 20(4), 2002, doi:10.1145/582415.582418, with the logarithm of
    /// `rank + 1` from rank 1 on. A query without relevant items is not counted.
    pub fn add(&mut self, ranks: &[usize], n_relevant: usize) {
        if n_relevant == 0 {
            return;
        }
        self.n_queries += 1;
        let within = || ranks.iter().copied().filter(|rank| *rank <= self.k);
        let found = within().count();
        let gain: f64 = within().map(discount).sum();
        let ideal: f64 = (1..=n_relevant.min(self.k)).map(discount).sum();
        if found > 0 {
            self.hits += 1.0;
            self.recall += found as f64 / n_relevant as f64;
            self.ndcg += gain / ideal;
        }
        if let Some(first) = ranks.iter().min() {
            self.reciprocal += 1.0 / *first as f64;
        }
    }

    /// The means.
    pub fn report(&self) -> RankingReport {
        let n = self.n_queries.max(1) as f64;
        RankingReport {
            k: self.k,
            n_queries: self.n_queries,
            hit_rate: self.hits / n,
            recall: self.recall / n,
            ndcg: self.ndcg / n,
            mrr: self.reciprocal / n,
        }
    }
}

fn discount(rank: usize) -> f64 {
    1.0 / (rank as f64 + 1.0).log2()
}
