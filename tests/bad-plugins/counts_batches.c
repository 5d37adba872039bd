/* fails chunks, merge-whole: another result: metric "bad" */
#include "good.h"
static meddler counter;
static double batches(const lode_host *host) {
  (void)host;
  return (double)counter.n_batches;
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  memset(&counter, 0, sizeof counter);
  meddle(&counter, inputs, n_inputs);
  return fit_and_tell(host, params, inputs, n_inputs, batches);
}
BAD(a->fit = bad_fit)
