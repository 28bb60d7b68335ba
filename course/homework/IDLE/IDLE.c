/* IDLE.c - the checks of the exercise IDLE, and of TIMER. */
#include "IDLE.h"

enum { IDLE_LIMIT_MS = 2000, IDLE_EARLIEST_MS = 1700, IDLE_LATEST_MS = 3500 };
static const char idle_hint[] = "when is a client's time counted from, and who looks at it?";

static void expect_idle_end(SOCKET peer, double waited)
{
    double end = wait_for_end(peer, IDLE_LATEST_MS - (int)waited);
    if (end < 0)
        trouble(TIMED_OUT, idle_hint,
                "expected that a client that says nothing is closed after %.1f s, found that it is "
                "still connected after %.1f s",
                IDLE_LIMIT_MS / 1000.0, IDLE_LATEST_MS / 1000.0);
    else if (end + waited < IDLE_EARLIEST_MS)
        trouble(FAILED, idle_hint, "expected the end after %.1f s, found it after %.1f s",
                IDLE_LIMIT_MS / 1000.0, (end + waited) / 1000);
}

static void idle_from_the_start(struct server *server)
{
    SOCKET peer = connect_peer(server->port);
    if (peer != INVALID_SOCKET) {
        expect_idle_end(peer, 0);
        closesocket(peer);
    }
}

static void idle_after_a_word(struct server *server)
{
    SOCKET peer = connect_peer(server->port);
    if (peer != INVALID_SOCKET) {
        Sleep(1000);
        if (exchange(peer, pattern, 10, 10))
            expect_idle_end(peer, 0);
        closesocket(peer);
    }
}

static void idle_now_and_then(struct server *server)
{
    SOCKET peer = connect_peer(server->port);
    for (int i = 0; i < 4 && peer != INVALID_SOCKET && exchange(peer, pattern, 10, 10); i++) {
        if (!receive_nothing(peer, 1200, idle_hint, "a client that speaks each 1.2 s may stay"))
            break;
    }
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

/* Somebody is always busy, so a wait hardly ever comes to its time-out. */
static void idle_beside_busy(struct server *server)
{
    SOCKET busy = connect_peer(server->port), silent = connect_peer(server->port);
    double begun = now_ms(), end = -1;
    while (!in_trouble() && end < 0 && now_ms() - begun < IDLE_LATEST_MS) {
        exchange(busy, pattern, 100, 100);
        end = wait_for_end(silent, 20);
    }
    if (!in_trouble() && end < 0)
        trouble(TIMED_OUT, "a wait that always returns for a busy client has no time-out",
                "expected that a silent client is closed beside a busy one, found that it is "
                "still connected after %.1f s",
                IDLE_LATEST_MS / 1000.0);
    else if (!in_trouble() && now_ms() - begun < IDLE_EARLIEST_MS)
        trouble(FAILED, idle_hint, "expected the end after %.1f s, found it after %.1f s",
                IDLE_LIMIT_MS / 1000.0, (now_ms() - begun) / 1000);
    SOCKET peers[] = {busy, silent};
    end_peers(peers, 2);
}

/* 40 silent clients, twice: all are closed, and the second time costs nothing more. */
static void idle_leaks_nothing(struct server *server)
{
    enum { COUNT = 40 };
    static SOCKET peers[COUNT];
    struct measurement results[2] = {{0, 0, 0}, {0, 0, 0}};
    bool measured = true;
    for (int round = 0; round < 2 && !in_trouble(); round++) {
        double begun = now_ms();
        connect_peers(server->port, peers, COUNT);
        for (int i = 0; i < COUNT && !in_trouble(); i++)
            expect_idle_end(peers[i], now_ms() - begun < 3000 ? now_ms() - begun : 3000);
        end_peers(peers, COUNT);
        Sleep(100);
        measured = measured && measure_server(server, &results[round]);
    }
    if (!measured)
        cannot_measure(server);
    else if (results[1].handles > results[0].handles + 10)
        trouble(FAILED, "what is closed in close_client?",
                "expected as many handles after the second %d silent clients as after the first, "
                "found %u and %u",
                COUNT, results[1].handles, results[0].handles);
}

static void idle_server_sleeps(struct server *server)
{
    converse(server->port, pattern, 100, 100); /* the only client has come and gone */
    if (!in_trouble())
        expect_sleep(server, IDLE_LIMIT_MS + 500);
}

const struct check idle_checks[] = {
    {.name = "a client that never speaks is closed after 2 s",
     .talk = idle_from_the_start,
     .options = "--quiet"},
    {.name = "a client that falls silent is closed after 2 s",
     .talk = idle_after_a_word,
     .options = "--quiet"},
    {.name = "a client that speaks now and then stays",
     .talk = idle_now_and_then,
     .options = "--quiet"},
    {.name = "a silent client beside a busy one is closed",
     .talk = idle_beside_busy,
     .options = "--quiet"},
    {.name = "40 silent clients, twice: nothing leaks",
     .talk = idle_leaks_nothing,
     .options = "--quiet"},
    {.name = "without clients the server sleeps", .talk = idle_server_sleeps, .options = "--quiet"},
    {0},
};

const struct exercise IDLE = {
    .name = "IDLE",
    .options = "",
    .checks = idle_checks,
    .reused = {"half-close"},
};
