/* CHAT.c - the checks of the exercise CHAT, and of ROOM. */
#include "CHAT.h"

#include <stdlib.h>

enum { CHAT_PEERS = 3 };

/* Receives lines until this one comes. Returns how many bytes have come, with it. */
static int hear_until(SOCKET peer, const char *line)
{
    char heard[4096];
    int length = 0;
    const int end = (int)strlen(line);

    while (!in_trouble() &&
           (length < end || memcmp(heard + length - end, line, (size_t)end) != 0)) {
        int n = 0;
        if (length < (int)sizeof heard && wait_for_socket(peer, READABLE, (DWORD)patience_ms) != 0)
            n = recv(peer, heard + length, (int)sizeof heard - length, 0);
        if (n == 0 || (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK))
            trouble(TIMED_OUT, "who gets the lines of a client?",
                    "expected a line of another client, found none, or the end of the connection");
        length += n > 0 ? n : 0;
    }
    return length;
}

int gather_chat(const SOCKET *peers, int count)
{
    static const char question[] = "who is here?\n", answer[] = "all are here\n";
    int heard = 0;

    for (int i = 1; i < count && !in_trouble(); i++) {
        for (double end = now_ms() + patience_ms;
             wait_for_socket(peers[i], READABLE, 50) == 0 && now_ms() < end && !in_trouble();)
            send_text(peers[0], question);
    }
    if (!in_trouble())
        send_text(peers[0], answer);
    for (int i = 1; i < count && !in_trouble(); i++)
        heard += hear_until(peers[i], answer);
    return heard;
}

/* Starts a server and connects that many peers, some of which may have to wait for a place. */
static bool open_full_chat(struct server *server, SOCKET *peers, int count)
{
    if (!start_server(server, "--quiet"))
        return false;
    connect_peers(server->port, peers, count);
    Sleep(200); /* so that they are accepted */
    return true;
}

/* The same, and each of them is accepted: it gets what the others send. */
static bool open_chat(struct server *server, SOCKET *peers, int count)
{
    if (!start_server(server, "--quiet"))
        return false;
    connect_peers(server->port, peers, count);
    gather_chat(peers, count);
    return true;
}

static void close_chat(struct server *server, SOCKET *peers, int count)
{
    stop_server(server);
    end_peers(peers, count);
}

static void chat_others(void)
{
    struct server server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    for (int from = 0; from < CHAT_PEERS && !in_trouble(); from++) {
        char line[40];
        snprintf(line, sizeof line, "hello from %d\r\n", from + 1);
        send_text(peers[from], line);
        for (int to = 0; to < CHAT_PEERS && !in_trouble(); to++) {
            if (to != from)
                receive_text(peers[to], line);
        }
    }
    close_chat(&server, peers, CHAT_PEERS);
}

static void chat_not_oneself(void)
{
    struct server server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    send_text(peers[0], "who hears me?\n");
    receive_nothing(peers[0], 300, "which client is left out?",
                    "a client that sent a line does not get it back");
    close_chat(&server, peers, CHAT_PEERS);
}

static void chat_whole_lines(void)
{
    struct server server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    static const unsigned char any[] = "\0\r\xff zeros \0 and more\0\n";
    send_all(peers[2], any, sizeof any - 1);
    receive_exactly(peers[0], any, sizeof any - 1);
    receive_exactly(peers[1], any, sizeof any - 1);
    send_text(peers[0], "one ");
    receive_nothing(peers[1], 200, "where is the beginning of a line kept?",
                    "the line is not complete");
    send_text(peers[2], "two\n");
    receive_text(peers[1], "two\n");
    send_text(peers[0], "line\nand another\nand a ");
    receive_text(peers[1], "one line\nand another\n");
    receive_text(peers[2], "one line\nand another\n");
    receive_nothing(peers[1], 200, "where is the beginning of a line kept?",
                    "the line is not complete");
    close_chat(&server, peers, CHAT_PEERS);
}

enum { BABBLERS = 4, BABBLE_LINES = 250, BABBLE_LINE_SIZE = 64 };

