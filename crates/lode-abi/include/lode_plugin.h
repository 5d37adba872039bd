/* The C ABI between a Lode host and a plugin, version 0.2.
 *
 * A plugin is a shared library that exports one function, lode_plugin_v1. Everything else is
 * reached through the tables that it returns. docs/plugin-abi.md says who owns what, in which
 * order calls come, and how versions grow; the Rust crate lode-abi has the same structures.
 */
#ifndef LODE_PLUGIN_H
#define LODE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The Arrow C data and stream interfaces, as the Arrow specification gives them. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
  int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
  const char *(*get_last_error)(struct ArrowArrayStream *);
  void (*release)(struct ArrowArrayStream *);
  void *private_data;
};

#endif /* ARROW_C_STREAM_INTERFACE */

/* First field of lode_plugin: these eight bytes, as they lie in memory. */
#define LODE_MAGIC_BYTES "LODEPLUG"
#define LODE_MAJOR 0u
#define LODE_MINOR 2u

/* Return codes of every function. */
#define LODE_OK 0
#define LODE_FAILED 1 /* and the reason was told through lode_host.fail */

/* Codes of lode_host.fail. */
#define LODE_FAIL_INVALID 1u   /* parameters or inputs cannot work */
#define LODE_FAIL_CANCELLED 2u /* the call noticed that it was cancelled */
#define LODE_FAIL_MODEL 3u     /* the model's bytes cannot be used */
#define LODE_FAIL_NUMERIC 4u   /* no result could be reached */
#define LODE_FAIL_BUG 5u       /* the plugin's own invariant is broken */
#define LODE_FAIL_PANIC 6u     /* a panic or exception was caught at the boundary */

/* Levels of lode_host.log. */
#define LODE_LOG_INFO 1u
#define LODE_LOG_WARN 2u

/* Slots of lode_host.put. */
#define LODE_SLOT_SPEC 1u    /* from describe: the description, JSON */
#define LODE_SLOT_MODEL 2u   /* from fit and finish, at most once: the model's bytes */
#define LODE_SLOT_METRICS 3u /* from fit and finish: a JSON object of numbers, later keys win */
#define LODE_SLOT_STATE 4u   /* from partial and merge, once: the state of some rows */

/* Bytes of the side that passes them, valid for the time of the call; text is UTF-8. */
typedef struct lode_bytes {
  const uint8_t *data; /* may be NULL when len is 0 */
  size_t len;
} lode_bytes;

/* One input table of a call. The callee takes the stream and releases it. */
typedef struct lode_input {
  lode_bytes name;
  struct ArrowArrayStream *stream;
} lode_input;

/* What the host gives to a call, valid until the call returns. log, progress and cancelled
 * may be called from any thread that the call started, the others only from its own. */
typedef struct lode_host {
  uint32_t struct_size; /* of this table as the host knows it */
  uint32_t minor;       /* of the host */
  void *ctx;            /* goes back into every callback */
  void (*log)(void *ctx, uint32_t level, lode_bytes text);
  void (*progress)(void *ctx, double fraction, lode_bytes stage);
  int32_t (*cancelled)(void *ctx);
  void (*fail)(void *ctx, uint32_t code, lode_bytes field, lode_bytes text);
  int32_t (*put)(void *ctx, uint32_t slot, lode_bytes bytes);
  int32_t (*emit)(void *ctx, lode_bytes name, struct ArrowArrayStream *stream);
  uint64_t seed;    /* of every random choice */
  uint32_t threads; /* at least 1; the result must not depend on it */
  uint32_t pad;
  /* Since 0.2: look whether struct_size covers them, LODE_HAS(host, get). */
  int32_t (*get)(void *ctx, uint32_t slot, lode_bytes name, lode_bytes *out);
  int32_t (*put_named)(void *ctx, uint32_t slot, lode_bytes name, lode_bytes bytes);
  uint64_t memory_bytes; /* private memory that the process may have; 0: no bound */
  uint64_t time_millis;  /* until the call is ended; 0: no bound */
} lode_host;

/* Whether a table that starts with its struct_size has a field. */
#define LODE_HAS(table, field)                                                                     \
  ((size_t)(table)->struct_size >=                                                                 \
   (size_t)((const char *)&(table)->field - (const char *)(table)) + sizeof((table)->field))

/* One algorithm; a function that it does not have is NULL. */
typedef struct lode_algorithm {
  uint32_t struct_size; /* of this table as the plugin knows it */
  uint32_t capabilities;
  lode_bytes id; /* family.name */
  int32_t (*describe)(const lode_host *host);
  int32_t (*fit)(const lode_host *host, lode_bytes params, lode_input *inputs, size_t n_inputs);
  int32_t (*open)(const lode_host *host, lode_bytes params, lode_bytes model, void **scorer);
  int32_t (*score)(const lode_host *host, void *scorer, lode_input *inputs, size_t n_inputs,
                   struct ArrowArrayStream *out);
  void (*close)(void *scorer);
  /* Since 0.2: all three, or none. */
  int32_t (*partial)(const lode_host *host, lode_bytes params, lode_input *inputs, size_t n_inputs);
  int32_t (*merge)(const lode_host *host, lode_bytes params, const lode_bytes *states,
                   size_t n_states);
  int32_t (*finish)(const lode_host *host, lode_bytes params, lode_bytes state);
} lode_algorithm;

/* A plugin. Everything that it points at lives as long as the library. */
typedef struct lode_plugin {
  uint64_t magic; /* LODE_MAGIC_BYTES */
  uint32_t major; /* LODE_MAJOR */
  uint32_t minor; /* LODE_MINOR */
  uint32_t struct_size; /* of this table as the plugin knows it */
  uint32_t count;       /* of algorithms */
  const lode_algorithm *const *algorithms;
  lode_bytes name;
  lode_bytes version;
  lode_bytes build; /* compiler and target, for people */
  /* Since 0.2. */
  lode_bytes manifest; /* LODE_MANIFEST_BYTES, or empty */
} lode_plugin;

/* What a plugin is, as text in a section that can be read without running its code:
 *
 *     LODE_MANIFEST("outlier", "1.0.0", "example.outlier example.other");
 *
 * once, at file scope; and .manifest = LODE_MANIFEST_BYTES in the lode_plugin. */
#if defined(__x86_64__)
#define LODE_TARGET "x86_64-linux"
#elif defined(__aarch64__)
#define LODE_TARGET "aarch64-linux"
#else
#define LODE_TARGET "unknown"
#endif
#define LODE_MANIFEST(name, version, algorithms)                                                   \
  static const char lode_manifest[]                                                                \
      __attribute__((section(".lode.manifest"), used, aligned(1))) =                               \
          "lode-plugin 1\nname=" name "\nversion=" version "\nabi=0.2\ntarget=" LODE_TARGET         \
          "\nalgorithms=" algorithms "\n"
#define LODE_MANIFEST_BYTES {(const uint8_t *)lode_manifest, sizeof(lode_manifest) - 1}

/* The one symbol that a plugin exports; NULL refuses this host. */
const lode_plugin *lode_plugin_v1(uint32_t host_minor);

#ifdef __cplusplus
}
#endif

#endif /* LODE_PLUGIN_H */
