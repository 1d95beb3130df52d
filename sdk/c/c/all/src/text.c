#include "text.h"

#include <stdlib.h>
#include <string.h>

bool text_equal(wit_string_t a, wit_string_t b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

void text_add(wit_string_t *text, wit_string_t more) {
  if (more.len == 0) return;
  text->ptr = realloc(text->ptr, text->len + more.len);
  if (text->ptr == NULL) abort();
  memcpy(text->ptr + text->len, more.ptr, more.len);
  text->len += more.len;
}

void text_add_number(wit_string_t *text, uint64_t number) {
  uint8_t digits[20];  // as many as UINT64_MAX has
  size_t first = sizeof digits;
  do {
    digits[--first] = '0' + number % 10;
    number /= 10;
  } while (number > 0);
  text_add(text, (wit_string_t){digits + first, sizeof digits - first});
}
