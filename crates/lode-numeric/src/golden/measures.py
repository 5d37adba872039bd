"""Makes binary.csv, amount.csv, survival_scores.csv and measures.txt: figures of independent programs.

scikit-learn 1.9.1, scipy 1.17.1, lifelines 0.30.3, numpy 2.4.6; where none of them has a measure
(or not with weights) it is computed here in the plainest way, mostly over all pairs of rows, or
with every row repeated as often as its weight says. Run in this folder: python measures.py
"""

import numpy as np
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index
from scipy import optimize, stats
from sklearn import calibration, isotonic, metrics

rng = np.random.default_rng(20260)
figures = []


def put(name, value):
    figures.append(f"{name} {float(value)!r}")


def table(name, columns):
    with open(name, "w") as file:
        file.write(",".join(columns) + "\n")
        for row in zip(*columns.values()):
            file.write(",".join(repr(float(x)) for x in row) + "\n")


# Scores with many ties, whole weights (so that rows can be repeated), some of them 0.
n = 240
label = (rng.random(n) < 0.35).astype(int)
a = np.clip(np.round(0.30 + 0.22 * label + 0.2 * rng.standard_normal(n), 2), 0.01, 0.99)
b = np.clip(np.round(0.35 + 0.12 * label + 0.25 * rng.standard_normal(n), 1), 0.0, 1.0)
b = np.clip(b, 0.05, 0.95)
weight = rng.integers(0, 5, n).astype(float)
value = np.round(rng.gamma(2.0, 20.0, n), 2)
table("binary.csv", {"a": a, "b": b, "label": label, "weight": weight, "value": value})


def spread(score, label, weight, value, at):
    """Rows, yes rows and value of the best `at` rows, tied rows taken in part."""
    order = np.unique(score)[::-1]
    rows = np.cumsum([weight[score == s].sum() for s in order])
    yes = np.cumsum([(weight * label)[score == s].sum() for s in order])
    worth = np.cumsum([(weight * label * value)[score == s].sum() for s in order])
    grid = np.concatenate([[0.0], rows])
    return np.interp(at, grid, np.concatenate([[0.0], yes])), np.interp(
        at, grid, np.concatenate([[0.0], worth])
    )


def delong(scores, label, weight):
    """Over all pairs of a yes and a no row."""
    keep = weight > 0
    scores = [s[keep] for s in scores]
    label, weight = label[keep], weight[keep]
    yes, no = label == 1, label == 0
    wy, wn = weight[yes], weight[no]
    m, k = len(wy), len(wn)
    aucs, v10, v01 = [], [], []
    for s in scores:
        pairs = (s[yes][:, None] > s[no][None, :]) + 0.5 * (s[yes][:, None] == s[no][None, :])
        v10.append(pairs @ wn / wn.sum())
        v01.append(wy @ pairs / wy.sum())
        aucs.append(wy @ v10[-1] / wy.sum())
    cov = np.zeros((len(scores), len(scores)))
    for i in range(len(scores)):
        for j in range(len(scores)):
            cov[i, j] = (
                m / (m - 1) * (wy**2 * (v10[i] - aucs[i]) * (v10[j] - aucs[j])).sum() / wy.sum() ** 2
                + k / (k - 1) * (wn**2 * (v01[i] - aucs[i]) * (v01[j] - aucs[j])).sum() / wn.sum() ** 2
            )
    return aucs, cov


def equal_count(p, label, weight, n_bins):
    """Bins of equal weight, tied rows taken in part."""
    order = np.unique(p)
    rows = np.array([weight[p == s].sum() for s in order])
    yes = np.array([(weight * label)[p == s].sum() for s in order])
    grid = np.concatenate([[0.0], np.cumsum(rows)])
    borders = np.linspace(0, grid[-1], n_bins + 1)
    predicted = np.diff(np.interp(borders, grid, np.concatenate([[0.0], np.cumsum(rows * order)])))
    happened = np.diff(np.interp(borders, grid, np.concatenate([[0.0], np.cumsum(yes)])))
    size = grid[-1] / n_bins
    return predicted / size, happened / size


