/* fails describes: expected a function merge, found null */
#include "good.h"
BAD(a->merge = NULL)
