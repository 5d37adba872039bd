"""Makes ranking.csv: measures of random lists by scikit-learn and by plain numpy.

scikit-learn 1.9.1 (ndcg_score), numpy 2.4.6. One line a list: how many items there are, the ranks
of the taken ones among all of them (joined by blanks), how many of the taken ones the list could
not hold, then the measures at 5 and 10. Run in this folder: python ranking.py
"""

import numpy as np
from sklearn.metrics import average_precision_score, ndcg_score

rng = np.random.default_rng(71)
lines = ["ranks,relevant,k,hit_rate,precision,recall,capped_recall,ndcg,average_precision,reciprocal_rank"]
for case in range(60):
    items = int(rng.integers(12, 60))
    taken = int(rng.integers(1, 14)) if case % 7 else int(rng.integers(1, 3))
    taken = min(taken, items)
    relevant = np.zeros(items, bool)
    relevant[rng.choice(items, taken, replace=False)] = True
    scores = np.arange(items, 0, -1.0)  # best first
    ranks = np.flatnonzero(relevant) + 1
    for k in (1, 5, 10, 100):
        top = relevant[:k]
        found = int(top.sum())
        ndcg = ndcg_score([relevant.astype(float)], [scores], k=k)
        first = ranks[0]
        # Of whole lists scikit-learn's average precision is the same; cut ones are added up here.
        precision_at = np.cumsum(relevant) / np.arange(1, items + 1)
        ap = precision_at[:k][top].sum() / min(k, taken)
        if k >= items:
            assert abs(ap - average_precision_score(relevant, scores)) < 1e-12
        row = [found > 0, found / k, found / taken, found / min(k, taken), ndcg, ap, 1 / first if first <= k else 0]
        lines.append(",".join([" ".join(map(str, ranks)), str(taken), str(k)] + [repr(float(x)) for x in row]))
open("ranking.csv", "w").write("\n".join(lines) + "\n")

# Exposure: how often each of 40 items is shown, who has it of 500 people.
shown = rng.poisson(rng.gamma(0.5, 8.0, 40))
holders = rng.integers(0, 400, 40)
n = len(shown)
gini = np.abs(shown[:, None] - shown[None, :]).sum() / (2 * n * n * shown.mean())
share = np.maximum(holders, 1) / 500
novelty = np.average(-np.log2(share), weights=shown)
head = np.argsort(-holders, kind="stable")[:4]
with open("exposure.csv", "w") as file:
    file.write("shown," + ",".join(map(str, shown)) + "\n")
    file.write("holders," + ",".join(map(str, holders)) + "\n")
    file.write("head," + ",".join(map(str, head)) + "\n")
    figures = [(shown > 0).mean(), gini, novelty, shown[head].sum() / shown.sum()]
    file.write("figures," + ",".join(repr(float(x)) for x in figures) + "\n")
