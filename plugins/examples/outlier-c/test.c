/* Tests of the plugin without an engine: a host made of four functions, tables made by hand.
 *
 *     cc -std=c11 -g -fsanitize=address,undefined -o test test.c -lm && ./test
 *
 * Includes the plugin's source, so that everything is in reach. Each structure of Arrow that
 * is handed in is counted: it has to be released exactly once, also by a call that fails. */
#include "outlier.c"

static int n_failed;
#define CHECK(what)                                                        \
  do {                                                                     \
    if (!(what)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #what); \
      n_failed++;                                                          \
    }                                                                      \
  } while (0)

/* --- a host -------------------------------------------------------------------------- */

typedef struct told {
  uint32_t code;
  char field[128];
  char words[512];
  buffer slots[8];
  int64_t rows_emitted;
  bool is_cancelled;
} told;

static void host_log(void *ctx, uint32_t level, lode_bytes words) {
  (void)ctx, (void)level, (void)words;
}
static void host_progress(void *ctx, double fraction, lode_bytes stage) {
  (void)ctx, (void)fraction, (void)stage;
}
static int32_t host_cancelled(void *ctx) { return ((told *)ctx)->is_cancelled; }

static void host_fail(void *ctx, uint32_t code, lode_bytes field, lode_bytes words) {
  told *told = ctx;
  told->code = code;
  snprintf(told->field, sizeof told->field, "%.*s", (int)field.len, (const char *)field.data);
  snprintf(told->words, sizeof told->words, "%.*s", (int)words.len, (const char *)words.data);
}
static int32_t host_put(void *ctx, uint32_t slot, lode_bytes bytes) {
  buffer *into = &((told *)ctx)->slots[slot];
  into->len = 0;
  buffer_push(into, bytes.data, bytes.len);
  return LODE_OK;
}
static int32_t host_emit(void *ctx, lode_bytes name, struct ArrowArrayStream *stream) {
  CHECK(is_text(name, "features"));
  struct ArrowSchema schema;
  CHECK(stream->get_schema(stream, &schema) == 0);
  CHECK(schema.n_children == 4 && strcmp(schema.children[3]->name, "deviation") == 0);
  schema.release(&schema);
  struct ArrowArray batch;
  CHECK(stream->get_next(stream, &batch) == 0);
  ((told *)ctx)->rows_emitted = batch.length;
  batch.release(&batch);
  CHECK(stream->get_next(stream, &batch) == 0 && batch.release == NULL);
  stream->release(stream);
  return LODE_OK;
}

