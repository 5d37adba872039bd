/* fails manifest, describes: expected version=2.0.0 as in the library's table, found version=1.0.0 */
#include "good.h"
BAD(p->version = text("2.0.0"))
