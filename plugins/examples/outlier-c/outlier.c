/* example.outlier: which customers are unlike the others, a Lode plugin in plain C11.
 *
 * It learns the mean and the standard deviation of each column of numbers. A row's score is
 * the root of its mean squared z-score: about 1 for an ordinary row, and above `threshold`
 * it is called an outlier. What each column adds is told as a contribution:
 *
 *     margin = score^2 = base + sum of contributions,   base = 1,
 *     contribution of a column = (z^2 - 1) / number of columns.
 *
 * A missing value contributes 0, as one at a distance of one deviation; so does a column
 * that was constant in the fit. Rows are read batch by batch, once, and nothing of them is
 * kept: an input may be larger than memory. See README.md for how to build and try it.
 *
 * Read from the bottom: lode_plugin_v1 gives the table of functions, those above do it. */
#include "lode_plugin.h"

#include "arrow_read.h"
#include "arrow_write.h"
#include "host.h"
#include "json.h"
#include "moments.h"

/* Rows between two looks at whether the call was cancelled. */
#define STRIDE 65536

/* A string of JSON in JSON: the parameters' schema is text inside the description. */
static const char SPEC[] =
    "{\"id\":\"example.outlier\",\"version\":\"1.0\",\"title\":\"Outliers\","
    "\"description\":\"Which customers are unlike the others: the root of the mean squared "
    "z-score over all columns of numbers, with what each column adds.\","
    "\"task\":\"other\","
    "\"params_schema\":\"{"
    "\\\"$schema\\\":\\\"https://json-schema.org/draft/2020-12/schema\\\","
    "\\\"type\\\":\\\"object\\\",\\\"additionalProperties\\\":false,\\\"properties\\\":{"
    "\\\"threshold\\\":{\\\"type\\\":\\\"number\\\",\\\"default\\\":3.0,"
    "\\\"exclusiveMinimum\\\":0,\\\"maximum\\\":1000000,"
    "\\\"description\\\":\\\"A row whose score is above this is an outlier.\\\"}}}\","
    "\"inputs\":[{\"name\":\"customers\",\"optional\":false,"
    "\"description\":\"One row a customer; all columns of numbers without a role are used\","
    "\"columns\":[{\"role\":\"customer_id\",\"optional\":true,\"types\":[\"string\",\"int64\"],"
    "\"description\":\"Who\"}],\"features\":\"numeric\"}],"
    "\"outputs\":[{\"name\":\"features\",\"description\":\"What was learned of each column\","
    "\"chart_hint\":\"bar\",\"write_back\":[]}],\"model_format\":1,"
    "\"merge\":{\"tolerance\":1e-9},"
    "\"memory\":{\"base_bytes\":33554432,\"bytes_per_row\":0}}";

static int32_t describe(const lode_host *host) {
  return host->put(host->ctx, LODE_SLOT_SPEC, text(SPEC));
}

/* --- parameters --------------------------------------------------------------------- */

typedef struct params {
  double threshold;
} params;

static const char *take_param(void *into, const char *name, double value) {
  params *params = into;
  if (strcmp(name, "threshold") != 0) {
    return "expected no parameter but threshold";
  }
  params->threshold = value;
  return NULL;
}

static int32_t read_params(const lode_host *host, lode_bytes json, params *params) {
  params->threshold = 3.0;
  const char *wrong = json_flat_object(json, take_param, params);
  if (wrong != NULL) {
    return fail(host, LODE_FAIL_INVALID, "params", "%s", wrong);
  }
  if (!(params->threshold > 0 && params->threshold <= 1e6)) {
    return fail(host, LODE_FAIL_INVALID, "params.threshold",
                "expected a number above 0 and at most 1000000, found %g", params->threshold);
  }
  return LODE_OK;
}

/* --- reading ------------------------------------------------------------------------ */

