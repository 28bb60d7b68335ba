/* COUNT.c - the checks of the exercise COUNT. */
#include "../../../tests/narrated.h"
#include "../../../tests/service_checks.h"

#include <stdlib.h>

enum { MOST_CLOSED = 1200 };

/* What the lines about closesocket say, for each client that has one. */
struct closed {
    int client;
    long long bytes;
};

static struct closed closed[MOST_CLOSED];
static int closed_count;

static const char where[] =
    "where are the bytes of a client counted, and what does close_client print?";

/* The number in front of " bytes echoed", which must end the line; -1: it does not. */
static long long count_of(const char *what)
{
    static const char ending[] = " bytes echoed", beginning[] = "closed, ";
    const char *place = strstr(what, beginning);
    char *end;

    if (place == NULL || place[strlen(beginning)] < '0' || place[strlen(beginning)] > '9')
        return -1;
    long long bytes = strtoll(place + strlen(beginning), &end, 10);
    return strcmp(end, ending) == 0 ? bytes : -1;
}

/* Reads the lines printed so far into closed. False after noting trouble. */
static bool read_closed(struct server *server)
{
    struct narrated narrated;
    size_t place = 0;

    closed_count = 0;
    while (closed_count < MOST_CLOSED && next_narrated(server, "closesocket", &place, &narrated)) {
        if (narrated.client == 0) /* the listener, or a socket that no client has used */
            continue;
        long long bytes = count_of(narrated.what);
        if (bytes < 0)
            trouble(FAILED, where,
                    "client %d: expected a line that ends with \"closed, N bytes echoed\", found "
                    "\"%.100s\"",
                    narrated.client, narrated.what);
        for (int i = 0; i < closed_count; i++) {
            if (closed[i].client == narrated.client)
                trouble(FAILED, "close_client: is it the only place that narrates the end?",
                        "expected one line about the closesocket of client %d, found two",
                        narrated.client);
        }
        closed[closed_count++] = (struct closed){narrated.client, bytes};
    }
    return !in_trouble();
}

/* Waits until that many clients have their line. */
static bool wait_for_closed(struct server *server, int count)
{
    double end = now_ms() + patience_ms;

    while (read_closed(server) && closed_count < count && now_ms() < end)
        Sleep(10);
    if (!in_trouble() && closed_count != count)
        trouble(FAILED, where, "expected %d lines such as \"closed, 12 bytes echoed\", found %d",
                count, closed_count);
    return !in_trouble();
}

/* These must be the numbers, in whatever order the clients have left. */
static void expect_counts(struct server *server, const long long *bytes, int count)
{
    bool taken[MOST_CLOSED] = {false};

    if (in_trouble() || !wait_for_closed(server, count))
        return;
    for (int i = 0; i < count && !in_trouble(); i++) {
        int j = 0;
        while (j < count && (taken[j] || closed[j].bytes != bytes[i]))
            j++;
        if (j < count)
            taken[j] = true;
        else if (count == 1)
            trouble(FAILED, where,
                    "expected the line \"closed, %lld bytes echoed\", found \"closed, %lld bytes "
                    "echoed\"",
                    bytes[0], closed[0].bytes);
        else
            trouble(FAILED, where,
                    "expected one line \"closed, %lld bytes echoed\" among those of %d clients, "
                    "found none",
                    bytes[i], count);
    }
}

static void count_one(struct server *server)
{
    converse(server->port, pattern, 6, 6);
    expect_counts(server, (const long long[]){6}, 1);
    if (!in_trouble())
        converse(server->port, pattern, 1, 1);
    expect_counts(server, (const long long[]){6, 1}, 2);
}

static void count_very_much(struct server *server)
{
    long long bytes = (long long)service_long_visit(server->port, &(struct service){0});
    expect_counts(server, &bytes, 1);
    if (!in_trouble())
        stop_and_count(server, 1, bytes);
}

static void count_much(struct server *server)
{
    converse(server->port, pattern, 1000000, 65536);
    expect_counts(server, (const long long[]){1000000}, 1);
}

static void count_drip(struct server *server)
{
    converse(server->port, pattern, 150, 1);
    expect_counts(server, (const long long[]){150}, 1);
}

static void count_nothing(struct server *server)
{
    converse(server->port, pattern, 0, 1);
    SOCKET peer = in_trouble() ? INVALID_SOCKET : connect_peer(server->port);
    if (peer != INVALID_SOCKET) {
        give_time(200); /* so that the server has accepted it before it leaves */
        reset_peer(peer);
    }
    expect_counts(server, (const long long[]){0, 0}, 2);
}

