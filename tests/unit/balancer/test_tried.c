/* Tried sets: what a request remembers of its picks. */
#include <criterion/criterion.h>

#include "balancer/pool_internal.h"

Test(tried, what_was_not_asked_after_all_is_untried_again)
{
    enum { POOL = 200 };
    static const unsigned indices[] = {0, 63, 64, 199};
    struct balancer_tried tried;

    balancer_tried_init(&tried);
    for (unsigned i = 0; i < 4; i++)
        tried_add(&tried, &(struct endpoint){.index = indices[i], .birth = 1 + i}, POOL);
    balancer_tried_remove(&tried, 100);
    cr_assert_eq(tried.count, 4u);
    for (unsigned i = 0; i < 4; i++) {
        balancer_tried_remove(&tried, indices[i]);
        balancer_tried_remove(&tried, indices[i]);
        cr_assert_not(balancer_tried_has(&tried, indices[i]));
        cr_assert_eq(tried.count, 3 - i);
    }
    balancer_tried_fini(&tried);
}
