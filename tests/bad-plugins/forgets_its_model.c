/* fails defaults, model-round-trip, damaged-models, scores, rows-alone, contributions, hostile-scores, stdout, leftovers: fit gave no model, and the description has a model_format */
#include "good.h"
static int32_t drop(void *ctx, uint32_t slot, lode_bytes bytes) {
  const lode_host *host = ctx;
  return slot == LODE_SLOT_MODEL ? LODE_OK : host->put(host->ctx, slot, bytes);
}
static int32_t forward_emit(void *ctx, lode_bytes name, struct ArrowArrayStream *stream) {
  const lode_host *host = ctx;
  return host->emit(host->ctx, name, stream);
}
static void forward_fail(void *ctx, uint32_t code, lode_bytes field, lode_bytes words) {
  const lode_host *host = ctx;
  host->fail(host->ctx, code, field, words);
}
static int32_t forward_cancelled(void *ctx) {
  const lode_host *host = ctx;
  return host->cancelled(host->ctx);
}
static void forward_progress(void *ctx, double fraction, lode_bytes stage) {
  const lode_host *host = ctx;
  host->progress(host->ctx, fraction, stage);
}
static lode_host front_of(const lode_host *host) {
  lode_host front = *host;
  front.ctx = (void *)host;
  front.put = drop;
  front.emit = forward_emit;
  front.fail = forward_fail;
  front.cancelled = forward_cancelled;
  front.progress = forward_progress;
  return front;
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  lode_host front = front_of(host);
  return fit(&front, params, inputs, n_inputs);
}
static int32_t bad_finish(const lode_host *host, lode_bytes params, lode_bytes state) {
  lode_host front = front_of(host);
  return finish(&front, params, state);
}
BAD(a->fit = bad_fit; a->finish = bad_finish)