static lode_host host_of(told *told) {
  memset(told, 0, sizeof *told);
  lode_host host = {0};
  host.struct_size = sizeof host;
  host.minor = LODE_MINOR;
  host.ctx = told;
  host.log = host_log;
  host.progress = host_progress;
  host.cancelled = host_cancelled;
  host.fail = host_fail;
  host.put = host_put;
  host.emit = host_emit;
  host.seed = 1;
  host.threads = 1;
  return host;
}
static void told_free(told *told) {
  for (int slot = 0; slot < 8; slot++) {
    buffer_free(&told->slots[slot]);
  }
}
static lode_bytes slot(const told *told, uint32_t slot) {
  return (lode_bytes){told->slots[slot].data, told->slots[slot].len};
}
static bool same(lode_bytes a, lode_bytes b) {
  return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* --- tables -------------------------------------------------------------------------- */

/* What is to be released and is not yet. */
static int n_live;

typedef struct source_column {
  const char *name;
  const char *format;
  const char *metadata;
  const void *values;
  const void *validity;
  bool is_dictionary; /* `format` is of its values then */
} source_column;

/* Rows from `start` on, `rows` of them, `step` a batch; broken after so many batches. */
typedef struct source {
  const source_column *columns;
  int64_t n_columns;
  int64_t start, rows, step;
  int64_t broken_after;
  int64_t given;
  const char *metadata;
} source;

static void schema_done(struct ArrowSchema *schema) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    schema->children[i]->release(schema->children[i]);
    free(schema->children[i]);
  }
  if (schema->dictionary != NULL) {
    free(schema->dictionary);
  }
  free(schema->children);
  schema->release = NULL;
  n_live--;
}
static void array_done(struct ArrowArray *array) {
  for (int64_t i = 0; i < array->n_children; i++) {
    array->children[i]->release(array->children[i]);
    free(array->children[i]);
  }
  free(array->children);
  free(array->buffers);
  array->release = NULL;
  n_live--;
}
static void stream_done(struct ArrowArrayStream *stream) {
  stream->release = NULL;
  n_live--;
}
static int source_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  source *source = stream->private_data;
  *out = (struct ArrowSchema){.format = "+s", .name = "", .metadata = source->metadata,
                              .n_children = source->n_columns, .release = schema_done};
  out->children = calloc((size_t)source->n_columns + 1, sizeof *out->children);
  n_live++;
  for (int64_t i = 0; i < source->n_columns; i++) {
    const source_column *column = &source->columns[i];
    struct ArrowSchema *child = calloc(1, sizeof *child);
    *child = (struct ArrowSchema){.format = column->format, .name = column->name,
                                  .metadata = column->metadata, .flags = ARROW_FLAG_NULLABLE,
                                  .release = schema_done};
    if (column->is_dictionary) {
      child->format = "i";
      child->dictionary = calloc(1, sizeof *child->dictionary);
      child->dictionary->format = column->format;
    }
    n_live++;
    out->children[i] = child;
  }
  return 0;
}
static int source_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  source *source = stream->private_data;
  if (source->broken_after >= 0 && source->given >= source->broken_after * source->step) {
    return 5;
  }
  memset(out, 0, sizeof *out);
  if (source->given >= source->rows) {
    return 0;
  }
  int64_t left = source->rows - source->given;
  int64_t length = left < source->step ? left : source->step;
  /* Half of the offset is the batch's own, half each child's. */
  int64_t offset = source->start + source->given;
  *out = (struct ArrowArray){.length = length, .offset = offset / 2, .n_buffers = 1,
                             .n_children = source->n_columns, .release = array_done};
  out->buffers = calloc(1, sizeof *out->buffers);
  out->children = calloc((size_t)source->n_columns + 1, sizeof *out->children);
  n_live++;
  for (int64_t i = 0; i < source->n_columns; i++) {
    struct ArrowArray *child = calloc(1, sizeof *child);
    *child = (struct ArrowArray){.length = offset / 2 + length, .null_count = -1,
                                 .offset = offset - offset / 2, .n_buffers = 2,
                                 .release = array_done};
    child->buffers = calloc(2, sizeof *child->buffers);
    child->buffers[0] = source->columns[i].validity;
    child->buffers[1] = source->columns[i].values;
    n_live++;
    out->children[i] = child;
  }
  source->given += length;
  return 0;
}
static const char *source_error(struct ArrowArrayStream *stream) {
  (void)stream;
  return "the file is damaged";
}
static struct ArrowArrayStream stream_of(source *source) {
  n_live++;
  source->given = 0;
  return (struct ArrowArrayStream){source_schema, source_next, source_error, stream_done, source};
}

/* Calls fit or partial on a table. */
typedef int32_t (*learner)(const lode_host *, lode_bytes, lode_input *, size_t);

static int32_t call(learner learner, told *told, source source, const char *params) {
  lode_host host = host_of(told);
  struct ArrowArrayStream stream = stream_of(&source);
  lode_input input = {text("customers"), &stream};
  int32_t code = learner(&host, text(params), &input, 1);
  CHECK(n_live == 0);
  return code;
}

/* --- what is tested ------------------------------------------------------------------ */

enum { N = 1000 };
static double values[2][N];
static uint8_t validity[(N + 7) / 8];

static source_column numbers[2] = {{"b", "g", NULL, values[0], validity, false},
                                   {"a", "g", NULL, values[1], NULL, false}};

static source rows(int64_t start, int64_t n_rows, int64_t step) {
  return (source){numbers, 2, start, n_rows, step, -1, 0, NULL};
}

static void fill(void) {
  uint64_t state = 7;
  for (int i = 0; i < N; i++) {
    for (int column = 0; column < 2; column++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      values[column][i] = 1e6 + (double)(state >> 40) / 1e4;
    }
    if (i % 7 != 3) {
      validity[i / 8] |= (uint8_t)(1u << (i % 8));
    }
  }
}

