/* A path is watched wherever it leads, and whatever on its way comes and goes. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discovery/file_chain.h"
#include "discovery/file_watch.h"
#include "room.h"

static struct {
    struct room room;
    struct file_watch *watch;
    unsigned changed;
    bool free_at_once;
} f;

static void setup(void)
{
    memset(&f, 0, sizeof(f));
    room_init(&f.room);
}

static void teardown(void)
{
    file_watch_free(&f.watch);
    room_fini(&f.room);
}

TestSuite(file_watch, .init = setup, .fini = teardown);

static void on_look(void *arg, bool changed)
{
    f.changed += changed;
    if (f.free_at_once)
        file_watch_free(&f.watch);
}

static void start(const char *path)
{
    IN_TURN(&f.room.loop, f.watch = file_watch_new(&f.room.loop, path, on_look, NULL));
    RUN_UNTIL(&f.room.loop, f.changed == 1);
}

/* What was done before is noticed; afterwards nothing is under way. */
#define EXPECT_NOTICED()                                                                           \
    do {                                                                                           \
        RUN_UNTIL(&f.room.loop, f.changed > 1);                                                    \
        f.changed = 1;                                                                             \
    } while (0)

Test(file_watch, notices_writes_renames_deletion_and_return)
{
    struct room *room = &f.room;

    room_write(room, "f", "1");
    start(room_path(room, "f"));
    room_write(room, "f", "2");
    EXPECT_NOTICED();
    room_replace(room, "f", "3");
    EXPECT_NOTICED();
    room_write(room, "f", "4"); /* the new inode */
    EXPECT_NOTICED();
    unlink(room_path(room, "f"));
    EXPECT_NOTICED();
    room_write(room, "f", "5");
    EXPECT_NOTICED();
    chmod(room_path(room, "f"), 0400);
    EXPECT_NOTICED();
}

Test(file_watch, notices_a_directory_that_goes_and_returns)
{
    struct room *room = &f.room;

    start(room_path(room, "a/b/f")); /* nothing of it is there */
    room_make(room, "a");
    EXPECT_NOTICED();
    room_make(room, "a/b");
    EXPECT_NOTICED();
    room_write(room, "a/b/f", "1");
    EXPECT_NOTICED();
    cr_assert_eq(rename(room_path(room, "a"), room_path(room, "gone")), 0);
    EXPECT_NOTICED();
    cr_assert_eq(rename(room_path(room, "gone"), room_path(room, "a")), 0);
    EXPECT_NOTICED();
    room_write(room, "a/b/f", "2");
    EXPECT_NOTICED();
    unlink(room_path(room, "a/b/f"));
    rmdir(room_path(room, "a/b"));
    EXPECT_NOTICED();
    room_make(room, "a/b");
    room_write(room, "a/b/f", "3");
    EXPECT_NOTICED();
    room_write(room, "a/b/f", "4");
    EXPECT_NOTICED();
}

/* f -> ..data/f, ..data -> ..1: kubelet writes ..2, and renames a new link over ..data. */
Test(file_watch, notices_the_swap_of_a_configmap)
{
    struct room *room = &f.room;

    room_make(room, "..1");
    room_write(room, "..1/f", "1");
    room_link(room, "..1", "..data");
    room_link(room, "..data/f", "f");
    start(room_path(room, "f"));
    for (unsigned i = 2; i < 6; i++) {
        char name[8], file[16];

        snprintf(name, sizeof(name), "..%u", i);
        snprintf(file, sizeof(file), "..%u/f", i);
        room_make(room, name);
        room_write(room, file, "new");
        room_link(room, name, "..data");
        EXPECT_NOTICED();
        snprintf(file, sizeof(file), "..%u/f", i - 1);
        snprintf(name, sizeof(name), "..%u", i - 1);
        unlink(room_path(room, file));
        rmdir(room_path(room, name));
        f.changed = 1;
    }
    room_write(room, "..5/f", "written where it lies");
    EXPECT_NOTICED();
}

Test(file_watch, follows_links_that_lead_elsewhere)
{
    struct room *room = &f.room;

    room_make(room, "here");
    room_make(room, "there");
    room_link(room, room_path(room, "there"), "here/on");
    room_link(room, "../there/deep", "here/f");
    start(room_path(room, "here/./on/../here/f"));
    room_write(room, "there/deep", "1");
    EXPECT_NOTICED();
    room_link(room, "on/other", "here/f");
    EXPECT_NOTICED();
    room_write(room, "there/other", "1");
    EXPECT_NOTICED();
}

Test(file_watch, is_not_woken_by_other_files)
{
    struct room *room = &f.room;

    room_write(room, "f", "1");
    start(room_path(room, "f"));
    room_write(room, "other", "1");
    run_turns(&room->loop, 50);
    cr_expect_eq(f.changed, 1u);
    room_write(room, "f", "2"); /* comes after all that the other file may have caused */
    EXPECT_NOTICED();
}

Test(file_watch, tells_many_writes_at_once_but_does_not_wait_for_their_end)
{
    struct room *room = &f.room;
    unsigned writes = 0;

    room_write(room, "f", "1");
    start(room_path(room, "f"));
    RUN_UNTIL(&room->loop, (room_write(room, "f", "more"), writes++, f.changed == 3));
    cr_expect_gt(writes, 10u);
}

static unsigned queued_events(void)
{
    char text[32] = "";
    int fd = open("/proc/sys/fs/inotify/max_queued_events", O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);

    close(fd);
    cr_assert_gt(n, 0);
    return (unsigned)strtoul(text, NULL, 10);
}