/* Finds the input "customers" and releases the others, which are ours too. */
static int32_t open_customers(const lode_host *host, lode_input *inputs, size_t n_inputs,
                              reader *reader) {
  memset(reader, 0, sizeof *reader);
  const lode_input *found = NULL;
  for (size_t i = 0; i < n_inputs; i++) {
    if (found == NULL && is_text(inputs[i].name, "customers")) {
      found = &inputs[i];
    } else if (inputs[i].stream->release != NULL) {
      inputs[i].stream->release(inputs[i].stream);
    }
  }
  if (found == NULL) {
    return fail(host, LODE_FAIL_INVALID, "inputs.customers",
                "expected an input named customers, found none");
  }
  const char *wrong = reader_open(reader, found);
  if (wrong != NULL) {
    return fail(host, LODE_FAIL_INVALID, "inputs.customers", "%s", wrong);
  }
  for (int64_t column = 0; column < reader->schema.n_children; column++) {
    const struct ArrowSchema *field = reader->schema.children[column];
    if (is_coded_number(field)) {
      char path[256];
      snprintf(path, sizeof path, "inputs.customers.%s", field->name);
      return fail(host, LODE_FAIL_INVALID, path,
                  "expected plain numbers, found a dictionary of numbers");
    }
  }
  return LODE_OK;
}

/* The next batch: 1, 0 at the end, -1 after a failure that was told. */
static int next_batch(const lode_host *host, reader *reader) {
  if (host->cancelled(host->ctx)) {
    fail(host, LODE_FAIL_CANCELLED, "", "the call was cancelled");
    return -1;
  }
  int found = reader_next(reader);
  if (found < 0) {
    fail(host, LODE_FAIL_INVALID, "inputs.customers", "%s", reader_error(reader));
  }
  return found;
}

/* A number that counts: false for a null and for NaN. An infinite one is told as a failure
 * and sets `broken`. `row` is of the batch, `before` are the rows of earlier batches. */
static bool known_number(const lode_host *host, const reader *reader, int64_t column,
                         int64_t row, int64_t before, double *value, bool *broken) {
  if (!number_at(reader, column, row, value) || isnan(*value)) {
    return false;
  }
  if (isinf(*value)) {
    char path[256];
    snprintf(path, sizeof path, "inputs.customers.%s", reader->schema.children[column]->name);
    fail(host, LODE_FAIL_INVALID, path, "expected finite numbers, found %g in row %lld", *value,
         (long long)(before + row));
    *broken = true;
    return false;
  }
  return true;
}

/* Adds all rows to the moments. Each column's values come in the order of the rows, so that
 * the result does not depend on how they were cut into batches. */
static int32_t learn(const lode_host *host, reader *reader, moments *moments) {
  for (int64_t column = 0; column < reader->schema.n_children; column++) {
    const struct ArrowSchema *field = reader->schema.children[column];
    if (is_feature(field) && moments_feature(moments, text(field->name)) == NULL) {
      return out_of_memory(host);
    }
  }
  int64_t before = 0;
  int found;
  while ((found = next_batch(host, reader)) > 0) {
    host->progress(host->ctx, 0.5, text("reading rows"));
    for (int64_t column = 0; column < reader->schema.n_children; column++) {
      const struct ArrowSchema *field = reader->schema.children[column];
      if (!is_feature(field)) {
        continue;
      }
      feature *feature = moments_feature(moments, text(field->name));
      if (feature == NULL) {
        return out_of_memory(host);
      }
      for (int64_t row = 0; row < reader->batch.length; row++) {
        if (row % STRIDE == STRIDE - 1 && host->cancelled(host->ctx)) {
          return fail(host, LODE_FAIL_CANCELLED, "", "the call was cancelled");
        }
        double value;
        bool broken = false;
        if (known_number(host, reader, column, row, before, &value, &broken)) {
          feature_add(feature, value);
        } else if (broken) {
          return LODE_FAILED;
        }
      }
    }
    before += reader->batch.length;
  }
  return found < 0 ? LODE_FAILED : LODE_OK;
}

static int32_t learn_inputs(const lode_host *host, lode_bytes json, lode_input *inputs,
                            size_t n_inputs, moments *moments) {
  params params;
  reader reader;
  /* The inputs are ours whatever happens: they are opened, and closed, in any case. */
  int32_t code = open_customers(host, inputs, n_inputs, &reader);
  if (code == LODE_OK) {
    code = read_params(host, json, &params);
  }
  if (code == LODE_OK) {
    code = learn(host, &reader, moments);
  }
  reader_close(&reader);
  return code;
}

/* --- what a fit gives ---------------------------------------------------------------- */

