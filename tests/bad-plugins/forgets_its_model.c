/* fails defaults, model-round-trip, damaged-models, scores, rows-alone, contributions, hostile-scores, stdout, leftovers: fit gave no model, and the description has a model_format */
#include "good.h"
static int32_t drop(void *ctx, uint32_t slot, lode_bytes bytes) {
  const lode_host *host = ctx;
  return slot == LODE_SLOT_MODEL ? LODE_OK : host->put(host->ctx, slot, bytes);
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  lode_host front = front_of(host, drop);
  return fit(&front, params, inputs, n_inputs);
}
static int32_t bad_finish(const lode_host *host, lode_bytes params, lode_bytes state) {
  lode_host front = front_of(host, drop);
  return finish(&front, params, state);
}
BAD(a->fit = bad_fit; a->finish = bad_finish)