for kind, w in [("plain", np.ones(n)), ("weighted", weight)]:
    for name, s in [("a", a), ("b", b)]:
        at = f"{kind}.{name}"
        put(f"{at}.auc", metrics.roc_auc_score(label, s, sample_weight=w))
        put(f"{at}.average_precision", metrics.average_precision_score(label, s, sample_weight=w))
        put(f"{at}.log_loss", metrics.log_loss(label, s, sample_weight=w))
        put(f"{at}.brier", metrics.brier_score_loss(label, s, sample_weight=w))
        again = np.repeat(np.arange(n), w.astype(int))
        yes, no = s[again][label[again] == 1], s[again][label[again] == 0]
        put(f"{at}.ks", stats.ks_2samp(yes, no).statistic)
        chosen = (s >= 0.5).astype(int)
        p, r, f, _ = metrics.precision_recall_fscore_support(
            label, chosen, sample_weight=w, average="binary"
        )
        put(f"{at}.precision", p)
        put(f"{at}.recall", r)
        put(f"{at}.f1", f)
        put(f"{at}.accuracy", metrics.accuracy_score(label, chosen, sample_weight=w))
        total, ones = w.sum(), (w * label).sum()
        for share in [0.05, 0.1, 0.25, 0.6]:
            got, worth = spread(s, label, w, value, share * total)
            put(f"{at}.reached_by.{share}", got / ones)
            put(f"{at}.lift.{share}", got / ones / share)
            put(f"{at}.precision_by.{share}", got / (share * total))
            put(f"{at}.profit.{share}", 1.5 * worth - 20 * share * total)
        got, _ = spread(s, label, w, value, 37.0)
        put(f"{at}.recall_by_rows.37", got / ones)
        fine = np.concatenate([[0.0], np.cumsum([w[s == x].sum() for x in np.unique(s)[::-1]])])
        ends, worths = spread(s, label, w, value, fine)
        put(f"{at}.best_profit", np.max(1.5 * worths - 20 * fine))
        put(f"{at}.best_share", fine[np.argmax(1.5 * worths - 20 * fine)] / total)
        # The curve may be level somewhere: the least share is asked for.
        for reach in [0.3, 0.8]:
            steps = np.flatnonzero(ends >= reach * ones)[0]
            part = (reach * ones - ends[steps - 1]) / (ends[steps] - ends[steps - 1])
            rows = fine[steps - 1] + part * (fine[steps] - fine[steps - 1])
            put(f"{at}.contact_to_reach.{reach}", rows / total)
        edge = np.linspace(0, 1, 11)
        bin_of = np.searchsorted(edge[1:-1], s)
        sums = [np.bincount(bin_of, weights=x, minlength=10) for x in (w, w * s, w * label)]
        full = sums[0] > 0
        gap = np.abs(sums[1][full] / sums[0][full] - sums[2][full] / sums[0][full])
        put(f"{at}.ece_width", (sums[0][full] * gap).sum() / total)
        put(f"{at}.mce_width", gap.max())
        if kind == "plain":
            truth, promised = calibration.calibration_curve(label, s, n_bins=10)
            assert np.allclose(gap, np.abs(truth - promised), atol=1e-15)
        predicted, happened = equal_count(s, label, w, 10)
        put(f"{at}.ece_count", np.abs(predicted - happened).mean())
        put(f"{at}.mce_count", np.abs(predicted - happened).max())
        put(f"{at}.observed_count.3", happened[3])
    aucs, cov = delong([a, b], label, w)
    put(f"{kind}.delong.variance_a", cov[0, 0])
    put(f"{kind}.delong.variance_b", cov[1, 1])
    put(f"{kind}.delong.covariance", cov[0, 1])
    z = (aucs[0] - aucs[1]) / np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    put(f"{kind}.delong.p_value", 2 * stats.norm.sf(abs(z)))

    # Calibration of the log odds of b, whose ranking is the weaker one.
    margin = np.log(b / (1 - b))
    iso = isotonic.IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    keep = w > 0
    iso.fit(margin[keep], label[keep], sample_weight=w[keep])
    for x in [-5.0, -1.3, -0.2, 0.0, 0.61, 1.7, 9.0]:
        put(f"{kind}.isotonic.{x}", iso.predict([x])[0])
    ones, zeros = (w * label).sum(), (w * (1 - label)).sum()
    target = np.where(label == 1, (ones + 1) / (ones + 2), 1 / (zeros + 2))

    def gradient(ab):
        p = 1 / (1 + np.exp(-(ab[0] * margin + ab[1])))
        return [(w * (p - target) * margin).sum(), (w * (p - target)).sum()]

    slope, intercept = optimize.root(gradient, [1.0, 0.0], tol=1e-15).x
    slope, intercept = optimize.root(gradient, [slope, intercept], tol=1e-15).x
    put(f"{kind}.platt.slope", slope)
    put(f"{kind}.platt.intercept", intercept)
    theirs = calibration._sigmoid_calibration(margin, label, sample_weight=w)
    assert np.allclose([-slope, -intercept], theirs, atol=1e-4), (slope, intercept, theirs)

# Amounts: many zeros, ties in the prediction.
n = 220
expected = np.round(rng.gamma(1.5, 30.0, n), 0) + 1.0
amount = np.where(rng.random(n) < 0.3, 0.0, np.round(expected * rng.gamma(3.0, 1 / 3.0, n), 2))
weight = rng.integers(0, 4, n).astype(float)
table("amount.csv", {"predicted": expected, "actual": amount, "weight": weight})


def gini(by, amount):
    """Over repeated rows, by numpy's trapezoid along the ends of tied groups."""
    order = np.unique(by)[::-1]
    rows = np.concatenate([[0], np.cumsum([(by == x).sum() for x in order])]) / len(by)
    held = np.concatenate([[0], np.cumsum([amount[by == x].sum() for x in order])]) / amount.sum()
    return 2 * np.trapezoid(held, rows) - 1


