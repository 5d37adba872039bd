/* fails quiet: expected the signal handlers as they were */
#include "good.h"
#include <signal.h>
static void quiet(int number) { (void)number; }
__attribute__((constructor)) static void install(void) { signal(SIGUSR1, quiet); }
BAD((void)a)
