"""A churn job driven from Python: the proof that the wire needs no Rust.

Usage: churn.py HOST:PORT, with the stubs of proto/ on PYTHONPATH.
Loads rows as Arrow, trains churn.logistic, watches it, reads the scores, checks them
against what it planted itself, and checks the reasons of errors. Exits with 1 and a
message at the first thing that is not as it should be.
"""

import json
import math
import random
import sys

import google_crc32c
import grpc
import pyarrow as pa
from google.rpc import error_details_pb2, status_pb2

from lode.v1 import (
    algorithm_service_pb2,
    algorithm_service_pb2_grpc,
    catalog_service_pb2,
    catalog_service_pb2_grpc,
    ingest_service_pb2,
    ingest_service_pb2_grpc,
    job_service_pb2,
    job_service_pb2_grpc,
    schema_pb2,
    serving_service_pb2,
    serving_service_pb2_grpc,
    table_pb2,
    value_pb2,
)

TENANT = "tenants/default"
DATASET = f"{TENANT}/datasets/subscribers"
N_CUSTOMERS = 4000
CHUNK_ROWS = 1000


def check(holds, message):
    if not holds:
        sys.exit(f"churn.py: {message}")


def equal(found, expected, what):
    check(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def subscribers():
    """Customers of a telecom operator; hot-line calls, a short tenure and the tariff make them leave."""
    draw = random.Random(20240501)
    rows = []
    for number in range(N_CUSTOMERS):
        tariff = draw.choice(["basic", "family", "flat"])
        tenure = draw.randint(1, 72)
        calls = min(9, int(draw.expovariate(0.8)))
        bill = None if draw.random() < 0.02 else round(draw.uniform(9.0, 90.0), 2)
        leaning = -1.6 + 0.7 * calls - 0.04 * tenure + (0.9 if tariff == "flat" else 0.0)
        leaves = draw.random() < 1.0 / (1.0 + math.exp(-leaning))
        rows.append(
            {
                "customer_id": f"s{number:05d}",
                "tariff": tariff,
                "tenure_months": tenure,
                "hotline_calls": calls,
                "monthly_bill": bill,
                "churned": "yes" if leaves else "no",
            }
        )
    return rows


ARROW_SCHEMA = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("tariff", pa.string()),
        pa.field("tenure_months", pa.int64()),
        pa.field("hotline_calls", pa.int64()),
        pa.field("monthly_bill", pa.float64()),
        pa.field("churned", pa.string()),
    ]
)


def lode_schema():
    types = {pa.string(): schema_pb2.TYPE_STRING, pa.int64(): schema_pb2.TYPE_INT64, pa.float64(): schema_pb2.TYPE_FLOAT64}
    roles = {"customer_id": schema_pb2.ROLE_CUSTOMER_ID, "churned": schema_pb2.ROLE_LABEL}
    columns = [
        schema_pb2.Column(
            name=field.name,
            type=types[field.type],
            nullable=field.nullable,
            role=roles.get(field.name, schema_pb2.ROLE_UNSPECIFIED),
        )
        for field in ARROW_SCHEMA
    ]
    return schema_pb2.Schema(columns=columns)


def chunk_of(rows):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, ARROW_SCHEMA) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=ARROW_SCHEMA))
    data = sink.getvalue().to_pybytes()
    return table_pb2.Chunk(
        format=table_pb2.FORMAT_ARROW_STREAM,
        data=data,
        row_count=len(rows),
        crc32c=google_crc32c.value(data),
    )


