/* FRAME.c - the checks of the exercise FRAME. */
#include "../../../tests/service_checks.h"

#include <stdlib.h>

enum { FRAME_HEADER = 4, FRAME_MOST = 65536, FRAME_UNIT = 1000 };
static const char frame_hint[] =
    "how does the server find where a message ends, whatever a receive brings?";

/* Writes a message of that many bytes, with its length in front. Returns the length of both. */
static size_t make_frame(unsigned char *frame, size_t length)
{
    for (int i = 0; i < FRAME_HEADER; i++)
        frame[i] = (unsigned char)(length >> (8 * (FRAME_HEADER - 1 - i)));
    memcpy(frame + FRAME_HEADER, pattern + length, length);
    return FRAME_HEADER + length;
}

/* Messages of FRAME_UNIT bytes with their lengths, one after the other. */
static const unsigned char *frame_stream(void)
{
    static unsigned char stream[SERVICE_SIZE + FRAME_UNIT];
    if (stream[2] == 0) {
        for (size_t i = 0; i < SERVICE_SIZE; i += FRAME_UNIT)
            make_frame(stream + i, FRAME_UNIT - FRAME_HEADER);
    }
    return stream;
}

static const struct service frame_service = {.bytes = frame_stream, .unit = FRAME_UNIT};

/* A server that misreads the length of this short message ends the connection, or waits. */
static void frame_first(SOCKET peer, const unsigned char *frame, size_t length)
{
    static const char hint[] = "which of the 4 bytes of the length is the most significant?";
    char byte;
    if (!send_all(peer, frame, length))
        return;
    if (wait_for_socket(peer, READABLE, (DWORD)patience_ms) == 0)
        trouble(TIMED_OUT, hint,
                "expected the first message, %lu bytes with its length, to come back, found "
                "nothing for %d s",
                (unsigned long)length, patience_ms / 1000);
    else if (recv(peer, &byte, 1, MSG_PEEK) <= 0)
        trouble(FAILED, hint,
                "expected the first message, %lu bytes with its length, to come back, found the "
                "end of the connection",
                (unsigned long)length);
    else
        receive_exactly(peer, frame, length);
}

static void frame_whole(struct server *server)
{
    static unsigned char frame[FRAME_HEADER + FRAME_MOST];
    static const size_t lengths[] = {5, 0, 1, 1000, FRAME_MOST, 0, 0, FRAME_MOST - 1, 3};
    SOCKET peer = connect_peer(server->port);
    if (peer != INVALID_SOCKET)
        frame_first(peer, frame, make_frame(frame, 7));
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0] && peer != INVALID_SOCKET; i++) {
        size_t length = make_frame(frame, lengths[i]);
        if (in_trouble() || !exchange(peer, frame, length, length))
            break;
    }
    close_peer(peer);
}

static void frame_incomplete(struct server *server)
{
    unsigned char frame[FRAME_HEADER + 10];
    SOCKET peer = connect_peer(server->port);
    size_t length = make_frame(frame, 10);
    for (size_t i = 0; i < length && peer != INVALID_SOCKET && !in_trouble(); i++) {
        if (receive_nothing(peer, 30, frame_hint, "the message is not complete"))
            send_all(peer, frame + i, 1);
    }
    if (!in_trouble())
        receive_exactly(peer, frame, length);
    close_peer(peer);
}

/* Sends some whole messages and a piece of the next one together; the next one waits for its
 * rest. A long message before that has left bytes in the server's buffer: not a length. */
static void frame_several(struct server *server)
{
    enum { LONG = 2000 };
    static const size_t pieces[] = {1, 2, 3, 4, 30, 103};
    static unsigned char frames[6 * (FRAME_HEADER + 100)], before[FRAME_HEADER + LONG];
    SOCKET peer = connect_peer(server->port);
    make_frame(before, LONG);
    memset(before + FRAME_HEADER, 0xff, LONG);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0] && peer != INVALID_SOCKET; i++) {
        size_t length = 0, whole, piece = pieces[i];
        for (size_t j = 0; j < 5; j++)
            length += make_frame(frames + length, j == 3 ? 0 : 50 + j + i);
        whole = length;
        length += make_frame(frames + length, 100);
        if (!exchange(peer, before, sizeof before, sizeof before) ||
            !send_all(peer, frames, whole + piece) || !receive_exactly(peer, frames, whole) ||
            !receive_nothing(peer, 100, frame_hint, "the sixth message is not complete") ||
            !send_all(peer, frames + whole + piece, length - whole - piece) ||
            !receive_exactly(peer, frames + whole, length - whole))
            break;
    }
    close_peer(peer);
}

