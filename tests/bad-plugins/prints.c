/* fails stdout: wrote */
#include "good.h"
static int32_t bad_fit(FIT_ARGUMENTS) {
  printf("learning\n");
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
