/* Talking to the host: texts, failures, bytes that grow.
 *
 * A lode_bytes has no zero at its end and belongs to the side that passes it, so everything
 * here either points at what lives long enough or copies. */
#ifndef OUTLIER_HOST_H
#define OUTLIER_HOST_H

#include "lode_plugin.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The bytes of a C string, without its zero. */
static inline lode_bytes text(const char *words) {
  lode_bytes bytes = {(const uint8_t *)words, strlen(words)};
  return bytes;
}

/* Whether bytes are this C string. */
static inline bool is_text(lode_bytes bytes, const char *words) {
  return bytes.len == strlen(words) && memcmp(bytes.data, words, bytes.len) == 0;
}

/* Says why the call fails and gives LODE_FAILED, so that a function can end with
 * `return fail(host, LODE_FAIL_INVALID, "params.k", "expected ..., found ...");`
 * The field names what is to blame; people read both, programs read the field. */
static inline int32_t fail(const lode_host *host, uint32_t code, const char *field,
                           const char *format, ...) {
  char words[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  host->fail(host->ctx, code, text(field), text(words));
  return LODE_FAILED;
}

static inline int32_t out_of_memory(const lode_host *host) {
  return fail(host, LODE_FAIL_NUMERIC, "", "there is no memory left for this call");
}

/* Bytes that grow at the end. `failed` is set once memory runs out and stays set, so that
 * a caller may push many times and look once. All zero is an empty buffer. */
typedef struct buffer {
  uint8_t *data;
  size_t len;
  size_t capacity;
  bool failed;
} buffer;

static inline void buffer_push(buffer *buffer, const void *bytes, size_t len) {
  if (buffer->failed || len == 0) {
    return;
  }
  if (len > buffer->capacity - buffer->len) {
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (capacity - buffer->len < len) {
      if (capacity > SIZE_MAX / 2) {
        buffer->failed = true;
        return;
      }
      capacity *= 2;
    }
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL) {
      buffer->failed = true;
      return;
    }
    buffer->data = data;
    buffer->capacity = capacity;
  }
  memcpy(buffer->data + buffer->len, bytes, len);
  buffer->len += len;
}

static inline void buffer_free(buffer *buffer) {
  free(buffer->data);
  memset(buffer, 0, sizeof *buffer);
}

#endif
