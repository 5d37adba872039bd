/* Making an output: columns that grow, given away as an Arrow C stream of one batch.
 *
 * What is given away belongs to whoever took it, until they call release: it frees our
 * memory with our free. Each array and each schema is released once; a parent releases its
 * children; release marks its structure as done by setting its own release to NULL. */
#ifndef OUTLIER_ARROW_WRITE_H
#define OUTLIER_ARROW_WRITE_H

#include "host.h"

#include <errno.h>

/* A column: numbers "g", text "u", a list "+l" with one child, a struct "+s" with several. */
typedef struct column {
  const char *name; /* a constant, as is the format */
  const char *format;
  bool nullable;
  int64_t length;
  int64_t null_count;
  buffer validity; /* a bit a row, the first in the lowest bit */
  buffer offsets;  /* int32: of text and lists */
  buffer values;   /* of numbers and text */
  struct column *children;
  int64_t n_children;
} column;

/* A row of a column has been written; `valid` says whether it is a value. */
static inline void column_row(column *column, bool valid) {
  if (column->length % 8 == 0) {
    buffer_push(&column->validity, &(uint8_t){0}, 1);
  }
  if (!valid) {
    column->null_count++;
  } else if (!column->validity.failed) {
    column->validity.data[column->length / 8] |= (uint8_t)(1u << (column->length % 8));
  }
  column->length++;
}

static inline void column_number(column *column, double value) {
  buffer_push(&column->values, &value, sizeof value);
  column_row(column, true);
}

/* Offsets are where each row ends; the first is 0. Where one does not fit into 32 bits, the
 * table is as good as out of memory. */
static inline void column_end(column *column, size_t end) {
  if (column->offsets.len == 0) {
    buffer_push(&column->offsets, &(int32_t){0}, sizeof(int32_t));
  }
  if (end > INT32_MAX) {
    column->offsets.failed = true;
    return;
  }
  buffer_push(&column->offsets, &(int32_t){(int32_t)end}, sizeof(int32_t));
}

/* Adds a text; NULL data of a length above 0 does not occur, NULL of length 0 is a null. */
static inline void column_text(column *column, lode_bytes words) {
  buffer_push(&column->values, words.data, words.len);
  column_end(column, column->values.len);
  column_row(column, words.data != NULL);
}

/* Ends a row of a list: what was added to its child since the last one. */
static inline void column_list(column *column) {
  column_end(column, (size_t)column->children[0].length);
  column_row(column, true);
}

static inline bool column_failed(const column *column) {
  bool failed = column->validity.failed || column->offsets.failed || column->values.failed;
  for (int64_t child = 0; child < column->n_children; child++) {
    failed = failed || column_failed(&column->children[child]);
  }
  return failed;
}

static inline void column_free(column *column) {
  buffer_free(&column->validity);
  buffer_free(&column->offsets);
  buffer_free(&column->values);
  for (int64_t child = 0; child < column->n_children; child++) {
    column_free(&column->children[child]);
  }
}

/* --- schemas ------------------------------------------------------------------------ */

static inline void schema_release(struct ArrowSchema *schema) {
  for (int64_t child = 0; child < schema->n_children; child++) {
    struct ArrowSchema *one = schema->children[child];
    /* Whoever took the schema may have moved a child out: it is theirs to release. */
    if (one->release != NULL) {
      one->release(one);
    }
  }
  free(schema->private_data);
  schema->release = NULL;
}

/* Describes columns. Nothing is left to free when it fails. */
static inline bool schema_make(struct ArrowSchema *out, const char *name, const char *format,
                               bool nullable, const column *columns, int64_t n_columns) {
  memset(out, 0, sizeof *out);
  /* One piece of memory: pointers to the children, then the children. */
  size_t size = (size_t)n_columns * (sizeof(struct ArrowSchema *) + sizeof(struct ArrowSchema));
  struct ArrowSchema **children = malloc(size + 1);
  if (children == NULL) {
    return false;
  }
  struct ArrowSchema *places = (struct ArrowSchema *)(void *)(children + n_columns);
  out->format = format;
  out->name = name;
  out->flags = nullable ? ARROW_FLAG_NULLABLE : 0;
  out->children = children;
  out->private_data = children;
  out->release = schema_release;
  for (int64_t child = 0; child < n_columns; child++) {
    const column *one = &columns[child];
    children[child] = &places[child];
    if (!schema_make(children[child], one->name, one->format, one->nullable, one->children,
                     one->n_children)) {
      out->release(out); /* those that were made */
      return false;
    }
    out->n_children++;
  }
  return true;
}

/* --- arrays ------------------------------------------------------------------------- */

/* What an array owns. */
typedef struct array_parts {
  const void *buffers[3];
  uint8_t *owned[3];
  struct ArrowArray **children;
} array_parts;

