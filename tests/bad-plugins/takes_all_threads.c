/* fails thread-budget: with a budget of 1 it ran */
#include "good.h"
#include <pthread.h>
#include <time.h>
static void *work(void *nothing) {
  struct timespec time = {0, 20000000};
  nanosleep(&time, NULL);
  return nothing;
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  meddler meddler = {0};
  meddle(&meddler, inputs, n_inputs);
  int32_t code = fit(host, params, inputs, n_inputs);
  if (meddler.n_rows > 8000) {
    pthread_t threads[8];
    int n = 0;
    while (n < 8 && pthread_create(&threads[n], NULL, work, NULL) == 0) {
      n++;
    }
    while (n > 0) {
      pthread_join(threads[--n], NULL);
    }
  }
  return code;
}
BAD(a->fit = bad_fit)
