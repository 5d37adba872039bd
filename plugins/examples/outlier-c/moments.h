/* What the algorithm knows of each feature: how many values, their mean, and M2, the sum of
 * squared distances from the mean.
 *
 * One value at a time by Welford (1962), two summaries into one by Chan, Golub and LeVeque
 * (1979). The same bytes are the state of a part and the model. Features are kept in the
 * order of their names, so that the order of columns and of parts does not matter. */
#ifndef OUTLIER_MOMENTS_H
#define OUTLIER_MOMENTS_H

#include "host.h"

#include <math.h>

typedef struct feature {
  lode_bytes name; /* our own copy */
  uint64_t count;
  double mean;
  double m2;
} feature;

typedef struct moments {
  feature *features;
  size_t n_features;
} moments;

static inline void moments_free(moments *moments) {
  for (size_t i = 0; i < moments->n_features; i++) {
    free((void *)moments->features[i].name.data);
  }
  free(moments->features);
  memset(moments, 0, sizeof *moments);
}

static inline int compare_names(lode_bytes a, lode_bytes b) {
  int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* The feature of that name, which is made where its place is; NULL without memory. It is
 * valid until the next call. */
static inline feature *moments_feature(moments *moments, lode_bytes name) {
  size_t at = 0;
  for (; at < moments->n_features; at++) {
    int order = compare_names(moments->features[at].name, name);
    if (order == 0) {
      return &moments->features[at];
    }
    if (order > 0) {
      break;
    }
  }
  size_t size = (moments->n_features + 1) * sizeof(feature);
  feature *features = realloc(moments->features, size);
  if (features == NULL) {
    return NULL;
  }
  moments->features = features;
  uint8_t *copy = malloc(name.len + 1);
  if (copy == NULL) {
    return NULL;
  }
  memcpy(copy, name.data, name.len);
  memmove(&features[at + 1], &features[at], (moments->n_features - at) * sizeof(feature));
  features[at] = (feature){{copy, name.len}, 0, 0.0, 0.0};
  moments->n_features++;
  return &features[at];
}

static inline void feature_add(feature *feature, double value) {
  feature->count++;
  double before = value - feature->mean;
  feature->mean += before / (double)feature->count;
  feature->m2 += before * (value - feature->mean);
}

/* Adds what another summary knows. Both sides are treated alike, so that a + b is b + a to
 * the last bit; a summary of nothing changes nothing. */
static inline void feature_merge(feature *into, const feature *other) {
  if (other->count == 0) {
    return;
  }
  if (into->count == 0) {
    into->count = other->count;
    into->mean = other->mean;
    into->m2 = other->m2;
    return;
  }
  double n_into = (double)into->count;
  double n_other = (double)other->count;
  double n = n_into + n_other;
  double apart = into->mean - other->mean;
  if (apart != 0) { /* equal means stay as they are, so that a constant stays constant */
    into->mean = (n_into * into->mean + n_other * other->mean) / n;
  }
  into->m2 = (into->m2 + other->m2) + apart * apart * (n_into * n_other / n);
  into->count += other->count;
}

/* Population standard deviation. */
static inline double feature_deviation(const feature *feature) {
  return feature->count == 0 ? 0.0 : sqrt(feature->m2 / (double)feature->count);
}

/* --- bytes -------------------------------------------------------------------------- */

/* Little-endian whatever the machine: the eight bytes MOMENTS1, u32 features, and of each
 * u32 length and bytes of the name, u64 count, f64 mean, f64 m2; at the end the CRC-32 of
 * all before it. The last byte of the first eight is the version. */
#define MOMENTS_MAGIC "MOMENTS1"

/* CRC-32 as in zlib, bit by bit: models are small. */
static inline uint32_t checksum(const uint8_t *bytes, size_t len) {
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < len; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) {
      crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
  }
  return ~crc;
}

static inline void put_word(buffer *out, uint64_t word, int n_bytes) {
  for (int i = 0; i < n_bytes; i++) {
    buffer_push(out, &(uint8_t){(uint8_t)(word >> (8 * i))}, 1);
  }
}

static inline void put_double(buffer *out, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_word(out, bits, 8);
}

/* Appends to an empty buffer. */
static inline void moments_write(buffer *out, const moments *moments) {
  buffer_push(out, MOMENTS_MAGIC, 8);
  put_word(out, moments->n_features, 4);
  for (size_t i = 0; i < moments->n_features; i++) {
    const feature *feature = &moments->features[i];
    put_word(out, feature->name.len, 4);
    buffer_push(out, feature->name.data, feature->name.len);
    put_word(out, feature->count, 8);
    put_double(out, feature->mean);
    put_double(out, feature->m2);
  }
  put_word(out, checksum(out->data, out->failed ? 0 : out->len), 4);
}

/* Takes a word off the front of the bytes; false when they are too few. */
static inline bool take_word(lode_bytes *bytes, int n_bytes, uint64_t *word) {
  if (bytes->len < (size_t)n_bytes) {
    return false;
  }
  *word = 0;
  for (int i = 0; i < n_bytes; i++) {
    *word |= (uint64_t)bytes->data[i] << (8 * i);
  }
  bytes->data += n_bytes;
  bytes->len -= (size_t)n_bytes;
  return true;
}

static inline bool take_double(lode_bytes *bytes, double *value) {
  uint64_t bits;
  if (!take_word(bytes, 8, &bits)) {
    return false;
  }
  memcpy(value, &bits, sizeof bits);
  return true;
}

/* Adds written moments to `into`. Gives NULL, or what is wrong with the bytes: they may
 * come from a damaged file or from another algorithm, so each length is checked. */
static inline const char *moments_read(moments *into, lode_bytes bytes) {
  if (bytes.len < 8 || memcmp(bytes.data, MOMENTS_MAGIC, 8) != 0) {
    return "expected moments of example.outlier (" MOMENTS_MAGIC "), found other bytes";
  }
  if (bytes.len < 12) {
    return "the moments end too early";
  }
  bytes.len -= 4;
  lode_bytes last = {bytes.data + bytes.len, 4};
  uint64_t crc = 0;
  if (!take_word(&last, 4, &crc) || crc != checksum(bytes.data, bytes.len)) {
    return "the moments are damaged: their checksum is another";
  }
  bytes.data += 8;
  bytes.len -= 8;
  uint64_t n_features;
  if (!take_word(&bytes, 4, &n_features)) {
    return "the moments end too early";
  }
  for (uint64_t i = 0; i < n_features; i++) {
    uint64_t len;
    if (!take_word(&bytes, 4, &len) || bytes.len < len) {
      return "the moments end too early";
    }
    feature read = {{bytes.data, (size_t)len}, 0, 0.0, 0.0};
    bytes.data += len;
    bytes.len -= (size_t)len;
    if (!take_word(&bytes, 8, &read.count) || !take_double(&bytes, &read.mean) ||
        !take_double(&bytes, &read.m2)) {
      return "the moments end too early";
    }
    if (!isfinite(read.mean) || !isfinite(read.m2) || read.m2 < 0) {
      return "expected finite moments, found others";
    }
    feature *known = moments_feature(into, read.name);
    if (known == NULL) {
      return "there is no memory left for the moments";
    }
    feature_merge(known, &read);
  }
  return bytes.len == 0 ? NULL : "expected nothing after the moments";
}

#endif
