/* BATCH.c - the checks of the exercise BATCH. */
#include "../../../tests/narrated.h"
#include "../../../tests/service_checks.h"

#include <stdlib.h>

enum { MOST_PACKETS = 16, WORKERS = 4 };
static const char call[] = "GetQueuedCompletionStatusEx";

/* What the lines about the calls say. */
struct batches {
    int calls;
    int packets; /* of all calls */
    int most;    /* of one call */
};

/* Reads all lines so far; there may be none yet. "5 packets" may be followed by more text. False
 * after noting trouble. */
static bool read_batches_so_far(struct server *server, struct batches *batches)
{
    struct narrated narrated;
    size_t place = 0;

    *batches = (struct batches){0, 0, 0};
    while (next_narrated(server, call, &place, &narrated)) {
        char *rest;
        int packets = (int)strtol(narrated.what, &rest, 10);
        if (rest == narrated.what || strncmp(rest, " packet", 7) != 0)
            continue; /* about something else, for instance that it begins to wait */
        batches->calls++;
        batches->packets += packets;
        batches->most = packets > batches->most ? packets : batches->most;
        if (packets < 1 || packets > MOST_PACKETS)
            trouble(FAILED, "how many entries may one call fill?",
                    "expected 1 to %d packets, found the line \"%s  %.60s\"", MOST_PACKETS, call,
                    narrated.what);
    }
    return !in_trouble();
}

/* The same, but there must be one. */
static bool read_batches(struct server *server, struct batches *batches)
{
    if (read_batches_so_far(server, batches) && batches->calls == 0)
        trouble(FAILED, "take_packet",
                "expected lines such as \"%s  5 packets\" in the narration, found none", call);
    return !in_trouble();
}

/* The narration is not read until everything has been sent, so the only worker is held up, and
 * packets accumulate in the queue. */
static void batch_takes_sixteen(void)
{
    enum { PEERS = 150, ROUNDS = 8 };
    static SOCKET peers[PEERS];
    const char *options = server_options;
    struct server server;
    struct batches batches = {0, 0, 0};
    server_options = "--threads 1";
    bool started = start_server(&server, "");
    server_options = options;
    if (!started)
        return;
    talk_all(server.port, peers, PEERS);
    for (int round = 0; round < ROUNDS && batches.most < MOST_PACKETS && !in_trouble(); round++) {
        EnterCriticalSection(&server.process.output.lock);
        for (int i = 0; i < PEERS && !in_trouble(); i++)
            send_all(peers[i], pattern + i, 100);
        Sleep(100);
        LeaveCriticalSection(&server.process.output.lock);
        for (int i = 0; i < PEERS && !in_trouble(); i++)
            receive_exactly(peers[i], pattern + i, 100);
        Sleep(50); /* the last lines may still be on their way */
        if (!in_trouble())
            read_batches(&server, &batches);
    }
    if (!in_trouble() && batches.most < MOST_PACKETS)
        trouble(FAILED, "how many entries may one call fill, and are they all served?",
                "expected one call to take %d packets when %d clients have sent something, found "
                "at most %d",
                MOST_PACKETS, PEERS, batches.most);
    end_peers(peers, PEERS);
    stop_server(&server);
}

/* The narration may be behind. Trouble is noted later, or not at all. */
static void wait_for_packets(struct server *server, int least)
{
    struct batches batches;

    for (double end = now_ms() + patience_ms; now_ms() < end; Sleep(50)) {
        if (!read_batches_so_far(server, &batches) || batches.packets >= least)
            return;
    }
}

/* What the clients have done causes between least and most packets: one for each accept, one for
 * each receive, including the end, and at most one for each send. So a call that is not narrated is
 * noticed, and so is a number that is not that of the call. */
static void expect_packets(struct server *server, const char *of_what, int least, int most)
{
    struct batches batches;

    wait_for_packets(server, least);
    give_time(100); /* there may be more than that */
    if (in_trouble() || !stop_and_keep(server) || !read_batches(server, &batches))
        return;
    if (batches.packets < least)
        trouble(FAILED, "take_packet: which call takes the packets that are missing?",
                "expected at least %d packets in all lines together for %s, found %d", least,
                of_what, batches.packets);
    else if (batches.packets > most)
        trouble(FAILED, "which number of packets does GetQueuedCompletionStatusEx report?",
                "expected at most %d packets in all lines together for %s, found %d", most, of_what,
                batches.packets);
}

/* Ctrl+C ends the 64 accepts that are in progress, and each worker: the first call may take the
 * stop packets of all 4 workers and post 3 of them again, and so on. */
enum { ACCEPTS = 64, STOP_PACKETS = ACCEPTS + WORKERS * (WORKERS + 1) / 2 };

/* The verifier lets one accept in nine end with a reset, without a client: at most about twice as
 * many. */
static int reset_accepts(int clients)
{
    return verified ? (clients + ACCEPTS) / 4 : 0;
}

static void batch_adds_up(void)
{
    enum { PEERS = 60, ROUNDS = 20 };
    static SOCKET peers[PEERS];
    struct server server;
    if (!start_server(&server, ""))
        return;
    connect_peers(server.port, peers, PEERS);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PEERS && !in_trouble(); i++)
            send_all(peers[i], pattern + i, 100);
        for (int i = 0; i < PEERS && !in_trouble(); i++)
            receive_exactly(peers[i], pattern + i, 100);
    }
    end_peers(peers, PEERS);
    expect_packets(&server, "60 clients that sent 20 messages each", PEERS * (2 + ROUNDS),
                   PEERS * (2 + 2 * ROUNDS) + STOP_PACKETS + reset_accepts(PEERS));
    end_program(&server.process, "after Ctrl+C");
}

