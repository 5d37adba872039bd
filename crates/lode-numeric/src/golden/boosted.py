"""Makes boosted.csv, the golden data of `trees::gbdt`.

python 3.11 with numpy and xgboost; uses nothing of Lode. Run it in this folder.
"""

import numpy as np
import xgboost

N = 80
rng = np.random.default_rng(11)
x0 = rng.integers(0, 15, N).astype(float)
x1 = np.round(rng.normal(size=N), 1)
x2 = rng.integers(0, 4, N).astype(float)
x0[rng.choice(N, 9, False)] = np.nan
z = 0.25 * np.nan_to_num(x0, nan=3) - 1.2 * x1 + 0.8 * (x2 == 2) - 1.5
yes = (rng.random(N) < 1 / (1 + np.exp(-z))).astype(int)
scale = np.exp(0.1 * np.nan_to_num(x0, nan=5) + 0.4 * x1)
amount = np.round(scale * rng.gamma(2, 0.5, N) + 0.01, 2)
zeros = np.where(rng.random(N) < 0.4, 0, amount)
weight = rng.integers(1, 4, N)
data = np.c_[x0, x1, x2]
shape = dict(max_depth=3, eta=0.2, min_child_weight=0.1, reg_lambda=1.0, tree_method="exact", nthread=1)
margins = []
for objective, target, more in (
    ("binary:logistic", yes, {}),
    ("reg:squarederror", amount, {}),
    ("reg:gamma", amount, {}),
    ("reg:tweedie", zeros, {"tweedie_variance_power": 1.5}),
):
    start = float((target * weight).sum() / weight.sum())
    params = {**shape, **more, "objective": objective, "base_score": start}
    model = xgboost.train(params, xgboost.DMatrix(data, target, weight=weight), 15)
    margins.append(model.predict(xgboost.DMatrix(data), output_margin=True))
with open("boosted.csv", "w", encoding="utf-8") as out:
    out.write("x0,x1,x2,yes,amount,zeros,weight,logistic,squared,gamma,tweedie\n")
    for i in range(N):
        row = ["" if np.isnan(x0[i]) else f"{x0[i]:g}", f"{x1[i]:g}", f"{x2[i]:g}"]
        row += [str(yes[i]), f"{amount[i]:g}", f"{zeros[i]:g}", str(weight[i])]
        out.write(",".join(row + [f"{margin[i]:.9g}" for margin in margins]) + "\n")
