"""Makes leukemia.csv, survival.csv and survival_figures.csv, the golden data of `survival`.

python 3.11 with lifelines 0.30.3, statsmodels 0.15.0, scipy and pandas. Every figure comes
from one of those programs, none from Lode. Run it in this folder.
"""

from decimal import Decimal, getcontext

import numpy as np
import pandas as pd
import statsmodels.api as sm
from lifelines import CoxPHFitter, KaplanMeierFitter
from scipy import stats
from scipy.optimize import minimize

figures = []


def put(name, values):
    values = np.atleast_1d(np.asarray(values, dtype=float)).ravel()
    figures.append(",".join([name] + [repr(float(value)) for value in values]))


# Weeks in remission of 42 children, + for censored: E. Freireich and others, Blood 21, 1963,
# as printed by D. Cox, J. R. Statist. Soc. B 34, 1972, table 1.
DRUG = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"
rows = []
for placebo, text in [(0, DRUG), (1, PLACEBO)]:
    for word in text.split():
        rows.append((float(word.rstrip("+")), int(not word.endswith("+")), placebo))
leukemia = pd.DataFrame(rows, columns=["duration", "event", "placebo"])
leukemia.astype(int).to_csv("leukemia.csv", index=False)

# Subjects with ties, weights, late entries and contracts.
rng = np.random.default_rng(7)
n = 220
x1 = rng.normal(size=n).round(3)
x2 = rng.exponential(size=n).round(3)
level = rng.integers(0, 3, size=n)
end = rng.integers(-2, 16, size=n)
has_contract = rng.random(n) < 0.75
entry = np.where(rng.random(n) < 0.3, rng.integers(1, 6, size=n), 0)
duration, event = [], []
for i in range(n):
    margin = -2.6 + 0.7 * x1[i] - 0.4 * x2[i] + [0.0, 0.5, -0.5][level[i]]
    limit = int(entry[i]) + int(rng.integers(1, 20))
    period, left = int(entry[i]), False
    while period < limit and not left:
        period += 1
        at_end = has_contract[i] and period == end[i]
        after = has_contract[i] and period > end[i]
        left = rng.random() < 1 / (1 + np.exp(-(margin + 1.5 * at_end + 0.6 * after)))
    duration.append(period)
    event.append(int(left))
subjects = pd.DataFrame(
    {
        "duration": duration,
        "event": event,
        "entry": entry,
        "weight": rng.choice([0.5, 1.0, 1.25, 2.0, 3.0], size=n),
        "end": np.where(has_contract, end, 999),
        "x1": x1,
        "x2": x2,
        "level": level,
    }
)
subjects.to_csv("survival.csv", index=False)


def cox(name, data, columns, penalizer=0.0, **extra):
    fitter = CoxPHFitter(penalizer=penalizer)
    extra_columns = [c for c in extra.values()]
    fitter.fit(
        data[["duration", "event"] + columns + extra_columns],
        "duration",
        "event",
        fit_options={"precision": 1e-13, "r_precision": 1e-15, "step_size": 1.0, "max_steps": 50},
        **extra,
    )
    summary = fitter.summary
    put(f"{name} coef", summary["coef"])
    put(f"{name} se", summary["se(coef)"])
    put(f"{name} z", summary["z"])
    put(f"{name} p", summary["p"])
    put(f"{name} low", summary["coef lower 95%"])
    put(f"{name} high", summary["coef upper 95%"])
    put(f"{name} log_likelihood", fitter.log_likelihood_)
    # lifelines' baseline is that of a subject with mean columns; margin 0 is ours.
    shift = np.exp(-(fitter._norm_mean * fitter.params_).sum())
    hazard = fitter.baseline_hazard_["baseline hazard"] * shift
    hazard = hazard[hazard > 0]
    if "entry_col" in extra:
        # There lifelines leaves entries out of its baseline.
        weight = data["weight"] if "weights_col" in extra else pd.Series(np.ones(len(data)))
        risk = weight * np.exp(data[columns] @ fitter.params_)
        for time in hazard.index:
            at_risk = (data.entry < time) & (data.duration >= time)
            leaves = (data.duration == time) & (data.event == 1)
            hazard[time] = weight[leaves].sum() / risk[at_risk].sum()
    put(f"{name} times", hazard.index)
    put(f"{name} hazard", hazard)


cox("leukemia", leukemia, ["placebo"])
data = subjects.copy()
data["level1"] = (data.level == 1) * 1.0
data["level2"] = (data.level == 2) * 1.0
COLUMNS = ["x1", "x2", "level1", "level2"]
cox("plain", data, COLUMNS)
cox("weights", data, COLUMNS, weights_col="weight")
cox("entries", data, COLUMNS, entry_col="entry")
cox("all", data, COLUMNS, weights_col="weight", entry_col="entry")
# The penalty is on columns of standard deviation 1.
scaled = data.copy()
scaled[["x1", "x2"]] = (scaled[["x1", "x2"]] - scaled[["x1", "x2"]].mean()) / scaled[
    ["x1", "x2"]
].std()
cox("penalty", scaled, ["x1", "x2"], penalizer=0.05)


