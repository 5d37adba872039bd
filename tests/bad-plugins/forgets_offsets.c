/* fails chunks, slices: another result */
#include "good.h"
static void forget(struct ArrowArray *batch) {
  for (int64_t i = 0; i < batch->n_children; i++) {
    batch->children[i]->offset = 0;
  }
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {.on_batch = forget};
  meddle(&meddler, inputs, n_inputs);
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