for kind, w in [("plain", np.ones(n)), ("weighted", weight)]:
    put(f"{kind}.rmse", metrics.root_mean_squared_error(amount, expected, sample_weight=w))
    put(f"{kind}.mae", metrics.mean_absolute_error(amount, expected, sample_weight=w))
    put(f"{kind}.r2", metrics.r2_score(amount, expected, sample_weight=w))
    put(f"{kind}.wape", (w * np.abs(amount - expected)).sum() / (w * amount).sum())
    again = np.repeat(np.arange(n), w.astype(int))
    y, p = amount[again], expected[again]
    put(f"{kind}.spearman", stats.spearmanr(y, p).statistic)
    put(f"{kind}.normalized_gini", gini(p, y) / gini(y, y))
    put(f"{kind}.poisson", metrics.mean_poisson_deviance(amount, expected, sample_weight=w))
    put(f"{kind}.tweedie", metrics.mean_tweedie_deviance(amount, expected, power=1.5, sample_weight=w))
    put(f"{kind}.gamma", metrics.mean_gamma_deviance(amount + 1, expected, sample_weight=w))
    got, worth = spread(expected, np.ones(n), w, amount, 0.2 * w.sum())
    put(f"{kind}.value_reached.0.2", worth / (w * amount).sum())
    top, worth = spread(expected, np.ones(n), w, amount, 0.3 * w.sum())
    before, less = spread(expected, np.ones(n), w, amount, 0.2 * w.sum())
    put(f"{kind}.decile_3_actual", worth - less)

# How far the amounts of the first half are from those of the second.
for kind, w in [("plain", np.ones(n)), ("weighted", weight)]:
    first, second = slice(0, n // 2), slice(n // 2, n)
    edges = np.quantile(amount[first], np.arange(1, 10) / 10, method="inverted_cdf", weights=w[first])
    edges = np.unique(edges)
    shares = []
    for part in (first, second):
        counts = np.bincount(np.searchsorted(edges, amount[part]), weights=w[part], minlength=len(edges) + 1)
        shares.append(np.maximum(counts / counts.sum(), 1e-4))
    put(f"{kind}.psi", ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())

# Survival: ties in time, also of events and censorings; ties in risk.
n = 150
risk = np.round(rng.standard_normal(n), 1)
time = np.ceil(rng.exponential(20.0 * np.exp(-0.5 * risk)))
censor = np.ceil(rng.exponential(30.0, n))
event = (time <= censor).astype(int)
time = np.minimum(time, censor)
chance = np.round(1 / (1 + np.exp(-(risk - 0.3))), 3)
weight = rng.integers(0, 4, n).astype(float)
table("survival_scores.csv", {"time": time, "event": event, "risk": risk, "chance": chance, "weight": weight})
horizon = 12.0


def pairs(time, event, risk, w):
    right = total = 0.0
    for i in range(len(time)):
        for j in range(len(time)):
            first = event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j]))
            if first:
                total += w[i] * w[j]
                right += w[i] * w[j] * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]))
    return right / total


put("plain.concordance", concordance_index(time, -risk, event))
put("weighted.concordance", pairs(time, event, risk, weight))
assert abs(pairs(time, event, risk, np.ones(n)) - concordance_index(time, -risk, event)) < 1e-14
for kind, w in [("plain", np.ones(n)), ("weighted", weight)]:
    keep = w > 0
    km = KaplanMeierFitter().fit(time[keep], event[keep], weights=w[keep])
    put(f"{kind}.kaplan_meier.12", km.predict(horizon))
    put(f"{kind}.kaplan_meier.30", km.predict(30.0))
    # The chance of not being censored: events at a time leave before censorings at it.
    times = np.unique(time)

    def lasting(t, inclusive):
        product = 1.0
        for u in times:
            if u < t or (inclusive and u == t):
                at_risk = (w * (time > u)).sum() + (w * ((time == u) & (event == 0))).sum()
                gone = (w * ((time == u) & (event == 0))).sum()
                product *= 1 - gone / at_risk if at_risk > 0 else 1.0
        return product

    brier = 0.0
    for i in range(n):
        if time[i] > horizon:
            brier += w[i] * chance[i] ** 2 / lasting(horizon, True)
        elif event[i]:
            brier += w[i] * (1 - chance[i]) ** 2 / lasting(time[i], False)
    put(f"{kind}.brier_at", brier / w.sum())
    order = np.unique(chance)
    passed, bins = 0.0, {}
    for x in order:
        here = w[chance == x].sum()
        bins[x] = min(int((passed + here / 2) / w.sum() * 4), 3)
        passed += here
    rows = np.array([bins[x] == 2 for x in chance]) & keep
    of_bin = KaplanMeierFitter().fit(time[rows], event[rows], weights=w[rows])
    put(f"{kind}.calibration_at.observed", 1 - of_bin.predict(horizon))
    put(f"{kind}.calibration_at.predicted", np.average(chance[rows], weights=w[rows]))

with open("measures.txt", "w") as file:
    file.write("\n".join(figures) + "\n")
print(len(figures), "figures")