def curve(name, data, **extra):
    km = KaplanMeierFitter().fit(data.duration, data.event, **extra)
    table = km.event_table
    keep = table["removed"] > 0
    put(f"{name} times", table.index[keep])
    # Its at_risk counts those who enter at the time; its survival function does not.
    entrance = table["entrance"].where(table.index > 0, 0)
    put(f"{name} at_risk", (table["at_risk"] - entrance)[keep])
    put(f"{name} survival", km.survival_function_.loc[table.index[keep], "KM_estimate"])
    interval = km.confidence_interval_.loc[table.index[keep]]
    put(f"{name} low", interval.iloc[:, 0])
    put(f"{name} high", interval.iloc[:, 1])


curve("km leukemia", leukemia[leukemia.placebo == 0])
# lifelines cuts what is at risk to whole numbers: 4 makes them so.
curve("km weights", subjects, weights=(4 * subjects.weight).astype(int))
curve("km entries", subjects, entry=subjects.entry)

# Discrete time: every subject and period a row of its own.
GROUPS = [(1, 2), (3, 5), (6, 9), (10, 99)]
expanded = []
for row in data.itertuples():
    for period in range(row.entry + 1, row.duration + 1):
        phase = "none" if row.end == 999 else "before"
        if row.end != 999 and period >= row.end:
            phase = "ends" if period == row.end else "after"
        expanded.append(
            [row.x1, row.x2, row.level1, row.level2]
            + [float(phase == word) for word in ["ends", "after", "none"]]
            + [float(low <= period <= high) for low, high in GROUPS]
            + [float(row.event and period == row.duration), row.weight]
        )
expanded = np.array(expanded)
x, y, w = expanded[:, :-2], expanded[:, -2], expanded[:, -1]
for name, link in [("logit", sm.families.links.Logit()), ("loglog", sm.families.links.CLogLog())]:
    family = sm.families.Binomial(link=link)
    for kind, weights in [("plain", np.ones(len(y))), ("weights", w)]:
        found = sm.GLM(y, x, family=family, freq_weights=weights).fit(tol=1e-14, maxiter=200)
        put(f"{name} {kind} coef", found.params)
        put(f"{name} {kind} log_likelihood", found.llf)
        # The observed information, which GLM gives apart from the expected one.
        information = -found.model.hessian(found.params, observed=True)
        put(f"{name} {kind} se", np.sqrt(np.diag(np.linalg.inv(information))))

    def loss(point, l2=2.0, smooth=3.0):
        eta = x @ point
        if name == "logit":
            risk, quiet = -np.logaddexp(0, -eta), -np.logaddexp(0, eta)
        else:
            risk, quiet = np.log(-np.expm1(-np.exp(eta))), -np.exp(eta)
        value = -(w * np.where(y > 0, risk, quiet)).sum()
        return value + l2 / 2 * (point[:7] ** 2).sum() + smooth / 2 * (np.diff(point[7:]) ** 2).sum()

    def slope(point, l2=2.0, smooth=3.0):
        eta = x @ point
        rate = np.exp(eta)
        if name == "logit":
            residual = 1 / (1 + np.exp(-eta)) - y
        else:
            residual = np.where(y > 0, -rate / np.expm1(rate), rate)
        change = np.diff(point[7:])
        of_levels = smooth * (np.append(0, change) - np.append(change, 0))
        return (w * residual) @ x + np.append(l2 * point[:7], of_levels)

    point = found.params
    for _ in range(5):
        point = minimize(loss, point, jac=slope, method="BFGS", options={"gtol": 1e-10}).x
    put(f"{name} penalty coef", point)
    put(f"{name} penalty loss", loss(point))



def erfc_of(x):
    """By its series and its continued fraction, to 60 digits: scipy's has an error of 1e-14."""
    getcontext().prec = 60
    x = Decimal(float(x))
    pi = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")
    if x < 3:
        term, total, k = x, x, 0
        while abs(term) > Decimal("1e-60"):
            k += 1
            term = -term * x * x / k
            total += term / (2 * k + 1)
        return float(1 - 2 / pi.sqrt() * total)
    tail = x
    for k in range(4000, 0, -1):
        tail = x + Decimal(k) / 2 / tail
    return float((-x * x).exp() / tail / pi.sqrt())


z = np.array([0.0, 0.1, 0.5, 0.6, 1.0, 1.96, 3.0, 5.0, 6.0, 9.0, 20.0, 37.0])
put("normal z", z)
put("normal p", [erfc_of(value / np.sqrt(2)) for value in z])
levels = np.array([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
put("quantile level", levels)
put("quantile z", stats.norm.ppf((1 + levels) / 2))

with open("survival_figures.csv", "w", encoding="utf-8") as file:
    file.write("\n".join(figures) + "\n")
