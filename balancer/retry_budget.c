/* The retry budget: see retry_budget.h. */
#include "balancer/retry_budget.h"

void retry_budget_init(struct retry_budget *b, unsigned percent, unsigned min)
{
}
void retry_budget_deposit(struct retry_budget *b, unsigned n, uint64_t now_us)
{
}
bool retry_budget_withdraw(struct retry_budget *b, uint64_t now_us)
{
    return true;
}
