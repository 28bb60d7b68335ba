/* server_checks.c - what every server promises. See server_checks.h. */
#include "server_checks.h"
#include "service_checks.h"
#include "peers.h"

int storm_seconds = DEFAULT_STORM_SECONDS;

/* ---- what comes back ----------------------------------------------------------------------- */

static void echo_one_byte(struct server *server)
{
    converse(server->port, (const unsigned char *)"x", 1, 1);
    converse(server->port, (const unsigned char *)"\0", 1, 1);
}

static void echo_text(struct server *server)
{
    static const unsigned char text[] = "Hello\r\nworld\n\n\xea\xb0\x80 without a last line end";
    converse(server->port, text, sizeof text - 1, sizeof text);
    char found[OUTPUT_SIZE];
    if (!in_trouble() && !wait_for_text(&server->process.output, "closesocket", patience_ms))
        trouble(FAILED, "start_narration, and narrate in close_client",
                "expected a line about closesocket, found \"%s\"",
                show_output(found, &server->process.output));
}

static void echo_16_mib(struct server *server)
{
    converse(server->port, pattern, PATTERN_SIZE, 256 * 1024);
}

static void echo_drip(struct server *server)
{
    SOCKET peer = connect_peer(server->port);
    for (int i = 0; i < 200 && !in_trouble(); i++)
        exchange(peer, pattern + i, 1, 1);
    close_peer(peer);
}

/* Unlike in the drip, each receive begins before there is anything to receive. */
static void echo_with_pauses(struct server *server)
{
    SOCKET peer = connect_peer(server->port);
    for (int i = 0; i < 8 && !in_trouble(); i++) {
        Sleep(2);
        exchange(peer, pattern + i, 100, 100);
    }
    close_peer(peer);
}

/* A server that asks for no more bytes than came the last time still echoes everything. */
static void long_after_short(struct server *server)
{
    enum { LONG_LENGTH = 16 * 1024, MOST_LINES = 200 };
    SOCKET peer = connect_peer(server->port);
    if (peer != INVALID_SOCKET && exchange(peer, pattern, 1, 1) &&
        exchange(peer, pattern, LONG_LENGTH, LONG_LENGTH)) {
        shutdown(peer, SD_SEND);
        receive_end(peer);
    }
    close_peer(peer);
    int lines = count_text(server, "\n");
    if (lines > MOST_LINES)
        trouble(FAILED, "WSABUF.len: is it the whole buffer again for each receive?",
                "expected at most %d lines of narration for %d bytes, found %d: the receives are "
                "short",
                MOST_LINES, LONG_LENGTH, lines);
}

/* ---- how a connection ends ----------------------------------------------------------------- */

/* The peer sends 1 MiB and shuts down before it reads the first byte. */
static void half_close(struct server *server)
{
    const size_t size = 1024 * 1024;
    SOCKET peer = connect_peer(server->port);
    if (peer != INVALID_SOCKET && exchange(peer, pattern, size, 65536)) {
        /* The tail is sent, followed by a shutdown, while the echo is not read. */
        if (send_all(peer, pattern, 200000)) {
            shutdown(peer, SD_SEND);
            Sleep(50);
            if (receive_exactly(peer, pattern, 200000))
                receive_end(peer);
        }
    }
    close_peer(peer);
}

static void bytes_and_end_together(struct server *server)
{
    for (int i = 0; i < 50 && !in_trouble(); i++) {
        size_t size = (size_t)1 << (i % 17); /* up to 64 KiB */
        SOCKET peer = connect_peer(server->port);
        if (peer == INVALID_SOCKET)
            break;
        if (send_all(peer, pattern, size)) {
            shutdown(peer, SD_SEND);
            if (receive_exactly(peer, pattern, size))
                receive_end(peer);
        }
        closesocket(peer);
    }
}