/* The end comes after bytes that are still on their way back; and the same with a reset. */
static void count_until_the_end(struct server *server)
{
    enum { LENGTH = 300000 };
    SOCKET peer = connect_peer(server->port);
    if (peer != INVALID_SOCKET && send_all(peer, pattern, LENGTH)) {
        shutdown(peer, SD_SEND);
        give_time(100);
        if (receive_exactly(peer, pattern, LENGTH))
            receive_end(peer);
    }
    close_peer(peer);
    peer = in_trouble() ? INVALID_SOCKET : connect_peer(server->port);
    if (peer != INVALID_SOCKET) {
        exchange(peer, pattern, 5000, 500);
        reset_peer(peer);
    }
    expect_counts(server, (const long long[]){LENGTH, 5000}, 2);
}

static void count_side_by_side(struct server *server)
{
    enum { CLIENTS = 20, ROUNDS = 5 };
    static SOCKET peers[CLIENTS];
    long long expected[CLIENTS];
    connect_peers(server->port, peers, CLIENTS);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS && !in_trouble(); i++)
            send_all(peers[i], pattern, (size_t)(100 * i));
        for (int i = 0; i < CLIENTS && !in_trouble(); i++)
            receive_exactly(peers[i], pattern, (size_t)(100 * i));
    }
    end_peers(peers, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        expected[i] = ROUNDS * 100 * i;
    expect_counts(server, expected, CLIENTS);
}

/* Each sends another number of bytes, so that what is left of an earlier client shows. They come
 * one after the other, so the place of one in a table is free when a later one is given it. The
 * first client stays to the end. */
static void count_in_a_row(struct server *server)
{
    enum { CLIENTS = 1100, BEFORE = 3000, AFTER = 2000 };
    static long long expected[1 + CLIENTS];
    SOCKET first = connect_peer(server->port);
    if (first == INVALID_SOCKET)
        return;
    exchange(first, pattern, BEFORE, BEFORE);
    expected[0] = BEFORE + AFTER;
    for (int i = 1; i <= CLIENTS && !in_trouble(); i++) {
        expected[i] = i;
        converse(server->port, pattern, (size_t)expected[i], CLIENTS);
    }
    if (!in_trouble())
        exchange(first, pattern, AFTER, AFTER);
    closesocket(first);
    expect_counts(server, expected, 1 + CLIENTS);
}

/* All clients have left: their lines add up to the summary. Some reset their connections while much
 * is on its way, some never read. */
static void count_adds_up(void)
{
    enum { RESETS = 30, LAZY = 3, LATE = 1, ALL = RESETS + LAZY + LATE };
    static SOCKET lazy[LAZY];
    struct server server;
    long long sum = 0;
    struct summary summary = {0, 0, 0};
    if (!start_server(&server, ""))
        return;
    connect_peers(server.port, lazy, LAZY);
    for (int i = 0; i < LAZY && !in_trouble(); i++) {
        send_until_refused(lazy[i]);
        if (i > 0)
            receive_exactly(lazy[i], pattern, 10000);
    }
    SOCKET late = in_trouble() ? INVALID_SOCKET : connect_peer(server.port);
    if (late != INVALID_SOCKET) {
        size_t sent = send_until_refused(late);
        receive_exactly(late, pattern, sent);
        closesocket(late);
    }
    for (int i = 0; i < RESETS && !in_trouble(); i++) {
        SOCKET peer = connect_peer(server.port);
        if (peer == INVALID_SOCKET || !exchange(peer, pattern, 100, 100))
            break;
        send(peer, (const char *)pattern, 50000, 0);
        if (i % 2 == 0)
            wait_for_socket(peer, READABLE, 100);
        reset_peer(peer);
    }
    for (int i = 0; i < LAZY; i++) {
        if (lazy[i] != INVALID_SOCKET)
            reset_peer(lazy[i]);
    }
    if (!in_trouble() && wait_for_closed(&server, ALL) && stop_and_keep(&server) &&
        read_closed(&server)) {
        find_summary(&server.process, &summary);
        for (int i = 0; i < closed_count; i++)
            sum += closed[i].bytes;
        if (summary.clients != ALL)
            trouble(FAILED, "clients_served", "expected %d clients served in the summary, found %d",
                    ALL, summary.clients);
        else if (summary.bytes != sum)
            trouble(FAILED,
                    "are the same bytes counted, in the same place, for one client and for all?",
                    "expected the numbers of %d clients to add up to the summary, found a sum of "
                    "%lld and a summary of %lld",
                    ALL, sum, summary.bytes);
    }
    end_program(&server.process, "after Ctrl+C");
}

