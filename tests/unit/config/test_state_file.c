/* The overlay on disk: whole or not at all, and readable for nobody else. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/state_file.h"
#include "support.h"

static struct config_overlay *some(void)
{
    struct config_overlay *overlay = config_overlay_new();
    json_t *fields = json_pack("{s:s, s:i}", "address", "h:1", "weight", 2);
    json_t *policy = json_pack("{s:s}", "algorithm", "random");

    cr_assert_eq(config_overlay_set_endpoint(overlay, "api", "c", fields, true), 0);
    cr_assert_eq(config_overlay_set_endpoint(overlay, "api", "b", NULL, false), 0);
    cr_assert_eq(config_overlay_set_policy(overlay, "api", policy), 0);
    json_decref(fields);
    json_decref(policy);
    return overlay;
}

static size_t count_files(const char *directory)
{
    DIR *d = opendir(directory);
    size_t count = 0;

    cr_assert_not_null(d);
    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return count - 2; /* "." and ".." */
}

Test(state_file, gives_back_what_was_saved)
{
    char *directory = support_directory_make(), *path = xasprintf("%s/state.json", directory);
    struct config_overlay *overlay = some(), *loaded = NULL;
    json_t *before = config_overlay_json(overlay), *after;
    char *why = NULL;
    struct stat st;

    cr_assert_eq(state_file_save(overlay, path, &why), 0, "%s", why);
    cr_assert_eq(state_file_save(overlay, path, &why), 0, "%s", why);
    cr_expect_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    cr_expect_eq(count_files(directory), 1, "nothing is left beside it");
    cr_assert_eq(state_file_load(&loaded, path, &why), 0, "%s", why);
    after = config_overlay_json(loaded);
    cr_expect(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    config_overlay_free(overlay);
    config_overlay_free(loaded);
    free(path);
    support_directory_remove(&directory);
}

Test(state_file, behind_a_link_is_written_where_the_link_leads)
{
    struct config_overlay *overlay = some();
    char *directory = support_directory_make(), *path = xasprintf("%s/link", directory);
    char *target = xasprintf("%s/state.json", directory), *why = NULL;
    struct stat st;

    cr_assert_eq(symlink("state.json", path), 0);
    for (int i = 0; i < 2; i++) { /* it leads to nothing at first */
        cr_assert_eq(state_file_save(overlay, path, &why), 0, "%s", why);
        cr_expect_eq(lstat(path, &st), 0);
        cr_expect(S_ISLNK(st.st_mode));
        cr_expect_eq(lstat(target, &st), 0);
        cr_expect(S_ISREG(st.st_mode));
    }
    cr_expect_eq(count_files(directory), 2);
    config_overlay_free(overlay);
    free(target);
    free(path);
    support_directory_remove(&directory);
}

Test(state_file, that_is_not_there_is_an_empty_overlay)
{
    struct config_overlay *overlay = NULL;
    char *why = NULL;

    cr_assert_eq(state_file_load(&overlay, "/tmp/evergate-no-such-file", &why), 0);
    cr_expect(config_overlay_is_empty(overlay));
    config_overlay_free(overlay);
}

Test(state_file, that_cannot_be_saved_stays_as_it_was)
{
    struct config_overlay *overlay = some();
    char *directory = support_directory_make(), *path = xasprintf("%s/state.json", directory);
    char *why = NULL;

    cr_assert_eq(mkdir(path, 0700), 0); /* in the way of the rename */
    cr_expect_eq(state_file_save(overlay, path, &why), EG_E_INTERNAL);
    cr_expect_not_null(strstr(why, "state_file: cannot write \""), "%s", why);
    cr_expect_not_null(strstr(why, "state.json\": Is a directory"), "%s", why);
    cr_expect_eq(count_files(directory), 1, "the temporary file is gone");
    free(why);
    rmdir(path);
    free(path);
    why = NULL;
    cr_expect_eq(state_file_save(overlay, "/nowhere/state.json", &why), EG_E_INTERNAL);
    cr_expect_str_eq(why,
                     "state_file: cannot write \"/nowhere/state.json\": No such file or directory");
    free(why);
    config_overlay_free(overlay);
    support_directory_remove(&directory);
}

Test(state_file, that_is_broken_says_what_to_do)
{
    static const struct {
        const char *text, *says;
    } table[] = {
        {"{\"version\": 1,\n \"pools\": }", "line 2: unexpected token near '}'"},
        {"{\"version\": 1, \"version\": 1}", "line 1: duplicate object key near '\"version\"'"},
        {"[]", "it is no object"},
        {"{}", "it has no version"},
        {"{\"version\": 2}", "it has version 2, and only 1 can be read"},
        {"{\"version\": 1, \"pool\": {}}", "it has \"pool\", which is neither version nor pools"},
        {"{\"version\": 1, \"pools\": []}", "pools is no object"},
        {"{\"version\": 1, \"pools\": {\"a\": 1}}", "pool \"a\" is no object"},
        {"{\"version\": 1, \"pools\": {\"a\": {\"x\": 1}}}",
         "pool \"a\" has \"x\", which is neither policy nor endpoints"},
        {"{\"version\": 1, \"pools\": {\"a\": {\"policy\": 1}}}",
         "pool \"a\": policy is no object"},
        {"{\"version\": 1, \"pools\": {\"a\": {\"endpoints\": 1}}}",
         "pool \"a\": endpoints is no object"},
        {"{\"version\": 1, \"pools\": {\"a\": {\"endpoints\": {\"b\": 1}}}}",
         "pool \"a\": endpoint \"b\" is neither an object nor null"},
        {"{\"version\": 1, \"pools\": {\"a\": {\"endpoints\": {\"b\": {\"replaces\": 1}}}}}",
         "pool \"a\": endpoint \"b\": replaces is not true"},
    };
    char *directory = support_directory_make();

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char *path = support_write(directory, "state.json", table[i].text), *why = NULL, *expected;
        struct config_overlay *overlay = NULL;

        expected = xasprintf("state_file: \"%s\": %s; correct it, or move it away to start without "
                             "what the API changed",
                             path, table[i].says);
        cr_expect_eq(state_file_load(&overlay, path, &why), EG_E_INTERNAL, "%s", table[i].text);
        cr_expect_null(overlay);
        cr_expect_str_eq(why, expected);
        free(expected);
        free(why);
        free(path);
    }
    support_directory_remove(&directory);
}

Test(state_file, that_is_no_file_is_an_error)
{
    struct config_overlay *overlay = NULL;
    char *why = NULL;

    cr_expect_eq(state_file_load(&overlay, "/tmp", &why), EG_E_INTERNAL);
    cr_expect_str_eq(why, "state_file: cannot read \"/tmp\": it is not a file; write the path of a "
                          "file");
    free(why);
}