static void fifty_resets(struct server *server)
{
    for (int i = 0; i < 50 && !in_trouble(); i++) {
        SOCKET peer = connect_peer(server->port);
        if (peer == INVALID_SOCKET)
            break;
        send(peer, (const char *)pattern, 60000 + i, 0);
        if (i % 3 == 0)
            Sleep(2); /* so that a reset comes in each state of the server */
        if (i % 3 == 1)
            wait_for_socket(peer, READABLE, 100);
        reset_peer(peer);
    }
    converse(server->port, pattern, 100000, 65536);
}

static void quick_resets(struct server *server)
{
    service_quick_resets(server, &(struct service){0});
}

static void resets_of_lazy_clients(struct server *server)
{
    service_lazy_resets(server, &(struct service){0}); /* an echo and nothing else */
}

/* ---- a client that does not read ----------------------------------------------------------- */

static void never_reads(struct server *server)
{
    const double most_wait = at_this_pace(1000);
    struct measurement before, after;
    converse(server->port, pattern, 100, 100); /* makes it allocate what it allocates once */
    bool measured = measure_server(server, &before);
    SOCKET lazy = connect_peer(server->port);
    const int little = 65536; /* or the buffers of both directions could hold everything */
    if (lazy != INVALID_SOCKET) {
        setsockopt(lazy, SOL_SOCKET, SO_RCVBUF, (const char *)&little, sizeof little);
        size_t sent = send_until_refused(lazy);
        if (sent == PATTERN_SIZE)
            trouble(FAILED, "does the server receive again before it has sent everything back?",
                    "expected the server to stop receiving, found that it took %lu bytes",
                    (unsigned long)sent);
        double waited = service_shortest_visit(server->port, &(struct service){0}, most_wait);
        if (waited > most_wait)
            trouble(FAILED, "a send that blocks",
                    "while one client did not read, another had to wait %.1f s", waited / 1000);
        if (!measured || !measure_server(server, &after))
            cannot_measure(server);
        else if (after.memory > before.memory + 8 * 1024 * 1024)
            trouble(FAILED, "what is stored for a client that does not read?",
                    "expected at most 8 MiB more memory for a client that does not read, found "
                    "%llu MiB",
                    (after.memory - before.memory) >> 20);
        closesocket(lazy);
    }
}

/* The same client, but in the end it reads: the refused send must continue where it stopped, with
 * this client's bytes. */
static void reads_late(struct server *server)
{
    SOCKET lazy = connect_peer(server->port);
    if (lazy != INVALID_SOCKET) {
        size_t sent = send_until_refused(lazy);
        converse(server->port, pattern + 1, 1024 * 1024, 256 * 1024);
        if (receive_exactly(lazy, pattern, sent)) {
            shutdown(lazy, SD_SEND);
            receive_end(lazy);
        }
        closesocket(lazy);
    }
}

/* ---- many clients -------------------------------------------------------------------------- */

enum { WITHOUT_LIMIT = 1000, AT_LEAST = 60, BEYOND = 20, MOST_PEERS = 1100 };

static void many_at_once(void)
{
    static SOCKET peers[MOST_PEERS];
    struct server server;
    if (!start_server(&server, ""))
        return;
    int limit = announced_limit(&server.process);
    stop_server(&server);
    if (in_trouble() || !start_server(&server, "--quiet")) /* otherwise thousands of lines */
        return;
    int count = limit == 0 ? WITHOUT_LIMIT : limit;
    if (count < AT_LEAST || count > MOST_PEERS)
        trouble(FAILED, "the limit that the server announces",
                "expected from %d to %d clients at the same time, found \"at most %d\"", AT_LEAST,
                MOST_PEERS, count);
    else
        talk_all(server.port, peers, count);
    end_peers(peers, count < MOST_PEERS ? count : 0);
    stop_server(&server);
}