/* Messages of every length, then the longest ones, each at another place of the server's buffer,
 * then many short ones, so that the buffer is also full in the middle of a length. That takes
 * large pieces; a server may send each message alone, so that there are fewer in small ones. */
static void frame_many(void)
{
    enum { FRAMES = 300, LONGEST = 12, SHORT = 150000, SHORT_LENGTHS = 13, SLOWER = 3 };
    unsigned char *frames = malloc((size_t)FRAMES * (FRAME_HEADER + 8000) +
                                   (size_t)SHORT * (FRAME_HEADER + SHORT_LENGTHS) +
                                   (size_t)LONGEST * (2 * FRAME_HEADER + FRAME_MOST + 20));
    struct server server;
    size_t length = 0, fewer = 0;
    if (frames == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a check");
    for (size_t i = 0; i < FRAMES; i++)
        length += make_frame(frames + length, i * 7919 % 8000);
    for (size_t i = 0; i < LONGEST; i++) {
        length += make_frame(frames + length, i);
        length += make_frame(frames + length, FRAME_MOST);
    }
    for (size_t i = 0; i < (size_t)SHORT / (verified ? 10 : 1); i++) {
        length += make_frame(frames + length, i * 7 % SHORT_LENGTHS);
        if (i < SHORT / 10)
            fewer = length;
    }
    most_check_ms *= SLOWER; /* a right server may call WSARecv for each length and each message */
    if (start_server(&server, "--quiet")) {
        converse(server.port, frames, fewer, 3333);
        converse(server.port, frames, length, 250000);
        stop_and_count(&server, 2, (long long)(fewer + length));
    }
    most_check_ms /= SLOWER;
    free(frames);
}

/* The longest message, behind others that end near the place where a server's buffer may end. */
static void frame_longest_behind(struct server *server)
{
    enum { LONGEST = FRAME_HEADER + FRAME_MOST, EACH = 9, FRAMES = 4 };
    static const size_t ends[] = {FRAME_MOST, LONGEST, 2 * FRAME_MOST, 2 * LONGEST};
    static unsigned char frames[FRAMES * LONGEST];
    for (size_t i = 0; i < EACH * sizeof ends / sizeof ends[0] && !in_trouble(); i++) {
        size_t length = 0, before = ends[i / EACH] - i % EACH;
        SOCKET peer = connect_peer(server->port);
        if (before > LONGEST)
            length = make_frame(frames, FRAME_MOST);
        length += make_frame(frames + length, before - length - FRAME_HEADER);
        length += make_frame(frames + length, FRAME_MOST);
        length += make_frame(frames + length, 5);
        if (peer != INVALID_SOCKET && exchange(peer, frames, length, length)) {
            shutdown(peer, SD_SEND);
            receive_end(peer);
        }
        close_peer(peer);
    }
}

/* The shutdown comes after whole messages and a piece of the next one, which is dropped. */
static void frame_dropped(struct server *server)
{
    static const size_t pieces[] = {0, 1, 2, 3, 4, 5, 30, 103};
    unsigned char frames[3 * (FRAME_HEADER + 100)];
    size_t whole = make_frame(frames, 50);
    whole += make_frame(frames + whole, 60);
    make_frame(frames + whole, 100);
    for (size_t i = 0; i < 2 * sizeof pieces / sizeof pieces[0] && !in_trouble(); i++) {
        size_t piece = pieces[i / 2], first = i % 2 == 0 ? whole : 0; /* or only the piece */
        SOCKET peer = connect_peer(server->port);
        if (peer == INVALID_SOCKET)
            break;
        if (send_all(peer, frames + whole - first, first + piece)) {
            if (i % 4 < 2)
                Sleep(20); /* the end arrives separately, or with the bytes */
            shutdown(peer, SD_SEND);
            if (receive_exactly(peer, frames, first) &&
                wait_for_socket(peer, READABLE, (DWORD)patience_ms) == 0)
                trouble(TIMED_OUT,
                        "what happens to the bytes that are left at the end of the stream?",
                        "expected the end of the connection when a client has shut down after %lu "
                        "whole messages and %lu bytes of the next one, found nothing",
                        first == 0 ? 0ul : 2ul, (unsigned long)piece);
            else if (!in_trouble())
                receive_end(peer);
        }
        closesocket(peer);
    }
}

static void frame_too_long(struct server *server)
{
    enum { TIMES = 84 };
    static const unsigned char headers[][FRAME_HEADER] = {
        {0, 1, 0, 1},          {0xff, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0xfc},
        {0x7f, 0xff, 0xff, 0}, {0x80, 0, 0, 0},          {1, 0, 0, 5},
    };
    enum { HEADERS = sizeof headers / sizeof headers[0] };
    for (int i = 0; i < TIMES && !in_trouble(); i++) {
        const unsigned char *header = headers[i % HEADERS];
        SOCKET peer = connect_peer(server->port);
        bool sent = peer != INVALID_SOCKET && send_all(peer, header, i % 12 < 6 ? 4 : 2);
        if (sent && i % 12 >= 6) {
            Sleep(2);
            sent = send_all(peer, header + 2, 2);
        }
        if (sent && wait_for_end(peer, patience_ms) < 0)
            trouble(FAILED, "is the length in front checked before it is used?",
                    "expected a client that announces %lu bytes, more than %d, to be disconnected, "
                    "found it still connected (client %d)",
                    (unsigned long)header[0] << 24 | (unsigned long)header[1] << 16 |
                        (unsigned long)header[2] << 8 | header[3],
                    FRAME_MOST, i + 1);
        if (peer != INVALID_SOCKET)
            closesocket(peer);
    }
    if (!in_trouble()) /* the others go on */
        service_visit(server->port, &frame_service, 5000, 5000);
}

/* The bad length comes behind whole messages, in the same send, so that one receive brings all of
 * them; or its second half comes alone. The echoes of the whole messages may be lost. */
static void frame_too_long_behind(struct server *server)
{
    static const unsigned char header[FRAME_HEADER] = {0, 1, 0, 1};
    enum { TIMES = 8 };
    for (int i = 0; i < TIMES && !in_trouble(); i++) {
        unsigned char bytes[3 * (FRAME_HEADER + 100) + FRAME_HEADER];
        size_t whole = 0, first = i < TIMES / 2 ? FRAME_HEADER : FRAME_HEADER / 2;
        int messages = i % 4 < 3 ? i % 4 + 1 : 1;
        for (int j = 0; j < messages; j++)
            whole += make_frame(bytes + whole, i % 4 < 3 ? 50 + (size_t)j : 0); /* also empty */
        memcpy(bytes + whole, header, FRAME_HEADER);
        SOCKET peer = connect_peer(server->port);
        bool sent = peer != INVALID_SOCKET && send_all(peer, bytes, whole + first);
        if (sent && first < FRAME_HEADER) {
            Sleep(20);
            sent = send_all(peer, bytes + whole + first, FRAME_HEADER - first);
        }
        if (sent && wait_for_end(peer, patience_ms) < 0)
            trouble(FAILED, "which lengths are checked when one receive brings several messages?",
                    "expected a client that announces %d bytes behind %d whole message%s to be "
                    "disconnected, found it still connected",
                    FRAME_MOST + 1, messages, messages > 1 ? "s" : "");
        close_peer(peer);
    }
}

/* It does not close its side: the server has disconnected it, and its place is free. */
static bool announce_too_much(SOCKET *peer, const struct service *service)
{
    static const unsigned char header[FRAME_HEADER] = {0xff, 0xff, 0xff, 0xff};
    (void)service;
    if (send_all(*peer, header, FRAME_HEADER) && wait_for_end(*peer, patience_ms) < 0)
        trouble(FAILED, "is the length in front checked before it is used?",
                "expected a client that announces too much to be disconnected, found it still "
                "connected");
    return !in_trouble();
}

/* Clients wait for the places of those that announce too much. */
static void frame_too_long_full(struct server *server)
{
    static const struct leaving leavings[] = {
        {"announced too much, and was disconnected", announce_too_much}, {0}};
    service_full(server, &frame_service, leavings, PLACES);
}

static void frame_load(void)
{
    service_load(&frame_service);
}

static void frame_late(struct server *server)
{
    service_reads_late(server, &frame_service);
}

static void frame_later(struct server *server)
{
    service_reads_later(server, &frame_service);
}

static void frame_resets(struct server *server)
{
    service_resets(server, &frame_service);
}

static void frame_lazy_resets(struct server *server)
{
    service_lazy_resets(server, &frame_service);
}

static void frame_fair(struct server *server)
{
    service_is_fair(server, &frame_service);
}

static void frame_places(struct server *server)
{
    service_places(server, &frame_service);
    if (!in_trouble())
        service_full(server, &frame_service, NULL, PLACES);
}

static void frame_sleeps(struct server *server)
{
    service_sleeps(server, &frame_service);
}

static void frame_leaks_nothing(void)
{
    service_leaks_nothing(&frame_service);
}

/* In order, or with a reset; the server has received the length, and a part of the message. */
static void leave_in_a_message(int port, int number)
{
    static const unsigned char header[FRAME_HEADER] = {0, 1, 0, 0}; /* FRAME_MOST bytes */
    SOCKET peer = connect_peer(port);
    if (peer == INVALID_SOCKET)
        return;
    if (!send_all(peer, header, FRAME_HEADER) || !send_all(peer, pattern, 1000)) {
        closesocket(peer);
    } else if (number % 3 == 0) {
        Sleep(3);
        reset_peer(peer);
    } else {
        shutdown(peer, SD_SEND);
        receive_end(peer);
        closesocket(peer);
    }
}

static void frame_middles_leak_nothing(void)
{
    expect_no_leak("--quiet", leave_in_a_message);
}

static void frame_stops(void)
{
    service_stops(&frame_service);
}

static void frame_counts_sent(void)
{
    service_counts_sent(&frame_service);
}

static void frame_any_order(void)
{
    service_any_order(&frame_service);
}

static void frame_idle_costs_nothing(void)
{
    service_idle_costs_nothing(&frame_service);
}

static void frame_no_socket_left(void)
{
    service_no_socket_left(&frame_service);
}

static const struct check frame_checks[] = {
    {.name = "each message comes back whole", .talk = frame_whole, .options = "--quiet"},
    {.name = "a message that is not complete waits",
     .talk = frame_incomplete,
     .options = "--quiet"},
    {.name = "several messages in one send", .talk = frame_several, .options = "--quiet"},
    {.name = "messages of any length in pieces of any size", .run = frame_many},
    {.name = "the longest message behind others that end anywhere",
     .talk = frame_longest_behind,
     .options = "--quiet"},
    {.name = "shut down in the middle of a message: it is dropped",
     .talk = frame_dropped,
     .options = "--quiet"},
    {.name = "a length that is too long: the client is disconnected",
     .talk = frame_too_long,
     .options = "--quiet"},
    {.name = "a length that is too long behind whole messages: the client is disconnected",
     .talk = frame_too_long_behind,
     .options = "--quiet"},
    {.name = "a length that is too long while the server is full: a client that waits is served",
     .talk = frame_too_long_full,
     .options = "--quiet"},
    {.name = "8 clients at the same time; the summary counts what came back", .run = frame_load},
    {.name = "a client that reads late gets everything, and costs little until then",
     .talk = frame_late,
     .options = "--quiet"},
    {.name = "6 clients that read only after their shutdown get everything",
     .talk = frame_later,
     .options = "--quiet"},
    {.name = "60 resets, and the next client is served",
     .talk = frame_resets,
     .options = "--quiet"},
    {.name = "12 resets of clients that do not read leak nothing",
     .talk = frame_lazy_resets,
     .options = "--quiet"},
    {.name = "busy clients do not starve a quiet one", .talk = frame_fair, .options = "--quiet"},
    {.name = "places are given back", .talk = frame_places, .options = "--quiet"},
    {.name = "the server sleeps, with clients and without",
     .talk = frame_sleeps,
     .options = "--quiet"},
    {.name = "clients that have shut down and do not read cost no CPU",
     .run = frame_idle_costs_nothing},
    {.name = "600 clients and 1,500 messages leak nothing", .run = frame_leaks_nothing},
    {.name = "300 clients that leave in the middle of a message leak nothing",
     .run = frame_middles_leak_nothing},
    {.name = "no socket left: a client waits, and is served when another one has left",
     .run = frame_no_socket_left},
    {.name = "Ctrl+C with clients of each kind", .run = frame_stops},
    {.name = "Ctrl+C: the summary counts what was sent, and nothing more",
     .run = frame_counts_sent},
    {.name = "24 clients do anything in any order", .run = frame_any_order},
    {0},
};

const struct exercise FRAME = {
    .name = "FRAME",
    .options = "",
    .checks = frame_checks,
    .reused = {"wrong arguments"},
};
