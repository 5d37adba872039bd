/* fails manifest, exports, describes, quiet, newer-host, older-host: expected a library for */
#include "lode_plugin.h"
#undef LODE_TARGET
#define LODE_TARGET "vax-linux"
#include "good.h"
BAD((void)a)
