/* Verdicts in a row: see check.h. */
#include "health/check.h"

void check_count_init(struct check_count *count)
{
    *count = (struct check_count){.status = ENDPOINT_UNKNOWN};
}

void check_count_forget(struct check_count *count)
{
    *count = (struct check_count){
        .status = ENDPOINT_UNKNOWN,
        .verdicts = count->verdicts,
        .verdicts_fail = count->verdicts_fail,
    };
}

void check_count_trust(struct check_count *count)
{
    check_count_forget(count);
    count->status = ENDPOINT_HEALTHY;
}

static void check_count_rows(struct check_count *count, enum check_verdict verdict)
{
    count->passed = verdict == CHECK_PASS ? count->passed + 1 : 0;
    count->alive = verdict != CHECK_FAIL ? count->alive + 1 : 0;
    count->failed = verdict == CHECK_FAIL ? count->failed + 1 : 0;
    count->doubted = verdict != CHECK_PASS ? count->doubted + 1 : 0;
    count->last = verdict;
    count->verdicts++;
    count->verdicts_fail += verdict == CHECK_FAIL;
}

static enum endpoint_status check_count_next(const struct check_count *count, unsigned rise,
                                             unsigned fall)
{
    if (count->failed >= fall)
        return ENDPOINT_UNHEALTHY;
    switch (count->status) {
    case ENDPOINT_UNKNOWN:
        if (count->last == CHECK_FAIL)
            return ENDPOINT_UNKNOWN;
        return count->last == CHECK_PASS ? ENDPOINT_HEALTHY : ENDPOINT_DEGRADED;
    case ENDPOINT_HEALTHY:
        return count->doubted >= fall ? ENDPOINT_DEGRADED : ENDPOINT_HEALTHY;
    case ENDPOINT_DEGRADED:
        return count->passed >= rise ? ENDPOINT_HEALTHY : ENDPOINT_DEGRADED;
    case ENDPOINT_UNHEALTHY:
    case ENDPOINT_DRAINING:
        break;
    }
    if (count->passed >= rise)
        return ENDPOINT_HEALTHY;
    return count->alive >= rise ? ENDPOINT_DEGRADED : ENDPOINT_UNHEALTHY;
}

bool check_count_add(struct check_count *count, const struct config_health *config,
                     enum check_verdict verdict)
{
    enum endpoint_status before = count->status;
    unsigned rise = config->rise > 0 ? config->rise : 1;
    unsigned fall = config->fall > 0 ? config->fall : 1;

    check_count_rows(count, verdict);
    count->status = check_count_next(count, rise, fall);
    return count->status != before;
}

bool check_count_hurries(const struct check_count *count)
{
    switch (count->status) {
    case ENDPOINT_HEALTHY:
        return count->passed == 0; /* trusted without a verdict, too */
    case ENDPOINT_DEGRADED:
        return count->last != CHECK_DEGRADED;
    case ENDPOINT_UNKNOWN:
    case ENDPOINT_UNHEALTHY:
    case ENDPOINT_DRAINING:
        break;
    }
    return true;
}
