/* homework_checks.c - what the exercises promise. See homework.h and check.h. */
#include "homework.h"

#include <stdlib.h>

/* ---- what many of them use ----------------------------------------------------------------- */

static bool send_text(SOCKET peer, const char *text)
{
    return peer != INVALID_SOCKET && send_all(peer, (const unsigned char *)text, strlen(text));
}

static bool receive_text(SOCKET peer, const char *text)
{
    return peer != INVALID_SOCKET &&
           receive_exactly(peer, (const unsigned char *)text, strlen(text));
}

/* Nothing must come for so many milliseconds. */
static bool receive_nothing(SOCKET peer, DWORD milliseconds, const char *hint, const char *reason)
{
    char bytes[100], text[SHOWN_SIZE];

    if (peer == INVALID_SOCKET || wait_for_socket(peer, READABLE, milliseconds) == 0)
        return peer != INVALID_SOCKET;
    int received = recv(peer, bytes, sizeof bytes, 0);
    if (received > 0)
        trouble(FAILED, hint, "expected nothing, because %s, found \"%s\"", reason,
                show_bytes(text, bytes, (size_t)received));
    else
        trouble(FAILED, hint, "expected nothing, because %s, found the end of the connection",
                reason);
    return false;
}

/* How many milliseconds it takes until the server closes the connection; -1: longer than most. */
static double wait_for_end(SOCKET peer, int most)
{
    char bytes[4096];
    double begun = now_ms(), left;

    while ((left = begun + most - now_ms()) > 0) {
        if (wait_for_socket(peer, READABLE, (DWORD)left + 1) == 0)
            break;
        int received = recv(peer, bytes, sizeof bytes, 0);
        if (received == 0 || (received == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK))
            return now_ms() - begun;
    }
    return -1;
}

/* Many clients come and go. What one of them does must not cost anything afterwards. */
static void expect_no_leak(const char *options, void (*visit)(int port, int number))
{
    enum { WARM_UP = 50, COUNT = 300 };
    struct process server;
    struct measurement before = {0, 0, 0}, after = {0, 0, 0};
    bool measured = true;
    int port;
    if (!start_server(&server, options, &port))
        return;
    for (int i = 1; i <= COUNT && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure(&server, &before);
        visit(port, i);
    }
    Sleep(200); /* the server may still be closing the last one */
    measured = measured && measure(&server, &after);
    if (!measured)
        cannot_measure(&server);
    else if (after.handles > before.handles + 10)
        trouble(FAILED, "what is closed in close_client?",
                "expected as many handles as before, found %u after %d clients, %u after %d",
                after.handles, COUNT, before.handles, WARM_UP);
    else if (after.memory > before.memory + 2 * 1024 * 1024)
        trouble(FAILED, "what is freed in close_client?",
                "expected as much memory as before, found %llu KiB after %d clients, %llu KiB "
                "after %d",
                after.memory >> 10, COUNT, before.memory >> 10, WARM_UP);
    stop_server(&server);
}

static void visit_echo(int port, int number)
{
    converse(port, pattern + number, 100, 100);
}

static void echo_leaks_nothing(void)
{
    expect_no_leak("--quiet", visit_echo);
}

/* ---- UPPER --------------------------------------------------------------------------------- */

enum { UPPER_SIZE = 1024 * 1024 };
static unsigned char capitals[UPPER_SIZE];

/* Sends the bytes; they must come back with capitals, and then the end. */
static void expect_capitals(int port, const unsigned char *bytes, size_t length, size_t piece)
{
    SOCKET peer = connect_peer(port);
    if (peer == INVALID_SOCKET)
        return;
    for (size_t i = 0; i < length; i++) {
        bool small = bytes[i] >= 'a' && bytes[i] <= 'z';
        capitals[i] = small ? (unsigned char)(bytes[i] - 'a' + 'A') : bytes[i];
    }
    if (exchange_for(peer, bytes, capitals, length, piece)) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    closesocket(peer);
}

static void upper_letters(struct process *server, int port)
{
    (void)server;
    static const unsigned char text[] = "hello, world\r\nabcdefghijklmnopqrstuvwxyz\n";
    expect_capitals(port, text, sizeof text - 1, sizeof text);
}

static void upper_others(struct process *server, int port)
{
    (void)server;
    unsigned char bytes[256];
    size_t length = 0;
    for (int c = 0; c < 256; c++) {
        if (c < 'a' || c > 'z')
            bytes[length++] = (unsigned char)c;
    }
    expect_capitals(port, bytes, length, length);
}

