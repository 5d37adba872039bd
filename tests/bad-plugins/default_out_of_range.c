/* fails schema: the defaults are not valid by the schema */
#include "good.h"
static int32_t bad_describe(const lode_host *host) {
  static char spec[sizeof SPEC];
  memcpy(spec, SPEC, sizeof spec);
  memcpy(strstr(spec, ":3.0,"), ":-30,", 5);
  return host->put(host->ctx, LODE_SLOT_SPEC, text(spec));
}
BAD(a->describe = bad_describe)
