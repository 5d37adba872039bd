/* fails leftovers: open files were left behind */
#include "good.h"
#include <fcntl.h>
static int32_t bad_fit(FIT_ARGUMENTS) {
  int file = open("/dev/null", O_RDONLY);
  (void)file;
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
