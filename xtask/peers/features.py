"""The peer's side of `cargo xtask bench features`, and the check of both sides' numbers.

    features.py duckdb --events FILE.parquet --times T,T.. --out FOLDER --threads N --memory 12GB
    features.py check  --events FILE.parquet --times T,T.. --ours FILE.arrow --theirs FOLDER --sample N

`duckdb` computes the 30 features of xtask/src/bench/features/view.json at each time, writes
FOLDER/duckdb-N.parquet and prints one JSON object: seconds, CPU seconds, peak bytes, rows.
`check` takes customers at random and computes their features by plain loops over their events, as
docs/features.md defines them: the engine's numbers must be the same to the last bit, and DuckDB's
the same up to the rounding of its own formulas.
"""
import argparse
import datetime
import glob
import json
import math
import os
import random
import resource
import struct
import sys
import time

DAY = 86_400_000_000

# What one row of an invoice is to the customer's rows before it: worked out once for all times.
# Sorted by customer, so that the groups of each SELECT lie together.
PREPARE = """CREATE TABLE e AS
SELECT * EXCLUDE (ts_before), CASE WHEN ts > ts_before THEN epoch_us(ts - ts_before) / 86400e6 END AS gap
FROM (
    SELECT *, qty * unit_price AS amount, file_row_number AS seq, epoch_us(ts) / 86400e6 - 19000 AS day,
        lag(ts) OVER (PARTITION BY customer_id ORDER BY ts, file_row_number) AS ts_before,
        lag(ts) OVER (PARTITION BY customer_id, invoice_id ORDER BY ts, file_row_number) IS NULL AS opens_invoice,
        lag(ts) OVER (PARTITION BY customer_id, item_id ORDER BY ts, file_row_number) AS item_before
    FROM read_parquet('{events}', file_row_number = true))
ORDER BY customer_id, seq"""

# One pass of conditional aggregates. A different item of a window is one that was not bought
# earlier in it, which is far cheaper than count(DISTINCT).
SELECT = """SELECT customer_id, {t} AS as_of,
    epoch_us({t} - max(ts)) / 86400e6 AS recency,
    count(*) FILTER (opens_invoice) AS orders,
    sum(amount) AS spend,
    avg(amount) AS mean_line,
    epoch_us({t} - min(ts)) / 86400e6 AS tenure,
    avg(gap) AS gap_mean,
    stddev_samp(gap) AS gap_std,
    stddev_samp(gap) / avg(gap) AS gap_cv,
    arg_max(gap, seq) AS gap_last,
    count(*) FILTER (ts > {d30}) AS n_30d,
    count(*) FILTER (ts > {d90}) AS n_90d,
    count(*) FILTER (ts > {d180}) AS n_180d,
    coalesce(sum(amount) FILTER (ts > {d30}), 0) AS spend_30d,
    coalesce(sum(amount) FILTER (ts > {d90}), 0) AS spend_90d,
    coalesce(sum(amount) FILTER (ts > {d180}), 0) AS spend_180d,
    avg(amount) FILTER (ts > {d90}) AS mean_90d,
    max(amount) FILTER (ts > {d90}) AS max_90d,
    min(amount) FILTER (ts > {d90}) AS min_90d,
    stddev_samp(amount) FILTER (ts > {d180}) AS std_180d,
    CASE WHEN epoch_us(max(ts) FILTER (ts > {d180}) - min(ts) FILTER (ts > {d180})) >= 86400e6
        THEN regr_slope(amount, day) FILTER (ts > {d180}) END AS trend_180d,
    spend_30d / nullif(spend_90d, 0) AS spend_30_by_90,
    count(*) FILTER (item_before IS NULL) AS items,
    count(*) FILTER (ts > {d90} AND (item_before IS NULL OR item_before <= {d90})) AS items_90d,
    coalesce(sum(amount) FILTER (qty = 1), 0) / nullif(sum(amount), 0) AS share_singles,
    arg_max(item_id, seq) AS last_item,
    arg_max(unit_price, seq) AS last_price,
    count(*) FILTER (qty = 1) AS n_singles,
    epoch_us({t} - max(ts) FILTER (qty = 1)) / 86400e6 AS since_single,
    coalesce(sum(qty) FILTER (ts > {d90}), 0) AS pieces_90d,
    orders * mean_line AS orders_by_mean
FROM e WHERE ts <= {t} GROUP BY customer_id"""


