/* fails defaults: fit gave an output "surprise" that the description does not have */
#include "good.h"
static int32_t surprise(const lode_host *host) {
  column *columns = calloc(1, sizeof *columns);
  columns[0].name = "x";
  columns[0].format = "g";
  struct ArrowArrayStream stream;
  return stream_make(&stream, columns, 1, 0) ? host->emit(host->ctx, text("surprise"), &stream)
                                             : LODE_FAILED;
}
static int32_t bad_fit(FIT_ARGUMENTS) {
  int32_t code = fit(host, params, inputs, n_inputs);
  return code == LODE_OK ? surprise(host) : code;
}
static int32_t bad_finish(const lode_host *host, lode_bytes params, lode_bytes state) {
  int32_t code = finish(host, params, state);
  return code == LODE_OK ? surprise(host) : code;
}
BAD(a->fit = bad_fit; a->finish = bad_finish)
