#include "breaks.h"

#include <math.h>

#include "memory.h"
#include "text.h"

// What the host takes of an id and of a note. It hashes ids that are longer or have other signs, and refuses the answer
// where one cannot stand in an address or a note is longer.
enum { MAX_ID_CHARACTERS = 96, MAX_NOTE_BYTES = 128 };

static void add_new(exports_detect_list_avail_t *avails, types_avail_t avail) {
  for (size_t i = 0; i < avails->len; i++) {
    if (text_equal(avails->ptr[i].id, avail.id)) return;
  }
  avails->ptr[avails->len++] = avail;
}

static bool is_plain(uint8_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

// Whether a byte goes on with a character of UTF-8 that began before it.
static bool goes_on(uint8_t c) {
  return (c & 0xC0) == 0x80;
}

// Origins name cues as they like; an avail's id becomes part of addresses.
static wit_string_t clean(wit_string_t id) {
  wit_string_t clean = {allocate(MAX_ID_CHARACTERS, 1), 0};
  for (size_t i = 0; i < id.len && clean.len < MAX_ID_CHARACTERS; i++) {
    if (goes_on(id.ptr[i])) continue;
    clean.ptr[clean.len++] = is_plain(id.ptr[i]) ? id.ptr[i] : '_';
  }
  return clean;
}

// The whole characters that fit into a note.
static wit_string_t shortened(wit_string_t text) {
  size_t end = text.len < MAX_NOTE_BYTES ? text.len : MAX_NOTE_BYTES;
  while (end > 0 && end < text.len && goes_on(text.ptr[end])) end--;
  return (wit_string_t){text.ptr, end};
}

static wit_string_t identity(const exports_detect_cue_t *cue) {
  if (cue->id.is_some && cue->id.val.len > 0) return clean(cue->id.val);
  wit_string_t id = {NULL, 0};
  text_add(&id, TEXT("cue-"));
  text_add_number(&id, (uint64_t)round(cue->at * 1000));
  return id;
}

static types_labels_t notes(const exports_detect_cue_t *cue) {
  if (!cue->signal.is_some || !cue->signal.val.upid.is_some) return (types_labels_t){NULL, 0};
  types_labels_t notes = {allocate(1, sizeof *notes.ptr), 1};
  wit_string_dup(&notes.ptr[0].f0, "upid");
  notes.ptr[0].f1 = shortened(cue->signal.val.upid.val);
  return notes;
}

void add_opened(exports_detect_list_avail_t *avails, const exports_detect_list_cue_t *cues, double min_duration) {
  for (size_t i = 0; i < cues->len; i++) {
    const exports_detect_cue_t *cue = &cues->ptr[i];
    double duration = cue->duration.is_some ? cue->duration.val : 0;
    if (cue->kind != EXPORTS_DETECT_CUE_KIND_OUT || duration <= 0 || duration < min_duration) continue;
    add_new(avails, (types_avail_t){
                        .id = identity(cue),
                        .start = cue->at,
                        .duration = duration,
                        .kind = TYPES_AVAIL_KIND_REPLACE,
                        .position = TYPES_POSITION_MID_ROLL,
                        .closed = true,
                        .metadata = notes(cue),
                    });
  }
}

void add_still_on(exports_detect_list_avail_t *avails, const exports_detect_list_avail_t *known, double start) {
  for (size_t i = 0; i < known->len; i++) {
    if (known->ptr[i].start + known->ptr[i].duration > start) add_new(avails, known->ptr[i]);
  }
}
