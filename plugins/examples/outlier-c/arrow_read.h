/* Reading an input: an Arrow C stream, batch by batch.
 *
 * https://arrow.apache.org/docs/format/CDataInterface.html has the whole of it. A stream
 * gives its schema, then batches until one comes whose release is NULL. A batch is a struct
 * array: one child a column. Each array is a view of mapped memory: it may start at an
 * offset, and writing to it ends the process. Only one batch is held at a time, so that an
 * input may be larger than memory. */
#ifndef OUTLIER_ARROW_READ_H
#define OUTLIER_ARROW_READ_H

#include "host.h"

/* An open input. The host gave us its stream: we have to release it, also on failure. */
typedef struct reader {
  struct ArrowArrayStream *stream;
  struct ArrowSchema schema;
  struct ArrowArray batch; /* release is NULL when there is none */
} reader;

/* Takes the stream of an input. Gives NULL, or why it has no schema. */
static inline const char *reader_open(reader *reader, const lode_input *input) {
  memset(reader, 0, sizeof *reader);
  reader->stream = input->stream;
  if (reader->stream->get_schema(reader->stream, &reader->schema) != 0) {
    reader->schema.release = NULL;
    const char *why = reader->stream->get_last_error(reader->stream);
    return why == NULL ? "the stream gives no schema" : why;
  }
  if (strcmp(reader->schema.format, "+s") != 0) {
    return "expected a stream of record batches";
  }
  return NULL;
}

/* Moves to the next batch. Gives 1, 0 at the end, -1 when the stream broke. */
static inline int reader_next(reader *reader) {
  if (reader->batch.release != NULL) {
    reader->batch.release(&reader->batch);
  }
  /* A producer that fails may leave anything behind; only a success counts. */
  memset(&reader->batch, 0, sizeof reader->batch);
  if (reader->stream->get_next(reader->stream, &reader->batch) != 0) {
    reader->batch.release = NULL;
    return -1;
  }
  return reader->batch.release != NULL;
}

static inline const char *reader_error(reader *reader) {
  const char *why = reader->stream->get_last_error(reader->stream);
  return why == NULL ? "the stream broke and does not say why" : why;
}

/* Releases all that the input holds, once each: the order does not matter to Arrow. */
static inline void reader_close(reader *reader) {
  if (reader->batch.release != NULL) {
    reader->batch.release(&reader->batch);
  }
  if (reader->schema.release != NULL) {
    reader->schema.release(&reader->schema);
  }
  if (reader->stream != NULL && reader->stream->release != NULL) {
    reader->stream->release(reader->stream);
  }
}

/* The value of a key in the metadata of a field or schema; data is NULL when there is none.
 * Metadata is: i32 number of pairs, then i32 length and bytes of each key and value. */
static inline lode_bytes arrow_metadata(const char *metadata, const char *key) {
  lode_bytes found = {NULL, 0};
  if (metadata == NULL) {
    return found;
  }
  int32_t n_pairs;
  memcpy(&n_pairs, metadata, sizeof n_pairs); /* it need not be aligned */
  const char *at = metadata + sizeof n_pairs;
  for (int32_t pair = 0; pair < n_pairs; pair++) {
    lode_bytes sides[2];
    for (int side = 0; side < 2; side++) {
      int32_t len;
      memcpy(&len, at, sizeof len);
      sides[side].data = (const uint8_t *)at + sizeof len;
      sides[side].len = (size_t)len;
      at += sizeof len + (size_t)len;
    }
    if (is_text(sides[0], key)) {
      return sides[1];
    }
  }
  return found;
}

/* Whether a format is one of plain numbers or booleans: b bool, c C int8 and uint8, s S,
 * i I, l L up to 64 bits, f float, g double. */
static inline bool is_numeric_format(const char *format) {
  return format[0] != '\0' && format[1] == '\0' && strchr("bcCsSiIlLfg", format[0]) != NULL;
}

/* Whether a column is a feature: numbers, and no role of its own in this job. Of a
 * dictionary the format is that of its indices, which are no numbers to count with. */
static inline bool is_feature(const struct ArrowSchema *field) {
  return field->dictionary == NULL && is_numeric_format(field->format) &&
         arrow_metadata(field->metadata, "lode.role").data == NULL;
}

/* Whether a column is of numbers that are told by a dictionary, which this plugin refuses. */
static inline bool is_coded_number(const struct ArrowSchema *field) {
  return field->dictionary != NULL && is_numeric_format(field->dictionary->format) &&
         arrow_metadata(field->metadata, "lode.role").data == NULL;
}

/* Index of the column of that name, or -1. */
static inline int64_t column_named(const struct ArrowSchema *schema, lode_bytes name) {
  for (int64_t column = 0; column < schema->n_children; column++) {
    const char *found = schema->children[column]->name;
    if (found != NULL && is_text(name, found)) {
      return column;
    }
  }
  return -1;
}

static inline bool bit_at(const void *bits, int64_t at) {
  return (((const uint8_t *)bits)[at / 8] >> (at % 8)) & 1;
}

/* The number in a row of a column of the batch; false for a null.
 *
 * Offsets add up: rows of the batch start at its own offset within each child, and a child
 * starts at its own offset within its buffers. Booleans and validity are bits. */
static inline bool number_at(const reader *reader, int64_t column, int64_t row, double *value) {
  const struct ArrowArray *array = reader->batch.children[column];
  int64_t at = reader->batch.offset + array->offset + row;
  if (array->buffers[0] != NULL && !bit_at(array->buffers[0], at)) {
    return false;
  }
  const void *values = array->buffers[1];
  switch (reader->schema.children[column]->format[0]) {
  case 'b':
    *value = bit_at(values, at);
    return true;
  case 'c':
    *value = ((const int8_t *)values)[at];
    return true;
  case 'C':
    *value = ((const uint8_t *)values)[at];
    return true;
  case 's':
    *value = ((const int16_t *)values)[at];
    return true;
  case 'S':
    *value = ((const uint16_t *)values)[at];
    return true;
  case 'i':
    *value = ((const int32_t *)values)[at];
    return true;
  case 'I':
    *value = ((const uint32_t *)values)[at];
    return true;
  case 'l':
    *value = (double)((const int64_t *)values)[at];
    return true;
  case 'L':
    *value = (double)((const uint64_t *)values)[at];
    return true;
  case 'f':
    *value = ((const float *)values)[at];
    return true;
  case 'g':
    *value = ((const double *)values)[at];
    return true;
  default:
    return false;
  }
}

#endif
