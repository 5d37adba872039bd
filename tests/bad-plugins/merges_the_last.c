/* fails merge-identity, merge-order, merge-whole: finish failed */
#include "good.h"
static int32_t bad_merge(const lode_host *host, lode_bytes params, const lode_bytes *states,
                         size_t n_states) {
  size_t last = n_states > 0 ? n_states - 1 : 0;
  return merge(host, params, states + last, n_states > 0 ? 1 : 0);
}
BAD(a->merge = bad_merge)
