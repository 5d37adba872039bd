/* The example plugin, complete, under another entry. A bad plugin includes this, changes one
 * thing, and says in its first line which checks of the kit it fails and with which words:
 *
 *     fails CHECK, CHECK: WORDS
 *
 * tests/it/kit.rs builds each file here with cc and holds the kit to that line: exactly these
 * checks fail, and the first of them with these words. */
#ifndef BAD_GOOD_H
#define BAD_GOOD_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "lode_plugin.h"

#ifdef WITHOUT_MANIFEST
#undef LODE_MANIFEST
#define LODE_MANIFEST(name, version, algorithms) static const char lode_manifest[] = ""
#endif

#define lode_plugin_v1 good_plugin
#ifdef OTHER_SPEC
#define SPEC GOOD_SPEC
#endif
#include "outlier.c"
#undef lode_plugin_v1

/* Defines the entry: the good tables in a copy, plugin `p` and algorithm `a`, after CHANGES. */
#define BAD(CHANGES)                                                                               \
  const lode_plugin *lode_plugin_v1(uint32_t host_minor) {                                         \
    static lode_plugin plugin;                                                                     \
    static lode_algorithm algorithm;                                                               \
    static const lode_algorithm *const list[] = {&algorithm};                                      \
    lode_plugin *p = &plugin;                                                                      \
    lode_algorithm *a = &algorithm;                                                                \
    *p = *good_plugin(host_minor);                                                                 \
    *a = OUTLIER;                                                                                  \
    p->algorithms = list;                                                                          \
    CHANGES;                                                                                       \
    return p;                                                                                      \
  }

#define FIT_ARGUMENTS                                                                              \
  const lode_host *host, lode_bytes params, lode_input *inputs, size_t n_inputs

/* A stream in front of another, so that a bad plugin can meddle with what passes. */
typedef struct meddler {
  struct ArrowArrayStream inner;
  void (*on_batch)(struct ArrowArray *batch);
  int64_t n_batches;
  int64_t n_rows;
} meddler;

static int meddle_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  meddler *meddler = stream->private_data;
  return meddler->inner.get_schema(&meddler->inner, out);
}

static int meddle_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  meddler *meddler = stream->private_data;
  int code = meddler->inner.get_next(&meddler->inner, out);
  if (code == 0 && out->release != NULL) {
    meddler->n_batches++;
    meddler->n_rows += out->length;
    if (meddler->on_batch != NULL) {
      meddler->on_batch(out);
    }
  }
  return code;
}

static const char *meddle_error(struct ArrowArrayStream *stream) {
  meddler *meddler = stream->private_data;
  return meddler->inner.get_last_error(&meddler->inner);
}

static void meddle_release(struct ArrowArrayStream *stream) {
  meddler *meddler = stream->private_data;
  if (meddler->inner.release != NULL) {
    meddler->inner.release(&meddler->inner);
  }
  stream->release = NULL;
}

/* Puts `meddler` in front of the first input. */
static inline void meddle(meddler *meddler, lode_input *inputs, size_t n_inputs) {
  if (n_inputs == 0) {
    return;
  }
  meddler->inner = *inputs[0].stream;
  struct ArrowArrayStream front = {meddle_schema, meddle_next, meddle_error, meddle_release,
                                   meddler};
  *inputs[0].stream = front;
}

/* The good fit, and then a metric of this value. */
static inline int32_t fit_and_tell(FIT_ARGUMENTS, double (*value)(const lode_host *host)) {
  int32_t code = fit(host, params, inputs, n_inputs);
  if (code != LODE_OK) {
    return code;
  }
  char metrics[64];
  snprintf(metrics, sizeof metrics, "{\"bad\":%.17g}", value(host));
  return host->put(host->ctx, LODE_SLOT_METRICS, text(metrics));
}

/* A host in front of another, whose `put` meddles; its ctx is the host behind it. */
static inline int32_t forward_emit(void *ctx, lode_bytes name, struct ArrowArrayStream *stream) {
  const lode_host *host = ctx;
  return host->emit(host->ctx, name, stream);
}
static inline void forward_fail(void *ctx, uint32_t code, lode_bytes field, lode_bytes words) {
  const lode_host *host = ctx;
  host->fail(host->ctx, code, field, words);
}
static inline int32_t forward_cancelled(void *ctx) {
  const lode_host *host = ctx;
  return host->cancelled(host->ctx);
}
static inline void forward_progress(void *ctx, double fraction, lode_bytes stage) {
  const lode_host *host = ctx;
  host->progress(host->ctx, fraction, stage);
}
static inline lode_host front_of(const lode_host *host,
                                 int32_t (*put)(void *, uint32_t, lode_bytes)) {
  lode_host front = *host;
  front.ctx = (void *)host;
  front.put = put;
  front.emit = forward_emit;
  front.fail = forward_fail;
  front.cancelled = forward_cancelled;
  front.progress = forward_progress;
  return front;
}

#endif
