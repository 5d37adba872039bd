/* fails quiet: wrote */
#include "good.h"
__attribute__((constructor)) static void greet(void) {
  printf("loaded\n");
  fflush(stdout);
}
BAD((void)a)
