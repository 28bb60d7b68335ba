/* chat_queues.c - checks of CHAT: clients that read slowly, late or never. See CHAT.h. */
#include "CHAT.h"

#include <stdlib.h>

/* One of them reads nothing. What it does not take must neither stop the others nor pile up. */
void chat_lazy(void)
{
    enum { TALKER, LISTENER, LAZY, LINES = 40, LINE = 4000, ROUNDS = 52 };
    struct server server;
    SOCKET peers[CHAT_PEERS];
    struct measurement before, after;
    const int little = 4096;
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    unsigned char *lines = malloc((size_t)LINES * LINE);
    if (lines == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a check");
    for (int i = 0; i < LINES * LINE; i++)
        lines[i] = (unsigned char)(i % LINE == LINE - 1 ? '\n' : 'a' + i % 26);
    if (!in_trouble())
        setsockopt(peers[LAZY], SOL_SOCKET, SO_RCVBUF, (const char *)&little, sizeof little);
    bool measured = measure_at_rest(&server, &before);
    for (int i = 0; i < ROUNDS && !in_trouble(); i++) {
        if (send_all(peers[TALKER], lines, (size_t)LINES * LINE))
            receive_exactly(peers[LISTENER], lines, (size_t)LINES * LINE);
    }
    free(lines);
    if (!in_trouble()) {
        measured = measured && measure_server(&server, &after);
        if (!measured)
            cannot_measure(&server);
        else if (after.memory > before.memory + 4 * 1024 * 1024)
            trouble(FAILED, "how much is kept for a client that does not read?",
                    "expected at most 4 MiB more memory, found %llu MiB",
                    (after.memory - before.memory) >> 20);
        /* The end comes after everything that it has not read; but once disconnected it cannot
         * send. */
        send(peers[LAZY], "I am still here\n", 16, 0);
        receive_nothing(peers[LISTENER], 500, "what happens to a client whose queue is full?",
                        "a client that never reads is disconnected and can send nothing more");
        if (!in_trouble() && wait_for_end(peers[LAZY], 2 * patience_ms) < 0)
            trouble(
                FAILED, "what happens to a client whose queue is full?",
                "expected a client that never reads to be disconnected, found it still connected");
    }
    close_chat(&server, peers, CHAT_PEERS);
}

enum { QUEUE_LINE = 4096 };

/* Less than a queue takes is sent while one client does not read: it must get all of it. */
void chat_late(void)
{
    enum { TALKER, LISTENER, LATE, LINES = 56 };
    static unsigned char line[QUEUE_LINE];
    struct server server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    for (int i = 0; i < QUEUE_LINE; i++)
        line[i] = (unsigned char)(i == QUEUE_LINE - 1 ? '\n' : 'a' + i % 26);
    for (int i = 0; i < LINES && !in_trouble(); i++) {
        if (send_all(peers[TALKER], line, QUEUE_LINE))
            receive_exactly(peers[LISTENER], line, QUEUE_LINE);
    }
    for (int i = 0; i < LINES && !in_trouble(); i++)
        receive_exactly(peers[LATE], line, QUEUE_LINE);
    close_chat(&server, peers, CHAT_PEERS);
}

/* ---- one reads slowly ------------------------------------------------------------------------ */

enum { SLOW_LINE = 1024, SLOW_PIECE = 16 * SLOW_LINE, SLOW_MOST = 512 * SLOW_PIECE };

/* Lines with numbers, all different. */
static const unsigned char *numbered_lines(void)
{
    static unsigned char lines[SLOW_MOST + 1];

    if (lines[0] != 0) /* they have been made */
        return lines;
    for (int i = 0; i < SLOW_MOST / SLOW_LINE; i++) {
        unsigned char *line = lines + (size_t)i * SLOW_LINE;
        memset(line, 'a' + i % 26, SLOW_LINE);
        line[snprintf((char *)line, SLOW_LINE, "%d", i)] = ' ';
        line[SLOW_LINE - 1] = '\n';
    }
    return lines;
}

/* The talker sends the lines from here to there; the listener receives them. */
static void talk_and_listen(const SOCKET *talker_and_listener, size_t from, size_t to)
{
    const unsigned char *lines = numbered_lines();

    while (from < to && !in_trouble()) {
        size_t piece = to - from < SLOW_PIECE ? to - from : SLOW_PIECE;
        if (send_all(talker_and_listener[0], lines + from, piece))
            receive_exactly(talker_and_listener[1], lines + from, piece);
        from += piece;
    }
}

/* A disconnected client cannot go on sending for long. */
static bool is_connected(SOCKET lazy)
{
    return send(lazy, "x", 1, 0) > 0 || WSAGetLastError() == WSAEWOULDBLOCK;
}

/* Goes on talking until a client that reads nothing is disconnected: the system keeps some of it,
 * and the rest fills its queue. Returns how much has been sent altogether. */
static size_t talk_until_disconnected(const SOCKET *talker_and_listener, SOCKET lazy, size_t sent)
{
    while (sent < SLOW_MOST && !in_trouble() && is_connected(lazy)) {
        talk_and_listen(talker_and_listener, sent, sent + SLOW_PIECE);
        sent += SLOW_PIECE;
    }
    return sent;
}

/* Waits until bytes have come (positive) or the connection has ended (0 or negative). */
static int peek(SOCKET slow)
{
    char byte;

    wait_for_socket(slow, READABLE, (DWORD)patience_ms);
    return recv(slow, &byte, 1, MSG_PEEK);
}

/* The client receives the lines from here to there, in their order. False: the server has ended the
 * connection before, or there is trouble. */
static bool hear_lines(SOCKET slow, size_t from, size_t to)
{
    char waiting[SLOW_PIECE];

    while (from < to) {
        size_t left = to - from < sizeof waiting ? to - from : sizeof waiting;
        if (wait_for_socket(slow, READABLE, (DWORD)patience_ms) == 0)
            trouble(TIMED_OUT, "what makes the server go on with a queue when its client reads?",
                    "expected %lu bytes of lines, found %lu and then nothing for %d s",
                    (unsigned long)to, (unsigned long)from, patience_ms / 1000);
        int n = in_trouble() ? 0 : recv(slow, waiting, (int)left, MSG_PEEK);
        if (n == 0 || (n < 0 && WSAGetLastError() != WSAEWOULDBLOCK))
            return false;
        if (n > 0 && !receive_exactly(slow, numbered_lines() + from, (size_t)n))
            return false;
        from += n > 0 ? (size_t)n : 0;
    }
    return true;
}

enum { SHORT_LINES = 100 };

/* One after the other: no receive of the server brings many of them. */
static void say_short_lines(const SOCKET *talker_and_listener)
{
    for (int i = 0; i < SHORT_LINES && !in_trouble(); i++) {
        if (send_text(talker_and_listener[0], "s\n"))
            receive_text(talker_and_listener[1], "s\n");
    }
}

/* The first send after the end still succeeds. */
static bool is_still_connected(SOCKET slow)
{
    if (!is_connected(slow))
        return false;
    Sleep(20);
    return is_connected(slow);
}

static bool hear_short_lines(SOCKET slow)
{
    for (int i = 0; i < SHORT_LINES; i++) {
        if (peek(slow) <= 0 || !receive_text(slow, "s\n"))
            return false;
    }
    return true;
}

/* One client does not read until there are lines in its queue. Then it reads some, so that its
 * connection has room; the next lines must go behind those in the queue. The system keeps more for
 * some clients than for others: if the queue is full too soon, another client is sent less. On a
 * busy machine it may be long before one whose queue was full is disconnected. */
void chat_slow(void)
{
    enum { TALKER, LISTENER, LAZY, SLOW, COUNT };
    enum { LESS = 96 * 1024, MOST_LESS = 8 * LESS, SOME = 128 * 1024, MORE = 32 * 1024 };
    const int size = 65536;
    struct server server;
    SOCKET peers[COUNT];
    bool heard = false;
    int lost = 0; /* clients that were disconnected when short lines came */
    if (!open_chat(&server, peers, LAZY + 1))
        return;
    setsockopt(peers[LAZY], SOL_SOCKET, SO_RCVBUF, (const char *)&size, sizeof size);
    size_t capacity = in_trouble() ? 0 : talk_until_disconnected(peers, peers[LAZY], 0);
    for (size_t less = LESS; less <= MOST_LESS && !heard && !in_trouble();) {
        size_t sent = capacity > less + SOME ? capacity - less : SOME;
        const int lost_before = lost;
        peers[SLOW] = connect_peer(server.port);
        setsockopt(peers[SLOW], SOL_SOCKET, SO_RCVBUF, (const char *)&size, sizeof size);
        gather_chat((const SOCKET[]){peers[TALKER], peers[LISTENER], peers[SLOW]}, 3);
        talk_and_listen(peers, 0, sent);
        give_time(500); /* if its queue was full, it is disconnected now */
        if (!in_trouble() && is_still_connected(peers[SLOW])) {
            say_short_lines(peers);
            lost += !in_trouble() && !is_still_connected(peers[SLOW]);
            if (lost > 1)
                trouble(FAILED, "what is the limit of a queue: bytes, or something else?",
                        "two clients had lines in their queues: expected them to stay connected "
                        "when %d lines of 2 bytes came, found them disconnected",
                        SHORT_LINES);
        }
        heard = !in_trouble() && hear_lines(peers[SLOW], 0, SOME);
        talk_and_listen(peers, sent, sent + MORE);
        heard = heard && hear_lines(peers[SLOW], SOME, sent) && hear_short_lines(peers[SLOW]) &&
                hear_lines(peers[SLOW], sent, sent + MORE);
        close_peer(peers[SLOW]);
        less *= lost == lost_before ? 2 : 1; /* once more, to see whether it was by chance */
    }
    if (!heard && !in_trouble())
        trouble(FAILED, "which client is disconnected, and when?",
                "a client that reads nothing was sent %lu KiB before it was disconnected: expected "
                "another one to be sent %d KiB less and to get all of it, found the end of its "
                "connection",
                (unsigned long)(capacity >> 10), MOST_LESS / 1024);
    close_chat(&server, peers, LAZY + 1);
}

/* Before a client that reads nothing is disconnected, its queue fills. Meanwhile the server sleeps
 * whenever the talker is silent. The system keeps more for some clients than for others: if one is
 * disconnected before the server was watched, another one is watched earlier. */
void chat_queues_sleep(void)
{
    enum { TALKER, LISTENER, LAZY, COUNT, STEP = 4 * SLOW_PIECE, AHEAD = 512 * 1024 };
    enum { MOST_AHEAD = 16 * AHEAD, SLEEP_MS = 150 };
    struct server server;
    SOCKET peers[COUNT];
    bool watched = false;
    if (!open_chat(&server, peers, COUNT))
        return;
    use_small_buffers(peers[LAZY]);
    size_t capacity = in_trouble() ? 0 : talk_until_disconnected(peers, peers[LAZY], 0);
    for (size_t ahead = AHEAD; ahead <= MOST_AHEAD && !watched && !in_trouble(); ahead *= 4) {
        size_t sent = capacity > ahead ? capacity - ahead : 0;
        close_peer(peers[LAZY]);
        peers[LAZY] = connect_peer(server.port);
        use_small_buffers(peers[LAZY]);
        gather_chat(peers, COUNT);
        talk_and_listen(peers, 0, sent);
        while (sent + STEP <= SLOW_MOST && !in_trouble() && is_still_connected(peers[LAZY])) {
            expect_sleep(&server, SLEEP_MS);
            talk_and_listen(peers, sent, sent + STEP);
            sent += STEP;
            watched = true;
        }
    }
    close_chat(&server, peers, COUNT);
}

/* Several clients that read nothing, each of which came a little later than the one before it, so
 * that lines are in the queue of at least one of them when they shut down: the system keeps more
 * for some clients than for others, and the first ones may have been disconnected. What becomes of
 * those lines is up to the server, but it does not try to send them again and again. */
void chat_shut_queues_sleep(void)
{
    enum { TALKER, LISTENER, LAZY, LAZIES = 10, COUNT = LAZY + LAZIES };
    enum { APART = 8 * SLOW_PIECE, MORE = 2 * APART, SLEEP_MS = 600, ROUNDS = 2 };
    struct server server;
    SOCKET peers[COUNT];
    if (!open_chat(&server, peers, LAZY + 1))
        return;
    use_small_buffers(peers[LAZY]);
    size_t capacity = in_trouble() ? 0 : talk_until_disconnected(peers, peers[LAZY], 0);
    const size_t most = capacity + MORE < SLOW_MOST ? capacity + MORE : SLOW_MOST;
    end_peers(peers + LAZY, 1);
    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        size_t sent = 0;
        for (int i = LAZY; i < COUNT; i++) {
            peers[i] = in_trouble() ? INVALID_SOCKET : connect_peer(server.port);
            use_small_buffers(peers[i]);
            gather_chat((const SOCKET[]){peers[TALKER], peers[LISTENER], peers[i]}, 3);
            talk_and_listen(peers, sent, sent + APART);
            sent += APART;
        }
        talk_and_listen(peers, sent, most);
        for (int i = LAZY; i < COUNT && !in_trouble(); i++)
            shutdown(peers[i], SD_SEND);
        if (!in_trouble())
            expect_sleep(&server, SLEEP_MS);
        end_peers(peers + LAZY, LAZIES);
    }
    close_chat(&server, peers, LAZY);
}

