"""Makes scorecard.csv and scorecard_figures.csv, the golden data of `scorecard`.

python 3.11 with numpy and scipy; uses nothing of Lode. Bins are found by trying every
partition, the regression by scipy's BFGS. Run it in this folder.
"""

from itertools import combinations

import numpy as np
from scipy.optimize import minimize

figures = []


def put(name, values):
    values = np.atleast_1d(np.asarray(values, dtype=float)).ravel()
    figures.append(",".join([name] + [repr(float(value)) for value in values]))


rng = np.random.default_rng(11)
n = 400
age = rng.integers(18, 70, size=n).astype(float)
income = rng.lognormal(3.0, 0.6, size=n).round(1)
region = rng.choice(8, size=n, p=[0.25, 0.2, 0.2, 0.15, 0.1, 0.04, 0.03, 0.03])
debt = rng.normal(size=n).round(2)
noise = rng.normal(size=n).round(2)
margin = -1.2 - 0.04 * (age - 40) + 0.02 * (income - 22) * (income < 40)
margin += np.array([0.0, 0.8, -0.6, 0.1, 0.9, 0.5, -0.5, 0.0])[region] + 0.9 * np.abs(debt)
yes = (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(float)
weight = rng.choice([0.5, 1.0, 2.0], size=n)
income[rng.random(n) < 0.1] = np.nan
table = np.column_stack([age, income, region, debt, noise, yes, weight])
with open("scorecard.csv", "w", encoding="utf-8") as file:
    file.write("age,income,region,debt,noise,yes,weight\n")
    for row in table:
        file.write(",".join("NaN" if np.isnan(v) else f"{v:g}" for v in row) + "\n")

FINE, BINS, SHARE, GAIN, SMOOTHING = 14, 5, 0.06, 4.0, 1.0


def woe_iv(y, n, all_y, all_n):
    total = all_y + all_n
    top = (y + SMOOTHING * all_y / total) / all_y
    bottom = (n + SMOOTHING * all_n / total) / all_n
    woe = np.log(top / bottom)
    return woe, (y / all_y - n / all_n) * woe


def best(groups, all_y, all_n, trend):
    """Every partition of the groups [(yes, no)] into neighbors; the best one's starts."""
    cost = GAIN * (1 / all_y + 1 / all_n)
    winner = (-np.inf, None)
    for k in range(BINS):
        for inner in combinations(range(1, len(groups)), k):
            starts = (0,) + inner
            parts = [sum(groups[a:b], np.zeros(2)) for a, b in zip(starts, inner + (len(groups),))]
            if any(part.sum() < SHARE * (all_y + all_n) for part in parts):
                continue
            found = [woe_iv(*part, all_y, all_n) for part in parts]
            steps = np.diff([woe for woe, _ in found])
            if trend == "monotone" and not (np.all(steps >= 0) or np.all(steps <= 0)):
                continue
            value = sum(iv for _, iv in found) - cost * len(parts)
            if value > winner[0] + 1e-12:
                winner = (value, starts)
    return winner[1]


def numbers(name, x, w, trend):
    all_y, all_n = (w * yes).sum(), (w * (1 - yes)).sum()
    present = ~np.isnan(x)
    values = np.unique(x[present])
    by_value = [np.array([(w * yes)[x == v].sum(), (w * (1 - yes))[x == v].sum()]) for v in values]
    total = w[present].sum()
    groups, uppers, current, done = [], [], np.zeros(2), 0.0
    for v, counts in zip(values, by_value):
        current = current + counts
        if done + current.sum() >= (len(groups) + 1) / FINE * total * (1 - 1e-12):
            groups.append(current)
            uppers.append(v)
            done += current.sum()
            current = np.zeros(2)
    if current.sum() > 0:
        groups.append(current)
        uppers.append(values[-1])
    starts = best(groups, all_y, all_n, trend)
    cuts = [uppers[s - 1] for s in starts[1:]]
    bin_of = np.searchsorted(cuts, x, side="left")
    bin_of[~present] = len(starts)
    return finish(name, bin_of, w, all_y, all_n, cuts)


def finish(name, bin_of, w, all_y, all_n, cuts):
    woes, ivs, weights = [], [], []
    for b in range(bin_of.max() + 1):
        inside = bin_of == b
        woe, iv = woe_iv((w * yes)[inside].sum(), (w * (1 - yes))[inside].sum(), all_y, all_n)
        woes.append(woe)
        ivs.append(iv)
        weights.append(w[inside].sum())
    put(f"{name} cuts", cuts)
    put(f"{name} weight", weights)
    put(f"{name} woe", woes)
    put(f"{name} iv", ivs)
    return np.array(woes)[bin_of], sum(ivs)


def categories(name, codes, w):
    all_y, all_n = (w * yes).sum(), (w * (1 - yes)).sum()
    counts = {c: np.array([(w * yes)[codes == c].sum(), (w * (1 - yes))[codes == c].sum()]) for c in range(8)}
    kept = [[c] for c in counts if counts[c].sum() >= SHARE * (all_y + all_n)]
    rare = [c for c in counts if 0 < counts[c].sum() < SHARE * (all_y + all_n)]
    groups = kept + ([rare] if rare else [])
    total = [sum((counts[c] for c in group), np.zeros(2)) for group in groups]
    order = np.argsort([woe_iv(*t, all_y, all_n)[0] for t in total])
    groups, total = [groups[i] for i in order], [total[i] for i in order]
    starts = best(total, all_y, all_n, "free")
    bin_of_level = np.zeros(8)
    for index, group in enumerate(groups):
        for level in group:
            bin_of_level[level] = sum(s <= index for s in starts) - 1
    return finish(name, bin_of_level[codes].astype(int), w, all_y, all_n, bin_of_level)


for kind, w in [("plain", np.ones(n)), ("weights", weight)]:
    for trend in ["monotone", "free"]:
        key = f"{kind} {trend}"
        columns, values = [], []
        for name, x in [("age", age), ("income", income), ("debt", debt), ("noise", noise)]:
            column, iv = numbers(f"{key} {name}", x, w, trend)
            columns.append(column)
            values.append(iv)
        column, iv = categories(f"{key} region", region, w)
        columns.append(column)
        values.append(iv)
        x = np.column_stack([c for c, iv in zip(columns, values) if iv >= 0.02])
        put(f"{key} used", [float(iv >= 0.02) for iv in values])

        def loss(point):
            eta = point[0] + x @ point[1:]
            value = (w * (np.logaddexp(0, eta) - yes * eta)).sum() + 0.5 * (point[1:] ** 2).sum()
            residual = w * (1 / (1 + np.exp(-eta)) - yes)
            return value, np.append(residual.sum(), residual @ x + point[1:])

        point = np.zeros(x.shape[1] + 1)
        for _ in range(4):
            point = minimize(loss, point, jac=True, method="BFGS", options={"gtol": 1e-11}).x
        put(f"{key} coef", point)
        factor = 20 / np.log(2)
        offset = 600 - factor * np.log(50)
        put(f"{key} score", (offset - factor * (point[0] + x @ point[1:]))[:20])

with open("scorecard_figures.csv", "w", encoding="utf-8") as file:
    file.write("\n".join(figures) + "\n")