/* The output "features", the model and the metrics. */
static int32_t give(const lode_host *host, const moments *moments) {
  uint64_t n_values = 0;
  for (size_t i = 0; i < moments->n_features; i++) {
    n_values += moments->features[i].count;
  }
  if (n_values == 0) {
    return fail(host, LODE_FAIL_INVALID, "inputs.customers",
                "expected at least one number in a column without a role, found none");
  }
  column *columns = calloc(4, sizeof *columns);
  if (columns == NULL) {
    return out_of_memory(host);
  }
  columns[0].name = "feature";
  columns[0].format = "u";
  columns[1].name = "values";
  columns[2].name = "mean";
  columns[3].name = "deviation";
  columns[1].format = columns[2].format = columns[3].format = "g";
  for (size_t i = 0; i < moments->n_features; i++) {
    const feature *feature = &moments->features[i];
    column_text(&columns[0], feature->name);
    column_number(&columns[1], (double)feature->count);
    column_number(&columns[2], feature->mean);
    column_number(&columns[3], feature_deviation(feature));
  }
  struct ArrowArrayStream stream;
  if (!stream_make(&stream, columns, 4, (int64_t)moments->n_features)) {
    return out_of_memory(host);
  }
  /* The host drains and releases it; what it refuses it has told itself. */
  if (host->emit(host->ctx, text("features"), &stream) != LODE_OK) {
    return LODE_FAILED;
  }
  buffer model = {0};
  moments_write(&model, moments);
  int32_t code = model.failed ? out_of_memory(host) : LODE_OK;
  if (code == LODE_OK) {
    code = host->put(host->ctx, LODE_SLOT_MODEL, (lode_bytes){model.data, model.len});
  }
  buffer_free(&model);
  if (code != LODE_OK) {
    return code;
  }
  char metrics[128];
  snprintf(metrics, sizeof metrics, "{\"features\":%zu,\"values\":%llu}", moments->n_features,
           (unsigned long long)n_values);
  return host->put(host->ctx, LODE_SLOT_METRICS, text(metrics));
}

static int32_t fit(const lode_host *host, lode_bytes json, lode_input *inputs, size_t n_inputs) {
  moments moments = {0};
  int32_t code = learn_inputs(host, json, inputs, n_inputs, &moments);
  if (code == LODE_OK) {
    code = give(host, &moments);
  }
  moments_free(&moments);
  return code;
}

/* --- the same in parts --------------------------------------------------------------- */

static int32_t put_state(const lode_host *host, const moments *moments) {
  buffer state = {0};
  moments_write(&state, moments);
  int32_t code = state.failed ? out_of_memory(host)
                              : host->put(host->ctx, LODE_SLOT_STATE,
                                          (lode_bytes){state.data, state.len});
  buffer_free(&state);
  return code;
}

/* One part's rows become a state. */
static int32_t partial(const lode_host *host, lode_bytes json, lode_input *inputs,
                       size_t n_inputs) {
  moments moments = {0};
  int32_t code = learn_inputs(host, json, inputs, n_inputs, &moments);
  if (code == LODE_OK) {
    code = put_state(host, &moments);
  }
  moments_free(&moments);
  return code;
}

/* Several states become one; none become the state of no rows. */
static int32_t merge(const lode_host *host, lode_bytes json, const lode_bytes *states,
                     size_t n_states) {
  params params;
  moments moments = {0};
  int32_t code = read_params(host, json, &params);
  for (size_t i = 0; i < n_states && code == LODE_OK; i++) {
    const char *wrong = moments_read(&moments, states[i]);
    if (wrong != NULL) {
      code = fail(host, LODE_FAIL_MODEL, "", "state %zu: %s", i, wrong);
    }
  }
  if (code == LODE_OK) {
    code = put_state(host, &moments);
  }
  moments_free(&moments);
  return code;
}

/* A state becomes what a fit over the rows of all its parts gives. */
static int32_t finish(const lode_host *host, lode_bytes json, lode_bytes state) {
  params params;
  moments moments = {0};
  int32_t code = read_params(host, json, &params);
  if (code == LODE_OK) {
    const char *wrong = moments_read(&moments, state);
    code = wrong == NULL ? give(host, &moments)
                         : fail(host, LODE_FAIL_MODEL, "", "the state: %s", wrong);
  }
  moments_free(&moments);
  return code;
}

/* --- scoring ------------------------------------------------------------------------- */

typedef struct scorer {
  params params;
  moments moments;
} scorer;

static void close_scorer(void *opened) {
  scorer *scorer = opened;
  if (scorer != NULL) {
    moments_free(&scorer->moments);
    free(scorer);
  }
}

