/* `evergate doctor`: what is risky in a file that is valid, and on the machine that it is on. */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/cli_internal.h"
#include "cli/config_errors.h"
#include "cli/confined.h"
#include "cli/doctor.h"
#include "cli/doctor_facts.h"
#include "cli/table.h"
#include "confine/privileges.h"

static int exit_code(const struct cli_options *options, const struct doctor_report *report)
{
    size_t bad = report->counts[DOCTOR_ERROR] + report->counts[DOCTOR_WARNING];

    if (options->strict)
        bad += report->counts[DOCTOR_HINT];
    return bad > 0 ? CLI_BAD : CLI_GOOD;
}

/* Texts and arrays are the caller's. */
static struct doctor_user user_of(const struct privileges *p, const char *group)
{
    return (struct doctor_user){
        .name = p->other_user ? p->name : NULL,
        .uid = p->uid,
        .gid = p->gid,
        .group = group,
        .groups = p->groups,
        .group_count = p->group_count,
    };
}

/* Heap. */
static char *name_group(gid_t gid)
{
    const struct group *entry = getgrgid(gid);

    return entry ? xstrdup(entry->gr_name) : xasprintf("%u", (unsigned)gid);
}

static void find_ourselves(struct privileges *ret_privileges)
{
    int count = getgroups(0, NULL);

    *ret_privileges = (struct privileges){.uid = getuid(), .gid = getgid()};
    ret_privileges->groups = xcalloc((size_t)(count > 0 ? count : 0) + 1, sizeof(gid_t));
    count = getgroups(count, ret_privileges->groups);
    ret_privileges->group_count = count > 0 ? count : 0;
}

/* Before the chroot, in which nobody may have a name. Of a file that cannot be read the reading
 * tells. */
static bool find_user(struct privileges *ret_privileges, const struct config *keys)
{
    char *why;

    if (!keys || keys->confinement.user[0] == '\0') {
        find_ourselves(ret_privileges);
        return true;
    }
    if (privileges_find(ret_privileges, keys->confinement.user, keys->confinement.group, &why) ==
        EG_OK)
        return true;
    fprintf(stderr, "%s: error: %s\n", keys->file, why);
    free(why);
    return false;
}

/* Takes the reference; NULL: the file has mistakes, which were printed. */
static int examine(const struct cli_options *options, struct config *config,
                   const struct doctor_facts *facts)
{
    struct doctor_report report;
    int code;

    if (!config)
        return CLI_BAD;
    doctor_examine(&report, config, facts, (int64_t)(clock_wall_us() / 1000000));
    if (options->json)
        doctor_print_json(&report, stdout);
    else
        doctor_print(&report, config, stdout, cli_colours(stdout, options->colours));
    code = exit_code(options, &report);
    doctor_report_fini(&report);
    config_unref(&config);
    return code;
}

static int examine_here(const struct cli_options *options)
{
    static const struct doctor_roots roots = {"/proc", "/sys/fs/cgroup"};
    struct config *keys = NULL;
    struct privileges privileges;
    struct doctor_facts facts;
    struct doctor_user user;
    char *group;
    int code = CLI_BAD;

    if (config_load_confinement(&keys, options->config) != EG_OK)
        keys = NULL;
    if (find_user(&privileges, keys)) {
        group = name_group(privileges.gid);
        user = user_of(&privileges, group);
        doctor_facts_read(&facts, &roots, options->config, &user);
        code = examine(options, cli_config_load_confined(options->config, CLI_CONFINE_TO_VISIT),
                       &facts);
        free(group);
        privileges_fini(&privileges);
    }
    config_unref(&keys);
    return code;
}

/* On another machine neither programs nor users of this one are needed. */
int cli_doctor(const struct cli_options *options)
{
    return options->no_system ? examine(options, cli_config_load(options->config), NULL)
                              : examine_here(options);
}