static void beyond_the_limit(struct server *server)
{
    static SOCKET peers[MOST_PEERS];
    int limit = announced_limit(&server->process);
    if (limit == 0) {
        trouble(SKIPPED, "", "this server announces no limit");
        stop_server(server);
        return;
    }
    if (limit + BEYOND > MOST_PEERS)
        limit = MOST_PEERS - BEYOND;
    talk_all(server->port, peers, limit);

    /* The late ones connect and send, but have to wait for an answer. */
    connect_peers(server->port, peers + limit, BEYOND);
    for (int i = limit; i < limit + BEYOND && !in_trouble(); i++)
        send_all(peers[i], pattern + i, 100);
    for (int i = limit; i < limit + BEYOND && !in_trouble(); i++) {
        if (wait_for_socket(peers[i], READABLE, 0) != 0)
            trouble(FAILED, "what happens to the client after the last place?",
                    "expected a late client to wait, found that it was served or disconnected");
    }
    /* Each time that one of the others leaves, one of the late ones is served. */
    for (int i = 0; i < BEYOND && !in_trouble(); i++) {
        closesocket(peers[i]);
        peers[i] = INVALID_SOCKET;
        receive_exactly(peers[limit + i], pattern + limit + i, 100);
    }
    int said = count_text(server, ", full");
    if (!in_trouble() && (said < 1 || said > BEYOND + 1))
        trouble(FAILED, "stop_accepting",
                "expected one line each time that the server becomes full, found %d lines", said);
    end_peers(peers, limit + BEYOND);
}

/* Unlike in the last check, clients leave in any way. What the server prints does not matter. */
static void full_server(struct server *server)
{
    if (!service_full(server, &(struct service){0}, NULL, PLACES) && !in_trouble())
        trouble(SKIPPED, "", "this server has a place for each of the clients");
}

/* Waits until the server answers the peer, which has sent something, or narrates that its accept
 * failed. True: it failed; otherwise there is something to receive, or trouble. */
static bool accept_has_failed(struct server *server, SOCKET peer)
{
    for (double end = now_ms() + patience_ms; now_ms() < end;) {
        if (wait_for_socket(peer, READABLE, 20) != 0)
            return false;
        if (count_text(server, "until a client leaves") > 0)
            return true;
    }
    trouble(TIMED_OUT, "accept_client",
            "expected a client to be served, or a line that says why not; found neither");
    return false;
}

/* The verifier lets one accept in three fail, first the second, third or fourth. Its client is then
 * still waiting, and must be served when another one has left. */
static void no_socket_left(void)
{
    enum { MOST = 4, LENGTH = 100 };
    SOCKET peers[MOST];
    struct server server;
    bool failed = false;
    int count = 0;

    if (!verified) {
        trouble(SKIPPED, "", "only the verifier makes accept fail");
        return;
    }
    if (strstr(program_path, "select_server") != NULL) {
        trouble(SKIPPED, "", "this server ends when there are no sockets left");
        return;
    }
    if (!start_unkind_server(&server, "", "accept_full"))
        return;
    while (count < MOST && !failed && !in_trouble()) {
        SOCKET peer = connect_peer(server.port);
        peers[count++] = peer;
        if (peer == INVALID_SOCKET || !send_all(peer, pattern, LENGTH))
            break;
        failed = accept_has_failed(&server, peer);
        if (!failed && !in_trouble())
            receive_exactly(peer, pattern, LENGTH);
    }
    if (failed && !in_trouble()) {
        closesocket(peers[0]);
        peers[0] = INVALID_SOCKET;
        if (wait_for_socket(peers[count - 1], READABLE, patience_ms) == 0)
            trouble(TIMED_OUT, "start_accepting: FD_ACCEPT has already come for this client",
                    "expected the client whose accept failed to be served when another one has "
                    "left, found that it still waits");
        else
            receive_exactly(peers[count - 1], pattern, LENGTH);
    } else if (!in_trouble()) {
        trouble(SKIPPED, "", "no accept failed: the seed is 0, or the server uses AcceptEx");
    }
    end_peers(peers, count);
    stop_server(&server);
}

