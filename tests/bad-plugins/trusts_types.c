/* fails wrong-types, extra-columns: killed by SIGSEGV */
#include "good.h"
static void look(struct ArrowArray *batch) {
  /* Every column a column of doubles. */
  for (int64_t i = 0; i < batch->n_children; i++) {
    const struct ArrowArray *column = batch->children[i];
    volatile const double *values = column->n_buffers > 1 ? column->buffers[1] : NULL;
    if (column->length > 0) {
      (void)values[0];
    }
  }
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {.on_batch = look};
  meddle(&meddler, inputs, n_inputs);
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
