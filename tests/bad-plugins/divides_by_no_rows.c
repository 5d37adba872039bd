/* fails few-rows, releases: killed by SIGFPE: fit on 0 rows */
#include "good.h"
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {0};
  meddle(&meddler, inputs, n_inputs);
  int32_t code = fit(host, params, inputs, n_inputs);
  if (n_inputs > 0 && meddler.n_batches > 0) {
    volatile int64_t rows = meddler.n_rows;
    volatile int64_t mean = 1000 / rows;
    (void)mean;
  }
  return code;
}
BAD(a->fit = bad_fit)
