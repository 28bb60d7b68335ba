/* exercise_checks.c - what the checks of several exercises share. See exercise_checks.h. */
#include "exercise_checks.h"

bool send_text(SOCKET peer, const char *text)
{
    return peer != INVALID_SOCKET && send_all(peer, (const unsigned char *)text, strlen(text));
}

bool receive_text(SOCKET peer, const char *text)
{
    return peer != INVALID_SOCKET &&
           receive_exactly(peer, (const unsigned char *)text, strlen(text));
}

bool receive_nothing(SOCKET peer, DWORD milliseconds, const char *hint, const char *reason)
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

double wait_for_end(SOCKET peer, int most)
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

long long count_to_end(SOCKET peer)
{
    enum { STALL_MS = 12000 }; /* the system may try again only after seconds */
    struct sockaddr_storage address;
    int length = sizeof address;
    char bytes[65536];
    long long count = 0;

    while (wait_for_socket(peer, READABLE, STALL_MS) != 0) {
        int n = recv(peer, bytes, sizeof bytes, 0);
        if (n == 0 && getpeername(peer, (struct sockaddr *)&address, &length) == 0)
            return count;
        if (n == 0 || (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK))
            break;
        count += n > 0 ? n : 0;
    }
    return -1;
}

void expect_no_leak(const char *options, void (*visit)(int port, int number))
{
    enum { WARM_UP = 50, COUNT = 300 };
    const int count = verified ? WARM_UP : COUNT; /* there is nothing to measure */
    struct server server;
    struct measurement before = {0};
    bool measured = true;
    if (!start_server(&server, options))
        return;
    for (int i = 1; i <= count && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure_server(&server, &before);
        visit(server.port, i);
    }
    give_time(200); /* the server may still be closing the last one */
    expect_no_growth(&server, measured ? &before : NULL, 2 * 1024 * 1024,
                     "what is closed and freed in close_client?", "after 300 clients");
    stop_server(&server);
}

/* Every third visit ends with a reset. The server has begun to wait for more by then, so it learns
 * of the reset from an operation that fails later, not from one that fails immediately. */
static void visit_echo(int port, int number)
{
    enum { LENGTH = 100, PAUSE_MS = 10 };
    if (number % 3 != 0) {
        converse(port, pattern + number, LENGTH, LENGTH);
        return;
    }
    SOCKET peer = connect_peer(port);
    if (peer == INVALID_SOCKET)
        return;
    if (exchange(peer, pattern + number, LENGTH, LENGTH))
        Sleep(PAUSE_MS);
    reset_peer(peer);
}

void echo_leaks_nothing(void)
{
    expect_no_leak("--quiet", visit_echo);
}

void receives_leak_nothing(struct server *server)
{
    enum { WARM_UP = 50, COUNT = 350, PIECE = 8192 };
    struct measurement before = {0};
    bool measured = true;
    SOCKET peer = connect_peer(server->port);
    for (int i = 0; i < COUNT && peer != INVALID_SOCKET && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure_server(server, &before);
        exchange(peer, pattern + i, PIECE, PIECE);
    }
    expect_no_growth(server, measured ? &before : NULL, 1024 * 1024,
                     "what is made for each receive, and where is it freed?", "after 350 receives");
    close_peer(peer);
}

void messages_leak_nothing(void)
{
    enum { PEERS = 50, WARM_UP = 4, ROUNDS = 40 };
    static SOCKET peers[PEERS];
    struct server server;
    struct measurement before = {0};
    bool measured = true;
    if (!start_server(&server, "--quiet"))
        return;
    connect_peers(server.port, peers, PEERS);
    for (int round = 0; round < ROUNDS && !in_trouble(); round++) {
        if (round == WARM_UP)
            measured = measure_server(&server, &before);
        for (int i = 0; i < PEERS && !in_trouble(); i++)
            send_all(peers[i], pattern + i, 10);
        for (int i = 0; i < PEERS && !in_trouble(); i++)
            receive_exactly(peers[i], pattern + i, 10);
    }
    expect_no_growth(&server, measured ? &before : NULL, 96 * 1024,
                     "what is made for each receive, send or event, and where is it freed?",
                     "after 2,000 messages");
    end_peers(peers, PEERS);
    stop_server(&server);
}

/* The clients that have been served leave: all with a reset, or in one of three ways. Returns how
 * many are left. */
static int leave(SOCKET *peers, const bool *served, int count, bool only_resets)
{
    int left = 0;

    for (int i = 0; i < count; i++) {
        if (peers[i] == INVALID_SOCKET)
            continue;
        if (!served[i]) {
            left++;
            continue;
        }
        if (only_resets || i % 3 == 0) {
            reset_peer(peers[i]);
        } else {
            if (i % 3 == 1) /* the echo is not read, so the end stays behind it */
                send(peers[i], (const char *)pattern, 1000, 0);
            closesocket(peers[i]);
        }
        peers[i] = INVALID_SOCKET;
    }
    return left;
}

void places_are_given_back(struct server *server)
{
    enum { COUNT = 150, LENGTH = 100 };
    static SOCKET peers[COUNT];
    static bool served[COUNT];
    memset(served, 0, sizeof served);
    connect_peers(server->port, peers, COUNT);
    for (int i = 0; i < COUNT && !in_trouble(); i++)
        send_all(peers[i], pattern + i, LENGTH);
    for (int left = COUNT; left > 0 && !in_trouble();) {
        int more = 0;
        for (double end = now_ms() + patience_ms; more == 0 && now_ms() < end && !in_trouble();) {
            for (int i = 0; i < COUNT && !in_trouble(); i++) {
                if (peers[i] == INVALID_SOCKET || served[i] ||
                    wait_for_socket(peers[i], READABLE, 0) == 0)
                    continue;
                receive_exactly(peers[i], pattern + i, LENGTH);
                served[i] = true;
                more++;
            }
            if (more == 0)
                Sleep(10);
        }
        if (more == 0 && !in_trouble())
            trouble(TIMED_OUT, "what makes the server accept again, however a client leaves?",
                    "%d of %d clients were served and have left, but the others are never served",
                    COUNT - left, COUNT);
        Sleep(50); /* those that were served stay for a while, so that every place is taken */
        if (!in_trouble())
            left = leave(peers, served, COUNT, left == COUNT);
    }
    end_peers(peers, COUNT);
}
