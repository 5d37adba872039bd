/* fails params: killed by SIGSEGV: fit with parameters */
#include "good.h"
static int32_t bad_fit(FIT_ARGUMENTS) {
  struct params read = {0};
  lode_host quiet = *host;
  if (read_params(&quiet, params, &read) == LODE_OK && read.threshold > 1000) {
    *(volatile int *)8 = 1;
  }
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
