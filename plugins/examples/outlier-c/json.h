/* The parameters: a flat JSON object of numbers.
 *
 * The host has checked them against the schema of the description and filled in the
 * defaults, so this reads what such an object can hold and refuses all else in words. It is
 * no general JSON reader: no nested values, and no escapes in names. */
#ifndef OUTLIER_JSON_H
#define OUTLIER_JSON_H

#include "host.h"

/* Calls `take` for each member. Gives NULL, or what is wrong. */
typedef const char *(*json_take)(void *into, const char *name, double value);

static inline const char *json_space(const char *at) {
  while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') {
    at++;
  }
  return at;
}

/* A number by the grammar of JSON: strtod alone would take hexadecimals, inf and nan. */
static inline bool json_number(const char **at, double *value) {
  const char *end = *at + (**at == '-');
  if (*end < '0' || *end > '9') {
    return false;
  }
  if (*end == '0' && end[1] >= '0' && end[1] <= '9') {
    return false;
  }
  size_t len = strspn(*at, "+-.0123456789eE");
  char *read_to = NULL;
  *value = strtod(*at, &read_to);
  if (read_to != *at + len) {
    return false;
  }
  *at = read_to;
  return true;
}

static inline const char *json_flat_object(lode_bytes json, json_take take, void *into) {
  char copy[4096]; /* with a zero at its end, which the host's bytes do not have */
  if (json.len >= sizeof copy) {
    return "expected parameters of less than 4096 bytes";
  }
  if (json.len > 0) {
    memcpy(copy, json.data, json.len);
  }
  copy[json.len] = '\0';
  const char *at = json_space(copy);
  if (*at++ != '{') {
    return "expected a JSON object";
  }
  at = json_space(at);
  if (*at == '}') {
    return *json_space(at + 1) == '\0' ? NULL : "expected nothing after the object";
  }
  for (;;) {
    if (*at++ != '"') {
      return "expected a name in quotes";
    }
    char name[64];
    size_t len = strcspn(at, "\"\\");
    if (at[len] != '"' || len >= sizeof name) {
      return "expected a plain name of less than 64 bytes";
    }
    memcpy(name, at, len);
    name[len] = '\0';
    at = json_space(at + len + 1);
    if (*at++ != ':') {
      return "expected a colon after a name";
    }
    at = json_space(at);
    double value = 0;
    if (!json_number(&at, &value)) {
      return "expected a number";
    }
    const char *wrong = take(into, name, value);
    if (wrong != NULL) {
      return wrong;
    }
    at = json_space(at);
    if (*at == '}') {
      return *json_space(at + 1) == '\0' ? NULL : "expected nothing after the object";
    }
    if (*at++ != ',') {
      return "expected a comma or the end of the object";
    }
    at = json_space(at);
  }
}

#endif
