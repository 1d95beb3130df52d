// What the host calls. What is sent is in delivery.c.

#include "delivery.h"
#include "memory.h"

// Requests that the host sends for us.
bool exports_sink_deliver(exports_sink_list_event_t *events, exports_sink_list_outbound_request_t *requests,
                          wit_string_t *error) {
  config_t config;
  delivery_t delivery;
  if (!config_open(&config, error) || !delivery_read(&config, &delivery)) return false;

  *requests = (exports_sink_list_outbound_request_t){NULL, 0};
  wit_string_t body = delivery_body(&delivery, events);
  if (body.len == 0) return true;

  *requests = (exports_sink_list_outbound_request_t){allocate(1, sizeof *requests->ptr), 1};
  exports_sink_outbound_request_t *request = requests->ptr;
  wit_string_dup(&request->method, "POST");
  request->url = delivery.url;
  request->headers.len = 1;
  request->headers.ptr = allocate(1, sizeof *request->headers.ptr);
  wit_string_dup(&request->headers.ptr[0].f0, "Content-Type");
  wit_string_dup(&request->headers.ptr[0].f1, "application/json");
  request->body = body;
  return true;
}
