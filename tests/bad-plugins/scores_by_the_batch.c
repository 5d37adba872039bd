/* fails rows-alone: row 1 alone: column "label" */
#include "good.h"
static int32_t bad_score(const lode_host *host, void *opened, lode_input *inputs, size_t n_inputs,
                         struct ArrowArrayStream *out) {
  meddler meddler = {0};
  meddle(&meddler, inputs, n_inputs);
  scorer *scorer = opened;
  struct ArrowArrayStream first;
  int32_t code = score(host, opened, inputs, n_inputs, &first);
  if (code != LODE_OK) {
    return code;
  }
  /* The threshold of the label moves with the number of rows. */
  scorer->params.threshold = meddler.n_rows > 1 ? 3.0 : 1e-9;
  *out = first;
  return code;
}
BAD(a->score = bad_score)
