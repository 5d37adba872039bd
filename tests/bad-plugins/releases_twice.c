/* fails broken-streams, releases: was released 2 times */
#include "good.h"
static void (*true_release)(struct ArrowArray *);
static void twice(struct ArrowArray *batch) {
  struct ArrowArray copy = *batch;
  true_release(batch);
  true_release(&copy);
  batch->release = NULL;
}
static void doubly(struct ArrowArray *batch) {
  true_release = batch->release;
  batch->release = twice;
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {.on_batch = doubly};
  meddle(&meddler, inputs, n_inputs);
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