static bool near(double a, double b) { return fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b)); }

static void test_moments_by_hand(void) {
  told told;
  CHECK(call(partial, &told, rows(5, N - 5, 64), "{}") == LODE_OK);
  moments found = {0};
  CHECK(moments_read(&found, slot(&told, LODE_SLOT_STATE)) == NULL);
  CHECK(found.n_features == 2 && is_text(found.features[0].name, "a"));
  for (int column = 0; column < 2; column++) {
    double sum = 0, squares = 0, n = 0;
    for (int pass = 0; pass < 2; pass++) {
      for (int i = 5; i < N; i++) {
        if (column == 0 && i % 7 == 3) {
          continue;
        }
        double value = values[column][i];
        if (pass == 0) {
          sum += value, n++;
        } else {
          squares += (value - sum / n) * (value - sum / n);
        }
      }
    }
    const feature *feature = &found.features[1 - column];
    CHECK(feature->count == (uint64_t)n);
    CHECK(near(feature->mean, sum / n));
    CHECK(near(feature->m2, squares));
  }
  moments_free(&found);
  told_free(&told);
}

static void test_batches_do_not_matter(void) {
  told whole, cut;
  CHECK(call(fit, &whole, rows(0, N, N), "{}") == LODE_OK);
  CHECK(whole.rows_emitted == 2);
  for (int64_t step = 1; step < N; step = step * 5 + 2) {
    CHECK(call(fit, &cut, rows(0, N, step), "{\"threshold\": 2}") == LODE_OK);
    CHECK(same(slot(&cut, LODE_SLOT_MODEL), slot(&whole, LODE_SLOT_MODEL)));
    told_free(&cut);
  }
  told_free(&whole);
}

/* Puts the merged state into `told`. */
static void merged(told *told, size_t n_states, const lode_bytes *states) {
  lode_host host = host_of(told);
  CHECK(merge(&host, text("{}"), states, n_states) == LODE_OK);
}

static void test_parts_make_the_whole(void) {
  told parts[3], whole, none, ab, ba, ab_c, bc, a_bc, with_none, finished;
  CHECK(call(partial, &parts[0], rows(0, 100, 9), "{}") == LODE_OK);
  CHECK(call(partial, &parts[1], rows(100, 650, 9), "{}") == LODE_OK);
  CHECK(call(partial, &parts[2], rows(750, 250, 9), "{}") == LODE_OK);
  CHECK(call(partial, &whole, rows(0, N, 9), "{}") == LODE_OK);
  lode_bytes a = slot(&parts[0], LODE_SLOT_STATE);
  lode_bytes b = slot(&parts[1], LODE_SLOT_STATE);
  lode_bytes c = slot(&parts[2], LODE_SLOT_STATE);
  merged(&none, 0, NULL);
  lode_bytes nothing = slot(&none, LODE_SLOT_STATE);
  merged(&ab, 2, (lode_bytes[]){a, b});
  merged(&ba, 2, (lode_bytes[]){b, a});
  CHECK(same(slot(&ab, LODE_SLOT_STATE), slot(&ba, LODE_SLOT_STATE)));
  merged(&with_none, 3, (lode_bytes[]){nothing, a, nothing});
  CHECK(same(slot(&with_none, LODE_SLOT_STATE), a));
  merged(&ab_c, 2, (lode_bytes[]){slot(&ab, LODE_SLOT_STATE), c});
  merged(&bc, 2, (lode_bytes[]){b, c});
  merged(&a_bc, 2, (lode_bytes[]){a, slot(&bc, LODE_SLOT_STATE)});
  moments left = {0}, right = {0}, all = {0};
  CHECK(moments_read(&left, slot(&ab_c, LODE_SLOT_STATE)) == NULL);
  CHECK(moments_read(&right, slot(&a_bc, LODE_SLOT_STATE)) == NULL);
  CHECK(moments_read(&all, slot(&whole, LODE_SLOT_STATE)) == NULL);
  for (int i = 0; i < 2; i++) {
    CHECK(left.features[i].count == all.features[i].count);
    CHECK(near(left.features[i].mean, right.features[i].mean));
    CHECK(near(left.features[i].m2, right.features[i].m2));
    CHECK(near(left.features[i].mean, all.features[i].mean));
    CHECK(near(left.features[i].m2, all.features[i].m2));
  }
  /* One part, finished, is what a fit gives. */
  lode_host host = host_of(&finished);
  CHECK(finish(&host, text("{}"), slot(&whole, LODE_SLOT_STATE)) == LODE_OK);
  told fitted;
  CHECK(call(fit, &fitted, rows(0, N, N), "{}") == LODE_OK);
  CHECK(same(slot(&finished, LODE_SLOT_MODEL), slot(&fitted, LODE_SLOT_MODEL)));
  CHECK(same(slot(&finished, LODE_SLOT_METRICS), slot(&fitted, LODE_SLOT_METRICS)));
  moments_free(&left), moments_free(&right), moments_free(&all);
  told *every[] = {&parts[0], &parts[1], &parts[2], &whole, &none,     &ab,       &ba,
                   &ab_c,     &bc,       &a_bc,     &with_none, &finished, &fitted};
  for (size_t i = 0; i < sizeof every / sizeof *every; i++) {
    told_free(every[i]);
  }
}

