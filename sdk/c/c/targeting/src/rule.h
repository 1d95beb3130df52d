// Which ads to drop, and which to prefer.

#ifndef RULE_H
#define RULE_H

#include "config.h"

typedef struct {
  wit_string_t label;
  texts_t wanted;
  double score;
  uint64_t max_seen;
} rule_t;

bool rule_read(const config_t *config, rule_t *rule);

// Drops an ad that was seen too often, scores one whose label is wanted, keeps all others as they are.
exports_targeting_verdict_t rule_judge(const rule_t *rule, const types_candidate_t *ad);

#endif
