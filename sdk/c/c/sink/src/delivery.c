#include "delivery.h"

#include "text.h"

bool delivery_read(const config_t *config, delivery_t *delivery) {
  *delivery = (delivery_t){0};
  if (!config_text(config, "url", &delivery->url) || !config_texts(config, "types", &delivery->types)) return false;
  if (delivery->url.ptr == NULL) return config_problem(config, "url", "is missing");
  delivery->all_types = delivery->types.ptr == NULL;
  return true;
}

static bool is_wanted(const delivery_t *delivery, const exports_sink_event_t *event) {
  for (size_t i = 0; i < delivery->types.len; i++) {
    if (text_equal(delivery->types.ptr[i], event->event_type)) return true;
  }
  return delivery->all_types;
}

static void add_json_string(wit_string_t *json, wit_string_t text) {
  static const uint8_t hex[] = "0123456789abcdef";
  text_add(json, TEXT("\""));
  for (size_t i = 0; i < text.len; i++) {
    uint8_t c = text.ptr[i];
    if (c == '"' || c == '\\') {
      text_add(json, (wit_string_t){(uint8_t[]){'\\', c}, 2});
    } else if (c == '\n') {
      text_add(json, TEXT("\\n"));
    } else if (c < ' ') {
      text_add(json, (wit_string_t){(uint8_t[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6});
    } else {
      text_add(json, (wit_string_t){&c, 1});
    }
  }
  text_add(json, TEXT("\""));
}

static void add_event(wit_string_t *json, const exports_sink_event_t *event) {
  text_add(json, TEXT("{\"id\":"));
  add_json_string(json, event->id);
  text_add(json, TEXT(",\"type\":"));
  add_json_string(json, event->event_type);
  text_add(json, TEXT(",\"ad\":"));
  if (event->ad.is_some) {
    add_json_string(json, event->ad.val);
  } else {
    text_add(json, TEXT("null"));
  }
  text_add(json, TEXT("}"));
}

wit_string_t delivery_body(const delivery_t *delivery, const exports_sink_list_event_t *events) {
  wit_string_t json = {NULL, 0};
  for (size_t i = 0; i < events->len; i++) {
    if (!is_wanted(delivery, &events->ptr[i])) continue;
    text_add(&json, json.len == 0 ? TEXT("{\"events\":[") : TEXT(","));
    add_event(&json, &events->ptr[i]);
  }
  if (json.len > 0) text_add(&json, TEXT("]}"));
  return json;
}