static void test_a_constant_stays_constant(void) {
  static const double constant[10] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
  source_column column[] = {{"x", "g", NULL, constant, NULL, false}};
  told few, many, both;
  CHECK(call(partial, &few, (source){column, 1, 0, 3, 3, -1, 0, NULL}, "{}") == LODE_OK);
  CHECK(call(partial, &many, (source){column, 1, 3, 7, 2, -1, 0, NULL}, "{}") == LODE_OK);
  merged(&both, 2, (lode_bytes[]){slot(&few, LODE_SLOT_STATE), slot(&many, LODE_SLOT_STATE)});
  moments found = {0};
  CHECK(moments_read(&found, slot(&both, LODE_SLOT_STATE)) == NULL);
  CHECK(found.features[0].count == 10 && found.features[0].mean == 0.1);
  CHECK(feature_deviation(&found.features[0]) == 0);
  moments_free(&found);
  told_free(&few), told_free(&many), told_free(&both);
}

static void test_every_number_type(void) {
  static const int8_t int8[8] = {0, 0, 0, 1, 2, 3, 4, 5};
  static const uint8_t uint8[8] = {0, 0, 0, 1, 2, 3, 4, 5};
  static const int16_t int16[8] = {0, 0, 0, 1, 2, 3, 4, 5};
  static const uint16_t uint16[8] = {0, 0, 0, 1, 2, 3, 4, 5};
  static const int32_t int32[8] = {0, 0, 0, 1, 2, 3, 4, 5};
  static const uint32_t uint32[8] = {0, 0, 0, 1, 2, 3, 4, 5};
  static const int64_t int64[8] = {0, 0, 0, 1, 2, 3, 4, 5};
  static const uint64_t uint64[8] = {0, 0, 0, 1, 2, 3, 4, 5};
  static const float float32[8] = {0, 0, 0, 1, 2, 3, 4, 5};
  static const double float64[8] = {0, 0, 0, 1, 2, 3, 4, 5};
  static const uint8_t bits[1] = {0xA8}; /* true in rows 3, 5 and 7 */
  static const uint8_t valid[1] = {0xF7}; /* row 3 is null */
  const char role[] = "\1\0\0\0\11\0\0\0lode.role\6\0\0\0amount";
  source_column all[] = {
      {"c", "c", NULL, int8, valid, false},   {"C", "C", NULL, uint8, valid, false},
      {"s", "s", NULL, int16, valid, false},  {"S", "S", NULL, uint16, valid, false},
      {"i", "i", NULL, int32, valid, false},  {"I", "I", NULL, uint32, valid, false},
      {"l", "l", NULL, int64, valid, false},  {"L", "L", NULL, uint64, valid, false},
      {"f", "f", NULL, float32, valid, false}, {"g", "g", NULL, float64, valid, false},
      {"b", "b", NULL, bits, valid, false},
      {"text", "u", NULL, int32, NULL, false}, {"money", "g", role, float64, NULL, false},
      {"word", "u", NULL, int32, NULL, true},
  };
  told told;
  CHECK(call(partial, &told, (source){all, 14, 3, 5, 2, -1, 0, NULL}, "{}") == LODE_OK);
  moments found = {0};
  CHECK(moments_read(&found, slot(&told, LODE_SLOT_STATE)) == NULL);
  CHECK(found.n_features == 11);
  for (size_t i = 0; i < found.n_features; i++) {
    const feature *feature = &found.features[i];
    bool is_bool = is_text(feature->name, "b");
    CHECK(feature->count == 4);
    CHECK(near(feature->mean, is_bool ? 0.5 : 3.5));
    CHECK(near(feature->m2, is_bool ? 1.0 : 5.0));
  }
  moments_free(&found);
  told_free(&told);
}

