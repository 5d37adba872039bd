"""The peers' side of `cargo xtask bench recommend`.

    recommend.py --case CASE --file FILE --width N --rounds N --threads N --judge N

FILE is what the example `recommend` of lode-numeric wrote (its file.rs says how), so all sides
learn from the same pairs. Fits one case in this process, finds the ten best items for everybody,
what they have left out, and prints, stage by stage, wall and CPU seconds (of all threads), what
was resident before and what was at most, and how good the lists of the first people are. Reading
the file and bringing it into the layout that the library likes best is not measured.
"""
import argparse
import json
import os
import time

# implicit has threads of its own; those of the linear algebra below them would only disturb.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

TOP = 10


def read(path):
    """What to learn from, and what was held out, as sparse tables."""
    import numpy as np
    import scipy.sparse as sp

    with open(path, "rb") as file:
        people, items, learn, held_out = (int(n) for n in np.fromfile(file, "<u8", 4))
        who, what = np.fromfile(file, "<u4", learn), np.fromfile(file, "<u4", learn)
        weights = np.fromfile(file, "<f4", learn)
        table = sp.csr_matrix((weights, (who, what)), (people, items))
        who, what = np.fromfile(file, "<u4", held_out), np.fromfile(file, "<u4", held_out)
        return table, sp.csr_matrix((np.ones(held_out, "f4"), (who, what)), (people, items))


def model(args):
    from implicit.als import AlternatingLeastSquares
    from implicit.bpr import BayesianPersonalizedRanking
    from implicit.nearest_neighbours import BM25Recommender, CosineRecommender

    if args.case.startswith("als"):
        # The better of two is for quality: the first is what the goals name.
        strong = {"regularization": 10.0, "alpha": 5.0}
        weak = {"regularization": 0.01, "alpha": 1.0}
        return AlternatingLeastSquares(
            factors=args.width,
            iterations=args.rounds,
            use_gpu=False,
            use_cg=args.case != "als_cholesky",
            num_threads=args.threads,
            random_state=1,
            **(strong if args.case == "als_strong" else weak),
        )
    if args.case == "bpr":
        return BayesianPersonalizedRanking(
            factors=args.width - 1,
            iterations=50,
            num_threads=args.threads,
            random_state=1,
            use_gpu=False,
        )
    kind = {"cosine": CosineRecommender, "bm25": BM25Recommender}[args.case]
    return kind(K=100, num_threads=args.threads)


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


def judge(lists, held_out, people):
    """Normalized discounted cumulative gain, and the share of people with something found."""
    import numpy as np

    discounts = 1 / np.log2(np.arange(2, TOP + 2))
    gains = hits = judged = 0
    for person in range(min(people, len(lists))):
        wanted = held_out.indices[held_out.indptr[person]:held_out.indptr[person + 1]]
        if not len(wanted):
            continue
        found = np.isin(lists[person], wanted)
        gains += (found * discounts).sum() / discounts[:min(TOP, len(wanted))].sum()
        hits += found.any()
        judged += 1
    return {"judged": judged, "ndcg_10": gains / judged, "hits_10": hits / judged}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", required=True)
    parser.add_argument("--file", required=True)
    for name in ("--width", "--rounds", "--threads", "--judge"):
        parser.add_argument(name, type=int, required=True)
    args = parser.parse_args()

    import numpy as np

    table, held_out = read(args.file)
    fitted = model(args)
    _, fit = measured(lambda: fitted.fit(table, show_progress=False))
    everybody = np.arange(table.shape[0])
    lists, top = measured(
        lambda: fitted.recommend(everybody, table, N=TOP, filter_already_liked_items=True)[0]
    )
    print(json.dumps({"fit": fit, "top": top, **judge(lists, held_out, args.judge)}))


main()
