/* fails manifest, exports, describes, quiet, newer-host, older-host: expected the entry symbol lode_plugin_v1, found none */
#include "good.h"
