/* fails processes, merge-whole: metric:bad differs between two processes */
#include "good.h"
#include <unistd.h>
static double process(const lode_host *host) {
  (void)host;
  return (double)getpid();
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  return fit_and_tell(host, params, inputs, n_inputs, process);
}
BAD(a->fit = bad_fit)
