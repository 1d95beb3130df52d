// What the host calls. How breaks are found is in breaks.c.

#include "breaks.h"
#include "config.h"
#include "memory.h"

// Every avail of the window, each id once.
bool exports_detect_detect(exports_detect_window_t *window, exports_detect_list_avail_t *known,
                           exports_detect_channel_t *channel, exports_detect_list_avail_t *avails,
                           wit_string_t *error) {
  (void)channel;
  config_t config;
  double min_duration = 0;
  if (!config_open(&config, error) || !config_number(&config, "min_duration", &min_duration)) return false;

  size_t most = window->cues.len + known->len;
  *avails = (exports_detect_list_avail_t){allocate(most, sizeof *avails->ptr), 0};
  add_opened(avails, &window->cues, min_duration);
  add_still_on(avails, known, window->start);
  if (avails->len == 0) free(avails->ptr);
  return true;
}
