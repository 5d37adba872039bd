/* A small plugin in C that the tests build in many variants: it scores every row with ANSWER.
 *
 * -DNAME, -DVERSION, -DFAMILY are strings; -DFORMAT is the format of its models, -DREADS the
 * list of older ones, as JSON; -DBROKEN=1 makes both its algorithms wrong, each in its own way;
 * -DLIAR=1 makes it refuse the older models that it says it reads. -DSPARE=1 gives a model
 * "spare" beside the main one, which scores with 5 more, and starts from a model, whose first
 * byte is then the metric "base".
 */
#include "lode_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef NAME
#define NAME "answer"
#endif
#ifndef VERSION
#define VERSION "1.0"
#endif
#ifndef FAMILY
#define FAMILY "answer"
#endif
#ifndef ANSWER
#define ANSWER 1
#endif
#ifndef FORMAT
#define FORMAT 1
#endif
#ifndef READS
#define READS "[]"
#endif
#ifndef SPARE
#define SPARE 0
#endif
#ifndef LIAR
#define LIAR 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

#if SPARE
#define MORE                                                                                       \
  ",\"models\":[{\"name\":\"spare\",\"description\":\"Answers with 5 more.\"}],\"warm_start\":true"
#else
#define MORE ""
#endif

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define BYTES(text) {(const uint8_t *)(text), sizeof(text) - 1}
#define SPEC(id)                                                                                   \
  "{\"id\":\"" id "\",\"version\":\"1.0\",\"title\":\"Answer\",\"description\":\"Answers.\","      \
  "\"task\":\"segmentation\",\"params_schema\":\"{\\\"type\\\":\\\"object\\\",\\\"properties\\\":" \
  "{\\\"mode\\\":{\\\"type\\\":\\\"string\\\",\\\"default\\\":\\\"ok\\\"}}}\","                    \
  "\"inputs\":[{\"name\":\"rows\",\"optional\":true,\"description\":\"\",\"columns\":[],"          \
  "\"features\":\"ignored\"}],\"outputs\":[],\"model_format\":" TEXT(FORMAT) ",\"reads_formats\":" \
  READS MORE "}"

static const char ONE[] = SPEC(FAMILY ".one");
static const char TWO[] = SPEC(FAMILY ".two");

static lode_bytes text(const char *words) {
  lode_bytes bytes = {(const uint8_t *)words, strlen(words)};
  return bytes;
}

/* Whether the params have this mode. */
static int has(lode_bytes params, const char *mode) {
  size_t len = strlen(mode);
  for (size_t at = 0; at + len <= params.len; at++) {
    if (memcmp(params.data + at, mode, len) == 0) {
      return 1;
    }
  }
  return 0;
}

static void crash(void) { abort(); }

static void doze(long milliseconds) {
  struct timespec time = {milliseconds / 1000, (milliseconds % 1000) * 1000000};
  nanosleep(&time, NULL);
}

/* Rows of all inputs, which are released. */
static int64_t count(lode_input *inputs, size_t n_inputs) {
  int64_t rows = 0;
  for (size_t i = 0; i < n_inputs; i++) {
    struct ArrowArrayStream *stream = inputs[i].stream;
    struct ArrowArray batch;
    while (stream->get_next(stream, &batch) == 0 && batch.release != NULL) {
      rows += batch.length;
      batch.release(&batch);
    }
    stream->release(stream);
  }
  return rows;
}

static int32_t describe_one(const lode_host *host) {
  return host->put(host->ctx, LODE_SLOT_SPEC, text(ONE));
}

static int32_t describe_two(const lode_host *host) {
  return host->put(host->ctx, LODE_SLOT_SPEC, text(TWO));
}

static int32_t fit(const lode_host *host, lode_bytes params, lode_input *inputs, size_t n_inputs) {
  (void)count(inputs, n_inputs);
  if (has(params, "\"crash\"")) {
    crash();
  }
  /* Two seconds, unless somebody asks it to stop. */
  for (int i = 0; has(params, "\"slow\"") && i < 200; i++) {
    doze(10);
    if (host->cancelled(host->ctx)) {
      host->fail(host->ctx, LODE_FAIL_CANCELLED, text(""), text("asked to stop"));
      return LODE_FAILED;
    }
  }
  char metrics[64] = "{\"answer\":" TEXT(ANSWER) "}";
  lode_bytes base;
  if (SPARE && host->get(host->ctx, LODE_SLOT_MODEL, text(""), &base) == LODE_OK && base.len > 0) {
    snprintf(metrics, sizeof metrics, "{\"answer\":" TEXT(ANSWER) ",\"base\":%d}", base.data[0]);
  }
  if (host->put(host->ctx, LODE_SLOT_METRICS, text(metrics)) != LODE_OK) {
    return LODE_FAILED;
  }
  static const uint8_t bytes[2] = {FORMAT, 's'};
  lode_bytes model = {bytes, 1}, spare = {bytes, 2};
  if (SPARE && !has(params, "\"no_spare\"") &&
      host->put_named(host->ctx, LODE_SLOT_MODEL, text("spare"), spare) != LODE_OK) {
    return LODE_FAILED;
  }
  return host->put(host->ctx, LODE_SLOT_MODEL, model);
}

