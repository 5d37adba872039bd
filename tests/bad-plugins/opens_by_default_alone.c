/* fails params: killed by SIGABRT: open and score with parameters */
#include "good.h"
static int32_t bad_open(const lode_host *host, lode_bytes params, lode_bytes model, void **made) {
  if (params.len > 2) {
    abort();
  }
  return open_scorer(host, params, model, made);
}
BAD(a->open = bad_open)
