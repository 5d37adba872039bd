"""The peers' side of `cargo xtask bench store`, and the events that both sides read.

    store.py generate --rows N --customers N --out FOLDER    made-up invoice lines
    store.py convert  --events FILE.parquet --out FOLDER     somebody's invoice lines
    store.py measure  --peer duckdb|polars --work WORK --parquet FILE --threads N

Both kinds of events have customer_id, invoice_id, ts (seconds of 1970), item_id, qty, unit_price.
FOLDER gets events.parquet (zstd, for the peers), events.arrow (a stream of 65,536-row batches, for
the engine) and about.json. `measure` prints one JSON object: seconds, CPU seconds, peak bytes of
memory, and the answer, which the benchmark compares with the engine's.
"""
import argparse
import json
import os
import resource
import time

DAY = 86_400
START = 1_640_995_200  # 2022-01-01
SPAN = 730 * DAY
BATCH = 65_536


def generate(rows, customers):
    """Invoices of about four lines; customers buy at rates of their own and stop at some time."""
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(7))
    lines = rng.poisson(3.0, rows // 4 + rows // 50 + 16) + 1  # some more than are needed
    ends = np.cumsum(lines)
    n = int(np.searchsorted(ends, rows)) + 1
    lines = lines[:n]
    rate = np.cumsum(rng.gamma(0.7, 1.0, customers))
    who = np.searchsorted(rate, rng.random(n) * rate[-1], side="right").clip(0, customers - 1)
    life = rng.beta(1.2, 1.0, customers)
    when = START + (rng.random(n) * life[who] * SPAN).astype(np.int64)
    order = np.argsort(when, kind="stable")
    who, when, lines = who[order], when[order], lines[order]
    invoice = np.repeat(np.arange(n), lines)[:rows]
    items = 20_000
    popular = np.cumsum(1.0 / np.arange(1, items + 1) ** 0.95)
    item = np.searchsorted(popular, rng.random(len(invoice)) * popular[-1], side="right")
    price = np.round(rng.lognormal(1.6, 0.9, items), 2).astype(np.float32)
    return {
        "customer_id": who[invoice].astype(np.uint32),
        "invoice_id": invoice.astype(np.uint32),
        "ts": when[invoice],
        "item_id": item.clip(0, items - 1).astype(np.uint32),
        "qty": (1 + rng.geometric(0.45, len(invoice))).clip(1, 60).astype(np.int32),
        "unit_price": price[item.clip(0, items - 1)],
    }


def write(table, out):
    """The same rows for both sides; times as timestamps, money as floats."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    os.makedirs(out, exist_ok=True)
    # Cents as a float of 64 bits; a 32-bit one is not the nearest number to its price.
    price = pc.round(pc.cast(table["unit_price"], pa.float64()), 2)
    table = table.set_column(table.schema.get_field_index("unit_price"), "unit_price", price)
    at = pc.cast(pc.cast(table["ts"], pa.int64()), pa.timestamp("s", "UTC"))
    table = table.set_column(table.schema.get_field_index("ts"), "ts", at)
    pq.write_table(table, os.path.join(out, "events.parquet"), compression="zstd", row_group_size=1 << 20)
    with pa.OSFile(os.path.join(out, "events.arrow"), "wb") as file:
        with pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table, max_chunksize=BATCH)
    about = {
        "rows": table.num_rows,
        "customers": pc.count_distinct(table["customer_id"]).as_py(),
        "parquet_bytes": os.path.getsize(os.path.join(out, "events.parquet")),
    }
    with open(os.path.join(out, "about.json"), "w") as file:
        json.dump(about, file)


RFM = """select count(*), cast(sum(f) as bigint), sum(m), epoch(max(r)) from (
  select customer_id, max(ts) r, count(distinct invoice_id) f, sum(qty * unit_price) m
  from {events} group by customer_id)"""
WINDOWS = [30, 90, 365]
END = "timestamptz '2023-12-01 00:00:00+00'"


def windows_sql(events):
    parts = ["max(ts) last", "min(ts) first", "count(*) n"]
    for days in WINDOWS:
        inside = f"filter (where ts > {END} - interval {days} day)"
        amount = "qty * unit_price"
        parts += [f"count(*) {inside} n{days}", f"sum({amount}) {inside} s{days}"]
        parts += [f"avg({amount}) {inside} m{days}", f"max({amount}) {inside} x{days}"]
    totals = ", ".join(f"sum(n{d}), sum(s{d}), sum(x{d})" for d in WINDOWS)
    inner = f"select customer_id, {', '.join(parts)} from {events} where ts <= {END} group by customer_id"
    return f"select count(*), {totals} from ({inner})"


RANGE = """select count(*), cast(sum(qty) as bigint) from {events}
  where ts >= timestamptz '2023-03-01 00:00:00+00' and ts < timestamptz '2023-03-31 00:00:00+00'"""


def duckdb_work(work, path, threads):
    import duckdb

    db = duckdb.connect(config={"threads": threads})
    db.execute("set timezone = 'UTC'")
    events = f"'{path}'"
    sql = {"rfm": RFM.format(events=events), "windows": windows_sql(events), "range": RANGE.format(events=events)}
    return lambda: list(db.execute(sql[work]).fetchone())


def polars_work(work, path, threads):
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import datetime

    import polars as pl

    utc = datetime.timezone.utc
    amount = pl.col("qty") * pl.col("unit_price")

    def rfm():
        by = pl.scan_parquet(path).group_by("customer_id").agg(
            pl.col("ts").max().alias("r"), pl.col("invoice_id").n_unique().alias("f"), amount.sum().alias("m")
        )
        return by.select(pl.len(), pl.col("f").sum(), pl.col("m").sum(), pl.col("r").max())

    def windows():
        end = datetime.datetime(2023, 12, 1, tzinfo=utc)
        wanted = [pl.col("ts").max().alias("last"), pl.col("ts").min().alias("first"), pl.len().alias("n")]
        for days in WINDOWS:
            inside = pl.col("ts") > end - datetime.timedelta(days=days)
            kept = amount.filter(inside)
            wanted += [kept.len().alias(f"n{days}"), kept.sum().alias(f"s{days}")]
            wanted += [kept.mean().alias(f"m{days}"), kept.max().alias(f"x{days}")]
        by = pl.scan_parquet(path).filter(pl.col("ts") <= end).group_by("customer_id").agg(wanted)
        return by.select(pl.len(), *[pl.col(f"{k}{d}").sum() for d in WINDOWS for k in "nsx"])

    def between():
        first, last = datetime.datetime(2023, 3, 1, tzinfo=utc), datetime.datetime(2023, 3, 31, tzinfo=utc)
        some = pl.scan_parquet(path).filter((pl.col("ts") >= first) & (pl.col("ts") < last))
        return some.select(pl.len(), pl.col("qty").sum())

    plan = {"rfm": rfm, "windows": windows, "range": between}[work]
    return lambda: list(plan().collect(engine="streaming").row(0))


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(args):
    run = {"duckdb": duckdb_work, "polars": polars_work}[args.peer](args.work, args.parquet, args.threads)
    run()  # the file is read once before, as the engine's is
    before, start = cpu(), time.perf_counter()
    answer = run()
    seconds, used = time.perf_counter() - start, cpu() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": used, "peak_bytes": peak, "answer": [plain(v) for v in answer]}))


def plain(value):
    return value.timestamp() if hasattr(value, "timestamp") else value


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["generate", "convert", "measure"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--customers", type=int)
    parser.add_argument("--events")
    parser.add_argument("--out")
    parser.add_argument("--peer")
    parser.add_argument("--work")
    parser.add_argument("--parquet")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.command == "measure":
        return measure(args)
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = ["customer_id", "invoice_id", "ts", "item_id", "qty", "unit_price"]
    table = pq.read_table(args.events, columns=wanted) if args.events else pa.table(generate(args.rows, args.customers))
    write(table, args.out)


main()
