/* fails manifest, exports, describes, quiet, newer-host, older-host: expected ABI major version 0, found 9.2 */
#include "good.h"
BAD(p->major = 9)
