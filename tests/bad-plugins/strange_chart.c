/* fails description: expected a chart hint of table, bar, line, heatmap, scatter, found "hologram" */
#include "good.h"
static int32_t bad_describe(const lode_host *host) {
  static char spec[sizeof SPEC + 16];
  const char *hint = strstr(SPEC, "\"bar\"");
  snprintf(spec, sizeof spec, "%.*s\"hologram\"%s", (int)(hint - SPEC), SPEC, hint + 5);
  return host->put(host->ctx, LODE_SLOT_SPEC, text(spec));
}
BAD(a->describe = bad_describe)
