#ifndef EVERGATE_BALANCER_RETRY_BUDGET_H
#define EVERGATE_BALANCER_RETRY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>
struct retry_budget {
    int x;
};
void retry_budget_init(struct retry_budget *b, unsigned percent, unsigned min);
void retry_budget_deposit(struct retry_budget *b, unsigned n, uint64_t now_us);
bool retry_budget_withdraw(struct retry_budget *b, uint64_t now_us);
#endif
