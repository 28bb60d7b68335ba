/* ROOM.c - the checks of the exercise ROOM: those of CHAT, and others for several workers. */
#include "../CHAT/CHAT.h"

#include <stdlib.h>

/* ---- talkers, each in its own thread --------------------------------------------------------- */

enum { TALKERS = 8, LINES = 150, LONGEST = 1200, MOST_SAID = LINES * 130 };

struct talker {
    SOCKET peer;
    int self;
    bool hears; /* what the others send, to the last line */
    unsigned random;
    char *said;
    size_t said_length;
    size_t expected; /* bytes that the others send */
    char *heard;
    size_t heard_length;
};

static struct talker talkers[TALKERS];

/* Most lines are short, some are longer than a piece that is sent. */
static size_t write_line(char *line, int talker, int number)
{
    int stuffing = number % 50 == 49 ? LONGEST - 20 : number * 7 % 90;
    int length = snprintf(line, LONGEST, "%d %d ", talker, number);
    memset(line + length, 'a' + (talker + number) % 26, (size_t)stuffing);
    line[length + stuffing] = '\n';
    return (size_t)(length + stuffing + 1);
}

static void make_talkers(SOCKET *peers)
{
    size_t all = 0;

    for (int i = 0; i < TALKERS; i++) {
        struct talker *talker = &talkers[i];
        free(talker->said);
        free(talker->heard);
        *talker = (struct talker){.peer = peers[i], .self = i, .hears = true, .random = 77u + i};
        talker->said = malloc(MOST_SAID + LONGEST);
        talker->heard = malloc(TALKERS * (MOST_SAID + LONGEST));
        if (talker->said == NULL || talker->heard == NULL)
            fail(WSA_NOT_ENOUGH_MEMORY, "memory for a check");
        for (int line = 0; line < LINES && talker->said_length < MOST_SAID; line++)
            talker->said_length += write_line(talker->said + talker->said_length, i, line);
        all += talker->said_length;
    }
    for (int i = 0; i < TALKERS; i++)
        talkers[i].expected = all - talkers[i].said_length;
}

/* Sends everything in pieces of any length, and receives meanwhile. */
static DWORD WINAPI talk(void *parameter)
{
    struct talker *talker = parameter;
    size_t sent = 0;
    double last_change = now_ms();

    while ((sent < talker->said_length || talker->heard_length < talker->expected) &&
           now_ms() - last_change < patience_ms && !in_trouble()) {
        size_t piece = talker->said_length - sent;
        int wanted = READABLE | (piece > 0 ? WRITABLE : 0);
        int ready = wait_for_socket(talker->peer, wanted, 100);
        if (ready & WRITABLE) {
            talker->random = talker->random * 1664525u + 1013904223u;
            size_t most = 1 + (talker->random >> 16) % 700;
            int n = send(talker->peer, talker->said + sent, (int)(piece < most ? piece : most), 0);
            sent += n > 0 ? (size_t)n : 0;
            last_change = n > 0 ? now_ms() : last_change;
        }
        if (ready & READABLE) {
            int n = recv(talker->peer, talker->heard + talker->heard_length,
                         (int)(talker->expected - talker->heard_length + 1), 0);
            if (n == 0 || (n < 0 && WSAGetLastError() != WSAEWOULDBLOCK))
                break;
            talker->heard_length += n > 0 ? (size_t)n : 0;
            last_change = n > 0 ? now_ms() : last_change;
        }
    }
    return 0;
}

