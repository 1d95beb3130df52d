// Texts as the contract has them: UTF-8 with a length and no NUL at the end.

#ifndef TEXT_H
#define TEXT_H

#include "wit.h"

// A constant text.
#define TEXT(literal) ((wit_string_t){(uint8_t *)(literal), sizeof(literal) - 1})

bool text_equal(wit_string_t a, wit_string_t b);

// Append to a text that was made by these functions, or is empty: {NULL, 0}.
void text_add(wit_string_t *text, wit_string_t more);
void text_add_number(wit_string_t *text, uint64_t number);

#endif
