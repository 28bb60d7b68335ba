/* WAITERS.c - the checks of the exercise WAITERS. */
#include "../CROWD/CROWD.h"

static const struct service waiters_service = {.unit = 0};

/* All clients talk, round after round. Several threads serve them, and count. */
static void waiters_count(void)
{
    enum { ROUNDS = 12, LENGTH = 100 };
    struct server server;
    long long bytes = 0;
    if (!start_server(&server, "--quiet"))
        return;
    connect_peers(server.port, crowd, CROWD_SIZE);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++)
            send_all(crowd[i], pattern + i + round, LENGTH);
        for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++) {
            if (receive_exactly(crowd[i], pattern + i + round, LENGTH))
                bytes += LENGTH;
        }
    }
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++)
        shutdown(crowd[i], SD_SEND);
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++)
        receive_end(crowd[i]);
    end_peers(crowd, CROWD_SIZE);
    stop_and_count(&server, CROWD_SIZE, bytes);
}

static void waiters_sleep(struct server *server)
{
    talk_all(server->port, crowd, CROWD_SIZE);
    if (!in_trouble())
        expect_sleep(server, 1500);
    end_peers(crowd, CROWD_SIZE);
}

static void waiters_stop(void)
{
    struct server server;
    if (!start_server(&server, "--quiet"))
        return;
    talk_all(server.port, crowd, CROWD_SIZE);
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i++) {
        if (i % 60 == 7) /* in each group a send stays pending */
            send_until_refused(crowd[i]);
        else if (i % 5 == 0)
            send_all(crowd[i], pattern, 20000); /* what comes back is not read */
        if (i % 10 == 0)
            shutdown(crowd[i], SD_SEND);
    }
    stop_server(&server);
    end_peers(crowd, CROWD_SIZE);
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
    .more = crowd_checks,
    .reused = {"400 immediate resets", "12 resets", "as many clients", "storm of 200",
               "mixed storm", "in any order", "do not starve a quiet one", "idle costs", "Ctrl+C",
               "wrong arguments"},
};
