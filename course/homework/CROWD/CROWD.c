/* CROWD.c - the checks of the exercise CROWD, and some of WAITERS. */
#include "CROWD.h"

SOCKET crowd[CROWD_SIZE];

/* Those that are not connected connect, and then all are served at the same time. Returns how many
 * have come. */
static int fill_crowd(int port, size_t length)
{
    int come = 0;

    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++) {
        if (crowd[i] != INVALID_SOCKET)
            continue;
        crowd[i] = connect_peer(port);
        come++;
    }
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++)
        send_all(crowd[i], pattern + i, length);
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++)
        receive_exactly(crowd[i], pattern + i, length);
    return come;
}

static void empty_crowd(void)
{
    for (int i = 0; i < CROWD_SIZE; i++)
        crowd[i] = INVALID_SOCKET;
}

/* All but each stay_each-th one leave, or all of them (0): in order, in the middle of an echo, or
 * with a reset. */
static void leave_crowd(int stay_each)
{
    for (int i = 0; i < CROWD_SIZE; i++) {
        if (crowd[i] == INVALID_SOCKET || (stay_each != 0 && i % stay_each == 0))
            continue;
        if (i % 3 != 0)
            send(crowd[i], (const char *)pattern, 30000, 0);
        if (i % 2 == 0)
            reset_peer(crowd[i]);
        else
            closesocket(crowd[i]);
        crowd[i] = INVALID_SOCKET;
    }
}

/* Rounds in which clients come, and all but each stay_each-th one leave, or all (0). What the
 * server needs after the first round must be enough after the last one. */
static void change_crowd(struct server *server, const int *stay_each, int rounds,
                         const char *after_what)
{
    enum { MOST_MEMORY = 16 * 1024 * 1024 };
    struct measurement before = {0};
    bool measured = true;

    for (int round = 0; round < rounds && !in_trouble(); round++) {
        fill_crowd(server->port, 1000);
        leave_crowd(stay_each[round]);
        Sleep(200); /* until the groups have ended */
        if (round == 0)
            measured = measure_at_rest(server, &before);
    }
    expect_no_growth(server, measured ? &before : NULL, MOST_MEMORY,
                     "is the place of a client that has left used again, and what is closed when a "
                     "client leaves, or when a group ends?",
                     after_what);
}

/* Those that stay may all belong to one thread, if the threads take the clients in turn; and each
 * group may keep some of them, with places for others. Then groups end, again and again. */
static void crowd_changes(struct server *server)
{
    static const int most[] = {4, 4, 4, 4}, all[] = {0, 5, 0, 5, 0, 0, 0, 0};

    empty_crowd();
    change_crowd(server, most, verified ? 2 : 4, "after four times 150 clients beside 50 others");
    leave_crowd(0);
    change_crowd(server, all, verified ? 3 : 8, "after 1,600 clients");
    leave_crowd(0);
}

/* Most of the clients that are counted have left before the end, and whole groups with them. */
static void crowd_summary(struct server *server)
{
    enum { LENGTH = 5000 };
    int clients = 0;

    empty_crowd();
    for (int round = 0; round < 2; round++) {
        clients += fill_crowd(server->port, LENGTH); /* the groups count at the same time */
        for (int i = round; i < CROWD_SIZE && !in_trouble(); i++) {
            shutdown(crowd[i], SD_SEND);
            receive_end(crowd[i]);
            closesocket(crowd[i]);
            crowd[i] = INVALID_SOCKET;
        }
        Sleep(200); /* until the groups have ended */
    }
    stop_and_count(server, clients, 2LL * CROWD_SIZE * LENGTH);
    end_peers(crowd, CROWD_SIZE);
}

/* If there is a limit, clients beyond it wait, and are served when others leave. */
static void crowd_beyond_the_limit(struct server *server)
{
    service_full(server, &(struct service){0}, NULL, CROWD_SIZE);
}

const struct check crowd_checks[] = {
    {.name = "most leave and others come, again and again",
     .talk = crowd_changes,
     .options = "--quiet"},
    {.name = "clients beyond the limit are served when others leave",
     .talk = crowd_beyond_the_limit,
     .options = "--quiet"},
    {.name = "the summary has counted the clients and bytes of all threads",
     .talk = crowd_summary,
     .options = "--quiet"},
    {0},
};

static void crowd_at_once(struct server *server)
{
    talk_all(server->port, crowd, CROWD_SIZE);
    end_peers(crowd, CROWD_SIZE);
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

static const struct check own_checks[] = {
    {.name = "200 clients at the same time", .talk = crowd_at_once, .options = "--quiet"},
    {.name = "two clients come at the same moment, 400 times", .talk = crowd_of_two, .options = ""},
    {.name = "ten of 200 clients do not read, the others are served",
     .talk = crowd_lazy,
     .options = "--quiet"},
    {.name = "no clients cost no CPU, nor do 200 silent ones",
     .talk = crowd_sleeps,
     .options = "--quiet"},
    {.name = "Ctrl+C with 200 clients connected", .run = crowd_stop},
    {.name = "many receives leak nothing", .talk = receives_leak_nothing, .options = "--quiet"},
    {.name = "300 clients leak nothing", .run = echo_leaks_nothing},
    {0},
};

const struct exercise CROWD = {
    .name = "CROWD",
    .options = "",
    .checks = own_checks,
    .more = crowd_checks,
    .reused = {"half-close", "bytes and end together", "50 resets", "400 immediate resets",
               "12 resets", "never reads", "reads late", "storm of 200", "mixed storm",
               "do not starve a quiet one", "Ctrl+C"},
};
