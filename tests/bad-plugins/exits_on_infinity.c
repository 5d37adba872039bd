/* fails extremes: exited with code 0: fit on extreme numbers */
#include "good.h"
static void look(struct ArrowArray *batch) {
  for (int64_t i = 0; i < batch->n_children; i++) {
    const struct ArrowArray *column = batch->children[i];
    if (column->n_buffers != 2 || column->length < 2) {
      continue;
    }
    const double *values = column->buffers[1];
    if (values != NULL && column->offset == 0 && column->length > 80 && isinf(values[1])) {
      exit(0);
    }
  }
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {.on_batch = look};
  meddle(&meddler, inputs, n_inputs);
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