def load(channel, rows):
    """Creates the dataset and loads the rows; one chunk is damaged on its way first."""
    catalog = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    dataset = catalog_service_pb2.Dataset(kind=schema_pb2.DATASET_KIND_CUSTOMERS, schema=lode_schema())
    catalog.CreateDataset(
        catalog_service_pb2.CreateDatasetRequest(parent=TENANT, dataset_id="subscribers", dataset=dataset)
    )
    ingests = ingest_service_pb2_grpc.IngestServiceStub(channel)
    opened = ingests.OpenIngest(ingest_service_pb2.OpenIngestRequest(dataset=DATASET, ingest_id="from-python"))
    equal(opened.ingest.next_seq, 0, "next_seq of a new load")
    name = opened.ingest.name
    chunks = [chunk_of(rows[at : at + CHUNK_ROWS]) for at in range(0, len(rows), CHUNK_ROWS)]

    damaged = table_pb2.Chunk()
    damaged.CopyFrom(chunks[0])
    damaged.crc32c ^= 1
    answers = append(ingests, name, [(0, damaged)])
    equal(answers[0].error.reason, "CHECKSUM_MISMATCH", "answer to a damaged chunk")

    answers = append(ingests, name, list(enumerate(chunks)))
    equal([answer.seq for answer in answers], list(range(len(chunks))), "acknowledged chunks")
    for answer in answers:
        check(not answer.HasField("error"), f"chunk {answer.seq} was refused: {answer.error.message}")
        equal(answer.accepted_rows, CHUNK_ROWS, f"accepted rows of chunk {answer.seq}")
    answers = append(ingests, name, [(1, chunks[1])])
    check(answers[0].duplicate, "a chunk that is sent again is acknowledged as a duplicate")

    request = ingest_service_pb2.CommitIngestRequest(name=name, chunk_count=len(chunks))
    committed = ingests.CommitIngest(request).ingest
    equal(committed.state, ingest_service_pb2.INGEST_STATE_COMMITTED, "state of the load")
    found = catalog.GetDataset(catalog_service_pb2.GetDatasetRequest(name=DATASET)).dataset
    equal(found.row_count, len(rows), "rows of the dataset")


def append(ingests, name, numbered):
    requests = (
        ingest_service_pb2.AppendChunksRequest(ingest=name, seq=seq, chunk=chunk) for seq, chunk in numbered
    )
    return list(ingests.AppendChunks(requests))


def train(channel):
    """Runs churn.logistic and watches it to its end."""
    jobs = job_service_pb2_grpc.JobServiceStub(channel)
    spec = job_service_pb2.JobSpec(algorithm="algorithms/churn.logistic", seed=7)
    spec.inputs["customers"].dataset = DATASET
    request = job_service_pb2.CreateJobRequest(parent=TENANT, job_id="churn-from-python", spec=spec)
    name = jobs.CreateJob(request).job.name
    last, job = 0, None
    for event in jobs.WatchJob(job_service_pb2.WatchJobRequest(name=name)):
        check(event.event > last, f"event {event.event} came after event {last}")
        last = event.event
        if event.HasField("job"):
            job = event.job
    check(job is not None, "the watch ended without a job")
    check(job.state == job_service_pb2.JOB_STATE_SUCCEEDED, f"the job failed: {job.error.message}")
    again = list(jobs.WatchJob(job_service_pb2.WatchJobRequest(name=name, after_event=last - 1)))
    equal([event.event for event in again], [last], "events of a resumed watch")
    return jobs, job


def read_output(jobs, name):
    """Reads an output table, checking what the wire promises about it."""
    schema, batches, n_rows = None, [], 0
    for message in jobs.ReadOutput(job_service_pb2.ReadOutputRequest(name=name)):
        if schema is None:
            schema = pa.ipc.open_stream(message.arrow_schema).schema
            continue
        data = message.chunk.data
        if message.chunk.HasField("crc32c"):
            equal(google_crc32c.value(data), message.chunk.crc32c, "checksum of an output chunk")
        equal(message.row_offset, n_rows, "row offset of an output chunk")
        table = pa.ipc.open_stream(data).read_all()
        n_rows += table.num_rows
        batches.extend(table.to_batches())
    check(schema is not None, f"{name} came without a schema")
    return pa.Table.from_batches(batches, schema)


def auc(scores, labels):
    """Area under the ROC curve by ranks, ties counted half (Mann-Whitney)."""
    pairs = sorted(zip(scores, labels))
    rank_sum, at = 0.0, 0
    while at < len(pairs):
        end = at
        while end < len(pairs) and pairs[end][0] == pairs[at][0]:
            end += 1
        rank_sum += (at + end + 1) / 2 * sum(label for _, label in pairs[at:end])
        at = end
    positive = sum(labels)
    negative = len(labels) - positive
    return (rank_sum - positive * (positive + 1) / 2) / (positive * negative)


def check_scores(jobs, job, rows):
    """The scores of the job tell leavers from stayers about as well as its own evaluation says."""
    outputs = {output.name.rsplit("/", 1)[1]: output for output in job.outputs}
    check("scores" in outputs, f"expected an output named scores, found {sorted(outputs)}")
    table = read_output(jobs, outputs["scores"].name)
    equal(table.num_rows, len(rows), "rows of the scores")
    scores = dict(zip(table["customer_id"].to_pylist(), table["score"].to_pylist()))
    left = {row["customer_id"]: row["churned"] == "yes" for row in rows}
    found = auc([scores[customer] for customer in left], list(left.values()))
    reported = {metric.name: metric.value for metric in job.metrics}["auc"]
    check(0.75 < found < 0.99, f"AUC of the scores: expected 0.75 to 0.99, found {found}")
    check(abs(found - reported) < 0.02, f"AUC of the scores {found} is far from the evaluated {reported}")
    for row in table.to_pylist():
        total = row["base"] + math.fsum(reason["contribution"] for reason in row["contributions"])
        check(
            abs(total - row["margin"]) < 1e-9,
            f"{row['customer_id']}: base + contributions = {total}, margin = {row['margin']}",
        )
    return scores, found, reported