/* Clients that are connected when Ctrl+C comes may have a line, or none; what has come back to them
 * is counted in the summary. */
static void count_at_the_stop(void)
{
    enum { CLIENTS = 10, CAME_BACK = CLIENTS * 2 * 100 }; /* see talk_all */
    static SOCKET peers[CLIENTS];
    struct server server;
    long long sum = 0;
    struct summary summary = {0, 0, 0};
    if (!start_server(&server, ""))
        return;
    talk_all(server.port, peers, CLIENTS);
    if (!in_trouble())
        send_until_refused(peers[0]);
    for (int i = 1; i < CLIENTS / 2 && !in_trouble(); i++) {
        closesocket(peers[i]);
        peers[i] = INVALID_SOCKET;
    }
    if (!in_trouble() && wait_for_closed(&server, CLIENTS / 2 - 1) && stop_and_keep(&server) &&
        read_closed(&server)) {
        find_summary(&server.process, &summary);
        for (int i = 0; i < closed_count; i++)
            sum += closed[i].bytes;
        if (closed_count == summary.clients ? sum != summary.bytes : sum > summary.bytes)
            trouble(FAILED,
                    "are the same bytes counted, in the same place, for one client and for all?",
                    "expected the numbers of %d clients to fit the summary, found a sum of %lld "
                    "and a summary of %lld",
                    closed_count, sum, summary.bytes);
        else if (summary.bytes < CAME_BACK)
            trouble(FAILED, "are the bytes of clients counted that are still connected?",
                    "expected at least %d bytes in the summary, because they have come back to %d "
                    "clients, found %lld",
                    CAME_BACK, CLIENTS, summary.bytes);
    }
    end_peers(peers, CLIENTS);
    end_program(&server.process, "after Ctrl+C");
}

static void count_quietly(struct server *server)
{
    struct narrated narrated;
    size_t place = 0;
    converse(server->port, pattern, 100, 100);
    converse(server->port, pattern, 100, 100); /* the first one's line has been printed by now */
    give_time(100);
    if (!in_trouble() && (count_text(server, "bytes echoed") > 0 ||
                          next_narrated(server, "closesocket", &place, &narrated)))
        trouble(FAILED, "narrate, in common/narration.c: what does it do with --quiet?",
                "expected no line about a client with --quiet, found one");
}

static const struct check count_checks[] = {
    {.name = "the bytes of one client", .talk = count_one, .options = ""},
    {.name = "1,000,000 bytes of one client", .talk = count_much, .options = ""},
    {.name = "more than 2 GiB of one client",
     .talk = count_very_much,
     .options = "",
     .plain_only = true},
    {.name = "150 bytes, one at a time", .talk = count_drip, .options = ""},
    {.name = "clients that sent nothing", .talk = count_nothing, .options = ""},
    {.name = "half-close and reset: what was echoed before",
     .talk = count_until_the_end,
     .options = ""},
    {.name = "20 clients, each with its own count", .talk = count_side_by_side, .options = ""},
    {.name = "1,100 clients in a row, each with its own count",
     .talk = count_in_a_row,
     .options = "",
     .plain_only = true},
    {.name = "the numbers add up to the summary", .run = count_adds_up},
    {.name = "the numbers and the summary after Ctrl+C", .run = count_at_the_stop},
    {.name = "--quiet: no line", .talk = count_quietly, .options = "--quiet"},
    {.name = "2,000 messages leak nothing", .run = messages_leak_nothing},
    {.name = "300 clients leak nothing", .run = echo_leaks_nothing},
    {0},
};

const struct exercise COUNT = {
    .name = "COUNT",
    .options = "--threads 4",
    .checks = count_checks,
    .reused = {"half-close", "bytes and end together", "50 resets", "400 immediate resets",
               "12 resets", "never reads", "reads late", "storm of 200", "2,000 connections",
               "mixed storm", "in any order", "do not starve a quiet one", "idle costs", "Ctrl+C",
               "wrong arguments"},
};