static inline void array_release(struct ArrowArray *array) {
  array_parts *parts = array->private_data;
  for (int64_t child = 0; child < array->n_children; child++) {
    struct ArrowArray *one = array->children[child];
    if (one->release != NULL) {
      one->release(one);
    }
  }
  for (int owned = 0; owned < 3; owned++) {
    free(parts->owned[owned]);
  }
  free(parts->children);
  free(parts);
  array->release = NULL;
}

/* Moves the buffers of columns into arrays. Nothing is left to free when it fails, but what
 * is still in the columns. */
static inline bool array_make(struct ArrowArray *out, const char *format, column *own,
                              column *columns, int64_t n_columns, int64_t length) {
  memset(out, 0, sizeof *out);
  array_parts *parts = calloc(1, sizeof *parts);
  size_t size = (size_t)n_columns * (sizeof(struct ArrowArray *) + sizeof(struct ArrowArray));
  struct ArrowArray **children = malloc(size + 1);
  if (parts == NULL || children == NULL) {
    free(parts);
    free(children);
    return false;
  }
  struct ArrowArray *places = (struct ArrowArray *)(void *)(children + n_columns);
  parts->children = children;
  out->length = length;
  out->buffers = parts->buffers;
  out->children = children;
  out->private_data = parts;
  out->release = array_release;
  if (own != NULL) {
    buffer *of_own[3] = {&own->validity, NULL, NULL};
    if (strcmp(format, "g") == 0) {
      of_own[1] = &own->values;
      out->n_buffers = 2;
    } else if (strcmp(format, "u") == 0) {
      of_own[1] = &own->offsets;
      of_own[2] = &own->values;
      out->n_buffers = 3;
    } else if (strcmp(format, "+l") == 0) {
      of_own[1] = &own->offsets;
      out->n_buffers = 2;
    } else {
      out->n_buffers = 1;
    }
    if (own->offsets.len == 0) {
      buffer_push(&own->offsets, &(int32_t){0}, sizeof(int32_t)); /* of no rows */
    }
    out->null_count = own->null_count;
    for (int i = 0; i < 3; i++) {
      if (of_own[i] != NULL) {
        parts->owned[i] = of_own[i]->data;
        parts->buffers[i] = of_own[i]->data;
        memset(of_own[i], 0, sizeof *of_own[i]);
      }
    }
    if (own->null_count == 0) {
      parts->buffers[0] = NULL; /* all rows are values */
    }
    for (int i = 1; i < out->n_buffers; i++) {
      if (parts->buffers[i] == NULL) {
        parts->buffers[i] = &parts->owned; /* no row: nobody reads it, but it is a place */
      }
    }
  } else {
    out->n_buffers = 1; /* a batch: a struct without nulls */
  }
  for (int64_t child = 0; child < n_columns; child++) {
    column *one = &columns[child];
    children[child] = &places[child];
    if (!array_make(children[child], one->format, one, one->children, one->n_children,
                    one->length)) {
      out->release(out);
      return false;
    }
    out->n_children++;
  }
  return true;
}

/* --- the stream --------------------------------------------------------------------- */

typedef struct stream_parts {
  column *columns;
  int64_t n_columns;
  int64_t length;
  bool is_given;
} stream_parts;

static inline int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  stream_parts *parts = stream->private_data;
  return schema_make(out, "", "+s", false, parts->columns, parts->n_columns) ? 0 : ENOMEM;
}

static inline int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  stream_parts *parts = stream->private_data;
  if (parts->is_given) {
    memset(out, 0, sizeof *out); /* the end: release is NULL */
    return 0;
  }
  parts->is_given = true;
  bool made = array_make(out, "+s", NULL, parts->columns, parts->n_columns, parts->length);
  return made ? 0 : ENOMEM;
}

static inline const char *stream_error(struct ArrowArrayStream *stream) {
  (void)stream;
  return "there is no memory left for this table";
}

static inline void stream_release(struct ArrowArrayStream *stream) {
  stream_parts *parts = stream->private_data;
  for (int64_t i = 0; i < parts->n_columns; i++) {
    column_free(&parts->columns[i]);
  }
  free(parts->columns);
  free(parts);
  stream->release = NULL;
}

/* Gives columns away as a stream of one batch. `columns` is one block of malloc, with all
 * children in it, and belongs to the stream from here on. False when memory ran out; the
 * columns are freed then too. */
static inline bool stream_make(struct ArrowArrayStream *out, column *columns, int64_t n_columns,
                               int64_t length) {
  bool failed = false;
  for (int64_t i = 0; i < n_columns; i++) {
    failed = failed || column_failed(&columns[i]);
  }
  stream_parts *parts = failed ? NULL : malloc(sizeof *parts);
  if (parts == NULL) {
    for (int64_t i = 0; i < n_columns; i++) {
      column_free(&columns[i]);
    }
    free(columns);
    return false;
  }
  *parts = (stream_parts){columns, n_columns, length, false};
  out->get_schema = stream_schema;
  out->get_next = stream_next;
  out->get_last_error = stream_error;
  out->release = stream_release;
  out->private_data = parts;
  return true;
}

#endif
