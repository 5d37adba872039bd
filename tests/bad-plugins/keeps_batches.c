/* fails broken-streams, releases: was never released */
#include "good.h"
static void no_release(struct ArrowArray *batch) { batch->release = NULL; }
static int leaky_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  int code = meddle_next(stream, out);
  if (code == 0 && out->release != NULL) {
    out->release = no_release;
  }
  return code;
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {0};
  meddle(&meddler, inputs, n_inputs);
  if (n_inputs > 0) {
    inputs[0].stream->get_next = leaky_next;
  }
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
