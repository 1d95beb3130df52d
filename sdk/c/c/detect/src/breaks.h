// Which cues open a break. Both functions append to `avails`, which has room for all.

#ifndef BREAKS_H
#define BREAKS_H

#include "wit.h"

// An avail for each cue that opens one; of those with one id the first.
void add_opened(exports_detect_list_avail_t *avails, const exports_detect_list_cue_t *cues, double min_duration);

// Known avails that reach into the window, unless found again: a break outlives its cue.
void add_still_on(exports_detect_list_avail_t *avails, const exports_detect_list_avail_t *known, double start);

#endif
