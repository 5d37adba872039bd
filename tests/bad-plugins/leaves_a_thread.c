/* fails leftovers: threads were left behind */
#include "good.h"
#include <pthread.h>
#include <unistd.h>
static void *wait(void *nothing) {
  for (;;) {
    pause();
  }
  return nothing;
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, wait, NULL) != 0) {
    return out_of_memory(host);
  }
  return fit(host, params, inputs, n_inputs);
}
BAD(a->fit = bad_fit)
