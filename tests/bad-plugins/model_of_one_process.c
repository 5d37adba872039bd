/* fails processes, model-round-trip: model: differs between two processes */
#include "good.h"
#include <unistd.h>
/* The process stands at the end of the model, where a pointer would. */
static int32_t stamp(void *ctx, uint32_t slot, lode_bytes bytes) {
  const lode_host *given = ctx;
  if (slot != LODE_SLOT_MODEL) {
    return given->put(given->ctx, slot, bytes);
  }
  uint8_t *longer = malloc(bytes.len + sizeof(pid_t));
  pid_t here = getpid();
  memcpy(longer, bytes.data, bytes.len);
  memcpy(longer + bytes.len, &here, sizeof here);
  int32_t code = given->put(given->ctx, slot, (lode_bytes){longer, bytes.len + sizeof here});
  free(longer);
  return code;
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  lode_host front = front_of(host, stamp);
  return fit(&front, params, inputs, n_inputs);
}
static int32_t bad_finish(const lode_host *host, lode_bytes params, lode_bytes state) {
  lode_host front = front_of(host, stamp);
  return finish(&front, params, state);
}
static int32_t bad_open(const lode_host *host, lode_bytes params, lode_bytes model, void **made) {
  pid_t here = getpid();
  size_t n = sizeof here;
  if (model.len < n || memcmp(model.data + model.len - n, &here, n) != 0) {
    return fail(host, LODE_FAIL_MODEL, "", "expected a model of this process");
  }
  return open_scorer(host, params, (lode_bytes){model.data, model.len - n}, made);
}
BAD(a->fit = bad_fit; a->finish = bad_finish; a->open = bad_open)
