/* FAREWELL.c - the checks of the exercise FAREWELL. */
#include "../../../tests/exercise_checks.h"

/* Sends the bytes, shuts down, and expects the farewell behind the echo. */
static void expect_farewell(int port, size_t length)
{
    char farewell[60];
    SOCKET peer = connect_peer(port);
    if (peer == INVALID_SOCKET)
        return;
    snprintf(farewell, sizeof farewell, "goodbye after %lu bytes\r\n", (unsigned long)length);
    if (exchange(peer, pattern, length, 65536)) {
        shutdown(peer, SD_SEND);
        if (receive_text(peer, farewell))
            receive_end(peer);
    }
    closesocket(peer);
}

static void farewell_short(struct server *server)
{
    expect_farewell(server->port, 6);
    expect_farewell(server->port, 100000);
}

static void farewell_nothing(struct server *server)
{
    expect_farewell(server->port, 0);
}

static void farewell_own_count(struct server *server)
{
    SOCKET peers[3];
    char farewell[60];
    connect_peers(server->port, peers, 3);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3 && !in_trouble(); i++)
            exchange(peers[i], pattern, (size_t)(100 * (i + 1)), 1000);
    }
    for (int i = 2; i >= 0 && !in_trouble(); i--) {
        snprintf(farewell, sizeof farewell, "goodbye after %d bytes\r\n", 300 * (i + 1));
        shutdown(peers[i], SD_SEND);
        if (receive_text(peers[i], farewell))
            receive_end(peers[i]);
    }
    end_peers(peers, 3);
}

/* A client that is gone already cannot be told goodbye; that must not trouble the others. */
static void farewell_to_nobody(struct server *server)
{
    for (int i = 0; i < 30 && !in_trouble(); i++) {
        SOCKET peer = connect_peer(server->port);
        if (peer == INVALID_SOCKET)
            break;
        send(peer, (const char *)pattern, 50000, 0);
        if (i % 2 == 0)
            shutdown(peer, SD_SEND);
        if (i % 3 == 0)
            Sleep(2);
        reset_peer(peer);
    }
    expect_farewell(server->port, 10);
}

static void visit_farewell(int port, int number)
{
    expect_farewell(port, (size_t)number);
}

static void farewell_leaks_nothing(void)
{
    expect_no_leak("--quiet", visit_farewell);
}

static const struct check farewell_checks[] = {
    {.name = "the echo, the farewell, the end", .talk = farewell_short, .options = "--quiet"},
    {.name = "a client that said nothing gets one too",
     .talk = farewell_nothing,
     .options = "--quiet"},
    {.name = "each client has a count of its own",
     .talk = farewell_own_count,
     .options = "--quiet"},
    {.name = "clients that are gone do no harm", .talk = farewell_to_nobody, .options = "--quiet"},
    {.name = "300 clients leak nothing", .run = farewell_leaks_nothing},
    {0},
};

const struct exercise FAREWELL = {
    .name = "FAREWELL",
    .options = "",
    .checks = farewell_checks,
    .reused = {"Ctrl+C"},
};
