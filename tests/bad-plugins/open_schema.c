/* fails schema: expected "additionalProperties": false */
#include "good.h"
static int32_t bad_describe(const lode_host *host) {
  static char spec[sizeof SPEC];
  memcpy(spec, SPEC, sizeof spec);
  char *word = strstr(spec, "\"additionalProperties\\\":false");
  memcpy(word, "\"additionalProperties\\\":true ", strlen("\"additionalProperties\\\":true "));
  return host->put(host->ctx, LODE_SLOT_SPEC, text(spec));
}
BAD(a->describe = bad_describe)
