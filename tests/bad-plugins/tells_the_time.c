/* fails processes, merge-whole: metric:bad differs between two processes */
#include "good.h"
#include <time.h>
static double now(const lode_host *host) {
  (void)host;
  return (double)time(NULL);
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  return fit_and_tell(host, params, inputs, n_inputs, now);
}
BAD(a->fit = bad_fit)
