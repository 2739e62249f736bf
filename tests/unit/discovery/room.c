/* See room.h. */
#include "room.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static void on_changed(void *arg)
{
    ((struct room *)arg)->changes++;
}

static void on_settled(void *arg)
{
    ((struct room *)arg)->settled++;
}

static void on_event(void *arg, const struct discovery_event *event)
{
    struct room *room = arg;
    unsigned i = room->event_count++;

    cr_assert_lt(i, (unsigned)ROOM_EVENTS);
    room->events[i].what = (int)event->what;
    snprintf(room->events[i].source, sizeof(room->events[i].source), "%s", event->source);
    snprintf(room->events[i].pool, sizeof(room->events[i].pool), "%s", event->pool);
    snprintf(room->events[i].from, sizeof(room->events[i].from), "%s", event->from);
    snprintf(room->events[i].to, sizeof(room->events[i].to), "%s", event->to);
    snprintf(room->events[i].why, sizeof(room->events[i].why), "%s", event->why);
    snprintf(room->events[i].next, sizeof(room->events[i].next), "%s", event->next);
}

void room_init(struct room *room)
{
    memset(room, 0, sizeof(*room));
    snprintf(room->directory, sizeof(room->directory), "/tmp/evergate-discovery-XXXXXX");
    cr_assert_not_null(mkdtemp(room->directory));
    cr_assert_eq(loop_init(&room->loop), 0);
    room->context = (struct source_context){
        .loop = &room->loop,
        .on_changed = on_changed,
        .on_event = on_event,
        .on_settled = on_settled,
        .arg = room,
    };
    pthread_mutex_init(&room->context.lock, NULL);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

void room_fini(struct room *room)
{
    loop_fini(&room->loop);
    pthread_mutex_destroy(&room->context.lock);
    nftw(room->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *room_path(const struct room *room, const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", room->directory, name);
    return path;
}

void room_write(const struct room *room, const char *name, const char *text)
{
    FILE *f = fopen(room_path(room, name), "w");

    cr_assert_not_null(f);
    cr_assert_geq(fputs(text, f), 0);
    cr_assert_eq(fclose(f), 0);
}

void room_replace(const struct room *room, const char *name, const char *text)
{
    char beside[128];

    snprintf(beside, sizeof(beside), "%s.new", name);
    room_write(room, beside, text);
    cr_assert_eq(rename(room_path(room, beside), room_path(room, name)), 0);
}

void room_link(const struct room *room, const char *target, const char *name)
{
    char beside[128];

    snprintf(beside, sizeof(beside), "%s_tmp", name);
    cr_assert_eq(symlink(target, room_path(room, beside)), 0);
    cr_assert_eq(rename(room_path(room, beside), room_path(room, name)), 0);
}

void room_make(const struct room *room, const char *name)
{
    cr_assert_eq(mkdir(room_path(room, name), 0700), 0);
}

char *room_read(const struct room *room, const char *name)
{
    char text[4096];
    int fd = open(room_path(room, name), O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return NULL;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    cr_assert_geq(n, 0);
    return xstrndup(text, (size_t)n);
}

struct config *room_config(const char *block, const char *more)
{
    struct config *config = NULL;
    struct config_errors errors;
    char *text = xasprintf("listeners = ({ name = \"l\"; bind = \"127.0.0.1:8080\"; });\n"
                           "pools = ({ name = \"api\"; discovery = { %s } }%s);\n"
                           "routes = ({ name = \"r\"; pool = \"api\"; });\n",
                           block, more);
    int rc = config_load_text(&config, "edge.conf", text, &errors);

    cr_assert_eq(rc, 0, "%s\n%s", errors.count > 0 ? errors.v[0].message : "", text);
    config_errors_free(&errors);
    free(text);
    return config;
}

const char *room_ids(const struct config_found *found)
{
    static char ids[1024];
    json_t *array = config_found_json(found), *endpoint;
    size_t i, n = 0;

    ids[0] = '\0';
    json_array_foreach(array, i, endpoint)
    {
        n += (size_t)snprintf(ids + n, sizeof(ids) - n, "%s%s", i > 0 ? " " : "",
                              json_string_value(json_object_get(endpoint, "id")));
        cr_assert_lt(n, sizeof(ids));
    }
    json_decref(array);
    return ids;
}