static void upper_drip(struct process *server, int port)
{
    (void)server;
    expect_capitals(port, pattern, 300, 1);
}

static void upper_1_mib(struct process *server, int port)
{
    (void)server;
    expect_capitals(port, pattern, UPPER_SIZE, 100000);
}

const struct check upper_checks[] = {
    {"small letters come back as capitals", NULL, upper_letters, "--quiet"},
    {"all other bytes come back as they are", NULL, upper_others, "--quiet"},
    {"a drip of single bytes", NULL, upper_drip, "--quiet"},
    {"1 MiB of any bytes", NULL, upper_1_mib, "--quiet"},
    {NULL, NULL, NULL, NULL},
};

/* ---- IDLE and TIMER ------------------------------------------------------------------------ */

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

static void idle_from_the_start(struct process *server, int port)
{
    (void)server;
    SOCKET peer = connect_peer(port);
    if (peer != INVALID_SOCKET) {
        expect_idle_end(peer, 0);
        closesocket(peer);
    }
}

static void idle_after_a_word(struct process *server, int port)
{
    (void)server;
    SOCKET peer = connect_peer(port);
    if (peer != INVALID_SOCKET) {
        Sleep(1000);
        if (exchange(peer, pattern, 10, 10))
            expect_idle_end(peer, 0);
        closesocket(peer);
    }
}

