/* fails manifest: expected a section .lode.manifest, found none */
#define WITHOUT_MANIFEST
#include "good.h"
BAD(p->manifest = (lode_bytes){0})
