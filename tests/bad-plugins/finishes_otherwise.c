/* fails merge-whole: another result */
#include "good.h"
static int32_t bad_partial(FIT_ARGUMENTS) {
  meddler meddler = {0};
  meddle(&meddler, inputs, n_inputs);
  return partial(host, params, inputs, n_inputs);
}
static int32_t bad_finish(const lode_host *host, lode_bytes params, lode_bytes state) {
  int32_t code = finish(host, params, state);
  return code == LODE_OK ? host->put(host->ctx, LODE_SLOT_METRICS, text("{\"values\":1}")) : code;
}
BAD(a->partial = bad_partial; a->finish = bad_finish)
