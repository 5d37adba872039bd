/* A plugin in C that tells what a job costs: it reads every value of its input, batch by
 * batch, and gives as metrics how long that took inside fit.
 *
 *   seconds      wall time inside fit
 *   pull         of it inside get_next, which is the host's work of reading the input
 *   cpu          CPU of the whole process inside fit
 *   cpu_before   CPU of the process when fit was called: the start of the worker
 *   rows, sum    what was read
 *
 * The parameter hold keeps all batches to the end, as a plugin does that wants the whole table.
 * Its models score every row with 1.
 */
#include "lode_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

LODE_MANIFEST("cost", "1.0", "cost.sum");

#define BYTES(text) {(const uint8_t *)(text), sizeof(text) - 1}
#define COLUMN(role, types)                                                                        \
  "{\"role\":\"" role "\",\"optional\":true,\"types\":[" types "],\"description\":\"\"}"

static const char SPEC[] =
    "{\"id\":\"cost.sum\",\"version\":\"1.0\",\"title\":\"Cost\",\"description\":\"Adds up all it "
    "is given and tells how long that took.\",\"task\":\"other\","
    "\"params_schema\":\"{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"hold\\\":"
    "{\\\"type\\\":\\\"boolean\\\",\\\"default\\\":false}}}\","
    "\"inputs\":[{\"name\":\"rows\",\"optional\":false,\"description\":\"\",\"columns\":["
    COLUMN("customer_id", "\"string\"") "," COLUMN("item", "\"string\"") ","
    COLUMN("event_time", "\"timestamp\"") "," COLUMN("amount", "\"float64\"")
    "],\"features\":\"ignored\"}],\"outputs\":[],\"model_format\":1}";

static lode_bytes text(const char *words) {
  lode_bytes bytes = {(const uint8_t *)words, strlen(words)};
  return bytes;
}

static int32_t refuse(const lode_host *host, uint32_t code, const char *why) {
  host->fail(host->ctx, code, text("inputs.rows"), text(why));
  return LODE_FAILED;
}

static double now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int32_t describe(const lode_host *host) {
  return host->put(host->ctx, LODE_SLOT_SPEC, text(SPEC));
}

/* --- reading -------------------------------------------------------------------------- */

/* What was read, and the batches that are kept. */
typedef struct readings {
  double sum;
  double rows;
  double pull;
  struct ArrowArray *held;
  size_t n_held;
} readings;

/* Adds up a column: numbers themselves, of text every byte. */
static double add_up(const char *format, const struct ArrowArray *array) {
  double sum = 0;
  int64_t end = array->offset + array->length;
  if (strcmp(format, "g") == 0) {
    const double *values = array->buffers[1];
    for (int64_t i = array->offset; i < end; i++) {
      sum += values[i];
    }
  } else if (strncmp(format, "ts", 2) == 0) {
    const int64_t *values = array->buffers[1];
    for (int64_t i = array->offset; i < end; i++) {
      sum += (double)values[i];
    }
  } else if (strcmp(format, "u") == 0 && array->length > 0) {
    const int32_t *offsets = array->buffers[1];
    const uint8_t *bytes = array->buffers[2];
    uint64_t total = 0;
    for (int32_t i = offsets[array->offset]; i < offsets[end]; i++) {
      total += bytes[i];
    }
    sum = (double)total;
  }
  return sum;
}

/* Reads one input to its end: NULL, or what is wrong. */
static const char *read_all(struct ArrowArrayStream *stream, int hold, readings *readings) {
  struct ArrowSchema schema;
  if (stream->get_schema(stream, &schema) != 0) {
    return "its columns could not be read";
  }
  const char *wrong = NULL;
  for (;;) {
    struct ArrowArray batch;
    double start = now(CLOCK_MONOTONIC);
    int code = stream->get_next(stream, &batch);
    readings->pull += now(CLOCK_MONOTONIC) - start;
    if (code != 0) {
      wrong = "its rows could not be read";
    }
    if (code != 0 || batch.release == NULL) {
      break;
    }
    readings->rows += (double)batch.length;
    for (int64_t i = 0; i < batch.n_children; i++) {
      readings->sum += add_up(schema.children[i]->format, batch.children[i]);
    }
    struct ArrowArray *more = NULL;
    if (hold) {
      more = realloc(readings->held, (readings->n_held + 1) * sizeof *more);
    }
    if (more == NULL) {
      batch.release(&batch);
    } else {
      readings->held = more;
      readings->held[readings->n_held++] = batch;
    }
  }
  schema.release(&schema);
  return wrong;
}

static int32_t fit(const lode_host *host, lode_bytes params, lode_input *inputs, size_t n_inputs) {
  double start = now(CLOCK_MONOTONIC);
  double cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  static const char HOLD[] = "\"hold\":true";
  int hold = 0;
  for (size_t at = 0; at + sizeof HOLD - 1 <= params.len; at++) {
    hold |= memcmp(params.data + at, HOLD, sizeof HOLD - 1) == 0;
  }
  readings readings = {0};
  const char *wrong = NULL;
  for (size_t i = 0; i < n_inputs; i++) {
    if (wrong == NULL) {
      wrong = read_all(inputs[i].stream, hold, &readings);
    }
    inputs[i].stream->release(inputs[i].stream);
  }
  for (size_t i = 0; i < readings.n_held; i++) {
    readings.held[i].release(&readings.held[i]);
  }
  free(readings.held);
  if (wrong != NULL) {
    return refuse(host, LODE_FAIL_INVALID, wrong);
  }
  static const uint8_t format = 1;
  lode_bytes model = {&format, 1};
  if (host->put(host->ctx, LODE_SLOT_MODEL, model) != LODE_OK) {
    return LODE_FAILED;
  }
  char metrics[256];
  snprintf(metrics, sizeof metrics,
           "{\"rows\":%.0f,\"sum\":%.17g,\"pull\":%.9f,\"cpu\":%.9f,\"cpu_before\":%.9f,"
           "\"seconds\":%.9f}",
           readings.rows, readings.sum, readings.pull, now(CLOCK_PROCESS_CPUTIME_ID) - cpu, cpu,
           now(CLOCK_MONOTONIC) - start);
  return host->put(host->ctx, LODE_SLOT_METRICS, text(metrics));
}

