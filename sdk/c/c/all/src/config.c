// The host wrote the JSON, so it is well-formed: this only has to find its way.

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "text.h"

static const char *skip_space(const char *at) {
  return at + strspn(at, " \t\r\n");
}

// From an opening quote to behind the closing one.
static const char *skip_string(const char *at) {
  for (at++; *at != '"'; at++) {
    if (*at == '\\') at++;
  }
  return at + 1;
}

static const char *skip_value(const char *at) {
  int depth = 0;
  do {
    at = skip_space(at);
    if (*at == '"') {
      at = skip_string(at);
    } else if (*at == '{' || *at == '[') {
      depth++;
      at++;
    } else if (*at == '}' || *at == ']') {
      depth--;
      at++;
    } else if (*at == ',' || *at == ':') {
      at++;
    } else {
      at += strcspn(at, ",:]} \t\r\n");
    }
  } while (depth > 0);
  return at;
}

// Where the next member of an object or list begins, NULL behind the last. `at` is behind the one before, or behind the
// opening bracket.
static const char *next(const char *at) {
  at = skip_space(at);
  if (*at == ',') at = skip_space(at + 1);
  return *at == '}' || *at == ']' ? NULL : at;
}

static uint32_t hex4(const char *at) {
  char digits[5] = {at[0], at[1], at[2], at[3], 0};
  return (uint32_t)strtoul(digits, NULL, 16);
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c) {
  if (c < 0x80) {
    *to++ = c;
  } else if (c < 0x800) {
    *to++ = 0xc0 | c >> 6;
    *to++ = 0x80 | (c & 0x3f);
  } else if (c < 0x10000) {
    *to++ = 0xe0 | c >> 12;
    *to++ = 0x80 | (c >> 6 & 0x3f);
    *to++ = 0x80 | (c & 0x3f);
  } else {
    *to++ = 0xf0 | c >> 18;
    *to++ = 0x80 | (c >> 12 & 0x3f);
    *to++ = 0x80 | (c >> 6 & 0x3f);
    *to++ = 0x80 | (c & 0x3f);
  }
  return to;
}

// `at` is behind `\u`; answers behind the last digit. Characters beyond 0xffff are written as two escapes.
static const char *unescape_unicode(const char *at, uint8_t **to) {
  uint32_t c = hex4(at);
  at += 4;
  if (c >= 0xd800 && c < 0xdc00 && at[0] == '\\' && at[1] == 'u') {
    c = 0x10000 + ((c - 0xd800) << 10) + (hex4(at + 2) - 0xdc00);
    at += 6;
  }
  *to = put_utf8(*to, c);
  return at;
}

// The string whose opening quote is at `at`.
static wit_string_t string(const char *at) {
  static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  // An escape is never shorter than what it means.
  uint8_t *text = allocate(skip_string(at) - at, 1), *to = text;
  for (at++; *at != '"';) {
    if (*at != '\\') {
      *to++ = *at++;
    } else if (at[1] == 'u') {
      at = unescape_unicode(at + 2, &to);
    } else {
      *to++ = meanings[strchr(escapes, at[1]) - escapes];
      at += 2;
    }
  }
  return (wit_string_t){text, to - text};
}

static bool is_number(const char *at) {
  return *at == '-' || (*at >= '0' && *at <= '9');
}

// The field's value, NULL if it is absent or null.
static const char *find(const config_t *config, const char *name) {
  size_t length = strlen(name);
  for (const char *at = next(config->json + 1); at != NULL; at = next(skip_value(at))) {
    const char *key = at + 1;
    at = skip_space(skip_string(at));
    bool found = strncmp(key, name, length) == 0 && key[length] == '"';
    at = skip_space(at + 1);
    if (found) return *at == 'n' ? NULL : at;
  }
  return NULL;
}

bool config_open(config_t *config, wit_string_t *error) {
  wit_string_t text;
  host_config_get(&text);
  char *json = allocate(text.len + 1, 1);
  memcpy(json, text.ptr, text.len);
  *config = (config_t){skip_space(json), error};
  if (*config->json == '{') return true;
  config->json = "{}";
  if (strncmp(json, "null", 4) == 0) return true;
  *error = (wit_string_t){NULL, 0};
  text_add(error, TEXT("config: must be a map of settings"));
  return false;
}

bool config_text(const config_t *config, const char *name, wit_string_t *value) {
  const char *at = find(config, name);
  if (at == NULL) return true;
  if (*at != '"') return config_problem(config, name, "must be a text");
  *value = string(at);
  return true;
}

bool config_texts(const config_t *config, const char *name, texts_t *value) {
  static const char problem[] = "must be a list of texts";
  const char *list = find(config, name);
  if (list == NULL) return true;
  if (*list != '[') return config_problem(config, name, problem);
  size_t count = 0;
  for (const char *at = next(list + 1); at != NULL; at = next(skip_value(at))) {
    if (*at != '"') return config_problem(config, name, problem);
    count++;
  }
  *value = (texts_t){allocate(count, sizeof *value->ptr), count};
  wit_string_t *to = value->ptr;
  for (const char *at = next(list + 1); at != NULL; at = next(skip_value(at))) *to++ = string(at);
  return true;
}

bool config_number(const config_t *config, const char *name, double *value) {
  const char *at = find(config, name);
  if (at == NULL) return true;
  if (!is_number(at)) return config_problem(config, name, "must be a number");
  *value = strtod(at, NULL);
  return true;
}

bool config_count(const config_t *config, const char *name, uint64_t *value) {
  const char *at = find(config, name);
  if (at == NULL) return true;
  char *end = NULL;
  uint64_t number = is_number(at) ? strtoull(at, &end, 10) : 0;
  if (end != skip_value(at) || *at == '-') return config_problem(config, name, "must be a whole number, 0 or more");
  *value = number;
  return true;
}

bool config_problem(const config_t *config, const char *name, const char *problem) {
  *config->error = (wit_string_t){NULL, 0};
  text_add(config->error, TEXT("config: `"));
  text_add(config->error, (wit_string_t){(uint8_t *)name, strlen(name)});
  text_add(config->error, TEXT("` "));
  text_add(config->error, (wit_string_t){(uint8_t *)problem, strlen(problem)});
  return false;
}
