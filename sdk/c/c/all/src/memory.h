// Memory that is there or ends the call: in WebAssembly, address 0 can be written to.

#ifndef MEMORY_H
#define MEMORY_H

#include <stdlib.h>

static inline void *allocate(size_t count, size_t size) {
  void *memory = calloc(count > 0 ? count : 1, size);
  if (memory == NULL) abort();
  return memory;
}

#endif
