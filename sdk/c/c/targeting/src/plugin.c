// What the host calls. The rule itself is in rule.c.

#include "memory.h"
#include "rule.h"

// One verdict for each candidate, in the order given.
bool exports_targeting_judge(types_request_t *request, exports_targeting_list_candidate_t *candidates,
                             exports_targeting_list_verdict_t *verdicts, wit_string_t *error) {
  (void)request;
  config_t config;
  rule_t rule;
  if (!config_open(&config, error) || !rule_read(&config, &rule)) return false;

  verdicts->len = candidates->len;
  verdicts->ptr = allocate(candidates->len, sizeof *verdicts->ptr);
  for (size_t i = 0; i < candidates->len; i++) verdicts->ptr[i] = rule_judge(&rule, &candidates->ptr[i]);
  return true;
}