struct babbler {
    SOCKET peer;
    char said[BABBLE_LINES * BABBLE_LINE_SIZE];
    size_t said_length, sent;
    char heard[BABBLERS * BABBLE_LINES * BABBLE_LINE_SIZE];
    size_t heard_length;
};

/* A line of that talker; lines are of different lengths. */
static int babble_line(char *line, int talker, int number)
{
    return snprintf(line, BABBLE_LINE_SIZE, "%d %d %.*s\n", talker, number, 1 + number * 7 % 40,
                    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ");
}

/* What a peer has received: each line whole, the lines of each talker in their order. */
static void check_babble(const struct babbler *babbler, int self)
{
    int next[BABBLERS] = {0};
    const char *line = babbler->heard;

    while (line < babbler->heard + babbler->heard_length && !in_trouble()) {
        int talker = atoi(line);
        char expected[BABBLE_LINE_SIZE];
        size_t left = (size_t)(babbler->heard + babbler->heard_length - line);
        const char *end = memchr(line, '\n', left);
        size_t length = end == NULL ? left : (size_t)(end + 1 - line);
        if (talker < 0 || talker >= BABBLERS || talker == self)
            talker = self == 0 ? 1 : 0;
        int expected_length = babble_line(expected, talker, next[talker]++);
        if (length != (size_t)expected_length || memcmp(line, expected, length) != 0)
            trouble(FAILED,
                    "is each line put whole into a client's queue, behind the lines already in it?",
                    "expected the line \"%.*s\", found \"%.*s\"", expected_length - 1, expected,
                    (int)(length > 80 ? 80 : length - 1), line);
        line += length;
    }
}

static void chat_babble(void)
{
    static struct babbler babblers[BABBLERS];
    struct server server;
    SOCKET peers[BABBLERS];
    size_t all = 0;
    if (!open_chat(&server, peers, BABBLERS))
        return;
    memset(babblers, 0, sizeof babblers);
    for (int i = 0; i < BABBLERS; i++) {
        struct babbler *babbler = &babblers[i];
        babbler->peer = peers[i];
        for (int line = 0; line < BABBLE_LINES; line++)
            babbler->said_length +=
                (size_t)babble_line(babbler->said + babbler->said_length, i, line);
        all += babbler->said_length;
    }
    /* In pieces of 33 bytes, which hardly ever end where a line does. */
    double last_change = now_ms();
    for (bool done = in_trouble(); !done;) {
        bool changed = false;
        done = true;
        for (int i = 0; i < BABBLERS; i++) {
            struct babbler *babbler = &babblers[i];
            size_t piece = babbler->said_length - babbler->sent;
            piece = piece < 33 ? piece : 33;
            int sent =
                piece == 0 ? 0 : send(peers[i], babbler->said + babbler->sent, (int)piece, 0);
            int heard = recv(peers[i], babbler->heard + babbler->heard_length,
                             (int)(sizeof babbler->heard - babbler->heard_length), 0);
            babbler->sent += sent > 0 ? (size_t)sent : 0;
            babbler->heard_length += heard > 0 ? (size_t)heard : 0;
            changed = changed || sent > 0 || heard > 0;
            done = done && babbler->heard_length >= all - babbler->said_length;
        }
        if (changed)
            last_change = now_ms();
        if (!done && now_ms() - last_change > patience_ms)
            break;
    }
    for (int i = 0; i < BABBLERS && !in_trouble(); i++) {
        check_babble(&babblers[i], i);
        if (babblers[i].heard_length != all - babblers[i].said_length)
            trouble(TIMED_OUT, "what happens to a line that cannot be sent immediately?",
                    "expected %lu bytes from the others, found %lu and then nothing",
                    (unsigned long)(all - babblers[i].said_length),
                    (unsigned long)babblers[i].heard_length);
    }
    close_chat(&server, peers, BABBLERS);
}

/* One of them reads nothing. What it does not take must neither stop the others nor pile up. */
static void chat_lazy(void)
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

static void chat_long_line(void)
{
    static const char before[] = "before\n", after[] = "\nafter\n";
    static char line[2 * CHAT_LINE];
    struct server server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    memset(line, 'x', sizeof line);
    line[CHAT_LINE - 1] = '\n';
    for (int i = 0; i < 3 && !in_trouble(); i++) {
        /* In one piece, then in two, of which the first or the second is 1 byte long. */
        static const int firsts[] = {CHAT_LINE, 1, CHAT_LINE - 1};
        int first = firsts[i];
        send_all(peers[0], (const unsigned char *)line, (size_t)first);
        if (first < CHAT_LINE) {
            Sleep(50);
            send_all(peers[0], (const unsigned char *)line + first, (size_t)(CHAT_LINE - first));
        }
        if (wait_for_socket(peers[1], READABLE, (DWORD)patience_ms) == 0)
            trouble(TIMED_OUT, "how many bytes may a line have, including its \\n?",
                    "expected a line of 4,096 bytes to be passed on, found nothing");
        else
            receive_exactly(peers[1], (const unsigned char *)line, CHAT_LINE);
    }
    memset(line, 'x', sizeof line); /* all of it is sent, and usually received, together */
    memcpy(line, before, strlen(before));
    memcpy(line + strlen(before) + CHAT_LINE, after, strlen(after));
    if (!in_trouble() &&
        send_all(peers[2], (const unsigned char *)line,
                 strlen(before) + CHAT_LINE + strlen(after)) &&
        wait_for_end(peers[2], patience_ms) < 0)
        trouble(FAILED, "what happens when a line does not end within 4,096 bytes?",
                "expected a client that sends a line of 4,097 bytes to be disconnected, found it "
                "still connected");
    if (!in_trouble() && receive_text(peers[1], before) &&
        receive_nothing(peers[1], 200, "is any part of a line that is too long passed on?",
                        "neither the long line nor anything after it is passed on") &&
        send_text(peers[0], "still here?\n"))
        receive_text(peers[1], "still here?\n");
    close_chat(&server, peers, CHAT_PEERS);
}

/* Lines, the beginning of another one, and the end, all together. */
static void chat_last_words(void)
{
    static char lines[200 * 100 + 1];
    struct server server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    for (size_t i = 0; i < sizeof lines - 1; i++)
        lines[i] = (char)(i % 100 == 99 ? '\n' : '0' + i / 100 % 10);
    if (!in_trouble() && send_text(peers[0], lines) && send_text(peers[0], "half a line")) {
        shutdown(peers[0], SD_SEND);
        if (receive_text(peers[1], lines) && receive_text(peers[2], lines) &&
            wait_for_end(peers[0], patience_ms) < 0)
            trouble(
                TIMED_OUT, "what happens when recv returns 0, or FD_CLOSE comes?",
                "expected a client that shuts down to be disconnected, found it still connected");
        if (!in_trouble() &&
            receive_nothing(peers[1], 200, "what happens to half a line?",
                            "a line that is not complete is not passed on") &&
            send_text(peers[2], "goodbye\n"))
            receive_text(peers[1], "goodbye\n");
    }
    close_chat(&server, peers, CHAT_PEERS);
}

/* Many short lines in one go, as when a file is pasted, and many listeners. */
static void chat_paste(void)
{
    enum { TALKER, FIRST, COUNT = 11, LENGTH = 61440, MOST_MS = 2000 };
    static unsigned char lines[LENGTH];
    struct server server;
    SOCKET peers[COUNT];
    if (!open_chat(&server, peers, COUNT))
        return;
    memset(lines, '\n', sizeof lines);
    double begun = now_ms();
    if (!in_trouble() && send_all(peers[TALKER], lines, LENGTH)) {
        for (int i = FIRST; i < COUNT && !in_trouble(); i++) {
            size_t received = 0;
            while (received < LENGTH && now_ms() - begun < MOST_MS && !in_trouble()) {
                static char bytes[LENGTH];
                if (wait_for_socket(peers[i], READABLE, 100) == 0)
                    continue;
                int n = recv(peers[i], bytes, (int)(LENGTH - received), 0);
                if (n == 0 || (n < 0 && WSAGetLastError() != WSAEWOULDBLOCK))
                    trouble(FAILED,
                            "why does the server disconnect a client that reads what it gets?",
                            "expected %d empty lines, found the end of the connection", LENGTH);
                received += n > 0 ? (size_t)n : 0;
            }
            if (received < LENGTH && !in_trouble())
                trouble(TIMED_OUT,
                        "is there one send for each line? Pass on all whole lines together",
                        "expected %d empty lines to reach %d listeners within %.0f s, found only "
                        "%lu at listener %d",
                        LENGTH, COUNT - 1, MOST_MS / 1000.0, (unsigned long)received, i);
        }
    }
    close_chat(&server, peers, COUNT);
}

enum { QUEUE_LINE = 4096 };

/* Less than a queue takes is sent while one client does not read: it must get all of it. */
static void chat_late(void)
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
 * some clients than for others: if the queue is full too soon, another client is sent less. */
static void chat_slow(void)
{
    enum { TALKER, LISTENER, LAZY, SLOW, COUNT };
    enum { LESS = 96 * 1024, MOST_LESS = 8 * LESS, SOME = 128 * 1024, MORE = 32 * 1024 };
    const int size = 65536;
    struct server server;
    SOCKET peers[COUNT];
    bool heard = false;
    if (!open_chat(&server, peers, LAZY + 1))
        return;
    setsockopt(peers[LAZY], SOL_SOCKET, SO_RCVBUF, (const char *)&size, sizeof size);
    size_t capacity = in_trouble() ? 0 : talk_until_disconnected(peers, peers[LAZY], 0);
    for (size_t less = LESS; less <= MOST_LESS && !heard && !in_trouble(); less *= 2) {
        size_t sent = capacity > less + SOME ? capacity - less : SOME;
        peers[SLOW] = connect_peer(server.port);
        setsockopt(peers[SLOW], SOL_SOCKET, SO_RCVBUF, (const char *)&size, sizeof size);
        gather_chat((const SOCKET[]){peers[TALKER], peers[LISTENER], peers[SLOW]}, 3);
        talk_and_listen(peers, 0, sent);
        Sleep(500); /* if its queue was full, it is disconnected now */
        if (!in_trouble() && is_still_connected(peers[SLOW])) {
            say_short_lines(peers);
            if (!in_trouble() && !is_still_connected(peers[SLOW]))
                trouble(FAILED, "what is the limit of a queue: bytes, or something else?",
                        "a client had lines in its queue, and was connected: expected it to stay "
                        "connected when %d lines of 2 bytes came, found it disconnected",
                        SHORT_LINES);
        }
        heard = !in_trouble() && hear_lines(peers[SLOW], 0, SOME);
        talk_and_listen(peers, sent, sent + MORE);
        heard = heard && hear_lines(peers[SLOW], SOME, sent) && hear_short_lines(peers[SLOW]) &&
                hear_lines(peers[SLOW], sent, sent + MORE);
        close_peer(peers[SLOW]);
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
static void chat_queues_sleep(void)
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

/* The system sends what it has taken even when the server has disconnected the client. */
static void chat_counts_sent(void)
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
static void chat_queues_leak_nothing(void)
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

/* More clients than one wait has places for. Those that have one leave in different ways; then the
 * last client also has a place, and receives what is sent. */
static void chat_places(void)
{
    enum { SPEAKER, COUNT = 75, LEAVING = 40 };
    static SOCKET peers[COUNT];
    static char line[CHAT_LINE + 2];
    struct server server;
    if (!open_full_chat(&server, peers, COUNT))
        return;
    memset(line, 'x', sizeof line - 1);
    for (int i = 1; i <= LEAVING && !in_trouble(); i++) {
        SOCKET peer = peers[i];
        if (i % 4 == 0) {
            send_all(peer, (const unsigned char *)line, sizeof line - 1);
            continue; /* the server disconnects it */
        }
        peers[i] = INVALID_SOCKET;
        if (i % 4 == 1) {
            reset_peer(peer);
        } else if (i % 4 == 2) {
            closesocket(peer);
        } else {
            shutdown(peer, SD_SEND);
            if (wait_for_end(peer, patience_ms) < 0)
                trouble(TIMED_OUT, "what happens when recv returns 0, or FD_CLOSE comes?",
                        "expected a client that shuts down to be disconnected, found it still "
                        "connected");
            closesocket(peer);
        }
    }
    bool heard = false;
    for (double end = now_ms() + patience_ms; !heard && now_ms() < end && !in_trouble();) {
        if (send_text(peers[SPEAKER], "who is late?\n"))
            heard = wait_for_socket(peers[COUNT - 1], READABLE, 50) != 0;
    }
    if (!heard && !in_trouble())
        trouble(TIMED_OUT,
                "what makes the server accept again when a client leaves, in whatever way?",
                "expected client %d to have a place after %d others have left, found that it "
                "receives nothing",
                COUNT, LEAVING);
    else
        receive_text(peers[COUNT - 1], "who is late?\n");
    close_chat(&server, peers, COUNT);
}

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
static void chat_place_of_lazy(void)
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

static void chat_many_lines(void)
{
    enum { WARM_UP = 50, ROUNDS = 350, LENGTH = 8192 };
    static unsigned char lines[LENGTH];
    struct measurement before = {0};
    struct server server;
    SOCKET peers[2];
    bool measured = true;
    if (!open_chat(&server, peers, 2))
        return;
    for (int i = 0; i < LENGTH; i++)
        lines[i] = (unsigned char)(i % 128 == 127 ? '\n' : 'a' + i % 26);
    for (int i = 0; i < ROUNDS && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure_at_rest(&server, &before);
        if (send_all(peers[i % 2], lines, LENGTH))
            receive_exactly(peers[1 - i % 2], lines, LENGTH);
    }
    expect_no_growth(&server, measured ? &before : NULL, 1024 * 1024,
                     "what is allocated or opened for each line, and where is it given back?",
                     "after 300 times 8,192 bytes of lines");
    close_chat(&server, peers, 2);
}

static void chat_summary(void)
{
    struct server server;
    SOCKET peers[CHAT_PEERS];
    if (!start_server(&server, "--quiet"))
        return;
    connect_peers(server.port, peers, CHAT_PEERS);
    int heard = gather_chat(peers, CHAT_PEERS);
    for (int i = 0; i < 10 && !in_trouble(); i++) {
        if (send_text(peers[i % 3], "0123456789\n") &&
            receive_text(peers[(i + 1) % 3], "0123456789\n"))
            receive_text(peers[(i + 2) % 3], "0123456789\n");
    }
    send_text(peers[0], "half a line");
    stop_and_count(&server, CHAT_PEERS, heard + 10 * 2 * 11);
    end_peers(peers, CHAT_PEERS);
}

/* Clients come, send something and leave again while the others talk. */
static void chat_leaving(void)
{
    enum { OTHERS = 20 };
    struct server server;
    SOCKET peers[2];
    if (!start_server(&server, "--quiet"))
        return;
    connect_peers(server.port, peers, 2);
    gather_chat(peers, 2);
    for (int i = 0; i < OTHERS && !in_trouble(); i++) {
        SOCKET guest = connect_peer(server.port);
        if (guest == INVALID_SOCKET)
            break;
        if (send_text(guest, "a guest\nhalf a line") && receive_text(peers[0], "a guest\n") &&
            receive_text(peers[1], "a guest\n") && send_text(peers[0], "talk\n"))
            receive_text(peers[1], "talk\n");
        if (i % 2 == 0)
            reset_peer(guest);
        else
            closesocket(guest);
    }
    if (!in_trouble() && send_text(peers[1], "the last word\n"))
        receive_text(peers[0], "the last word\n");
    close_chat(&server, peers, 2);
}

/* The same each time, because one may come a visit late. */
static const char visit_line[] = "a visit\n";

/* Waits until the second one has been accepted, and the server has received everything that the
 * first one has sent: then a line of it comes. A line before that may miss the second one. */
static void talk_until_heard(const SOCKET *peers)
{
    for (int i = 0; i < 50 && !in_trouble(); i++) {
        send_text(peers[0], visit_line);
        if (wait_for_socket(peers[1], READABLE, 20) != 0)
            break;
    }
    receive_text(peers[1], visit_line);
}

static void meet(int port, SOCKET *peers)
{
    connect_peers(port, peers, 2);
    talk_until_heard(peers);
}

static void visit_chat(int port, int number)
{
    SOCKET peers[2];
    (void)number;
    meet(port, peers);
    end_peers(peers, 2);
}

/* A client that is alone talks to no other one, so nothing of its lines need be kept. */
static void chat_alone(void)
{
    enum { WARM_UP = 50, ROUNDS = 600, LENGTH = 8192 };
    static unsigned char lines[LENGTH];
    struct measurement before = {0};
    struct server server;
    SOCKET peers[2] = {INVALID_SOCKET, INVALID_SOCKET};
    bool measured = true;
    if (!open_chat(&server, peers, 1))
        return;
    for (int i = 0; i < LENGTH; i++)
        lines[i] = (unsigned char)visit_line[i % (int)(sizeof visit_line - 1)];
    for (int i = 0; i < ROUNDS && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure_at_rest(&server, &before);
        send_all(peers[0], lines, LENGTH);
    }
    if (!in_trouble())
        peers[1] = connect_peer(server.port);
    if (!in_trouble())
        talk_until_heard(peers);
    expect_no_growth(&server, measured ? &before : NULL, 1024 * 1024,
                     "what becomes of a line that no other client gets?",
                     "after a client that was alone had sent 4.5 MB of lines");
    close_chat(&server, peers, 2);
}

/* Each leaves with half a line, in order or with a reset. */
static void visit_with_half_lines(int port, int number)
{
    enum { COUNT = 5, LENGTH = 4000 };
    static unsigned char half[LENGTH];
    SOCKET peers[COUNT];
    memset(half, 'h', LENGTH);
    connect_peers(port, peers, COUNT);
    for (int i = 0; i < COUNT && !in_trouble(); i++)
        send_all(peers[i], half, LENGTH);
    if (number % 2 != 0) {
        Sleep(3); /* so that the server has received them */
        reset_peer(peers[0]);
        peers[0] = INVALID_SOCKET;
    }
    end_peers(peers, COUNT);
}

static void chat_half_lines_leak_nothing(void)
{
    expect_no_leak("--quiet", visit_with_half_lines);
}

static void chat_leaks_nothing(void)
{
    expect_no_leak("--quiet", visit_chat);
}

/* Neither of the two leaves in order: one is reset, and so is the other, or it is disconnected.
 * Before that each of them hears much, so that what is kept for it has been in use. */
static void visit_and_reset(int port, int number)
{
    enum { LENGTH = 40960 };
    static unsigned char lines[LENGTH], too_long[CHAT_LINE + 1];
    SOCKET peers[2];
    meet(port, peers);
    for (size_t i = 0; i < LENGTH; i++)
        lines[i] = (unsigned char)visit_line[i % (sizeof visit_line - 1)];
    for (int i = 0; i < 2 && !in_trouble(); i++) {
        if (send_all(peers[i], lines, LENGTH))
            receive_exactly(peers[1 - i], lines, LENGTH);
    }
    if (number % 2 == 0 && !in_trouble()) {
        memset(too_long, 'x', sizeof too_long);
        too_long[CHAT_LINE] = '\n';
        if (send_all(peers[0], too_long, sizeof too_long) &&
            wait_for_end(peers[0], patience_ms) < 0)
            trouble(FAILED, "what happens when a line does not end within 4,096 bytes?",
                    "expected a client that sends a line of 4,097 bytes to be disconnected, found "
                    "it still connected");
    }
    for (int i = 0; i < 2; i++) {
        if (peers[i] != INVALID_SOCKET)
            reset_peer(peers[i]);
    }
}

static void chat_resets_leak_nothing(void)
{
    expect_no_leak("--quiet", visit_and_reset);
}

static void chat_sleeps(void)
{
    struct server server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    send_text(peers[0], "good night\nhalf a line");
    if (receive_text(peers[1], "good night\n"))
        expect_sleep(&server, 1500);
    close_chat(&server, peers, CHAT_PEERS);
}

/* Ctrl+C while lines are in the queues, because no client reads. */
static void chat_stop(void)
{
    enum { COUNT = 20, LINES = 10 };
    static SOCKET peers[COUNT];
    static char line[CHAT_LINE];
    struct server server;
    if (!open_full_chat(&server, peers, COUNT))
        return;
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 2] = '\n';
    for (int i = 0; i < COUNT * LINES && !in_trouble(); i++)
        send(peers[i % COUNT], line, (int)sizeof line - 1, 0);
    close_chat(&server, peers, COUNT);
}

/* ---- one talks without a pause --------------------------------------------------------------- */

enum { FLOOD_LINE = 1024, FLOOD_LENGTH = 64 * FLOOD_LINE, DRAIN_SIZE = 1024 * 1024 };

struct flood {
    SOCKET peer;
    volatile LONG ends;
};

/* Sends lines as fast as the server takes them, until ends is set or the connection breaks. */
static DWORD WINAPI send_flood(void *parameter)
{
    static char lines[FLOOD_LENGTH];
    struct flood *flood = parameter;
    int sent = 0; /* of the lines, so that a send that took only a part is continued */

    for (int i = 0; i < FLOOD_LENGTH; i++)
        lines[i] = (char)(i % FLOOD_LINE == FLOOD_LINE - 1 ? '\n' : 'a' + i % 26);
    while (!flood->ends) {
        int n = send(flood->peer, lines + sent, FLOOD_LENGTH - sent, 0);
        if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
            break;
        if (n == SOCKET_ERROR)
            wait_for_socket(flood->peer, WRITABLE, 100);
        else
            sent = (sent + n) % FLOOD_LENGTH;
    }
    return 0;
}

/* Takes what has arrived. Returns 1: something, 0: nothing, -1: the connection has ended. */
static int drain(SOCKET peer)
{
    static char bytes[DRAIN_SIZE];
    int received = peer == INVALID_SOCKET ? 0 : recv(peer, bytes, sizeof bytes, 0);

    if (received == SOCKET_ERROR && WSAGetLastError() == WSAEWOULDBLOCK)
        return 0;
    return received > 0 ? 1 : peer == INVALID_SOCKET ? 0 : -1;
}

/* It may be disconnected before this, because its queue is full already: no trouble. */
static SOCKET connect_newcomer(int port)
{
    SOCKET newcomer = connect_peer(port);
    if (newcomer != INVALID_SOCKET)
        send(newcomer, "me too\n", 7, 0);
    return newcomer;
}

/* A newcomer must hear the flood, and the client that sends the flood must hear the newcomer. A
 * server may disconnect a client that reads more slowly than the flood comes: it does not matter
 * whether that happens to a listener, and in place of a newcomer comes another one. */
static void meet_newcomer(int port, SOCKET talker, const SOCKET *listeners, int count)
{
    bool heard = false, was_heard = false;
    double end = now_ms() + patience_ms;
    SOCKET newcomer = connect_newcomer(port);

    while (!(heard && was_heard) && now_ms() < end && !in_trouble()) {
        int result = drain(newcomer);
        heard = heard || result > 0;
        was_heard = drain(talker) > 0 || was_heard;
        for (int i = 0; i < count; i++)
            drain(listeners[i]);
        if (result < 0) {
            closesocket(newcomer);
            newcomer = connect_newcomer(port);
        }
    }
    close_peer(newcomer);
    if (!(heard && was_heard) && !in_trouble())
        trouble(TIMED_OUT, "how long is one client served before the others have their turn?",
                "while one client sends without a pause, expected a new client to hear it and to "
                "be heard within %d s, found that it %s",
                patience_ms / 1000,
                heard       ? "hears, but is not heard"
                : was_heard ? "is heard, but hears nothing"
                            : "is not served");
}

/* One client sends as much as the server takes; newcomers, and Ctrl+C, must have their turn. */
static void chat_flood(void)
{
    enum { TALKER, FIRST, COUNT = 9, NEWCOMERS = 3 };
    struct server server;
    SOCKET peers[COUNT];
    if (!open_full_chat(&server, peers, COUNT))
        return;
    struct flood flood = {peers[TALKER], 0};
    HANDLE thread = in_trouble() ? NULL : CreateThread(NULL, 0, send_flood, &flood, 0, NULL);
    if (thread == NULL && !in_trouble())
        fail((int)GetLastError(), "CreateThread");
    for (double end = now_ms() + 300; now_ms() < end && !in_trouble();) {
        for (int i = FIRST; i < COUNT; i++)
            drain(peers[i]);
    }
    for (int i = 0; i < NEWCOMERS && !in_trouble(); i++)
        meet_newcomer(server.port, peers[TALKER], peers + FIRST, COUNT - FIRST);
    stop_server(&server); /* the flood goes on until the server has ended */
    InterlockedExchange(&flood.ends, 1);
    if (thread != NULL) {
        WaitForSingleObject(thread, INFINITE); /* each of its waits is bounded */
        CloseHandle(thread);
    }
    end_peers(peers, COUNT);
}

const struct check chat_checks[] = {
    {.name = "a line goes to every other client", .run = chat_others},
    {.name = "a client does not get back what it sent", .run = chat_not_oneself},
    {.name = "lines are passed on whole", .run = chat_whole_lines},
    {.name = "four clients talk at the same time", .run = chat_babble},
    {.name = "61,440 empty lines reach ten listeners soon", .run = chat_paste},
    {.name = "a client that does not read delays no other, and is disconnected", .run = chat_lazy},
    {.name = "224 KiB wait for a client that reads late", .run = chat_late},
    {.name = "a client that reads slowly gets all lines in their order", .run = chat_slow},
    {.name = "a line has up to 4,096 bytes; a client that sends 4,097 is disconnected",
     .run = chat_long_line},
    {.name = "the last lines before a shutdown are passed on", .run = chat_last_words},
    {.name = "some clients leave while others talk", .run = chat_leaving},
    {.name = "12 clients do anything in any order", .run = chat_any_order},
    {.name = "clients that leave give back their places", .run = chat_places},
    {.name = "a client whose queue is full gives back its place", .run = chat_place_of_lazy},
    {.name = "many lines leak nothing", .run = chat_many_lines},
    {.name = "a client that is alone may talk for long: nothing leaks", .run = chat_alone},
    {.name = "300 visits leak nothing", .run = chat_leaks_nothing},
    {.name = "300 visits that end with a reset leak nothing", .run = chat_resets_leak_nothing},
    {.name = "1,500 clients that leave with half a line leak nothing",
     .run = chat_half_lines_leak_nothing},
    {.name = "silence costs no CPU", .run = chat_sleeps},
    {.name = "lines in the queues of clients that do not read cost no CPU",
     .run = chat_queues_sleep},
    {.name = "clients that are disconnected with full queues leak nothing",
     .run = chat_queues_leak_nothing},
    {.name = "the summary does not count what was only queued", .run = chat_counts_sent},
    {.name = "the summary has counted all clients and bytes", .run = chat_summary},
    {.name = "Ctrl+C while lines are on their way", .run = chat_stop},
    {.name = "busy talkers do not starve a quiet client, nor Ctrl+C", .run = chat_flood},
    {0},
};

const struct exercise CHAT = {
    .name = "CHAT",
    .options = "",
    .checks = chat_checks,
};
