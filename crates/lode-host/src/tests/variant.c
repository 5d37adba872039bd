/* A plugin in plain C, and with -DVARIANT=n one that is wrong in its own way. */
#include "lode_plugin.h"

#include <string.h>

#ifndef VARIANT
#define VARIANT 0
#endif

#define GOOD 0
#define MAGIC 1
#define MAJOR 2
#define NULL_TABLE 3
#define SHORT_TABLE 4
#define DUPLICATE 5
#define DUMB 6
#define BAD_JSON 7
#define EMPTY 8
#define NULL_ENTRY 9
#define SHORT_ALGORITHM 10
#define CRASH 11
#define HALF_MODEL 12
#define UNEXPLAINED 13
#define FOREIGN_ID 14
#define SLOW 15

#define BYTES(text) {(const uint8_t *)(text), sizeof(text) - 1}

static const char SPEC[] =
    "{\"id\":\"plain.count\",\"version\":\"1.0\",\"title\":\"Count\",\"description\":\"Counts rows.\","
    "\"task\":\"segmentation\",\"params_schema\":\"{\\\"type\\\":\\\"object\\\"}\","
    "\"inputs\":[{\"name\":\"rows\",\"optional\":false,\"description\":\"\",\"columns\":[],"
    "\"features\":\"ignored\"}],\"outputs\":[],\"model_format\":"
#if VARIANT == HALF_MODEL
    "1}";
#else
    "null}";
#endif

#if VARIANT == FOREIGN_ID
#define ID "Plain Count"
#else
#define ID "plain.count"
#endif

static lode_bytes text(const char *words) {
  lode_bytes bytes = {(const uint8_t *)words, strlen(words)};
  return bytes;
}

static int32_t describe(const lode_host *host) {
  switch (VARIANT) {
  case DUMB:
    return LODE_OK;
  case BAD_JSON:
    return host->put(host->ctx, LODE_SLOT_SPEC, text("{\"id\": "));
  case CRASH:
    *(volatile int *)host->ctx = 0;
    *(volatile int *)8 = 1;
    return LODE_OK;
  case UNEXPLAINED:
    return LODE_FAILED;
  case SLOW:
    for (;;) {
    }
  default:
    return host->put(host->ctx, LODE_SLOT_SPEC, text(SPEC));
  }
}

/* Counts the rows of its input without any library. */
static int32_t fit(const lode_host *host, lode_bytes params, lode_input *inputs, size_t n_inputs) {
  (void)params;
  int64_t rows = 0;
  for (size_t i = 0; i < n_inputs; i++) {
    struct ArrowArrayStream *stream = inputs[i].stream;
    for (;;) {
      struct ArrowArray batch;
      if (stream->get_next(stream, &batch) != 0) {
        host->fail(host->ctx, LODE_FAIL_INVALID, text("inputs.rows"), text("cannot be read"));
        stream->release(stream);
        return LODE_FAILED;
      }
      if (batch.release == NULL) {
        break;
      }
      rows += batch.length;
      batch.release(&batch);
    }
    stream->release(stream);
  }
  char metrics[] = "{\"rows\":0000}";
  for (int at = 11; at >= 8; at--) {
    metrics[at] = (char)('0' + rows % 10);
    rows /= 10;
  }
  /* JSON numbers have no leading zero. */
  for (int at = 8; at < 11 && metrics[at] == '0'; at++) {
    metrics[at] = ' ';
  }
  return host->put(host->ctx, LODE_SLOT_METRICS, text(metrics));
}

static const lode_algorithm ALGORITHM = {
    .struct_size = VARIANT == SHORT_ALGORITHM ? 24 : sizeof(lode_algorithm),
    .id = BYTES(ID),
    .describe = describe,
    .fit = VARIANT == HALF_MODEL ? NULL : fit,
};

static const lode_algorithm *const ALGORITHMS[] = {
    VARIANT == NULL_ENTRY ? NULL : &ALGORITHM,
    &ALGORITHM,
};

const lode_plugin *lode_plugin_v1(uint32_t host_minor) {
  static lode_plugin plugin = {
      .major = VARIANT == MAJOR ? 9 : LODE_MAJOR,
      .minor = LODE_MINOR,
      .struct_size = VARIANT == SHORT_TABLE ? 32 : sizeof(lode_plugin),
      .count = VARIANT == EMPTY ? 0 : VARIANT == DUPLICATE ? 2 : 1,
      .algorithms = ALGORITHMS,
      .name = BYTES("plain"),
      .version = BYTES("1.2.3"),
      .build = BYTES("c11"),
  };
  (void)host_minor;
  memcpy(&plugin.magic, VARIANT == MAGIC ? "PLUGLODE" : LODE_MAGIC_BYTES, 8);
  return VARIANT == NULL_TABLE ? NULL : &plugin;
}
