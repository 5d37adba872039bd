"""30 features of 1M customers at 12 monthly times in DuckDB SQL, beside Lode; and a naive check.

    duck.py prepare LINES.parquet DIR        events as Parquet and Arrow files, sorted and as they came
    duck.py duckdb DIR [THREADS]             the features in one SELECT: seconds, memory
    duck.py naive DIR FEATURES.arrow [N]     N customers, each number by a plain loop: equal to the last digit

Needs duckdb, pyarrow and numpy.
"""
import datetime, math, os, random, resource, sys, time

START, STEP, N_DATES = 1_672_531_200, 30, 12  # 2023-01-01 and every 30 days
DAY = 86_400_000_000


def prepare(lines, folder):
    import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
    t = pq.read_table(lines)
    t = pa.table({
        "customer_id": t["customer_id"].cast(pa.int64()),
        "invoice_id": t["invoice_id"].cast(pa.int64()),
        "ts": pc.multiply(t["ts"], 1_000_000).cast(pa.timestamp("us", tz="UTC")),
        "item_id": t["item_id"].cast(pa.int64()),
        "qty": t["qty"].cast(pa.int64()),
        # Two decimals, not what a 32-bit float makes of them.
        "unit_price": pc.round(t["unit_price"].cast(pa.float64()), 2),
    })
    os.makedirs(folder, exist_ok=True)
    pq.write_table(t, f"{folder}/lines.parquet", compression="zstd")
    write(t, f"{folder}/lines.arrow")
    order = pc.sort_indices(t.append_column("n", pa.array(range(t.num_rows))),
                            sort_keys=[("customer_id", "ascending"), ("ts", "ascending"), ("n", "ascending")])
    s = t.take(order)
    write(s, f"{folder}/sorted.arrow")
    pq.write_table(s, f"{folder}/sorted.parquet", compression="zstd")


def write(table, path):
    import pyarrow as pa
    with pa.OSFile(path, "wb") as f, pa.ipc.new_file(f, table.schema) as w:
        w.write_table(table, max_chunksize=65_536)


SQL = """
WITH e AS (
    SELECT *, qty * unit_price AS amount, file_row_number AS seq
    FROM read_parquet('{file}', file_row_number = true)),
t AS (SELECT make_timestamp({start}::BIGINT * 1000000 + i * {step} * 86400000000) AT TIME ZONE 'UTC' AS as_of FROM range({n}) r(i)),
times AS (SELECT DISTINCT customer_id, ts FROM e),
gaps AS (
    SELECT customer_id, ts, epoch_us(ts - lag(ts) OVER (PARTITION BY customer_id ORDER BY ts)) / 86400e6 AS gap
    FROM times),
g AS (
    SELECT customer_id, as_of, avg(gap) AS gap_mean, stddev_samp(gap) AS gap_std,
           stddev_samp(gap) / avg(gap) AS gap_cv, arg_max(gap, ts) AS gap_last
    FROM gaps JOIN t ON ts <= as_of GROUP BY customer_id, as_of),
a AS (
    SELECT customer_id, as_of,
        epoch_us(as_of - max(ts)) / 86400e6 AS recency,
        count(DISTINCT invoice_id) AS orders,
        sum(amount) AS spend,
        avg(amount) AS mean_line,
        epoch_us(as_of - min(ts)) / 86400e6 AS tenure,
        count(*) FILTER (ts > as_of - INTERVAL 30 DAY) AS n_30d,
        count(*) FILTER (ts > as_of - INTERVAL 90 DAY) AS n_90d,
        count(*) FILTER (ts > as_of - INTERVAL 180 DAY) AS n_180d,
        coalesce(sum(amount) FILTER (ts > as_of - INTERVAL 30 DAY), 0) AS spend_30d,
        coalesce(sum(amount) FILTER (ts > as_of - INTERVAL 90 DAY), 0) AS spend_90d,
        coalesce(sum(amount) FILTER (ts > as_of - INTERVAL 180 DAY), 0) AS spend_180d,
        avg(amount) FILTER (ts > as_of - INTERVAL 90 DAY) AS mean_90d,
        max(amount) FILTER (ts > as_of - INTERVAL 90 DAY) AS max_90d,
        min(amount) FILTER (ts > as_of - INTERVAL 90 DAY) AS min_90d,
        stddev_samp(amount) FILTER (ts > as_of - INTERVAL 180 DAY) AS std_180d,
        regr_slope(amount, epoch_us(ts) / 86400e6) FILTER (ts > as_of - INTERVAL 180 DAY) AS trend_180d,
        count(DISTINCT item_id) AS items,
        count(DISTINCT item_id) FILTER (ts > as_of - INTERVAL 90 DAY) AS items_90d,
        sum(amount) FILTER (qty = 1) / sum(amount) AS share_singles,
        arg_max(item_id, seq) AS last_item,
        arg_max(unit_price, seq) AS last_price,
        count(*) FILTER (qty = 1) AS n_singles,
        epoch_us(as_of - max(ts) FILTER (qty = 1)) / 86400e6 AS since_single,
        coalesce(sum(qty) FILTER (ts > as_of - INTERVAL 90 DAY), 0) AS pieces_90d
    FROM e JOIN t ON ts <= as_of GROUP BY customer_id, as_of)
SELECT a.*, gap_mean, gap_std, gap_cv, gap_last,
    spend_30d / nullif(spend_90d, 0) AS spend_30_by_90, orders * mean_line AS orders_by_mean
FROM a JOIN g USING (customer_id, as_of)
"""


