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
                "expected no more handles than before, found %u after %d clients, %u after %d",
                after.handles, COUNT, before.handles, WARM_UP);
    else if (after.memory > before.memory + 2 * 1024 * 1024)
        trouble(FAILED, "what is freed in close_client?",
                "expected no more memory than before, found %llu KiB after %d clients, %llu KiB "
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

void receives_leak_nothing(struct server *server)
{
    enum { WARM_UP = 50, COUNT = 350, PIECE = 8192 };
    struct measurement before = {0, 0, 0}, after = {0, 0, 0};
    bool measured = true;
    SOCKET peer = connect_peer(server->port);
    for (int i = 0; i < COUNT && peer != INVALID_SOCKET && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure_server(server, &before);
        exchange(peer, pattern + i, PIECE, PIECE);
    }
    measured = measured && measure_server(server, &after);
    if (!measured)
        cannot_measure(server);
    else if (after.handles > before.handles + 10 || after.memory > before.memory + 1024 * 1024)
        trouble(FAILED, "what is allocated or opened for each receive, and never released?",
                "expected no more than before, found %u handles and %llu KiB after %d receives, %u "
                "and %llu KiB after %d",
                after.handles, after.memory >> 10, COUNT, before.handles, before.memory >> 10,
                WARM_UP);
    if (peer != INVALID_SOCKET)
        closesocket(peer);
}

/* The clients that have been served leave, in one of three ways. Returns how many are left. */
static int leave(SOCKET *peers, const bool *served, int count)
{
    int left = 0;

    for (int i = 0; i < count; i++) {
        if (peers[i] == INVALID_SOCKET)
            continue;
        if (!served[i]) {
            left++;
            continue;
        }
        if (i % 3 == 0) {
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
            left = leave(peers, served, COUNT);
    }
    end_peers(peers, COUNT);
}

/* Finds the numbers of its summary, which bytes of any value may precede. False: there is none. */
static bool find_summary(struct capture *output, int *clients, long long *bytes)
{
    bool found = false;

    EnterCriticalSection(&output->lock);
    for (size_t i = 0; i < output->length && !found; i++) {
        if (i == 0 || output->bytes[i - 1] == '\n')
            found = sscanf(output->bytes + i, "summary: %d clients served, %lld bytes echoed,",
                           clients, bytes) == 2;
    }
    LeaveCriticalSection(&output->lock);
    return found;
}

void expect_summary(struct server *server, int clients, long long bytes)
{
    DWORD status;
    int found_clients = 0;
    long long found_bytes = 0;

    Sleep(100); /* it may still be closing the last client */
    if (in_trouble() || !press_ctrl_c(&server->process) ||
        !wait_for_exit(&server->process, (DWORD)patience_ms, &status)) {
        stop_server(server); /* says why */
        return;
    }
    if (!find_summary(&server->process.output, &found_clients, &found_bytes))
        trouble(FAILED, "print_summary", "expected a summary at the end, found \"%.200s\"",
                server->process.output.bytes);
    else if ((clients != ANY_NUMBER && found_clients != clients) ||
             (bytes != ANY_NUMBER && found_bytes != bytes))
        trouble(FAILED, "where are clients_served and bytes_echoed counted?",
                "expected \"%d clients served, %lld bytes echoed\", found %d and %lld", clients,
                bytes, found_clients, found_bytes);
    end_program(&server->process, "after Ctrl+C");
}
