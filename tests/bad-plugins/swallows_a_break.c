/* fails broken-streams: it gave a result, from half of the rows */
#include "good.h"
static int quiet_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  if (meddle_next(stream, out) != 0) {
    memset(out, 0, sizeof *out);
  }
  return 0;
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {0};
  meddle(&meddler, inputs, n_inputs);
  if (n_inputs > 0) {
    inputs[0].stream->get_next = quiet_next;
  }
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
