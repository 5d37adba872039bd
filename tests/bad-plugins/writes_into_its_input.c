/* fails defaults, extra-columns, reordered-columns, chunks, slices, encodings, repeats, processes, model-round-trip, damaged-models, scores, rows-alone, contributions, hostile-scores, merge-whole, stdout, leftovers: killed by SIGSEGV: defaults */
#include "good.h"
static void scale(struct ArrowArray *batch) {
  for (int64_t i = 0; i < batch->n_children; i++) {
    const struct ArrowArray *column = batch->children[i];
    if (column->n_buffers == 2 && column->buffers[1] != NULL && column->length > 300 &&
        column->length < 500) {
      *(volatile uint8_t *)column->buffers[1] ^= 0;
    }
  }
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {.on_batch = scale};
  meddle(&meddler, inputs, n_inputs);
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
