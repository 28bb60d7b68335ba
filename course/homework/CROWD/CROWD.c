/* CROWD.c - the checks of the exercise CROWD, and of WAITERS. */
#include "CROWD.h"

enum { CROWD_SIZE = 200, CROWD_LEAVES = 150 };
static SOCKET crowd[CROWD_SIZE];

static void crowd_at_once(struct server *server)
{
    talk_all(server->port, crowd, CROWD_SIZE);
    end_peers(crowd, CROWD_SIZE);
}

static void crowd_changes(struct server *server)
{
    for (int round = 0; round < 3 && !in_trouble(); round++) {
        int first = round == 0 ? 0 : CROWD_SIZE - CROWD_LEAVES;
        talk_all(server->port, crowd + first, CROWD_SIZE - first);
        for (int i = 0; i < first && !in_trouble(); i++) /* those that stay */
            exchange(crowd[i], pattern + i, 1000, 1000);
        end_peers(crowd + CROWD_SIZE - CROWD_LEAVES, CROWD_LEAVES);
    }
    end_peers(crowd, CROWD_SIZE - CROWD_LEAVES);
}

static void crowd_sleeps(struct server *server)
{
    talk_all(server->port, crowd, CROWD_SIZE);
    if (!in_trouble())
        expect_sleep(server, 1500);
    end_peers(crowd, CROWD_SIZE);
}

static void crowd_stop(void)
{
    struct server server;
    if (!start_server(&server, "--quiet"))
        return;
    talk_all(server.port, crowd, CROWD_SIZE);
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i += 5)
        send_all(crowd[i], pattern, 20000); /* nobody reads what comes back */
    stop_server(&server);
    end_peers(crowd, CROWD_SIZE);
}

const struct check crowd_checks[] = {
    {.name = "200 clients at once", .talk = crowd_at_once, .options = "--quiet"},
    {.name = "150 leave and 150 come, twice", .talk = crowd_changes, .options = "--quiet"},
    {.name = "200 silent clients cost no CPU", .talk = crowd_sleeps, .options = "--quiet"},
    {.name = "Ctrl+C with 200 clients connected", .run = crowd_stop},
    {.name = "300 clients leak nothing", .run = echo_leaks_nothing},
    {0},
};

const struct exercise CROWD = {
    .name = "CROWD",
    .options = "",
    .checks = crowd_checks,
    .reused = {"half-close", "50 resets"},
};