static void test_scores_by_hand(void) {
  static const double learned[4] = {8, 8, 12, 12}; /* mean 10, deviation 2 */
  static const double constant[4] = {1, 1, 1, 1};
  source_column columns[] = {{"x", "g", NULL, learned, NULL, false},
                             {"y", "g", NULL, constant, NULL, false}};
  told told;
  CHECK(call(fit, &told, (source){columns, 2, 0, 4, 4, -1, 0, NULL}, "{}") == LODE_OK);
  CHECK(same(slot(&told, LODE_SLOT_METRICS), text("{\"features\":2,\"values\":8}")));

  static const double asked[3] = {10, 20, 0};
  static const uint8_t known[1] = {0x3};
  source_column scored[] = {{"other", "g", NULL, constant, NULL, false},
                            {"y", "g", NULL, asked, NULL, false},
                            {"x", "g", NULL, asked, known, false}};
  const char explain[] = "\1\0\0\0\14\0\0\0lode.explain\4\0\0\0true";
  source source = {scored, 3, 0, 3, 2, -1, 0, explain};
  struct ArrowArrayStream stream = stream_of(&source);
  lode_input input = {text("customers"), &stream};
  struct told scoring;
  lode_host host = host_of(&scoring);
  void *opened = NULL;
  CHECK(open_scorer(&host, text("{\"threshold\":3}"), slot(&told, LODE_SLOT_MODEL), &opened) == 0);
  struct ArrowArrayStream out;
  CHECK(score(&host, opened, &input, 1, &out) == LODE_OK);
  CHECK(n_live == 0);
  struct ArrowArray batch;
  CHECK(out.get_next(&out, &batch) == 0 && batch.length == 3 && batch.n_children == 5);
  const double *margins = batch.children[MARGIN]->buffers[1];
  const double *scores = batch.children[SCORE]->buffers[1];
  /* z = 0, 5 and unknown in x; y was constant: (0 - 1) / 2, (25 - 1) / 2, 0. */
  CHECK(near(margins[0], 0.5) && near(margins[1], 13.0) && near(margins[2], 1.0));
  CHECK(near(scores[1], sqrt(13.0)));
  const int32_t *ends = batch.children[LABEL]->buffers[1];
  const char *labels = batch.children[LABEL]->buffers[2];
  CHECK(ends[3] == 17 && memcmp(labels, "usualoutlierusual", 17) == 0);
  struct ArrowArray *reasons = batch.children[CONTRIBUTIONS]->children[0];
  CHECK(reasons->length == 6 && reasons->children[1]->null_count == 1);
  const double *parts = reasons->children[2]->buffers[1];
  for (int row = 0; row < 3; row++) {
    CHECK(near(1.0 + parts[2 * row] + parts[2 * row + 1], margins[row]));
  }
  const char *shown = reasons->children[1]->buffers[2];
  CHECK(memcmp(shown, "101020200", 8) == 0);
  batch.release(&batch);
  out.release(&out);
  close_scorer(opened);
  told_free(&told);
  told_free(&scoring);
}

