/* fails extra-columns, chunks, slices, encodings, repeats, threads, merge-whole: the second call differs: metric "bad" */
#include "good.h"
static double calls(const lode_host *host) {
  static double calls;
  (void)host;
  return ++calls;
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  return fit_and_tell(host, params, inputs, n_inputs, calls);
}
BAD(a->fit = bad_fit)
