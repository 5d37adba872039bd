//! Measures of one list by the ranks of the items that were taken.

/// Where the items that someone took stand in the list that they were offered.
///
/// Binary relevance: an item was taken or it was not. Each measure is from 0 to 1, and 0 of a list
/// in which nothing was found, also where nothing was to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankedList<'a> {
    /// The 1-based ranks of taken items, ascending; those that are not listed have none.
    pub ranks: &'a [usize],
    /// How many were taken, listed or not.
    pub n_relevant: usize,
}

impl RankedList<'_> {
    fn found(&self, k: usize) -> usize {
        self.ranks.partition_point(|rank| *rank <= k)
    }

    /// 1 when any taken item is among the first `k` (HR@k).
    pub fn hit_rate(&self, k: usize) -> f64 {
        f64::from(u8::from(self.found(k) > 0))
    }

    /// Taken items among the first `k`, over `k`.
    pub fn precision(&self, k: usize) -> f64 {
        share(self.found(k), k)
    }

    /// Taken items among the first `k`, over all taken ones: it cannot reach 1 where more than
    /// `k` were taken.
    pub fn recall(&self, k: usize) -> f64 {
        share(self.found(k), self.n_relevant)
    }

    /// Taken items among the first `k`, over as many as could be there: `min(k, taken)`.
    pub fn capped_recall(&self, k: usize) -> f64 {
        share(self.found(k), self.n_relevant.min(k))
    }

    /// `sum(1 / log2(rank + 1))` over the taken items among the first `k`, over that of the best
    /// list: all of them first.
    ///
    /// K. Jarvelin, J. Kekalainen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS
    /// 20(4), 2002, doi:10.1145/582415.582418, with the logarithm of `rank + 1` from rank 1 on.
    pub fn ndcg(&self, k: usize) -> f64 {
        let found = &self.ranks[..self.found(k)];
        if found.is_empty() {
            return 0.0;
        }
        let gain: f64 = found.iter().copied().map(discount).sum();
        let ideal: f64 = (1..=self.n_relevant.min(k)).map(discount).sum();
        gain / ideal
    }

    /// Mean of the precision at the rank of each taken item among the first `k`, over
    /// `min(k, taken)` (AP@k; its mean over lists is MAP).
    pub fn average_precision(&self, k: usize) -> f64 {
        let found = &self.ranks[..self.found(k)];
        if found.is_empty() {
            return 0.0;
        }
        let precisions = (1..).zip(found);
        let sum: f64 = precisions
            .map(|(n, rank): (usize, &usize)| n as f64 / *rank as f64)
            .sum();
        sum / self.n_relevant.min(k) as f64
    }

    /// 1 over the rank of the first taken item among the first `k` (its mean over lists is MRR).
    pub fn reciprocal_rank(&self, k: usize) -> f64 {
        match self.ranks.first() {
            Some(first) if *first <= k => 1.0 / *first as f64,
            _ => 0.0,
        }
    }
}

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

fn share(part: usize, whole: usize) -> f64 {
    match part {
        0 => 0.0,
        part => part as f64 / whole as f64,
    }
}

fn discount(rank: usize) -> f64 {
    1.0 / (rank as f64 + 1.0).log2()
}