static int32_t open_scorer(const lode_host *host, lode_bytes json, lode_bytes model,
                           void **opened) {
  scorer *made = calloc(1, sizeof *made);
  if (made == NULL) {
    return out_of_memory(host);
  }
  int32_t code = read_params(host, json, &made->params);
  if (code == LODE_OK) {
    const char *wrong = moments_read(&made->moments, model);
    if (wrong != NULL) {
      code = fail(host, LODE_FAIL_MODEL, "", "%s", wrong);
    }
  }
  if (code != LODE_OK) {
    close_scorer(made);
    return code;
  }
  *opened = made;
  return LODE_OK;
}

/* One column's part in the score of one row. */
typedef struct reason {
  const feature *feature;
  bool is_known;
  double value;
  double contribution;
} reason;

/* Largest first by absolute value; equals in the order of their names. */
static int compare_reasons(const void *left, const void *right) {
  const reason *a = left;
  const reason *b = right;
  double by = fabs(b->contribution) - fabs(a->contribution);
  return by != 0 ? (by > 0) - (by < 0) : compare_names(a->feature->name, b->feature->name);
}

/* The shortest of the two usual ways to write a number that reads back as the same. */
static lode_bytes written(double value, char *into, size_t size) {
  snprintf(into, size, "%.15g", value);
  if (strtod(into, NULL) != value) {
    snprintf(into, size, "%.17g", value);
  }
  return text(into);
}

/* The columns of an answer, in one block that the stream frees. */
enum { SCORE, LABEL, MARGIN, BASE, CONTRIBUTIONS, N_COLUMNS, REASON = N_COLUMNS, OF_FEATURE,
       OF_VALUE, OF_CONTRIBUTION, N_ALL };

static column *answer_columns(void) {
  column *columns = calloc(N_ALL, sizeof *columns);
  if (columns == NULL) {
    return NULL;
  }
  static const char *const NAMES[N_ALL] = {"score", "label", "margin", "base", "contributions",
                                           "item", "feature", "value", "contribution"};
  static const char *const FORMATS[N_ALL] = {"g", "u", "g", "g", "+l", "+s", "u", "u", "g"};
  for (int i = 0; i < N_ALL; i++) {
    columns[i].name = NAMES[i];
    columns[i].format = FORMATS[i];
  }
  columns[CONTRIBUTIONS].children = &columns[REASON];
  columns[CONTRIBUTIONS].n_children = 1;
  columns[REASON].nullable = true;
  columns[REASON].children = &columns[OF_FEATURE];
  columns[REASON].n_children = 3;
  columns[OF_VALUE].nullable = true;
  return columns;
}

/* Appends the answer for one row. `reasons` has place for one a feature. */
static bool score_row(const lode_host *host, const scorer *scorer, const reader *reader,
                      const int64_t *places, int64_t row, int64_t before, bool explain,
                      reason *reasons, column *columns) {
  size_t n_features = scorer->moments.n_features;
  double margin = 1.0;
  for (size_t i = 0; i < n_features; i++) {
    const feature *feature = &scorer->moments.features[i];
    reason *reason = &reasons[i];
    *reason = (struct reason){feature, false, 0.0, 0.0};
    bool broken = false;
    reason->is_known =
        known_number(host, reader, places[i], row, before, &reason->value, &broken);
    if (broken) {
      return false;
    }
    double deviation = feature_deviation(feature);
    if (reason->is_known && deviation > 0) {
      double z = (reason->value - feature->mean) / deviation;
      reason->contribution = (z * z - 1.0) / (double)n_features;
    }
    margin += reason->contribution;
  }
  double score = sqrt(margin > 0 ? margin : 0);
  column_number(&columns[SCORE], score);
  column_text(&columns[LABEL], text(score > scorer->params.threshold ? "outlier" : "usual"));
  column_number(&columns[MARGIN], margin);
  column_number(&columns[BASE], 1.0);
  if (explain) {
    qsort(reasons, n_features, sizeof *reasons, compare_reasons);
    for (size_t i = 0; i < n_features; i++) {
      char words[40];
      lode_bytes value = {NULL, 0};
      if (reasons[i].is_known) {
        value = written(reasons[i].value, words, sizeof words);
      }
      column_text(&columns[OF_FEATURE], reasons[i].feature->name);
      column_text(&columns[OF_VALUE], value);
      column_number(&columns[OF_CONTRIBUTION], reasons[i].contribution);
      column_row(&columns[REASON], true);
    }
    column_list(&columns[CONTRIBUTIONS]);
  }
  return true;
}

