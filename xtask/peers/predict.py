"""The peers' side of `cargo xtask bench predict`, the folds of both sides, and the judge.

    predict.py models --data FOLDER                         the peers
    predict.py sets  --data FOLDER [--set NAME]...          what there is to predict
    predict.py split --data FOLDER --set NAME --out WORK    the folds, as Lode's users would load them
    predict.py peer  --data FOLDER --set NAME --out WORK --model MODEL --threads N
    predict.py judge --data FOLDER --set NAME --out WORK

Folds are scikit-learn's StratifiedKFold(FOLDS, shuffle=True, random_state=0), the same for all.
`split` writes train_K.csv with labels, and test_K.csv with none; rows are named r0, r1, ... by
their place in the source. `peer` writes MODEL.peer.json with its probability for each row and
prints seconds and CPU seconds of fitting and predicting, without loading or splitting. `judge`
reads those and Lode's NAME.FOLD.lode.json, which are what `lode score -o json` printed, and prints
the measures of each: means over the folds, as scikit-learn computes them.

FOLDER/sets.json, where there is one, names other tables: a list of objects with name, file, label,
positive (the label's value that counts), and as need be family (churn or response), separator,
drop (columns to leave out), text (columns of numbers that are names) and numbers (columns of text
that are numbers).
"""
import argparse
import glob
import json
import os
import resource
import time
import warnings

FOLDS = 5

SETS = [
    {
        "name": "telco",
        "file": "telco_churn/Telco-Customer-Churn.csv.gz",
        "family": "churn",
        "label": "Churn",
        "positive": "Yes",
        "drop": ["customerID"],
        "numbers": ["TotalCharges"],
    },
    {
        # How long the call took is known only after it.
        "name": "bank",
        "file": "bank_marketing/bank-additional-full.csv.gz",
        "family": "response",
        "separator": ";",
        "label": "y",
        "positive": "yes",
        "drop": ["duration"],
    },
    {
        "name": "shoppers",
        "file": "online_shoppers/online_shoppers_intention.csv.gz",
        "family": "response",
        "label": "Revenue",
        "positive": "True",
        "text": ["OperatingSystems", "Browser", "Region", "TrafficType", "Weekend"],
    },
]

# By themselves with their defaults; tuned ones, and CatBoost with 300 trees, with parameters that
# were found by search on these three sets before Lode had a booster of its own.
MODELS = [
    "logreg",
    "lightgbm",
    "lightgbm_tuned",
    "xgboost",
    "xgboost_tuned",
    "catboost",
    "catboost_300",
]


def known_sets(data):
    path = os.path.join(data, "sets.json")
    if not os.path.exists(path):
        return SETS
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def find(args):
    for known in known_sets(args.data):
        if known["name"] == args.set[0]:
            return known
    raise SystemExit(f"expected a set of {args.data}, found {args.set[0]!r}")


def sets(args):
    """Which there are, and which are missing."""
    found = []
    for known in known_sets(args.data):
        if args.set and known["name"] not in args.set:
            continue
        path = os.path.join(args.data, known["file"])
        found.append(
            {
                "name": known["name"],
                "family": known.get("family", "response"),
                "path": path,
                "is_there": os.path.exists(path),
            }
        )
    return found


def read(args):
    """Features, labels as 0 and 1, and the names of the columns that hold categories."""
    import pandas as pd

    known = find(args)
    path = os.path.join(args.data, known["file"])
    table = pd.read_csv(path, sep=known.get("separator", ","))
    labels = table.pop(known["label"]).astype(str).str.strip().str.lower()
    labels = (labels == str(known["positive"]).lower()).astype(int).to_numpy()
    table = table.drop(columns=known.get("drop", []))
    for name in known.get("numbers", []):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    for name in known.get("text", []):
        table[name] = table[name].astype(str)
    text = [name for name in table if str(table[name].dtype) in ("object", "string", "str")]
    if not 0 < labels.sum() < len(labels):
        raise SystemExit(f"expected both values of {known['label']}, found one")
    return table, labels, text


def folds(table, labels):
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(table, labels)


def split(args):
    table, labels, text = read(args)
    os.makedirs(args.out, exist_ok=True)
    written = table.copy()
    written.insert(0, "row_name", [f"r{i}" for i in range(len(table))])
    for number, (train, test) in enumerate(folds(table, labels)):
        part = written.iloc[train].assign(lode_label=["yes" if y else "no" for y in labels[train]])
        part.to_csv(os.path.join(args.out, f"train_{number}.csv"), index=False)
        part = written.iloc[test].assign(lode_label="")
        part.to_csv(os.path.join(args.out, f"test_{number}.csv"), index=False)
    return {
        "rows": len(labels),
        "positives": int(labels.sum()),
        "columns": table.shape[1],
        "types": {name: kind(table[name], name in text) for name in table},
        "folds": FOLDS,
    }


def kind(column, is_text):
    """The type of a column in Lode."""
    if is_text:
        return "string"
    return {"i": "int64", "b": "bool"}.get(column.dtype.kind, "float64")


def booster_table(table, text):
    table = table.copy()
    for name in text:
        table[name] = table[name].astype("category")
    return table


