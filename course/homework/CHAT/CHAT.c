/* CHAT.c - the checks of the exercise CHAT, and of ROOM: their table, and those of lines. */
#include "CHAT.h"

#include <stdlib.h>

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

bool open_full_chat(struct server *server, SOCKET *peers, int count)
{
    if (!start_server(server, "--quiet"))
        return false;
    connect_peers(server->port, peers, count);
    give_time(200); /* so that they are accepted */
    return true;
}

bool open_chat(struct server *server, SOCKET *peers, int count)
{
    if (!start_server(server, "--quiet"))
        return false;
    connect_peers(server->port, peers, count);
    gather_chat(peers, count);
    return true;
}

void close_chat(struct server *server, SOCKET *peers, int count)
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
    enum { TALKER, FIRST, COUNT = 11, LENGTH = 61440 };
    static unsigned char lines[LENGTH];
    struct server server;
    SOCKET peers[COUNT];
    if (!open_chat(&server, peers, COUNT))
        return;
    memset(lines, '\n', sizeof lines);
    const double most_ms = at_this_pace(2000);
    double begun = now_ms();
    if (!in_trouble() && send_all(peers[TALKER], lines, LENGTH)) {
        for (int i = FIRST; i < COUNT && !in_trouble(); i++) {
            size_t received = 0;
            while (received < LENGTH && now_ms() - begun < most_ms && !in_trouble()) {
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
                        LENGTH, COUNT - 1, most_ms / 1000, (unsigned long)received, i);
        }
    }
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
    {.name = "lines in the queues of clients that have shut down cost no CPU",
     .run = chat_shut_queues_sleep},
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
