/* fails threads, merge-whole: with 2 threads: metric "bad": 1 and Some(2.0) */
#include "good.h"
static double threads(const lode_host *host) { return host->threads; }
static int32_t bad_fit(FIT_ARGUMENTS) {
  return fit_and_tell(host, params, inputs, n_inputs, threads);
}
BAD(a->fit = bad_fit)