static void idle_now_and_then(struct process *server, int port)
{
    (void)server;
    SOCKET peer = connect_peer(port);
    for (int i = 0; i < 4 && peer != INVALID_SOCKET && exchange(peer, pattern, 10, 10); i++) {
        if (!receive_nothing(peer, 1200, idle_hint, "a client that speaks each 1.2 s may stay"))
            break;
    }
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

/* Somebody is always busy, so a wait hardly ever comes to its time-out. */
static void idle_beside_busy(struct process *server, int port)
{
    (void)server;
    SOCKET busy = connect_peer(port), silent = connect_peer(port);
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
static void idle_leaks_nothing(struct process *server, int port)
{
    enum { COUNT = 40 };
    static SOCKET peers[COUNT];
    struct measurement results[2] = {{0, 0, 0}, {0, 0, 0}};
    bool measured = true;
    for (int round = 0; round < 2 && !in_trouble(); round++) {
        double begun = now_ms();
        connect_peers(port, peers, COUNT);
        for (int i = 0; i < COUNT && !in_trouble(); i++)
            expect_idle_end(peers[i], now_ms() - begun < 3000 ? now_ms() - begun : 3000);
        end_peers(peers, COUNT);
        Sleep(100);
        measured = measured && measure(server, &results[round]);
    }
    if (!measured)
        cannot_measure(server);
    else if (results[1].handles > results[0].handles + 10)
        trouble(FAILED, "what is closed in close_client?",
                "expected as many handles after the second %d silent clients as after the first, "
                "found %u and %u",
                COUNT, results[1].handles, results[0].handles);
}

static void idle_server_sleeps(struct process *server, int port)
{
    converse(port, pattern, 100, 100); /* the only client has come and gone */
    if (!in_trouble())
        expect_sleep(server, IDLE_LIMIT_MS + 500);
}

const struct check idle_checks[] = {
    {"a client that never speaks is closed after 2 s", NULL, idle_from_the_start, "--quiet"},
    {"a client that falls silent is closed after 2 s", NULL, idle_after_a_word, "--quiet"},
    {"a client that speaks now and then stays", NULL, idle_now_and_then, "--quiet"},
    {"a silent client beside a busy one is closed", NULL, idle_beside_busy, "--quiet"},
    {"40 silent clients, twice: nothing leaks", NULL, idle_leaks_nothing, "--quiet"},
    {"without clients the server sleeps", NULL, idle_server_sleeps, "--quiet"},
    {NULL, NULL, NULL, NULL},
};

/* ---- CHAT and ROOM ------------------------------------------------------------------------- */

enum { CHAT_PEERS = 3, CHAT_LINE = 4096 };

/* Starts a server and connects so many peers. The first to speak waits for the others' accept. */
static bool open_chat(struct process *server, SOCKET *peers, int count)
{
    int port;
    if (!start_server(server, "--quiet", &port))
        return false;
    connect_peers(port, peers, count);
    Sleep(200); /* so that each of them is accepted, and gets what the others say */
    return true;
}

static void close_chat(struct process *server, SOCKET *peers, int count)
{
    stop_server(server);
    end_peers(peers, count);
}

static void chat_everybody(void)
{
    struct process server;
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
    struct process server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    send_text(peers[0], "who hears me?\n");
    receive_nothing(peers[0], 300, "which client is left out?",
                    "who said a line does not get it back");
    close_chat(&server, peers, CHAT_PEERS);
}

static void chat_whole_lines(void)
{
    struct process server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    send_text(peers[0], "one ");
    receive_nothing(peers[1], 200, "where is the beginning of a line kept?",
                    "the line has not come to its end");
    send_text(peers[2], "two\n");
    receive_text(peers[1], "two\n");
    send_text(peers[0], "line\nand another\nand a ");
    receive_text(peers[1], "one line\nand another\n");
    receive_text(peers[2], "one line\nand another\n");
    receive_nothing(peers[1], 200, "where is the beginning of a line kept?",
                    "the line has not come to its end");
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

/* The next line that talker says; lines are of different lengths. */
static int babble_line(char *line, int talker, int number)
{
    return snprintf(line, BABBLE_LINE_SIZE, "%d %d %.*s\n", talker, number, 1 + number * 7 % 40,
                    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ");
}

/* Whatever one hears: each line whole, the lines of each talker in their order. */
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
            trouble(FAILED, "who may write into a client's queue while another line is in it?",
                    "expected the line \"%.*s\", found \"%.*s\"", expected_length - 1, expected,
                    (int)(length > 80 ? 80 : length - 1), line);
        line += length;
    }
}

static void chat_babble(void)
{
    static struct babbler babblers[BABBLERS];
    struct process server;
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
            trouble(TIMED_OUT, "what happens to a line that cannot be sent at once?",
                    "expected %lu bytes from the others, found %lu, and then nothing",
                    (unsigned long)(all - babblers[i].said_length),
                    (unsigned long)babblers[i].heard_length);
    }
    close_chat(&server, peers, BABBLERS);
}

/* One of them reads nothing. What it does not take must neither stop the others nor pile up. */
static void chat_lazy(void)
{
    enum { TALKER, LISTENER, LAZY, LINES = 40, LINE = 4000, ROUNDS = 52 };
    struct process server;
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
    bool measured = measure(&server, &before);
    for (int i = 0; i < ROUNDS && !in_trouble(); i++) {
        if (send_all(peers[TALKER], lines, (size_t)LINES * LINE))
            receive_exactly(peers[LISTENER], lines, (size_t)LINES * LINE);
    }
    free(lines);
    if (!in_trouble()) {
        measured = measured && measure(&server, &after);
        if (!measured)
            cannot_measure(&server);
        else if (after.memory > before.memory + 4 * 1024 * 1024)
            trouble(FAILED, "how much is kept for a client that does not read?",
                    "expected at most 4 MiB more memory, found %llu MiB",
                    (after.memory - before.memory) >> 20);
        /* Its end stands behind all that it has not read; but who is closed cannot speak. */
        send(peers[LAZY], "I am still here\n", 16, 0);
        receive_nothing(peers[LISTENER], 500, "what happens to a client whose queue is full?",
                        "a client that never reads is closed and cannot speak any more");
    }
    close_chat(&server, peers, CHAT_PEERS);
}

static void chat_long_line(void)
{
    static char line[2 * CHAT_LINE];
    struct process server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    memset(line, 'x', sizeof line);
    line[CHAT_LINE - 1] = '\n';
    line[CHAT_LINE] = '\0';
    if (send_text(peers[0], line) && receive_text(peers[1], line)) {
        line[CHAT_LINE - 1] = 'x';
        line[CHAT_LINE] = '\n';
        line[CHAT_LINE + 1] = '\0';
        if (send_text(peers[2], line) && wait_for_end(peers[2], patience_ms) < 0)
            trouble(FAILED, "what if a line does not end within 4,096 bytes?",
                    "expected that who says a line of 4,097 bytes is closed, found it connected");
    }
    if (!in_trouble() && send_text(peers[0], "still here?\n"))
        receive_text(peers[1], "still here?\n");
    close_chat(&server, peers, CHAT_PEERS);
}

/* Clients come, say something and are gone again while the others talk. */
static void chat_leaving(void)
{
    enum { OTHERS = 20 };
    struct process server;
    SOCKET peers[2];
    int port;
    if (!start_server(&server, "--quiet", &port))
        return;
    connect_peers(port, peers, 2);
    Sleep(200);
    for (int i = 0; i < OTHERS && !in_trouble(); i++) {
        SOCKET guest = connect_peer(port);
        if (guest == INVALID_SOCKET)
            break;
        send_text(guest, "half a line");
        send_text(peers[0], "talk\n");
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

static void visit_chat(int port, int number)
{
    static const char line[] = "a visit\n"; /* the same each time: one may come late, to the next */
    SOCKET peers[2];
    (void)number;
    connect_peers(port, peers, 2);
    /* What comes shows that the other one is accepted; before that a line may miss it. */
    for (int i = 0; i < 50 && !in_trouble(); i++) {
        send_text(peers[0], line);
        if (wait_for_socket(peers[1], READABLE, 20) != 0)
            break;
    }
    receive_text(peers[1], line);
    end_peers(peers, 2);
}

static void chat_leaks_nothing(void)
{
    expect_no_leak("--quiet", visit_chat);
}

static void chat_sleeps(void)
{
    struct process server;
    SOCKET peers[CHAT_PEERS];
    if (!open_chat(&server, peers, CHAT_PEERS))
        return;
    send_text(peers[0], "good night\nhalf a line");
    if (receive_text(peers[1], "good night\n"))
        expect_sleep(&server, 1500);
    close_chat(&server, peers, CHAT_PEERS);
}

/* Ctrl+C while lines are in the queues, because nobody reads. */
static void chat_stop(void)
{
    enum { COUNT = 20, LINES = 10 };
    static SOCKET peers[COUNT];
    static char line[CHAT_LINE];
    struct process server;
    if (!open_chat(&server, peers, COUNT))
        return;
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 2] = '\n';
    for (int i = 0; i < COUNT * LINES && !in_trouble(); i++)
        send(peers[i % COUNT], line, (int)sizeof line - 1, 0);
    close_chat(&server, peers, COUNT);
}

const struct check chat_checks[] = {
    {"a line goes to everybody else", chat_everybody, NULL, NULL},
    {"nobody gets back what he said", chat_not_oneself, NULL, NULL},
    {"lines are passed on whole", chat_whole_lines, NULL, NULL},
    {"four talk at the same time", chat_babble, NULL, NULL},
    {"one who does not read holds up nobody, and is closed", chat_lazy, NULL, NULL},
    {"one who says an endless line is closed", chat_long_line, NULL, NULL},
    {"some leave while others talk", chat_leaving, NULL, NULL},
    {"300 visits leak nothing", chat_leaks_nothing, NULL, NULL},
    {"silence costs no CPU", chat_sleeps, NULL, NULL},
    {"Ctrl+C while lines are on their way", chat_stop, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

/* ---- CROWD and WAITERS --------------------------------------------------------------------- */

enum { CROWD_SIZE = 200, CROWD_LEAVES = 150 };
static SOCKET crowd[CROWD_SIZE];

static void crowd_at_once(struct process *server, int port)
{
    (void)server;
    talk_all(port, crowd, CROWD_SIZE);
    end_peers(crowd, CROWD_SIZE);
}

static void crowd_changes(struct process *server, int port)
{
    (void)server;
    for (int round = 0; round < 3 && !in_trouble(); round++) {
        int first = round == 0 ? 0 : CROWD_SIZE - CROWD_LEAVES;
        talk_all(port, crowd + first, CROWD_SIZE - first);
        for (int i = 0; i < first && !in_trouble(); i++) /* those that stay */
            exchange(crowd[i], pattern + i, 1000, 1000);
        end_peers(crowd + CROWD_SIZE - CROWD_LEAVES, CROWD_LEAVES);
    }
    end_peers(crowd, CROWD_SIZE - CROWD_LEAVES);
}

static void crowd_sleeps(struct process *server, int port)
{
    talk_all(port, crowd, CROWD_SIZE);
    if (!in_trouble())
        expect_sleep(server, 1500);
    end_peers(crowd, CROWD_SIZE);
}

static void crowd_stop(void)
{
    struct process server;
    int port;
    if (!start_server(&server, "--quiet", &port))
        return;
    talk_all(port, crowd, CROWD_SIZE);
    for (int i = 0; i < CROWD_SIZE && !in_trouble(); i += 5)
        send_all(crowd[i], pattern, 20000); /* nobody reads what comes back */
    stop_server(&server);
    end_peers(crowd, CROWD_SIZE);
}

const struct check crowd_checks[] = {
    {"200 clients at once", NULL, crowd_at_once, "--quiet"},
    {"150 leave and 150 come, twice", NULL, crowd_changes, "--quiet"},
    {"200 silent clients cost no CPU", NULL, crowd_sleeps, "--quiet"},
    {"Ctrl+C with 200 clients connected", crowd_stop, NULL, NULL},
    {"300 clients leak nothing", echo_leaks_nothing, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

/* ---- GREETING ------------------------------------------------------------------------------ */

/* Connects; the greeting must come without a word. */
static SOCKET connect_and_be_greeted(int port, int number)
{
    char greeting[40];
    SOCKET peer = connect_peer(port);
    snprintf(greeting, sizeof greeting, "welcome, client %d\r\n", number);
    if (peer != INVALID_SOCKET)
        receive_text(peer, greeting);
    return peer;
}

static void greeting_first(struct process *server, int port)
{
    (void)server;
    SOCKET peers[3];
    for (int i = 0; i < 3; i++)
        peers[i] = in_trouble() ? INVALID_SOCKET : connect_and_be_greeted(port, i + 1);
    for (int i = 0; i < 3 && !in_trouble(); i++)
        receive_nothing(peers[i], 50, "how often is it sent?", "each client is greeted once");
    end_peers(peers, 3);
}

static void visit_greeted(int port, int number)
{
    SOCKET peer = connect_and_be_greeted(port, number);
    if (peer == INVALID_SOCKET)
        return;
    if (!in_trouble() && exchange(peer, pattern, 1000, 1000)) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    closesocket(peer);
}

static void greeting_then_echo(struct process *server, int port)
{
    (void)server;
    SOCKET peer = connect_and_be_greeted(port, 1);
    if (peer != INVALID_SOCKET && !in_trouble() && exchange(peer, pattern, 1024 * 1024, 100000)) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

static void greeting_after_a_word(struct process *server, int port)
{
    (void)server;
    SOCKET peer = connect_peer(port);
    if (send_text(peer, "I speak first\n")) {
        shutdown(peer, SD_SEND);
        if (receive_text(peer, "welcome, client 1\r\nI speak first\n"))
            receive_end(peer);
    }
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

static void greeting_to_nobody(struct process *server, int port)
{
    (void)server;
    for (int i = 0; i < 30 && !in_trouble(); i++) {
        SOCKET peer = connect_peer(port);
        if (peer != INVALID_SOCKET)
            reset_peer(peer);
    }
    SOCKET peer = connect_peer(port);
    if (send_text(peer, "hello\n")) {
        char words[20];
        if (receive_text(peer, "welcome, client ") &&
            wait_for_socket(peer, READABLE, (DWORD)patience_ms) != 0) {
            int received = recv(peer, words, sizeof words, MSG_PEEK);
            for (int i = 0; i < received && words[i] >= '0' && words[i] <= '9'; i++)
                receive_exactly(peer, (const unsigned char *)&words[i], 1);
            receive_text(peer, "\r\nhello\n");
        }
    }
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

static void greeting_leaks_nothing(void)
{
    expect_no_leak("--quiet", visit_greeted);
}

const struct check greeting_checks[] = {
    {"each client is greeted, with its number", NULL, greeting_first, "--quiet"},
    {"after the greeting everything is echoed", NULL, greeting_then_echo, "--quiet"},
    {"a client that speaks first is greeted all the same", NULL, greeting_after_a_word, "--quiet"},
    {"clients that go at once do no harm", NULL, greeting_to_nobody, "--quiet"},
    {"300 clients leak nothing", greeting_leaks_nothing, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

/* ---- FRAME --------------------------------------------------------------------------------- */

enum { FRAME_HEADER = 4, FRAME_MOST = 65536 };
static const char frame_hint[] = "what does a receive know about where a message begins and ends?";

/* Writes a message of so many bytes, with its length in front. Returns the length of both. */
static size_t make_frame(unsigned char *frame, size_t length)
{
    for (int i = 0; i < FRAME_HEADER; i++)
        frame[i] = (unsigned char)(length >> (8 * (FRAME_HEADER - 1 - i)));
    memcpy(frame + FRAME_HEADER, pattern + length, length);
    return FRAME_HEADER + length;
}

static void frame_whole(struct process *server, int port)
{
    (void)server;
    static unsigned char frame[FRAME_HEADER + FRAME_MOST];
    static const size_t lengths[] = {5, 0, 1, 1000, FRAME_MOST};
    SOCKET peer = connect_peer(port);
    for (int i = 0; i < 5 && peer != INVALID_SOCKET && !in_trouble(); i++) {
        size_t length = make_frame(frame, lengths[i]);
        exchange(peer, frame, length, length);
    }
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

static void frame_incomplete(struct process *server, int port)
{
    (void)server;
    unsigned char frame[FRAME_HEADER + 10];
    SOCKET peer = connect_peer(port);
    size_t length = make_frame(frame, 10);
    for (size_t i = 0; i < length && peer != INVALID_SOCKET && !in_trouble(); i++) {
        if (receive_nothing(peer, 30, frame_hint, "the message is not complete"))
            send_all(peer, frame + i, 1);
    }
    if (!in_trouble())
        receive_exactly(peer, frame, length);
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

static void frame_several(struct process *server, int port)
{
    (void)server;
    static unsigned char frames[4 * (FRAME_HEADER + 100)];
    size_t length = 0, whole;
    SOCKET peer = connect_peer(port);
    for (size_t i = 0; i < 3; i++)
        length += make_frame(frames + length, 50 + i);
    whole = length;
    length += make_frame(frames + length, 100);
    /* Three messages and a piece of the fourth in one send. */
    if (peer != INVALID_SOCKET && send_all(peer, frames, whole + 30) &&
        receive_exactly(peer, frames, whole) &&
        receive_nothing(peer, 200, frame_hint, "the fourth message is not complete") &&
        send_all(peer, frames + whole + 30, length - whole - 30))
        receive_exactly(peer, frames + whole, length - whole);
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

static void frame_many(void)
{
    enum { FRAMES = 300 };
    unsigned char *frames = malloc((size_t)FRAMES * (FRAME_HEADER + 8000));
    struct process server;
    size_t length = 0;
    int port;
    if (frames == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a check");
    for (size_t i = 0; i < FRAMES; i++)
        length += make_frame(frames + length, i * 7919 % 8000);
    if (start_server(&server, "--quiet", &port)) {
        converse(port, frames, length, 3333);
        stop_server(&server);
    }
    free(frames);
}

static void frame_too_long(struct process *server, int port)
{
    (void)server;
    static const unsigned char headers[][FRAME_HEADER] = {{0, 1, 0, 1}, {0xff, 0xff, 0xff, 0xff}};
    unsigned char frame[FRAME_HEADER + 10];
    for (int i = 0; i < 2 && !in_trouble(); i++) {
        SOCKET peer = connect_peer(port);
        if (peer != INVALID_SOCKET && send_all(peer, headers[i], FRAME_HEADER) &&
            wait_for_end(peer, patience_ms) < 0)
            trouble(FAILED, "is the length in front looked at before it is believed?",
                    "expected that a client that announces more than %d bytes is closed, found it "
                    "still connected",
                    FRAME_MOST);
        if (peer != INVALID_SOCKET)
            closesocket(peer);
    }
    if (!in_trouble())
        converse(port, frame, make_frame(frame, 10), 10); /* the others go on */
}

static void visit_framed(int port, int number)
{
    unsigned char frame[FRAME_HEADER + 500];
    converse(port, frame, make_frame(frame, (size_t)number), 300);
}

static void frame_leaks_nothing(void)
{
    expect_no_leak("--quiet", visit_framed);
}

const struct check frame_checks[] = {
    {"each message comes back whole", NULL, frame_whole, "--quiet"},
    {"a message that is not complete waits", NULL, frame_incomplete, "--quiet"},
    {"several messages in one send", NULL, frame_several, "--quiet"},
    {"300 messages in pieces of any size", frame_many, NULL, NULL},
    {"a length that is too long: the client is closed", NULL, frame_too_long, "--quiet"},
    {"300 clients leak nothing", frame_leaks_nothing, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

/* ---- FAREWELL ------------------------------------------------------------------------------ */

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

static void farewell_short(struct process *server, int port)
{
    (void)server;
    expect_farewell(port, 6);
    expect_farewell(port, 100000);
}

static void farewell_nothing(struct process *server, int port)
{
    (void)server;
    expect_farewell(port, 0);
}

static void farewell_own_count(struct process *server, int port)
{
    (void)server;
    SOCKET peers[3];
    char farewell[60];
    connect_peers(port, peers, 3);
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
static void farewell_to_nobody(struct process *server, int port)
{
    (void)server;
    for (int i = 0; i < 30 && !in_trouble(); i++) {
        SOCKET peer = connect_peer(port);
        if (peer == INVALID_SOCKET)
            break;
        send(peer, (const char *)pattern, 50000, 0);
        if (i % 2 == 0)
            shutdown(peer, SD_SEND);
        if (i % 3 == 0)
            Sleep(2);
        reset_peer(peer);
    }
    expect_farewell(port, 10);
}

static void visit_farewell(int port, int number)
{
    expect_farewell(port, (size_t)number);
}

static void farewell_leaks_nothing(void)
{
    expect_no_leak("--quiet", visit_farewell);
}

const struct check farewell_checks[] = {
    {"the echo, the farewell, the end", NULL, farewell_short, "--quiet"},
    {"a client that said nothing gets one too", NULL, farewell_nothing, "--quiet"},
    {"each client has a count of its own", NULL, farewell_own_count, "--quiet"},
    {"clients that are gone do no harm", NULL, farewell_to_nobody, "--quiet"},
    {"300 clients leak nothing", farewell_leaks_nothing, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

/* ---- DUPLEX -------------------------------------------------------------------------------- */

/* The peer does not read, so the last send stays pending. Who receives beside it has received once
 * more than sent. */
static void duplex_receives_ahead(struct process *server, int port)
{
    SOCKET peer = connect_peer(port);
    if (peer != INVALID_SOCKET) {
        size_t sent = 0;
        while (sent + 65536 <= PATTERN_SIZE && wait_for_socket(peer, WRITABLE, 500) != 0) {
            int n = send(peer, (const char *)pattern + sent, 65536, 0);
            sent += n > 0 ? (size_t)n : 0;
        }
        int received = count_text(server, " bytes received");
        int sends = count_text(server, "  WSASend  ");
        if (received == 0 || sends == 0)
            trouble(FAILED, "the words of the narration",
                    "expected lines with \"WSASend\" and \"bytes received\", found %d and %d of "
                    "them",
                    sends, received);
        else if (received <= sends)
            trouble(FAILED, "when does the next WSARecv begin?",
                    "expected that one more receive than sends is complete while the last send is "
                    "pending, found %d receives and %d sends",
                    received, sends);
        else if (received > sends + 1)
            trouble(FAILED, "what is received while the last send is pending must be kept",
                    "expected one more receive than sends, found %d receives and %d sends",
                    received, sends);
        closesocket(peer);
    }
}

const struct check duplex_checks[] = {
    {"the next receive completes beside a pending send", NULL, duplex_receives_ahead, ""},
    {"300 clients leak nothing", echo_leaks_nothing, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

/* ---- COUNT --------------------------------------------------------------------------------- */

/* The line about closesocket of this client must say so many bytes. */
static void expect_count(struct process *server, int client, unsigned long bytes)
{
    char expected[60], found[120] = "no line about it";

    snprintf(expected, sizeof expected, "closed, %lu bytes echoed", bytes);
    for (double end = now_ms() + patience_ms; now_ms() < end; Sleep(10)) {
        bool there = false;
        EnterCriticalSection(&server->output.lock);
        const char *line = server->output.bytes;
        while (line != NULL) {
            double ms;
            unsigned long thread;
            int number;
            char call[32];
            if (sscanf(line, "%lf %lu %d %31s", &ms, &thread, &number, call) == 4 &&
                number == client && strcmp(call, "closesocket") == 0) {
                snprintf(found, sizeof found, "%.*s", (int)strcspn(line, "\r\n"), line);
                there = true;
            }
            line = strchr(line, '\n');
            line = line != NULL ? line + 1 : NULL;
        }
        LeaveCriticalSection(&server->output.lock);
        if (there)
            break;
    }
    const char *place = strstr(found, expected);
    if (place == NULL || place[strlen(expected)] != '\0')
        trouble(FAILED, "who counts, and where does close_client look?",
                "client %d: expected a line that ends with \"%s\", found \"%s\"", client, expected,
                found);
}

static void count_one(struct process *server, int port)
{
    converse(port, pattern, 6, 6);
    if (!in_trouble())
        expect_count(server, 1, 6);
}

static void count_much(struct process *server, int port)
{
    converse(port, pattern, 1000000, 65536);
    if (!in_trouble())
        expect_count(server, 1, 1000000);
}

static void count_nothing(struct process *server, int port)
{
    converse(port, pattern, 0, 1);
    SOCKET peer = connect_peer(port);
    if (peer != INVALID_SOCKET)
        reset_peer(peer);
    if (!in_trouble())
        expect_count(server, 1, 0);
    if (!in_trouble())
        expect_count(server, 2, 0);
}

static void count_side_by_side(struct process *server, int port)
{
    enum { COUNT = 20, ROUNDS = 5 };
    static SOCKET peers[COUNT];
    for (int i = 0; i < COUNT; i++) { /* one after the other, so that their numbers are known */
        peers[i] = in_trouble() ? INVALID_SOCKET : connect_peer(port);
        if (!in_trouble())
            exchange(peers[i], pattern, 1, 1);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < COUNT && !in_trouble(); i++)
            send_all(peers[i], pattern, (size_t)(100 * i));
        for (int i = 0; i < COUNT && !in_trouble(); i++)
            receive_exactly(peers[i], pattern, (size_t)(100 * i));
    }
    end_peers(peers, COUNT);
    for (int i = 0; i < COUNT && !in_trouble(); i++)
        expect_count(server, i + 1, (unsigned long)(1 + ROUNDS * 100 * i));
}

const struct check count_checks[] = {
    {"the bytes of one client", NULL, count_one, ""},
    {"1,000,000 bytes of one client", NULL, count_much, ""},
    {"clients that said nothing", NULL, count_nothing, ""},
    {"20 clients, each with its own count", NULL, count_side_by_side, ""},
    {NULL, NULL, NULL, NULL},
};

/* ---- BATCH --------------------------------------------------------------------------------- */

enum { BATCH_PEERS = 100 };
static const char one_packet[] = "  GetQueuedCompletionStatus  ";
static const char packets[] = "  GetQueuedCompletionStatusEx  ";

/* Keeps the clients talking until the narration shows what is looked for. */
static void batch_takes_several(struct process *server, int port)
{
    static SOCKET peers[BATCH_PEERS];
    int most = 0;
    talk_all(port, peers, BATCH_PEERS);
    for (int round = 0; round < 10 && most < 2 && !in_trouble(); round++) {
        for (int i = 0; i < BATCH_PEERS && !in_trouble(); i++)
            send_all(peers[i], pattern, 100);
        for (int i = 0; i < BATCH_PEERS && !in_trouble(); i++)
            receive_exactly(peers[i], pattern, 100);
        EnterCriticalSection(&server->output.lock);
        const char *line = server->output.bytes;
        while ((line = strstr(line, packets)) != NULL) {
            line += strlen(packets);
            int number = atoi(line);
            most = number > most ? number : most;
        }
        LeaveCriticalSection(&server->output.lock);
    }
    int singles = count_text(server, one_packet);
    if (!in_trouble() && singles > 0)
        trouble(FAILED, "take_packet: who still calls the function without Ex?",
                "expected no narration of GetQueuedCompletionStatus, found %d lines", singles);
    else if (!in_trouble() && most < 2)
        trouble(FAILED, "how many entries may one call fill, and are they all served?",
                "expected a line such as \"GetQueuedCompletionStatusEx  5 packets\", found %s",
                count_text(server, packets) == 0 ? "none" : "never more than 1");
    end_peers(peers, BATCH_PEERS);
}

/* One call may take the stop packets of several workers. */
static void batch_stop(void)
{
    enum { TIMES = 6 };
    static SOCKET peers[BATCH_PEERS];
    struct process server;
    int port;
    for (int i = 0; i < TIMES && !in_trouble(); i++) {
        if (!start_server(&server, i == 0 ? "" : "--quiet", &port))
            return;
        talk_all(port, peers, BATCH_PEERS);
        for (int j = 0; j < BATCH_PEERS && !in_trouble(); j += 2)
            send_all(peers[j], pattern, 1000);
        if (i == 0 && count_text(&server, packets) == 0)
            trouble(FAILED, "take_packet", "expected narration of GetQueuedCompletionStatusEx");
        stop_server(&server);
        end_peers(peers, BATCH_PEERS);
    }
}

const struct check batch_checks[] = {
    {"one call takes several packets", NULL, batch_takes_several, ""},
    {"Ctrl+C ends every worker", batch_stop, NULL, NULL},
    {"300 clients leak nothing", echo_leaks_nothing, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
