#include "rule.h"

#include "text.h"

bool rule_read(const config_t *config, rule_t *rule) {
  *rule = (rule_t){.label = TEXT("category"), .score = 10, .max_seen = UINT64_MAX};
  return config_text(config, "label", &rule->label) && config_texts(config, "wanted", &rule->wanted) &&
         config_number(config, "score", &rule->score) && config_count(config, "max_seen", &rule->max_seen);
}

static bool is_wanted(const rule_t *rule, wit_string_t value) {
  for (size_t i = 0; i < rule->wanted.len; i++) {
    if (text_equal(rule->wanted.ptr[i], value)) return true;
  }
  return false;
}

static bool has_wanted_label(const rule_t *rule, const types_candidate_t *ad) {
  for (size_t i = 0; i < ad->labels.len; i++) {
    if (text_equal(ad->labels.ptr[i].f0, rule->label)) return is_wanted(rule, ad->labels.ptr[i].f1);
  }
  return false;
}

exports_targeting_verdict_t rule_judge(const rule_t *rule, const types_candidate_t *ad) {
  exports_targeting_verdict_t verdict = {.tag = EXPORTS_TARGETING_VERDICT_KEEP};
  if (ad->seen >= rule->max_seen) {
    verdict.tag = EXPORTS_TARGETING_VERDICT_DROP;
    text_add(&verdict.val.drop, TEXT("seen "));
    text_add_number(&verdict.val.drop, ad->seen);
    text_add(&verdict.val.drop, TEXT(" times"));
  } else if (has_wanted_label(rule, ad)) {
    verdict.tag = EXPORTS_TARGETING_VERDICT_SCORE;
    verdict.val.score = rule->score;
  }
  return verdict;
}