static void storm_of_connects(struct server *server)
{
    enum { COUNT = 200, MESSAGE_SIZE = 100 };
    static SOCKET peers[COUNT];
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)server->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < COUNT; i++) { /* all at the same time, without waiting for one another */
        u_long yes = 1;
        peers[i] = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
        ioctlsocket(peers[i], FIONBIO, &yes);
        connect(peers[i], (struct sockaddr *)&address, sizeof address);
    }
    for (int i = 0; i < COUNT && !in_trouble(); i++) {
        if (wait_for_socket(peers[i], WRITABLE, patience_ms) == 0)
            trouble(TIMED_OUT, "the backlog of listen",
                    "client %d of %d was not connected within %d s", i + 1, COUNT,
                    patience_ms / 1000);
        else if (send_all(peers[i], pattern + i, MESSAGE_SIZE) &&
                 receive_exactly(peers[i], pattern + i, MESSAGE_SIZE)) {
            closesocket(peers[i]);
            peers[i] = INVALID_SOCKET;
        }
    }
    end_peers(peers, COUNT);
}

/* ---- nothing leaks ------------------------------------------------------------------------- */

static void two_thousand_in_a_row(struct server *server)
{
    enum { WARM_UP = 200, COUNT = 2000 };
    struct measurement before = {0};
    bool measured = true;
    for (int i = 0; i < COUNT && !in_trouble(); i++) {
        if (i == WARM_UP)
            measured = measure_server(server, &before);
        converse(server->port, pattern + i, 100, 100);
    }
    give_time(200); /* the server may still be closing the last one */
    expect_no_growth(server, measured ? &before : NULL, 2 * 1024 * 1024,
                     "WSACloseEvent, closesocket, CloseHandle, free: once for each client",
                     "after 2,000 connections");
}

/* ---- everything at the same time ----------------------------------------------------------- */

enum { STORM_PEERS = 40 };

struct storm {
    int port;
    unsigned random;
    double end;
    int connections;
};

static DWORD WINAPI storm_peer(void *parameter)
{
    struct storm *storm = parameter;

    while (now_ms() < storm->end && !in_trouble()) {
        storm->random = storm->random * 1664525u + 1013904223u;
        unsigned choice = (storm->random >> 16) % 4;
        const unsigned char *bytes = pattern + (storm->random >> 8) % 1000000;
        SOCKET peer = connect_peer(storm->port);
        if (peer == INVALID_SOCKET)
            return 0;
        storm->connections++;
        if (choice == 0) { /* bulk */
            exchange(peer, bytes, 512 * 1024, 65536);
        } else if (choice == 1) { /* a reset while bytes are on their way */
            send(peer, (const char *)bytes, 50000, 0);
            wait_for_socket(peer, READABLE, storm->random % 20);
            reset_peer(peer);
            continue;
        } else if (choice == 2) { /* half-close */
            if (send_all(peer, bytes, 30000)) {
                shutdown(peer, SD_SEND);
                if (receive_exactly(peer, bytes, 30000))
                    receive_end(peer);
            }
        } else { /* drip */
            for (int i = 0; i < 20 && exchange(peer, bytes + i, 1, 1); i++)
                Sleep(5);
        }
        closesocket(peer);
    }
    return 0;
}

/* Returns how many connections there were. */
static int raise_storm(int port, int seconds)
{
    struct storm storms[STORM_PEERS];
    HANDLE threads[STORM_PEERS];
    int connections = 0;
    for (int i = 0; i < STORM_PEERS; i++) {
        storms[i].port = port;
        storms[i].random = 12345u + (unsigned)i * 7919u;
        storms[i].end = now_ms() + seconds * 1000.0;
        storms[i].connections = 0;
        threads[i] = CreateThread(NULL, 0, storm_peer, &storms[i], 0, NULL);
        if (threads[i] == NULL)
            fail((int)GetLastError(), "CreateThread");
    }
    for (int i = 0; i < STORM_PEERS; i++) {
        WaitForSingleObject(threads[i], INFINITE); /* each wait in it is bounded */
        CloseHandle(threads[i]);
        connections += storms[i].connections;
    }
    converse(port, pattern, 100000, 65536);
    give_time(200); /* the server may still be closing the last one */
    return connections;
}