/* --- scoring -------------------------------------------------------------------------- */

static int32_t open_model(const lode_host *host, lode_bytes params, lode_bytes model,
                          void **scorer) {
  (void)params;
  if (model.len != 1 || model.data[0] != 1) {
    return refuse(host, LODE_FAIL_MODEL, "expected the one byte of a model");
  }
  *scorer = malloc(1);
  return *scorer == NULL ? refuse(host, LODE_FAIL_BUG, "out of memory") : LODE_OK;
}

static void close_model(void *scorer) { free(scorer); }

static void release_schema(struct ArrowSchema *schema) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    schema->children[i]->release(schema->children[i]);
    free(schema->children[i]);
  }
  free(schema->children);
  schema->release = NULL;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  (void)stream;
  struct ArrowSchema *score = calloc(1, sizeof *score);
  *score = (struct ArrowSchema){.format = "g", .name = "score", .release = release_schema};
  struct ArrowSchema **children = malloc(sizeof *children);
  children[0] = score;
  *out = (struct ArrowSchema){
      .format = "+s", .name = "", .n_children = 1, .children = children, .release = release_schema};
  return 0;
}

static void release_array(struct ArrowArray *array) {
  for (int64_t i = 0; i < array->n_children; i++) {
    array->children[i]->release(array->children[i]);
    free(array->children[i]);
  }
  free(array->children);
  if (array->n_buffers == 2) {
    free((void *)array->buffers[1]);
  }
  free(array->buffers);
  array->release = NULL;
}

/* The scores, once; private_data are how many, -1 when they have been given. */
static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  int64_t *rows = stream->private_data;
  int64_t n = *rows;
  *rows = -1;
  if (n < 0) {
    *out = (struct ArrowArray){0};
    return 0;
  }
  double *values = malloc((size_t)(n + 1) * sizeof *values);
  for (int64_t i = 0; i < n; i++) {
    values[i] = 1;
  }
  struct ArrowArray *score = calloc(1, sizeof *score);
  const void **buffers = calloc(2, sizeof *buffers);
  buffers[1] = values;
  *score = (struct ArrowArray){
      .length = n, .n_buffers = 2, .buffers = buffers, .release = release_array};
  struct ArrowArray **children = malloc(sizeof *children);
  children[0] = score;
  *out = (struct ArrowArray){.length = n,
                             .n_buffers = 1,
                             .buffers = calloc(1, sizeof(void *)),
                             .n_children = 1,
                             .children = children,
                             .release = release_array};
  return 0;
}

static const char *get_last_error(struct ArrowArrayStream *stream) {
  (void)stream;
  return NULL;
}

static void release_stream(struct ArrowArrayStream *stream) {
  free(stream->private_data);
  stream->release = NULL;
}

static int32_t score(const lode_host *host, void *scorer, lode_input *inputs, size_t n_inputs,
                     struct ArrowArrayStream *out) {
  (void)scorer;
  readings readings = {0};
  const char *wrong = NULL;
  for (size_t i = 0; i < n_inputs; i++) {
    if (wrong == NULL) {
      wrong = read_all(inputs[i].stream, 0, &readings);
    }
    inputs[i].stream->release(inputs[i].stream);
  }
  if (wrong != NULL) {
    return refuse(host, LODE_FAIL_INVALID, wrong);
  }
  int64_t *rows = malloc(sizeof *rows);
  *rows = (int64_t)readings.rows;
  *out = (struct ArrowArrayStream){.get_schema = get_schema,
                                   .get_next = get_next,
                                   .get_last_error = get_last_error,
                                   .release = release_stream,
                                   .private_data = rows};
  return LODE_OK;
}

static const lode_algorithm SUM = {
    .struct_size = sizeof(lode_algorithm),
    .id = BYTES("cost.sum"),
    .describe = describe,
    .fit = fit,
    .open = open_model,
    .score = score,
    .close = close_model,
};

static const lode_algorithm *const ALGORITHMS[] = {&SUM};

const lode_plugin *lode_plugin_v1(uint32_t host_minor) {
  static lode_plugin plugin = {
      .major = LODE_MAJOR,
      .minor = LODE_MINOR,
      .struct_size = sizeof(lode_plugin),
      .count = 1,
      .algorithms = ALGORITHMS,
      .name = BYTES("cost"),
      .version = BYTES("1.0"),
      .build = BYTES("c11"),
      .manifest = LODE_MANIFEST_BYTES,
  };
  (void)host_minor;
  memcpy(&plugin.magic, LODE_MAGIC_BYTES, 8);
  return &plugin;
}
