/* fails older-host: it used a callback that the host's struct_size does not cover */
#include "good.h"
static int32_t bad_fit(FIT_ARGUMENTS) {
  lode_bytes base;
  host->get(host->ctx, LODE_SLOT_MODEL, text(""), &base);
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