/* Without a send the number is known nearly exactly: that of the accepts, and that of the ends. */
static void batch_silent_adds_up(void)
{
    enum { PEERS = 300 };
    static SOCKET peers[PEERS];
    struct server server;
    if (!start_server(&server, ""))
        return;
    connect_peers(server.port, peers, PEERS);
    wait_for_packets(&server, PEERS);
    end_peers(peers, PEERS);
    expect_packets(&server, "300 clients that connected and left again", 2 * PEERS,
                   2 * PEERS + STOP_PACKETS + reset_accepts(PEERS));
    end_program(&server.process, "after Ctrl+C");
}

/* All workers are held up when Ctrl+C comes: the next call takes the stop packets of several
 * workers, with packets of clients before and after them. */
static void batch_stop_together(void)
{
    enum { TIMES = 2, PEERS = 120 };
    static SOCKET peers[PEERS];
    struct server server;
    for (int i = 0; i < TIMES && !in_trouble(); i++) {
        if (!start_server(&server, ""))
            return;
        talk_all(server.port, peers, PEERS);
        EnterCriticalSection(&server.process.output.lock);
        for (int j = 0; j < PEERS - 20 && !in_trouble(); j++)
            send_all(peers[j], pattern, 100);
        Sleep(50);
        bool pressed = press_ctrl_c(&server.process);
        Sleep(150);
        for (int j = PEERS - 20; j < PEERS && !in_trouble(); j++)
            send_all(peers[j], pattern, 100);
        Sleep(50);
        LeaveCriticalSection(&server.process.output.lock);
        DWORD status = 0;
        if (!pressed)
            stop_server(&server); /* reports why */
        else if (!in_trouble() && !wait_for_exit(&server.process, (DWORD)patience_ms, &status))
            trouble(TIMED_OUT,
                    "one call may take several stop packets, with other packets behind them",
                    "the server did not end within %d s after Ctrl+C", patience_ms / 1000);
        else if (!in_trouble() && status != 0)
            trouble(FAILED, "the end of main",
                    "expected exit status 0 after Ctrl+C, found %lu (%.200s)", status,
                    server.process.error.bytes);
        else if (!in_trouble() && count_text(&server, ", 0 operations pending") == 0)
            trouble(FAILED, "stop_serving",
                    "expected \"0 operations pending\" in the summary, found something else");
        end_program(&server.process, "after Ctrl+C");
        end_peers(peers, PEERS);
    }
}

/* With one worker and with as many as there may be, while clients are sending. */
static void batch_stop(void)
{
    enum { TIMES = 4, PEERS = 60 };
    static SOCKET peers[PEERS];
    static const char *const options[] = {"--threads 1", "--threads 64"};
    const char *exercise_options = server_options;
    struct server server;
    for (int i = 0; i < TIMES && !in_trouble(); i++) {
        server_options = options[i % 2];
        bool started = start_server(&server, "--quiet");
        server_options = exercise_options;
        if (!started)
            return;
        talk_all(server.port, peers, PEERS);
        for (int j = 0; j < PEERS && !in_trouble(); j += 2)
            send_all(peers[j], pattern, 1000);
        stop_server(&server);
        end_peers(peers, PEERS);
    }
}

/* Nearly each call then takes packets of clients together with the stop packet. */
static void batch_stop_busy(void)
{
    const char *options = server_options;
    server_options = "--threads 1";
    service_stops(&(struct service){0});
    server_options = options;
}

/* With one worker, so that no other one answers meanwhile. */
static void batch_answers_soon(void)
{
    const char *options = server_options;
    struct server server;
    server_options = "--threads 1";
    bool started = start_server(&server, "--quiet");
    server_options = options;
    if (!started)
        return;
    service_answers_soon(&server, &(struct service){0});
    stop_server(&server);
}

static void batch_sleeps(struct server *server)
{
    expect_sleep(server, 1000); /* before the first client */
    converse(server->port, pattern, 100, 100);
    if (!in_trouble())
        expect_sleep(server, 1000); /* and after the last one */
}

static const struct check batch_checks[] = {
    {.name = "one call takes 16 packets, and never more", .run = batch_takes_sixteen},
    {.name = "all packets are narrated, and no others", .run = batch_adds_up},
    {.name = "the same with clients that send nothing", .run = batch_silent_adds_up},
    {.name = "a single packet does not wait for others", .run = batch_answers_soon},
    {.name = "Ctrl+C: one call takes the stop packets of several workers",
     .run = batch_stop_together},
    {.name = "Ctrl+C ends every worker, 1 or 64", .run = batch_stop},
    {.name = "Ctrl+C ends a worker that always has something to do", .run = batch_stop_busy},
    {.name = "no clients cost no CPU", .talk = batch_sleeps, .options = "--quiet"},
    {.name = "2,000 messages leak nothing", .run = messages_leak_nothing},
    {.name = "300 clients leak nothing", .run = echo_leaks_nothing},
    {0},
};

const struct exercise BATCH = {
    .name = "BATCH",
    .options = "--threads 4",
    .checks = batch_checks,
    .reused = {"half-close", "bytes and end together", "50 resets", "400 immediate resets",
               "12 resets", "never reads", "reads late", "storm of 200", "mixed storm",
               "in any order", "do not starve a quiet one", "idle costs", "Ctrl+C",
               "wrong arguments"},
};
