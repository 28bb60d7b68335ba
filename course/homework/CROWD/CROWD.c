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

/* Of each few clients in a row the first ones stay. */
struct change {
    int stay, of;
};

/* The others leave: in order, in the middle of an echo, or with a reset. Returns how many do. */
static unsigned leave_crowd(struct change change)
{
    unsigned left = 0;

    for (int i = 0; i < CROWD_SIZE; i++) {
        if (crowd[i] == INVALID_SOCKET || (change.stay > 0 && i % change.of < change.stay))
            continue;
        if (i % 3 != 0)
            send(crowd[i], (const char *)pattern, 30000, 0);
        if (i % 2 == 0)
            reset_peer(crowd[i]);
        else
            closesocket(crowd[i]);
        crowd[i] = INVALID_SOCKET;
        left++;
    }
    return left;
}

/* Until the server has closed the sockets of that many clients, and each place is free again. */
static bool wait_for_places(const struct server *server, unsigned handles_before, unsigned left)
{
    struct measurement now = {0};
    const double end = now_ms() + patience_ms;
    bool measured = measure_server(server, &now);

    while (measured && now.handles + left > handles_before && now_ms() < end) {
        Sleep(20);
        measured = measure_server(server, &now);
    }
    return measured;
}

/* More than a group has places for: it would be full of them if their places were kept. */
static void come_and_reset(int port)
{
    enum { COUNT = 300, AT_ONCE = 5 };
    SOCKET peers[AT_ONCE];

    for (int i = 0; i < COUNT && !in_trouble(); i += AT_ONCE) {
        connect_peers(port, peers, AT_ONCE);
        for (int j = 0; j < AT_ONCE; j++) {
            if (peers[j] != INVALID_SOCKET)
                reset_peer(peers[j]);
        }
    }
}

/* Rounds in which clients come, and some of them leave, and others only come and go. What the
 * server needs after the first round must be enough after the last one. The first clients need so
 * many threads that there is a place for all of them, so no more may begin later. */
static void change_crowd(struct server *server, const struct change *changes, int rounds,
                         const char *after_what)
{
    enum { MOST_MEMORY = 16 * 1024 * 1024 };
    struct measurement before = {0}, full = {0}, now = {0};
    bool measured = true;

    for (int round = 0; round < rounds && !in_trouble(); round++) {
        fill_crowd(server->port, 1000);
        measured = measured && measure_server(server, &now);
        if (round == 0)
            full = now;
        if (measured && now.threads > full.threads && !in_trouble())
            trouble(FAILED, "which group does a client come to, and is each free place used?",
                    "%d clients are served by %u threads; when some had left and as many came: "
                    "expected no more threads, found %u",
                    CROWD_SIZE, full.threads, now.threads);
        unsigned left = leave_crowd(changes[round]);
        measured = measured && wait_for_places(server, now.handles, left);
        come_and_reset(server->port);
        give_time(200); /* until the groups have ended */
        measured = measured && measure_at_rest(server, round == 0 ? &before : &now);
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
    static const struct change some[] = {{2, 3}, {2, 3}, {3, 4}, {1, 3}, {1, 4}, {1, 4}},
                               all[] = {{0, 1}, {1, 5}, {0, 1}, {1, 5},
                                        {0, 1}, {0, 1}, {0, 1}, {0, 1}};

    empty_crowd();
    change_crowd(server, some, verified ? 4 : 6,
                 "after some had left and others came, again and again");
    leave_crowd((struct change){0, 1});
    change_crowd(server, all, verified ? 3 : 8, "after 1,600 clients");
    leave_crowd((struct change){0, 1});
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
        give_time(200); /* until the groups have ended */
    }
    stop_and_count(server, clients, 2LL * CROWD_SIZE * LENGTH);
    end_peers(crowd, CROWD_SIZE);
}

/* If there is a limit, clients beyond it wait, and are served when others leave. */
static void crowd_beyond_the_limit(struct server *server)
{
    service_full(server, &(struct service){0}, NULL, CROWD_SIZE);
}

static void crowd_counts_much(struct server *server)
{
    size_t length = service_long_visit(server->port, &(struct service){0});
    if (length > 0)
        stop_and_count(server, 1, (long long)length);
}

static void crowd_no_socket_left(void)
{
    service_no_socket_left(&(struct service){0});
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
    {.name = "no socket left: a client waits, and is served when another one has left",
     .run = crowd_no_socket_left},
    {.name = "the summary counts more than 2 GiB",
     .talk = crowd_counts_much,
     .options = "--quiet",
     .plain_only = true},
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

static void crowd_counts_sent(void)
{
    service_counts_sent(&(struct service){.counts_parts = true});
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
    {.name = "Ctrl+C: the summary counts what was sent, and nothing more",
     .run = crowd_counts_sent},
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
               "in any order", "do not starve a quiet one", "idle costs", "Ctrl+C with",
               "wrong arguments"},
};