static int32_t fit_crash(const lode_host *host, lode_bytes params, lode_input *inputs, size_t n) {
  (void)host, (void)params, (void)inputs, (void)n;
  crash();
  return LODE_FAILED;
}

static int32_t fit_wrong(const lode_host *host, lode_bytes params, lode_input *inputs, size_t n) {
  (void)params;
  (void)count(inputs, n);
  host->fail(host->ctx, LODE_FAIL_BUG, text(""), text("two and two is five"));
  return LODE_FAILED;
}

static int32_t open_model(const lode_host *host, lode_bytes params, lode_bytes model,
                          void **scorer) {
  int spare = SPARE && model.len == 2 && model.data[1] == 's';
  int reads_older = !LIAR && model.len == 1 && strchr(READS, '0' + model.data[0]) != NULL;
  if ((model.len != 1 && !spare) || (model.data[0] != FORMAT && !reads_older)) {
    host->fail(host->ctx, LODE_FAIL_MODEL, text(""), text("not a model of mine"));
    return LODE_FAILED;
  }
  char *mode = malloc(1);
  *mode = has(params, "\"crash_score\"") ? 'c' : has(params, "\"slow_score\"") ? 's' : 'o';
  *mode = spare ? 'p' : *mode;
  *scorer = mode;
  return LODE_OK;
}

static void close_model(void *scorer) { free(scorer); }

/* One table: a column "score" that holds the answer in each row. */
typedef struct table {
  int64_t rows; /* -1 when it has been given */
  double answer;
} table;

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
  *out = (struct ArrowSchema){.format = "+s",
                              .name = "",
                              .n_children = 1,
                              .children = children,
                              .release = release_schema};
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

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  table *rows = stream->private_data;
  int64_t n = rows->rows;
  rows->rows = -1;
  if (n < 0) {
    *out = (struct ArrowArray){0};
    return 0;
  }
  double *values = malloc((size_t)(n + 1) * sizeof *values);
  for (int64_t i = 0; i < n; i++) {
    values[i] = rows->answer;
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
  (void)host;
  if (*(char *)scorer == 'c') {
    crash();
  }
  if (*(char *)scorer == 's') {
    doze(400);
  }
  table *made = malloc(sizeof *made);
  made->rows = count(inputs, n_inputs);
  made->answer = *(char *)scorer == 'p' ? ANSWER + 5 : ANSWER;
  *out = (struct ArrowArrayStream){.get_schema = get_schema,
                                   .get_next = get_next,
                                   .get_last_error = get_last_error,
                                   .release = release_stream,
                                   .private_data = made};
  return LODE_OK;
}

static const lode_algorithm FIRST = {
    .struct_size = sizeof(lode_algorithm),
    .id = BYTES(FAMILY ".one"),
    .describe = describe_one,
    .fit = BROKEN ? fit_crash : fit,
    .open = open_model,
    .score = score,
    .close = close_model,
};

static const lode_algorithm SECOND = {
    .struct_size = sizeof(lode_algorithm),
    .id = BYTES(FAMILY ".two"),
    .describe = describe_two,
    .fit = BROKEN ? fit_wrong : fit,
    .open = open_model,
    .score = score,
    .close = close_model,
};

static const lode_algorithm *const ALGORITHMS[] = {&FIRST, &SECOND};

const lode_plugin *lode_plugin_v1(uint32_t host_minor) {
  static lode_plugin plugin = {
      .major = LODE_MAJOR,
      .minor = LODE_MINOR,
      .struct_size = sizeof(lode_plugin),
      .count = 2,
      .algorithms = ALGORITHMS,
      .name = BYTES(NAME),
      .version = BYTES(VERSION),
      .build = BYTES("c11"),
  };
  (void)host_minor;
  memcpy(&plugin.magic, LODE_MAGIC_BYTES, 8);
  return &plugin;
}