/* Each line whole, and the lines of each talker in their order. */
static void check_heard(const struct talker *talker)
{
    int next[TALKERS] = {0};
    const char *line = talker->heard, *end = talker->heard + talker->heard_length;

    while (line < end && !in_trouble()) {
        static char expected[LONGEST + 1];
        char expected_text[SHOWN_SIZE], text[SHOWN_SIZE];
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((line_end == NULL ? end : line_end + 1) - line);
        int other = *line - '0';
        if (other < 0 || other >= TALKERS || other == talker->self)
            other = (talker->self + 1) % TALKERS;
        size_t expected_length = write_line(expected, other, next[other]++);
        if (length != expected_length || memcmp(line, expected, length) != 0)
            trouble(
                FAILED,
                "which thread may write into a client's queue, or begin a send, at this moment?",
                "expected line %d of talker %d, \"%s...\" of %lu bytes, found \"%s...\" of %lu",
                next[other], other, show_bytes(expected_text, expected, expected_length),
                (unsigned long)expected_length, show_bytes(text, line, length),
                (unsigned long)length);
        line += length;
    }
    if (!in_trouble() && talker->heard_length != talker->expected)
        trouble(
            TIMED_OUT,
            "which thread sends the rest when a send completes, or when another one was pending?",
            "expected %lu bytes from %d others, found %lu and then nothing",
            (unsigned long)talker->expected, TALKERS - 1, (unsigned long)talker->heard_length);
}

static bool start_room(struct server *server, SOCKET *peers, int count)
{
    if (!start_server(server, "--quiet"))
        return false;
    connect_peers(server->port, peers, count);
    gather_chat(peers, count);
    return true;
}

static void start_talkers(HANDLE *threads)
{
    for (int i = 0; i < TALKERS; i++) {
        threads[i] = CreateThread(NULL, 0, talk, &talkers[i], 0, NULL);
        if (threads[i] == NULL)
            fail((int)GetLastError(), "CreateThread");
    }
}

static void wait_for_talkers(HANDLE *threads)
{
    for (int i = 0; i < TALKERS; i++) {
        WaitForSingleObject(threads[i], INFINITE); /* each of its waits is bounded */
        CloseHandle(threads[i]);
    }
}

/* ---- the checks ------------------------------------------------------------------------------ */

static void room_talk_with(const char *options)
{
    const char *exercise_options = server_options;
    struct server server;
    SOCKET peers[TALKERS];
    HANDLE threads[TALKERS];
    server_options = options;
    bool started = start_room(&server, peers, TALKERS);
    server_options = exercise_options;
    if (!started)
        return;
    if (!in_trouble()) {
        make_talkers(peers);
        start_talkers(threads);
        wait_for_talkers(threads);
        for (int i = 0; i < TALKERS && !in_trouble(); i++)
            check_heard(&talkers[i]);
    }
    stop_server(&server);
    end_peers(peers, TALKERS);
}

static void room_talk(void)
{
    for (int i = 0; i < 2 && !in_trouble(); i++)
        room_talk_with("--threads 8");
    if (!in_trouble())
        room_talk_with("--threads 1");
}

/* Guests come, receive some of it, and leave again: with a reset, in order, with half a line, with
 * a line that is too long. Workers are sending to them meanwhile. */
static void room_guests(void)
{
    enum { GUESTS = 60, AT_ONCE = 6 };
    static char too_long[5000];
    struct server server;
    SOCKET peers[TALKERS], guests[AT_ONCE];
    HANDLE threads[TALKERS];
    memset(too_long, 'x', sizeof too_long);
    for (int i = 0; i < AT_ONCE; i++)
        guests[i] = INVALID_SOCKET;
    if (!start_room(&server, peers, TALKERS))
        return;
    if (!in_trouble()) {
        make_talkers(peers);
        start_talkers(threads);
        for (int i = 0; i < GUESTS && !in_trouble(); i++) {
            SOCKET *guest = &guests[i % AT_ONCE];
            if (*guest != INVALID_SOCKET) {
                if (i % 4 == 0)
                    send(*guest, too_long, sizeof too_long, 0);
                else if (i % 4 == 1)
                    send(*guest, "half a line", 11, 0);
                if (i % 2 == 0)
                    reset_peer(*guest);
                else
                    closesocket(*guest);
            }
            *guest = connect_peer(server.port);
        }
        wait_for_talkers(threads);
        end_peers(guests, AT_ONCE);
        for (int i = 0; i < TALKERS && !in_trouble(); i++)
            check_heard(&talkers[i]);
    }
    stop_server(&server);
    end_peers(peers, TALKERS);
}

