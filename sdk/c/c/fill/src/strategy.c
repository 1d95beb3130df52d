#include "strategy.h"

#include "text.h"

// Seconds: lengths are sums of decimal fractions, which are seldom exact.
static const double TOLERANCE = 1e-6;

static bool is_taken(const exports_fill_list_candidate_t *candidates, const uint32_t *pod, size_t count,
                     wit_option_string_t category) {
  for (size_t i = 0; i < count && category.is_some; i++) {
    wit_option_string_t other = candidates->ptr[pod[i]].category;
    if (other.is_some && text_equal(other.val, category.val)) return true;
  }
  return false;
}

size_t choose(const exports_fill_list_candidate_t *candidates, double duration, uint64_t max_ads, uint32_t *pod) {
  size_t count = 0;
  double taken = 0;
  for (uint32_t place = 0; place < candidates->len && count < max_ads; place++) {
    const types_candidate_t *ad = &candidates->ptr[place];
    if (ad->duration > duration - taken + TOLERANCE) continue;
    if (is_taken(candidates, pod, count, ad->category)) continue;
    pod[count++] = place;
    taken += ad->duration;
  }
  return count;
}
