/* fails memory: a fit within its own memory failed */
#include "good.h"
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {0};
  meddle(&meddler, inputs, n_inputs);
  int32_t code = fit(host, params, inputs, n_inputs);
  if (code == LODE_OK && meddler.n_rows > 40000 && meddler.n_rows < 60000) {
    size_t size = (size_t)512 << 20;
    void *block = malloc(size);
    if (block == NULL) {
      return out_of_memory(host);
    }
    memset(block, 1, size);
    free(block);
  }
  return code;
}
BAD(a->fit = bad_fit)