/* When all places have been taken once, and after a first second, the server has everything that it
 * keeps for such a storm. */
static void mixed_storm(struct server *server)
{
    enum { MOST_MEMORY = 8 * 1024 * 1024 };
    SOCKET peers[PLACES];
    struct measurement before = {0}, after = {0};

    talk_all(server->port, peers, PLACES);
    end_peers(peers, PLACES);
    raise_storm(server->port, 1);
    bool measured = measure_server(server, &before);
    int connections = raise_storm(server->port, storm_seconds);
    expect_no_growth(server, measured ? &before : NULL, MOST_MEMORY,
                     "what is freed when a client is reset while it is being served?",
                     "after the storm");
    if (storm_seconds > DEFAULT_STORM_SECONDS && measured && measure_server(server, &after))
        say("         after 1 s: %u handles, %llu KiB; after %d s and %d connections: %u handles, "
            "%llu KiB\n",
            before.handles, before.memory >> 10, storm_seconds, connections, after.handles,
            after.memory >> 10);
}

/* ---- anything in any order ------------------------------------------------------------------ */

static void any_order(void)
{
    if (kill_servers)
        trouble(SKIPPED, "", "a server that is killed has no summary");
    else
        service_any_order(&(struct service){0});
}

/* ---- fairness ------------------------------------------------------------------------------ */

static void busy_clients_starve_no_other(struct server *server)
{
    service_is_fair(server, &(struct service){0});
}

/* ---- idle, errors, stop -------------------------------------------------------------------- */

static void idle_costs_nothing(void)
{
    service_idle_costs_nothing(&(struct service){0});
}

static void counts_what_was_sent(void)
{
    if (kill_servers)
        trouble(SKIPPED, "", "a server that is killed has no summary");
    else
        service_counts_sent(&(struct service){0});
}

/* Runs the program to its end. */
static void expect_end(const char *arguments, DWORD expected_status, const char *expected_error)
{
    struct process process;
    char text[STATUS_SIZE], error[OUTPUT_SIZE];
    DWORD status = 0;

    if (!start_program(&process, arguments))
        return;
    if (!wait_for_exit(&process, patience_ms, &status))
        trouble(TIMED_OUT, "arguments.c",
                "expected the program to end immediately with the arguments \"%s\"", arguments);
    else if (status != expected_status || !has_printed(&process.error, expected_error))
        trouble(FAILED, "arguments.c, error.c",
                "\"%s\": expected exit status %lu and \"%s\" on standard error, found %s and "
                "\"%s\"",
                arguments, expected_status, expected_error, status_text(text, status),
                show_output(error, &process.error));
    end_program(&process, "while it ran");
}

static void port_in_use(struct server *server)
{
    char arguments[40];
    snprintf(arguments, sizeof arguments, "--quiet %d", server->port);
    expect_end(arguments, 1, "WSAEADDRINUSE (10048): ");
    converse(server->port, pattern, 100, 100); /* the first server is not affected */
}

static void wrong_arguments(void)
{
    static const char *const wrong[] = {"nonsense", "65536",  "-1",          "12x",  "9190 9191",
                                        "--loud",   "--host", "99999999999", "\"\"", "+5"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0] && !in_trouble(); i++)
        expect_end(wrong[i], 2, "usage: ");
    if (!in_trouble())
        expect_end("--host no.such.host.invalid 0", 1, "look up no.such.host.invalid: ");
}