def select(at):
    """The SELECT of one time, its bounds as literals."""
    utc = lambda us: datetime.datetime.fromtimestamp(us / 1e6, datetime.timezone.utc)
    literal = lambda us: f"TIMESTAMPTZ '{utc(us)}'"
    bounds = {f"d{n}": literal(at - n * DAY) for n in (30, 90, 180)}
    return SELECT.format(t=literal(at), **bounds)


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def duckdb_side(args):
    import duckdb

    config = {"threads": args.threads, "memory_limit": args.memory, "preserve_insertion_order": False}
    db = duckdb.connect(config={**config, "temp_directory": os.path.join(args.out, "spill")})
    db.execute("SET TimeZone = 'UTC'")
    before, start, rows = cpu(), time.perf_counter(), 0
    db.execute(PREPARE.format(events=args.events))
    for i, at in enumerate(args.times):
        to = os.path.join(args.out, f"duckdb-{i}.parquet")
        copy = f"COPY ({select(at)}) TO '{to}' (FORMAT parquet, COMPRESSION snappy)"
        rows += db.execute(copy).fetchone()[0]
    seconds, used = time.perf_counter() - start, cpu() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": used, "peak_bytes": peak, "rows": rows}))


def micros(day):
    """Midnight of a date, UTC."""
    at = datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.timezone.utc)
    return int(at.timestamp()) * 1_000_000


def days(us):
    return us / DAY


def total(values):
    s = 0.0
    for v in values:
        s += v
    return s


def mean(values):
    return total(values) / len(values) if values else None


def std(values, around):
    if len(values) < 2:
        return None
    return math.sqrt(total([(v - around) * (v - around) for v in values]) / (len(values) - 1))


def slope(times, values):
    if not times or times[-1] - times[0] < DAY:
        return None
    x = [days(t - times[0]) for t in times]
    mx, mv = mean(x), mean(values)
    together = total([(a - mx) * (v - mv) for a, v in zip(x, values)])
    return together / total([(a - mx) * (a - mx) for a in x])


def features(events, t):
    """The features at t of one customer's events (ts, seq, invoice, item, qty, price), in order."""
    known = [e for e in events if e[0] <= t]
    window = {n: [e for e in known if e[0] > t - n * DAY] for n in (30, 90, 180)}
    amounts = lambda es: [e[4] * e[5] for e in es]
    ones = [e for e in known if e[4] == 1]
    times = sorted({e[0] for e in known})
    gaps = [days(b - a) for a, b in zip(times, times[1:])]
    f = {
        "recency": days(t - known[-1][0]),
        "orders": len({e[2] for e in known}),
        "spend": total(amounts(known)),
        "mean_line": mean(amounts(known)),
        "tenure": days(t - known[0][0]),
        "gap_mean": days(times[-1] - times[0]) / len(gaps) if gaps else None,
        "gap_last": gaps[-1] if gaps else None,
    }
    f["gap_std"] = std(gaps, f["gap_mean"])
    f["gap_cv"] = None if f["gap_std"] is None else f["gap_std"] / f["gap_mean"]
    for n, es in window.items():
        f[f"n_{n}d"] = len(es)
        f[f"spend_{n}d"] = total(amounts(es))
    recent = amounts(window[90])
    f["mean_90d"] = mean(recent)
    f["max_90d"] = max(recent, default=None)
    f["min_90d"] = min(recent, default=None)
    half = amounts(window[180])
    f["std_180d"] = std(half, mean(half))
    f["trend_180d"] = slope([e[0] for e in window[180]], half)
    f["spend_30_by_90"] = f["spend_30d"] / f["spend_90d"] if f["spend_90d"] else None
    f["items"] = len({e[3] for e in known})
    f["items_90d"] = len({e[3] for e in window[90]})
    f["share_singles"] = total(amounts(ones)) / f["spend"] if f["spend"] else None
    f["last_item"], f["last_price"] = known[-1][3], known[-1][5]
    f["n_singles"] = len(ones)
    f["since_single"] = days(t - ones[-1][0]) if ones else None
    f["pieces_90d"] = sum(e[4] for e in window[90])
    f["orders_by_mean"] = f["orders"] * f["mean_line"]
    return f


