// Which ads fill a break.

#ifndef STRATEGY_H
#define STRATEGY_H

#include "wit.h"

// Takes each ad that still fits, best first, and no two of one category. Writes their places into `pod`, which has room
// for all, and answers how many there are.
size_t choose(const exports_fill_list_candidate_t *candidates, double duration, uint64_t max_ads, uint32_t *pod);

#endif
