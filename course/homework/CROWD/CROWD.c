/* CROWD.c - the checks of the exercise CROWD, and of WAITERS. */
#include "CROWD.h"

enum { CROWD_SIZE = 200, CROWD_LEAVES = 150 };
static SOCKET crowd[CROWD_SIZE];

static void crowd_at_once(struct server *server)
{
    talk_all(server->port, crowd, CROWD_SIZE);
    end_peers(crowd, CROWD_SIZE);
}

/* Every second one leaves with a reset, most of them in the middle of an echo. */
static void leave_crowd(int first, int count)
{
    for (int i = first; i < first + count; i += 2) {
        if (crowd[i] == INVALID_SOCKET)
            continue;
        if (i % 8 != 0)
            send(crowd[i], (const char *)pattern, 30000, 0);
        reset_peer(crowd[i]);
        crowd[i] = INVALID_SOCKET;
    }
    end_peers(crowd + first, count);
}

/* The places of those that leave are used again: neither threads nor clients pile up. Nor does
 * anything that is left of a group that has ended, if groups end. */
static void crowd_changes(struct server *server)
{
    enum { WARM_UP = 2, MOST_HANDLES = 9, MOST_THREADS = 4 };
    enum { MOST_MEMORY = 4 * 1024 * 1024 };
    const int rounds = verified ? 4 : 10; /* there is nothing to measure */
    struct measurement before = {0}, after = {0};
    bool measured = true;
    for (int round = 1; round <= rounds && !in_trouble(); round++) {
        int first = round == 1 ? 0 : CROWD_SIZE - CROWD_LEAVES;
        talk_all(server->port, crowd + first, CROWD_SIZE - first);
        for (int i = 0; i < first && !in_trouble(); i++) /* those that stay */
            exchange(crowd[i], pattern + i, 1000, 1000);
        leave_crowd(CROWD_SIZE - CROWD_LEAVES, CROWD_LEAVES);
        if (round == WARM_UP || round == rounds) {
            Sleep(300); /* the server may still be closing the last one */
            measured = measured && measure_server(server, round == WARM_UP ? &before : &after);
        }
    }
    end_peers(crowd, CROWD_SIZE - CROWD_LEAVES);
    if (in_trouble())
        return;
    if (!measured)
        cannot_measure(server);
    else if (after.threads > before.threads + MOST_THREADS ||
             after.memory > before.memory + MOST_MEMORY)
        trouble(FAILED, "is the place of a client that has left used again?",
                "expected as many threads and as much memory after ten rounds as after two, found "
                "%u threads and %llu KiB after ten, %u threads and %llu KiB after two",
                after.threads, after.memory >> 10, before.threads, before.memory >> 10);
    else if (after.handles > before.handles + MOST_HANDLES)
        trouble(FAILED, "what is closed when a client leaves, or when a group ends?",
                "expected as many handles after ten rounds as after two, found %u after ten, %u "
                "after two",
                after.handles, before.handles);
}

/* Two come at nearly the same moment, and then no other one for a while: a group that takes the
 * first must not miss the second. */
static void crowd_of_two(struct server *server)
{
    enum { ROUNDS = 400, COUNT = 2 };
    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        SOCKET peers[COUNT];
        connect_peers(server->port, peers, COUNT);
        for (int i = 0; i < COUNT && !in_trouble(); i++)
            send_all(peers[i], pattern + round, 10);
        for (int i = 0; i < COUNT && !in_trouble(); i++)
            receive_exactly(peers[i], pattern + round, 10);
        end_peers(peers, COUNT);
    }
}

/* One client in twenty does not read; the others do not notice. */
static void crowd_lazy(struct server *server)
{
    enum { EACH = 20 };
    connect_peers(server->port, crowd, CROWD_SIZE);
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i += EACH) {
        size_t sent = send_until_refused(crowd[i]);
        if (sent == PATTERN_SIZE)
            trouble(FAILED, "does the server receive again before it has sent everything back?",
                    "expected the server to stop receiving, found that it took %lu bytes",
                    (unsigned long)sent);
    }
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++) {
        if (i % EACH != 0)
            exchange(crowd[i], pattern + i, 1000, 1000);
    }
    end_peers(crowd, CROWD_SIZE);
}

static void crowd_summary(struct server *server)
{
    enum { LENGTH = 5000 };
    connect_peers(server->port, crowd, CROWD_SIZE);
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++)
        send_all(crowd[i], pattern + i, LENGTH); /* the groups count at the same time */
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++)
        receive_exactly(crowd[i], pattern + i, LENGTH);
    stop_and_count(server, CROWD_SIZE, (long long)CROWD_SIZE * LENGTH);
    end_peers(crowd, CROWD_SIZE);
}

static void crowd_sleeps(struct server *server)
{
    expect_sleep(server, 700); /* before the first client */
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
        send_all(crowd[i], pattern, 20000); /* no client reads what comes back */
    stop_server(&server);
    end_peers(crowd, CROWD_SIZE);
}

const struct check crowd_checks[] = {
    {.name = "200 clients at the same time", .talk = crowd_at_once, .options = "--quiet"},
    {.name = "two clients come at the same moment, 400 times", .talk = crowd_of_two, .options = ""},
    {.name = "150 leave and 150 come, nine times", .talk = crowd_changes, .options = "--quiet"},
    {.name = "ten of 200 clients do not read, the others are served",
     .talk = crowd_lazy,
     .options = "--quiet"},
    {.name = "no clients cost no CPU, nor do 200 silent ones",
     .talk = crowd_sleeps,
     .options = "--quiet"},
    {.name = "Ctrl+C with 200 clients connected", .run = crowd_stop},
    {.name = "the summary has counted the clients and bytes of all threads",
     .talk = crowd_summary,
     .options = "--quiet"},
    {.name = "many receives leak nothing", .talk = receives_leak_nothing, .options = "--quiet"},
    {.name = "300 clients leak nothing", .run = echo_leaks_nothing},
    {0},
};

const struct exercise CROWD = {
    .name = "CROWD",
    .options = "",
    .checks = crowd_checks,
    .reused = {"half-close", "bytes and end together", "50 resets", "400 immediate resets",
               "12 resets", "never reads", "reads late", "storm of 200", "mixed storm",
               "do not starve a quiet one", "Ctrl+C"},
};
