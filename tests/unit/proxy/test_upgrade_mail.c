#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proxy/upgrade_mail.h"

static ino_t inode_of(int fd)
{
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    return st.st_ino;
}

static void pair(int sockets[2])
{
    cr_assert_eq(upgrade_mail_pair(sockets), 0);
}

static void expect_refusal(int socket, const char *want)
{
    char *letter, *why = NULL;
    size_t size, count;
    int *fds;

    cr_assert_eq(upgrade_mail_receive(socket, &letter, &size, &fds, &count, &why), EG_E_INTERNAL);
    cr_assert_not_null(strstr(why, want), "%s", why);
    free(why);
}

/* More than go into one message, and a letter longer than any socket's buffer. */
Test(upgrade_mail, a_letter_and_many_descriptors_arrive_in_order)
{
    enum { FDS = 600, LETTER = 4 << 20 };
    int sockets[2], sent[FDS], *fds;
    char *letter = xmalloc(LETTER + 1), *got, *why = NULL;
    size_t size, count;

    memset(letter, 'x', LETTER);
    letter[LETTER] = '\0';
    pair(sockets);
    for (int i = 0; i < FDS; i++)
        sent[i] = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(upgrade_mail_send(sockets[0], letter, sent, FDS), 0);
    cr_assert_eq(upgrade_mail_receive(sockets[1], &got, &size, &fds, &count, &why), EG_OK, "%s",
                 why);
    cr_assert_eq(size, (size_t)LETTER);
    cr_assert_eq(memcmp(got, letter, LETTER), 0);
    cr_assert_eq(count, (size_t)FDS);
    for (int i = 0; i < FDS; i++) {
        cr_assert_eq(inode_of(fds[i]), inode_of(sent[i]));
        cr_assert(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        close(fds[i]);
        close(sent[i]);
    }
    free(fds);
    free(got);
    free(letter);
    close(sockets[0]);
    close(sockets[1]);
}

Test(upgrade_mail, without_a_letter_or_with_too_few_descriptors_it_is_refused)
{
    int sockets[2];

    pair(sockets);
    expect_refusal(sockets[1], "left no letter");
    cr_assert(upgrade_mail_say(sockets[0], "evergate 5"));
    expect_refusal(sockets[1], "left no letter");
    cr_assert_eq(upgrade_mail_send(sockets[0], "{}", NULL, 0), 0);
    close(sockets[0]);
    close(sockets[1]);

    pair(sockets);
    int one = open("/dev/null", O_RDONLY);
    int fds[2] = {one, -1};
    cr_assert_neq(upgrade_mail_send(sockets[0], "{}", fds, 2), 0, "what is not open is not sent");
    expect_refusal(sockets[1], "only 0 came");
    close(one);
    close(sockets[0]);
    close(sockets[1]);
}

Test(upgrade_mail, words_are_heard_and_so_is_the_end)
{
    int sockets[2];

    pair(sockets);
    cr_assert_eq(upgrade_mail_hear(sockets[0], UPGRADE_READY), UPGRADE_HEARD_NOTHING);
    cr_assert(upgrade_mail_say(sockets[1], UPGRADE_READY));
    cr_assert_eq(upgrade_mail_hear(sockets[0], UPGRADE_READY), UPGRADE_HEARD_WORD);
    cr_assert(upgrade_mail_say(sockets[1], "something else"));
    cr_assert_eq(upgrade_mail_hear(sockets[0], UPGRADE_READY), UPGRADE_HEARD_END);
    close(sockets[1]);
    cr_assert_eq(upgrade_mail_hear(sockets[0], UPGRADE_READY), UPGRADE_HEARD_END);
    cr_assert_not(upgrade_mail_say(sockets[0], UPGRADE_YOURS));
    close(sockets[0]);
}
