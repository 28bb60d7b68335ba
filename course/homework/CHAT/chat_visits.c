/* chat_visits.c - checks of CHAT: clients come and go. See CHAT.h. */
#include "CHAT.h"

/* More clients than one wait has places for. Those that have one leave in different ways; then the
 * last client also has a place, and receives what is sent. */
void chat_places(void)
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

/* Clients come, send something and leave again while the others talk. */
void chat_leaving(void)
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
void chat_alone(void)
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

void chat_half_lines_leak_nothing(void)
{
    expect_no_leak("--quiet", visit_with_half_lines);
}

void chat_leaks_nothing(void)
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

void chat_resets_leak_nothing(void)
{
    expect_no_leak("--quiet", visit_and_reset);
}
