/* fails newer-host: describe failed for a host of minor version */
#include "good.h"
static int32_t bad_describe(const lode_host *host) {
  /* A host may be longer than the one that this was built for. */
  return host->struct_size == sizeof *host ? describe(host) : LODE_FAILED;
}
BAD(a->describe = bad_describe)
