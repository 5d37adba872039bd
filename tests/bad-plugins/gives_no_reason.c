/* fails nulls: it failed with empty words */
#include "good.h"
static bool all_null;
static void look(struct ArrowArray *batch) {
  all_null = batch->n_children > 0;
  for (int64_t i = 0; i < batch->n_children; i++) {
    all_null = all_null && batch->children[i]->null_count == batch->children[i]->length;
  }
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {.on_batch = look};
  meddle(&meddler, inputs, n_inputs);
  all_null = false;
  lode_host quiet = *host;
  int32_t code = fit(&quiet, params, inputs, n_inputs);
  if (all_null && meddler.n_rows > 60) {
    host->fail(host->ctx, LODE_FAIL_INVALID, text("inputs"), text(""));
  }
  return code;
}
BAD(a->fit = bad_fit)
