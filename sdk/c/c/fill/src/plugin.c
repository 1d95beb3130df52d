// What the host calls. The strategy itself is in strategy.c.

#include "config.h"
#include "memory.h"
#include "strategy.h"

// Places in `candidates`, in the order to play.
bool exports_fill_fill(types_request_t *request, exports_fill_list_candidate_t *candidates, wit_list_u32_t *pod,
                       wit_string_t *error) {
  config_t config;
  uint64_t max_ads = UINT64_MAX;
  if (!config_open(&config, error) || !config_count(&config, "max_ads", &max_ads)) return false;

  pod->ptr = allocate(candidates->len, sizeof *pod->ptr);
  pod->len = choose(candidates, request->avail.duration, max_ads, pod->ptr);
  if (pod->len == 0) free(pod->ptr);
  return true;
}
