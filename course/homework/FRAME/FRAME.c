/* FRAME.c - the checks of the exercise FRAME. */
#include "../../../tests/exercise_checks.h"

#include <stdlib.h>

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

static void frame_whole(struct server *server)
{
    static unsigned char frame[FRAME_HEADER + FRAME_MOST];
    static const size_t lengths[] = {5, 0, 1, 1000, FRAME_MOST};
    SOCKET peer = connect_peer(server->port);
    for (int i = 0; i < 5 && peer != INVALID_SOCKET && !in_trouble(); i++) {
        size_t length = make_frame(frame, lengths[i]);
        exchange(peer, frame, length, length);
    }
    if (peer != INVALID_SOCKET)
        closesocket(peer);
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
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

static void frame_several(struct server *server)
{
    static unsigned char frames[4 * (FRAME_HEADER + 100)];
    size_t length = 0, whole;
    SOCKET peer = connect_peer(server->port);
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
    struct server server;
    size_t length = 0;
    if (frames == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a check");
    for (size_t i = 0; i < FRAMES; i++)
        length += make_frame(frames + length, i * 7919 % 8000);
    if (start_server(&server, "--quiet")) {
        converse(server.port, frames, length, 3333);
        stop_server(&server);
    }
    free(frames);
}

static void frame_too_long(struct server *server)
{
    static const unsigned char headers[][FRAME_HEADER] = {{0, 1, 0, 1}, {0xff, 0xff, 0xff, 0xff}};
    unsigned char frame[FRAME_HEADER + 10];
    for (int i = 0; i < 2 && !in_trouble(); i++) {
        SOCKET peer = connect_peer(server->port);
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
        converse(server->port, frame, make_frame(frame, 10), 10); /* the others go on */
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

static const struct check frame_checks[] = {
    {.name = "each message comes back whole", .talk = frame_whole, .options = "--quiet"},
    {.name = "a message that is not complete waits",
     .talk = frame_incomplete,
     .options = "--quiet"},
    {.name = "several messages in one send", .talk = frame_several, .options = "--quiet"},
    {.name = "300 messages in pieces of any size", .run = frame_many},
    {.name = "a length that is too long: the client is closed",
     .talk = frame_too_long,
     .options = "--quiet"},
    {.name = "300 clients leak nothing", .run = frame_leaks_nothing},
    {0},
};

const struct exercise FRAME = {
    .name = "FRAME",
    .options = "",
    .checks = frame_checks,
};