/* What is told last is lost. It must not wait for the next look. */
Test(file_watch, notices_what_the_kernel_s_queue_had_no_place_for)
{
    struct room *room = &f.room;
    char a[PATH_MAX], b[PATH_MAX];
    unsigned events = queued_events();
    uint64_t start_ms;

    room_write(room, "f", "1");
    room_write(room, "a", "");
    snprintf(a, sizeof(a), "%s", room_path(room, "a"));
    snprintf(b, sizeof(b), "%s", room_path(room, "b"));
    start(room_path(room, "f"));
    for (unsigned i = 0; i < events / 2 + 1; i++) /* two events each */
        cr_assert_eq(i % 2 == 0 ? rename(a, b) : rename(b, a), 0);
    room_replace(room, "f", "2");
    start_ms = room->loop.now_ms;
    EXPECT_NOTICED();
    cr_assert_lt(room->loop.now_ms - start_ms, FILE_WATCH_LOOK_MS / 2);
}

Test(file_watch, looks_by_itself_at_what_inotify_does_not_tell)
{
    struct room *room = &f.room;

    room_write(room, "f", "1");
    cr_assert_eq(link(room_path(room, "f"), room_path(room, "same")), 0);
    start(room_path(room, "f"));
    /* Under another name of the inode: nothing is told of ours. The wheel is turned instead of
     * waiting for FILE_WATCH_LOOK_MS. */
    room_write(room, "same", "more");
    IN_TURN(&room->loop,
            wheel_advance(&room->loop.wheel, room->loop.now_ms + FILE_WATCH_LOOK_MS + 100));
    cr_expect_eq(f.changed, 2u);
}

/* As when the user's inotify instances are used up: the process has no descriptor left for one. */
Test(file_watch, looks_more_often_without_inotify)
{
    struct room *room = &f.room;
    struct rlimit before, none;
    int lowest = dup(0);

    room_write(room, "f", "1");
    cr_assert_geq(lowest, 0);
    close(lowest);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)lowest;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    start(room_path(room, "f"));
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    room_write(room, "f", "more");
    run_turns(&room->loop, 20);
    cr_expect_eq(f.changed, 1u);
    IN_TURN(&room->loop,
            wheel_advance(&room->loop.wheel, room->loop.now_ms + FILE_WATCH_BLIND_LOOK_MS + 100));
    cr_expect_eq(f.changed, 2u);
}

static void count_look(void *arg, bool changed)
{
    *(unsigned *)arg += changed;
}

/* They have the directories on their way in common, and the kernel one watch for each of those. */
Test(file_watch, files_of_one_directory_are_noticed_each_and_go_one_by_one)
{
    enum { FILES = 8 };
    static const char *const names[FILES] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    struct room *room = &f.room;
    struct file_watch *watches[FILES];
    unsigned changed[FILES] = {0};
    int before = dup(0), after;

    close(before);
    for (unsigned i = 0; i < FILES; i++) {
        room_write(room, names[i], "1");
        IN_TURN(&room->loop, watches[i] = file_watch_new(&room->loop, room_path(room, names[i]),
                                                         count_look, &changed[i]));
        RUN_UNTIL(&room->loop, changed[i] == 1);
    }
    after = dup(0);
    close(after);
    cr_expect_leq(after, before + 1, "%d descriptors for %d files", after - before, FILES);
    for (unsigned i = 0; i < FILES; i++) {
        for (unsigned j = i; j < FILES; j++) {
            room_replace(room, names[j], "2");
            RUN_UNTIL(&room->loop, changed[j] == 2 + i);
        }
        file_watch_free(&watches[i]);
    }
}

Test(file_watch, may_be_freed_by_whom_it_calls)
{
    room_write(&f.room, "f", "1");
    f.free_at_once = true;
    start(room_path(&f.room, "f"));
    cr_expect_null(f.watch);
}

/* ---- the way ---- */

struct way {
    char text[1024];
    size_t n;
    const char *room;
};

static void on_enter(void *arg, const struct file_step *step)
{
    struct way *way = arg;
    const char *directory = step->directory;
    size_t n = strlen(way->room);

    if (strncmp(directory, way->room, n) != 0)
        return; /* on the way to the room */
    way->n += (size_t)snprintf(way->text + way->n, sizeof(way->text) - way->n, "%s:%s%s ",
                               directory[n] != '\0' ? directory + n + 1 : ".", step->name,
                               step->last ? "!" : "");
}

static void expect_way(const char *path, const char *wanted)
{
    struct way way = {.room = f.room.directory};
    struct file_chain chain;

    file_chain_init(&chain, room_path(&f.room, path), on_enter, &way);
    cr_expect_str_eq(way.text, wanted, "%s: %s", path, way.text);
    file_chain_fini(&chain);
}

Test(file_watch, walks_as_the_kernel_does)
{
    struct room *room = &f.room;

    room_make(room, "a");
    room_make(room, "a/b");
    room_write(room, "a/b/f", "1");
    room_link(room, "b", "a/l");
    room_link(room, "loop", "loop");
    expect_way("a/b/f", ".:a a:b a/b:f! ");
    expect_way("a//b/./../b/f", ".:a a:b a:b a/b:f! ");
    expect_way("a/l/f", ".:a a:l a:b a/b:f! ");
    expect_way("a/l/../b", ".:a a:l a:b a:b! ");
    expect_way("a/b/f/more", ".:a a:b a/b:f ");
    expect_way("none/f", ".:none ");
}

Test(file_watch, gives_up_on_links_that_go_round)
{
    struct file_chain chain;
    struct way way = {.room = f.room.directory};

    room_link(&f.room, "round", "round");
    file_chain_init(&chain, room_path(&f.room, "round/f"), on_enter, &way);
    cr_expect_leq(chain.count, (size_t)FILE_CHAIN_LINKS + 8);
    file_chain_fini(&chain);
}