def check_reasons(channel, job, scores):
    """Base plus contributions is the margin, and the margin gives the score."""
    serving = serving_service_pb2_grpc.ServingServiceStub(channel)
    customers = sorted(scores)[:200]
    request = serving_service_pb2.ScoreRequest(model=job.models[0], customers=customers, explain=True)
    results = serving.Score(request).results
    equal([result.customer for result in results], customers, "customers of the scores")
    for result in results:
        check(not result.HasField("error"), f"{result.customer}: {result.error.message}")
        total = result.base + math.fsum(reason.contribution for reason in result.reasons)
        check(
            abs(total - result.margin) < 1e-9,
            f"{result.customer}: base + contributions = {total}, margin = {result.margin}",
        )
        check(len(result.reasons) >= 4, f"{result.customer}: expected a reason for each feature")
        sizes = [abs(reason.contribution) for reason in result.reasons]
        check(sizes == sorted(sizes, reverse=True), f"{result.customer}: reasons are not in order")
        check(
            abs(result.score - scores[result.customer]) < 1e-9,
            f"{result.customer}: online score {result.score}, score of the job {scores[result.customer]}",
        )
    return len(results)


def error_of(call):
    """The gRPC code and the details of a call that has to fail."""
    try:
        call()
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        check("grpc-status-details-bin" in trailers, f"an error without details: {error.details()}")
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        info, fields = error_details_pb2.ErrorInfo(), []
        for detail in status.details:
            detail.Unpack(info)
            bad = error_details_pb2.BadRequest()
            if detail.Unpack(bad):
                fields.extend(violation.field for violation in bad.field_violations)
        equal(info.domain, "lode", "domain of the error")
        return error.code(), info.reason, fields, status.message
    sys.exit("churn.py: a call that has to fail did not")


def check_errors(channel, jobs):
    """Unknown names and bad parameters are told as data, not only as prose."""
    catalog = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    unknown = catalog_service_pb2.GetDatasetRequest(name=f"{TENANT}/datasets/nowhere")
    code, reason, _, _ = error_of(lambda: catalog.GetDataset(unknown))
    equal((code, reason), (grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND"), "error of an unknown dataset")

    algorithms = algorithm_service_pb2_grpc.AlgorithmServiceStub(channel)
    request = algorithm_service_pb2.GetAlgorithmRequest(name="algorithms/churn.logistic")
    schema = json.loads(algorithms.GetAlgorithm(request).algorithm.params_schema)
    bounded = [name for name, param in schema["properties"].items() if "minimum" in param or "exclusiveMinimum" in param]
    check(bounded, "churn.logistic has no parameter with a lower bound")
    spec = job_service_pb2.JobSpec(algorithm="algorithms/churn.logistic")
    spec.inputs["customers"].dataset = DATASET
    spec.params[bounded[0]].CopyFrom(value_pb2.Value(int_value=-1))
    request = job_service_pb2.CreateJobRequest(parent=TENANT, job_id="refused", spec=spec)
    code, reason, fields, message = error_of(lambda: jobs.CreateJob(request))
    equal((code, reason), (grpc.StatusCode.INVALID_ARGUMENT, "PARAM_OUT_OF_RANGE"), "error of a parameter out of range")
    check(
        any(field.endswith(f"params.{bounded[0]}") for field in fields),
        f"the error names {fields}, not params.{bounded[0]}: {message}",
    )


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: churn.py HOST:PORT")
    rows = subscribers()
    with grpc.insecure_channel(sys.argv[1]) as channel:
        grpc.channel_ready_future(channel).result(timeout=10)
        load(channel, rows)
        jobs, job = train(channel)
        scores, found, reported = check_scores(jobs, job, rows)
        explained = check_reasons(channel, job, scores)
        check_errors(channel, jobs)
    print(
        f"polyglot: ok; {len(rows)} rows loaded, AUC {found:.4f} by the scores and "
        f"{reported:.4f} by the evaluation, {explained} scores explained, errors told as data"
    )


if __name__ == "__main__":
    main()
