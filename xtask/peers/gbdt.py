"""The peers' side of `cargo xtask bench gbdt`, and the judge of both sides.

    gbdt.py learn --case CASE --file FILE --objective O --rounds N --leaves N --rate R --bins N
                  --threads N --explain N --scores OUT
    gbdt.py judge --file FILE --objective O --scored NAME=SCORES [--scored ...]

FILE is what the example `gbdt` of lode-numeric wrote (its file.rs says how), so all sides learn
from the same numbers. `learn` fits one case in this process, scores all rows, explains the first
held-out rows, writes scores of the held-out rows and prints, stage by stage, wall and CPU seconds
(of all threads), what was resident before and what was at most. Reading the file and bringing it
into the layout that the library likes best is not measured. `judge` prints the measures of each
file of scores, as scikit-learn computes them, and those of the truth that targets were drawn from.
"""
import argparse
import json
import os
import tempfile
import time

ALPHA = 0.9
POWER = 1.5

# What LightGBM calls the objectives; the other peers run the first alone.
OBJECTIVES = {
    "binary": {"objective": "binary"},
    "squared": {"objective": "regression"},
    "poisson": {"objective": "poisson"},
    "gamma": {"objective": "gamma"},
    "tweedie": {"objective": "tweedie", "tweedie_variance_power": POWER},
    "quantile": {"objective": "quantile", "alpha": ALPHA},
    "rank": {"objective": "lambdarank"},
}

# How rows reach LightGBM's histograms, and whether slopes are rounded to small whole numbers.
LIGHTGBM = {
    "lightgbm": {},
    "lightgbm_fastest": {"force_row_wise": True, "use_quantized_grad": True},
}


class Rows:
    """What a file holds."""

    def __init__(self, path, features=True):
        import numpy as np

        with open(path, "rb") as file:
            self.rows, self.learn, columns = (int(n) for n in np.fromfile(file, "<u8", 3))
            self.levels = [int(n) for n in np.fromfile(file, "<u8", columns)]
            self.x = None
            if features:
                # The layout and the width that all of them read without a copy.
                self.x = np.empty((self.rows, columns), np.float32)
                for column in range(columns):
                    self.x[:, column] = np.fromfile(file, "<f8", self.rows)
            else:
                file.seek(columns * self.rows * 8, os.SEEK_CUR)
            self.target, self.truth, self.query = (np.fromfile(file, "<f8", self.rows) for _ in range(3))

    def categories(self):
        return [at for at, levels in enumerate(self.levels) if levels]

    def queries(self, rows):
        """Rows of each query, one after the other."""
        import numpy as np

        return np.unique(self.query[rows], return_counts=True)[1]


