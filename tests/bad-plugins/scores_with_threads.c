/* fails threads: scored with 8 threads */
#include "good.h"
static int32_t bad_score(const lode_host *host, void *opened, lode_input *inputs, size_t n_inputs,
                         struct ArrowArrayStream *out) {
  scorer *scorer = opened;
  double threshold = scorer->params.threshold;
  if (host->threads == 8) {
    scorer->params.threshold = 1e-9;
  }
  int32_t code = score(host, opened, inputs, n_inputs, out);
  scorer->params.threshold = threshold;
  return code;
}
BAD(a->score = bad_score)
