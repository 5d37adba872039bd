/* fails manifest, exports, describes, quiet, newer-host, older-host: expected a plugin table of at least 80 bytes, found 40 */
#include "good.h"
BAD(p->struct_size = 40)
