/* fails releases: after parameters that are no JSON: the stream of input "customers" was never released */
#include "good.h"
static int32_t bad_fit(FIT_ARGUMENTS) {
  struct params read;
  int32_t code = read_params(host, params, &read);
  if (code != LODE_OK) {
    /* The streams are the callee's: the host will not look at them again. */
    for (size_t i = 0; i < n_inputs; i++) {
      inputs[i].stream->release = NULL;
    }
    return code;
  }
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