/* Four clients paste a file of empty lines at the same moment. */
static void room_pastes(void)
{
    enum { PASTERS = 4, LISTENERS = 10, COUNT = PASTERS + LISTENERS, LENGTH = 61440 };
    /* What the statement allows for each of them. */
    const double most_ms = at_this_pace(PASTERS * 2000.0);
    static unsigned char lines[PASTERS * LENGTH];
    struct server server;
    SOCKET peers[COUNT];
    size_t sent[PASTERS] = {0};
    size_t heard[COUNT] = {0};
    int done = 0;
    memset(lines, '\n', sizeof lines);
    if (!start_room(&server, peers, COUNT))
        return;
    double begun = now_ms();
    while (done < COUNT && now_ms() - begun < most_ms && !in_trouble()) {
        done = 0;
        for (int i = 0; i < COUNT && !in_trouble(); i++) {
            char bytes[16384];
            if (i < PASTERS && sent[i] < LENGTH) {
                int n = send(peers[i], (const char *)lines, (int)(LENGTH - sent[i]), 0);
                sent[i] += n > 0 ? (size_t)n : 0;
            }
            int n = recv(peers[i], bytes, sizeof bytes, 0);
            heard[i] += n > 0 ? (size_t)n : 0;
            if (n == 0 || (n < 0 && WSAGetLastError() != WSAEWOULDBLOCK))
                trouble(FAILED, "why does the server disconnect a client that reads what it gets?",
                        "expected empty lines, found the end of the connection after %lu bytes",
                        (unsigned long)heard[i]);
            done += heard[i] == (size_t)(i < PASTERS ? PASTERS - 1 : PASTERS) * LENGTH;
        }
    }
    if (done < COUNT && !in_trouble())
        trouble(TIMED_OUT,
                "is there one send for each line? Pass on all whole lines of a receive together",
                "expected %d times %d empty lines to reach %d clients within %.0f s, found %lu "
                "lines at client %d",
                PASTERS, LENGTH, COUNT, most_ms / 1000, (unsigned long)heard[COUNT - 1], COUNT);
    stop_server(&server); /* it must also end in time in the middle of this */
    end_peers(peers, COUNT);
}

/* Several workers fill the queue of a client that does not read: nothing is written beyond its end,
 * the others receive everything, and that client is disconnected. */
static void room_lazy(void)
{
    enum { LAZY = 2, SAYS = 4, LENGTH = 40000, MOST_ROUNDS = 150 };
    static unsigned char lines[SAYS][LENGTH];
    static char heard[SAYS * LENGTH];
    const int little = 4096;
    struct server server;
    SOCKET peers[SAYS + LAZY];
    bool closed = false;
    if (!start_room(&server, peers, SAYS + LAZY))
        return;
    for (int i = 0; i < SAYS; i++) {
        memset(lines[i], 'a' + i, LENGTH);
        for (int j = 1; j <= LENGTH / 4000; j++)
            lines[i][4000 * j - 1] = '\n';
    }
    for (int i = 0; i < LAZY && !in_trouble(); i++)
        setsockopt(peers[SAYS + i], SOL_SOCKET, SO_RCVBUF, (const char *)&little, sizeof little);
    for (int round = 0; round < MOST_ROUNDS && !closed && !in_trouble(); round++) {
        for (int i = 0; i < SAYS && !in_trouble(); i++)
            send_all(peers[i], lines[i], LENGTH);
        for (int i = 0; i < SAYS && !in_trouble(); i++) {
            size_t length = 0;
            while (length < (SAYS - 1) * LENGTH && !in_trouble()) {
                if (wait_for_socket(peers[i], READABLE, (DWORD)patience_ms) == 0) {
                    trouble(TIMED_OUT, "what happens to the other clients when one does not read?",
                            "expected %d bytes from 3 others, found %lu and then nothing",
                            (SAYS - 1) * LENGTH, (unsigned long)length);
                    break;
                }
                int n = recv(peers[i], heard, sizeof heard, 0);
                if (n == 0)
                    trouble(FAILED,
                            "why does the server disconnect a client that reads what it gets?",
                            "expected more lines, found the end of the connection");
                length += n > 0 ? (size_t)n : 0;
            }
        }
        /* A client that the server has disconnected cannot go on sending for long. */
        closed = round % 8 == 7;
        for (int i = 0; i < LAZY && closed; i++)
            closed = send(peers[SAYS + i], "x", 1, 0) == SOCKET_ERROR &&
                     WSAGetLastError() != WSAEWOULDBLOCK;
    }
    if (!closed && !in_trouble())
        trouble(FAILED, "when is a queue full, and what happens then?",
                "expected a client that has not read %d MiB to be disconnected, found it still "
                "connected",
                MOST_ROUNDS * SAYS * LENGTH >> 20);
    stop_server(&server);
    end_peers(peers, SAYS + LAZY);
}