/* Finds the model's features among the columns of the input, by name. */
static int32_t find_places(const lode_host *host, const scorer *scorer, const reader *reader,
                           int64_t *places) {
  for (size_t i = 0; i < scorer->moments.n_features; i++) {
    lode_bytes name = scorer->moments.features[i].name;
    char path[256];
    snprintf(path, sizeof path, "inputs.customers.%.*s", (int)name.len, (const char *)name.data);
    places[i] = column_named(&reader->schema, name);
    if (places[i] < 0) {
      return fail(host, LODE_FAIL_INVALID, path,
                  "expected the column %.*s that the fit had, found none", (int)name.len,
                  (const char *)name.data);
    }
    const struct ArrowSchema *field = reader->schema.children[places[i]];
    if (field->dictionary != NULL || !is_numeric_format(field->format)) {
      return fail(host, LODE_FAIL_INVALID, path,
                  "expected numbers as in the fit, found Arrow format %s", field->format);
    }
  }
  return LODE_OK;
}

static int32_t score_rows(const lode_host *host, const scorer *scorer, reader *reader,
                          int64_t *places, reason *reasons, column *columns, bool explain,
                          int64_t *n_rows) {
  int32_t code = find_places(host, scorer, reader, places);
  if (code != LODE_OK) {
    return code;
  }
  int found;
  while ((found = next_batch(host, reader)) > 0) {
    for (int64_t row = 0; row < reader->batch.length; row++) {
      if (!score_row(host, scorer, reader, places, row, *n_rows, explain, reasons, columns)) {
        return LODE_FAILED;
      }
    }
    *n_rows += reader->batch.length;
  }
  return found < 0 ? LODE_FAILED : LODE_OK;
}

static int32_t score(const lode_host *host, void *opened, lode_input *inputs, size_t n_inputs,
                     struct ArrowArrayStream *out) {
  const scorer *scorer = opened;
  size_t n_features = scorer->moments.n_features;
  reader reader;
  int32_t code = open_customers(host, inputs, n_inputs, &reader);
  int64_t *places = calloc(n_features + 1, sizeof *places);
  reason *reasons = calloc(n_features + 1, sizeof *reasons);
  column *columns = answer_columns();
  int64_t n_rows = 0;
  bool explain = false;
  if (code == LODE_OK && (places == NULL || reasons == NULL || columns == NULL)) {
    code = out_of_memory(host);
  }
  if (code == LODE_OK) {
    explain = is_text(arrow_metadata(reader.schema.metadata, "lode.explain"), "true");
    code = score_rows(host, scorer, &reader, places, reasons, columns, explain, &n_rows);
  }
  reader_close(&reader);
  free(places);
  free(reasons);
  if (code == LODE_OK) {
    int64_t n_columns = explain ? N_COLUMNS : CONTRIBUTIONS;
    return stream_make(out, columns, n_columns, n_rows) ? LODE_OK : out_of_memory(host);
  }
  for (int i = 0; columns != NULL && i < N_COLUMNS; i++) {
    column_free(&columns[i]);
  }
  free(columns);
  return code;
}

/* --- the tables ---------------------------------------------------------------------- */

#define BYTES(words) {(const uint8_t *)(words), sizeof(words) - 1}

static const lode_algorithm OUTLIER = {
    .struct_size = sizeof(lode_algorithm),
    .id = BYTES("example.outlier"),
    .describe = describe,
    .fit = fit,
    .open = open_scorer,
    .score = score,
    .close = close_scorer,
    .partial = partial,
    .merge = merge,
    .finish = finish,
};

static const lode_algorithm *const ALGORITHMS[] = {&OUTLIER};

/* The host reads this from the file, before it runs any code of it. */
LODE_MANIFEST("outlier-c", "1.0.0", "example.outlier");

const lode_plugin *lode_plugin_v1(uint32_t host_minor) {
  static lode_plugin plugin = {
      .major = LODE_MAJOR,
      .minor = LODE_MINOR,
      .struct_size = sizeof(lode_plugin),
      .count = 1,
      .algorithms = ALGORITHMS,
      .name = BYTES("outlier-c"),
      .version = BYTES("1.0.0"),
      .build = BYTES("C11, " __VERSION__),
      .manifest = LODE_MANIFEST_BYTES,
  };
  (void)host_minor; /* every host of this major version will do */
  memcpy(&plugin.magic, LODE_MAGIC_BYTES, sizeof plugin.magic);
  return &plugin;
}
