/* fails rows-alone, contributions: plus contributions */
#include "good.h"
static int twisted_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  int code = meddle_next(stream, out);
  if (code == 0 && out->release != NULL && out->n_children > 3 && out->length > 0) {
    /* The base is not what the margins began with. */
    ((double *)out->children[3]->buffers[1])[out->length - 1] += 0.5;
  }
  return code;
}
static int32_t bad_score(const lode_host *host, void *opened, lode_input *inputs, size_t n_inputs,
                         struct ArrowArrayStream *out) {
  int32_t code = score(host, opened, inputs, n_inputs, out);
  if (code == LODE_OK) {
    meddler *front = calloc(1, sizeof *front);
    front->inner = *out;
    struct ArrowArrayStream twisted = {meddle_schema, twisted_next, meddle_error, meddle_release,
                                       front};
    *out = twisted;
  }
  return code;
}
BAD(a->score = bad_score)
