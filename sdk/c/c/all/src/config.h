// Reads what the tenant wrote under `config:`. Everything can be wrong there, so each field says what it has to be.

#ifndef CONFIG_H
#define CONFIG_H

#include "wit.h"

typedef struct {
  const char *json;
  // Where a problem is told.
  wit_string_t *error;
} config_t;

typedef struct {
  wit_string_t *ptr;
  size_t len;
} texts_t;

// All functions answer false if there is a problem, and tell it in `error`.
bool config_open(config_t *config, wit_string_t *error);

// Each reads one field. `value` stays as it is where the field is absent.
bool config_text(const config_t *config, const char *name, wit_string_t *value);
bool config_texts(const config_t *config, const char *name, texts_t *value);
bool config_number(const config_t *config, const char *name, double *value);
// A whole number, 0 or more.
bool config_count(const config_t *config, const char *name, uint64_t *value);

// Tells a problem with a field, and answers false.
bool config_problem(const config_t *config, const char *name, const char *problem);

#endif
