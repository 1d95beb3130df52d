// Which events are sent, and how they are written.

#ifndef DELIVERY_H
#define DELIVERY_H

#include "config.h"

typedef struct {
  wit_string_t url;
  bool all_types;
  texts_t types;
} delivery_t;

bool delivery_read(const config_t *config, delivery_t *delivery);

// All events of the wanted types as JSON, empty if there are none.
wit_string_t delivery_body(const delivery_t *delivery, const exports_sink_list_event_t *events);

#endif