def predictor(model, table, labels, text, threads):
    """A function of the rows to learn from and the rows to predict."""
    numbers = [name for name in table if name not in text]
    if model == "logreg":
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        def predict(train, test):
            columns = ColumnTransformer(
                [
                    ("n", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
                    ("c", OneHotEncoder(handle_unknown="ignore"), text),
                ]
            )
            fitted = make_pipeline(columns, LogisticRegression(max_iter=2000))
            fitted.fit(table.iloc[train], labels[train])
            return fitted.predict_proba(table.iloc[test])[:, 1]

        return predict
    if model.startswith("catboost"):
        from catboost import CatBoostClassifier

        tuned = {"iterations": 300, "learning_rate": 0.05, "depth": 5}
        options = tuned if model == "catboost_300" else {}
        rows = table.copy()
        rows[text] = rows[text].astype(str)

        def make():
            return CatBoostClassifier(
                cat_features=text,
                thread_count=threads,
                verbose=0,
                random_seed=0,
                allow_writing_files=False,
                **options,
            )

    elif model.startswith("lightgbm"):
        import lightgbm

        tuned = {
            "n_estimators": 300,
            "learning_rate": 0.03,
            "num_leaves": 8,
            "min_child_samples": 30,
            "subsample": 0.8,
            "subsample_freq": 1,
            "colsample_bytree": 0.6,
            "reg_lambda": 5,
        }
        options = tuned if model == "lightgbm_tuned" else {}
        rows = booster_table(table, text)

        def make():
            return lightgbm.LGBMClassifier(n_jobs=threads, verbose=-1, random_state=0, **options)

    elif model.startswith("xgboost"):
        import xgboost

        tuned = {
            "n_estimators": 300,
            "learning_rate": 0.03,
            "max_depth": 4,
            "subsample": 0.8,
            "colsample_bytree": 0.6,
        }
        options = tuned if model == "xgboost_tuned" else {}
        rows = booster_table(table, text)

        def make():
            return xgboost.XGBClassifier(
                enable_categorical=True, n_jobs=threads, random_state=0, **options
            )

    else:
        raise SystemExit(f"expected a model of {', '.join(MODELS)}, found {model!r}")

    def predict(train, test):
        fitted = make().fit(rows.iloc[train], labels[train])
        return fitted.predict_proba(rows.iloc[test])[:, 1]

    return predict


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peer(args):
    warnings.filterwarnings("ignore")
    table, labels, text = read(args)
    predict = predictor(args.model, table, labels, text, args.threads)
    scores = [0.0] * len(labels)
    # What a library prepares at its first use is not what is measured.
    rows = list(range(0, len(labels), max(1, len(labels) // 500)))
    predict(rows, rows)
    seconds = cpu_seconds = 0.0
    for train, test in folds(table, labels):
        before, start = cpu(), time.perf_counter()
        found = predict(train, test)
        seconds += time.perf_counter() - start
        cpu_seconds += cpu() - before
        for row, score in zip(test, found):
            scores[row] = float(score)
    with open(os.path.join(args.out, f"{args.model}.peer.json"), "w", encoding="utf-8") as file:
        json.dump(scores, file)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds}


def measures(scores, labels, tests):
    """Means over the folds, as the reference results of the data sets were made."""
    import numpy as np
    from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

    found = {"auc": [], "log_loss": [], "lift_top_decile": [], "average_precision": []}
    for test in tests:
        p, y = scores[test], labels[test]
        found["auc"].append(roc_auc_score(y, p))
        found["log_loss"].append(log_loss(y, p))
        found["average_precision"].append(average_precision_score(y, p))
        top = np.argsort(-p)[: len(test) // 10]
        found["lift_top_decile"].append(y[top].mean() / y.mean())
    return {name: float(np.mean(values)) for name, values in found.items()}


def judge(args):
    import numpy as np

    table, labels, _ = read(args)
    tests = [test for _, test in folds(table, labels)]
    found = {}
    for model in MODELS:
        path = os.path.join(args.out, f"{model}.peer.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found[model] = measures(np.array(json.load(file)), labels, tests)
    names = {os.path.basename(path).rsplit(".", 4)[0] for path in glob.glob(os.path.join(args.out, "*.lode.json"))}
    for name in sorted(names):
        scores = np.full(len(labels), np.nan)
        for number, test in enumerate(tests):
            for path in glob.glob(os.path.join(args.out, f"{name}.{number}.*.lode.json")):
                with open(path, encoding="utf-8") as file:
                    for row in json.load(file):
                        if row.get("error"):
                            raise SystemExit(f"{path}: {row['customer']}: {row['error']}")
                        scores[int(row["customer"][1:])] = row["score"]
            missing = int(np.isnan(scores[test]).sum())
            if missing:
                raise SystemExit(f"{name}, fold {number}: {missing} rows have no score")
        found[name] = measures(scores, labels, tests)
    return found


def models(args):
    return MODELS


COMMANDS = {"models": models, "sets": sets, "split": split, "peer": peer, "judge": judge}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(COMMANDS))
    parser.add_argument("--data", required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--out")
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    print(json.dumps(COMMANDS[args.what](args)))


if __name__ == "__main__":
    main()