/* The system sends what it has taken even when the server has disconnected the client. */
void chat_counts_sent(void)
{
    enum { TALKER, LISTENER, LAZY };
    struct server server;
    struct summary summary = {0, 0, 0};
    SOCKET peers[CHAT_PEERS];
    if (!start_server(&server, "--quiet"))
        return;
    connect_peers(server.port, peers, CHAT_PEERS);
    const int first = gather_chat(peers, CHAT_PEERS);
    use_small_buffers(peers[LAZY]);
    talk_and_listen(peers, 0, SLOW_MOST);
    long long heard = in_trouble() ? -1 : count_to_end(peers[LAZY]);
    if (stop_and_keep(&server) && heard >= 0 && find_summary(&server.process, &summary) &&
        summary.bytes > first + SLOW_MOST + heard)
        trouble(FAILED, "which bytes are counted for a client whose queue is full?",
                "one client has received %d bytes, and another one %lld, until it was "
                "disconnected: expected at most their sum in the summary, found %lld",
                first + SLOW_MOST, heard, summary.bytes);
    end_program(&server.process, "after Ctrl+C");
    end_peers(peers, CHAT_PEERS);
}

/* Four times some clients are disconnected because their queues are full. */
void chat_queues_leak_nothing(void)
{
    enum { TALKER, LISTENER, LAZY, LAZIES = 4, COUNT = LAZY + LAZIES, ROUNDS = 4 };
    const unsigned long long most_memory = 1536 * 1024; /* half of the queues of 3 rounds */
    struct measurement before = {0};
    struct server server;
    SOCKET peers[COUNT];
    bool measured = true;
    if (!open_chat(&server, peers, LAZY))
        return;
    for (int round = 1; round <= ROUNDS && !in_trouble(); round++) {
        connect_peers(server.port, peers + LAZY, LAZIES);
        for (int i = LAZY; i < COUNT; i++)
            use_small_buffers(peers[i]);
        gather_chat(peers, COUNT);
        size_t sent = 0;
        for (int i = LAZY; i < COUNT && !in_trouble(); i++)
            sent = talk_until_disconnected(peers, peers[i], sent);
        end_peers(peers + LAZY, LAZIES);
        if (round == 1)
            measured = measure_at_rest(&server, &before);
    }
    expect_no_growth(&server, measured ? &before : NULL, most_memory,
                     "what becomes of a queue when its client is disconnected?",
                     "after 16 clients with full queues");
    close_chat(&server, peers, LAZY);
}

