/* fails damaged-models: an empty model was opened */
#include "good.h"
static int32_t bad_open(const lode_host *host, lode_bytes params, lode_bytes model, void **made) {
  lode_host quiet = *host;
  if (open_scorer(&quiet, params, model, made) != LODE_OK) {
    *made = calloc(1, sizeof(scorer));
  }
  return LODE_OK;
}
BAD(a->open = bad_open)
