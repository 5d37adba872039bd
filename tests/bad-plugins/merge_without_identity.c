/* fails merge-identity: merge failed */
#include "good.h"
static int32_t bad_merge(const lode_host *host, lode_bytes params, const lode_bytes *states,
                         size_t n_states) {
  if (n_states == 0) {
    return fail(host, LODE_FAIL_INVALID, "params", "expected at least one state, found none");
  }
  return merge(host, params, states, n_states);
}
BAD(a->merge = bad_merge)