/* ---- places ---------------------------------------------------------------------------------- */

/* Notes which clients have a place: they hear a line of the first one. Returns how many wait. */
static int find_waiting(const SOCKET *peers, bool *has_place, int count)
{
    static const char line[] = "who is here?\n";
    int waiting = count - 1;

    send_text(peers[0], line);
    has_place[0] = true;
    for (double end = now_ms() + 500; waiting > 0 && now_ms() < end && !in_trouble();) {
        for (int i = 1; i < count; i++) {
            if (has_place[i] || wait_for_socket(peers[i], READABLE, 0) == 0)
                continue;
            has_place[i] = true;
            waiting--;
            end = now_ms() + 500; /* on a busy machine another one may hear it later */
        }
        Sleep(10);
    }
    return waiting;
}

/* Whether a client that had to wait now hears something, so has a place. */
static bool one_is_let_in(const SOCKET *peers, const bool *has_place, int count)
{
    char byte;

    for (int i = 1; i < count; i++) {
        if (!has_place[i] && recv(peers[i], &byte, 1, 0) > 0)
            return true;
    }
    return false;
}

/* A client waits until there is a place. One of the others does not read, so that its queue fills
 * and the server disconnects it, while it serves the client that talks. No other one leaves. */
void chat_place_of_lazy(void)
{
    enum { TALKER, LAZY, FIRST, COUNT = 64, LINES = 40, LINE = 4000, ROUNDS = 52 };
    static SOCKET peers[COUNT];
    static unsigned char lines[LINES * LINE];
    bool has_place[COUNT] = {false};
    const int little = 4096;
    struct server server;
    bool let_in = false;
    if (!open_full_chat(&server, peers, COUNT))
        return;
    for (int i = 0; i < LINES * LINE; i++)
        lines[i] = (unsigned char)(i % LINE == LINE - 1 ? '\n' : 'a' + i % 26);
    if (!in_trouble())
        setsockopt(peers[LAZY], SOL_SOCKET, SO_RCVBUF, (const char *)&little, sizeof little);
    bool full = !in_trouble() && find_waiting(peers, has_place, COUNT) > 0;
    for (int i = FIRST; i < COUNT && full && !in_trouble(); i++) {
        if (has_place[i])
            receive_text(peers[i], "who is here?\n");
    }
    /* A server that has a place for each of them, as that of ROOM, has passed. */
    for (int round = 0; round < ROUNDS && full && !let_in && !in_trouble(); round++) {
        send_all(peers[TALKER], lines, sizeof lines);
        for (int i = FIRST; i < COUNT && !in_trouble(); i++) {
            if (has_place[i])
                receive_exactly(peers[i], lines, sizeof lines);
        }
        let_in = one_is_let_in(peers, has_place, COUNT);
    }
    for (double end = now_ms() + patience_ms; full && !let_in && now_ms() < end && !in_trouble();) {
        send_text(peers[TALKER], "who is late?\n");
        Sleep(50);
        let_in = one_is_let_in(peers, has_place, COUNT);
    }
    if (full && !let_in && !in_trouble())
        trouble(
            TIMED_OUT,
            "what makes the server accept again when a client leaves because its queue is full?",
            "expected a client that waits to have the place of one that did not read, found "
            "that it receives nothing after %d KiB",
            ROUNDS * LINES * LINE >> 10);
    close_chat(&server, peers, COUNT);
}