def read_events(path, ids):
    """By customer, in the order of (time, stored order)."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    at = pc.cast(pc.cast(table["ts"], pa.timestamp("us", "UTC")), pa.int64())
    table = table.set_column(table.schema.get_field_index("ts"), "ts", at)
    table = table.append_column("seq", pa.array(range(table.num_rows)))
    events = {}
    for row in table.filter(pc.is_in(table["customer_id"], ids)).to_pylist():
        event = (row["ts"], row["seq"], row["invoice_id"], row["item_id"], row["qty"], row["unit_price"])
        events.setdefault(row["customer_id"], []).append(event)
    for rows in events.values():
        rows.sort()
    return events


def rows_of(batches, ids):
    """The rows of some customers by (customer, time in microseconds)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    for batch in batches:
        batch = batch.filter(pc.is_in(batch["customer_id"], ids))
        if batch.num_rows == 0:
            continue
        at = pc.cast(pc.cast(batch["as_of"], pa.timestamp("us", "UTC")), pa.int64()).to_pylist()
        for row, us in zip(batch.drop_columns(["as_of"]).to_pylist(), at):
            key = (row.pop("customer_id"), us)
            if key in found:
                sys.exit(f"customer {key[0]} has two rows at {key[1]}")
            found[key] = row
    return found


def same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other)
    return one == other and type(one) is type(other)


def near(name, ours, theirs, row):
    """Equal up to rounding; what a formula takes from each other counts by what it is taken of."""
    if name == "trend_180d" and theirs is not None and math.isnan(theirs):
        theirs = None  # of one time alone
    if ours is None or theirs is None:
        return ours is theirs
    # What is made of differences is as exact as the numbers that they are of.
    of = {"std_180d": row["mean_line"], "trend_180d": row["std_180d"], "gap_std": row["gap_mean"], "gap_cv": 1.0}
    return abs(ours - theirs) <= 1e-9 * max(abs(ours), abs(theirs), of.get(name) or 0.0)


def check(args):
    import pyarrow as pa
    import pyarrow.parquet as pq

    random.seed(7)
    known = pq.read_table(args.events, columns=["customer_id"])["customer_id"].unique().to_pylist()
    ids = random.sample(sorted(known), min(args.sample, len(known)))
    events = read_events(args.events, pa.array(ids, pa.uint32()))
    expected = {}
    for customer, rows in events.items():
        for at in args.times:
            if rows[0][0] <= at:
                expected[customer, at] = features(rows, at)

    with pa.memory_map(args.ours) as file:
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        ours = rows_of(batches, pa.array(ids, pa.int64()))
    files = sorted(glob.glob(os.path.join(args.theirs, "duckdb-*.parquet")))
    batches = (batch for path in files for batch in pq.ParquetFile(path).iter_batches())
    theirs = rows_of(batches, pa.array(ids, pa.uint32()))

    for name, found in (("Lode", ours), ("DuckDB", theirs)):
        if found.keys() != expected.keys():
            some = sorted(found.keys() ^ expected.keys())[:3]
            sys.exit(f"{name} has {len(found)} rows, expected {len(expected)}; in one alone: {some}")
    values = 0
    for key, row in expected.items():
        if ours[key].keys() != row.keys():
            sys.exit(f"Lode has the features {sorted(ours[key])}, expected {sorted(row)}")
        for name, value in row.items():
            values += 1
            if not same(ours[key][name], value):
                sys.exit(f"customer {key[0]} at {key[1]}: {name} expected {value!r}, Lode has {ours[key][name]!r}")
            if not near(name, value, theirs[key][name], row):
                sys.exit(f"customer {key[0]} at {key[1]}: {name} expected {value!r}, DuckDB has {theirs[key][name]!r}")
    print(json.dumps({"customers": len(ids), "rows": len(expected), "values": values}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["duckdb", "check"])
    parser.add_argument("--events", required=True)
    parser.add_argument("--times", required=True, type=lambda text: [micros(day) for day in text.split(",")])
    parser.add_argument("--out")
    parser.add_argument("--ours")
    parser.add_argument("--theirs")
    parser.add_argument("--sample", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="12GB")
    args = parser.parse_args()
    duckdb_side(args) if args.command == "duckdb" else check(args)


main()