def duck(folder, threads):
    import duckdb
    con = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
    con.execute("SET TimeZone = 'UTC'")
    sql = SQL.format(file=f"{folder}/sorted.parquet", start=START, step=STEP, n=N_DATES)
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    begin = time.time()
    con.execute(f"COPY ({sql}) TO '{folder}/duck.parquet' (FORMAT parquet, COMPRESSION uncompressed)")
    seconds = time.time() - begin
    used = resource.getrusage(resource.RUSAGE_SELF)
    rows = con.execute(f"SELECT count(*) FROM '{folder}/duck.parquet'").fetchone()[0]
    print(f"rows {rows} seconds {seconds:.2f} cpu {used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime:.2f} "
          f"memory_mib {used.ru_maxrss // 1024}")


def days(us):
    return us / DAY


def total(values):
    s = 0.0
    for v in values:
        s += v
    return s


def std(values, mean=None):
    if len(values) < 2:
        return None
    m = total(values) / len(values) if mean is None else mean
    return math.sqrt(total([(v - m) * (v - m) for v in values]) / (len(values) - 1))


def features(events, t):
    """events: (ts, seq, invoice, item, qty, price), in order; only those at or before t."""
    known = [e for e in events if e[0] <= t]
    last = lambda n: [e for e in known if e[0] > t - n * DAY]
    amount = lambda es: [e[4] * e[5] for e in es]
    f = {}
    f["recency"] = days(t - known[-1][0])
    f["orders"] = len({e[2] for e in known})
    f["spend"] = total(amount(known))
    f["mean_line"] = f["spend"] / len(known)
    f["tenure"] = days(t - known[0][0])
    times = sorted({e[0] for e in known})
    gaps = [days(b - a) for a, b in zip(times, times[1:])]
    f["gap_mean"] = days(times[-1] - times[0]) / len(gaps) if gaps else None
    f["gap_std"] = std(gaps, f["gap_mean"])
    f["gap_cv"] = f["gap_std"] / f["gap_mean"] if f["gap_std"] is not None else None
    f["gap_last"] = gaps[-1] if gaps else None
    for n in (30, 90, 180):
        f[f"n_{n}d"] = len(last(n))
        f[f"spend_{n}d"] = total(amount(last(n)))
    w = amount(last(90))
    f["mean_90d"] = total(w) / len(w) if w else None
    f["max_90d"], f["min_90d"] = (max(w), min(w)) if w else (None, None)
    w = last(180)
    f["std_180d"] = std(amount(w))
    f["trend_180d"] = None
    if w and w[0][0] != w[-1][0]:
        x, y = [days(e[0] - w[0][0]) for e in w], amount(w)
        mx, my = total(x) / len(x), total(y) / len(y)
        f["trend_180d"] = total([(a - mx) * (b - my) for a, b in zip(x, y)]) / total([(a - mx) * (a - mx) for a in x])
    f["spend_30_by_90"] = f["spend_30d"] / f["spend_90d"] if f["spend_90d"] else None
    f["items"] = len({e[3] for e in known})
    f["items_90d"] = len({e[3] for e in last(90)})
    ones = [e for e in known if e[4] == 1]
    f["share_singles"] = total(amount(ones)) / f["spend"] if f["spend"] else None
    f["last_item"], f["last_price"] = known[-1][3], known[-1][5]
    f["n_singles"] = len(ones)
    f["since_single"] = days(t - ones[-1][0]) if ones else None
    f["pieces_90d"] = sum(e[4] for e in last(90))
    f["orders_by_mean"] = f["orders"] * f["mean_line"]
    return f


def naive(folder, path, n):
    import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
    t = pq.read_table(f"{folder}/lines.parquet")
    random.seed(7)
    ids = random.sample(range(1_000_000), n)
    t = t.append_column("seq", pa.array(range(t.num_rows)))
    t = t.filter(pc.is_in(t["customer_id"], pa.array(ids)))
    t = t.set_column(t.column_names.index("ts"), "ts", t["ts"].cast(pa.int64()))
    events = {}
    for r in t.to_pylist():
        events.setdefault(r["customer_id"], []).append(
            (r["ts"], r["seq"], r["invoice_id"], r["item_id"], r["qty"], r["unit_price"]))
    wanted = {}
    for i in range(N_DATES):
        at = (START + i * STEP * 86_400) * 1_000_000
        for c, es in events.items():
            es.sort()
            if es[0][0] <= at:
                wanted[c, at] = features(es, at)
    found, values = 0, 0
    with pa.memory_map(path) as f:
        reader = pa.ipc.open_file(f)
        for b in range(reader.num_record_batches):
            batch = reader.get_batch(b)
            batch = batch.filter(pc.is_in(batch["customer_id"], pa.array(ids)))
            for row in batch.to_pylist():
                at = row["as_of"]
                at = round((at - datetime.datetime(1970, 1, 1, tzinfo=at.tzinfo)).total_seconds()) * 1_000_000
                expected = wanted.pop((row["customer_id"], at))
                for name, value in expected.items():
                    values += 1
                    if row[name] != value:
                        sys.exit(f"customer {row['customer_id']} at {at}: {name} expected {value!r}, found {row[name]!r}")
                found += 1
    if wanted:
        sys.exit(f"{len(wanted)} rows are missing, such as {next(iter(wanted))}")
    print(f"customers {n} rows {found} values {values}: all equal to the last digit")


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "prepare":
        prepare(*rest)
    elif command == "duckdb":
        duck(rest[0], int(rest[1]) if len(rest) > 1 else os.cpu_count())
    elif command == "naive":
        naive(rest[0], rest[1], int(rest[2]) if len(rest) > 2 else 2000)
    else:
        sys.exit(__doc__)
