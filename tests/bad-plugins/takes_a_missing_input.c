/* fails missing-columns: without the input "customers": it gave a result */
#include "good.h"
static int32_t bad_fit(FIT_ARGUMENTS) {
  if (n_inputs == 0) {
    return LODE_OK;
  }
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
