/* fails cancel: expected it to stop within 250 ms of being asked */
#include "good.h"
#include <time.h>
static void nap(struct ArrowArray *batch) {
  if (batch->length > 90000) {
    struct timespec time = {1, 0};
    nanosleep(&time, NULL);
  }
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {.on_batch = nap};
  meddle(&meddler, inputs, n_inputs);
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