/* Ctrl+C while several workers send, and again at another moment. */
static void room_stop(void)
{
    enum { TIMES = 3 };
    struct server server;
    SOCKET peers[TALKERS];
    HANDLE threads[TALKERS];
    for (int i = 0; i < TIMES && !in_trouble(); i++) {
        if (!start_room(&server, peers, TALKERS))
            return;
        if (in_trouble()) {
            stop_server(&server);
        } else {
            make_talkers(peers);
            start_talkers(threads);
            Sleep(20 + 40 * (DWORD)i);
            stop_server(&server);
            wait_for_talkers(threads);
        }
        end_peers(peers, TALKERS);
    }
}

/* What is kept for a line, or for a client that the line goes to, must not stay. */
static void room_lines_leak_nothing(void)
{
    enum { PEERS = 6, WARM_UP = 10, ROUNDS = 70, AT_ONCE = 20, LENGTH = 14 };
    struct measurement before = {0}, after = {0};
    static char heard[65536], lines[AT_ONCE * LENGTH + 1];
    struct server server;
    SOCKET peers[PEERS];
    bool measured = true;
    for (int i = 0; i < AT_ONCE; i++)
        memcpy(lines + LENGTH * i, "12345 and six\n", LENGTH);
    if (!start_room(&server, peers, PEERS))
        return;
    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        if (round == WARM_UP)
            measured = measure_server(&server, &before);
        for (int i = 0; i < PEERS && !in_trouble(); i++)
            send_text(peers[i], lines);
        for (int i = 0; i < PEERS && !in_trouble(); i++) {
            for (int length = 0; length < (PEERS - 1) * AT_ONCE * LENGTH && !in_trouble();) {
                if (wait_for_socket(peers[i], READABLE, (DWORD)patience_ms) == 0)
                    trouble(TIMED_OUT, "which thread sends what is in the queue?",
                            "expected all lines of %d others, found nothing more", PEERS - 1);
                int n = recv(peers[i], heard, sizeof heard, 0);
                length += n > 0 ? n : 0;
            }
        }
    }
    measured = measured && measure_server(&server, &after);
    if (!measured)
        cannot_measure(&server);
    else if (after.memory > before.memory + 96 * 1024 || after.handles > before.handles + 10)
        trouble(FAILED, "what is allocated or opened for each line, and where is it given back?",
                "expected as much memory and as many handles as before, found %llu KiB and %u "
                "handles after %d lines, %llu KiB and %u handles after %d",
                after.memory >> 10, after.handles, PEERS * AT_ONCE * ROUNDS, before.memory >> 10,
                before.handles, PEERS * AT_ONCE * WARM_UP);
    stop_server(&server);
    end_peers(peers, PEERS);
}

static void room_sleeps(struct server *server)
{
    expect_sleep(server, 1000);
}

static const struct check room_checks[] = {
    {.name = "eight talk at the same time, to 8 workers and to 1", .run = room_talk},
    {.name = "guests come and go while eight talk", .run = room_guests},
    {.name = "four paste 61,440 empty lines each at the same moment", .run = room_pastes},
    {.name = "four fill the queues of two that do not read", .run = room_lazy},
    {.name = "8,400 lines leak nothing", .run = room_lines_leak_nothing},
    {.name = "an empty room costs no CPU", .talk = room_sleeps, .options = "--quiet"},
    {.name = "Ctrl+C while eight talk", .run = room_stop},
    {0},
};

const struct exercise ROOM = {
    .name = "ROOM",
    .options = "--threads 4",
    .checks = chat_checks,
    .more = room_checks,
};
