/* WAITERS.c - the checks of the exercise WAITERS. */
#include "../../../tests/service_checks.h"

enum { WAITERS_SIZE = 200, WAITERS_LEAVE = 150 };
static SOCKET waiters[WAITERS_SIZE];
static const struct service waiters_service = {.unit = 0};

/* All clients talk, round after round. Several threads serve them, and count. */
static void waiters_count(void)
{
    enum { ROUNDS = 12, LENGTH = 100 };
    struct server server;
    long long bytes = 0;
    if (!start_server(&server, "--quiet"))
        return;
    connect_peers(server.port, waiters, WAITERS_SIZE);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < WAITERS_SIZE && !in_trouble(); i++)
            send_all(waiters[i], pattern + i + round, LENGTH);
        for (int i = 0; i < WAITERS_SIZE && !in_trouble(); i++) {
            if (receive_exactly(waiters[i], pattern + i + round, LENGTH))
                bytes += LENGTH;
        }
    }
    for (int i = 0; i < WAITERS_SIZE && !in_trouble(); i++)
        shutdown(waiters[i], SD_SEND);
    for (int i = 0; i < WAITERS_SIZE && !in_trouble(); i++)
        receive_end(waiters[i]);
    end_peers(waiters, WAITERS_SIZE);
    stop_and_count(&server, WAITERS_SIZE, bytes);
}

/* Those that leave do so in order, in the middle of something, or with a reset. */
static void waiters_change(struct server *server)
{
    enum { STAY = WAITERS_SIZE - WAITERS_LEAVE };
    enum { MOST_HANDLES = 12, MOST_THREADS = 4, MOST_MEMORY = 4 * 1024 * 1024 };
    const int rounds = verified ? 3 : 8; /* there is nothing to measure */
    struct measurement before = {0}, after = {0};
    bool measured = true;
    connect_peers(server->port, waiters, STAY);
    for (int round = 0; round < rounds && !in_trouble(); round++) {
        talk_all(server->port, waiters + STAY, WAITERS_LEAVE);
        for (int i = 0; i < STAY && !in_trouble(); i++)
            exchange(waiters[i], pattern + i, 1000, 1000);
        for (int i = STAY; i < WAITERS_SIZE; i++) {
            if (waiters[i] == INVALID_SOCKET)
                continue;
            if (i % 3 != 0)
                send(waiters[i], (const char *)pattern, 30000, 0);
            if (i % 2 == 0)
                reset_peer(waiters[i]);
            else
                closesocket(waiters[i]);
        }
        Sleep(300); /* the server may still be closing the last ones */
        if (round == 0 || round == rounds - 1)
            measured = measured && measure_server(server, round == 0 ? &before : &after);
    }
    if (!measured)
        cannot_measure(server);
    else if (after.threads > before.threads + MOST_THREADS)
        trouble(FAILED, "which groups have a free place, and when does a new group begin?",
                "expected as many threads as after the first round, %u, found %u after the last",
                before.threads, after.threads);
    else if (after.handles > before.handles + MOST_HANDLES)
        trouble(FAILED, "what is closed when a client leaves, or when a group ends?",
                "expected as many handles as after the first round, %u, found %u after the last",
                before.handles, after.handles);
    else if (after.memory > before.memory + MOST_MEMORY)
        trouble(FAILED, "what is freed when a client leaves?",
                "expected as much memory as after the first round, %llu KiB, found %llu KiB after "
                "the last",
                before.memory >> 10, after.memory >> 10);
    end_peers(waiters, STAY);
}

static void waiters_sleep(struct server *server)
{
    talk_all(server->port, waiters, WAITERS_SIZE);
    if (!in_trouble())
        expect_sleep(server, 1500);
    end_peers(waiters, WAITERS_SIZE);
}

static void waiters_stop(void)
{
    struct server server;
    if (!start_server(&server, "--quiet"))
        return;
    talk_all(server.port, waiters, WAITERS_SIZE);
    for (int i = 0; i < WAITERS_SIZE && !in_trouble(); i++) {
        if (i % 60 == 7) /* in each group a send stays pending */
            send_until_refused(waiters[i]);
        else if (i % 5 == 0)
            send_all(waiters[i], pattern, 20000); /* what comes back is not read */
        if (i % 10 == 0)
            shutdown(waiters[i], SD_SEND);
    }
    stop_server(&server);
    end_peers(waiters, WAITERS_SIZE);
}

static void waiters_load(void)
{
    service_load(&waiters_service);
}

static void waiters_half_close(struct server *server)
{
    service_half_close(server, &waiters_service);
}

static void waiters_late(struct server *server)
{
    service_reads_late(server, &waiters_service);
}

static void waiters_reset(struct server *server)
{
    service_resets(server, &waiters_service);
}

static void waiters_leak_nothing(void)
{
    service_leaks_nothing(&waiters_service);
}

static const struct check waiters_checks[] = {
    {.name = "200 clients at the same time; the summary counts what they sent",
     .run = waiters_count},
    {.name = "150 leave and 150 come, seven times", .talk = waiters_change, .options = "--quiet"},
    {.name = "8 clients at the same time, with small and large pieces", .run = waiters_load},
    {.name = "bytes and shutdown together: everything comes back",
     .talk = waiters_half_close,
     .options = "--quiet"},
    {.name = "a client that reads late gets everything, and costs little until then",
     .talk = waiters_late,
     .options = "--quiet"},
    {.name = "60 resets, and the next client is served",
     .talk = waiters_reset,
     .options = "--quiet"},
    {.name = "200 silent clients cost no CPU", .talk = waiters_sleep, .options = "--quiet"},
    {.name = "600 clients and 1,500 messages leak nothing", .run = waiters_leak_nothing},
    {.name = "Ctrl+C with 200 clients connected", .run = waiters_stop},
    {0},
};

const struct exercise WAITERS = {
    .name = "WAITERS",
    .options = "",
    .checks = waiters_checks,
    .reused = {"400 immediate resets", "12 resets", "as many clients", "storm of 200",
               "mixed storm", "do not starve a quiet one", "Ctrl+C", "wrong arguments"},
};
