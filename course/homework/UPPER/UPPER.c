/* UPPER.c - the checks of the exercise UPPER. */
#include "../../../tests/service_checks.h"

/* What the peers send. After make_small, pattern has the same bytes with capitals: they must come
 * back, and the checks of the chapter send them and expect them unchanged. */
static unsigned char small[PATTERN_SIZE];

static void make_small(void)
{
    static bool made;

    if (made)
        return;
    made = true;
    memcpy(small, pattern, PATTERN_SIZE);
    for (size_t i = 0; i < PATTERN_SIZE; i++) {
        if (small[i] >= 'a' && small[i] <= 'z')
            pattern[i] = (unsigned char)(small[i] - 'a' + 'A');
    }
}

/* Sends the bytes; the expected ones must come back, and then the end. */
static void expect_others(int port, const unsigned char *bytes, const unsigned char *expected,
                          size_t length, size_t piece)
{
    SOCKET peer = connect_peer(port);
    if (peer == INVALID_SOCKET)
        return;
    if (exchange_for(peer, bytes, expected, length, piece)) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    closesocket(peer);
}

static void upper_letters(struct server *server)
{
    static const unsigned char bytes[] = "hello, 21!\r\nabcdefghijklmnopqrstuvwxyz\n";
    static const unsigned char capitals[] = "HELLO, 21!\r\nABCDEFGHIJKLMNOPQRSTUVWXYZ\n";
    expect_others(server->port, bytes, capitals, sizeof bytes - 1, sizeof bytes);
}

static void upper_others(struct server *server)
{
    unsigned char bytes[256];
    size_t length = 0;
    for (int c = 0; c < 256; c++) {
        if (c < 'a' || c > 'z')
            bytes[length++] = (unsigned char)c;
    }
    expect_others(server->port, bytes, bytes, length, length);
}

static void upper_drip(struct server *server)
{
    expect_others(server->port, small, pattern, 300, 1);
}

/* The pieces end anywhere, so the server receives more and less than a piece. */
static void upper_4_mib(struct server *server)
{
    expect_others(server->port, small, pattern, 4 * 1024 * 1024, 100003);
}

/* Sends until nothing more is taken, and shuts down. Another client sends and receives; only then
 * does the first one read: all of its own bytes, then the end. */
static void upper_late(struct server *server)
{
    size_t sent = 0;
    SOCKET peer = connect_peer(server->port);
    if (peer == INVALID_SOCKET)
        return;
    while (sent < PATTERN_SIZE && wait_for_socket(peer, WRITABLE, 300) != 0) {
        int n = send(peer, (const char *)small + sent, 65536, 0);
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            break;
        sent += n > 0 ? (size_t)n : 0;
    }
    shutdown(peer, SD_SEND);
    expect_others(server->port, small + 1, pattern + 1, 1024 * 1024, 256 * 1024);
    if (!in_trouble() && receive_exactly(peer, pattern, sent))
        receive_end(peer);
    closesocket(peer);
}

static void upper_summary(struct server *server)
{
    for (int i = 0; i < 3; i++)
        expect_others(server->port, small, pattern, 200000, 65536);
    stop_and_count(server, 3, 600000);
}

static void upper_counts_sent(void)
{
    service_counts_sent(&(struct service){.counts_parts = true});
}

static void upper_no_socket_left(void)
{
    service_no_socket_left(&(struct service){0});
}

static const struct check upper_checks[] = {
    {.name = "small letters come back as capitals", .talk = upper_letters, .options = "--quiet"},
    {.name = "all other bytes come back as they are", .talk = upper_others, .options = "--quiet"},
    {.name = "a drip of single bytes", .talk = upper_drip, .options = "--quiet"},
    {.name = "4 MiB of any bytes", .talk = upper_4_mib, .options = ""},
    {.name = "a client that shuts down and reads late gets all capitals, then the end",
     .talk = upper_late,
     .options = "--quiet"},
    {.name = "the summary has counted all clients and bytes",
     .talk = upper_summary,
     .options = "--quiet"},
    {.name = "Ctrl+C: the summary counts what was sent, and nothing more",
     .run = upper_counts_sent},
    {.name = "no socket left: a client waits, and is served when another one has left",
     .run = upper_no_socket_left},
    {.name = "many receives leak nothing", .talk = receives_leak_nothing, .options = "--quiet"},
    {.name = "300 clients leak nothing", .run = echo_leaks_nothing},
    {.name = "each of 150 clients is served when others leave",
     .talk = places_are_given_back,
     .options = "--quiet"},
    {0},
};

const struct exercise UPPER = {
    .name = "UPPER",
    .options = "",
    .prepare = make_small,
    .checks = upper_checks,
    .reused = {"bytes and end together", "50 resets", "400 immediate resets", "12 resets",
               "never reads", "full server", "mixed storm", "in any order",
               "do not starve a quiet one", "idle costs no CPU", "Ctrl+C with", "wrong arguments"},
};
