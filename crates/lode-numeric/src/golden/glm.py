"""Writes glm_figures.csv: penalized regressions of standardized Iris by scikit-learn.

Columns: the four measures, standardized, and a category `row mod 4` as zeros and ones.
Outcome: virginica against the rest, or the amount `3 * sepal_length + row mod 7`.
Row weights: `1 + (row mod 3) / 2`.
Needs numpy and scikit-learn (1.9.1 was used); uses nothing of Lode.
"""

import csv
import pathlib
import warnings

import numpy as np
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge

warnings.filterwarnings("ignore")
folder = pathlib.Path(__file__).parent
data = np.genfromtxt(folder / "iris.csv", delimiter=",", skip_header=1)
rows = np.arange(len(data))
x = (data[:, :4] - data[:, :4].mean(0)) / data[:, :4].std(0)
x = np.hstack([x, np.eye(4)[rows % 4]])
virginica = data[:, 4] == 2
amount = 3 * data[:, 0] + rows % 7
weights = 1 + (rows % 3) / 2


def logistic(l1, l2, sample_weight):
    if l1 == 0:
        model = LogisticRegression(solver="newton-cholesky", C=1 / l2, tol=1e-12, max_iter=1000)
    else:
        model = LogisticRegression(
            penalty="elasticnet", solver="saga", C=1 / (l1 + l2), l1_ratio=l1 / (l1 + l2),
            tol=1e-14, max_iter=2_000_000,
        )
    model.fit(x, virginica, sample_weight=sample_weight)
    return model.intercept_[0], model.coef_[0]


def squared(l1, l2, sample_weight):
    if l1 == 0:
        model = Ridge(alpha=l2, solver="cholesky")
    else:
        total = len(x) if sample_weight is None else sample_weight.sum()
        model = ElasticNet(
            alpha=(l1 + l2) / total, l1_ratio=l1 / (l1 + l2), tol=1e-15, max_iter=1_000_000
        )
    model.fit(x, amount, sample_weight=sample_weight)
    return model.intercept_, model.coef_


with open(folder / "glm_figures.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["loss", "l1", "l2", "weighted", "intercept"] + [f"w{n}" for n in range(8)])
    for name, fit, penalties in [
        ("logistic", logistic, [(0.0, 1.0), (0.0, 10.0), (2.0, 0.0), (3.0, 1.0)]),
        ("squared", squared, [(0.0, 1.0), (0.0, 10.0), (20.0, 0.0), (30.0, 15.0)]),
    ]:
        for l1, l2 in penalties:
            for weighted, sample_weight in [("no", None), ("yes", weights)]:
                intercept, coefficients = fit(l1, l2, sample_weight)
                figures = [float(figure) + 0.0 for figure in [intercept, *coefficients]]
                out.writerow([name, l1, l2, weighted, *map(repr, figures)])
