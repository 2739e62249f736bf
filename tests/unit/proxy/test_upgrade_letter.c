#include <criterion/criterion.h>

#include <stdlib.h>

#include "base/alloc.h"
#include "proxy/upgrade_letter.h"

static struct upgrade_letter full_letter(void)
{
    struct upgrade_letter letter = {.pid = 4711, .has_secret = true, .ticket_rotate_ms = 1234};

    for (size_t i = 0; i < sizeof(letter.secret); i++)
        letter.secret[i] = (unsigned char)(i * 37);
    for (size_t i = 0; i < sizeof(letter.tickets); i++)
        letter.tickets[i] = (unsigned char)(255 - i);
    letter.ticket_bytes = sizeof(letter.tickets);
    upgrade_letter_add_sockets(&letter, "127.0.0.1:80", 4, 0, 0);
    upgrade_letter_add_sockets(&letter, "unix:/run/in.sock", 1, 25, 4242);
    letter.overlay = json_pack("{s:i}", "version", 1);
    letter.discovered = json_pack("{s:[{s:s}]}", "api", "address", "10.0.0.1:80");
    return letter;
}

static void expect_refusal(const char *text, const char *want)
{
    struct upgrade_letter letter;
    char *why = NULL;

    cr_assert_eq(upgrade_letter_read(&letter, text, strlen(text), &why), EG_E_INTERNAL, "%s", text);
    cr_assert_not_null(strstr(why, want), "%s", why);
    free(why);
}

Test(upgrade_letter, what_is_written_is_what_is_read)
{
    struct upgrade_letter before = full_letter(), after;
    char *text = upgrade_letter_write(&before), *why = NULL;

    cr_assert_eq(upgrade_letter_read(&after, text, strlen(text), &why), EG_OK, "%s", why);
    cr_assert_eq(after.pid, 4711);
    cr_assert(after.has_secret);
    cr_assert_arr_eq(after.secret, before.secret, sizeof(before.secret));
    cr_assert_eq(after.ticket_bytes, before.ticket_bytes);
    cr_assert_arr_eq(after.tickets, before.tickets, sizeof(before.tickets));
    cr_assert_eq(after.ticket_rotate_ms, 1234u);
    cr_assert_eq(after.socket_count, 2u);
    cr_assert_str_eq(after.sockets[0].bind, "127.0.0.1:80");
    cr_assert_eq(after.sockets[0].inode, 0u);
    cr_assert_str_eq(after.sockets[1].bind, "unix:/run/in.sock");
    cr_assert_eq(after.sockets[1].device, 25u);
    cr_assert_eq(after.sockets[1].inode, 4242u);
    cr_assert_eq(upgrade_letter_descriptors(&after), 5u);
    cr_assert(json_equal(after.overlay, before.overlay));
    cr_assert(json_equal(after.discovered, before.discovered));
    free(text);
    upgrade_letter_fini(&before);
    upgrade_letter_fini(&after);
}

Test(upgrade_letter, keys_of_a_later_version_are_ignored_and_absent_ones_are_nothing)
{
    const char *text = "{\"form\": 1, \"pid\": 7, \"sockets\": [{\"bind\": \":80\", \"count\": 1, "
                       "\"colour\": \"red\"}], \"moon\": [1, 2]}";
    struct upgrade_letter letter;
    char *why = NULL;

    cr_assert_eq(upgrade_letter_read(&letter, text, strlen(text), &why), EG_OK, "%s", why);
    cr_assert_not(letter.has_secret);
    cr_assert_eq(letter.ticket_bytes, 0u);
    cr_assert_null(letter.overlay);
    cr_assert_null(letter.discovered);
    upgrade_letter_fini(&letter);
}

Test(upgrade_letter, another_form_is_refused_with_what_to_do)
{
    expect_refusal("{\"form\": 2, \"pid\": 7, \"evergate\": \"9.1\", \"sockets\": []}",
                   "process 7 (evergate 9.1) hands over in form 2");
    expect_refusal("{\"pid\": 7, \"sockets\": []}", "stop that process and start this one instead");
}

Test(upgrade_letter, a_secret_of_another_size_or_not_of_digits_is_none)
{
    const char *texts[] = {
        "{\"form\": 1, \"sockets\": [], \"sticky_secret\": \"00ff\"}",
        "{\"form\": 1, \"sockets\": [], \"sticky_secret\": \"zz\"}",
        "{\"form\": 1, \"sockets\": [], \"sticky_secret\": 5, \"tickets\": {\"keys\": \"abc\"}}",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct upgrade_letter letter;
        char *why = NULL;

        cr_assert_eq(upgrade_letter_read(&letter, texts[i], strlen(texts[i]), &why), EG_OK);
        cr_assert_not(letter.has_secret);
        cr_assert_eq(letter.ticket_bytes, 0u);
        upgrade_letter_fini(&letter);
    }
}

Test(upgrade_letter, nonsense_is_refused)
{
    expect_refusal("", "no JSON object");
    expect_refusal("[]", "no JSON object");
    expect_refusal("{\"form\": 1}", "which sockets");
    expect_refusal("{\"form\": 1, \"sockets\": [{\"bind\": 5, \"count\": 1}]}", "which sockets");
    expect_refusal("{\"form\": 1, \"sockets\": [{\"bind\": \":80\", \"count\": 0}]}",
                   "which sockets");
    expect_refusal("{\"form\": 1, \"sockets\": [{\"bind\": \":80\", \"count\": 65536},"
                   " {\"bind\": \":81\", \"count\": 1}]}",
                   "which sockets");
}