static void test_misuse_is_told(void) {
  told told;
  static const double endless[4] = {1, 2, INFINITY, 4};
  source_column infinite[] = {{"x", "g", NULL, endless, NULL, false}};
  CHECK(call(fit, &told, (source){infinite, 1, 0, 4, 1, -1, 0, NULL}, "{}") == LODE_FAILED);
  CHECK(told.code == LODE_FAIL_INVALID && strcmp(told.field, "inputs.customers.x") == 0);
  CHECK(strcmp(told.words, "expected finite numbers, found inf in row 2") == 0);

  source_column coded[] = {{"x", "g", NULL, endless, NULL, true}};
  CHECK(call(fit, &told, (source){coded, 1, 0, 4, 1, -1, 0, NULL}, "{}") == LODE_FAILED);
  CHECK(strstr(told.words, "found a dictionary") != NULL);

  CHECK(call(fit, &told, (source){NULL, 0, 0, 4, 1, -1, 0, NULL}, "{}") == LODE_FAILED);
  CHECK(strcmp(told.field, "inputs.customers") == 0);
  CHECK(call(fit, &told, rows(0, 0, 1), "{}") == LODE_FAILED);

  source broken = rows(0, N, 100);
  broken.broken_after = 3;
  CHECK(call(fit, &told, broken, "{}") == LODE_FAILED);
  CHECK(strcmp(told.words, "the file is damaged") == 0);

  lode_host host = host_of(&told);
  told.is_cancelled = true;
  source all = rows(0, N, N);
  struct ArrowArrayStream stream = stream_of(&all);
  lode_input input = {text("customers"), &stream};
  CHECK(fit(&host, text("{}"), &input, 1) == LODE_FAILED);
  CHECK(told.code == LODE_FAIL_CANCELLED && n_live == 0);

  host = host_of(&told);
  stream = stream_of(&all);
  input.name = text("others");
  CHECK(fit(&host, text("{}"), &input, 1) == LODE_FAILED);
  CHECK(n_live == 0);

  const char *junk[] = {"", "{", "[]", "{}x", "{\"threshold\":}", "{\"threshold\":0}",
                        "{\"threshold\":nan}", "{\"threshold\":0x10}", "{\"threshold\":{}}",
                        "{\"threshold\":1,}", "{\"other\":1}", "{threshold:1}",
                        "{\"threshold\":01}", "{\"threshold\":1e999}"};
  for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
    CHECK(call(fit, &told, rows(0, N, N), junk[i]) == LODE_FAILED);
    CHECK(told.code == LODE_FAIL_INVALID && strncmp(told.field, "params", 6) == 0);
  }
  CHECK(call(fit, &told, rows(0, N, N), " { \"threshold\" : 2.5e0 } ") == LODE_OK);

  /* A model that was cut anywhere is refused and never read past its end. */
  lode_bytes model = slot(&told, LODE_SLOT_MODEL);
  for (size_t len = 0; len < model.len; len++) {
    uint8_t *part = malloc(len + 1); /* of its own, so that a sanitizer sees the end */
    memcpy(part, model.data, len);
    struct told refused;
    host = host_of(&refused);
    void *opened = NULL;
    CHECK(open_scorer(&host, text("{}"), (lode_bytes){part, len}, &opened) == LODE_FAILED);
    CHECK(refused.code == LODE_FAIL_MODEL && opened == NULL);
    free(part);
  }
  /* So is one with a bit that has turned. */
  for (size_t at = 0; at < model.len; at++) {
    struct told refused;
    host = host_of(&refused);
    void *opened = NULL;
    told.slots[LODE_SLOT_MODEL].data[at] ^= 4;
    CHECK(open_scorer(&host, text("{}"), model, &opened) == LODE_FAILED);
    told.slots[LODE_SLOT_MODEL].data[at] ^= 4;
  }
  CHECK(checksum((const uint8_t *)"123456789", 9) == 0xCBF43926u); /* the usual test */
  told_free(&told);
}

int main(void) {
  fill();
  const lode_plugin *plugin = lode_plugin_v1(LODE_MINOR);
  CHECK(memcmp(&plugin->magic, LODE_MAGIC_BYTES, 8) == 0 && plugin->count == 1);
  test_moments_by_hand();
  test_batches_do_not_matter();
  test_parts_make_the_whole();
  test_a_constant_stays_constant();
  test_every_number_type();
  test_scores_by_hand();
  test_misuse_is_told();
  CHECK(n_live == 0);
  printf(n_failed == 0 ? "all passed\n" : "%d checks failed\n", n_failed);
  return n_failed != 0;
}