/* Port 0: the system chooses one, and the server prints it. */
static void port_0_and_ipv6(void)
{
    struct server server = {.port = 0};
    struct process *process = &server.process;
    char arguments[80], output[OUTPUT_SIZE], error[OUTPUT_SIZE];

    /* Under Wine a process is found by its command line, so that checks side by side need different
     * ones: this is ::1, with more or fewer zeros. */
    unsigned n = GetCurrentProcessId() / 4 + GetTickCount();
    snprintf(arguments, sizeof arguments, "--quiet --host %0*d:%0*d:%0*d:0:0:0:0:1 %0*d", 1 + n % 4,
             0, 1 + n / 4 % 4, 0, 1 + n / 16 % 4, 0, 1 + n / 64 % 7, 0);
    if (!start_program(process, arguments))
        return;
    server.port = listening_port(process, 0, patience_ms);
    if (has_printed(&process->error, "WSAEADDRNOTAVAIL") ||
        has_printed(&process->error, "WSAEAFNOSUPPORT"))
        trouble(SKIPPED, "", "this machine has no IPv6");
    else if (server.port == 0 || !has_printed(&process->output, "listening on [::1]:"))
        trouble(FAILED, "listen_at",
                "expected \"listening on [::1]:\" and a port, found \"%s\" and \"%s\"",
                show_output(output, &process->output), show_output(error, &process->error));
    if (in_trouble())
        end_program(process, "before it listened");
    else
        stop_server(&server);
}

static void stop_with_clients(void)
{
    service_stops(&(struct service){0});
}

const struct check server_checks[] = {
    {.name = "echoes one byte", .talk = echo_one_byte, .options = "--quiet"},
    {.name = "echoes text, and narrates", .talk = echo_text, .options = ""},
    {.name = "echoes 16 MiB", .talk = echo_16_mib, .options = "--quiet"},
    {.name = "echoes a drip of single bytes", .talk = echo_drip, .options = "--quiet"},
    {.name = "echoes a client that pauses", .talk = echo_with_pauses, .options = "--quiet"},
    {.name = "a long message after a short one", .talk = long_after_short, .options = ""},
    {.name = "half-close: all comes back, then the end", .talk = half_close, .options = "--quiet"},
    {.name = "bytes and end together", .talk = bytes_and_end_together, .options = "--quiet"},
    {.name = "50 resets, and the next client is served",
     .talk = fifty_resets,
     .options = "--quiet"},
    {.name = "400 immediate resets leak nothing", .talk = quick_resets, .options = "--quiet"},
    {.name = "12 resets of clients that do not read leak nothing",
     .talk = resets_of_lazy_clients,
     .options = "--quiet"},
    {.name = "a client that never reads costs one buffer",
     .talk = never_reads,
     .options = "--quiet"},
    {.name = "a client that reads late gets everything", .talk = reads_late, .options = "--quiet"},
    {.name = "as many clients at the same time as promised", .run = many_at_once},
    {.name = "clients beyond the limit wait, and are served",
     .talk = beyond_the_limit,
     .options = ""},
    {.name = "however a client leaves a full server, one that waits is served",
     .talk = full_server,
     .options = "--quiet"},
    {.name = "no socket left: a client waits, and is served", .run = no_socket_left},
    {.name = "a storm of 200 connects", .talk = storm_of_connects, .options = "--quiet"},
    {.name = "2,000 connections in a row leak nothing",
     .talk = two_thousand_in_a_row,
     .options = "--quiet"},
    {.name = "a mixed storm of 40 clients", .talk = mixed_storm, .options = "--quiet"},
    {.name = "24 clients do anything in any order", .run = any_order},
    {.name = "busy clients do not starve a quiet one",
     .talk = busy_clients_starve_no_other,
     .options = "--quiet"},
    {.name = "idle costs no CPU", .run = idle_costs_nothing},
    {.name = "port in use: status 1, and says so", .talk = port_in_use, .options = "--quiet"},
    {.name = "wrong arguments: status 2, and the usage", .run = wrong_arguments},
    {.name = "port 0 and IPv6", .run = port_0_and_ipv6},
    {.name = "Ctrl+C with clients connected and data in flight", .run = stop_with_clients},
    {.name = "Ctrl+C: the summary counts what was sent, and nothing more",
     .run = counts_what_was_sent},
    {0},
};