def status(name):
    with open("/proc/self/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    raise SystemExit(f"no {name} in /proc/self/status")


def measured(work):
    """The result of some work, and what it took."""
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")
    base, cpu, start = status("VmRSS"), time.process_time(), time.perf_counter()
    result = work()
    took = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    return result, {**took, "base_bytes": base, "peak_bytes": status("VmHWM")}


def median(work):
    """The same three times, or more until it took half a second: the run of median wall time."""
    start, runs = time.perf_counter(), []
    while len(runs) < 3 or time.perf_counter() - start < 0.5:
        result, took = measured(work)
        runs.append(took)
    return result, sorted(runs, key=lambda took: took["seconds"])[len(runs) // 2]


def took(args, explain):
    """What contributions took; nothing where none are asked for."""
    return measured(explain)[1] if args.explain else None


def size_of(write):
    """Bytes of a file that a model is written to."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        write(path)
        return os.path.getsize(path)


def lightgbm(args, data):
    import lightgbm as lgb

    learn = slice(0, data.learn)
    params = {
        "num_leaves": args.leaves,
        "learning_rate": args.rate,
        "max_bin": args.bins,
        "num_threads": args.threads,
        "verbose": -1,
        "seed": 1,
        **OBJECTIVES[args.objective],
        **LIGHTGBM[args.case],
    }
    more = {"group": data.queries(learn)} if args.objective == "rank" else {}

    def bin_rows():
        rows = lgb.Dataset(
            data.x[learn],
            data.target[learn],
            params=params,
            categorical_feature=data.categories(),
            free_raw_data=False,
            **more,
        )
        return rows.construct()

    rows, binned = measured(bin_rows)
    model, trained = measured(lambda: lgb.train(params, rows, args.rounds))
    scores, scored = median(lambda: model.predict(data.x, num_threads=args.threads))
    sample = data.x[data.learn : data.learn + args.explain]
    explained = took(args, lambda: model.predict(sample, pred_contrib=True, num_threads=args.threads))
    bytes_ = len(model.model_to_string())
    return {"bin": binned, "train": trained, "score": scored, "explain": explained}, scores, bytes_


def xgboost(args, data):
    import xgboost as xgb

    learn = slice(0, data.learn)
    params = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": args.leaves,
        "max_depth": 0,
        "eta": args.rate,
        "max_bin": args.bins + 1,
        "nthread": args.threads,
        "seed": 1,
    }
    bin_rows = lambda: xgb.QuantileDMatrix(
        data.x[learn], data.target[learn], max_bin=args.bins + 1, nthread=args.threads
    )
    rows, binned = measured(bin_rows)
    model, trained = measured(lambda: xgb.train(params, rows, args.rounds))
    scores, scored = median(lambda: model.inplace_predict(data.x))
    sample = xgb.DMatrix(data.x[data.learn : data.learn + args.explain], nthread=args.threads)
    explained = took(args, lambda: model.predict(sample, pred_contribs=True))
    bytes_ = len(model.save_raw("ubj"))
    return {"bin": binned, "train": trained, "score": scored, "explain": explained}, scores, bytes_


def catboost(args, data):
    from catboost import CatBoostClassifier, Pool

    learn = slice(0, data.learn)
    rows, pooled = measured(lambda: Pool(data.x[learn], data.target[learn].astype("int32")))
    # Symmetric trees of depth 6, its default.
    model = CatBoostClassifier(
        iterations=args.rounds,
        learning_rate=args.rate,
        depth=6,
        border_count=min(args.bins, 254),
        boosting_type="Plain",
        thread_count=args.threads,
        random_seed=1,
        verbose=0,
        allow_writing_files=False,
    )
    _, trained = measured(lambda: model.fit(rows))
    predict = lambda: model.predict_proba(data.x, thread_count=args.threads)[:, 1]
    scores, scored = median(predict)
    sample = Pool(data.x[data.learn : data.learn + args.explain])
    explain = lambda: model.get_feature_importance(sample, type="ShapValues", thread_count=args.threads)
    explained = took(args, explain)
    bytes_ = size_of(model.save_model)
    # It cuts numbers into bins as a part of training.
    return {"bin": pooled, "train": trained, "score": scored, "explain": explained}, scores, bytes_


def sklearn(args, data):
    import pickle

    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=args.rounds,
        max_leaf_nodes=args.leaves,
        learning_rate=args.rate,
        max_bins=args.bins,
        early_stopping=False,
        random_state=1,
    )
    x, y = data.x[: data.learn], data.target[: data.learn]
    _, trained = measured(lambda: model.fit(x, y))
    scores, scored = median(lambda: model.predict_proba(data.x)[:, 1])
    # Binning is a part of training; it has no contributions.
    return {"bin": None, "train": trained, "score": scored, "explain": None}, scores, len(pickle.dumps(model))


CASES = {
    "lightgbm": lightgbm,
    "lightgbm_fastest": lightgbm,
    "xgboost": xgboost,
    "catboost": catboost,
    "sklearn": sklearn,
}


def learn(args):
    import numpy as np

    data = Rows(args.file)
    args.explain = min(args.explain, data.rows - data.learn)
    stages, scores, model_bytes = CASES[args.case](args, data)
    np.asarray(scores, "<f8")[data.learn :].tofile(args.scores)
    return {
        **stages,
        "scored": data.rows,
        "explained": args.explain if stages["explain"] else 0,
        "model_bytes": model_bytes,
    }


def measures(objective, target, scores, query):
    import numpy as np
    from sklearn import metrics

    if objective == "binary":
        auc = metrics.roc_auc_score(target, scores)
        return {"auc": auc, "log_loss": metrics.log_loss(target, scores)}
    if objective == "squared":
        return {"rmse": metrics.mean_squared_error(target, scores) ** 0.5}
    if objective == "quantile":
        covered = float(np.mean(target <= scores))
        return {"pinball": metrics.mean_pinball_loss(target, scores, alpha=ALPHA), "covered": covered}
    if objective == "rank":
        # Means over queries that have different grades; a part of a query at the ends counts too.
        found = []
        for rows in np.split(np.arange(len(query)), np.flatnonzero(np.diff(query)) + 1):
            if len(rows) > 1 and target[rows].max() > target[rows].min():
                gains = [2.0 ** target[rows] - 1.0]
                found.append(metrics.ndcg_score(gains, [scores[rows]], k=10))
        return {"ndcg_10": float(np.mean(found))}
    power = {"poisson": 1, "gamma": 2, "tweedie": POWER}[objective]
    return {"deviance": metrics.mean_tweedie_deviance(target, scores, power=power)}


def judge(args):
    import numpy as np

    data = Rows(args.file, features=False)
    held = slice(data.learn, data.rows)
    files = dict(name.split("=", 1) for name in args.scored)
    scores = {name: np.fromfile(path, "<f8") for name, path in files.items()}
    scores["truth"] = data.truth[held]
    return {
        name: measures(args.objective, data.target[held], found, data.query[held])
        for name, found in scores.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["learn", "judge"])
    parser.add_argument("--file", required=True)
    parser.add_argument("--objective", choices=list(OBJECTIVES), required=True)
    parser.add_argument("--case", choices=list(CASES))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--leaves", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--bins", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--explain", type=int, default=0)
    parser.add_argument("--scores")
    parser.add_argument("--scored", action="append", default=[])
    args = parser.parse_args()
    print(json.dumps({"learn": learn, "judge": judge}[args.what](args)))


if __name__ == "__main__":
    main()
