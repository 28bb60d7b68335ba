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

void expect_no_leak(const char *options, void (*visit)(int port, int number))
{
    enum { WARM_UP = 50, COUNT = 300 };
    const int count = verified ? WARM_UP : COUNT; /* there is nothing to measure */
    struct server server;
    struct measurement before = {0, 0, 0}, after = {0, 0, 0};
    bool measured = true;
    if (!start_server(&server, options))
        return;
    for (int i = 1; i <= count && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure_server(&server, &before);
        visit(server.port, i);
    }
    Sleep(200); /* the server may still be closing the last one */
    measured = measured && measure_server(&server, &after);
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

void echo_leaks_nothing(void)
{
    expect_no_leak("--quiet", visit_echo);
}
