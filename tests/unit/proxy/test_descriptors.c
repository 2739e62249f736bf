/* How many clients a number of descriptors allows for. */
#include <criterion/criterion.h>

#include "proxy/descriptors.h"

Test(descriptors, clients_get_half_of_what_is_left)
{
    cr_expect_eq(descriptors_clients_of(1024, 16), 500);
    cr_expect_eq(descriptors_clients_of(64, 30), 13);
}

Test(descriptors, at_least_one_client_is_served)
{
    cr_expect_eq(descriptors_clients_of(10, 30), 1);
    cr_expect_eq(descriptors_clients_of(39, 30), 1);
}

Test(descriptors, a_huge_limit_does_not_overflow)
{
    cr_expect_eq(descriptors_clients_of(~0ULL, 30), ~0u);
}

Test(descriptors, this_process_has_room)
{
    cr_expect_gt(descriptors_client_limit(), 1);
}
